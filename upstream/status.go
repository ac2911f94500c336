package upstream

import "time"

// Status is the state of one backend, as far as this process knows it. It makes no call.
type Status struct {
	Backend  Backend
	Circuits []CircuitStatus // one for each Class, in their order
	Budget   []BudgetStatus  // one for each rate of the options, in their order
	// ClosedUntil is when the backend lets us call again after its own words, the zero time if it does now.
	ClosedUntil time.Time
	// Waiting calls wait for the budget or a slot; UnderWay are the exchanges.
	Waiting, UnderWay int
	// LastSuccess and LastFailure are when the backend last did its part and last did not, with Failure the reason. The
	// zero time means never.
	LastSuccess, LastFailure time.Time
	// Last is the outcome that came last.
	Last    Outcome
	Failure Kind
}

// CircuitStatus is the breaker of one class of routes.
type CircuitStatus struct {
	Class Class
	// Open means that calls are answered by Unavailable without asking the backend, since Since; NextProbe is when it is
	// asked whether it is well again.
	Open             bool
	Since, NextProbe time.Time
	// Calls and Failures are those of the last ten seconds, while it is closed.
	Calls, Failures int
}

// BudgetStatus is the number of calls that one rate has left now, of its usable ones.
type BudgetStatus struct {
	Rate         Rate
	Left, Usable int
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
	s := Status{Backend: c.opts.Backend}
	c.health.describe(&s)
	c.limiter.describe(&s)
	c.outcomes.mu.Lock()
	defer c.outcomes.mu.Unlock()
	s.Last = c.outcomes.last
	s.LastSuccess, s.LastFailure, s.Failure = c.outcomes.success.At, c.outcomes.failure.At, c.outcomes.failure.Failure
	return s
}

func (h *health) describe(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for class := range classes {
		k := &h.circuits[class]
		if k.open {
			s.Circuits = append(s.Circuits, CircuitStatus{Class: class, Open: true, Since: k.since, NextProbe: h.next})
			continue
		}
		s.Circuits = append(s.Circuits, CircuitStatus{Class: class, Calls: k.calls.sum(now), Failures: k.failures.sum(now)})
	}
}
