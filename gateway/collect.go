package gateway

import (
	"github.com/learngraph/learngraph/coerce"
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

// includes reports whether a selection is looked at. One whose condition has no value is not executed.
func (c collector) includes(directives ast.DirectiveList) bool {
	if c.open {
		return true
	}
	ok, err := coerce.Included(directives, c.variables)
	return ok && err == nil
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

// arguments returns the values of a field's arguments. Where variables are not known they are what the literals say of them.
func (c collector) arguments(f *ast.Field, def *ast.FieldDefinition) (map[string]any, error) {
	if len(def.Arguments) == 0 {
		return nil, nil
	}
	if !c.open {
		return coerce.Arguments(c.schema, def.Arguments, f.Arguments, c.variables)
	}
	values := map[string]any{}
	for _, d := range def.Arguments {
		if arg := f.Arguments.ForName(d.Name); arg == nil {
			values[d.Name] = defaultOf(d)
		} else if arg.Value.Kind != ast.Variable {
			values[d.Name] = coerce.Literal(arg.Value, nil)
		}
	}
	return values, nil
}

func defaultOf(d *ast.ArgumentDefinition) any {
	if d == nil || d.DefaultValue == nil {
		return nil
	}
	return coerce.Literal(d.DefaultValue, nil)
}

// condition returns the error of a condition without a value among the selections that take part, and below their fields
// too where deep is set.
func (c collector) condition(set ast.SelectionSet, deep bool) error {
	for _, sel := range set {
		var directives ast.DirectiveList
		var inner ast.SelectionSet
		switch sel := sel.(type) {
		case *ast.Field:
			directives = sel.Directives
			if deep {
				inner = sel.SelectionSet
			}
		case *ast.InlineFragment:
			directives, inner = sel.Directives, sel.SelectionSet
		case *ast.FragmentSpread:
			directives, inner = sel.Directives, sel.Definition.SelectionSet
		}
		ok, err := coerce.Included(directives, c.variables)
		if ok && err == nil {
			err = c.condition(inner, deep)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hasNull reports whether a condition can be without a value.
func (c collector) hasNull() bool {
	for _, v := range c.variables {
		if v == nil {
			return true
		}
	}
	return false
}
