package cache

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/learngraph/learngraph/task"
)

const (
	// minRefetchAge is the age below which a value is not fetched anew.
	minRefetchAge = time.Second
	// deadlineGrace is how long a caller whose deadline ended waits for the fetch, which ends then too, to return its
	// results.
	deadlineGrace = 20 * time.Millisecond
)

// space is an untyped Space.
type space struct {
	c                    *Cache
	kind, backend, label string
	personal, noStale    bool
	shared               bool // in Redis
	hasher               *hasher
	counter              *verdictCounter
	encode               func(any) ([]byte, error)
	decode               func([]byte) (any, error)
	size                 func(any) int
	without              func(page any, item int) any
	renewable            func(*record) bool // whether "not modified" confirms all of a record; nil is always so
}

func (s *space) digest(key string) digest { return s.hasher.digest(s.kind, key) }

// trusts reports whether a record may be served without asking again, as far as the writes of other replicas go.
func (s *space) trusts(r *record, now time.Time) bool {
	return s.c.remote == nil || s.c.remote.channelState.trusts(r.at, now)
}

// mayHold reports whether something may be kept of a key.
func (s *space) mayHold(key string) bool {
	return s.c.o.TTL > 0 && (s.shared || s.c.memory.get(s.digest(key)) != nil)
}

// missingKey is a key to be fetched.
type missingKey struct {
	key    string
	place  int // among the keys of its Load
	digest digest
	stored *record // usable or not
}

// request is one key of one Load.
type request struct {
	missingKey
	level Verdict // where kept is from
	flightSeat
	began bool // the flight was begun for this request
	first int  // the place of the same key among those of the Load

	outcome  outcome
	fact     int // one more than its place among the facts, 0 without any
	answered bool
}

// etag is the validator of a record, empty where a 304 would not confirm all of it.
func (s *space) etag(r *record) string {
	if s.renewable != nil && r.etag != "" && !s.renewable(r) {
		return ""
	}
	return r.etag
}

// missing returns the keys as a fetch takes them.
func (s *space) missing(misses []missingKey) []Missing {
	list := make([]Missing, len(misses))
	for i := range misses {
		m := &misses[i]
		list[i] = Missing{Key: m.key, Place: m.place}
		if m.stored != nil && m.stored.found {
			list[i].ETag = s.etag(m.stored)
		}
	}
	return list
}

// load is one Load under way.
type load struct {
	*space
	ctx        context.Context
	directives Directives
	fetch      fetchFunc
	began      start
	requests   []request
	facts      []Fact
}

func (s *space) load(ctx context.Context, keys []string, fetch fetchFunc) *load {
	done := func([]Fact) {}
	if s.c.o.Round != nil {
		ctx, done = s.c.o.Round(ctx, s.kind, len(keys))
	}
	l := &load{
		space: s, ctx: ctx, directives: DirectivesFrom(ctx), fetch: fetch, began: s.c.start(),
		requests: requestsFor(keys),
	}
	l.lookUp()
	if l.isOpen() && s.shared && s.c.o.TTL > 0 {
		l.lookUpShared()
	}
	if !l.directives.Renew && l.isOpen() {
		l.serveStale()
	}
	if l.directives.OnlyIfCached && l.isOpen() {
		l.failRemaining(ErrNotCached)
	}
	for l.isOpen() && ctx.Err() == nil {
		l.fetchOpen()
	}
	if l.isOpen() {
		l.expire()
	}
	l.record()
	done(l.facts)
	return l
}

// requestsFor returns a request for each key. A repeated key is answered with the first one.
func requestsFor(keys []string) []request {
	requests := make([]request, len(keys))
	var known map[string]int
	if len(keys) > 1 {
		known = make(map[string]int, len(keys))
	}
	for i, key := range keys {
		first, ok := known[key]
		if !ok {
			first = i
			if known != nil {
				known[key] = i
			}
		}
		requests[i] = request{missingKey: missingKey{key: key, place: i}, first: first}
	}
	return requests
}

var noFact Fact

// outcome returns the outcome of the key at a place of the Load, and its fact, the zero value where there is none.
func (l *load) outcome(place int) (*outcome, *Fact) {
	q := &l.requests[l.requests[place].first]
	if q.fact == 0 {
		return &q.outcome, &noFact
	}
	return &q.outcome, &l.facts[q.fact-1]
}

// open are the requests that have no answer yet.
func (l *load) open() iter.Seq[*request] {
	return func(yield func(*request) bool) {
		for i := range l.requests {
			if q := &l.requests[i]; !q.answered && !yield(q) {
				return
			}
		}
	}
}

// anyOpen reports whether is holds for one of the open requests.
func (l *load) anyOpen(is func(*request) bool) bool {
	for q := range l.open() {
		if is(q) {
			return true
		}
	}
	return false
}

func (l *load) isOpen() bool { return l.anyOpen(func(*request) bool { return true }) }

// lookUp answers the keys whose values memory holds fresh.
func (l *load) lookUp() {
	now := time.Now()
	for i := range l.requests {
		q := &l.requests[i]
		if q.answered = q.key == "" || q.first != i; q.answered {
			continue // it does not exist, or is asked for already
		}
		q.digest, q.level = l.digest(q.key), Memory
		if l.c.o.TTL > 0 {
			q.stored = l.c.memory.get(q.digest)
		}
		if q.stored != nil && l.fresh(q.stored, now) {
			l.answer(q, q.stored, q.level, "")
		}
	}
}

// lookUpShared answers with fresh values of Redis, and takes its values that are younger than memory's.
func (l *load) lookUpShared() {
	targets := make([]target, 0, len(l.requests))
	for q := range l.open() {
		targets = append(targets, l.c.target(l.label, l.kind, q.digest))
	}
	found := l.c.remote.read(l.ctx, targets)
	// A fetch from here on is newer than the drops that the round reported.
	l.began.seq = l.c.remote.seq.Load()
	now := time.Now()
	for q := range l.open() {
		r := l.decodeRecord(q.digest, found[q.digest], now)
		if r == nil || q.stored != nil && !q.stored.at.Before(r.at) {
			continue
		}
		if !l.c.memory.fill(l.began.drops, q.digest, r) {
			continue
		}
		q.stored, q.level = r, Redis
		if l.fresh(r, now) {
			l.answer(q, r, Redis, "")
		}
	}
}

// decodeRecord decodes a stored value of Redis; it returns nil where that is no value or past its life by either clock.
func (s *space) decodeRecord(d digest, v stored, now time.Time) *record {
	if v.data == nil {
		return nil
	}
	f, err := decodeFrame(d, v.data)
	if err != nil || f.tombstone || f.fresh.Before(f.created) || f.stale.Before(f.fresh) || s.c.remote.isPending(d, f) {
		return nil
	}
	at := now.Add(-f.age(now, v.left))
	r := &record{
		found: !f.absent, etag: f.etag, tags: f.tags, items: f.items, without: s.without, at: at,
		fresh: at.Add(f.fresh.Sub(f.created)), stale: at.Add(f.stale.Sub(f.created)),
	}
	if !now.Before(r.stale) {
		return nil
	}
	if r.found {
		if r.value, err = s.decode(f.payload); err != nil {
			return nil
		}
		r.size = s.size(r.value)
	}
	return r
}

// storedRecords are the records that either level holds, in one round of each.
func (s *space) storedRecords(ctx context.Context, keys []string) map[string]*record {
	records := make(map[string]*record, len(keys))
	elsewhere := map[string]digest{}
	var targets []target
	for _, key := range keys {
		d := s.digest(key)
		if r := s.c.memory.get(d); r != nil {
			records[key] = r
		} else if s.shared && s.c.o.TTL > 0 {
			elsewhere[key] = d
			targets = append(targets, s.c.target(s.label, s.kind, d))
		}
	}
	if len(targets) == 0 {
		return records
	}
	found := s.c.remote.read(ctx, targets)
	now := time.Now()
	for key, d := range elsewhere {
		if r := s.decodeRecord(d, found[d], now); r != nil {
			records[key] = r
		}
	}
	return records
}

// serveStale answers the keys whose values may be served stale at once.
func (l *load) serveStale() {
	if !l.anyOpen(func(q *request) bool { return q.stored != nil }) {
		return
	}
	now := time.Now()
	var stale []*request
	for q := range l.open() {
		if q.stored == nil || !l.usable(q.stored, now) || now.Before(q.stored.fresh) || l.tooOld(q.stored, now) ||
			l.c.incomplete(q.stored) {
			continue
		}
		if l.directives.OnlyIfCached || l.directives.MaxStale != nil {
			l.answer(q, q.stored, Stale, Requested)
			continue
		}
		stale = append(stale, q)
	}
	if len(stale) > 0 {
		l.refreshBehind(stale, now)
	}
}

// fresh reports whether a record satisfies the caller without a fetch.
func (l *load) fresh(r *record, now time.Time) bool {
	return now.Before(r.fresh) && !l.tooOld(r, now) && !l.c.incomplete(r)
}

func (l *load) tooOld(r *record, now time.Time) bool {
	age := now.Sub(r.at)
	return l.directives.NoCache && age >= minRefetchAge || l.directives.MaxAge != nil &&
		age > max(*l.directives.MaxAge, minRefetchAge) || !l.trusts(r, now)
}

// usable reports whether a record may be served at all.
func (l *load) usable(r *record, now time.Time) bool {
	if !now.Before(r.stale) {
		return false
	}
	return l.directives.MaxStale == nil || !now.After(r.fresh.Add(max(*l.directives.MaxStale, 0)))
}

// refreshBehind answers stale, and starts a refresh unless one is under way.
func (l *load) refreshBehind(stale []*request, now time.Time) {
	fs := &l.c.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var due []*request
	for _, q := range stale {
		reason := Refreshing
		t := q.stored.refreshError.Load()
		if t != nil {
			reason = t.reason
		}
		if f := fs.byKey[q.digest].flight; f != nil && f.ctx.Err() == nil {
			if t == nil && now.Sub(f.begun) > slowAfter {
				reason = Slow
			}
		} else if t == nil || !now.Before(t.retry) {
			due = append(due, q)
		}
		l.answer(q, q.stored, Stale, reason)
	}
	if len(due) == 0 {
		return
	}
	if f := fs.begin(l, missingKeys(due), true, true); f != nil {
		fs.run(f)
		fs.refreshes.Add(1)
	}
}

// fetching returns the fetch of some of the keys.
func (l *load) fetching(misses []missingKey) fetching { return fetching{l.began, misses, l.fetch} }

func missingKeys(list []*request) []missingKey {
	all := make([]missingKey, len(list))
	for i, q := range list {
		all[i] = q.missingKey
	}
	return all
}

// fetchOpen has every open key fetched. A fetch runs on the caller's goroutine where the caller cannot leave before it:
// where no other caller can wait for it, and where the caller is itself part of a fetch. A fetch whose caller takes a
// cached value if it is slow has a goroutine of its own.
func (l *load) fetchOpen() {
	if l.recheckMemory(); !l.isOpen() {
		return
	}
	stays := l.directives.Renew || !l.anyOpen(func(q *request) bool {
		return q.stored != nil && l.usable(q.stored, time.Now())
	})
	if stays && !l.c.o.Coalesce {
		l.fetchUncoalesced()
		return
	}
	flights, own := l.joinOrStart()
	if own != nil && stays && scopeOf(l.ctx).log != nil {
		l.c.flights.runInline(l.ctx, own)
	} else if own != nil {
		l.c.flights.run(own)
	}
	l.wait(flights, !stays)
}

// fetchUncoalesced fetches under the caller's own context, since no other caller can join.
func (l *load) fetchUncoalesced() {
	fs := &l.c.flights
	if !fs.enter() {
		l.failRemaining(ErrClosed)
		return
	}
	defer fs.inline.Done()
	outer := scopeOf(l.ctx)
	ctx := outer.fetching(l.began, false, outer.log).in(l.ctx)
	open := slices.AppendSeq(make([]*request, 0, len(l.requests)), l.open())
	f := l.fetching(missingKeys(open))
	outcomes := f.run(ctx)
	for i, q := range open {
		if o := outcomes[i]; o.err == nil {
			l.conclude(q, o, "")
		} else {
			l.failOrStale(q, o.err)
		}
	}
}

// joinOrStart finds a flight for every open key: one under way, or a new one for all the others.
func (l *load) joinOrStart() (joined []*flight, own *flight) {
	fs := &l.c.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	alone := make([]*request, 0, len(l.requests))
	for q := range l.open() {
		q.began, q.flightSeat = false, flightSeat{}
		if l.c.o.Coalesce {
			q.flightSeat = fs.join(q.digest)
		}
		if q.flight == nil {
			alone = append(alone, q)
		} else if !slices.Contains(joined, q.flight) {
			joined = append(joined, q.flight)
			q.flight.refs++
		}
	}
	if len(alone) == 0 {
		return joined, nil
	}
	own = fs.begin(l, missingKeys(alone), l.c.o.Coalesce, false)
	for i, q := range alone {
		if own == nil {
			l.fail(q, ErrClosed)
			continue
		}
		q.flightSeat, q.began = flightSeat{own, i}, true
	}
	if own != nil {
		joined = append(joined, own)
	}
	return joined, own
}

// recheckMemory reads memory once more: a flight may have ended since, or an earlier try may have failed.
func (l *load) recheckMemory() {
	if l.c.o.TTL <= 0 {
		return
	}
	now := time.Now()
	for q := range l.open() {
		if r := l.c.memory.get(q.digest); r != nil && (q.stored == nil || r.at.After(q.stored.at)) {
			q.stored = r
			if l.fresh(r, now) {
				l.answer(q, r, Memory, "")
			}
		}
	}
}

// wait takes the outcomes of the flights until each has ended, the caller's time is over, or stale values answer the
// keys that have one.
func (l *load) wait(joined []*flight, fallsBack bool) {
	var slow chan struct{}
	if fallsBack {
		slow = make(chan struct{})
		timer := time.AfterFunc(slowAfter, func() { close(slow) })
		defer timer.Stop()
	}
	for _, f := range joined {
		l.waitFor(f, slow)
	}
}

func (l *load) waitFor(f *flight, slow <-chan struct{}) {
	for q := range l.open() {
		if q.flight == f && !q.began {
			task.Waiting(l.ctx) // for a fetch that another operation began
			break
		}
	}
	for {
		select {
		case <-f.done:
			l.passNotes(f)
			l.complete(f)
			l.c.flights.leave(f)
			return
		case <-slow:
			if l.serveSlow(f) {
				// The caller stays counted, so that the fetch goes on behind.
				return
			}
			slow = nil
		case <-l.ctx.Done():
			l.leave(f)
			return
		case <-f.ctx.Done():
			l.leave(f)
			return
		}
	}
}

// leave ends the wait for a flight whose time, or whose caller's, is over. Where that is a deadline the fetch gets a
// moment to return its results. Keys stay open, for another flight if the caller has time left.
func (l *load) leave(f *flight) {
	if l.ctx.Err() != context.Canceled {
		timer := time.NewTimer(deadlineGrace)
		defer timer.Stop()
		select {
		case <-f.done:
			l.passNotes(f)
			l.complete(f)
		case <-timer.C:
		}
	}
	l.c.flights.leave(f)
}

// passNotes passes a flight's notes on: to the fetch that this Load is part of, and, where others had begun it, to
// WithNotes.
func (l *load) passNotes(f *flight) {
	notes := f.notes.all()
	if len(notes) == 0 {
		return
	}
	own := scopeOf(l.ctx)
	if own.log != nil {
		own.log.add(notes...)
	}
	if own.onJoined == nil {
		return
	}
	var keys []string
	for q := range l.open() {
		if q.flight == f && !q.began {
			keys = append(keys, q.key)
		}
	}
	if len(keys) > 0 {
		own.onJoined(l.ctx, keys, notes)
	}
}

// complete takes a flight's outcomes. A caller that joined a flight which reached its own deadline tries again, and so
// does one that began after a drop of the flight's values: their tags were not known while it was under way.
func (l *load) complete(f *flight) {
	for q := range l.open() {
		if q.flight != f {
			continue
		}
		o := f.outcomes[q.index]
		switch {
		case o.err == nil && !q.began && l.began.drops > f.began.drops &&
			l.c.memory.invalidatedSince(f.began.drops, q.digest, o.rec):
			q.flight = nil
		case o.err == nil:
			if !q.began {
				o.verdict = Coalesced
			}
			l.conclude(q, o, "")
		case f.expired && !q.began && l.ctx.Err() == nil:
			q.flight = nil
		default:
			l.failOrStale(q, o.err)
		}
	}
}

// serveSlow answers the keys of a slow flight that have something stale, and reports whether that were all.
func (l *load) serveSlow(f *flight) (all bool) {
	all = true
	now := time.Now()
	for q := range l.open() {
		if q.flight != f {
			continue
		}
		if q.stored == nil || !l.usable(q.stored, now) || l.c.incomplete(q.stored) {
			all = false
			continue
		}
		l.answer(q, q.stored, Stale, Slow)
	}
	return all
}

// failOrStale serves the stored value when the backend fails; a caller who set a bound for stale answers gets the error
// past it.
func (l *load) failOrStale(q *request, err error) {
	if reason := l.c.o.Classify(err); reason != "" && q.stored != nil && l.usable(q.stored, time.Now()) {
		l.answerStale(q, reason, err)
		return
	}
	l.fail(q, err)
}

// expire answers the open requests when the caller's own time is over.
func (l *load) expire() {
	now := time.Now()
	for q := range l.open() {
		if q.stored != nil && l.usable(q.stored, now) {
			l.answerStale(q, Slow, context.Cause(l.ctx))
		}
	}
	l.failRemaining(context.Cause(l.ctx))
}

// failRemaining answers the open requests with an error. A page that lacks only some of its records is better than
// none.
func (l *load) failRemaining(err error) {
	now := time.Now()
	for q := range l.open() {
		if q.stored != nil && l.usable(q.stored, now) && l.c.incomplete(q.stored) {
			l.answerStale(q, Requested, err)
			continue
		}
		l.fail(q, err)
	}
}

func (l *load) fail(q *request, err error) {
	q.outcome, q.fact, q.answered, q.flight = outcome{err: err}, 0, true, nil
}

// answerStale answers with the cached value where no fetch brought one. cause is why a page may lack some of its
// records.
func (l *load) answerStale(q *request, reason Reason, cause error) {
	l.conclude(q, outcome{rec: q.stored, verdict: Stale, cause: cause}, reason)
}

func (l *load) answer(q *request, r *record, verdict Verdict, reason Reason) {
	l.conclude(q, outcome{rec: r, verdict: verdict}, reason)
}

func (l *load) conclude(q *request, o outcome, reason Reason) {
	now, r := time.Now(), o.rec
	if l.facts == nil { // not before: a waiting Load holds as little memory as it can
		l.facts = make([]Fact, 0, len(l.requests))
	}
	l.facts = append(l.facts, Fact{
		Kind: l.kind, Backend: l.backend, Scope: l.label, Digest: q.digest, Personal: l.personal, Found: r.found,
		Verdict: o.verdict, Reason: reason, At: now, Age: max(now.Sub(r.at), 0), Fresh: r.fresh, NoStore: o.noStore,
		Tags: r.tags, Items: r.items,
	})
	q.outcome, q.fact, q.answered, q.flight = o, len(l.facts), true, nil
}

// record leaves the facts with the operation and the counters.
func (l *load) record() {
	l.counter.add(l.facts)
	if f := FactsFrom(l.ctx); f != nil && len(l.facts) > 0 {
		f.Add(l.facts...)
	}
}
