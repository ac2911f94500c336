package sdl

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

const nullabilityDirective = `
"""At these levels of its type the field is null only with an error: 0 is the field, 1 the elements of its list."""
directive @semanticNonNull(levels: [Int!]! = [0]) on FIELD_DEFINITION
`

// documentedFields are the leaves that the documentation of their backend shows on each record.
var documentedFields = []string{"Identity.claims", "Credential.type", "Credential.profile"}

// declareNullability writes which nullable fields are null only with an error: fields that lists and writes at the root
// return, the connections that each object of a backend has, and the elements of pages.
func (e *edit) declareNullability(o Options) {
	claims := append([]string{"EmbedClient.users", "Identity.credentials"}, documentedFields...)
	if o.EachClientLinked {
		claims = append(claims, "Client.users")
	}
	for _, def := range e.Definitions {
		for _, f := range def.Fields {
			switch {
			case slices.Contains(claims, def.Name+"."+f.Name), isNullableOnError(def, f), hasSuffix(def.Name, "Edge") &&
				f.Name == "node":
				f.Directives = append(f.Directives, directive("semanticNonNull"))
			case hasSuffix(def.Name, "Connection") && f.Name == "nodes":
				f.Directives = append(f.Directives,
					directive("semanticNonNull", &ast.Argument{Name: "levels", Value: list(&ast.Value{Kind: ast.IntValue, Raw: "1"})}))
			}
		}
	}
	e.define(nullabilityDirective)
}

// isNullableOnError reports whether a root field is null only where it failed: a list, or the outcome of a write.
func isNullableOnError(def *ast.Definition, f *ast.FieldDefinition) bool {
	return slices.Contains([]string{"Query", "Subscription"}, def.Name) &&
		(f.Type.Elem != nil || hasSuffix(f.Type.Name(), "Connection")) ||
		def.Name == "Mutation" && !f.Type.NonNull
}
