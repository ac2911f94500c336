package engine

import (
	"slices"

	"github.com/learngraph/learngraph/document"
)

// pageArgs are the arguments of a connection in one execution.
type pageArgs struct {
	ready   bool
	args    map[string]any
	size    int
	filters [][]string // per filter the JSON of its accepted values; nil keeps all
	err     error
}

// page is one page of a list in a document. The list is all there, so that totals and hasNextPage are exact.
type page struct {
	field     *Field
	parent    document.Object
	args      *pageArgs
	list      document.Value
	base      int     // of the places that the filters keep, in the execution's scratch; -1 where they keep all
	visible   []int32 // these places, where the page is shown again
	total     int
	start     int
	end       int
	continued bool
}

func (x *execution) pageArgs(f *Field) *pageArgs {
	a := &x.pages[f.slot]
	if a.ready {
		return a
	}
	a.ready = true
	if a.args, a.err = x.arguments(f); a.err != nil {
		a.err = &argumentError{a.err}
		return a
	}
	c := f.binding.Connection
	if a.size, a.err = c.Size(a.args); a.err != nil {
		return a
	}
	for _, filter := range c.Filters {
		var requested []string
		if names := filter.Values(a.args); names != nil {
			requested = make([]string, len(names))
			for i, n := range names {
				requested[i] = string(AppendString(nil, n))
			}
		}
		a.filters = append(a.filters, requested)
	}
	return a
}

// open finds the page that the field's arguments ask for. It must be closed before an earlier one is.
func (x *execution) open(f *Field, parent document.Object) (page, error) {
	a := x.pageArgs(f)
	if a.err != nil {
		return page{}, a.err
	}
	p := page{field: f, parent: parent, args: a, base: -1}
	offset, continued, err := f.binding.Connection.After(parent, a.args)
	if err != nil {
		return page{}, err
	}
	p.continued = continued
	p.list = parent.Member(f.binding.Member)
	if kind := p.list.Kind(); kind != document.KindArray && kind != document.KindNull {
		return page{}, &document.Mismatch{Want: "array", Got: kind}
	}
	p.total = p.list.Len()
	for _, requested := range a.filters {
		if requested != nil {
			x.filter(&p)
			break
		}
	}
	p.start = min(offset, p.total)
	p.end = min(p.start+a.size, p.total)
	return p, nil
}

func (x *execution) close(p page) {
	if p.base >= 0 {
		x.visible = x.visible[:p.base]
	}
}

// filter notes the places of the elements that pass every filter. One that is no object passes none.
func (x *execution) filter(p *page) {
	p.base = len(x.visible)
	for i := range p.list.Len() {
		if x.passesFilters(p, p.list.At(i)) {
			x.visible = append(x.visible, int32(i))
		}
	}
	p.total = len(x.visible) - p.base
}

func (x *execution) passesFilters(p *page, v document.Value) bool {
	o, err := v.Object()
	if err != nil {
		return false
	}
	for i, filter := range p.field.binding.Connection.Filters {
		if requested := p.args.filters[i]; requested != nil && !x.isOneOf(o.Member(filter.Member), filter.Leaf, requested) {
			return false
		}
	}
	return true
}

func (x *execution) isOneOf(v document.Value, leaf *document.Leaf, requested []string) bool {
	if v.Kind() == document.KindNull {
		return false
	}
	text, err := leaf.Append(x.scratch[:0], v)
	if err != nil {
		return false
	}
	x.scratch = text
	return slices.Contains(requested, string(text))
}

// at returns the element at place i of the filtered list.
func (p *page) at(x *execution, i int) document.Value {
	switch {
	case p.visible != nil:
		i = int(p.visible[i])
	case p.base >= 0:
		i = int(x.visible[p.base+i])
	}
	return p.list.At(i)
}

// detached returns a copy of the page that may be shown when others have been opened and the execution is over.
func (p page) detached(x *execution) *page {
	args := *p.args
	p.args = &args
	if p.base >= 0 {
		p.visible = slices.Clone(x.visible[p.base : p.base+p.total])
	}
	return &p
}

// isSplit reports whether parts of a page are delivered apart.
func (f *Field) isSplit() bool {
	if f.child.split != nil {
		return true
	}
	for _, part := range f.child.Fields {
		if part.stream != nil || part.child != nil && part.child.split != nil {
			return true
		}
	}
	return false
}

// cursor names the element at place i of the filtered list.
func (p *page) cursor(i int) string {
	return p.field.binding.Connection.Cursor(p.parent, p.args.args, i+1)
}

// writePage writes the selected fields of a connection.
func (x *execution) writePage(f *Field, parent document.Object) bool {
	p, err := x.open(f, parent)
	if err != nil {
		return x.fail(f, err)
	}
	defer x.close(p)
	if p.list.Kind() == document.KindNull {
		return x.writeNull(f, f.Type, errNull)
	}
	if f.isSplit() {
		q := p.detached(x)
		return x.splitMembers(f.child, func(x *execution, part *Field) bool { return x.splitPagePart(q, part) })
	}
	return x.members(f.child, func(x *execution, part *Field) bool { return x.pagePart(&p, part) })
}

// splitPagePart is pagePart for a page whose parts are delivered apart.
func (x *execution) splitPagePart(p *page, f *Field) bool {
	if f.stream == nil {
		return x.pagePart(p, f)
	}
	return x.streamElements(f, p.end-p.start, func(x *execution, f *Field, i int) bool {
		if f.Kind == pageNodes {
			return x.writeDocument(f, f.Type.Elem, p.at(x, p.start+i))
		}
		return x.edge(p, f, p.start+i)
	})
}

func (x *execution) pagePart(p *page, f *Field) bool {
	switch f.Kind {
	case pageTotal:
		x.buf = AppendInt(x.buf, p.total)
	case pageInfo:
		if f.child.split != nil {
			q := *p
			return x.splitMembers(f.child, func(x *execution, part *Field) bool { return x.infoPart(&q, part) })
		}
		return x.members(f.child, func(x *execution, part *Field) bool { return x.infoPart(p, part) })
	case pageNodes:
		return x.elements(f.Type, p.end-p.start, func(i int) bool {
			return x.writeDocument(f, f.Type.Elem, p.at(x, p.start+i))
		})
	case pageEdges:
		return x.elements(f.Type, p.end-p.start, func(i int) bool { return x.edge(p, f, p.start+i) })
	default:
		x.buf = append(x.buf, f.constant...)
	}
	return true
}

func (x *execution) edge(p *page, f *Field, i int) bool {
	if f.child.split != nil {
		q := *p // which is the page's own, as p is here
		return x.splitMembers(f.child, func(x *execution, part *Field) bool { return x.edgePart(&q, part, i) })
	}
	return x.members(f.child, func(x *execution, part *Field) bool { return x.edgePart(p, part, i) })
}

func (x *execution) edgePart(p *page, f *Field, i int) bool {
	switch f.Kind {
	case edgeCursor:
		x.buf = AppendString(x.buf, p.cursor(i))
	case edgeNode:
		return x.writeDocument(f, f.Type, p.at(x, i))
	default:
		x.buf = append(x.buf, f.constant...)
	}
	return true
}

func (x *execution) infoPart(p *page, f *Field) bool {
	switch {
	case f.Kind == infoNext:
		x.buf = AppendBool(x.buf, p.end < p.total)
	case f.Kind == infoPrevious:
		x.buf = AppendBool(x.buf, p.continued)
	case f.Kind == Constant:
		x.buf = append(x.buf, f.constant...)
	case p.start == p.end:
		x.buf = append(x.buf, "null"...)
	case f.Kind == infoStart:
		x.buf = AppendString(x.buf, p.cursor(p.start))
	default:
		x.buf = AppendString(x.buf, p.cursor(p.end-1))
	}
	return true
}
