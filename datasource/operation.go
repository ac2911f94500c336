package datasource

import (
	"context"
	"sync"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Operation reads for one GraphQL operation. It sees one state of each record until it writes.
type Operation struct {
	source *Source
	ctx    context.Context
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
	userPages       *loader.Loader[UserPageKey, Page[*coassemble.User]]
	identities      *loader.Loader[string, *mattr.Identity]
	userIdentities  *loader.Loader[string, *mattr.Identity]
	credentialPages *loader.Loader[CredentialPageKey, Page[*mattr.Credential]]
	// pages are those of lists that no loader loads, an operation reads a few.
	pages []*sharedPage
}

type operationKey struct{}

// Begin returns the context of a new operation over ctx. Where tenant is not nil, users are looked up for a caller who
// may see those of these clients alone.
func (s *Source) Begin(ctx context.Context, tenant []string) context.Context {
	o := &Operation{source: s, tenant: tenant}
	o.ctx = context.WithValue(ctx, operationKey{}, o)
	return o.ctx
}

// From returns the operation that ctx belongs to.
func From(ctx context.Context) *Operation { return ctx.Value(operationKey{}).(*Operation) }

// reset makes the operation read again, since a write may have changed its earlier reads.
func (o *Operation) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loaders = loaders{}
}

// clientsKind is the kind of record whose keys are always looked for together, on the same pages of a search.
const clientsKind = "clients"

// Clients loads clients of Thought Industries by any of their keys.
func (o *Operation) Clients() *loader.Loader[thoughtindustries.Key, *document.Document] {
	return lazy(o, &o.loaders.clients, clientsKind, clientText,
		func(o *Operation) fetchFunc[thoughtindustries.Key, *document.Document] {
			return configured(o.source, upstream.ThoughtIndustries, o.source.newClientSearch().find)
		})
}

// EmbedClients loads clients of Coassemble by identifier.
func (o *Operation) EmbedClients() *loader.Loader[string, *coassemble.EmbedClient] {
	return lazy(o, &o.loaders.embedClients, "embedClients", sameText,
		func(o *Operation) fetchFunc[string, *coassemble.EmbedClient] {
			return configured(o.source, upstream.Coassemble, o.source.embedClients.load)
		})
}

// Users loads users by identifier.
func (o *Operation) Users() *loader.Loader[string, *coassemble.User] {
	return lazy(o, &o.loaders.users, "users", sameText, func(o *Operation) fetchFunc[string, *coassemble.User] {
		return configured(o.source, upstream.Coassemble, o.fetchUsers)
	})
}

// UserPages loads parts of clients' users.
func (o *Operation) UserPages() *loader.Loader[UserPageKey, Page[*coassemble.User]] {
	return lazy(o, &o.loaders.userPages, "userPages", UserPageKey.text,
		func(o *Operation) fetchFunc[UserPageKey, Page[*coassemble.User]] {
			return configured(o.source, upstream.Coassemble, o.fetchUserPages)
		})
}

// Identities loads identities by id.
func (o *Operation) Identities() *loader.Loader[string, *mattr.Identity] {
	return lazy(o, &o.loaders.identities, "identities", sameText,
		func(o *Operation) fetchFunc[string, *mattr.Identity] {
			return configured(o.source, upstream.MATTR, o.source.identities.load)
		})
}

// UserIdentities loads identities by the identifier of their user.
func (o *Operation) UserIdentities() *loader.Loader[string, *mattr.Identity] {
	return lazy(o, &o.loaders.userIdentities, "userIdentities", sameText,
		func(o *Operation) fetchFunc[string, *mattr.Identity] {
			return configured(o.source, upstream.MATTR, o.source.fetchUserIdentities)
		})
}

// CredentialPages loads parts of identities' credentials.
func (o *Operation) CredentialPages() *loader.Loader[CredentialPageKey, Page[*mattr.Credential]] {
	return lazy(o, &o.loaders.credentialPages, "credentialPages", CredentialPageKey.text,
		func(o *Operation) fetchFunc[CredentialPageKey, Page[*mattr.Credential]] {
			return configured(o.source, upstream.MATTR, o.source.fetchCredentialPages)
		})
}

// lazy returns the loader in slot, which it makes the first time. text returns the name of a key in the cache.
func lazy[K comparable, V any](o *Operation, slot **loader.Loader[K, V], kind string, text func(K) string,
	fetch func(*Operation) fetchFunc[K, V]) *loader.Loader[K, V] {
	o.mu.Lock()
	defer o.mu.Unlock()
	if *slot == nil {
		*slot = attributed(o, text, loader.New(o.ctx, batches(o.source, kind, fetch(o))))
	}
	return *slot
}

// fetchFunc loads the records of distinct keys and returns a result for each, in their order.
type fetchFunc[K comparable, V any] func(ctx context.Context, keys []K) []loader.Result[V]

// batches returns the fetch of a loader: it reports each batch to the source's Batch.
func batches[K comparable, V any](s *Source, kind string, fetch fetchFunc[K, V]) loader.Fetch[K, V] {
	return func(ctx context.Context, keys []K, deliver func(K, loader.Result[V])) []loader.Result[V] {
		if s.Batch != nil {
			within, done := s.Batch(ctx, kind, len(keys))
			defer done()
			ctx = within
		}
		if deliver != nil && len(keys) > 1 && kind != clientsKind {
			return fetchSingly(ctx, keys, fetch, deliver)
		}
		return fetch(ctx, keys)
	}
}
