package upstream

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Call is one HTTP exchange, as the log and an operation's facts see it.
type Call struct {
	Backend       Backend
	Method, Route string
	// Status is 0 if no answer came.
	Status int
	// Retries is how often the same call had been sent before and failed.
	Retries  int
	Start    time.Time
	Duration time.Duration
	// Wait is how long the call waited for its budget before Start.
	Wait time.Duration
	// Parameters are the call's parameters, where its operation is explained.
	Parameters []Parameter
	// Bytes are those of the body as received, before inflating.
	Bytes int64
	Purpose
	// Kind is the failure of the exchange, Unknown if it brought a 2xx or the 304 that was asked for. An error
	// of reading its body is not in it.
	Kind Kind
	// Number identifies an exchange within this process.
	Number uint64
}

// numbers is the last Call's.
var numbers atomic.Uint64

// observer is called with an exchange, and with the context that it was made under.
type observer func(context.Context, Call)

// WithObserver has f called at the end of each exchange made under the returned context, with the exchange's own
// context, besides the observers that ctx already has, and has begun count the exchanges as they begin, in place of the
// counter of ctx; begun may be nil. Calls run in parallel, so f must be safe for concurrent use.
func WithObserver(ctx context.Context, begun *atomic.Int64, f func(context.Context, Call)) context.Context {
	return withScope(ctx, func(s *scope) {
		if begun != nil {
			s.begun = begun
		}
		outer := s.observe
		if s.observe = f; outer != nil {
			s.observe = func(ctx context.Context, c Call) { outer(ctx, c); f(ctx, c) }
		}
	})
}

func (c *Client) observe(ctx context.Context, call Call) {
	if f := scopeOf(ctx).observe; f != nil {
		f(ctx, call)
	}
	if c.opts.Observer != nil {
		c.opts.Observer(call)
	}
}

// Outcome is how a call ended, as far as it counts for the backend.
type Outcome struct {
	At time.Time
	// Failure is why the backend did not do its part, Unknown if it did: an answer of 404 or 400 is a success of the
	// backend.
	Failure Kind
}

// OK reports whether the backend did its part.
func (o Outcome) OK() bool { return o.Failure == Unknown }

// outcomes are those that the readiness of the process depends on.
type outcomes struct {
	mu                     sync.Mutex
	last, success, failure Outcome
}

// LastOutcome is that of the exchange that ended last, probes included; false before the first. Calls that were
// cancelled or that we refused are not counted, and neither are those that ran out of the operation's time before they
// had been under way for half of their own (at most five seconds).
func (c *Client) LastOutcome() (Outcome, bool) {
	c.outcomes.mu.Lock()
	defer c.outcomes.mu.Unlock()
	return c.outcomes.last, !c.outcomes.last.At.IsZero()
}

// recordOutcome keeps the outcome of a try, with the verdict that the breaker has on it.
//
//nolint:gocyclo // a case for each kind of error
func (c *Client) recordOutcome(req *Request, err *Error, v outcomeClass) {
	o := Outcome{At: time.Now()}
	if err != nil {
		switch {
		case err.Local, err.Kind == LimitExceeded, err.Kind == Invalid && err.Status == 0:
			return
		case err.Kind == Canceled, err.detail.kind == Canceled:
			return
		case (err.Kind == Deadline || err.detail.kind == Deadline) && !v.failed:
			return
		case req.Write && err.Status == http.StatusForbidden:
			// A plan without the entitlement refuses some writes; the backend is well.
		case err.Kind == Invalid, err.Kind == NotFound:
		case err.Kind == Rejected && err.Status >= 400 && err.Status != http.StatusUnauthorized &&
			err.Status != http.StatusForbidden:
		default:
			o.Failure = err.Kind
		}
	}
	c.outcomes.mu.Lock()
	defer c.outcomes.mu.Unlock()
	c.outcomes.last = o
	if o.OK() {
		c.outcomes.success = o
	} else {
		c.outcomes.failure = o
	}
}
