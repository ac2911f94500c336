package cache

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/learngraph/learngraph/footprint"
)

// ErrNotCached is the error of a key that is not kept when the caller wants nothing fetched.
var ErrNotCached = errors.New("not cached")

// SpaceOptions describe one kind of value.
type SpaceOptions[V any] struct {
	Kind     string // such as "user": part of keys in Redis, of facts and of counters
	Backend  string // label of facts
	Scope    string // a digest of whatever decides who may see the values; the key under which keys are digested
	Personal bool   // as facts show
	Local    bool   // memory only, never in Redis
	NoStale  bool   // never served stale, and not kept beyond its freshness

	Encode func(V) ([]byte, error) // for Redis; an error keeps the value out of it
	Decode func([]byte) (V, error) // an error is a miss; the bytes are V's to keep
	Size   func(V) int             // bytes of heap that a V refers to, in whole blocks as package footprint has them
}

// Missing is a key to fetch.
type Missing struct {
	Key   string
	Place int    // of the key among those of its Load
	ETag  string // of the stored value, to revalidate with; empty where there is none
}

// Entry is a backend's result for one key.
type Entry[V any] struct {
	Value       V
	At          time.Time     // when the backend sent it; the zero time is now
	MaxAge      time.Duration // if positive it replaces Options.TTL; counted from At
	NoStore     bool          // give it to those who wait, and keep nothing
	ETag        string        // to revalidate with
	NotModified bool          // the stored value, which has Missing.ETag, is still right; Value is ignored
	Tags        []Tag         // dropping any of them drops this

	items []digest // of the records that a page shows, by their own keys; zero is a record without one
}

// Answer is a backend's answer for one requested key: an entry, an error, or that the key does not exist.
type Answer[V any] struct {
	Entry[V]
	Found bool
	Err   error
}

// Fetch asks the backend for all missing keys and returns an answer for each, in their order. The context ends when no
// caller waits any more or at the deadline of the first one; answers that are there by then are taken. It may Put other
// values that it read under its context, into any space.
type Fetch[V any] func(ctx context.Context, missing []Missing) []Answer[V]

// Result is the result of one key: a value, an absence where neither Found nor Err is set, or an error.
type Result[V any] struct {
	Value V
	Found bool
	Err   error
	Fact  *Fact // the zero value with an error, nil where no Load made the result
}

// Space is one kind of value under one scope. It is safe for concurrent use.
type Space[V any] struct{ inner *space }

// NewSpace makes a space of c. Two spaces of equal kind and scope share their values and must hold the same type.
func NewSpace[V any](c *Cache, o SpaceOptions[V]) *Space[V] {
	return &Space[V]{&space{
		c: c, kind: o.Kind, backend: o.Backend, label: label(o.Scope), personal: o.Personal, noStale: o.NoStale,
		shared: c.remote != nil && !o.Local, hasher: newHasher(o.Scope), counter: c.counterOf(o.Kind),
		encode: func(v any) ([]byte, error) { return o.Encode(as[V](v)) },
		decode: func(b []byte) (any, error) { return o.Decode(b) },
		size:   func(v any) int { return boxed[V]() + o.Size(as[V](v)) },
	}}
}

// Load answers every key, in their order: from memory, else from Redis, else from a fetch in flight, else from fetch.
// It returns when all are answered or ctx ends; a key without an answer by then gets the context's error. An empty key
// does not exist and is not asked for.
func (s *Space[V]) Load(ctx context.Context, keys []string, fetch Fetch[V]) []Result[V] {
	l := s.inner.load(ctx, keys, func(ctx context.Context, began start, misses []missingKey) []outcome {
		return s.outcomes(began, misses, fetch(ctx, s.inner.missing(misses)))
	})
	results := make([]Result[V], len(keys))
	for i := range results {
		o, fact := l.outcome(i)
		r := &results[i]
		if r.Err, r.Fact = o.err, fact; o.err == nil && o.rec != nil && o.rec.found {
			r.Value, r.Found = as[V](o.rec.value), true
		}
	}
	return results
}

// outcomes stores the answers to the missing keys. The outcomes are in their order.
func (s *Space[V]) outcomes(began start, misses []missingKey, answers []Answer[V]) []outcome {
	now := time.Now()
	outcomes := make([]outcome, len(misses))
	for i := range misses {
		a := &answers[i]
		outcomes[i] = s.inner.outcomeOf(began, &misses[i], Answer[any]{untyped(a.Entry), a.Found, a.Err}, now)
	}
	return outcomes
}

func untyped[V any](f Entry[V]) Entry[any] {
	return Entry[any]{f.Value, f.At, f.MaxAge, f.NoStore, f.ETag, f.NotModified, f.Tags, f.items}
}

// boxed is the heap size of a V itself where it is no pointer.
func boxed[V any]() int {
	if reflect.TypeFor[V]().Kind() == reflect.Pointer {
		return 0
	}
	return footprint.Of[V]()
}

// as is v's type back. The nil of an interface type has lost it on the way.
func as[V any](v any) V {
	typed, _ := v.(V)
	return typed
}

// Stored returns the values of the keys that either level holds, fresh or not, without a fact in the operation's
// record. Absences and values that are stored nowhere are left out.
func (s *Space[V]) Stored(ctx context.Context, keys ...string) map[string]V {
	found := map[string]V{}
	for key, r := range s.inner.storedRecords(ctx, keys) {
		if r.found {
			found[key] = as[V](r.value)
		}
	}
	return found
}

// Cached returns the value of a key and when the backend sent it, if either level holds it fresh.
func (s *Space[V]) Cached(ctx context.Context, key string) (v V, at time.Time, ok bool) {
	if !s.inner.mayHold(key) {
		return v, at, false
	}
	r := s.Load(onlyFresh(ctx), []string{key}, nil)[0]
	return r.Value, time.Now().Add(-r.Fact.Age), r.Found
}

// onlyFresh returns a context under which nothing is fetched and nothing stale is taken.
func onlyFresh(ctx context.Context) context.Context {
	var fresh time.Duration
	return WithDirectives(ctx, Directives{OnlyIfCached: true, MaxStale: &fresh})
}

// Name is a key's digest, for a caller that looks the same key up again and again.
type Name struct{ digest digest }

// Name returns the name of a key.
func (s *Space[V]) Name(key string) Name { return Name{s.inner.digest(key)} }

// Fresh returns the value of a key if memory holds it fresh now. It counts as a Load does, but the caller records the
// fact.
func (s *Space[V]) Fresh(n Name, now time.Time) (v V, ok bool) {
	c := s.inner.c
	if c.o.TTL <= 0 {
		return v, false
	}
	r := c.memory.get(n.digest)
	if r == nil || !r.found {
		return v, false
	}
	if !now.Before(r.fresh) || !s.inner.trusts(r, now) {
		return v, false
	}
	s.inner.counter.hit()
	return as[V](r.value), true
}

// Put keeps a value that came along with something else, such as a list. The context is one that Begin or a Fetch
// marked; without a mark nothing is kept, because the value may be older than the last Drop.
func (s *Space[V]) Put(ctx context.Context, key string, f Entry[V]) {
	if key != "" && !f.NotModified {
		s.put(ctx, s.inner.digest(key), f)
	}
}

func (s *Space[V]) put(ctx context.Context, d digest, f Entry[V]) {
	if mark := scopeOf(ctx); mark.marked {
		s.inner.store(mark.began, d, s.inner.record(mark.began, untyped(f), true, time.Now()))
	}
}

// Drop forgets keys after a write: in memory, in Redis and in other replicas, together with all that carries their
// tags. A fetch that began before does not fill either level any more. It takes at most about a second and does not end
// with ctx; the package comment describes the guarantees when Redis is not reachable.
func (s *Space[V]) Drop(ctx context.Context, keys ...string) {
	targets := make([]target, len(keys))
	for i, key := range keys {
		targets[i] = s.inner.c.target(s.inner.label, s.inner.kind, s.inner.digest(key))
	}
	s.inner.c.drop(ctx, targets)
}

// Contains reports whether something is kept of a key, in memory or in Redis: its value, its absence, or a value that
// shows it or carries its tag.
func (s *Space[V]) Contains(ctx context.Context, key string) bool {
	c, d := s.inner.c, s.inner.digest(key)
	if r := c.memory.get(d); r != nil && time.Now().Before(r.stale) || len(c.memory.tags.taggedBy(d)) > 0 {
		return true
	}
	return c.remote != nil && c.remote.has(ctx, c.target(s.inner.label, s.inner.kind, d))
}

// Tag is the tag of a key: values that carry it go when the key is dropped.
func (s *Space[V]) Tag(key string) Tag { return newTag(s.inner.label, s.inner.digest(key)) }

// Digest is the keyed digest that facts show for a key: 32 hex digits.
func (s *Space[V]) Digest(key string) string { return s.inner.digest(key).String() }
