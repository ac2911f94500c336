// Package resolvers answers the schema's fields from the backends, a file per type. A resolver is a sentence: it takes
// its arguments, asks a loader of the operation and shapes its results.
package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph"
)

// Options are the dependencies of resolvers.
type Options struct {
	datasource.Options
	// AllowDeletes switches the three delete mutations on.
	AllowDeletes bool
	// Subgraph has the texts for other subgraphs' gateways; nil where there are none.
	Subgraph *Subgraph
}

// Subgraph holds the additions of a subgraph of Apollo Federation.
type Subgraph struct {
	// SDL returns the schema that other subgraphs are composed with, for an operation of this name.
	SDL func(operation string) string
	// Permit returns the error of a caller who may not read objects of a type.
	Permit func(ctx context.Context, object string) error
}

// Resolver is the root of all resolvers.
type Resolver struct {
	*datasource.Source
	AllowDeletes bool
	Subgraph     *Subgraph
}

// New returns the resolvers of a server.
func New(o Options) *Resolver {
	o.Field = fieldPath
	return &Resolver{Source: datasource.New(o.Options), AllowDeletes: o.AllowDeletes, Subgraph: o.Subgraph}
}

// WithOperation returns the context of a new operation of the caller of ctx.
func (r *Resolver) WithOperation(ctx context.Context) context.Context {
	return r.Begin(ctx, tenantKeys(ctx))
}

var _ graph.ResolverRoot = (*Resolver)(nil)

type (
	queryResolver        struct{ *Resolver }
	mutationResolver     struct{ *Resolver }
	clientResolver       struct{ *Resolver }
	embedClientResolver  struct{ *Resolver }
	userResolver         struct{ *Resolver }
	identityResolver     struct{ *Resolver }
	licenseResolver      struct{ *Resolver }
	learningPathResolver struct{ *Resolver }
)

// Query answers the root fields that read.
func (r *Resolver) Query() graph.QueryResolver { return queryResolver{r} }

// Mutation answers the root fields that write.
func (r *Resolver) Mutation() graph.MutationResolver { return mutationResolver{r} }

// Client answers the fields of a Client that lead to another backend.
func (r *Resolver) Client() graph.ClientResolver { return clientResolver{r} }

// EmbedClient answers the fields of an EmbedClient that its record does not hold.
func (r *Resolver) EmbedClient() graph.EmbedClientResolver { return embedClientResolver{r} }

// User answers the fields of a User that its record does not hold.
func (r *Resolver) User() graph.UserResolver { return userResolver{r} }

// Identity answers the fields of an Identity that its record does not hold.
func (r *Resolver) Identity() graph.IdentityResolver { return identityResolver{r} }

// License answers the fields of a License that lead to a client.
func (r *Resolver) License() graph.LicenseResolver { return licenseResolver{r} }

// LearningPath answers the fields of a LearningPath that lead to a client.
func (r *Resolver) LearningPath() graph.LearningPathResolver { return learningPathResolver{r} }
