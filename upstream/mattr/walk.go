package mattr

import "context"

// Walk is the list of identities, read page by page from its start.
type Walk struct {
	Items []*Identity
	// Pages is how many were read; Done says that no more follow.
	Pages int
	Done  bool
	// Unusable is set if a cursor came before, which ends the walk.
	Unusable bool
}

// WalkIdentities reads at most bound pages, each by its cursor. After each page that is not the last, goOn reports whether
// the walk is worth its calls.
func WalkIdentities(ctx context.Context, bound int, read func(ctx context.Context, cursor string) (Page[*Identity], error), goOn func(page []*Identity) bool) (w Walk, err error) {
	cursor := ""
	asked := map[string]bool{}
	for w.Pages < bound && !w.Done {
		asked[cursor] = true
		page, err := read(ctx, cursor)
		if err != nil {
			return w, err
		}
		w.Pages++
		w.Items = append(w.Items, page.Items...)
		w.Done = page.Next == "" || len(page.Items) == 0
		cursor = page.Next
		w.Unusable = !w.Done && asked[cursor]
		if !w.Done && (w.Unusable || !goOn(page.Items)) {
			return w, nil
		}
	}
	return w, nil
}
