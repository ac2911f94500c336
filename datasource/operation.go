package datasource

import (
	"context"
	"sync"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Operation reads for one GraphQL operation, whose context it is. It sees one state of each record until it writes.
type Operation struct {
	context.Context
	source *Source
	// tenant are the clients of Coassemble whose records may be read; nil is all.
	tenant []string

	mu      sync.Mutex
	loaders loaders
}

// loaders are made when they are first used, and anew after a write.
type loaders struct {
	clients         *loader.Loader[thoughtindustries.Key, *document.Document]
	embedClients    *loader.Loader[string, *coassemble.EmbedClient]
	users           *loader.Loader[string, *coassemble.User]
	userPages       *loader.Loader[PageKey, Page[*coassemble.User]]
	identities      *loader.Loader[string, *mattr.Identity]
	userIdentities  *loader.Loader[string, *mattr.Identity]
	credentialPages *loader.Loader[PageKey, Page[*mattr.Credential]]
	// search is the lookup of clients.
	search *clientSearch
	// pages are those of lists that no loader loads, an operation reads a few.
	pages []*sharedPage
}

type operationKey struct{}

// Begin returns the context of a new operation over ctx. Where tenant is not nil, users are looked up for a caller who
// may see those of these clients alone.
func (s *Source) Begin(ctx context.Context, tenant []string) context.Context {
	return &Operation{Context: ctx, source: s, tenant: tenant}
}

// Value makes an Operation a context that From returns it for.
func (o *Operation) Value(key any) any {
	if key == (operationKey{}) {
		return o
	}
	return o.Context.Value(key)
}

// From returns the operation that ctx belongs to.
func From(ctx context.Context) *Operation { return ctx.Value(operationKey{}).(*Operation) }

// reset makes the operation read again, since a write may have changed its earlier reads.
func (o *Operation) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loaders = loaders{}
}

// Clients loads clients of Thought Industries by any of their keys.
func (o *Operation) Clients() *loader.Loader[thoughtindustries.Key, *document.Document] {
	return lazy(o, &o.loaders.clients, o.source.loading.clients)
}

// EmbedClients loads clients of Coassemble by identifier.
func (o *Operation) EmbedClients() *loader.Loader[string, *coassemble.EmbedClient] {
	return lazy(o, &o.loaders.embedClients, o.source.loading.embedClients)
}

// Users loads users by identifier.
func (o *Operation) Users() *loader.Loader[string, *coassemble.User] {
	return lazy(o, &o.loaders.users, o.source.loading.users)
}

// UserPages loads parts of clients' users.
func (o *Operation) UserPages() *loader.Loader[PageKey, Page[*coassemble.User]] {
	return lazy(o, &o.loaders.userPages, o.source.loading.userPages)
}

// Identities loads identities by id.
func (o *Operation) Identities() *loader.Loader[string, *mattr.Identity] {
	return lazy(o, &o.loaders.identities, o.source.loading.identities)
}

// UserIdentities loads identities by the identifier of their user.
func (o *Operation) UserIdentities() *loader.Loader[string, *mattr.Identity] {
	return lazy(o, &o.loaders.userIdentities, o.source.loading.userIdentities)
}

// CredentialPages loads parts of identities' credentials.
func (o *Operation) CredentialPages() *loader.Loader[PageKey, Page[*mattr.Credential]] {
	return lazy(o, &o.loaders.credentialPages, o.source.loading.credentialPages)
}

// lazy returns the loader in slot, which it makes the first time.
func lazy[K comparable, V any](o *Operation, slot **loader.Loader[K, V], l loading[K, V]) *loader.Loader[K, V] {
	o.mu.Lock()
	defer o.mu.Unlock()
	if *slot == nil {
		*slot = attributed(o, l.text, loader.New(o, l.fetch))
	}
	return *slot
}

// loading is shared by the loaders of all operations for one kind of record.
type loading[K comparable, V any] struct {
	text  func(K) string // the name of a key in the cache
	fetch loader.Fetch[K, V]
}

// loadings are those of a Source.
type loadings struct {
	clients         loading[thoughtindustries.Key, *document.Document]
	embedClients    loading[string, *coassemble.EmbedClient]
	users           loading[string, *coassemble.User]
	userPages       loading[PageKey, Page[*coassemble.User]]
	identities      loading[string, *mattr.Identity]
	userIdentities  loading[string, *mattr.Identity]
	credentialPages loading[PageKey, Page[*mattr.Credential]]
}

// clientsKind is the kind of record whose keys are always looked for together, on the same pages of a search.
const clientsKind = "clients"

func (s *Source) newLoadings() loadings {
	ti, co, mt := upstream.ThoughtIndustries, upstream.Coassemble, upstream.MATTR
	return loadings{
		clients:         newLoading(s, ti, clientsKind, clientText, s.findClients),
		embedClients:    newLoading(s, co, "embedClients", sameText, s.embedClients.load),
		users:           newLoading(s, co, "users", sameText, s.fetchUsers),
		userPages:       newLoading(s, co, "userPages", PageKey.text, s.fetchUserPages),
		identities:      newLoading(s, mt, "identities", sameText, s.identities.load),
		userIdentities:  newLoading(s, mt, "userIdentities", sameText, s.fetchUserIdentities),
		credentialPages: newLoading(s, mt, "credentialPages", PageKey.text, s.fetchCredentialPages),
	}
}

func newLoading[K comparable, V any](s *Source, b upstream.Backend, kind string, text func(K) string,
	fetch fetchFunc[K, V]) loading[K, V] {
	return loading[K, V]{text, batches(s, kind, configured(s, b, fetch))}
}

// fetchFunc loads the records of distinct keys and returns a result for each, in their order. together is nil unless
// others load further keys of the same batch at the same time.
type fetchFunc[K comparable, V any] func(ctx context.Context, keys []K, together *roundMember) []cache.Result[V]

// batches returns the fetch of a loader: it reports each batch to the source's Batch.
func batches[K comparable, V any](s *Source, kind string, fetch fetchFunc[K, V]) loader.Fetch[K, V] {
	return func(ctx context.Context, keys []K, deliver func(K, cache.Result[V])) []cache.Result[V] {
		if s.Batch != nil {
			within, done := s.Batch(ctx, kind, len(keys))
			defer done()
			ctx = within
		}
		if deliver != nil && len(keys) > 1 && kind != clientsKind {
			return fetchSingly(ctx, keys, fetch, deliver)
		}
		return fetch(ctx, keys, nil)
	}
}
