package engine

import (
	"slices"

	"github.com/learngraph/learngraph/coerce"
	"github.com/vektah/gqlparser/v2/ast"
)

// collected are the fields of one response key, in the order in which the operation selects them.
type collected struct {
	key    string
	fields []*ast.Field
}

// collector is CollectFields of the specification (section 6.3.2), for one object type and one assignment of the
// variables in conditions.
type collector struct {
	schema    *ast.Schema
	variables map[string]any
	object    string
	visited   map[string]bool
	groups    []collected
	places    map[string]int // of the groups by response key, once they are many
	err       error          // of the first condition that has no value; nothing may be selected then
}

func (c *collector) collect(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if c.includes(s.Directives) {
				c.add(s)
			}
		case *ast.InlineFragment:
			if c.includes(s.Directives) && c.applies(s.TypeCondition) {
				c.collect(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if c.visited[s.Name] || !c.includes(s.Directives) {
				continue
			}
			if c.visited == nil {
				c.visited = map[string]bool{}
			}
			c.visited[s.Name] = true
			if c.applies(s.Definition.TypeCondition) {
				c.collect(s.Definition.SelectionSet)
			}
		}
	}
}

// fewGroups are searched faster than hashed.
const fewGroups = 16

func (c *collector) add(f *ast.Field) {
	if i := c.place(f.Alias); i >= 0 {
		c.groups[i].fields = append(c.groups[i].fields, f)
		return
	}
	c.groups = append(c.groups, collected{f.Alias, []*ast.Field{f}})
	if len(c.groups) == fewGroups {
		c.places = map[string]int{}
		for i, g := range c.groups {
			c.places[g.key] = i
		}
	}
	if c.places != nil {
		c.places[f.Alias] = len(c.groups) - 1
	}
}

func (c *collector) place(key string) int {
	if c.places == nil {
		return slices.IndexFunc(c.groups, func(g collected) bool { return g.key == key })
	}
	if i, ok := c.places[key]; ok {
		return i
	}
	return -1
}

// applies reports whether a fragment with this type condition selects from the object type. Where that is not set every
// fragment does.
func (c *collector) applies(condition string) bool {
	if condition == "" || condition == c.object || c.object == "" {
		return true
	}
	return slices.ContainsFunc(c.schema.PossibleTypes[condition], func(d *ast.Definition) bool { return d.Name == c.object })
}

// includes evaluates @skip and @include.
func (c *collector) includes(directives ast.DirectiveList) bool {
	ok, err := coerce.Included(directives, c.variables)
	if c.err == nil {
		c.err = err
	}
	return ok
}

// conditionVariables are the names of the variables in the conditions of an operation.
func conditionVariables(op *ast.OperationDefinition) []string {
	var names []string
	fragments := map[string]bool{}
	var walk func(ast.SelectionSet)
	note := func(directives ast.DirectiveList) {
		for _, d := range directives {
			if d.Name != "skip" && d.Name != "include" {
				continue
			}
			if arg := d.Arguments.ForName("if"); arg != nil && arg.Value.Kind == ast.Variable && !slices.Contains(names, arg.Value.Raw) {
				names = append(names, arg.Value.Raw)
			}
		}
	}
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				note(s.Directives)
				walk(s.SelectionSet)
			case *ast.InlineFragment:
				note(s.Directives)
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				note(s.Directives)
				if !fragments[s.Name] {
					fragments[s.Name] = true
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	walk(op.SelectionSet)
	return names
}
