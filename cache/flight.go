package cache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/task"
)

var errNotModified = errors.New("the backend says not modified of what is not kept")

// fetching is the fetch of one or more keys. It does not refer to the Load that began it, which may be over before it.
type fetching struct {
	began  start
	misses []missingKey
	fetch  fetchFunc
}

// fetchFunc reads keys and stores their values. The outcomes are in the order of the keys.
type fetchFunc func(ctx context.Context, began start, misses []missingKey) []outcome

// run calls fetch. A panic is every key's error.
func (f *fetching) run(ctx context.Context) (outcomes []outcome) {
	defer func() {
		if p := recover(); p != nil {
			outcomes = f.failures(task.Recovered(p))
		}
	}()
	return f.fetch(ctx, f.began, f.misses)
}

func (f *fetching) failures(err error) []outcome {
	outcomes := make([]outcome, len(f.misses))
	for i := range outcomes {
		outcomes[i].err = err
	}
	return outcomes
}

// flight is one fetch under way that others may join, on a context of its own.
type flight struct {
	fetching
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	refs   int // Loads that wait for it; guarded by flights
	notes  noteLog

	done     chan struct{}
	outcomes []outcome // of misses; to be read after done
	expired  bool      // its time was over before it ended; to be read after done
}

// flightSeat is the place of a key in a flight.
type flightSeat struct {
	flight *flight
	index  int
}

// outcome is the result of one key.
type outcome struct {
	rec *record // nil with an error
	err error

	cause   error // why a kept value is used although it lacks something
	verdict Verdict
	noStore bool
}

// flights are all fetches under way.
type flights struct {
	mu        sync.Mutex
	byKey     map[digest]flightSeat // open for later callers
	all       map[*flight]struct{}
	closed    bool
	running   task.Group
	inline    sync.WaitGroup // fetches on the goroutines of their callers
	refreshes atomic.Uint64
}

// join finds the flight of a key, if there is one. A caller that joins it must leave it.
func (fs *flights) join(d digest) flightSeat {
	s := fs.byKey[d]
	if s.flight == nil || s.flight.ctx.Err() != nil {
		return flightSeat{}
	}
	return s
}

// over reports whether its deadline has passed: by the clock too, since a call of the fetch may end at the deadline
// before the context does.
func (f *flight) over() bool {
	deadline, ok := f.ctx.Deadline()
	return f.ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// leave ends a caller's wait. A flight that no caller waits for is cancelled.
func (fs *flights) leave(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.refs--
	if f.refs == 0 {
		fs.remove(f)
		f.cancel()
	}
}

func (fs *flights) remove(f *flight) {
	for i := range f.misses {
		if d := f.misses[i].digest; fs.byKey[d].flight == f {
			delete(fs.byKey, d)
		}
	}
}

// detach makes callers from now on start anew, while those already waiting keep their flight.
func (fs *flights) detach(ds []digest) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, d := range ds {
		delete(fs.byKey, d)
	}
}

func (fs *flights) detachAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	clear(fs.byKey)
}

func (fs *flights) close() {
	fs.mu.Lock()
	fs.closed = true
	for f := range fs.all {
		f.cancel()
	}
	fs.mu.Unlock()
	fs.running.Wait()
	fs.inline.Wait()
}

// begin makes a flight for the misses of a Load and, if others may join it, lists it; the caller holds the lock and
// calls run. It is nil after close.
func (fs *flights) begin(l *load, misses []missingKey, listed, refresh bool) *flight {
	if fs.closed {
		return nil
	}
	f := &flight{fetching: l.fetching(misses), begun: time.Now(), refs: 1, done: make(chan struct{})}
	f.ctx, f.cancel = l.flightContext(l.ctx, l.began, refresh, &f.notes)
	if fs.all == nil {
		fs.all = map[*flight]struct{}{}
	}
	fs.all[f] = struct{}{}
	if listed {
		for i := range misses {
			fs.byKey[misses[i].digest] = flightSeat{f, i}
		}
	}
	return f
}

// run fetches in a goroutine of its own.
func (fs *flights) run(f *flight) {
	var outcomes []outcome
	fs.running.Go(func() error {
		outcomes = f.fetching.run(f.ctx)
		return nil
	}, func(err error) {
		defer f.cancel()
		if err != nil {
			outcomes = f.failures(err)
		}
		fs.complete(f, outcomes)
	})
}

// runInline fetches on the goroutine of a caller who cannot leave before the fetch ends. Where the caller's context is
// cancelled, it waits for the flight no more.
func (fs *flights) runInline(caller context.Context, f *flight) {
	defer f.cancel()
	defer context.AfterFunc(caller, func() {
		if caller.Err() == context.Canceled {
			fs.leave(f)
		}
	})()
	fs.complete(f, f.fetching.run(f.ctx))
}

// enter reports whether a fetch that no other can join may begin. leave must be called when it ends.
func (fs *flights) enter() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !fs.closed {
		fs.inline.Add(1)
	}
	return !fs.closed
}

func (fs *flights) complete(f *flight, outcomes []outcome) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.outcomes, f.expired = outcomes, f.over()
	fs.remove(f)
	delete(fs.all, f)
	close(f.done)
}

// flightContext keeps the values of a caller's context for a fetch that may outlive it, except the caller's
// facts and directives.
func (s *space) flightContext(ctx context.Context, began start, refresh bool,
	log *noteLog) (context.Context, context.CancelFunc) {
	own := scopeOf(ctx).fetching(began, refresh, log).in(context.WithoutCancel(ctx))
	if refresh {
		return context.WithTimeout(own, refreshTimeout)
	}
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(own, deadline)
	}
	return context.WithCancel(own)
}

func (s *space) outcomeOf(began start, q *missingKey, a Answer[any], now time.Time) outcome {
	if a.Err != nil {
		if q.stored != nil && !errors.Is(a.Err, context.Canceled) {
			s.noteRefreshError(began, q, a.Err, now)
		}
		return outcome{err: a.Err}
	}
	f, verdict := &a.Entry, Called
	if f.NotModified {
		if q.stored == nil || !q.stored.found {
			return outcome{err: errNotModified}
		}
		verdict = Revalidated
		f.Value = q.stored.value
		if f.ETag == "" {
			f.ETag = q.stored.etag
		}
		if f.Tags == nil {
			f.Tags = q.stored.tags
		}
	}
	k := s.record(began, a.Entry, a.Found, now)
	if k.cacheable || q.stored != nil {
		s.store(began, q.digest, k)
	}
	return outcome{rec: k.rec, verdict: verdict, noStore: f.NoStore}
}

// noteRefreshError marks a stored value as not renewed. An error that is to be passed on replaces the value, which
// must not be served any more.
func (s *space) noteRefreshError(began start, q *missingKey, err error, now time.Time) {
	reason := s.c.o.Classify(err)
	if reason == "" {
		s.store(began, q.digest, fetchedRecord{})
		return
	}
	q.stored.refreshError.Store(&refreshError{reason, now.Add(pause)})
}

// fetchedRecord is a record and whether it may outlive those who wait for it.
type fetchedRecord struct {
	rec       *record
	cacheable bool
}

// record sets the lifetime of a fetched value.
func (s *space) record(began start, f Entry[any], found bool, now time.Time) fetchedRecord {
	o := &s.c.o
	r := &record{found: found, etag: f.ETag, tags: f.Tags, items: newItems(f.items), without: s.without, at: now}
	if found {
		r.value, r.size = f.Value, s.size(f.Value)
	}
	if !f.At.IsZero() && f.At.Before(now) {
		r.at = f.At
	}
	ttl, stale := o.TTL, o.Stale
	switch {
	case !found:
		ttl = o.Negative
	case f.MaxAge > 0:
		ttl = f.MaxAge
	}
	if !found || s.noStale {
		stale = 0
	}
	if f.NoStore || o.TTL <= 0 {
		ttl, stale = 0, 0
	}
	ttl -= time.Duration(float64(ttl) * began.cut)
	r.fresh = r.at.Add(ttl)
	r.stale = r.fresh.Add(stale)
	return fetchedRecord{r, now.Before(r.stale)}
}

// store fills both levels, or empties them where their value must not be served any longer.
func (s *space) store(began start, d digest, k fetchedRecord) {
	if s.c.o.TTL <= 0 {
		return
	}
	if !k.cacheable {
		s.c.memory.remove(began.drops, d)
		s.removeShared(began, d)
		return
	}
	if s.c.memory.fill(began.drops, d, k.rec) && s.shared {
		s.storeShared(began, d, k.rec)
	}
}

// storeShared writes a record to Redis, unless it is a page of more items than a value may have tags there.
func (s *space) storeShared(began start, d digest, r *record) {
	tags := append(slices.Clip(r.tags), tagsOf(s.label, r.items)...)
	if len(tags) > maxFrameTags {
		return
	}
	s.c.remote.put(job{
		target: s.c.target(s.label, s.kind, d), seq: began.seq, begun: began.at, stale: r.stale, tags: tags, size: r.size,
		encode: func(seq int64) ([]byte, error) {
			f := frame{seq: seq, absent: !r.found, created: r.at, fresh: r.fresh, stale: r.stale, etag: r.etag, tags: r.tags,
				items: r.items}
			if r.found {
				payload, err := s.encode(r.value)
				if err != nil {
					return nil, err
				}
				f.payload = payload
			}
			return f.encode(d), nil
		},
	})
}

// removeShared puts a tombstone that refuses nothing newer.
func (s *space) removeShared(began start, d digest) {
	if !s.shared {
		return
	}
	s.c.remote.put(job{
		target: s.c.target(s.label, s.kind, d), seq: began.seq, begun: began.at, stale: time.Now().Add(tombstoneLife),
		encode: func(seq int64) ([]byte, error) { return tombstone(d, seq), nil },
	})
}
