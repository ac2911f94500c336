package gateway

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// grouped is one response key of a selection: its first field, and what is selected below all fields of the key.
type grouped struct {
	key   string
	field *ast.Field
	below []ast.SelectionSet
}

// collector merges the selections of a validated operation as execution does (GraphQL specification, section 6.3.2).
type collector struct {
	schema    *ast.Schema
	variables map[string]any
	// open says that the values of variables are not known: then everything counts that they could select.
	open bool
}

// includes says whether a selection is looked at.
func (c collector) includes(directives ast.DirectiveList) bool {
	return c.open || included(directives, c.variables)
}

// leavesOpen says whether an argument is a variable whose value is not known.
func (c collector) leavesOpen(f *ast.Field, name string) bool {
	arg := f.Arguments.ForName(name)
	return c.open && arg != nil && arg.Value.Kind == ast.Variable
}

// collect gives what is selected of an object of type object, in order.
func (c collector) collect(object string, sets []ast.SelectionSet) []*grouped {
	s := collecting{collector: c, object: object, keys: map[string]*grouped{}}
	for _, set := range sets {
		s.add(set)
	}
	return s.order
}

type collecting struct {
	collector
	object string
	keys   map[string]*grouped
	order  []*grouped
}

func (s *collecting) add(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if s.includes(sel.Directives) {
				s.field(sel)
			}
		case *ast.InlineFragment:
			if s.includes(sel.Directives) && s.applies(sel.TypeCondition) {
				s.add(sel.SelectionSet)
			}
		case *ast.FragmentSpread:
			if s.includes(sel.Directives) && s.applies(sel.Definition.TypeCondition) {
				s.add(sel.Definition.SelectionSet)
			}
		}
	}
}

func (s *collecting) field(f *ast.Field) {
	g := s.keys[f.Alias]
	if g == nil {
		g = &grouped{key: f.Alias, field: f}
		s.keys[f.Alias] = g
		s.order = append(s.order, g)
	}
	if len(f.SelectionSet) > 0 {
		g.below = append(g.below, f.SelectionSet)
	}
}

// applies says whether a fragment is meant for the object.
func (c *collecting) applies(condition string) bool {
	if condition == "" || condition == c.object {
		return true
	}
	for _, possible := range c.schema.PossibleTypes[condition] {
		if possible.Name == c.object {
			return true
		}
	}
	return false
}

// definition is the field of an object type, or one of the fields that introspection adds; nil for those.
func (c collector) definition(object string, f *ast.Field) *ast.FieldDefinition {
	return c.schema.Types[object].Fields.ForName(f.Name)
}

// included says what @skip and @include make of a selection.
func included(directives ast.DirectiveList, variables map[string]any) bool {
	if d := directives.ForName("skip"); d != nil && flag(d, variables) {
		return false
	}
	d := directives.ForName("include")
	return d == nil || flag(d, variables)
}

func flag(d *ast.Directive, variables map[string]any) bool {
	v, err := d.Arguments.ForName("if").Value.Value(variables)
	on, ok := v.(bool)
	return err == nil && ok && on
}

// argument is the value that an argument of a field has: given, else its default.
func argument(f *ast.Field, def *ast.FieldDefinition, name string, variables map[string]any) (any, bool) {
	if arg := f.Arguments.ForName(name); arg != nil {
		if arg.Value.Kind != ast.Variable {
			v, err := arg.Value.Value(variables)
			return v, err == nil
		}
		if v, ok := variables[arg.Value.Raw]; ok {
			return v, true
		}
	}
	if d := def.Arguments.ForName(name); d != nil && d.DefaultValue != nil {
		v, err := d.DefaultValue.Value(nil)
		return v, err == nil
	}
	return nil, false
}
