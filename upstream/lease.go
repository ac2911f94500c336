package upstream

import (
	"context"
	"time"

	"github.com/learngraph/learngraph/task"
)

// leaseDivisor is the part of the smallest window that a process leases at once.
const leaseDivisor = 20

// Budget leases starts out of limits that several processes share.
type Budget interface {
	// Lease returns up to n starts to be used before until, or none and when to ask again. settle returns n of them unused
	// where at is the zero time, which may take a round trip as Lease may. Else it makes n of them count from then on.
	Lease(ctx context.Context, n int) (starts int, until time.Time, settle func(n int, at time.Time))
}

// lease holds the starts that a limiter has of the shared budget.
type lease struct {
	budget     Budget // nil allows everything
	size       int    // how many starts are asked for
	asking     bool
	starts     int
	until      time.Time
	move       func(n int, at time.Time)
	emptyUntil time.Time // the budget has nothing before
}

func newLease(b Budget, rates []Rate) lease {
	size := maxCount
	for _, r := range rates {
		size = min(size, max(r.Usable()/leaseDivisor, 1))
	}
	return lease{budget: b, size: size}
}

// take uses up one start and reports whether there was one.
func (l *lease) take(now time.Time) bool {
	if l.budget == nil {
		return true
	}
	if l.starts == 0 || !now.Before(l.until) {
		return false
	}
	l.starts--
	return true
}

// expire returns the starts that were not used in time.
func (l *lease) expire(now time.Time) {
	if l.starts == 0 || now.Before(l.until) {
		return
	}
	unused, settle := l.starts, l.move
	l.starts = 0
	task.Go(func() error { settle(unused, time.Time{}); return nil }, func(error) {})
}

// ask leases more outside of the limiter's lock, which is held here.
func (l *limiter) ask() {
	if l.lease.asking {
		return
	}
	l.lease.asking = true
	var starts int
	var until time.Time
	var settle func(int, time.Time)
	task.Go(func() error {
		starts, until, settle = l.lease.budget.Lease(context.Background(), l.lease.size)
		return nil
	}, func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lease.asking = false
		switch {
		case err != nil:
			l.lease.emptyUntil = time.Now().Add(time.Second)
		case starts == 0:
			l.lease.emptyUntil = until
		default:
			l.lease.starts, l.lease.until, l.lease.move = starts, until, settle
		}
		l.dispatch()
	})
}
