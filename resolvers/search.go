package resolvers

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
)

// mentions reports whether the name or a key of a client has a text in it, in whatever case.
func (r *Resolver) mentions(d *document.Document, text string) bool {
	text = strings.ToLower(text)
	name, err := newClient(d).Name()
	if err == nil && strings.Contains(strings.ToLower(value(name)), text) {
		return true
	}
	return slices.ContainsFunc([]string{"id", "slug", "sku"}, func(field string) bool {
		return strings.Contains(strings.ToLower(r.ShownKey(d, field)), text)
	})
}

// sorting returns the order of clients by a member, from the last to the first behind a "-"; that of "" keeps the
// present order.
func sorting(by string) (func(a, b *model.Client) int, error) {
	if by == "" {
		return func(*model.Client, *model.Client) int { return 0 }, nil
	}
	name, down := strings.CutPrefix(by, "-")
	i := slices.IndexFunc(model.Shapes.Client.Members, func(m document.Member) bool {
		return m.Name == name && m.Shape == nil && !m.JSON
	})
	if i < 0 {
		return nil, scalar.Input("must be a sortable field of a client, such as name or createdAt", "sort")
	}
	return func(a, b *model.Client) int {
		if down {
			a, b = b, a
		}
		return compareValues(a.Member(i), b.Member(i))
	}, nil
}

// compareValues orders numbers by size, all else by text, in whatever case. Null comes first.
func compareValues(a, b document.Value) int {
	x, errX := a.Float()
	y, errY := b.Float()
	if a.Kind() == document.KindNumber && b.Kind() == document.KindNumber && errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Or(cmp.Compare(min(a.Kind(), 1), min(b.Kind(), 1)),
		bytes.Compare(bytes.ToLower(a.Raw()), bytes.ToLower(b.Raw())))
}
