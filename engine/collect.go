package engine

import (
	"slices"

	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// collected are the fields of one response key, in the order in which the operation selects them.
type collected struct {
	key    string
	fields []occurrence
}

// occurrence is one selection of a field, and the innermost @defer around it below the selection that is being planned.
type occurrence struct {
	*ast.Field
	deferral *deferral
}

// scope is a selection set with the innermost @defer around it.
type scope struct {
	set      ast.SelectionSet
	deferral *deferral
}

// collector is CollectFields of the specification (section 6.3.2), for one object type and one assignment of the
// variables in conditions. Where the operation is delivered in parts it keeps the @defer around each field.
type collector struct {
	schema    *ast.Schema
	variables map[string]any
	object    string
	defers    bool
	visited   map[visit]bool
	groups    []collected
	groupOf   map[string]int // of the groups by response key, once they are many
	deferrals []*deferral    // that begin here
	err       error          // of the first condition that has no value; nothing may be selected then
}

// visit is a fragment that was spread under a @defer, or under none.
type visit struct {
	fragment  string
	directive *ast.Directive
}

func (c *collector) collect(set ast.SelectionSet, within *deferral) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if c.includes(s.Directives) {
				c.add(occurrence{s, within})
			}
		case *ast.InlineFragment:
			if c.includes(s.Directives) && c.applies(s.TypeCondition) {
				inner, begins := c.deferral(s.Directives, within)
				c.begin(inner, begins)
				c.collect(s.SelectionSet, inner)
			}
		case *ast.FragmentSpread:
			c.spread(s, within)
		}
	}
}

// spread collects a fragment once for each @defer that it is spread under, and not at all where it was spread without
// one.
func (c *collector) spread(s *ast.FragmentSpread, within *deferral) {
	if c.visited[visit{fragment: s.Name}] || !c.includes(s.Directives) {
		return
	}
	inner, begins := c.deferral(s.Directives, within)
	v := visit{fragment: s.Name}
	if inner != nil {
		v.directive = inner.directive
	}
	if c.visited[v] {
		return
	}
	if c.visited == nil {
		c.visited = map[visit]bool{}
	}
	c.visited[v] = true
	if c.applies(s.Definition.TypeCondition) {
		c.begin(inner, begins)
		c.collect(s.Definition.SelectionSet, inner)
	}
}

// deferral returns the innermost @defer around a fragment's selections, and whether it is the fragment's own.
func (c *collector) deferral(directives ast.DirectiveList, within *deferral) (*deferral, bool) {
	d := directives.ForName("defer")
	if !c.defers || d == nil {
		return within, false
	}
	on, err := coerce.Enabled(d, c.variables)
	if c.err == nil {
		c.err = err
	}
	if !on {
		return within, false
	}
	return &deferral{label: labelOf(d), directive: d, parent: within}, true
}

func (c *collector) begin(d *deferral, begins bool) {
	if begins {
		c.deferrals = append(c.deferrals, d)
	}
}

// fewGroups are searched faster than hashed.
const fewGroups = 16

func (c *collector) add(f occurrence) {
	if i := c.groupIndex(f.Alias); i >= 0 {
		c.groups[i].fields = append(c.groups[i].fields, f)
		return
	}
	c.groups = append(c.groups, collected{f.Alias, []occurrence{f}})
	if len(c.groups) == fewGroups {
		c.groupOf = map[string]int{}
		for i, g := range c.groups {
			c.groupOf[g.key] = i
		}
	}
	if c.groupOf != nil {
		c.groupOf[f.Alias] = len(c.groups) - 1
	}
}

func (c *collector) groupIndex(key string) int {
	if c.groupOf == nil {
		return slices.IndexFunc(c.groups, func(g collected) bool { return g.key == key })
	}
	if i, ok := c.groupOf[key]; ok {
		return i
	}
	return -1
}

// applies reports whether a fragment with this type condition selects from the object type. Where that is not set every
// fragment does.
func (c *collector) applies(condition string) bool {
	return c.object == "" || syntax.Applies(c.schema, condition, c.object)
}

// includes evaluates @skip and @include.
func (c *collector) includes(directives ast.DirectiveList) bool {
	ok, err := coerce.Included(directives, c.variables)
	if c.err == nil {
		c.err = err
	}
	return ok
}

// conditionVariables are the names of the variables in the conditions of an operation. Those of @defer and @stream
// count where it is delivered in parts.
func conditionVariables(op *ast.OperationDefinition, format Format) []string {
	var names []string
	for sel := range syntax.Selections(op.SelectionSet) {
		for _, d := range syntax.Directives(sel) {
			if !isCondition(d, format) {
				continue
			}
			if arg := d.Arguments.ForName("if"); arg != nil && arg.Value.Kind == ast.Variable &&
				!slices.Contains(names, arg.Value.Raw) {
				names = append(names, arg.Value.Raw)
			}
		}
	}
	return names
}

func isCondition(d *ast.Directive, format Format) bool {
	switch d.Name {
	case "skip", "include":
		return true
	case "defer", "stream":
		return format != Whole
	}
	return false
}
