package upstream

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// lateness is how much later than booked a call may start: one that waited longer for a slot books again.
	lateness = 20 * time.Millisecond
	// The most that a backend's word about its own limits is believed, after a 429 and else.
	maxRefused = time.Hour
	maxPause   = time.Minute
	// minSamples is how many exchanges must have ended before their mean says how long a slot is taken, weight that of
	// the mean so far against one more.
	minSamples = 5
	weight     = 4
	// firstRefusal is how long a 429 without a time closes the backend, each further one in a row for twice as long.
	firstRefusal = time.Second
)

// governor lets the calls of one backend start: as its slots and its budget allow, as the backend's own words allow,
// writes first.
//
// Every call that waits has a booking in the budget, but bookings belong to no call: whenever one comes due it goes to
// the call that is then the first. A call that this leaves without a start before its deadline is told at once.
type governor struct {
	budget Budget // nil allows everything

	mu      sync.Mutex
	own     ledger
	free    int // slots
	size    int
	mean    time.Duration // of an exchange
	samples int

	waiting []*ticket // by priority, then by arrival
	booked  []booking // ascending; as many as waiting once pump has come by, none while closed until a known time
	timer   *time.Timer

	closed   time.Time // the backend asked us not to call before it
	closedBy Kind
	refusals int // 429s in a row

	known   bool      // the backend said what is left
	low     int       // the least that it said: of answers that overtake each other that is the last word
	missing int       // answers that did not come since
	limit   int       // 0 if it did not say
	until   time.Time // there is more then
}

// ticket is a call that waits.
type ticket struct {
	priority Priority
	deadline time.Time // the zero time is none
	answer   chan grant
}

// grant is the answer to a ticket.
type grant struct {
	pass *pass
	err  error
}

// pass is the permission to start one call now, and its slot.
type pass struct {
	governor *governor
	settle   func(arrived time.Time)
}

type booking struct {
	at     time.Time
	settle func(arrived time.Time)
}

func (b booking) release() { b.settle(time.Time{}) }

func newGovernor(slots int, rates []Rate, budget Budget) *governor {
	return &governor{budget: budget, own: ledger{rates: rates}, free: slots, size: slots}
}

// admit waits until the call may start. What cannot start before ctx's deadline fails at once, and so does a Refresh
// that cannot start now.
func (g *governor) admit(ctx context.Context, p Priority) (*pass, error) {
	deadline, _ := ctx.Deadline()
	t := &ticket{p, deadline, make(chan grant, 1)}
	g.mu.Lock()
	if p == Refresh {
		pass, err := g.refresh(ctx)
		g.mu.Unlock()
		return pass, err
	}
	i := len(g.waiting)
	for i > 0 && p.before(g.waiting[i-1].priority) {
		i--
	}
	if err := g.hopeless(i, deadline); err != nil {
		g.mu.Unlock()
		return nil, err
	}
	g.waiting = slices.Insert(g.waiting, i, t)
	g.pump()
	g.mu.Unlock()
	select {
	case a := <-t.answer:
		return a.pass, a.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pump() // its start may be due in this very moment
	select {
	case a := <-t.answer:
		return a.pass, a.err
	default:
	}
	g.remove(slices.Index(g.waiting, t))
	g.pump()
	return nil, contextError(ctx)
}

// hopeless is the failure of a call at a position of the queue if not even half the time that the exchanges so far
// took would let a slot come free before its deadline; g.mu is held.
func (g *governor) hopeless(position int, deadline time.Time) error {
	if deadline.IsZero() || g.free > 0 || g.samples < minSamples {
		return nil
	}
	wait := g.mean * time.Duration(position+1) / time.Duration(g.size)
	if wait/2 <= time.Until(deadline) {
		return nil
	}
	return noSlot(wait)
}

// refresh lets a call start now or not at all; g.mu is held.
func (g *governor) refresh(ctx context.Context) (*pass, error) {
	now := time.Now()
	until, open := g.gate(now)
	switch {
	case !open:
		return nil, g.refusal(until.Sub(now))
	case g.lastQuarter():
		return nil, g.refusal(0)
	case g.free == 0 || len(g.waiting) > 0:
		return nil, noSlot(0)
	}
	if room := g.own.room(now); room.After(now) {
		return nil, g.refusal(room.Sub(now))
	}
	b, ok := g.reserve(ctx, now, now)
	if !ok {
		return nil, g.refusal(b.at.Sub(now))
	}
	return g.start(b), nil
}

// lastQuarter says whether a window of the budget, ours or the backend's, has no more than a quarter left; g.mu is
// held.
func (g *governor) lastQuarter() bool {
	if g.known && g.limit > 0 && 4*g.left() <= g.limit {
		return true
	}
	for i, left := range g.lefts() {
		if i < len(g.own.rates) && 4*left <= g.own.rates[i].Usable() {
			return true
		}
	}
	return false
}

// left is what the backend's own words leave: calls under way may not be counted in them. g.mu is held.
func (g *governor) left() int { return g.low - g.own.underway - g.missing }

// lefts is what the rates have left now, as far as the budget tells.
func (g *governor) lefts() []int {
	if b, ok := g.budget.(interface{ Left() []int }); ok {
		return b.Left()
	}
	return g.own.left(time.Now())
}

func (g *governor) reserve(ctx context.Context, now, latest time.Time) (booking, bool) {
	if g.budget == nil {
		return booking{now, func(time.Time) {}}, true
	}
	at, settle, ok := g.budget.Reserve(ctx, latest)
	return booking{later(at, now), settle}, ok
}

// gate says whether the backend lets us call; if not, from when on it will, the zero time if a call under way may tell.
// g.mu is held.
func (g *governor) gate(now time.Time) (until time.Time, open bool) {
	if g.closed.After(now) {
		return g.closed, false
	}
	if !g.known || g.left() > 0 {
		return time.Time{}, true
	}
	if g.until.After(now) {
		if g.low > g.missing {
			return time.Time{}, false // what is left may be all taken by calls that have not answered
		}
		return g.until, false
	}
	// What is left by now is not known: one call at a time finds out.
	return time.Time{}, g.own.underway == 0
}

// pump answers every ticket that can be answered now and sets the timer for the next; g.mu is held.
func (g *governor) pump() {
	for len(g.waiting) > 0 {
		now := time.Now()
		until, open := g.gate(now)
		if !open {
			if !until.IsZero() {
				g.unbook(0)
				g.refuseBefore(until, now)
				g.wake(until)
			}
			return
		}
		g.book(now)
		if len(g.waiting) == 0 {
			return
		}
		b, t := g.booked[0], g.waiting[0]
		switch {
		case b.at.After(now):
			g.wake(b.at)
			return
		case g.free == 0:
			return
		}
		if g.budget != nil && now.Sub(b.at) > lateness {
			g.booked = slices.Delete(g.booked, 0, 1)
			b.release() // it waited for a slot or for room and is no longer true
			continue
		}
		if room := g.own.room(now); room.After(now) {
			g.refuseBefore(room, now)
			g.wake(room)
			return
		}
		g.booked = slices.Delete(g.booked, 0, 1)
		g.waiting = slices.Delete(g.waiting, 0, 1)
		t.answer <- grant{pass: g.start(b)}
	}
}

// wake calls pump then; g.mu is held.
func (g *governor) wake(at time.Time) {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.timer = time.AfterFunc(time.Until(at), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pump()
	})
}

// unbook gives back the bookings beyond the first n; g.mu is held.
func (g *governor) unbook(n int) {
	for _, b := range g.booked[n:] {
		b.release()
	}
	g.booked = g.booked[:n]
}

// refuseBefore tells the calls that end before the gate opens; g.mu is held.
func (g *governor) refuseBefore(until, now time.Time) {
	for i := len(g.waiting) - 1; i >= 0; i-- {
		if d := g.waiting[i].deadline; !d.IsZero() && d.Before(until) {
			g.refuse(i, until.Sub(now))
		}
	}
}

// book makes a booking for every call that waits, and refuses those that none is left for; g.mu is held.
func (g *governor) book(now time.Time) {
	for len(g.booked) < len(g.waiting) {
		b, ok := g.reserve(context.Background(), now, g.latest())
		if !ok {
			g.refuse(len(g.waiting)-1, b.at.Sub(now))
			continue
		}
		i, _ := slices.BinarySearchFunc(g.booked, b.at, func(b booking, at time.Time) int { return b.at.Compare(at) })
		g.booked = slices.Insert(g.booked, i, b)
	}
	for i := 0; i < len(g.waiting); i++ {
		at, d := g.booked[i].at, g.waiting[i].deadline
		if !d.IsZero() && at.After(d) {
			g.refuse(i, at.Sub(now))
			i--
		}
	}
}

// latest is the last moment at which any of the calls that wait can use a start; g.mu is held.
func (g *governor) latest() time.Time {
	var latest time.Time
	for _, t := range g.waiting {
		if t.deadline.IsZero() {
			return time.Time{}
		}
		latest = later(latest, t.deadline)
	}
	return latest
}

// refuse tells a call that it cannot start; g.mu is held.
func (g *governor) refuse(i int, wait time.Duration) {
	g.waiting[i].answer <- grant{err: g.refusal(wait)}
	g.remove(i)
}

// remove takes a call out, and a booking if there are too many then; g.mu is held.
func (g *governor) remove(i int) {
	g.waiting = slices.Delete(g.waiting, i, i+1)
	if len(g.booked) > len(g.waiting) {
		g.unbook(len(g.waiting))
	}
}

func (g *governor) refusal(wait time.Duration) error {
	e := &Error{Kind: RateLimited, Local: true, RetryAfter: max(wait, 0), Err: errors.New("no call can start before the deadline")}
	if g.closedBy == Unavailable && g.closed.After(time.Now()) {
		e.Kind, e.Err = Unavailable, errors.New("the backend asked for a pause")
	}
	return e
}

// start counts a call that starts now with the booking b; g.mu is held.
func (g *governor) start(b booking) *pass {
	g.free--
	g.own.underway++
	return &pass{g, b.settle}
}

// unused gives the start and its slot back.
func (p *pass) unused() {
	g := p.governor
	p.settle(time.Time{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.own.underway--
	g.pump()
}

// done ends the call, which took so long; resp is its answer, which began at answered, nil if none came.
func (p *pass) done(resp *http.Response, answered time.Time, took, pause time.Duration) {
	g, now := p.governor, time.Now()
	if resp == nil {
		answered = now
	}
	p.settle(answered)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.own.end(answered, now)
	if g.samples++; g.samples == 1 {
		g.mean = took
	}
	g.mean += (took - g.mean) / weight
	if resp != nil {
		g.heed(resp, pause)
	} else {
		g.missing++
	}
	g.pump()
}

// heed takes the backend's own words about its limits from an answer, so that we slow down before it refuses; g.mu is
// held.
func (g *governor) heed(resp *http.Response, pause time.Duration) {
	now := time.Now()
	if resp.StatusCode == http.StatusTooManyRequests {
		if !g.closed.After(now) {
			g.refusals++ // of calls that were sent together only the first counts
		}
		if pause == 0 {
			pause = min(firstRefusal<<min(max(g.refusals-1, 0), 10), maxPause)
		}
		g.close(now.Add(pause), RateLimited)
	} else {
		g.refusals = 0
		if pause > 0 {
			g.close(now.Add(pause), Unavailable)
		}
	}
	remaining, limit, reset, ok := remainder(resp.Header, now)
	fresh := !g.known || !now.Before(g.until)
	g.known = ok
	if !ok {
		return
	}
	until := now.Add(min(reset, maxRefused))
	const rounding = time.Second / 2
	switch {
	case fresh, until.After(g.until.Add(rounding)):
		g.low, g.missing, g.limit, g.until = remaining, 0, limit, until
	case !until.Before(g.until.Add(-rounding)):
		g.low = min(g.low, remaining)
	}
}

func (g *governor) close(until time.Time, by Kind) {
	if until.After(g.closed) {
		g.closed, g.closedBy = until, by
	}
}

// remainder reads X-RateLimit-Remaining, -Limit (0 if absent) and -Reset: Unix seconds, or seconds from now.
func remainder(h http.Header, now time.Time) (remaining, limit int, reset time.Duration, ok bool) {
	remaining, ok = count(h, "X-Ratelimit-Remaining")
	at, known := count(h, "X-Ratelimit-Reset")
	if !ok || !known {
		return 0, 0, 0, false
	}
	limit, _ = count(h, "X-Ratelimit-Limit")
	const year = 365 * 24 * 60 * 60
	if at < year {
		return remaining, limit, time.Duration(at) * time.Second, true
	}
	// The backend's clock need not be ours.
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return remaining, limit, max(time.Unix(int64(min(at, 1<<40)), 0).Sub(now), 0), true
}

func count(h http.Header, name string) (int, bool) {
	n, ok := wholeNumber(strings.TrimSpace(h.Get(name)))
	return n, ok && n >= 0
}

// wholeNumber reads a number that a backend sent. One that an int cannot hold is the nearest that it can.
func wholeNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}
