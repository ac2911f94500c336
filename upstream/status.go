package upstream

import (
	"strings"
	"time"
)

// Status is the state of one backend, as far as this process knows it and as /status shows it. It makes no call. Its
// times are in UTC, to the millisecond.
type Status struct {
	Backend  Backend         `json:"backend"`
	Circuits []CircuitStatus `json:"circuits"` // one for each Class, in their order
	Budget   []BudgetStatus  `json:"budget"`   // one for each rate of the options, in their order
	// ClosedUntil is when the backend lets us call again after its own words, the zero time if it does now.
	ClosedUntil time.Time `json:"heldUntil,omitzero"`
	// Waiting calls wait for the budget or a slot; UnderWay are the exchanges.
	Waiting  int `json:"waiting"`
	UnderWay int `json:"underWay"`
	// LastSuccess and LastFailure are when a call last succeeded and last failed, with Failure the kind of the failure.
	// The zero time means never.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	LastFailure time.Time `json:"lastFailure,omitzero"`
	Failure     string    `json:"failure,omitempty"`
	// Last is the outcome that came last.
	Last Outcome `json:"-"`
}

// CircuitStatus is the breaker of one class of routes.
type CircuitStatus struct {
	Class Class `json:"class"`
	// Open means that calls are answered by Unavailable without asking the backend, since Since; NextProbe is when it is
	// asked whether it is well again.
	Open      bool      `json:"open"`
	Since     time.Time `json:"since,omitzero"`
	NextProbe time.Time `json:"nextProbe,omitzero"`
	// Calls and Failures are those of the last ten seconds, while it is closed.
	Calls    int `json:"calls"`
	Failures int `json:"failures"`
}

// BudgetStatus is the number of calls that one rate has left now, of its usable ones.
type BudgetStatus struct {
	// Window is the duration of the rate as it is configured, such as 1m.
	Window string `json:"window"`
	Limit  int    `json:"limit"`
	Usable int    `json:"usable"`
	Left   int    `json:"left"`
}

// moment returns t as an operator reads it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// window writes a duration as it is configured: 1m, not 1m0s.
func window(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Failing reports whether the backend is known not to do its part: a circuit for reading is open, or its last call
// failed less than so long ago.
func (s Status) Failing(recent time.Duration) bool {
	for _, k := range s.Circuits {
		if k.Open && k.Class == Reads {
			return true
		}
	}
	return !s.Last.OK() && time.Since(s.Last.At) < recent
}

// Status is the backend's state now.
func (c *Client) Status() Status {
	s := Status{Backend: c.opts.Backend, Budget: []BudgetStatus{}}
	c.health.describe(&s)
	c.limiter.describe(&s)
	c.outcomes.mu.Lock()
	defer c.outcomes.mu.Unlock()
	s.Last = c.outcomes.last
	s.LastSuccess, s.LastFailure = moment(c.outcomes.success.At), moment(c.outcomes.failure.At)
	if !s.LastFailure.IsZero() {
		s.Failure = c.outcomes.failure.Failure.String()
	}
	return s
}

func (h *health) describe(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for class := range classes {
		k := &h.circuits[class]
		if k.open {
			s.Circuits = append(s.Circuits, CircuitStatus{Class: class, Open: true, Since: moment(k.since),
				NextProbe: moment(h.next)})
			continue
		}
		s.Circuits = append(s.Circuits, CircuitStatus{Class: class, Calls: k.calls.sum(now), Failures: k.failures.sum(now)})
	}
}
