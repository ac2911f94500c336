package cache

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxUnshared bounds what is added to a shared window after Redis was away.
const maxUnshared = 1000

// Rate is a limit of Count starts in any window of length Per.
type Rate struct {
	Count int
	Per   time.Duration
}

// Window is a rolling-window budget that replicas share through Redis. While Redis is away each process keeps to the
// rates by itself, counting what it booked in the shared window; what it books meanwhile is added to that one later, and so
// is what a Redis that restarted has forgotten, or what it does not know yet of starts that turned out to be later.
// It is safe for concurrent use.
type Window struct {
	remote *remote
	key    string
	rates  []Rate

	mu     sync.Mutex
	serial uint64
	booked []booking // by start, ascending
}

// booking is a start that this process has booked.
type booking struct {
	name   string
	start  time.Time
	shared bool // Redis knows this start
}

// NewWindow makes the budget of that name, of which Redis sees a digest. Replicas that share it give it the same rates.
func NewWindow(c *Cache, name string, rates []Rate) *Window {
	w := &Window{remote: c.remote, rates: rates}
	if c.remote != nil {
		w.key = c.remote.prefix + "window:" + label(name)
	}
	return w
}

// Reserve books the earliest start at which every rate has room. If that start is after latest (the zero time is no
// bound) and not at once, ok is false, nothing is booked and settle is nil. Only the first call of settle counts: with
// the moment from which on the start counts after all, which the other replicas hear of with this one's next booking, or
// with the zero time to give it back unused.
func (w *Window) Reserve(ctx context.Context, latest time.Time) (start time.Time, settle func(at time.Time), ok bool) {
	if len(w.rates) == 0 {
		return time.Now(), func(time.Time) {}, true
	}
	name := w.name()
	if w.remote != nil {
		start, booked, err := w.reserveShared(ctx, name, latest)
		switch {
		case err != nil:
			// Redis is away: the process keeps to the rates by itself.
		case !booked:
			return start, nil, false
		default:
			return start, w.settler(name), true
		}
	}
	start, ok = w.reserveAlone(name, latest)
	if !ok {
		return start, nil, false
	}
	return start, w.settler(name), true
}

func (w *Window) settler(name string) func(time.Time) {
	var once sync.Once
	return func(at time.Time) {
		once.Do(func() {
			if shared := w.settle(name, at); shared && at.IsZero() {
				w.remote.unreserve(w.key, name)
			}
		})
	}
}

func (w *Window) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	if w.remote == nil {
		return strconv.FormatUint(w.serial, 36)
	}
	return w.remote.origin + "." + strconv.FormatUint(w.serial, 36)
}

func (w *Window) reserveShared(ctx context.Context, name string, latest time.Time) (time.Time, bool, error) {
	unshared, known := w.unshared()
	wait, booked, lost, err := w.remote.reserve(ctx, w.key, name, known, latest, w.longest(), w.rates, unshared)
	if lost && err == nil {
		// Redis restarted empty or evicted the window: what this process booked in it still counts.
		unshared = w.unshare()
		wait, booked, _, err = w.remote.reserve(ctx, w.key, name, "", latest, w.longest(), w.rates, unshared)
	}
	if err != nil {
		return time.Time{}, false, err
	}
	// Counted from after the answer, so that the start is not before the one that Redis means.
	start := time.Now().Add(wait)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range w.booked {
		if slices.Contains(unshared, b) {
			w.booked[i].shared = true
		}
	}
	if booked {
		w.insert(booking{name, start, true})
	}
	return start, booked, nil
}

// unshared are the starts that Redis does not know; known names the last one that it knows, empty if there is none.
func (w *Window) unshared() (list []booking, known string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(time.Now())
	for _, b := range w.booked {
		switch {
		case b.shared:
			known = b.name
		case len(list) < maxUnshared:
			list = append(list, b)
		}
	}
	return list, known
}

// unshare takes all starts for unknown to Redis and returns what unshared does then.
func (w *Window) unshare() []booking {
	w.mu.Lock()
	for i := range w.booked {
		w.booked[i].shared = false
	}
	w.mu.Unlock()
	list, _ := w.unshared()
	return list
}

func (w *Window) reserveAlone(name string, latest time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	start := w.earliest(now)
	if !latest.IsZero() && start.After(latest) && start.After(now) {
		return start, false
	}
	w.insert(booking{name: name, start: start})
	return start, true
}

func (w *Window) insert(b booking) {
	i, _ := slices.BinarySearchFunc(w.booked, b.start, func(o booking, t time.Time) int { return o.start.Compare(t) })
	w.booked = slices.Insert(w.booked, i, b)
}

// settle moves a start, or takes it out where at is the zero time, and says whether Redis knows it.
func (w *Window) settle(name string, at time.Time) (shared bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.IndexFunc(w.booked, func(b booking) bool { return b.name == name }); i >= 0 {
		shared = w.booked[i].shared
		w.booked = slices.Delete(w.booked, i, i+1)
	}
	if !at.IsZero() {
		w.insert(booking{name: name, start: at})
	}
	return shared
}

func (w *Window) longest() (d time.Duration) {
	for _, r := range w.rates {
		d = max(d, r.Per)
	}
	return d
}

// forget drops the starts that no window reaches any more.
func (w *Window) forget(now time.Time) {
	longest := w.longest()
	w.booked = slices.DeleteFunc(w.booked, func(b booking) bool { return now.Sub(b.start) >= longest })
}

// earliest moves a start forward until no rate objects. Bookings after it count as well: it may lie in a gap that a
// release left.
func (w *Window) earliest(t time.Time) time.Time {
	for moved := true; moved; {
		moved = false
		for _, r := range w.rates {
			for i := 0; i+r.Count <= len(w.booked); i++ {
				first, last := w.booked[i].start, w.booked[i+r.Count-1].start
				if max(t.Sub(first), last.Sub(first), last.Sub(t)) < r.Per {
					t, moved = first.Add(r.Per), true
				}
			}
		}
	}
	return t
}
