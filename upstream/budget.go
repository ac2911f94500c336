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
	// Reserve books the earliest start that the budget allows and returns it. If that start is after latest (the zero
	// time is no bound) and not at once, ok is false, nothing is booked and settle is nil: who asks for a start now reads
	// the clock before the budget does. Only the first call of settle counts: when the call is over with the latest
	// moment at which it can have reached the backend, from which on the start counts then, or with the zero time to give
	// it back unused.
	Reserve(ctx context.Context, latest time.Time) (start time.Time, settle func(arrived time.Time), ok bool)
}

// NewBudget is a budget in this process: no window of any rate ever holds more starts than it allows.
func NewBudget(rates []Rate) Budget { return &window{rates: rates} }

type window struct {
	rates []Rate

	mu     sync.Mutex
	starts []time.Time // ascending; the booked ones are in the future
}

var _ Budget = (*window)(nil)

func (w *window) Reserve(_ context.Context, latest time.Time) (time.Time, func(time.Time), bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	start := w.earliest(now)
	if !latest.IsZero() && start.After(latest) && start.After(now) {
		return start, nil, false
	}
	w.insert(start)
	var once sync.Once
	return start, func(arrived time.Time) { once.Do(func() { w.settle(start, arrived) }) }, true
}

func (w *window) insert(start time.Time) {
	i, _ := slices.BinarySearchFunc(w.starts, start, time.Time.Compare)
	w.starts = slices.Insert(w.starts, i, start)
}

func (w *window) settle(start, arrived time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(w.starts, start, time.Time.Compare); ok {
		w.starts = slices.Delete(w.starts, i, i+1)
	}
	if !arrived.IsZero() {
		w.insert(arrived)
	}
}

// forget drops the starts that no window reaches any more.
func (w *window) forget(now time.Time) {
	longest := longest(w.rates)
	old := 0
	for old < len(w.starts) && now.Sub(w.starts[old]) >= longest {
		old++
	}
	w.starts = slices.Delete(w.starts, 0, old)
}

func longest(rates []Rate) (d time.Duration) {
	for _, r := range rates {
		d = max(d, r.Per)
	}
	return d
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

// Left is what every rate has left now; starts that are booked for later are taken already.
func (w *window) Left() []int {
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
