package engine

import (
	"slices"

	"github.com/learngraph/learngraph/coerce"
	"github.com/vektah/gqlparser/v2/ast"
)

// Format is how the answer to an operation is delivered.
type Format uint8

// The formats. A field that is selected both inside and outside of a @defer is delivered once, with the first part that
// selects it, where the answer is Deduplicated, and with each part that selects it where it is Branching.
const (
	Whole Format = iota
	Deduplicated
	Branching
)

// deferral is a @defer in force at one place of the plan.
type deferral struct {
	label     *string
	directive *ast.Directive
	parent    *deferral
}

// encloses reports whether d is around other.
func (d *deferral) encloses(other *deferral) bool {
	for p := other.parent; p != nil; p = p.parent {
		if p == d {
			return true
		}
	}
	return false
}

// part is delivered separately from the plan that it belongs to: fields of an object, or elements of a list.
type part struct {
	plan   *Plan
	slot   int         // among the parts of the plan that it belongs to
	usages []*deferral // that deliver it; none for elements of a list
	calls  bool        // it needs calls of resolvers
	singly bool        // elements with calls of their own, each of which is delivered when its values are there
	label  *string     // of the @stream
}

// split is how the fields of a selection are divided into parts.
type split struct {
	deferrals []*deferral // that begin here
	parts     []*part
	calling   []*part // those with calls
	order     []piece // all fields, in the order in which the operation selects them
}

// piece is one field of a split selection; part is nil for the first part.
type piece struct {
	part  *part
	field *Field
}

// division is the fields of one part of a selection.
type division struct {
	usages []*deferral
	groups []collected
}

// divide returns the fields that belong to the part with these usages, and those of other parts.
func (c *compiler) divide(groups []collected, usages []*deferral) (own []collected, parts []division) {
	if c.format == Whole {
		return groups, nil
	}
	for _, group := range groups {
		if c.format == Deduplicated {
			own, parts = assign(own, parts, group, usages, usagesOf(group.fields))
			continue
		}
		c.plan.overlaps = c.plan.overlaps || overlaps(group.fields)
		for _, field := range group.fields {
			var of []*deferral
			if field.deferral != nil {
				of = []*deferral{field.deferral}
			}
			own, parts = assign(own, parts, collected{group.key, []occurrence{field}}, usages, of)
		}
	}
	return own, parts
}

// assign adds a group of fields to the part that has the usages.
func assign(own []collected, parts []division, group collected, current, usages []*deferral) ([]collected, []division) {
	if sameUsages(current, usages) {
		return join(own, group), parts
	}
	i := slices.IndexFunc(parts, func(d division) bool { return sameUsages(d.usages, usages) })
	if i < 0 {
		i = len(parts)
		parts = append(parts, division{usages: usages})
	}
	parts[i].groups = join(parts[i].groups, group)
	return own, parts
}

// join adds a group behind those of other response keys, or to the last one.
func join(groups []collected, group collected) []collected {
	if last := len(groups) - 1; last >= 0 && groups[last].key == group.key {
		groups[last].fields = append(groups[last].fields, group.fields...)
		return groups
	}
	return append(groups, group)
}

// overlaps reports whether a field is delivered more than once.
func overlaps(fields []occurrence) bool {
	return slices.ContainsFunc(fields, func(f occurrence) bool { return f.deferral != fields[0].deferral })
}

// usagesOf are the @defers that deliver a field: none where it is selected without one, and none that another one of
// them is around, since that is delivered first.
func usagesOf(fields []occurrence) []*deferral {
	var usages []*deferral
	for _, f := range fields {
		if f.deferral == nil {
			return nil
		}
		if !slices.Contains(usages, f.deferral) {
			usages = append(usages, f.deferral)
		}
	}
	all := slices.Clone(usages)
	return slices.DeleteFunc(usages, func(d *deferral) bool {
		return slices.ContainsFunc(all, func(outer *deferral) bool { return outer.encloses(d) })
	})
}

func sameUsages(a, b []*deferral) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(d *deferral) bool { return !slices.Contains(b, d) })
}

// split compiles the parts of a selection.
func (c *compiler) split(s *Selection, groups []collected, divisions []division, deferrals []*deferral, at position) {
	s.split = &split{deferrals: deferrals}
	for _, d := range divisions {
		below := at
		below.caller, below.usages = nil, d.usages
		p := c.part(at, func(c *compiler) { c.plan.Root = c.selection(s.binding, d.groups, nil, below) })
		p.usages = d.usages
		s.split.parts = append(s.split.parts, p)
		if p.calls {
			s.split.calling = append(s.split.calling, p)
		}
	}
	s.split.order = s.pieces(groups)
}

// pieces lists the fields of all parts in the order of the operation. One that is in several parts is that of the
// first.
func (s *Selection) pieces(groups []collected) []piece {
	byKey := make(map[string]piece, len(groups))
	for _, p := range slices.Backward(s.split.parts) {
		for _, f := range p.plan.Root.Fields {
			byKey[f.Key] = piece{p, f}
		}
	}
	for _, f := range s.Fields {
		byKey[f.Key] = piece{nil, f}
	}
	order := make([]piece, len(groups))
	for i, group := range groups {
		order[i] = byKey[group.key]
	}
	return order
}

// part compiles a plan of its own for the selection delivered separately at a position.
func (c *compiler) part(at position, compile func(*compiler)) *part {
	inner := newCompiler(c.schema, c.op, c.format)
	compile(inner)
	p := &part{plan: inner.finish(), slot: c.plan.parts}
	p.calls = p.plan.calls > 0 || len(p.plan.ready) > 0
	c.plan.parts++
	c.plan.weight += p.plan.weight
	c.plan.overlaps = c.plan.overlaps || p.plan.overlaps
	if inner.plan.err != nil {
		c.plan.err = inner.plan.err
	}
	if c.err == nil {
		c.err = inner.err
	}
	switch {
	case !p.calls:
	case at.caller != nil:
		at.caller.below = append(at.caller.below, p)
	default:
		c.plan.ready = append(c.plan.ready, p)
	}
	return p
}

// streams compiles the elements of a list that are delivered apart, where a @stream is in force.
func (c *compiler) streams(f *Field, at position) {
	d := f.Source.Directives.ForName("stream")
	if c.format == Whole || d == nil || f.Type.Elem == nil {
		return
	}
	on, err := coerce.Enabled(d, c.op.Variables)
	if err != nil {
		c.note(err, position{})
	}
	if !on {
		return
	}
	element := *f
	element.Children, element.child, element.Next, element.below = nil, nil, nil, nil
	element.scopes = slices.Clone(f.scopes)
	for i := range element.scopes {
		element.scopes[i].deferral = nil // selections deferred around the list are delivered with it
	}
	below := position{caller: at.caller, context: at.context, root: at.root}
	if f.Kind == Resolve {
		below.caller = f
	}
	f.stream = c.part(below, func(c *compiler) {
		c.plan.element = &element
		element.id, c.plan.fields = 0, 1
		c.children(&element, position{context: at.context})
	})
	f.stream.label, f.stream.singly = labelOf(d), f.stream.plan.calls > 0
}

func labelOf(d *ast.Directive) *string {
	if arg := d.Arguments.ForName("label"); arg != nil && arg.Value.Kind != ast.NullValue {
		return &arg.Value.Raw
	}
	return nil
}
