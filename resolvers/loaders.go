package resolvers

import (
	"context"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
	"github.com/vektah/gqlparser/v2/ast"
)

// loaders are what the resolvers of one operation ask. They see one state of each object until the operation writes.
type loaders struct {
	clients         *loader.Loader[thoughtindustries.Key, *document.Document]
	embedClients    *loader.Loader[string, *coassemble.EmbedClient]
	users           *loader.Loader[string, *coassemble.User]
	userPages       *loader.Loader[userPageKey, userPage]
	identities      *loader.Loader[string, *mattr.Identity]
	userIdentities  *loader.Loader[string, *mattr.Identity]
	credentialPages *loader.Loader[credentialPageKey, mattr.Page[*mattr.Credential]]
}

// userPageKey is a part of one client's users; an empty client is all users.
type userPageKey struct {
	client        string
	offset, first int
}

type userPage struct {
	users []*coassemble.User
	more  bool
}

type credentialPageKey struct {
	identity string
	limit    int
	token    string
}

// operation holds the loaders of one operation, and makes new ones after a write.
type operation struct {
	mu      sync.Mutex
	ctx     context.Context
	root    *Resolver
	current *loaders
}

type operationKey struct{}

// WithOperation gives ctx, the context of one operation, loaders of its own.
func (r *Resolver) WithOperation(ctx context.Context) context.Context {
	op := &operation{root: r}
	op.ctx = context.WithValue(ctx, operationKey{}, op)
	op.current = r.newLoaders(op.ctx)
	return op.ctx
}

func loadersOf(ctx context.Context) *loaders {
	op := ctx.Value(operationKey{}).(*operation)
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.current
}

// forget makes the operation read again: what it read before a write is not true after it.
func forget(ctx context.Context) {
	op := ctx.Value(operationKey{}).(*operation)
	op.mu.Lock()
	defer op.mu.Unlock()
	op.current = op.root.newLoaders(op.ctx)
}

func (r *Resolver) newLoaders(ctx context.Context) *loaders {
	return &loaders{
		clients:         loader.New(ctx, watched(r, "clients", r.fetchClients())).Traced(r.purpose),
		embedClients:    loader.New(ctx, watched(r, "embedClients", r.fetchEmbedClients)).Traced(r.purpose),
		users:           loader.New(ctx, watched(r, "users", r.fetchUsers)).Traced(r.purpose),
		userPages:       loader.New(ctx, watched(r, "userPages", r.fetchUserPages)).Traced(r.purpose),
		identities:      loader.New(ctx, watched(r, "identities", r.fetchIdentities)).Traced(r.purpose),
		userIdentities:  loader.New(ctx, watched(r, "userIdentities", r.fetchUserIdentities)).Traced(r.purpose),
		credentialPages: loader.New(ctx, watched(r, "credentialPages", r.fetchCredentialPages)).Traced(r.purpose),
	}
}

// watched tells of each batch of a fetch.
func watched[K comparable, V any](r *Resolver, kind string, fetch loader.Fetch[K, V]) loader.Fetch[K, V] {
	if r.Batch == nil {
		return fetch
	}
	return func(ctx context.Context, keys []K) (map[K]V, map[K]error) {
		ctx, done := r.Batch(ctx, kind, len(keys))
		defer done()
		return fetch(ctx, keys)
	}
}

// purpose tells the calls of a batch which field they are for.
func (r *Resolver) purpose(operation, caller context.Context, n int) context.Context {
	if r.Within != nil {
		operation = r.Within(operation, caller)
	}
	return withPurpose(operation, caller, n)
}

func withPurpose(operation, caller context.Context, n int) context.Context {
	return upstream.WithPurpose(operation, upstream.Purpose{Path: fieldPath(caller), BatchSize: n})
}

// fieldPath is the place of the field that is being resolved, without indexes.
func fieldPath(ctx context.Context) string {
	var names []string
	for _, p := range graphql.GetPath(ctx) {
		if name, ok := p.(ast.PathName); ok {
			names = append(names, string(name))
		}
	}
	return strings.Join(names, ".")
}

// listPurpose is the purpose of a field that reads a page of a list.
func listPurpose(ctx context.Context) context.Context {
	loader.Count(ctx, 1)
	return withPurpose(ctx, ctx, 1)
}

func refuse[K comparable, V any](b upstream.Backend) loader.Fetch[K, V] {
	return func(_ context.Context, keys []K) (map[K]V, map[K]error) {
		failed := make(map[K]error, len(keys))
		for _, k := range keys {
			failed[k] = notConfigured(b)
		}
		return nil, failed
	}
}

// each reads every key on its own, all at once; the backend's concurrency is kept below. A key that is not found is in
// neither map.
func each[K comparable, V any](ctx context.Context, keys []K, read func(context.Context, K) (V, error)) (map[K]V, map[K]error) {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		found  = make(map[K]V, len(keys))
		failed = map[K]error{}
	)
	for _, key := range keys {
		wg.Go(func() {
			value, err := contained(ctx, key, read)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				found[key] = value
			case upstream.KindOf(err) != upstream.NotFound:
				failed[key] = err
			}
		})
	}
	wg.Wait()
	return found, failed
}

// contained turns a panic into the key's error: a goroutine of its own that panics ends the process.
func contained[K comparable, V any](ctx context.Context, key K, read func(context.Context, K) (V, error)) (value V, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = loader.NewPanicError(p)
		}
	}()
	return read(ctx, key)
}

// join loads what each parent's key leads to. A parent without a key leads to nothing and makes no call.
func join[P any, K comparable, V, R any](ctx context.Context, parents []P, l *loader.Loader[K, V],
	key func(P) (K, bool, error), shape func(K, V) R) ([]R, error) {
	results := make([]R, len(parents))
	errs := make(graphql.BatchErrorList, len(parents))
	var keys []K
	var places []int
	for i, p := range parents {
		k, ok, err := key(p)
		errs[i] = err
		if ok && err == nil {
			keys, places = append(keys, k), append(places, i)
		}
	}
	if len(keys) > 0 {
		for j, result := range l.Load(ctx, keys) {
			if result.Err != nil {
				errs[places[j]] = result.Err
			} else if result.Found {
				results[places[j]] = shape(keys[j], result.Value)
			}
		}
	}
	return results, anyOf(errs)
}

// load loads one key; the zero value is what is not found.
func load[K comparable, V any](ctx context.Context, l *loader.Loader[K, V], key K) (V, error) {
	result := l.Load(ctx, []K{key})[0]
	return result.Value, result.Err
}

// anyOf is the list where it holds an error, else nil.
func anyOf(errs graphql.BatchErrorList) error {
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// firstOf is the first error of a batch.
func firstOf(err error) error {
	errs, ok := err.(graphql.BatchErrorList)
	if !ok {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// itself is the shape of what a join leads to as it is.
func itself[K, V any](_ K, v V) V { return v }

// present makes a join's key of an optional text: null and empty lead nowhere.
func present(text *string, err error) (string, bool, error) {
	if err != nil || text == nil || *text == "" {
		return "", false, err
	}
	return *text, true, nil
}
