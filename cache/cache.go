// Package cache keeps the answers of backends: fresh for a while, then stale for longer, in the memory of the process
// and in a Redis that replicas share. A Space holds one kind of value; its Load answers many keys in one round of
// memory, one of Redis and one fetch, which callers of the same key share. Every answer leaves a Fact.
//
// The package knows no backend and no query language. Time is time.Now throughout, so that it runs in a synctest
// bubble.
//
// # Guarantees after a Drop
//
// The process that dropped never serves the old value again, and no fetch that began before the Drop fills either level
// afterwards. While Redis is reachable, the old value is overwritten there by a tombstone that refuses late fills from
// other replicas for a minute, and the other replicas forget it at once; one that lost the channel forgets everything
// as soon as it has it again. A Drop waits for Redis for at most a second. A Drop that fails is repeated four times a
// second (for the last 65,536 keys), and the process ignores Redis's values for those keys and tags until it
// succeeds.
//
// A replica that may have missed a Drop answers from neither level: it asks the backend, and falls back on stored
// values, marked stale, where that fails, is slow or has no budget. It is out of sync while the channel has been silent
// for six tenths of a second, for two seconds after, and while another replica reports that its drops are incomplete.
// After ten seconds without Redis it serves values that are at most ten seconds old: that is then how late a write
// elsewhere shows. A fetch that other callers of the replica wait for is shared all the same. A writer that alone is
// cut off from Redis for over a second is not noticed by the others; they see its write when it is back, or when their
// copy is no longer fresh. A Redis that evicts tombstones, because its memory is full, loses the protection against
// late fills of other replicas and nothing else.
package cache

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Cache.
type Options struct {
	TTL      time.Duration // fresh for so long where the backend names nothing else; 0 keeps nothing across operations
	Stale    time.Duration // then stale for so long
	Negative time.Duration // an absence is remembered for so long; 0 is not at all
	Memory   int64         // bytes kept in the process, overhead included; 0 keeps nothing there

	Redis    *RedisOptions // nil: memory only
	Coalesce bool          // share fetches in flight

	// Classify returns the reason with which a failed fetch lets a stale answer be served: Failed or OverBudget, with
	// which the stale one is served, or "" to pass the error on and to forget the stale one. Nil takes every error for
	// Failed.
	Classify func(error) Reason

	// Round is called for each Load before it looks values up, and its result is called with the facts that were found.
	// Values are fetched under the context that it returns. nil is not called.
	Round func(ctx context.Context, kind string, keys int) (context.Context, func([]Fact))

	Version string       // of encoding and schema: values of another version are not seen
	Log     *slog.Logger // one line per outage of Redis; nil discards

	// cut lets tests choose the part that is cut off lifetimes.
	cut func() float64
}

const (
	// maxCut is the largest part of a lifetime that is cut off.
	maxCut = 0.1
	// slowAfter is how long a caller waits who has a stale answer to fall back on.
	slowAfter = 2 * time.Second
	// refreshTimeout bounds a fetch behind a stale answer.
	refreshTimeout = 10 * time.Second
)

// RedisOptions locate Redis and its credentials.
type RedisOptions struct {
	// URL is redis:// or rediss:// (TLS). With master_name= and addr= in its query the hosts are Sentinels, with addr=
	// alone nodes of a Cluster.
	URL     string
	Timeout time.Duration // the most that one round costs; 0 is 20 ms
	// Keys seal values: the first seals, all open. Without any, a client that can write to Redis can forge answers.
	Keys [][]byte
	// Prefix begins every key and channel, so that products on one Redis do not touch each other; "" is "lg:".
	Prefix string
	// RootCAs are the issuers of certificates to accept; nil is the system's.
	RootCAs *x509.CertPool

	// dial lets tests reach a Redis without sockets, which fake time needs.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Counters counts the events of a Cache since New. Kind is a space's.
type Counters struct {
	MemoryBytes   int64                         `json:"memoryBytes"` // including reservations
	MemoryEntries int                           `json:"memoryEntries"`
	Refreshes     uint64                        `json:"refreshes"` // fetches that ran behind stale answers
	Verdicts      map[string]map[Verdict]uint64 `json:"verdicts"`  // by kind
	Redis         RedisCounters                 `json:"-"`
}

// RedisCounters count the exchanges with Redis, and show whether it answers; they are zero without Redis.
type RedisCounters struct {
	Configured    bool   `json:"configured"`
	Up            bool   `json:"up"`            // as far as known; true until it fails
	Errors        uint64 `json:"errors"`        // rounds that failed
	Outages       uint64 `json:"outages"`       // times that Redis went from answering to failing
	DroppedWrites uint64 `json:"droppedWrites"` // values that Redis did not get: the queue was full, or Redis down or full
	PendingDrops  int    `json:"pendingDrops"`  // drops that Redis does not know of yet
}

// ErrClosed is the error of a key that would have to be fetched after Close.
var ErrClosed = errors.New("cache is closed")

// Cache is the two levels that spaces keep their values in. It is safe for concurrent use.
type Cache struct {
	o       Options
	memory  *memory
	remote  *remote // nil without Redis
	flights flights
	close   func() error

	mu       sync.Mutex
	counters map[string]*verdictCounter
	watchers []*watcher // never changed in place
}

// New makes a cache. Redis need not be there, now or later; only a URL that cannot be read is an error.
func New(o Options) (*Cache, error) {
	o = o.withDefaults()
	m, err := newMemory(o.Memory)
	if err != nil {
		return nil, err
	}
	c := &Cache{o: o, memory: m, counters: map[string]*verdictCounter{}}
	c.flights.byKey = map[digest]flightSeat{}
	c.close = sync.OnceValue(c.closeOnce)
	if o.Redis == nil {
		return c, nil
	}
	r, err := newRemote(*o.Redis, o.Version, o.Log)
	if err != nil {
		return nil, err
	}
	r.onInvalidate = func(_ int64, ds []digest) {
		c.dropLocal(ds)
		c.notifyWatchers(ds, Invalidation{Remote: true})
	}
	r.onDisconnect = func() {
		c.dropAllLocal()
		c.notifyWatchers(nil, Invalidation{All: true, Remote: true})
	}
	c.remote = r
	r.start()
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.cut == nil {
		o.cut = func() float64 { return maxCut * rand.Float64() }
	}
	if o.Classify == nil {
		o.Classify = func(error) Reason { return Failed }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Idle reports whether the cache neither keeps nor shares anything, so that each Load fetches.
func (c *Cache) Idle() bool { return c.o.TTL <= 0 && !c.o.Coalesce }

// Reserve takes bytes of Options.Memory for data outside the cache, or returns them where by is negative. A quarter
// stays for the cache's own.
func (c *Cache) Reserve(by int64) { c.memory.take(by) }

// Close ends the fetches in flight and waits for them, flushes the queue to Redis within its timeout and closes the
// connections. The memory of values is released. Closing again does nothing.
func (c *Cache) Close() error { return c.close() }

func (c *Cache) closeOnce() error {
	c.flights.close()
	defer c.memory.close()
	if c.remote == nil {
		return nil
	}
	return c.remote.close()
}

// start is when a backend was asked, as drops count: in this process and in Redis.
type start struct {
	drops uint64
	seq   int64
	at    time.Time
	// cut is the part that is cut off the lifetimes of a fetch's values, at random and up to maxCut: values of one
	// response expire together, so that an answer made of a list lasts as long as one made of the objects that the list
	// brought.
	cut float64
}

func (c *Cache) start() start {
	s := start{drops: c.memory.now(), at: time.Now(), cut: c.o.cut()}
	if c.remote != nil {
		s.seq = c.remote.seq.Load()
	}
	return s
}

// Begin marks now as the moment at which a backend is asked. A Put under the returned context keeps a value only if
// nothing dropped it since then. The context that a Fetch gets is marked already.
func (c *Cache) Begin(ctx context.Context) context.Context {
	s := *scopeOf(ctx)
	s.began, s.marked = c.start(), true
	return s.in(ctx)
}

// DropTags drops, like Space.Drop, every value that carries one of the tags.
func (c *Cache) DropTags(ctx context.Context, tags ...Tag) {
	var targets []target
	for _, t := range tags {
		if label, d, ok := t.split(); ok {
			targets = append(targets, c.target(label, "", d))
		}
	}
	c.drop(ctx, targets)
}

func (c *Cache) target(label, kind string, d digest) target {
	t := target{digest: d}
	if c.remote == nil {
		return t
	}
	t.tag = c.remote.tagKey(label, d)
	if kind != "" {
		t.value = c.remote.valueKey(label, kind, d)
	}
	return t
}

// drop forgets before Redis does, so that nothing old is served, and after, because a Load in between may have found
// the old value there.
func (c *Cache) drop(ctx context.Context, targets []target) {
	if len(targets) == 0 {
		return
	}
	ds := make([]digest, len(targets))
	for i, t := range targets {
		ds[i] = t.digest
	}
	c.dropLocal(ds)
	if c.remote != nil {
		c.remote.drop(ctx, targets)
		c.dropLocal(ds)
	}
	c.notifyWatchers(ds, Invalidation{})
}

func (c *Cache) dropLocal(ds []digest) {
	c.memory.invalidate(ds)
	c.flights.detach(ds)
}

func (c *Cache) dropAllLocal() {
	c.memory.clear()
	c.flights.detachAll()
}

// verdictCounter counts the verdicts of one kind.
type verdictCounter struct {
	hits   atomic.Uint64 // of Memory, by Fresh
	mu     sync.Mutex
	counts map[Verdict]uint64
}

func (t *verdictCounter) hit() { t.hits.Add(1) }

func (t *verdictCounter) snapshot() map[Verdict]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := maps.Clone(t.counts)
	if n := t.hits.Load(); n > 0 {
		counts[Memory] += n
	}
	return counts
}

func (t *verdictCounter) add(facts []Fact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range facts {
		t.counts[f.Verdict]++
	}
}

func (c *Cache) counterOf(kind string) *verdictCounter {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.counters[kind]
	if t == nil {
		t = &verdictCounter{counts: map[Verdict]uint64{}}
		c.counters[kind] = t
	}
	return t
}

// Counters returns a snapshot.
func (c *Cache) Counters() Counters {
	s := Counters{Verdicts: map[string]map[Verdict]uint64{}, Refreshes: c.flights.refreshes.Load()}
	c.mu.Lock()
	for kind, t := range c.counters {
		s.Verdicts[kind] = t.snapshot()
	}
	c.mu.Unlock()
	s.MemoryBytes, s.MemoryEntries = c.memory.usage()
	if r := c.remote; r != nil {
		s.Redis = RedisCounters{Configured: true, Up: r.breaker.up(), Errors: r.errors.Load(), Outages: r.outages.Load(),
			DroppedWrites: r.dropped.Load()}
		r.mu.Lock()
		s.Redis.PendingDrops = len(r.pending)
		r.mu.Unlock()
	}
	return s
}
