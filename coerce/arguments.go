package coerce

import (
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

// Arguments returns the values of a field's arguments for the variables of an execution. An argument that is not given
// and has no default is not among them. The operation must be valid.
func Arguments(schema *ast.Schema, defs ast.ArgumentDefinitionList, given ast.ArgumentList,
	variables map[string]any) (map[string]any, error) {
	values := make(map[string]any, len(defs))
	for _, def := range defs {
		value, ok, err := Argument(schema, def, given, variables)
		if err != nil {
			return nil, err
		}
		if ok {
			values[def.Name] = value
		}
	}
	return values, nil
}

// Argument returns the value of one argument, and whether it has one.
func Argument(schema *ast.Schema, def *ast.ArgumentDefinition, given ast.ArgumentList,
	variables map[string]any) (any, bool, error) {
	value, ok, err := argument(schema, def, given, variables)
	if err != nil {
		return nil, false, within(err, def.Name)
	}
	return value, ok, nil
}

func argument(schema *ast.Schema, def *ast.ArgumentDefinition, given ast.ArgumentList,
	variables map[string]any) (any, bool, *scalar.InputError) {
	c := coercion{schema}
	if arg := given.ForName(def.Name); arg != nil {
		if arg.Value.Kind != ast.Variable {
			value, err := c.value(def.Type, Literal(arg.Value, variables))
			return value, true, err
		}
		// A variable has a type that fits the place, but for null: it may have a default where the place has none.
		if value, ok := variables[arg.Value.Raw]; ok {
			if value == nil && def.Type.NonNull {
				return nil, false, nullError(def.Type)
			}
			return value, true, nil
		}
	}
	if def.DefaultValue != nil {
		value, err := c.value(def.Type, Literal(def.DefaultValue, nil))
		return value, true, err
	}
	if def.Type.NonNull {
		return nil, false, missingError(def.Type)
	}
	return nil, false, nil
}

// Input returns an error of the caller's value at a path.
func Input(message string, path ...string) error { return scalar.Input(message, path...) }

// Included reports whether @skip and @include let a selection take part. Where that is not known the error names the
// condition.
func Included(directives ast.DirectiveList, variables map[string]any) (bool, error) {
	if d := directives.ForName("skip"); d != nil {
		if skipped, err := condition(d, variables); skipped || err != nil {
			return false, err
		}
	}
	if d := directives.ForName("include"); d != nil {
		return condition(d, variables)
	}
	return true, nil
}

var conditionType = ast.NonNullNamedType("Boolean", nil)

func condition(d *ast.Directive, variables map[string]any) (bool, error) {
	arg := d.Arguments.ForName("if")
	if arg == nil {
		return false, within(missingError(conditionType), "@"+d.Name, "if")
	}
	on, ok := Literal(arg.Value, variables).(bool)
	if !ok {
		return false, within(nullError(conditionType), "@"+d.Name, "if")
	}
	return on, nil
}

// Enabled reports whether a @defer or @stream is in force, by its argument if, which is true unless it is given.
func Enabled(d *ast.Directive, variables map[string]any) (bool, error) {
	arg := d.Arguments.ForName("if")
	if arg == nil {
		return true, nil
	}
	if arg.Value.Kind == ast.Variable {
		if _, given := variables[arg.Value.Raw]; !given {
			return true, nil
		}
	}
	return condition(d, variables)
}

// Literal returns the value of a literal in the form of a decoded request: json.Number, string, bool, nil, []any and
// map[string]any, with the values of variables as they are. An element that is a variable without a value is null, such
// a member is left out.
func Literal(v *ast.Value, variables map[string]any) any {
	switch v.Kind {
	case ast.Variable:
		return variables[v.Raw]
	case ast.IntValue, ast.FloatValue:
		return number(v.Raw)
	case ast.BooleanValue:
		return v.Raw == "true"
	case ast.NullValue:
		return nil
	case ast.ListValue:
		list := make([]any, len(v.Children))
		for i, child := range v.Children {
			list[i] = Literal(child.Value, variables)
		}
		return list
	case ast.ObjectValue:
		members := make(map[string]any, len(v.Children))
		for _, child := range v.Children {
			if _, ok := variables[child.Value.Raw]; ok || child.Value.Kind != ast.Variable {
				members[child.Name] = Literal(child.Value, variables)
			}
		}
		return members
	}
	return v.Raw
}
