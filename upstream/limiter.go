package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/learngraph/learngraph/task"
)

const (
	// minSamples is how many exchanges must have ended before their mean is used as the time of a slot, weight that of the
	// mean so far against one more.
	minSamples = 5
	weight     = 4
	// sweepDivisor bounds the work of sweeping: the queue is swept when at least this part of it may start later than
	// estimated.
	sweepDivisor = 4
)

// limiter admits the calls of one backend: a semaphore of slots, a sliding log of the starts that the rates count, and
// a fair queue per priority in front. A call costs constant time however many wait. The lock is never held over the
// network.
//
// A call that cannot start before its deadline fails at once, by an estimate of its start that is never too late. Where
// others that came later go before it, or the backend pauses, calls that wait are looked through again.
type limiter struct {
	mu       sync.Mutex
	free     int // slots
	slots    int
	underway int
	log      slidingLog
	pauses   pauses
	lease    lease
	queues   [priorities]fairQueue
	order    [priorities]*fairQueue // the first is served first
	timer    *time.Timer
	wakes    time.Time // when the timer fires
	swept    time.Time // the start up to which the queues were swept
	delayed  int       // events since the last sweep that let calls start later than estimated
	soonest  time.Time // no waiting call has a deadline before; the zero time is none

	mean    time.Duration // of an exchange
	samples int
}

// permit is the permission to start one call now. It holds a slot.
type permit struct {
	limiter *limiter
	// Of the lease that the start is from: a call answered after until counts from its answer on. move is nil without a
	// lease.
	until time.Time
	move  func(n int, at time.Time)
}

func newLimiter(slots int, rates []Rate, budget Budget) *limiter {
	l := &limiter{free: slots, slots: slots, log: slidingLog{rates: rates}, lease: newLease(budget, rates)}
	l.order = [priorities]*fairQueue{&l.queues[Write], &l.queues[Read], &l.queues[Later], &l.queues[Renewal],
		&l.queues[Refresh]}
	return l
}

// acquire waits until the call may start. A call that cannot start before ctx's deadline fails at once, and so does a
// Refresh that cannot start now.
func (l *limiter) acquire(ctx context.Context, p Priority, caller string) (permit, error) {
	l.mu.Lock()
	now := time.Now()
	if l.waiting() == 0 && l.ready(now) && !(p.spares() && l.lastQuarter(now)) && l.lease.take(now) {
		defer l.mu.Unlock()
		return l.begin(), nil
	}
	deadline, _ := ctx.Deadline()
	w, err := l.enter(p, caller, deadline, now)
	l.mu.Unlock()
	if err != nil {
		return permit{}, err
	}
	select {
	case <-w.ready:
		return w.result()
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatch() // its start may be due in this very moment
	select {
	case <-w.ready:
		return w.result()
	default:
	}
	l.queues[p].remove(w)
	return permit{}, contextError(ctx)
}

// result returns the result of a call's wait.
func (w *waiter) result() (permit, error) { return w.permit, w.err }

func (w *waiter) reject(err error) {
	w.err = err
	w.ready <- struct{}{}
}

// enter lets a call wait, unless it cannot start in time; l.mu is held.
func (l *limiter) enter(p Priority, caller string, deadline, now time.Time) (*waiter, error) {
	if err := l.refusal(p, caller, deadline, now); err != nil {
		return nil, err
	}
	w := &waiter{caller: caller, deadline: deadline, ready: make(chan struct{}, 1)}
	if l.overtakes(p, caller) {
		l.delayed++
	}
	l.queues[p].push(w)
	l.noteDeadline(deadline)
	l.dispatch()
	return w, nil
}

func (l *limiter) waiting() (n int) {
	for i := range l.queues {
		n += l.queues[i].n
	}
	return n
}

// overtakes reports whether a new call goes before calls that wait; l.mu is held.
func (l *limiter) overtakes(p Priority, caller string) bool {
	switch p {
	case Write:
		return l.queues[Read].n+l.queues[Later].n+l.queues[Renewal].n > 0 || l.queues[Write].ahead(caller) < l.queues[Write].n
	case Read:
		return l.queues[Later].n+l.queues[Renewal].n > 0 || l.queues[Read].ahead(caller) < l.queues[Read].n
	case Later:
		return l.queues[Renewal].n > 0 || l.queues[Later].ahead(caller) < l.queues[Later].n
	case Renewal:
		return l.queues[Renewal].ahead(caller) < l.queues[Renewal].n
	}
	return false
}

// refusal returns the failure of a new call that cannot start in time, nil if it may wait; l.mu is held.
func (l *limiter) refusal(p Priority, caller string, deadline, now time.Time) error {
	if p == Refresh {
		return l.refreshError(now)
	}
	if p == Renewal && l.lastQuarter(now) {
		return l.limited(max(l.start(now, 0).Sub(now), 0))
	}
	if deadline.IsZero() {
		return nil
	}
	// Most calls start in time even from the end of the queue, which is cheaper to check.
	ahead := l.queues[Write].n + l.queues[Read].n
	if p == Later || p == Renewal {
		ahead += l.queues[Later].n
	}
	if p == Renewal {
		ahead += l.queues[Renewal].n
	}
	if err := l.missesDeadline(ahead, deadline, now); err == nil {
		return nil
	}
	ahead = l.queues[Write].ahead(caller)
	switch p {
	case Read:
		ahead = l.queues[Write].n + l.queues[Read].ahead(caller)
	case Later:
		ahead = l.queues[Write].n + l.queues[Read].n + l.queues[Later].ahead(caller)
	case Renewal:
		ahead = l.queues[Write].n + l.queues[Read].n + l.queues[Later].n + l.queues[Renewal].ahead(caller)
	}
	return l.missesDeadline(ahead, deadline, now)
}

// missesDeadline returns the failure of a call with so many ahead of it that cannot start before its deadline; l.mu is
// held.
func (l *limiter) missesDeadline(ahead int, deadline, now time.Time) error {
	if at := l.start(now, ahead); at.After(deadline) && at.After(now) {
		return l.limited(at.Sub(now))
	}
	if l.free > 0 || l.samples < minSamples {
		return nil
	}
	// Not even half the time that exchanges took so far lets a slot come free.
	if wait := l.mean * time.Duration(ahead+1) / time.Duration(l.slots); wait/2 > deadline.Sub(now) {
		return noSlot(wait)
	}
	return nil
}

// start returns the earliest moment from now on at which a call with so many ahead of it can start, slots aside; l.mu
// is held.
func (l *limiter) start(now time.Time, ahead int) time.Time {
	at := now
	if until, open := l.pauses.open(now, l.underway); !open {
		at = later(at, until)
	}
	if l.lease.starts == 0 {
		at = later(at, l.lease.emptyUntil)
	}
	return later(at, l.log.earliest(at, l.underway+ahead))
}

// ready reports whether a call may start now, the shared budget aside; l.mu is held.
func (l *limiter) ready(now time.Time) bool {
	if l.free == 0 {
		return false
	}
	_, open := l.pauses.open(now, l.underway)
	return open && !l.log.earliest(now, l.underway).After(now)
}

// refreshError returns why a refresh cannot start at once, nil if it can or the shared budget is to be asked; l.mu is
// held.
func (l *limiter) refreshError(now time.Time) error {
	at := l.start(now, 0)
	switch {
	case at.After(now):
		return l.limited(at.Sub(now))
	case l.free == 0, l.queues[Write].n+l.queues[Read].n+l.queues[Later].n+l.queues[Renewal].n > 0:
		return noSlot(0)
	case !l.ready(now), l.lastQuarter(now):
		return l.limited(0)
	}
	return nil
}

// lastQuarter reports whether a window, ours or the backend's, has no more than a quarter left; l.mu is held.
func (l *limiter) lastQuarter(now time.Time) bool {
	p := &l.pauses
	if p.known && p.limit > 0 && 4*p.left(l.underway) <= p.limit {
		return true
	}
	for i, left := range l.log.left(now, l.underway) {
		if 4*left <= l.log.rates[i].Usable() {
			return true
		}
	}
	return false
}

func (l *limiter) limited(wait time.Duration) error {
	e := &Error{Kind: RateLimited, Local: true, RetryAfter: max(wait, 0),
		Err: errors.New("no call can start before the deadline")}
	if l.pauses.closedBy == Unavailable && l.pauses.closed.After(time.Now()) {
		e.Kind, e.Err = Unavailable, errors.New("the backend asked for a pause")
	}
	return e
}

// dispatch starts every call that may start now and sets the timer for the next; l.mu is held.
func (l *limiter) dispatch() {
	now := time.Now()
	l.lease.expire(now)
	for _, q := range l.order {
		if q == &l.queues[Renewal] && q.n > 0 && l.lastQuarter(now) {
			l.rejectAll(q, now)
		}
		for q.n > 0 && l.ready(now) && l.leased(now) {
			w := q.pop()
			w.permit = l.begin()
			w.ready <- struct{}{}
		}
	}
	if l.waiting() == 0 {
		l.delayed, l.soonest = 0, time.Time{}
		if l.lease.starts > 0 {
			l.schedule(l.lease.until)
		}
		return
	}
	if !l.lease.asking {
		l.rejectWaitingRefreshes(now)
	}
	at := l.start(now, 0)
	// Without a slot it is the end of a call that lets the next one start.
	if at.After(now) {
		l.schedule(at)
	}
	l.sweepIfDue(now, at)
}

// sweepIfDue sweeps the queue once enough of it starts later than estimated; at is when the next call starts. l.mu is
// held.
func (l *limiter) sweepIfDue(now, at time.Time) {
	due := at.After(l.swept) && at.After(now) && l.pausing(now) || sweepDivisor*l.delayed >= l.waiting() && l.delayed > 0
	if due && !l.soonest.IsZero() && l.start(now, l.waiting()-1).After(l.soonest) {
		l.sweep(now)
		l.swept = at
	}
}

// leased takes a start of the shared budget, or asks for more; l.mu is held.
func (l *limiter) leased(now time.Time) bool {
	if l.lease.take(now) {
		return true
	}
	if !l.lease.emptyUntil.After(now) {
		l.ask()
	}
	return false
}

// pausing reports whether something else than the rates keeps calls from starting: that is in no estimate made before.
// l.mu is held.
func (l *limiter) pausing(now time.Time) bool {
	until, open := l.pauses.open(now, l.underway)
	return !open && until.After(now) || l.lease.starts == 0 && l.lease.emptyUntil.After(now)
}

// sweep refuses the waiting calls that cannot start in time any more; l.mu is held.
func (l *limiter) sweep(now time.Time) {
	ahead := 0
	l.soonest = time.Time{}
	for _, q := range l.order[:len(l.order)-1] {
		q.each(func(w *waiter) {
			if !w.deadline.IsZero() {
				if at := l.start(now, ahead); at.After(w.deadline) && at.After(now) {
					q.remove(w)
					w.reject(l.limited(at.Sub(now)))
					return
				}
			}
			l.noteDeadline(w.deadline)
			ahead++
		})
	}
	l.delayed = 0
}

// noteDeadline keeps the soonest deadline of the calls that wait; l.mu is held.
func (l *limiter) noteDeadline(deadline time.Time) {
	if !deadline.IsZero() && (l.soonest.IsZero() || deadline.Before(l.soonest)) {
		l.soonest = deadline
	}
}

// rejectWaitingRefreshes fails the refreshes that waited for the shared budget and got nothing; l.mu is held.
func (l *limiter) rejectWaitingRefreshes(now time.Time) {
	l.rejectAll(&l.queues[Refresh], now)
}

func (l *limiter) rejectAll(q *fairQueue, now time.Time) {
	for q.n > 0 {
		q.pop().reject(l.limited(l.start(now, 0).Sub(now)))
	}
}

// schedule calls dispatch then; l.mu is held.
func (l *limiter) schedule(at time.Time) {
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(at), func() {
			// A panic, which nothing else recovers here, leaves the calls to those that come next.
			_ = task.Run(func() error {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.wakes = time.Time{}
				l.dispatch()
				return nil
			})
		})
	} else if !at.Equal(l.wakes) {
		l.timer.Reset(time.Until(at))
	}
	l.wakes = at
}

// begin counts a call that starts now; l.mu is held.
func (l *limiter) begin() permit {
	l.free--
	l.underway++
	return permit{l, l.lease.until, l.lease.move}
}

// cancel returns the start and its slot.
func (p *permit) cancel() {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.underway--
	if p.move != nil && time.Now().Before(p.until) && p.until.Equal(l.lease.until) {
		l.lease.starts++
	}
	l.dispatch()
}

// release ends the call, which took so long; resp is its answer, which began at answered and wants a pause, nil if none
// came.
func (p *permit) release(resp *http.Response, answered time.Time, took, pause time.Duration) {
	l, now := p.limiter, time.Now()
	if resp == nil {
		answered = now
	}
	if p.move != nil && answered.After(p.until) {
		p.move(1, answered)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.underway--
	l.log.add(answered)
	if l.samples++; l.samples == 1 {
		l.mean = took
	}
	l.mean += (took - l.mean) / weight
	if resp != nil {
		l.pauses.apply(resp, pause, now)
	} else {
		l.pauses.missing++
	}
	if l.waiting() > 0 && len(l.log.rates) > 0 {
		l.delayed++ // it counts from its answer on, which is later than estimated
	}
	l.dispatch()
}

func (l *limiter) describe(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i, left := range l.log.left(now, l.underway) {
		r := l.log.rates[i]
		s.Budget = append(s.Budget, BudgetStatus{window(r.Per), r.Count, r.Usable(), left})
	}
	s.Waiting, s.UnderWay = l.waiting(), l.underway
	if until, open := l.pauses.open(now, l.underway); !open {
		s.ClosedUntil = moment(until)
	}
}
