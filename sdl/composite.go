package sdl

import (
	"strings"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

const compositeDirectives = `
"""Keys of an object, as a selection of its fields."""
scalar FieldSelectionSet
"""The mapping of an object's fields to an argument."""
scalar FieldSelectionMap
"""The fields identify the object in each source schema."""
directive @key(fields: FieldSelectionSet!) repeatable on OBJECT | INTERFACE
"""The field finds an object by a key."""
directive @lookup on FIELD_DEFINITION
"""The fields of the object that the argument is made of."""
directive @is(field: FieldSelectionMap!) on ARGUMENT_DEFINITION
"""Other source schemas may have the same field."""
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
`

// compose writes a source schema of the GraphQL composite schemas specification: a field by is a lookup by each of its
// keys, one that leads to any object is a lookup by id.
func (e *edit) compose() {
	e.addKeys()
	e.addShareable()
	for _, f := range e.Definitions.ForName("Query").Fields {
		by := f.Arguments.ForName("by")
		switch {
		case by != nil:
			var keys []string
			for _, key := range scalar.Keys(scalar.NodeType(f.Type.Name())) {
				keys = append(keys, "{ "+key+" }")
			}
			by.Directives = append(by.Directives, directive("is", text("field", strings.Join(keys, " | "))))
		case f.Type.Elem != nil || e.kind(f.Type.Name()) != ast.Interface:
			continue
		}
		f.Directives = append(ast.DirectiveList{directive("lookup")}, f.Directives...)
	}
	e.remove("range", "scopes", "calls", "defer", "stream")
	e.define(compositeDirectives)
}
