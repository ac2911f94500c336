// Package datasource reads the records of the three backends for the resolvers: in batches, from the cache while that holds,
// and by the fewest calls where it does not. It also writes, and knows what a write makes untrue.
package datasource

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Options are what a Source reads from. A backend that is nil is not configured: its reads fail, the rest works.
type Options struct {
	ThoughtIndustries *thoughtindustries.Client
	Coassemble        *coassemble.Client
	MATTR             *mattr.Client
	Link              Link
	// Cache holds what the backends answered.
	Cache *cache.Cache
	// Scopes are digests of each backend's address and credential: what one credential may see, another never gets.
	Scopes map[upstream.Backend]string
	// Beside is invalidated by writes too: a Source of the same backends with another cache; nil where there is none.
	Beside *Source
	// Batch is called before each batch is fetched, and what it returns after; nil is not called.
	Batch func(ctx context.Context, kind string, keys int) (context.Context, func())
	// Within adds to the operation's context, under which a batch is fetched, what belongs to the field that asked for it;
	// nil adds nothing.
	Within func(operation, field context.Context) context.Context
	// Field returns the path of the field that a context belongs to. It is needed where operations are explained.
	Field func(ctx context.Context) string
}

// Source reads and writes records of the three backends. Records are cached once, by key; pages of lists hold the order of
// keys. It is safe for concurrent use.
type Source struct {
	Options

	clients    lists[*document.Document]
	clientKeys *cache.Space[string]
	clientWalk *cache.Space[clientWalk]

	embedClients lists[*coassemble.EmbedClient]
	users        lists[*coassemble.User]

	identities lists[*mattr.Identity]
	// found are identities as a search shows them, which is more than other routes do.
	found          lists[*mattr.Identity]
	userIdentities *cache.Space[*mattr.Identity]
	// joined are the pages of a walk over identities, by the users that they are joined with.
	joined       lists[*mattr.Identity]
	identityWalk *cache.Space[identityWalk]
	credentials  *cache.Space[mattr.Page[*mattr.Credential]]

	// clientLookups are the pages that lookups of clients are reading.
	clientLookups *cache.Space[walked[*thoughtindustries.Page]]
	// Walks under way are shared by all who wait for one, and kept by none of these.
	userWalks        *cache.Space[walked[coassemble.Walk[*coassemble.User]]]
	embedClientWalks *cache.Space[walked[coassemble.Walk[*coassemble.EmbedClient]]]
	identityWalks    *cache.Space[walked[mattr.Walk]]
	// userIdentityWalks are those that look for users' identities.
	userIdentityWalks *cache.Space[walked[mattr.Walk]]

	userPages, embedClientPages, identityPages walkSize
	// identitiesLackKeys is set once a walk has shown that the list of identities does not carry the key that joins.
	identitiesLackKeys atomic.Bool
}

// walkSize is how many pages a whole list was known to have, 0 while no walk has ended.
type walkSize struct{ pages atomic.Int64 }

// longestWalk bounds the pages of one walk.
const longestWalk = 50

// bound is how many pages of the list may be read where the other way takes n calls: as many as that at the most, so that
// not knowing the size costs twice the cheapest way at most. It is 0 where the list is known to be longer.
func (w *walkSize) bound(n int) int {
	n = min(n, longestWalk)
	if n < 2 || int(w.pages.Load()) > n {
		return 0
	}
	return n
}

// learn takes what a walk taught: the size, or that it is more than what was read. Such a list is taken for twice as long:
// all walks that read in vain then have less than twice the pages of the longest.
func (w *walkSize) learn(pages int, done bool) {
	if !done {
		pages *= 2
	}
	w.pages.Store(int64(pages))
}

// never is the size of a list that is of no use.
const never = 1 << 30

// spaceOptions are what the spaces of one backend share.
type spaceOptions struct {
	backend  upstream.Backend
	scope    string
	personal bool
}

// New returns a Source.
func New(o Options) *Source {
	s, c, scopes := &Source{Options: o}, o.Cache, o.Scopes
	ti := spaceOptions{upstream.ThoughtIndustries, scopes[upstream.ThoughtIndustries], false}
	co := spaceOptions{upstream.Coassemble, scopes[upstream.Coassemble], true}
	ma := spaceOptions{upstream.MATTR, scopes[upstream.MATTR], true}

	s.clients = lists[*document.Document]{pages: newListings[*document.Document](c, "clientPage", ti), objects: s.documents(c, ti),
		encode: jsonOfDocument, validators: new(atomic.Bool)}
	s.clientKeys = newSpace(c, "clientKey", ti, jsonOf[string], fromJSON[string], footprint.Text)
	s.clientWalk = newSpace(c, "clientWalk", ti, jsonOf[clientWalk], fromJSON[clientWalk], clientWalk.size)

	s.embedClients = lists[*coassemble.EmbedClient]{pages: newListings[*coassemble.EmbedClient](c, "embedClientPage", co),
		objects: newSpace(c, "embedClient", co, jsonOf[*coassemble.EmbedClient], recordFrom[coassemble.EmbedClient], (*coassemble.EmbedClient).Size),
		bare:    func(key string) *coassemble.EmbedClient { return &coassemble.EmbedClient{Identifier: key, Bare: true} },
		tags:    s.embedClientTags, encode: jsonOf[*coassemble.EmbedClient], validators: new(atomic.Bool)}
	s.users = lists[*coassemble.User]{pages: newListings[*coassemble.User](c, "userPage", co),
		objects: newSpace(c, "user", co, jsonOf[*coassemble.User], recordFrom[coassemble.User], (*coassemble.User).Size),
		bare:    func(key string) *coassemble.User { return &coassemble.User{Identifier: key, Bare: true} },
		tags:    s.userTags, encode: jsonOf[*coassemble.User], validators: new(atomic.Bool)}

	s.identities = s.identityLists(c, "identity", ma)
	s.found = s.identityLists(c, "foundIdentity", ma)
	s.userIdentities = identitySpace(c, "userIdentity", ma)
	s.joined = lists[*mattr.Identity]{pages: newListings[*mattr.Identity](c, "userIdentityPage", ma), objects: s.userIdentities,
		bare: func(key string) *mattr.Identity { return &mattr.Identity{ID: key} },
		tags: s.identityTags, encode: jsonOf[*mattr.Identity], validators: new(atomic.Bool)}
	s.identityWalk = newSpace(c, "identityWalk", ma, jsonOf[identityWalk], fromJSON[identityWalk], identityWalk.size)
	s.clientLookups = sharedWalks[*thoughtindustries.Page](c, "clientLookup", ti)
	s.userWalks = sharedWalks[coassemble.Walk[*coassemble.User]](c, "userWalk", co)
	s.embedClientWalks = sharedWalks[coassemble.Walk[*coassemble.EmbedClient]](c, "embedClientWalk", co)
	s.identityWalks = sharedWalks[mattr.Walk](c, "identityWalkFlight", ma)
	s.userIdentityWalks = sharedWalks[mattr.Walk](c, "userIdentityWalk", ma)
	s.credentials = newSpace(c, "credentialPage", ma, jsonOf[mattr.Page[*mattr.Credential]], fromJSON[mattr.Page[*mattr.Credential]], credentialsSize)
	s.clients.filed = s.keepClientKeys
	s.clients.filed = s.keepClientKeys
	return s
}

func newSpace[V any](c *cache.Cache, kind string, o spaceOptions, encode func(V) ([]byte, error), decode func([]byte) (V, error), size func(V) int) *cache.Space[V] {
	return cache.NewSpace(c, cache.SpaceOptions[V]{Kind: kind, Backend: string(o.backend), Scope: o.scope, Personal: o.personal,
		Encode: encode, Decode: decode, Size: size})
}

func (s *Source) documents(c *cache.Cache, o spaceOptions) *cache.Space[*document.Document] {
	return newSpace(c, "client", o,
		jsonOfDocument,
		func(data []byte) (*document.Document, error) { return s.ThoughtIndustries.Parse(data) },
		(*document.Document).Size)
}

func jsonOfDocument(d *document.Document) ([]byte, error) { return d.JSON(), nil }

func identitySpace(c *cache.Cache, kind string, o spaceOptions) *cache.Space[*mattr.Identity] {
	return newSpace(c, kind, o, jsonOf[*mattr.Identity], recordFrom[mattr.Identity], (*mattr.Identity).Size)
}

func (s *Source) identityLists(c *cache.Cache, kind string, o spaceOptions) lists[*mattr.Identity] {
	return lists[*mattr.Identity]{pages: newListings[*mattr.Identity](c, kind+"Page", o), objects: identitySpace(c, kind, o),
		tags: s.identityTags, encode: jsonOf[*mattr.Identity]}
}

// sharedWalks is a space for walks under way: nothing is kept in it.
func sharedWalks[W any](c *cache.Cache, kind string, o spaceOptions) *cache.Space[walked[W]] {
	return cache.NewSpace(c, cache.SpaceOptions[walked[W]]{Kind: kind, Backend: string(o.backend), Scope: o.scope, Personal: o.personal,
		Local: true, NoStale: true, Size: func(walked[W]) int { return 0 }})
}

func jsonOf[V any](v V) ([]byte, error) { return json.Marshal(v) }

func fromJSON[V any](data []byte) (v V, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// recordFrom reads a record through a pointer, which is what has the method.
func recordFrom[T any](data []byte) (*T, error) {
	v := new(T)
	return v, json.Unmarshal(data, v)
}

func credentialsSize(p mattr.Page[*mattr.Credential]) int {
	n := footprint.Text(p.Next) + footprint.Slice(p.Items)
	for _, c := range p.Items {
		n += c.Size()
	}
	return n
}

// reply gathers what a backend says of how long its answers hold.
type reply = *upstream.Reply

// keep makes what is kept of a value that just arrived.
func keep[V any](v V, r reply, tags ...cache.Tag) cache.Fetched[V] {
	return cache.Fetched[V]{Value: v, MaxAge: r.MaxAge(), NoStore: r.NoStore(), Tags: tags}
}

// listening gives a context whose calls tell the reply what their answers say, and give way where nobody waits for them.
func listening(ctx context.Context) (context.Context, reply) {
	r := new(upstream.Reply)
	if cache.IsRefresh(ctx) {
		ctx = upstream.WithPriority(ctx, upstream.Refresh)
	}
	return upstream.WithReply(ctx, r), r
}

func keysOf[V any](missing []cache.Wanted[V]) []string {
	keys := make([]string, len(missing))
	for i, w := range missing {
		keys[i] = w.Key
	}
	return keys
}

// unpack turns the results of a space into what a loader wants. What is in neither map does not exist.
func unpack[V any](results map[string]cache.Result[V]) (map[string]V, map[string]error) {
	found, failed := make(map[string]V, len(results)), map[string]error{}
	for key, r := range results {
		switch {
		case r.Err != nil:
			failed[key] = r.Err
		case r.Found:
			found[key] = r.Value
		}
	}
	return found, failed
}

// eachKept reads every key on its own and keeps what arrives.
func eachKept[V any](ctx context.Context, keys []string, read func(context.Context, string) (V, error), tags func(V) []cache.Tag) (map[string]cache.Fetched[V], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (cache.Fetched[V], error) {
		ctx, r := listening(ctx)
		v, err := read(ctx, key)
		if err != nil {
			return cache.Fetched[V]{}, err
		}
		return keep(v, r, tags(v)...), nil
	})
}

// eachRenewed reads every key on its own, by a route that the key alone decides, and keeps what arrives or is as it was.
func eachRenewed[V any](ctx context.Context, keys []string, kept validators, read func(context.Context, string) (V, error), tags func(V) []cache.Tag) (map[string]cache.Fetched[V], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (cache.Fetched[V], error) {
		ctx, said := renewing(ctx, kept[key])
		v, err := read(ctx, key)
		if err != nil {
			return renewed(v, err, said)
		}
		return renewed(v, nil, said, tags(v)...)
	})
}

// peekWalk gives what a finished walk left, and how old that is, without reading anything.
func peekWalk[V any](ctx context.Context, space *cache.Space[V]) (walk V, at time.Time, ok bool) {
	r := space.Load(keptOnly(ctx), []string{wholeWalk}, nil)[wholeWalk]
	if r.Err != nil || !r.Found {
		return walk, at, false
	}
	return r.Value, time.Now().Add(-r.Fact.Age), true
}

// keptOnly is a context under which nothing is fetched and nothing stale is taken.
func keptOnly(ctx context.Context) context.Context {
	var fresh time.Duration
	return cache.WithWants(ctx, cache.Wants{OnlyIfCached: true, MaxStale: &fresh})
}

// wholeWalk is the one key of a space that keeps the result of a finished walk.
const wholeWalk = "walk"

// pageKey names a part of a list by its position.
func pageKey(offset, first int, rest string) string {
	return fmt.Sprintf("%d.%d.%s", offset, first, rest)
}

func parsePageKey(key string) (offset, first int, rest string) {
	o, tail, _ := strings.Cut(key, ".")
	f, rest, _ := strings.Cut(tail, ".")
	offset, _ = strconv.Atoi(o)
	first, _ = strconv.Atoi(f)
	return offset, first, rest
}

// tag names something that kept values depend on besides their own key.
func (s *Source) tag(b upstream.Backend, name string) cache.Tag {
	return cache.NewTag(s.Scopes[b], name)
}
