package engine

import (
	"slices"

	"github.com/learngraph/learngraph/document"
	"github.com/vektah/gqlparser/v2/ast"
)

// The methods of this file walk from the results of a call to the parents of the calls below it, and nowhere else. They
// meet each parent in the order in which writing the answer meets it, so that its place in the column is enough to find
// its results again. Invalid values and nulls on the way are skipped; writing reports them.

// column are the parents at one place of the plan.
type column struct {
	parents []Parent
	written int // how many of them the answer has
}

// collect walks the value of a call or a read.
func (x *execution) collect(f *Field, t *ast.Type, v any) {
	if v == nil {
		return
	}
	if t.Elem != nil {
		list := v.([]any)
		if f.stream != nil && t == f.Type {
			x.collectElements(f, len(list), func(x *execution, f *Field, i int) { x.collect(f, t.Elem, list[i]) })
			return
		}
		for _, e := range list {
			x.collect(f, t.Elem, e)
		}
		return
	}
	if s, err := f.of(v); err == nil && s != nil {
		x.enter(s, s.binding.parent(v))
	}
}

func (x *execution) enter(s *Selection, p Parent) {
	if s.slot >= 0 {
		x.columns[s.slot].parents = append(x.columns[s.slot].parents, p)
	}
	if s.split != nil {
		x.enterParts(s, func(x *execution, s *Selection) { x.enter(s, p) })
	}
	for _, f := range s.leading {
		if x.refusal(f) == nil {
			x.pass(f, p)
		}
	}
}

// enterParts leaves the parents in the parts of an object to their branches.
func (x *execution) enterParts(s *Selection, enter func(*execution, *Selection)) {
	for _, p := range s.split.calling {
		b := x.branch(p)
		b.collect = append(b.collect, func(y *execution) { enter(y, b.part.plan.Root) })
	}
}

func (x *execution) pass(f *Field, p Parent) {
	switch f.Kind {
	case Regroup:
		x.enter(f.child, p)
	case Project:
		x.collectDocument(f, f.Type, p.Document.Member(f.binding.Member))
	case Page:
		x.collectPage(f, p)
	case Read:
		x.collectRead(f, p)
	}
}

func (x *execution) collectDocument(f *Field, t *ast.Type, v document.Value) {
	if t.Elem != nil {
		if f.stream != nil && t == f.Type {
			x.collectElements(f, v.Len(), func(x *execution, f *Field, i int) { x.collectDocument(f, t.Elem, v.At(i)) })
			return
		}
		for i := range v.Len() {
			x.collectDocument(f, t.Elem, v.At(i))
		}
		return
	}
	if o, err := v.Object(); err == nil {
		x.enter(f.child, Parent{Document: o})
	}
}

func (x *execution) collectPage(f *Field, p Parent) {
	page, err := x.open(f, p.Document)
	if err != nil {
		return
	}
	defer x.close(page)
	if f.isSplit() {
		x.enterPage(f.child, page.detached(x))
		return
	}
	x.enterPage(f.child, &page)
}

// enterPage walks the selected fields of a page.
func (x *execution) enterPage(s *Selection, p *page) {
	if s.split != nil {
		q := *p
		x.enterParts(s, func(x *execution, s *Selection) { x.enterPage(s, &q) })
	}
	for _, part := range s.leading {
		if x.refusal(part) != nil {
			continue
		}
		n := p.end - p.start
		if part.stream != nil {
			q := *p
			x.collectElements(part, n, func(x *execution, part *Field, i int) { x.enterElement(part, &q, q.start+i) })
			continue
		}
		for i := range n {
			x.enterElement(part, p, p.start+i)
		}
	}
}

func (x *execution) enterElement(f *Field, p *page, i int) {
	if f.Kind == pageNodes {
		x.collectDocument(f, f.Type.Elem, p.at(x, i))
		return
	}
	x.enterEdge(f.child, p, i)
}

func (x *execution) enterEdge(s *Selection, p *page, i int) {
	if s.split != nil {
		q := *p
		x.enterParts(s, func(x *execution, s *Selection) { x.enterEdge(s, &q, i) })
	}
	for _, node := range s.leading {
		if x.refusal(node) == nil {
			x.collectDocument(node, node.Type, p.at(x, i))
		}
	}
}

func (x *execution) collectRead(f *Field, p Parent) {
	if f.binding.List == nil {
		if v, err := x.readObject(f, p.Value); err == nil {
			x.collect(f, f.Type, v)
		}
		return
	}
	base := len(x.stack)
	if n, _, err := x.readList(f, p.Value); err == nil && f.stream != nil {
		list := slices.Clone(x.stack[base:])
		x.collectElements(f, n, func(x *execution, f *Field, i int) { x.collect(f, f.Type.Elem, list[i]) })
	} else if err == nil {
		for i := range n {
			x.collect(f, f.Type.Elem, x.stack[base+i])
		}
	}
	x.stack = x.stack[:base]
}
