package cache

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxChanges bounds the past changes that one call sends to Redis.
	maxChanges = 1000
	// leaseDivisor is the part of the shortest window within which leased starts must be used, at most maxLease.
	leaseDivisor = 20
	maxLease     = time.Second
)

// SharedRate is a limit of Count starts of all replicas in any window of length Per.
type SharedRate struct {
	Count int
	Per   time.Duration
}

// Window is a rolling-window budget that replicas share through Redis by leasing a few starts at a time. While Redis is
// away, and for one window after, each process keeps to its own log and its share of the rates, and of the starts that
// were left when Redis last answered. Redis gets the starts that it missed meanwhile, or has forgotten, with the next
// lease. A Window is safe for concurrent use.
type Window struct {
	remote   *remote
	keys     []string
	rates    []SharedRate // the longest last
	replicas int
	life     time.Duration // of a lease

	mu        sync.Mutex
	serial    uint64
	log       []leased // by until
	changes   []change
	awaySince time.Time // when Redis was last found away
	left      []int     // of each rate for all replicas, when Redis last answered
	received  time.Time // when that was
}

// leased is a number of starts that this process has leased, and that count from until on.
type leased struct {
	id     string
	starts int
	until  time.Time
	shared bool // Redis has it
}

// change moves starts from one entry to another; an empty one is none.
type change struct {
	from, to string
	starts   int
	until    time.Time
}

// NewWindow returns the budget of a name. Redis stores it under a digest of the name. All replicas that share a budget
// must pass the same rates and the same number of replicas.
func NewWindow(c *Cache, name string, rates []SharedRate, replicas int) *Window {
	w := &Window{remote: c.remote, rates: slices.Clone(rates), replicas: max(replicas, 1), life: maxLease}
	slices.SortFunc(w.rates, func(a, b SharedRate) int { return int(a.Per - b.Per) })
	for _, r := range w.rates {
		w.life = min(w.life, r.Per/leaseDivisor)
	}
	if c.remote == nil {
		return w
	}
	base := c.remote.prefix + "{window:" + label(name) + "}" // in one slot of a Cluster
	w.keys = append(w.keys, base)
	for i := range w.rates {
		w.keys = append(w.keys, base+":"+strconv.Itoa(i))
	}
	return w
}

// Lease returns up to n starts that may be used before until, or none and when to ask again. settle returns n of them
// unused where at is the zero time, and else makes n of them count from then on.
func (w *Window) Lease(ctx context.Context, n int) (starts int, until time.Time, settle func(n int, at time.Time)) {
	if len(w.rates) == 0 {
		return n, time.Now().Add(w.life), func(int, time.Time) {}
	}
	w.mu.Lock()
	id := w.newID()
	own, wait := w.available(time.Now(), n)
	w.mu.Unlock()
	if own == 0 {
		return 0, time.Now().Add(wait), nil
	}
	until = time.Now().Add(w.life)
	starts, wait, err := w.leaseShared(ctx, id, own)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.awaySince = time.Now()
		if starts, wait = w.availableAlone(w.awaySince, n); starts > 0 {
			until = w.awaySince.Add(w.life)
			w.add(leased{id: id, starts: starts, until: until})
		}
	}
	if starts == 0 {
		return 0, time.Now().Add(wait), nil
	}
	return starts, until, func(n int, at time.Time) { w.move(id, n, at) }
}

// newID returns the id of another entry; w.mu is held.
func (w *Window) newID() string {
	w.serial++
	id := strconv.FormatUint(w.serial, 36)
	if w.remote != nil {
		id = w.remote.origin + "." + id
	}
	return id
}

// available returns how many of n starts this process may lease by its own log, and how long there are none; w.mu is
// held. As long as Redis may lack data of others, that is this process's share of a rate.
func (w *Window) available(now time.Time, n int) (starts int, wait time.Duration) {
	w.forget(now)
	for _, r := range w.rates {
		limit := r.Count
		if w.remote == nil || !w.awaySince.IsZero() && now.Sub(w.awaySince) < r.Per {
			limit = max(r.Count/w.replicas, 1)
		}
		// From the newest on: Entries older than the oldest that must have left do not matter.
		for i := len(w.log) - 1; i >= 0 && now.Sub(w.log[i].until) < r.Per; i-- {
			if limit -= w.log[i].starts; limit <= 0 {
				wait = max(wait, w.log[i].until.Add(r.Per).Sub(now))
				break
			}
		}
		n = min(n, limit)
	}
	return max(n, 0), wait
}

// availableAlone is available for a Redis that does not answer: starts that Redis does not have are
// also bounded by this process's share of those left at its last answer, since others may have had more than their
// share. w.mu is held.
func (w *Window) availableAlone(now time.Time, n int) (starts int, wait time.Duration) {
	n, wait = w.available(now, n)
	for i, r := range w.rates {
		if w.received.IsZero() || now.Sub(w.received) >= r.Per {
			continue
		}
		share := w.left[i] / w.replicas
		for _, e := range w.log {
			if !e.shared && now.Sub(e.until) < r.Per {
				share -= e.starts
			}
		}
		if n = min(n, share); share <= 0 {
			wait = max(wait, w.life)
		}
	}
	return max(n, 0), wait
}

func (w *Window) add(e leased) {
	i, _ := slices.BinarySearchFunc(w.log, e.until, func(o leased, t time.Time) int {
		if o.until.After(t) {
			return 1
		}
		return -1
	})
	w.log = slices.Insert(w.log, i, e)
}

// forget drops the entries that no window reaches any more; w.mu is held.
func (w *Window) forget(now time.Time) {
	old := 0
	for old < len(w.log) && now.Sub(w.log[old].until) >= w.longest() {
		old++
	}
	w.log = slices.Delete(w.log, 0, old)
}

func (w *Window) longest() time.Duration { return w.rates[len(w.rates)-1].Per }

// move moves starts of an entry to a later time, or takes them out, which Redis gets at once.
func (w *Window) move(id string, n int, at time.Time) {
	w.mu.Lock()
	c := change{starts: n, until: at}
	if i := slices.IndexFunc(w.log, func(e leased) bool { return e.id == id }); i >= 0 {
		if w.log[i].shared {
			c.from = id
		}
		if w.log[i].starts -= n; w.log[i].starts <= 0 {
			w.log[i].starts = 0 // it stays, for the changes that name it
		}
	}
	if !at.IsZero() {
		c.to = w.newID()
		w.add(leased{id: c.to, starts: n, until: at})
	}
	shared := c.from != ""
	if shared {
		w.changes = append(w.changes, c)
	}
	w.mu.Unlock()
	if shared && at.IsZero() {
		_, _, _ = w.leaseShared(context.Background(), "", 0)
	}
}

// leaseShared leases n starts from Redis under an id, and sends it missing changes.
func (w *Window) leaseShared(ctx context.Context, id string, n int) (starts int, wait time.Duration, err error) {
	if w.remote == nil {
		return 0, 0, errRedis
	}
	until := time.Now().Add(w.life)
	for range 2 {
		var left []int
		known, changes := w.unshared(time.Now())
		starts, wait, left, err = w.remote.lease(ctx, w, id, n, known, changes)
		w.mu.Lock()
		switch {
		case err != nil:
			w.changes = append(changes[:min(len(changes), maxChanges)], w.changes...)
			w.mu.Unlock()
			return 0, 0, err
		case starts >= 0:
			w.markSent(changes)
			w.left, w.received = left, time.Now()
			if n > 0 && starts > 0 {
				w.add(leased{id, starts, until, true})
			}
			w.mu.Unlock()
			return starts, wait, nil
		}
		// Redis restarted empty or evicted the window: the leases of this process still count.
		w.awaySince, w.received = time.Now(), time.Time{}
		for i := range w.log {
			w.log[i].shared = false
		}
		w.mu.Unlock()
	}
	return 0, 0, errRedis
}

// unshared takes the changes that Redis does not know; known is an entry that it has, empty if that is not sure.
func (w *Window) unshared(now time.Time) (known string, changes []change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	changes, w.changes = w.changes, nil
	for i := len(w.log) - 1; i >= 0; i-- {
		e := w.log[i]
		switch {
		case e.shared && known == "" && now.Sub(e.until) < w.longest()/2:
			known = e.id
		case !e.shared && e.starts > 0 && len(changes) < maxChanges &&
			!slices.ContainsFunc(changes, func(c change) bool { return c.to == e.id }):
			changes = append(changes, change{to: e.id, starts: e.starts, until: e.until})
		}
	}
	return known, changes
}

// markSent marks the entries that Redis has got; w.mu is held.
func (w *Window) markSent(changes []change) {
	if len(changes) == 0 {
		return
	}
	got := map[string]bool{}
	for _, c := range changes {
		got[c.to] = true
	}
	for i := range w.log {
		w.log[i].shared = w.log[i].shared || got[w.log[i].id]
	}
}
