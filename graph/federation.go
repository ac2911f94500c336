package graph

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/vektah/gqlparser/v2/ast"
)

// SubgraphResolver answers the root fields of a subgraph of Apollo Federation. gqlgen makes no resolver for these
// fields, so that the resolver of Query has it.
type SubgraphResolver interface {
	Entities(ctx context.Context, representations []json.RawMessage) ([]model.Node, error)
	Service(ctx context.Context) (*model.Service, error)
}

func subgraph(root ResolverRoot) SubgraphResolver { return root.Query().(SubgraphResolver) }

// __resolve_entities is called by gqlgen's own executor.
func (ec *executionContext) __resolve_entities(ctx context.Context, representations []json.RawMessage) []model.Node {
	nodes, err := subgraph(ec.Resolvers).Entities(ctx, representations)
	if err != nil {
		graphql.AddError(ctx, err)
	}
	return nodes
}

// __resolve__service is called by gqlgen's own executor.
func (ec *executionContext) __resolve__service(ctx context.Context) (model.Service, error) {
	s, err := subgraph(ec.Resolvers).Service(ctx)
	if err != nil {
		return model.Service{}, err
	}
	return *s, nil
}

// Text returns the text of schema.graphqls.
func Text() string {
	for _, s := range sources {
		if strings.HasSuffix(s.Name, "/schema.graphqls") {
			return s.Input
		}
	}
	return ""
}

// SubgraphSchema returns the schema with the additions for a subgraph of Apollo Federation.
func SubgraphSchema() *ast.Schema { return parsedSchema }

// Schema returns the schema as schema.graphqls has it.
func Schema() *ast.Schema { return withoutFederation() }

// federationNames are the types that graph/federation.graphqls adds; the fields that it adds lead to them.
var federationNames = []string{"_Any", "_Entity", "_Service"}

var withoutFederation = sync.OnceValue(func() *ast.Schema {
	s := *parsedSchema
	s.Types, s.PossibleTypes, s.Implements = maps.Clone(s.Types), maps.Clone(s.PossibleTypes), maps.Clone(s.Implements)
	for _, name := range federationNames {
		delete(s.Types, name)
		delete(s.PossibleTypes, name)
	}
	query := *s.Query
	query.Fields = slices.DeleteFunc(slices.Clone(query.Fields), func(f *ast.FieldDefinition) bool {
		return slices.Contains(federationNames, f.Type.Name())
	})
	s.Query = &query
	s.Types[query.Name], s.PossibleTypes[query.Name] = &query, []*ast.Definition{&query}
	for name, abstract := range s.Implements {
		s.Implements[name] = slices.DeleteFunc(slices.Clone(abstract), func(d *ast.Definition) bool {
			return slices.Contains(federationNames, d.Name)
		})
	}
	return &s
})
