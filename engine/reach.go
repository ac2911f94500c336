package engine

import (
	"github.com/learngraph/learngraph/document"
	"github.com/vektah/gqlparser/v2/ast"
)

// The methods of this file walk from the results of a call to the parents of the calls below it, and nowhere else. They
// meet each parent in the order in which writing the answer meets it, so that its place in the column is enough to find
// its results again. What is broken or null on the way is passed over: writing says so.

// column are the parents at one place of the plan.
type column struct {
	parents []Parent
	written int // how many of them the answer has
}

// reach walks a value that a call or a read gave.
func (x *execution) reach(f *Field, t *ast.Type, v any) {
	if v == nil {
		return
	}
	if t.Elem != nil {
		for _, e := range v.([]any) {
			x.reach(f, t.Elem, e)
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
	for _, f := range s.leading {
		if x.gate(f) == nil {
			x.pass(f, p)
		}
	}
}

func (x *execution) pass(f *Field, p Parent) {
	switch f.Kind {
	case Regroup:
		x.enter(f.child, p)
	case Project:
		x.reachDocument(f, f.Type, p.Document.Member(f.binding.Member))
	case Page:
		x.reachPage(f, p)
	case Read:
		x.reachRead(f, p)
	}
}

func (x *execution) reachDocument(f *Field, t *ast.Type, v document.Value) {
	if t.Elem != nil {
		for i := range v.Len() {
			x.reachDocument(f, t.Elem, v.At(i))
		}
		return
	}
	if o, err := v.Object(); err == nil {
		x.enter(f.child, Parent{Document: o})
	}
}

func (x *execution) reachPage(f *Field, p Parent) {
	page, err := x.open(f, p.Document)
	if err != nil {
		return
	}
	defer x.close(page)
	for _, part := range f.child.leading {
		if x.gate(part) != nil {
			continue
		}
		for i := page.start; i < page.end; i++ {
			v := page.at(x, i)
			if part.Kind == pageNodes {
				x.reachDocument(part, part.Type.Elem, v)
				continue
			}
			for _, node := range part.child.leading {
				if x.gate(node) != nil {
					continue
				}
				x.reachDocument(node, node.Type, v)
			}
		}
	}
}

func (x *execution) reachRead(f *Field, p Parent) {
	if f.binding.List == nil {
		if v, err := x.readObject(f, p.Value); err == nil {
			x.reach(f, f.Type, v)
		}
		return
	}
	base := len(x.stack)
	if n, _, err := x.readList(f, p.Value); err == nil {
		for i := range n {
			x.reach(f, f.Type.Elem, x.stack[base+i])
		}
	}
	x.stack = x.stack[:base]
}
