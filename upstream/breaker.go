package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/learngraph/learngraph/task"
)

// Class groups the routes of a backend that fail together.
type Class uint8

// The classes.
const (
	// Reads are the calls that neither search nor change anything.
	Reads Class = iota
	// Searches are those that the backend has to look for.
	Searches
	// Writes are those that change something.
	Writes
	classes
)

func (c Class) String() string { return [...]string{"reads", "searches", "writes"}[c] }

// MarshalText returns the name of the class.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

const (
	// A circuit opens when of at least minVolume calls in a span half failed.
	minVolume = 20
	// minSlow is the least number of calls in a row that ran out of time after which it opens too.
	minSlow = 5
	// The first probe comes after firstProbe, each further one after twice as long.
	firstProbe = time.Second
	lastProbe  = 16 * time.Second
	// calmPeriod is how long a circuit must have been closed for the probes to begin again with firstProbe: probes can
	// succeed where calls fail.
	calmPeriod = 30 * time.Second
	// maxSlowThreshold is the most that a call must have been under way for the end of its operation to count as a
	// failure.
	maxSlowThreshold = 5 * time.Second
	// slowFactor is how many times as long as the backend's answers take, on average, that must have been.
	slowFactor = 2
)

var errOpen = errors.New("the circuit is open: the backend has been failing")

// circuit is the breaker of one class. No user's call tries whether it may close: the probe closes it.
type circuit struct {
	calls, failures rolling
	slow            int // calls in a row that ran out of time
	open            bool
	since           time.Time
}

// record counts a call, and opens the circuit if that is one failure too many. With so many slots a backend that hangs
// never lets minVolume calls end in a span, so a whole set of calls in a row that ran out of time opens it as well.
func (k *circuit) record(now time.Time, v outcomeClass, slots int) {
	k.calls.add(now)
	if v.failed {
		k.failures.add(now)
	}
	if v.slow {
		k.slow++
	} else {
		k.slow = 0
	}
	// A success opens it too, where it is the call that makes the volume full.
	volume := k.calls.sum(now)
	if volume >= minVolume && 2*k.failures.sum(now) >= volume || k.slow >= max(minSlow, slots) {
		k.open, k.since = true, now
	}
}

// health holds the breakers of one backend and its probe.
type health struct {
	// slots is how many calls are under way at once: a backend that hangs lets no more end in the time of one call.
	slots int
	// probe makes a cheap call of the backend and reports whether it was answered; nil means that no circuit opens.
	probe func() bool

	mu       sync.Mutex
	circuits [classes]circuit
	probes   int // since the backend was last well
	next     time.Time
	timer    *time.Timer
	closedAt time.Time
	ended    bool
	mean     time.Duration // of the exchanges that brought an answer, the last ones weighing most
}

func newHealth(slots int) *health {
	return &health{slots: slots}
}

// outcomeClass is the effect of one call on the breaker.
type outcomeClass struct {
	counts, failed bool
	slow           bool // failed by running out of time
}

// classifyOutcome weighs a call's end. Connection failures, timeouts, 5xx and bodies that cannot be read are failures;
// a 4xx is the backend's answer, a 429 the budget's business. The end of the operation counts only if the call had been
// under way for longer than the client's slow threshold by then, and longer than answers of this backend take: a
// backend that is slow but healthy must not be closed to all because calls of one operation began late. A deadline that
// a caller chose counts never.
func (c *Client) classifyOutcome(err *Error) outcomeClass {
	switch {
	case err == nil:
		return outcomeClass{counts: true}
	case err.Local, err.detail.otherRoute, err.Kind == LimitExceeded:
		return outcomeClass{}
	case err.Status >= 400 && err.Status <= 499:
		return outcomeClass{counts: err.Status != http.StatusTooManyRequests}
	}
	switch err.detail.kind {
	case Unavailable, Contract:
		return outcomeClass{counts: true, failed: true}
	case Timeout:
		return outcomeClass{true, true, true}
	case Deadline:
		late := !err.detail.shortDeadline && err.detail.since >= max(c.slowThreshold(), slowFactor*c.health.answerTime())
		return outcomeClass{late, late, late}
	case Rejected:
		return outcomeClass{counts: true}
	}
	return outcomeClass{}
}

// slowThreshold is half of the time that a call may take, of its own timeout or of the operation's.
func (c *Client) slowThreshold() time.Duration {
	d := c.opts.Timeout
	if o := c.opts.OperationTimeout; o > 0 {
		d = min(d, o)
	}
	return min(d/2, maxSlowThreshold)
}

// record counts a call for the circuit of its class, and has the backend probed once that is open.
func (h *health) record(class Class, v outcomeClass) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := &h.circuits[class]
	if !v.counts || k.open || h.probe == nil {
		return
	}
	if k.record(time.Now(), v, h.slots); k.open {
		h.schedule(k.since)
	}
}

// schedule sets the next probe unless one is due; h.mu is held.
func (h *health) schedule(now time.Time) {
	if h.timer != nil || h.ended {
		return
	}
	if !h.closedAt.IsZero() && now.Sub(h.closedAt) >= calmPeriod {
		h.probes = 0
	}
	wait := min(firstProbe<<min(h.probes, 10), lastProbe)
	h.probes++
	h.next = now.Add(wait)
	h.timer = time.AfterFunc(wait, h.sendProbe)
}

// sendProbe probes the backend and closes all circuits if it answers.
func (h *health) sendProbe() {
	well := false
	_ = task.Run(func() error { // a probe that panics found nothing well
		well = h.probe()
		return nil
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = nil
	if !well {
		h.closedAt = time.Time{}
		h.schedule(time.Now())
		return
	}
	h.closedAt = time.Now()
	h.circuits = [classes]circuit{}
}

// recordLatency notes how long an answer took.
func (h *health) recordLatency(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mean == 0 {
		h.mean = took
	}
	h.mean += (took - h.mean) / 4
}

// answerTime returns how long answers take on average, 0 before the first.
func (h *health) answerTime() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mean
}

func (h *health) isOpen(class Class) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.circuits[class].open
}

// rejection is the answer to a call of a class whose circuit is open, nil if it may be made.
func (h *health) rejection(class Class) *Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.circuits[class].open {
		return nil
	}
	// While a probe is under way its moment has passed; a second later there is news.
	wait := max(time.Until(h.next), firstProbe)
	return &Error{Kind: Unavailable, Local: true, RetryAfter: wait, Err: errOpen}
}

// end stops the probes.
func (h *health) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

// ProbeWith sets the request that decides whether the backend works again after a circuit opened: one cheap read, made
// in the background and out of the budget. Once started it may take as long as any call, or a backend that is slow
// would never be found well. Without one no circuit opens. Set it before the first call.
func (c *Client) ProbeWith(req Request) {
	req.Write = false
	req.probe = true
	c.health.probe = func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), c.slowThreshold()+c.opts.Timeout)
		defer cancel()
		u, err := c.target(&req)
		if err != nil {
			return false
		}
		resp, err := c.send(ctx, &req, u, nil, 0)
		v := c.classifyOutcome(c.conclude(&req, resp, err))
		return v.counts && !v.failed
	}
}

// Close ends the probes; the calls under way go on.
func (c *Client) Close() { c.health.end() }
