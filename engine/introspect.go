package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/coerce"
	"github.com/vektah/gqlparser/v2/ast"
)

// Introspection is answered from the schema's definition, by the September 2025 edition: a field that does not apply
// to the kind of a type is null, and nothing is announced that the edition does not have but @defer and @stream.

// unknownLocation is a place of directives that gqlparser declares and the edition does not have.
const unknownLocation = "DIRECTIVE_DEFINITION"

// The values of introspection besides *ast.Schema.
type (
	// typeValue is a __Type: a definition, or a list or non-null wrapper.
	typeValue struct {
		schema  *ast.Schema
		def     *ast.Definition
		wrapped *ast.Type
	}
	fieldValue struct {
		schema *ast.Schema
		def    *ast.FieldDefinition
	}
	inputValue struct {
		schema            *ast.Schema
		name, description string
		typ               *ast.Type
		initial           *ast.Value
		directives        ast.DirectiveList
	}
	directiveValue struct {
		schema *ast.Schema
		def    *ast.DirectiveDefinition
	}
)

// introspected is a field that is selected of a value of introspection.
type introspected struct {
	prefix     []byte // the response key in its JSON form
	name       string
	deprecated bool // the argument includeDeprecated
	below      []introspected
}

// introspect writes __schema or __type.
func (x *execution) introspect(f *Field) bool {
	schema := x.schema
	var v any = schema
	args, err := x.arguments(f)
	if err != nil {
		return x.fail(f, &argumentError{err})
	}
	if f.Name == "__type" {
		name, _ := args["name"].(string)
		v = ofDefinition(schema, schema.Types[name])
	}
	x.buf = appendShown(x.buf, x.introspectedFields(f.Type.Name(), f.merged), v)
	return true
}

// introspectedFields collects the selected fields of a type of introspection. All of them are object types.
func (x *execution) introspectedFields(object string, set ast.SelectionSet) []introspected {
	c := collector{schema: x.schema, variables: x.op.Variables, object: object}
	c.collect(set, nil)
	list := make([]introspected, len(c.groups))
	for i, group := range c.groups {
		first := group.fields[0]
		a := introspected{prefix: append(AppendString(nil, group.key), ':'), name: first.Name}
		if first.Name == "__typename" {
			a.prefix = AppendString(a.prefix, object)
		} else {
			// the one there is may be null
			args, _ := coerce.Arguments(x.schema, first.Definition.Arguments, first.Arguments, x.op.Variables)
			a.deprecated, _ = args["includeDeprecated"].(bool)
			var merged ast.SelectionSet
			for _, f := range group.fields {
				merged = append(merged, f.SelectionSet...)
			}
			if len(merged) > 0 {
				a.below = x.introspectedFields(first.Definition.Type.Name(), merged)
			}
		}
		list[i] = a
	}
	return list
}

// appendShown appends a value: nil, a leaf, a list, or the selected fields of an object.
func appendShown(dst []byte, fields []introspected, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return AppendString(dst, v)
	case bool:
		return AppendBool(dst, v)
	case []any:
		return AppendList(dst, v, func(dst []byte, e any) []byte { return appendShown(dst, fields, e) })
	}
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.prefix...)
		if f.name != "__typename" {
			dst = appendShown(dst, f.below, valueOf(v, f.name, f.deprecated))
		}
	}
	return append(dst, '}')
}

// valueOf returns a field of an object of introspection.
func valueOf(v any, name string, deprecated bool) any {
	switch v := v.(type) {
	case *ast.Schema:
		return schemaField(v, name)
	case typeValue:
		if v.wrapped != nil {
			return v.wrapping(name)
		}
		return v.field(name, deprecated)
	case fieldValue:
		return v.field(name, deprecated)
	case inputValue:
		return v.field(name)
	case *ast.EnumValueDefinition:
		return described(name, v.Name, v.Description, v.Directives)
	}
	return v.(directiveValue).field(name, deprecated)
}

func schemaField(s *ast.Schema, name string) any {
	switch name {
	case "description":
		return optionalText(s.Description)
	case "types":
		return listOf(slices.Sorted(maps.Keys(s.Types)), func(name string) any { return ofDefinition(s, s.Types[name]) })
	case "queryType":
		return ofDefinition(s, s.Query)
	case "mutationType":
		return ofDefinition(s, s.Mutation)
	case "subscriptionType":
		return ofDefinition(s, s.Subscription)
	}
	names := slices.Sorted(maps.Keys(s.Directives))
	return listOf(names, func(name string) any { return directiveValue{s, s.Directives[name]} })
}

func ofDefinition(s *ast.Schema, def *ast.Definition) any {
	if def == nil {
		return nil
	}
	return typeValue{schema: s, def: def}
}

func ofType(s *ast.Schema, t *ast.Type) any {
	if t.NonNull || t.Elem != nil {
		return typeValue{schema: s, wrapped: t}
	}
	return ofDefinition(s, s.Types[t.NamedType])
}

func (t typeValue) wrapping(name string) any {
	switch {
	case name == "kind" && t.wrapped.NonNull:
		return "NON_NULL"
	case name == "kind":
		return "LIST"
	case name == "ofType" && t.wrapped.NonNull:
		nullable := *t.wrapped
		nullable.NonNull = false
		return ofType(t.schema, &nullable)
	case name == "ofType":
		return ofType(t.schema, t.wrapped.Elem)
	}
	return nil
}

func (t typeValue) field(name string, deprecated bool) any { //nolint:gocyclo // a case for each field
	kind := t.def.Kind
	switch {
	case name == "kind":
		return string(kind)
	case name == "name":
		return t.def.Name
	case name == "description":
		return optionalText(t.def.Description)
	case name == "specifiedByURL" && kind == ast.Scalar:
		return argumentText(t.def.Directives, "specifiedBy", "url")
	case name == "fields" && (kind == ast.Object || kind == ast.Interface):
		return t.fields(deprecated)
	case name == "interfaces" && (kind == ast.Object || kind == ast.Interface):
		return listOf(t.def.Interfaces, func(name string) any { return ofDefinition(t.schema, t.schema.Types[name]) })
	case name == "possibleTypes" && (kind == ast.Interface || kind == ast.Union):
		return listOf(t.schema.GetPossibleTypes(t.def), func(def *ast.Definition) any { return ofDefinition(t.schema, def) })
	case name == "enumValues" && kind == ast.Enum:
		return t.enumValues(deprecated)
	case name == "inputFields" && kind == ast.InputObject:
		return inputValues(t.def.Fields, deprecated, func(f *ast.FieldDefinition) inputValue {
			return inputValue{t.schema, f.Name, f.Description, f.Type, f.DefaultValue, f.Directives}
		})
	case name == "isOneOf" && kind == ast.InputObject:
		return t.def.Directives.ForName("oneOf") != nil
	}
	return nil
}

func (t typeValue) fields(deprecated bool) any {
	list := []any{}
	for _, f := range t.def.Fields {
		if !strings.HasPrefix(f.Name, "__") && (deprecated || !isDeprecated(f.Directives)) {
			list = append(list, fieldValue{t.schema, f})
		}
	}
	return list
}

func (t typeValue) enumValues(deprecated bool) any {
	list := []any{}
	for _, v := range t.def.EnumValues {
		if (deprecated || !isDeprecated(v.Directives)) &&
			!(t.def.Name == "__DirectiveLocation" && v.Name == unknownLocation) {
			list = append(list, v)
		}
	}
	return list
}

func (f fieldValue) field(name string, deprecated bool) any {
	switch name {
	case "args":
		return arguments(f.schema, f.def.Arguments, deprecated)
	case "type":
		return ofType(f.schema, f.def.Type)
	}
	return described(name, f.def.Name, f.def.Description, f.def.Directives)
}

func (v inputValue) field(name string) any {
	switch {
	case name == "type":
		return ofType(v.schema, v.typ)
	case name == "defaultValue" && v.initial != nil:
		return v.initial.String()
	case name == "defaultValue":
		return nil
	}
	return described(name, v.name, v.description, v.directives)
}

func (d directiveValue) field(name string, deprecated bool) any {
	switch name {
	case "isRepeatable":
		return d.def.IsRepeatable
	case "args":
		return arguments(d.schema, d.def.Arguments, deprecated)
	case "locations":
		locations := slices.DeleteFunc(slices.Clone(d.def.Locations), func(l ast.DirectiveLocation) bool {
			return l == unknownLocation
		})
		return listOf(locations, func(l ast.DirectiveLocation) any { return string(l) })
	}
	return described(name, d.def.Name, d.def.Description, nil)
}

func arguments(s *ast.Schema, list ast.ArgumentDefinitionList, deprecated bool) any {
	return inputValues(list, deprecated, func(a *ast.ArgumentDefinition) inputValue {
		return inputValue{s, a.Name, a.Description, a.Type, a.DefaultValue, a.Directives}
	})
}

func inputValues[T any](list []T, deprecated bool, value func(T) inputValue) any {
	out := []any{}
	for _, e := range list {
		if v := value(e); deprecated || !isDeprecated(v.directives) {
			out = append(out, v)
		}
	}
	return out
}

// described returns the fields that all named elements of a schema have.
func described(field, name, description string, directives ast.DirectiveList) any {
	switch {
	case field == "name":
		return name
	case field == "description":
		return optionalText(description)
	case field == "isDeprecated":
		return isDeprecated(directives)
	case !isDeprecated(directives):
		return nil
	}
	if reason := argumentText(directives, "deprecated", "reason"); reason != nil {
		return reason
	}
	return "No longer supported"
}

func isDeprecated(directives ast.DirectiveList) bool { return directives.ForName("deprecated") != nil }

// argumentText returns the text of a directive's argument, nil where it is not given.
func argumentText(directives ast.DirectiveList, directive, argument string) any {
	if d := directives.ForName(directive); d != nil {
		if a := d.Arguments.ForName(argument); a != nil {
			return a.Value.Raw
		}
	}
	return nil
}

func optionalText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func listOf[T any](list []T, value func(T) any) any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = value(e)
	}
	return out
}
