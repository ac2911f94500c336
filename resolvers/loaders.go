package resolvers

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
	"github.com/vektah/gqlparser/v2/ast"
)

// loaders are the loaders of one operation, each made when a resolver first asks for it: most operations need one or two.
// They see one state of each object until the operation writes.
type loaders struct {
	ctx  context.Context
	root *Resolver

	mu   sync.Mutex
	made struct {
		clients         *loader.Loader[thoughtindustries.Key, *document.Document]
		embedClients    *loader.Loader[string, *coassemble.EmbedClient]
		users           *loader.Loader[string, *coassemble.User]
		userPages       *loader.Loader[userPageKey, userPage]
		identities      *loader.Loader[string, *mattr.Identity]
		userIdentities  *loader.Loader[string, *mattr.Identity]
		credentialPages *loader.Loader[credentialPageKey, mattr.Page[*mattr.Credential]]
	}
}

func (l *loaders) clients() *loader.Loader[thoughtindustries.Key, *document.Document] {
	return lazily(l, &l.made.clients, "clients", clientText, (*Resolver).fetchClients)
}

func (l *loaders) embedClients() *loader.Loader[string, *coassemble.EmbedClient] {
	return lazily(l, &l.made.embedClients, "embedClients", sameText, always((*Resolver).fetchEmbedClients))
}

func (l *loaders) users() *loader.Loader[string, *coassemble.User] {
	return lazily(l, &l.made.users, "users", sameText, always((*Resolver).fetchUsers))
}

func (l *loaders) userPages() *loader.Loader[userPageKey, userPage] {
	return lazily(l, &l.made.userPages, "userPages", userPageKey.text, always((*Resolver).fetchUserPages))
}

func (l *loaders) identities() *loader.Loader[string, *mattr.Identity] {
	return lazily(l, &l.made.identities, "identities", sameText, always((*Resolver).fetchIdentities))
}

func (l *loaders) userIdentities() *loader.Loader[string, *mattr.Identity] {
	return lazily(l, &l.made.userIdentities, "userIdentities", sameText, always((*Resolver).fetchUserIdentities))
}

func (l *loaders) credentialPages() *loader.Loader[credentialPageKey, mattr.Page[*mattr.Credential]] {
	return lazily(l, &l.made.credentialPages, "credentialPages", credentialPageKey.text, always((*Resolver).fetchCredentialPages))
}

// lazily returns the loader in made, and makes it if it is not there yet.
func lazily[K comparable, V any](l *loaders, made **loader.Loader[K, V], kind string, keyOf func(K) string,
	fetch func(*Resolver) loader.Fetch[K, V]) *loader.Loader[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *made == nil {
		*made = traced(l.ctx, l.root, keyOf, loader.New(l.ctx, watched(l.root, kind, fetch(l.root))))
	}
	return *made
}

// always returns the fetch of a loader that keeps nothing between its batches.
func always[K comparable, V any](fetch func(*Resolver, context.Context, []K) (map[K]V, map[K]error)) func(*Resolver) loader.Fetch[K, V] {
	return func(r *Resolver) loader.Fetch[K, V] {
		return func(ctx context.Context, keys []K) (map[K]V, map[K]error) { return fetch(r, ctx, keys) }
	}
}

// userPageKey is a part of one client's users; an empty client is all users.
type userPageKey struct {
	client        string
	offset, first int
}

// text is the key of the part among what is kept.
func (k userPageKey) text() string { return pageKey(k.offset, k.first, k.client) }

type userPage struct {
	users []*coassemble.User
	more  bool
	// missing is why some of the users are nil.
	missing error
}

type credentialPageKey struct {
	identity string
	limit    int
	token    string
}

// text is the key of the part among what is kept.
func (k credentialPageKey) text() string {
	return strconv.Itoa(k.limit) + "." + strconv.Quote(k.identity) + "." + k.token
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
	op.current = &loaders{ctx: op.ctx, root: r}
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
	op.current = &loaders{ctx: op.ctx, root: op.root}
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

type placesKey struct{}

// places says which of a field's parents ask for the keys of a Load: each key's parent, and how many there are.
type places struct {
	parents []int
	of      int
}

// place is where the nth key of the Load is wanted.
func (p places) place(path string, n, keys int) upstream.Place {
	if len(p.parents) != keys {
		return upstream.Place{Path: path, Parent: -1}
	}
	return upstream.Place{Path: path, Parent: p.parents[n], Of: p.of}
}

// traced tells the calls of an operation's loader what they are for, where somebody wants to know. keyOf is the text under
// which a key is kept.
func traced[K comparable, V any](ctx context.Context, r *Resolver, keyOf func(K) string, l *loader.Loader[K, V]) *loader.Loader[K, V] {
	explained := upstream.IsExplained(ctx)
	if !explained && r.Within == nil {
		return l
	}
	claims := new(upstream.Claims)
	return l.Traced(func(operation, caller context.Context, keys []K) context.Context {
		if r.Within != nil {
			operation = r.Within(operation, caller)
		}
		if !explained {
			return operation
		}
		asked, _ := caller.Value(placesKey{}).(places)
		path, texts := fieldPath(caller), make([]string, len(keys))
		for i, k := range keys {
			texts[i] = keyOf(k)
			claims.Add(texts[i], asked.place(path, i, len(keys)))
		}
		return upstream.WithPurpose(operation, upstream.NewPurpose(claims, texts...))
	})
}

func sameText(key string) string { return key }

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

// listPurpose is the purpose of a field that reads a page of a list, which no batch waits for.
func listPurpose(ctx context.Context) context.Context {
	loader.Count(ctx, 1)
	loader.Alone(ctx)
	if !upstream.IsExplained(ctx) {
		return ctx
	}
	claims := new(upstream.Claims)
	claims.Add("", upstream.Place{Path: fieldPath(ctx), Parent: -1})
	return upstream.WithPurpose(ctx, upstream.NewPurpose(claims, ""))
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
func each[V any](ctx context.Context, keys []string, read func(context.Context, string) (V, error)) (map[string]V, map[string]error) {
	found, failed := make(map[string]V, len(keys)), map[string]error{}
	var group task.Group
	for _, key := range keys {
		var value V
		group.Go(func() (err error) {
			value, err = read(upstream.WithKeys(ctx, key), key)
			return err
		}, func(err error) {
			switch {
			case err == nil:
				found[key] = value
			case upstream.KindOf(err) != upstream.NotFound:
				failed[key] = err
			}
		})
	}
	group.Wait()
	return found, failed
}

// join loads what each parent's key leads to. A parent without a key leads to nothing and makes no call.
func join[P any, K comparable, V, R any](ctx context.Context, parents []P, l *loader.Loader[K, V],
	key func(P) (K, bool, error), shape func(K, V) R) ([]R, error) {
	results := make([]R, len(parents))
	errs := make(graphql.BatchErrorList, len(parents))
	var keys []K
	var asking []int
	for i, p := range parents {
		k, ok, err := key(p)
		errs[i] = err
		if ok && err == nil {
			keys, asking = append(keys, k), append(asking, i)
		}
	}
	if len(keys) > 0 {
		if upstream.IsExplained(ctx) {
			ctx = context.WithValue(ctx, placesKey{}, places{asking, len(parents)})
		}
		for j, result := range l.Load(ctx, keys) {
			errs[asking[j]] = result.Err
			if result.Found {
				results[asking[j]] = shape(keys[j], result.Value)
				if result.Err != nil {
					errs[asking[j]] = besideError{result.Err}
				}
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
