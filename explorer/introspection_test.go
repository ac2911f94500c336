package explorer

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

type object = map[string]any

// introspect answers the introspection query from a schema, with every member that a browser may ask for.
func introspect(s *ast.Schema) object {
	types := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		types = append(types, introspectType(s, s.Types[name]))
	}
	directives := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.Directives)) {
		d := s.Directives[name]
		locations := []any{}
		for _, l := range d.Locations {
			locations = append(locations, string(l))
		}
		directives = append(directives, object{"name": d.Name, "description": d.Description, "locations": locations,
			"args": introspectArguments(s, d.Arguments), "isRepeatable": d.IsRepeatable})
	}
	return object{"data": object{"__schema": object{
		"description": s.Description, "queryType": object{"name": "Query"}, "mutationType": object{"name": "Mutation"},
		"subscriptionType": nil, "types": types, "directives": directives,
	}}}
}

func introspectType(s *ast.Schema, d *ast.Definition) object {
	t := object{"kind": string(d.Kind), "name": d.Name, "description": d.Description, "specifiedByURL": nil,
		"fields": nil, "inputFields": nil, "interfaces": nil, "enumValues": nil, "possibleTypes": nil}
	switch d.Kind {
	case ast.Object, ast.Interface:
		t["fields"] = introspectFields(s, d.Fields)
		t["interfaces"] = named(s, d.Interfaces)
	case ast.InputObject:
		inputs := []any{}
		for _, f := range d.Fields {
			inputs = append(inputs, introspectInput(s, f.Name, f.Description, f.Type, f.DefaultValue))
		}
		t["inputFields"] = inputs
	case ast.Enum:
		values := []any{}
		for _, v := range d.EnumValues {
			values = append(values, object{"name": v.Name, "description": v.Description, "isDeprecated": false, "deprecationReason": nil})
		}
		t["enumValues"] = values
	}
	if d.IsAbstractType() {
		possible := []string{}
		for _, p := range s.GetPossibleTypes(d) {
			possible = append(possible, p.Name)
		}
		t["possibleTypes"] = named(s, possible)
	}
	return t
}

func introspectFields(s *ast.Schema, list ast.FieldList) []any {
	fields := []any{}
	for _, f := range list {
		if f.Name == "__schema" || f.Name == "__type" {
			continue
		}
		fields = append(fields, object{"name": f.Name, "description": f.Description, "isDeprecated": false, "deprecationReason": nil,
			"args": introspectArguments(s, f.Arguments), "type": reference(s, f.Type)})
	}
	return fields
}

func introspectArguments(s *ast.Schema, list ast.ArgumentDefinitionList) []any {
	arguments := []any{}
	for _, a := range list {
		arguments = append(arguments, introspectInput(s, a.Name, a.Description, a.Type, a.DefaultValue))
	}
	return arguments
}

func introspectInput(s *ast.Schema, name, description string, t *ast.Type, value *ast.Value) object {
	input := object{"name": name, "description": description, "type": reference(s, t), "defaultValue": nil,
		"isDeprecated": false, "deprecationReason": nil}
	if value != nil {
		input["defaultValue"] = value.String()
	}
	return input
}

func named(s *ast.Schema, names []string) []any {
	types := []any{}
	for _, name := range names {
		types = append(types, reference(s, ast.NamedType(name, nil)))
	}
	return types
}

func reference(s *ast.Schema, t *ast.Type) object {
	switch {
	case t.NonNull:
		nullable := *t
		nullable.NonNull = false
		return object{"kind": "NON_NULL", "name": nil, "ofType": reference(s, &nullable)}
	case t.Elem != nil:
		return object{"kind": "LIST", "name": nil, "ofType": reference(s, t.Elem)}
	}
	return object{"kind": string(s.Types[t.NamedType].Kind), "name": t.NamedType, "ofType": nil}
}
