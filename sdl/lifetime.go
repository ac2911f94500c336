package sdl

import (
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

const cacheDirectives = `
"""The caches that may store a response; clients ignore it."""
enum CacheControlScope { PUBLIC PRIVATE }
"""The time that a client may cache the field, or each field of the type."""
directive @cacheControl(
  """In seconds."""
  maxAge: Int
  scope: CacheControlScope
  """Whether the lifetime is that of the object that the field belongs to."""
  inheritMaxAge: Boolean
) on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
`

// declareLifetimes writes the time that clients may cache objects: records of a backend as long as its answers are
// fresh, and the objects inside them as long.
func (e *edit) declareLifetimes(lifetime time.Duration) {
	fresh := func() *ast.Directive { return directive("cacheControl", number("maxAge", int(lifetime/time.Second))) }
	with := func() *ast.Directive { return directive("cacheControl", boolean("inheritMaxAge", true)) }
	asked := map[string]bool{"Node": true}
	for _, def := range e.Definitions {
		for _, f := range def.Fields {
			if def.Name == "Query" || f.Directives.ForName("calls") != nil {
				asked[f.Type.Name()] = true
			}
		}
		if def.Directives.ForName("calls") != nil {
			asked[def.Name] = true
		}
	}
	for _, def := range e.Definitions {
		if def.Kind == ast.Interface && asked[def.Name] {
			def.Directives = append(def.Directives, fresh())
		}
	}
	for _, def := range e.objects() {
		switch {
		case hasSuffix(def.Name, "Payload") || def.Name == "UserError":
			continue // the answer of a write
		case asked[def.Name]:
			def.Directives = append(def.Directives, fresh())
		default:
			def.Directives = append(def.Directives, with())
		}
	}
	e.define(cacheDirectives)
}
