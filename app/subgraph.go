package app

import (
	"sync"

	"github.com/learngraph/learngraph/gateway/access"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/sdl"
	"github.com/vektah/gqlparser/v2/ast"
)

func servedSchema(federation bool) *ast.Schema {
	if federation {
		return graph.SubgraphSchema()
	}
	return graph.Schema()
}

// gatewayQuery is the name of the query by which Apollo's gateway for Node asks for the schemas that it composes
// itself. It does not run under scopes or cache tags.
const gatewayQuery = "__ApolloGetServiceDefinition__"

// newSubgraph returns the texts that answer the queries of other subgraphs' gateways.
func newSubgraph() *resolvers.Subgraph {
	write := func(f sdl.Flavor) func() string {
		return sync.OnceValue(func() string {
			text, err := sdl.Write(graph.Text(), f, sdl.Options{})
			if err != nil {
				panic(err) // the schema is a constant
			}
			return text
		})
	}
	whole, open := write(sdl.Federation), write(sdl.FederationOpen)
	guard := access.NewGuard(graph.SubgraphSchema())
	return &resolvers.Subgraph{Permit: guard.CheckType, SDL: func(operation string) string {
		if operation == gatewayQuery {
			return open()
		}
		return whole()
	}}
}
