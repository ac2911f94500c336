// Package datasource reads the records of the three backends for the resolvers: in batches, from the cache while that
// holds, and by the fewest calls where it does not. It also writes, and invalidates the values that a write changes.
package datasource

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/paging"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Options are the backends and the cache of a Source. A backend that is nil is not configured: its reads fail, the rest
// works.
type Options struct {
	ThoughtIndustries *thoughtindustries.Client
	Coassemble        *coassemble.Client
	MATTR             *mattr.Client
	Link              Link
	// Cache holds the backends' answers.
	Cache *cache.Cache
	// Scopes are digests of each backend's address and credential: values that one credential may see, another never gets.
	Scopes map[upstream.Backend]string
	// Secondary is invalidated by writes too: a Source of the same backends with another cache; nil where there is none.
	Secondary *Source
	// Batch is called before each batch is fetched, and its result is called after; nil is not called.
	Batch func(ctx context.Context, kind string, keys int) (context.Context, func())
	// Within adds values of the context of the field that asked for a batch to the operation's context, under which the
	// batch is fetched; nil adds nothing.
	Within func(operation, field context.Context) context.Context
	// Field returns the path of the field that a context belongs to. It is needed where operations are explained.
	Field func(ctx context.Context) string
}

// Page is a part of a backend's list.
type Page[V any] = paging.Page[V]

// Result is the result of one key.
type Result[V any] = cache.Result[V]

// PageKey names a page of a list.
type PageKey struct {
	// Of is the part of the backend's records that the list shows: the client of the users, the identity of the
	// credentials, or the search. Empty is all.
	Of string
	// Token is the backend's cursor of the page, empty where the list has none and for the first page.
	Token string
	// Offset is the place of the page's first record after that, First the most that it has.
	Offset, First int
}

// text is the key of the page in the cache.
func (k PageKey) text() string {
	return strconv.Itoa(k.Offset) + "." + strconv.Itoa(k.First) + "." + strconv.Itoa(len(k.Token)) + "." + k.Token + k.Of
}

// Source reads and writes records of the three backends. It is safe for concurrent use.
type Source struct {
	Options

	taggers      map[upstream.Backend]*cache.Tagger
	clients      *clientLists
	embedClients *resource[*coassemble.EmbedClient]
	users        *resource[*coassemble.User]
	identities   *identityLists
	credentials  *cache.Collection[PageKey, *mattr.Credential]
	loading      loadings
}

// New returns a Source.
func New(o Options) *Source {
	s := &Source{Options: o, taggers: map[upstream.Backend]*cache.Tagger{}}
	for _, b := range upstream.Backends {
		s.taggers[b] = cache.NewTagger(o.Scopes[b])
	}
	space := func(b upstream.Backend, personal bool) spaceOptions { return spaceOptions{b, o.Scopes[b], personal} }
	s.clients = s.newClients(o.Cache, space(upstream.ThoughtIndustries, false))
	s.embedClients = s.newEmbedClients(o.Cache, space(upstream.Coassemble, true))
	s.users = s.newUsers(o.Cache, space(upstream.Coassemble, true))
	s.identities = s.newIdentities(o.Cache, space(upstream.MATTR, true))
	s.credentials = newCredentials(o.Cache, space(upstream.MATTR, true))
	s.loading = s.newLoadings()
	return s
}

// tag names something that stored values depend on besides their own key.
func (s *Source) tag(b upstream.Backend, name string) cache.Tag {
	return s.taggers[b].Tag(name)
}

// spaceOptions are the options that the spaces of one backend share.
type spaceOptions struct {
	backend  upstream.Backend
	scope    string
	personal bool
}

func newSpace[V any](c *cache.Cache, kind string, o spaceOptions, encode func(V) ([]byte, error),
	decode func([]byte) (V, error), size func(V) int) *cache.Space[V] {
	return cache.NewSpace(c, cache.SpaceOptions[V]{Kind: kind, Backend: string(o.backend), Scope: o.scope,
		Personal: o.personal, Encode: encode, Decode: decode, Size: size})
}

// recordSpace describes a space of records, which have a JSON form and a size of their own.
func recordSpace[T any, V interface {
	*T
	Size() int
}](o spaceOptions, kind string) cache.SpaceOptions[V] {
	return cache.SpaceOptions[V]{Kind: kind, Backend: string(o.backend), Scope: o.scope, Personal: o.personal,
		Encode: jsonOf[V], Size: V.Size,
		Decode: func(data []byte) (V, error) { return recordFrom[T](data) }}
}

// ofKind returns the options of another space of the same records.
func ofKind[V any](o cache.SpaceOptions[V], kind string) cache.SpaceOptions[V] {
	o.Kind = kind
	return o
}

func jsonOf[V any](v V) ([]byte, error) { return json.Marshal(v) }

func fromJSON[V any](data []byte) (v V, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// recordFrom reads a record through a pointer, whose type has the method.
func recordFrom[T any](data []byte) (*T, error) {
	v := new(T)
	return v, json.Unmarshal(data, v)
}
