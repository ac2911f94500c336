package upstream

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rate is a limit of Count calls in any window of length Per.
type Rate struct {
	Count int
	Per   time.Duration
}

// maxCount bounds what a budget remembers.
const maxCount = 1_000_000

// ParseRates reads "COUNT/DURATION" or several with commas, such as "60/1m,1000/1h"; "0" is no limit.
func ParseRates(s string) ([]Rate, error) {
	if strings.TrimSpace(s) == "0" {
		return nil, nil
	}
	var rates []Rate
	for part := range strings.SplitSeq(s, ",") {
		r, err := parseRate(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		rates = append(rates, r)
	}
	return rates, nil
}

func parseRate(s string) (Rate, error) {
	count, per, ok := strings.Cut(s, "/")
	if !ok {
		return Rate{}, fmt.Errorf("%q: want COUNT/DURATION such as 60/1m, or 0 for no limit", s)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxCount {
		return Rate{}, fmt.Errorf("%q: the count must be a whole number from 1 to %d", s, maxCount)
	}
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 {
		return Rate{}, fmt.Errorf("%q: the duration must be positive, such as 1m", s)
	}
	return Rate{n, d}, nil
}

// Usable is what we spend of a limit: 5 % are held back for what we cannot see, such as the way to the backend.
func (r Rate) Usable() int { return max(1, r.Count*95/100) }

// Budget decides when a call may start. Reserve is called while the other calls of the backend wait, so one that asks
// another process must bound itself. A budget that is shared by several processes may also have a method Left() []int,
// what each of the client's rates has left now; else it is told by the calls of this process alone.
type Budget interface {
	// Reserve books the earliest start that the budget allows and returns it; release gives it back unused. If that
	// start is after latest (the zero time is no bound) and not at once, ok is false, nothing is booked and release is
	// nil: who asks for a start now reads the clock before the budget does.
	Reserve(ctx context.Context, latest time.Time) (start time.Time, release func(), ok bool)
}

// NewBudget is a budget in this process: no window of any rate ever holds more starts than it allows.
func NewBudget(rates []Rate) Budget { return &window{rates: rates} }

type window struct {
	rates []Rate

	mu     sync.Mutex
	starts []time.Time // ascending; the booked ones are in the future
}

var _ Budget = (*window)(nil)

func (w *window) Reserve(_ context.Context, latest time.Time) (time.Time, func(), bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	start := w.earliest(now)
	if !latest.IsZero() && start.After(latest) && start.After(now) {
		return start, nil, false
	}
	i, _ := slices.BinarySearchFunc(w.starts, start, time.Time.Compare)
	w.starts = slices.Insert(w.starts, i, start)
	return start, sync.OnceFunc(func() { w.release(start) }), true
}

func (w *window) release(start time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(w.starts, start, time.Time.Compare); ok {
		w.starts = slices.Delete(w.starts, i, i+1)
	}
}

// forget drops the starts that no window reaches any more.
func (w *window) forget(now time.Time) {
	var longest time.Duration
	for _, r := range w.rates {
		longest = max(longest, r.Per)
	}
	old := 0
	for old < len(w.starts) && now.Sub(w.starts[old]) >= longest {
		old++
	}
	w.starts = slices.Delete(w.starts, 0, old)
}

// earliest is the first instant from now on at which every rate has room. A start that was given back leaves a hole,
// so the booked starts after an instant count as much as the ones before it.
func (w *window) earliest(now time.Time) time.Time {
	t := now
	for {
		next := t
		for _, r := range w.rates {
			next = w.after(next, r)
		}
		if next.Equal(t) {
			return t
		}
		t = next
	}
}

// after is the first instant from t on that would not be one start too many within r.Per.
func (w *window) after(t time.Time, r Rate) time.Time {
	n := r.Usable()
	for i := 0; i+n <= len(w.starts); i++ {
		first, last := w.starts[i], w.starts[i+n-1]
		if later(t, last).Sub(earlier(t, first)) < r.Per {
			t = first.Add(r.Per)
		}
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// note books a start that another budget allowed.
func (w *window) note(at time.Time) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(time.Now())
	i, _ := slices.BinarySearchFunc(w.starts, at, time.Time.Compare)
	w.starts = slices.Insert(w.starts, i, at)
	return sync.OnceFunc(func() { w.release(at) })
}

// left is what every rate has left now; starts that are booked for later are taken already.
func (w *window) left() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	left := make([]int, len(w.rates))
	for i, r := range w.rates {
		left[i] = r.Usable()
		for _, start := range w.starts {
			if now.Sub(start) < r.Per {
				left[i]--
			}
		}
		left[i] = max(left[i], 0)
	}
	return left
}
