package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// coerceVariables gives the operation's variables their types' values (GraphQL specification, section 6.1.2). Only what
// the operation declares is taken. An error names the place and what would be right, never the value: variables hold
// personal data.
func coerceVariables(schema *ast.Schema, op *ast.OperationDefinition, given map[string]any) (map[string]any, *gqlerror.Error) {
	c := coercion{schema: schema}
	values := make(map[string]any, len(op.VariableDefinitions))
	for _, def := range op.VariableDefinitions {
		path := ast.Path{ast.PathName("variables"), ast.PathName(def.Variable)}
		value, ok := given[def.Variable]
		if !ok && def.DefaultValue != nil {
			fallback, err := def.DefaultValue.Value(nil)
			if err != nil {
				return nil, inputError(path, "has a default that cannot be read")
			}
			value, ok = plain(fallback), true
		}
		if !ok && def.Type.NonNull {
			return nil, inputError(path, "must be given: it is a %s", def.Type)
		}
		if !ok {
			continue
		}
		coerced, err := c.value(def.Type, value, path)
		if err != nil {
			return nil, err
		}
		values[def.Variable] = coerced
	}
	return values, nil
}

// inputError says of a place in the variables what would be right there.
func inputError(path ast.Path, format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{Message: path.String() + " " + fmt.Sprintf(format, args...),
		Extensions: map[string]any{"code": codeBadUserInput}}
}

// plain turns the numbers of a literal into the form that numbers of a request have.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

type coercion struct{ schema *ast.Schema }

func (c coercion) value(t *ast.Type, v any, path ast.Path) (any, *gqlerror.Error) {
	if v == nil {
		if t.NonNull {
			return nil, inputError(path, "must not be null: it is a %s", t)
		}
		return nil, nil
	}
	if t.Elem != nil {
		return c.list(t, v, path)
	}
	def := c.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		return c.object(def, v, path)
	case ast.Enum:
		name, ok := v.(string)
		if !ok || def.EnumValues.ForName(name) == nil {
			return nil, inputError(path, "must be a value of %s", def.Name)
		}
		return name, nil
	}
	return c.scalar(t.NamedType, v, path)
}

// list takes a single value as a list of one.
func (c coercion) list(t *ast.Type, v any, path ast.Path) (any, *gqlerror.Error) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	out := make([]any, len(items))
	for i, item := range items {
		value, err := c.value(t.Elem, item, at(path, ast.PathIndex(i)))
		if err != nil {
			return nil, err
		}
		out[i] = value
	}
	return out, nil
}

func (c coercion) object(def *ast.Definition, v any, path ast.Path) (any, *gqlerror.Error) {
	given, ok := v.(map[string]any)
	if !ok {
		return nil, inputError(path, "must be an object of type %s", def.Name)
	}
	for name := range given {
		if def.Fields.ForName(name) == nil {
			return nil, inputError(path, "has a field that %s does not have", def.Name)
		}
	}
	if def.Directives.ForName("oneOf") != nil {
		if err := checkOneOf(def, given, path); err != nil {
			return nil, err
		}
	}
	out := make(map[string]any, len(given))
	for _, f := range def.Fields {
		value, ok := given[f.Name]
		if !ok && f.DefaultValue != nil {
			fallback, err := f.DefaultValue.Value(nil)
			if err != nil {
				return nil, inputError(path, "has a default that cannot be read")
			}
			value, ok = plain(fallback), true
		}
		if !ok && f.Type.NonNull {
			return nil, inputError(at(path, ast.PathName(f.Name)), "must be given: it is a %s", f.Type)
		}
		if !ok {
			continue
		}
		coerced, err := c.value(f.Type, value, at(path, ast.PathName(f.Name)))
		if err != nil {
			return nil, err
		}
		out[f.Name] = coerced
	}
	return out, nil
}

func checkOneOf(def *ast.Definition, given map[string]any, path ast.Path) *gqlerror.Error {
	for _, v := range given {
		if len(given) == 1 && v != nil {
			return nil
		}
	}
	names := ""
	for i, f := range def.Fields {
		if i > 0 {
			names += ", "
		}
		names += f.Name
	}
	return inputError(path, "must have exactly one of %s, and not null", names)
}

func (c coercion) scalar(name string, v any, path ast.Path) (any, *gqlerror.Error) {
	switch name {
	case "Int":
		if n, ok := wholeNumber(v); ok && n.IsInt64() && n.Int64() >= math.MinInt32 && n.Int64() <= math.MaxInt32 {
			return n.Int64(), nil
		}
		return nil, inputError(path, "must be a whole number of 32 bits")
	case "Float":
		if n, ok := v.(json.Number); ok {
			if f, err := n.Float64(); err == nil {
				return f, nil
			}
		}
		return nil, inputError(path, "must be a number")
	case "ID":
		if n, ok := wholeNumber(v); ok {
			return n.String(), nil
		}
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, inputError(path, "must be a string or a whole number")
	case "String", "Date":
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, inputError(path, "must be a string")
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, inputError(path, "must be true or false")
	}
	return v, nil
}

// longestNumber bounds the digits of a number that is read exactly: 1e999999999 must not become a number of that size.
const longestNumber = 64

// wholeNumber reads a number without a fraction however it is written: 5, 5.0 and 5e0 are the same.
func wholeNumber(v any) (*big.Int, bool) {
	n, ok := v.(json.Number)
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

func at(path ast.Path, elem ast.PathElement) ast.Path {
	return append(path[:len(path):len(path)], elem)
}
