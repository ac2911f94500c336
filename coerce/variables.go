package coerce

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

// number is a number as it is written.
type number = json.Number

// Variables returns the values of an operation's variables from those of a request. Variables that the operation does
// not declare are ignored.
func Variables(schema *ast.Schema, op *ast.OperationDefinition, given map[string]any) (map[string]any, error) {
	c := coercion{schema}
	values := make(map[string]any, len(op.VariableDefinitions))
	for _, def := range op.VariableDefinitions {
		value, ok := given[def.Variable]
		if err := c.into(values, def.Variable, def.Type, def.DefaultValue, value, ok); err != nil {
			return nil, within(err, "variables")
		}
	}
	return values, nil
}

// fault returns the error of the place where it is made; within puts the names of the places around before it.
func fault(format string, args ...any) *scalar.InputError {
	return scalar.Input(fmt.Sprintf(format, args...))
}

func within(err *scalar.InputError, names ...string) *scalar.InputError {
	err.Path = slices.Concat(names, err.Path)
	return err
}

func nullError(t *ast.Type) *scalar.InputError    { return fault("must not be null: it is a %s", t) }
func missingError(t *ast.Type) *scalar.InputError { return fault("must be given: it is a %s", t) }

// coercion makes values of a schema's types. It accepts its own results again.
type coercion struct{ schema *ast.Schema }

// into adds the value that a variable or an input field has: the given one, else its default, else none.
func (c coercion) into(values map[string]any, name string, t *ast.Type, fallback *ast.Value, value any,
	given bool) *scalar.InputError {
	if !given && fallback != nil {
		value, given = Literal(fallback, nil), true
	}
	if !given && t.NonNull {
		return within(missingError(t), name)
	}
	if !given {
		return nil
	}
	coerced, err := c.value(t, value)
	if err != nil {
		return within(err, name)
	}
	values[name] = coerced
	return nil
}

func (c coercion) value(t *ast.Type, v any) (any, *scalar.InputError) {
	if v == nil {
		if t.NonNull {
			return nil, nullError(t)
		}
		return nil, nil
	}
	if t.Elem != nil {
		return c.list(t, v)
	}
	def := c.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		return c.object(def, v)
	case ast.Enum:
		name, ok := v.(string)
		if !ok || def.EnumValues.ForName(name) == nil {
			return nil, fault("must be a value of %s", def.Name)
		}
		return name, nil
	}
	return c.scalar(t.NamedType, v)
}

// list takes a single value as a list of one.
func (c coercion) list(t *ast.Type, v any) (any, *scalar.InputError) {
	items, ok := v.([]any)
	if !ok {
		item, err := c.value(t.Elem, v)
		return []any{item}, err
	}
	out := make([]any, len(items))
	for i, item := range items {
		value, err := c.value(t.Elem, item)
		if err != nil {
			return nil, within(err, fmt.Sprintf("[%d]", i))
		}
		out[i] = value
	}
	return out, nil
}

func (c coercion) object(def *ast.Definition, v any) (any, *scalar.InputError) {
	given, ok := v.(map[string]any)
	if !ok {
		return nil, fault("must be an object of type %s", def.Name)
	}
	for name := range given {
		if def.Fields.ForName(name) == nil {
			return nil, fault("has a field that is not in %s", def.Name)
		}
	}
	if def.Directives.ForName("oneOf") != nil {
		if err := checkOneOf(def, given); err != nil {
			return nil, err
		}
	}
	out := make(map[string]any, len(given))
	for _, f := range def.Fields {
		value, ok := given[f.Name]
		if err := c.into(out, f.Name, f.Type, f.DefaultValue, value, ok); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkOneOf(def *ast.Definition, given map[string]any) *scalar.InputError {
	for _, v := range given {
		if len(given) == 1 && v != nil {
			return nil
		}
	}
	names := make([]string, len(def.Fields))
	for i, f := range def.Fields {
		names[i] = f.Name
	}
	return fault("must have exactly one of %s, and not null", strings.Join(names, ", "))
}

func (c coercion) scalar(name string, v any) (any, *scalar.InputError) { //nolint:gocyclo // a case for each type
	switch name {
	case "Int":
		if n, ok := intValue(v); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return n, nil
		}
		return nil, fault("must be a whole number of 32 bits")
	case "Float":
		if n, ok := v.(number); ok {
			if _, err := n.Float64(); err == nil {
				return n, nil
			}
		}
		return nil, fault("must be a number")
	case "ID":
		if n, ok := v.(number); ok && isDigits(n) {
			return n.String(), nil
		}
		if n, ok := integralNumber(v); ok {
			return n.String(), nil
		}
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, fault("must be a string or a whole number")
	case "String", "Date":
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, fault("must be a string")
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, fault("must be true or false")
	}
	return v, nil
}

// isDigits reports whether a number is written without a fraction and an exponent.
func isDigits(n number) bool { return !strings.ContainsAny(n.String(), ".eE") }

// intValue reads the value of an Int. Digits alone, which is how nearly all are written, need no arithmetic.
func intValue(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
	}
	n, ok := integralNumber(v)
	if !ok || !n.IsInt64() {
		return 0, false
	}
	return n.Int64(), true
}

// longestNumber bounds the digits of a number that is read exactly: 1e999999999 must not become a number of that size.
const longestNumber = 64

// integralNumber reads a number without a fraction however it is written: 5, 5.0 and 5e0 are the same.
func integralNumber(v any) (*big.Int, bool) {
	n, ok := v.(number)
	if !ok || len(n) > longestNumber {
		return nil, false
	}
	if f, err := n.Float64(); err != nil || math.Abs(f) >= 1e18 {
		whole, ok := new(big.Int).SetString(n.String(), 10)
		return whole, ok
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || !r.IsInt() {
		return nil, false
	}
	return r.Num(), true
}
