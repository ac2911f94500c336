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

// flight is one fetch under way, for one or more keys, on a context of its own.
type flight struct {
	ctx    context.Context
	cancel context.CancelFunc
	keys   []digest
	begun  time.Time
	drops  uint64 // how many there were when it began
	refs   int    // who waits for it; guarded by flights
	notes  *noteLog

	done     chan struct{}
	outcomes map[digest]outcome // to be read after done
	expired  bool               // its time was over before it landed; to be read after done
}

// outcome is what became of one key.
type outcome struct {
	rec  *record // nil with an error
	err  error
	fact Fact

	cause   error // why a kept value is used although it lacks something
	verdict Verdict
	noStore bool
}

// flights are all fetches under way.
type flights struct {
	mu        sync.Mutex
	byKey     map[digest]*flight // what a later caller may join
	all       map[*flight]struct{}
	closed    bool
	running   task.Group
	refreshes atomic.Uint64
}

// join finds the flight of a key, or nil. Whoever gets one must leave it.
func (fs *flights) join(d digest, joined map[*flight]bool) *flight {
	f := fs.byKey[d]
	if f == nil || f.ctx.Err() != nil {
		return nil
	}
	if !joined[f] {
		joined[f] = true
		f.refs++
	}
	return f
}

// over says whether its time is: by the clock too, since a call of the fetch may end at the deadline before the context
// does.
func (f *flight) over() bool {
	deadline, ok := f.ctx.Deadline()
	return f.ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// leave gives up waiting. A flight for which nobody waits is cancelled.
func (fs *flights) leave(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.refs--
	if f.refs == 0 {
		fs.unlist(f)
		f.cancel()
	}
}

func (fs *flights) unlist(f *flight) {
	for _, d := range f.keys {
		if fs.byKey[d] == f {
			delete(fs.byKey, d)
		}
	}
}

// detach lets callers from now on start anew, while those who wait get what they waited for.
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
}

// begin makes a flight for keys and, if it may be joined, lists it; the caller holds the lock and calls run. It is nil
// after close.
func (fs *flights) begin(ctx context.Context, cancel context.CancelFunc, drops uint64, keys []digest, listed bool) *flight {
	if fs.closed {
		cancel()
		return nil
	}
	f := &flight{ctx: ctx, cancel: cancel, keys: keys, begun: time.Now(), drops: drops, refs: 1, done: make(chan struct{})}
	f.notes, _ = ctx.Value(noteLogKey{}).(*noteLog)
	if fs.all == nil {
		fs.all = map[*flight]struct{}{}
	}
	fs.all[f] = struct{}{}
	if listed {
		for _, d := range keys {
			fs.byKey[d] = f
		}
	}
	return f
}

// run fetches in a goroutine of its own. A panic is every key's error.
func (fs *flights) run(f *flight, fetch func() map[digest]outcome) {
	var outcomes map[digest]outcome
	fs.running.Go(func() error {
		outcomes = fetch()
		return nil
	}, func(err error) {
		defer f.cancel()
		if err != nil {
			outcomes = map[digest]outcome{}
			for _, d := range f.keys {
				outcomes[d] = outcome{err: err}
			}
		}
		fs.land(f, outcomes)
	})
}

func (fs *flights) land(f *flight, outcomes map[digest]outcome) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.outcomes, f.expired = outcomes, f.over()
	fs.unlist(f)
	delete(fs.all, f)
	close(f.done)
}

// flightContext keeps the values of a caller's context for a fetch that may outlive it, but what belongs to the caller's own
// answer.
func (s *space) flightContext(ctx context.Context, began start, refresh bool) (context.Context, context.CancelFunc) {
	own := context.WithoutCancel(ctx)
	own = context.WithValue(own, factsKey{}, (*Facts)(nil))
	own = context.WithValue(own, wantsKey{}, Wants{})
	own = context.WithValue(own, startKey{}, began)
	own = context.WithValue(own, refreshKey{}, refresh || IsRefresh(ctx))
	own = context.WithValue(own, noteLogKey{}, new(noteLog))
	if refresh {
		return context.WithTimeout(own, s.c.o.Refresh)
	}
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(own, deadline)
	}
	return context.WithCancel(own)
}

// fly asks the backend for the wanted keys and keeps what it says.
func (s *space) fly(ctx context.Context, began start, wanted map[string]request, fetch Fetch[any]) map[digest]outcome {
	missing := make([]Wanted[any], 0, len(wanted))
	for _, q := range wanted {
		missing = append(missing, s.wanted(&q))
	}
	found, failed := fetch(ctx, missing)
	now := time.Now()
	outcomes := make(map[digest]outcome, len(wanted))
	for key, q := range wanted {
		outcomes[q.digest] = s.conclude(began, q, key, found, failed, now)
	}
	for key, f := range found {
		if _, asked := wanted[key]; !asked && key != "" && !f.NotModified {
			s.keep(began, s.digest(key), s.record(began, f, true, now))
		}
	}
	return outcomes
}

func (s *space) conclude(began start, q request, key string, found map[string]Fetched[any], failed map[string]error, now time.Time) outcome {
	if err, ok := failed[key]; ok {
		if q.kept != nil && !errors.Is(err, context.Canceled) {
			s.doubt(began, q, err, now)
		}
		return outcome{err: err}
	}
	f, ok := found[key]
	verdict := Called
	if f.NotModified {
		if q.kept == nil || !q.kept.found {
			return outcome{err: errNotModified}
		}
		verdict = Revalidated
		f.Value = q.kept.value
		if f.ETag == "" {
			f.ETag = q.kept.etag
		}
		if f.Tags == nil {
			f.Tags = q.kept.tags
		}
	}
	k := s.record(began, f, ok, now)
	if k.keep || q.kept != nil {
		s.keep(began, q.digest, k)
	}
	return outcome{rec: k.rec, verdict: verdict, noStore: f.NoStore}
}

// doubt tells a kept value that it was not renewed. An error that is to be passed on is what holds by now, so that the
// value must not be served in its place.
func (s *space) doubt(began start, q request, err error, now time.Time) {
	reason := s.c.o.Classify(err)
	if reason == "" {
		s.keep(began, q.digest, kept{})
		return
	}
	q.kept.trouble.Store(&trouble{reason, now.Add(pause)})
}

// kept is a record and whether it may outlive those who wait for it.
type kept struct {
	rec  *record
	keep bool
}

// record gives what a backend said its lifetime.
func (s *space) record(began start, f Fetched[any], found bool, now time.Time) kept {
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
	return kept{r, now.Before(r.stale)}
}

// keep fills both levels, or empties them where what is there must not be served any longer.
func (s *space) keep(began start, d digest, k kept) {
	if s.c.o.TTL <= 0 {
		return
	}
	if !k.keep {
		s.c.memory.remove(began.drops, d)
		s.removeShared(began, d)
		return
	}
	if s.c.memory.fill(began.drops, d, k.rec) && s.shared {
		s.share(began, d, k.rec)
	}
}

// share writes a record to Redis, unless it is a page of more items than a value may have tags there.
func (s *space) share(began start, d digest, r *record) {
	tags := append(slices.Clip(r.tags), tagsOf(s.label, r.items)...)
	if len(tags) > maxFrameTags {
		return
	}
	s.c.remote.put(job{
		target: s.c.target(s.label, s.kind, d), seq: began.seq, begun: began.at, stale: r.stale, tags: tags, size: r.size,
		encode: func(seq int64) ([]byte, error) {
			f := frame{seq: seq, absent: !r.found, created: r.at, fresh: r.fresh, stale: r.stale, etag: r.etag, tags: r.tags, items: r.items}
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
