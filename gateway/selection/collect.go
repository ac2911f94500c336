// Package selection reads the selections of operations: the fields that execution merges, their arguments, and
// directives of the schema.
package selection

import (
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// Group is one response key of a selection: its first field, and the selections below all fields of the key.
type Group struct {
	Key        string
	Field      *ast.Field
	Selections []ast.SelectionSet
}

// Collector merges the selections of a validated operation as execution does (GraphQL specification, section 6.3.2).
type Collector struct {
	Schema    *ast.Schema
	Variables map[string]any
	// Unbound is set if the values of variables are not known: then every possible selection counts.
	Unbound bool
}

// Includes reports whether a selection is looked at. One whose condition has no value is not executed.
func (c Collector) Includes(sel ast.Selection) bool {
	if c.Unbound {
		return true
	}
	ok, err := coerce.Included(syntax.Directives(sel), c.Variables)
	return ok && err == nil
}

// IsUnbound reports whether an argument is a variable whose value is not known.
func (c Collector) IsUnbound(f *ast.Field, name string) bool {
	arg := f.Arguments.ForName(name)
	return c.Unbound && arg != nil && arg.Value.Kind == ast.Variable
}

// Collect returns the selected fields of an object of type object, in order.
func (c Collector) Collect(object string, sets []ast.SelectionSet) (groups []*Group) {
	keys := map[string]*Group{}
	for sel := range syntax.Included(sets, false, func(sel ast.Selection) bool {
		return c.Includes(sel) && syntax.Applies(c.Schema, syntax.TypeCondition(sel), object)
	}) {
		f, ok := sel.(*ast.Field)
		if !ok {
			continue
		}
		g := keys[f.Alias]
		if g == nil {
			g = &Group{Key: f.Alias, Field: f}
			keys[f.Alias] = g
			groups = append(groups, g)
		}
		if len(f.SelectionSet) > 0 {
			g.Selections = append(g.Selections, f.SelectionSet)
		}
	}
	return groups
}

// Definition is the field of an object type, or one of the fields that introspection adds; nil for those.
func (c Collector) Definition(object string, f *ast.Field) *ast.FieldDefinition {
	return c.Schema.Types[object].Fields.ForName(f.Name)
}

// Arguments returns the values of a field's arguments. Where variables are not known they are the values of the
// literals.
func (c Collector) Arguments(f *ast.Field, def *ast.FieldDefinition) (map[string]any, error) {
	if len(def.Arguments) == 0 {
		return nil, nil
	}
	if !c.Unbound {
		return coerce.Arguments(c.Schema, def.Arguments, f.Arguments, c.Variables)
	}
	values := map[string]any{}
	for _, d := range def.Arguments {
		if arg := f.Arguments.ForName(d.Name); arg == nil {
			values[d.Name] = DefaultOf(d)
		} else if arg.Value.Kind != ast.Variable {
			values[d.Name] = coerce.Literal(arg.Value, nil)
		}
	}
	return values, nil
}

// DefaultOf returns the default value of an argument, nil where it has none.
func DefaultOf(d *ast.ArgumentDefinition) any {
	if d == nil || d.DefaultValue == nil {
		return nil
	}
	return coerce.Literal(d.DefaultValue, nil)
}

// CheckConditions returns the error of a condition without a value among the selections that take part, and below their
// fields too where deep is set.
func (c Collector) CheckConditions(set ast.SelectionSet, deep bool) (err error) {
	includes := func(sel ast.Selection) (ok bool) {
		if err == nil {
			ok, err = coerce.Included(syntax.Directives(sel), c.Variables)
		}
		return ok && err == nil
	}
	for range syntax.Included([]ast.SelectionSet{set}, deep, includes) {
	}
	return err
}

// HasNull reports whether a condition can be without a value.
func (c Collector) HasNull() bool {
	for _, v := range c.Variables {
		if v == nil {
			return true
		}
	}
	return false
}
