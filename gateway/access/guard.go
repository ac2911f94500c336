// Package access checks the scopes that fields need and logs the effects of mutations.
package access

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// Guard checks the scopes that each field needs, from the schema's @scopes: those of the field, of the type that it
// leads to, of its search arguments, and of the objects that its global ids name.
type Guard struct {
	schema *ast.Schema
	types  map[string][]string
	fields map[*ast.FieldDefinition][]string
	inputs map[string]map[string][]string
}

// NewGuard reads the directives of a schema.
func NewGuard(schema *ast.Schema) *Guard {
	g := &Guard{schema: schema, types: map[string][]string{}, fields: map[*ast.FieldDefinition][]string{},
		inputs: map[string]map[string][]string{}}
	for name, def := range schema.Types {
		g.types[name] = requiredScopes(def.Directives)
	}
	for name, def := range schema.Types {
		for _, f := range def.Fields {
			needs := requiredScopes(f.Directives)
			if def.Kind != ast.InputObject {
				g.fields[f] = append(needs, g.types[f.Type.Name()]...)
				continue
			}
			if len(needs) > 0 {
				if g.inputs[name] == nil {
					g.inputs[name] = map[string][]string{}
				}
				g.inputs[name][f.Name] = needs
			}
		}
	}
	return g
}

func requiredScopes(directives ast.DirectiveList) []string {
	d := directives.ForName("scopes")
	if d == nil {
		return nil
	}
	return selection.Strings(selection.DirectiveArgument(d, "scopes"))
}

// Check refuses a field that the caller of ctx lacks a scope for. It has to come before the field's resolver.
func (g *Guard) Check(ctx context.Context, field *ast.Field, definition *ast.FieldDefinition,
	variables map[string]any) error {
	who := auth.FromContext(ctx)
	if who == auth.AllowAll || definition == nil {
		return nil
	}
	if lacking := g.missingScope(who, field, definition, variables); lacking != "" {
		return missingScopeError(lacking)
	}
	return nil
}

// CheckType refuses objects of a type that the caller of ctx lacks a scope for.
func (g *Guard) CheckType(ctx context.Context, object string) error {
	who := auth.FromContext(ctx)
	if who == auth.AllowAll {
		return nil
	}
	if lacking := who.MissingScope(g.types[object]); lacking != "" {
		return missingScopeError(lacking)
	}
	return nil
}

func missingScopeError(scope string) error {
	return &scalar.ForbiddenError{Message: "the caller lacks the scope " + scope}
}

func (g *Guard) missingScope(who *auth.Caller, field *ast.Field, definition *ast.FieldDefinition,
	variables map[string]any) string {
	if lacking := who.MissingScope(g.fields[definition]); lacking != "" {
		return lacking
	}
	for _, arg := range definition.Arguments {
		if g.inputs[arg.Type.Name()] == nil {
			continue
		}
		value, _, _ := coerce.Argument(g.schema, arg, field.Arguments, variables)
		if lacking := g.missingInputScope(who, arg.Type.Name(), value); lacking != "" {
			return lacking
		}
	}
	if definition.Type.Name() != "Node" {
		return ""
	}
	// Arguments that have no values call nothing.
	args, _ := coerce.Arguments(g.schema, definition.Arguments, field.Arguments, variables)
	for name := range selection.CountNodeTypes(args) {
		if lacking := who.MissingScope(g.types[name]); lacking != "" {
			return lacking
		}
	}
	return ""
}

// missingInputScope looks at the fields of an input object that are given, null or not.
func (g *Guard) missingInputScope(who *auth.Caller, input string, value any) string {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if lacking := g.missingInputScope(who, input, item); lacking != "" {
				return lacking
			}
		}
	case map[string]any:
		for name, item := range value {
			if lacking := who.MissingScope(g.inputs[input][name]); lacking != "" {
				return lacking
			}
			if f := g.schema.Types[input].Fields.ForName(name); f != nil {
				if lacking := g.missingInputScope(who, f.Type.Name(), item); lacking != "" {
					return lacking
				}
			}
		}
	}
	return ""
}

// forbidden reports whether an operation has a field that its caller lacks a scope for.
func (g *Guard) forbidden(ctx context.Context, op *graphql.OperationContext) bool {
	who := auth.FromContext(ctx)
	if who == auth.AllowAll {
		return false
	}
	for sel := range syntax.Selections(op.Operation.SelectionSet) {
		if f, ok := sel.(*ast.Field); ok && f.Definition != nil && g.missingScope(who, f, f.Definition, op.Variables) != "" {
			return true
		}
	}
	return false
}

// Middleware wraps each field of an operation: a field that the caller may not read is refused before its resolver, and
// a mutation is logged. It is nil where there is nothing to do for any field.
func (g *Guard) Middleware(ctx context.Context, op *graphql.OperationContext, audit *Auditor) graphql.FieldMiddleware {
	guarded := g.forbidden(ctx, op)
	audited := op.Operation.Operation == ast.Mutation && audit != nil
	if !guarded && !audited {
		return nil
	}
	return func(ctx context.Context, next graphql.Resolver) (any, error) {
		fc := graphql.GetFieldContext(ctx)
		root := audited && fc.Object == g.schema.Mutation.Name && !strings.HasPrefix(fc.Field.Name, "__")
		if err := g.Check(ctx, fc.Field.Field, fc.Field.Definition, op.Variables); err != nil {
			if root {
				audit.audit(ctx, fc.Field.Field, op.Variables, nil, err)
			}
			return nil, err
		}
		result, err := next(ctx)
		if root {
			audit.audit(ctx, fc.Field.Field, op.Variables, result, err)
		}
		return result, err
	}
}
