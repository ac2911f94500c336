package validation

import (
	"math"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// valuesOfCorrectType is the specification's section 5.6 in place of the library's rule, which takes an empty object
// for anything, an object for a scalar or an enum, and any digits for an Int.
func valuesOfCorrectType(suggest bool) core.RuleFunc {
	return func(observers *core.Events, addError core.AddErrFunc) {
		checked := map[*ast.Value]bool{} // a fragment is walked by itself and where it is spread
		check := func(w *core.Walker, t *ast.Type, v *ast.Value) {
			if !checked[v] {
				checked[v] = true
				valueCheck{w.Schema, addError, suggest}.value(t, v)
			}
		}
		observers.OnField(func(w *core.Walker, f *ast.Field) {
			if f.Definition != nil {
				eachArgument(f.Definition.Arguments, f.Arguments, func(t *ast.Type, v *ast.Value) { check(w, t, v) })
			}
		})
		observers.OnDirective(func(w *core.Walker, d *ast.Directive) {
			if d.Definition != nil {
				eachArgument(d.Definition.Arguments, d.Arguments, func(t *ast.Type, v *ast.Value) { check(w, t, v) })
			}
		})
		observers.OnVariable(func(w *core.Walker, d *ast.VariableDefinition) {
			if d.DefaultValue != nil {
				check(w, d.Type, d.DefaultValue)
			}
		})
	}
}

func eachArgument(defs ast.ArgumentDefinitionList, given ast.ArgumentList, check func(*ast.Type, *ast.Value)) {
	for _, arg := range given {
		if def := defs.ForName(arg.Name); def != nil {
			check(def.Type, arg.Value)
		}
	}
}

// valueCheck compares a literal with the type of its place.
type valueCheck struct {
	schema  *ast.Schema
	add     core.AddErrFunc
	suggest bool
}

func (c valueCheck) value(t *ast.Type, v *ast.Value) {
	def := c.schema.Types[t.Name()]
	switch {
	case v.Kind == ast.Variable || def == nil || !def.IsInputType():
		// The values of variables are checked where they are declared, an unknown type where it is named.
	case v.Kind == ast.NullValue:
		if t.NonNull {
			c.expected(t, v)
		}
	case t.Elem != nil && v.Kind == ast.ListValue:
		for _, child := range v.Children {
			c.value(t.Elem, child.Value)
		}
	case t.Elem != nil: // a single value is a list of one
		c.value(t.Elem, v)
	case def.Kind == ast.InputObject:
		c.object(t, def, v)
	case def.Kind == ast.Enum:
		c.enum(def, v)
	default:
		c.scalar(t, v)
	}
}

func (c valueCheck) expected(t *ast.Type, v *ast.Value) {
	c.add(core.Message(`Expected value of type "%s", found %s.`, t, v), core.At(v.Position))
}

func (c valueCheck) object(t *ast.Type, def *ast.Definition, v *ast.Value) {
	if v.Kind != ast.ObjectValue {
		c.expected(t, v)
		return
	}
	for _, f := range def.Fields {
		if f.Type.NonNull && f.DefaultValue == nil && v.Children.ForName(f.Name) == nil {
			c.add(core.Message(`Field "%s.%s" of required type "%s" was not provided.`, def.Name, f.Name, f.Type),
				core.At(v.Position))
		}
	}
	for _, child := range v.Children {
		if f := def.Fields.ForName(child.Name); f != nil {
			c.value(f.Type, child.Value)
		} else {
			c.unknownField(def, child)
		}
	}
	if def.Directives.ForName("oneOf") != nil {
		c.oneOf(def, v)
	}
}

func (c valueCheck) unknownField(def *ast.Definition, child *ast.ChildValue) {
	options := []core.ErrorOption{core.Message(`Field "%s" is not defined by type "%s".`, child.Name, def.Name),
		core.At(child.Position)}
	if c.suggest {
		names := make([]string, len(def.Fields))
		for i, f := range def.Fields {
			names[i] = f.Name
		}
		options = append(options, core.SuggestListQuoted("Did you mean", child.Name, names))
	}
	c.add(options...)
}

// oneOf leaves a variable's type to the rule on the places of variables.
func (c valueCheck) oneOf(def *ast.Definition, v *ast.Value) {
	switch {
	case len(v.Children) != 1:
		c.add(core.Message(`OneOf Input Object "%s" must specify exactly one key.`, def.Name), core.At(v.Position))
	case v.Children[0].Value.Kind == ast.NullValue:
		c.add(core.Message(`Field "%s.%s" must be non-null.`, def.Name, v.Children[0].Name), core.At(v.Position))
	}
}

func (c valueCheck) enum(def *ast.Definition, v *ast.Value) {
	text := `Enum "%s" cannot represent non-enum value: %s.`
	if v.Kind == ast.EnumValue {
		if def.EnumValues.ForName(v.Raw) != nil {
			return
		}
		text = `Value "%[2]s" does not exist in "%[1]s" enum.`
	}
	options := []core.ErrorOption{core.Message(text, def.Name, v), core.At(v.Position)}
	if c.suggest && v.Raw != "" {
		names := make([]string, len(def.EnumValues))
		for i, value := range def.EnumValues {
			names[i] = value.Name
		}
		options = append(options, core.SuggestListQuoted("Did you mean the enum value", v.Raw, names))
	}
	c.add(options...)
}

// scalarTexts are the messages for literals of another type.
var scalarTexts = map[string]string{
	"Int":     `Int cannot represent non-integer value: %s`,
	"Float":   `Float cannot represent non numeric value: %s`,
	"String":  `String cannot represent a non string value: %s`,
	"Date":    `Date cannot represent a non string value: %s`,
	"Boolean": `Boolean cannot represent a non boolean value: %s`,
	"ID":      `ID cannot represent a non-string and non-integer value: %s`,
}

// scalar takes anything for a scalar whose values are free.
func (c valueCheck) scalar(t *ast.Type, v *ast.Value) {
	text, known := scalarTexts[t.NamedType]
	if !known || isLiteralOf(t.NamedType, v) {
		return
	}
	if t.NamedType == "Int" && v.Kind == ast.IntValue {
		text = `Int cannot represent non 32-bit signed integer value: %s`
	}
	c.add(core.Message(text, v), core.At(v.Position))
}

func isLiteralOf(scalar string, v *ast.Value) bool {
	isText := v.Kind == ast.StringValue || v.Kind == ast.BlockValue
	switch scalar {
	case "Int":
		_, err := strconv.ParseInt(v.Raw, 10, 32)
		return v.Kind == ast.IntValue && err == nil
	case "Float":
		f, err := strconv.ParseFloat(v.Raw, 64)
		return (v.Kind == ast.IntValue || v.Kind == ast.FloatValue) && err == nil && !math.IsInf(f, 0)
	case "ID":
		return isText || v.Kind == ast.IntValue
	case "Boolean":
		return v.Kind == ast.BooleanValue
	}
	return isText
}
