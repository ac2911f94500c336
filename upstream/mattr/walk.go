package mattr

import (
	"context"

	"github.com/learngraph/learngraph/footprint"
)

// Walk is the list of identities, read page by page from its start.
type Walk struct {
	Items []*Identity
	// Pages is how many were read; Done says that no more follow.
	Pages int
	Done  bool
}

// WalkIdentities reads at most bound pages, each by its cursor. After each page that is not the last, goOn says whether
// the walk is worth its calls.
func WalkIdentities(ctx context.Context, bound int, read func(ctx context.Context, cursor string) (Page[*Identity], error), goOn func(page []*Identity) bool) (w Walk, err error) {
	cursor := ""
	for w.Pages < bound && !w.Done {
		page, err := read(ctx, cursor)
		if err != nil {
			return w, err
		}
		w.Pages++
		w.Items = append(w.Items, page.Items...)
		w.Done = page.Next == "" || page.Next == cursor || len(page.Items) == 0
		cursor = page.Next
		if !w.Done && !goOn(page.Items) {
			return w, nil
		}
	}
	return w, nil
}

// Size is the memory that the record takes, in bytes.
func (i *Identity) Size() int { return footprint.Of[Identity]() + footprint.Text(i.ID) + i.size() }

// Size is the memory that the record takes, in bytes.
func (c *Credential) Size() int { return footprint.Of[Credential]() + footprint.Text(c.ID) + c.size() }

func (r record) size() int {
	if r.doc == nil {
		return 0
	}
	return r.doc.Size()
}
