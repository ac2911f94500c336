// Package resolvers answers the schema's fields from the backends, a file per type. A resolver is a sentence: it takes
// its arguments, asks a loader of the operation and shapes what comes back.
package resolvers

import (
	"context"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Options are what resolvers need. A backend that is nil is not configured: its fields say so, the rest works.
type Options struct {
	ThoughtIndustries *thoughtindustries.Client
	Coassemble        *coassemble.Client
	MATTR             *mattr.Client
	Link              Link
	// AllowDeletes switches the three delete mutations on.
	AllowDeletes bool
	// Cache keeps what the backends answered.
	Cache *cache.Cache
	// Beside is told of writes too: resolvers over the same backends with a cache of their own; nil where there are none.
	Beside *Resolver
	// Scopes are a digest of each backend's address and credential: what one credential may see, another never gets.
	Scopes map[upstream.Backend]string
	// Batch is told of each batch before it is fetched, and what it returns is called after; nil is told nothing.
	Batch func(ctx context.Context, kind string, keys int) (context.Context, func())
	// Within adds to the operation's context, under which a batch is fetched, what belongs to the field that asked for it;
	// nil adds nothing.
	Within func(operation, field context.Context) context.Context
}

// Resolver is the root of all resolvers.
type Resolver struct {
	Options
	store *store
}

// New makes the resolvers of a server.
func New(o Options) *Resolver {
	r := &Resolver{Options: o, store: newStore(o.Cache, o.Scopes)}
	r.store.clients.filed = r.keepClientKeys
	return r
}

var _ graph.ResolverRoot = (*Resolver)(nil)

type (
	queryResolver        struct{ *Resolver }
	mutationResolver     struct{ *Resolver }
	clientResolver       struct{ *Resolver }
	embedClientResolver  struct{ *Resolver }
	userResolver         struct{ *Resolver }
	identityResolver     struct{ *Resolver }
	credentialResolver   struct{ *Resolver }
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

// Credential answers the fields of a Credential that hold its key.
func (r *Resolver) Credential() graph.CredentialResolver { return credentialResolver{r} }

// License answers the fields of a License that lead to a client.
func (r *Resolver) License() graph.LicenseResolver { return licenseResolver{r} }

// LearningPath answers the fields of a LearningPath that lead to a client.
func (r *Resolver) LearningPath() graph.LearningPathResolver { return learningPathResolver{r} }

// Link says which fields join the backends.
type Link struct {
	// Client is the client's field that is Coassemble's clientIdentifier: id, slug or sku.
	Client string
	// User is where an identity carries the user's identifier: subjectId, id or claims.KEY.
	User string
	// UserProvider is the providerId that a subjectId belongs to; empty for any.
	UserProvider string
}

const claimPrefix = "claims."

// claim is the name of the claim that joins, empty where none does.
func (l Link) claim() string {
	name, _ := strings.CutPrefix(l.User, claimPrefix)
	if name == l.User {
		return ""
	}
	return name
}

func notConfigured(b upstream.Backend) error {
	return &upstream.Error{Backend: b, Kind: upstream.NotConfigured}
}
