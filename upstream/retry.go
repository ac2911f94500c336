package upstream

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// DefaultRetries is how often a call is sent again where Options.Retries is 0.
const DefaultRetries = 2

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 2 * time.Second
	// minRetries in a span are allowed however little traffic there is, beyond that one per retryDivisor of it.
	minRetries   = 3
	retryDivisor = 10
)

// retryBudget bounds the retries of one backend: one that struggles must not be asked three times as often.
type retryBudget struct {
	mu             sync.Mutex
	calls, retries rolling
}

func (b *retryBudget) called(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.add(now)
}

func (b *retryBudget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retries.sum(now) >= max(minRetries, b.calls.sum(now)/retryDivisor) {
		return false
	}
	b.retries.add(now)
	return true
}

// repeatable reports whether sending req again can do no harm after it failed with err. A call that used up its time is
// not repeated: a backend that hangs would be hit twice, and the operation has hardly time for it.
func repeatable(req *Request, err *Error) bool {
	switch {
	case err.Local:
		return false
	case err.detail.kind == RateLimited:
		// A refused call was not carried out. Where the backend sends no Retry-After, the budget decides.
		return true
	case err.detail.unsent:
		return err.detail.kind == Unavailable
	}
	return err.detail.kind == Unavailable && req.safe()
}

// safe reports whether the same request twice has the effect of once.
func (r *Request) safe() bool {
	return r.Safe || !r.Write && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// retryDelay reports whether a request that failed for the nth time, from 0, is sent once more, and how long to wait
// before.
func (c *Client) retryDelay(ctx context.Context, req *Request, err *Error, n int) (wait time.Duration, ok bool) {
	if n >= c.opts.Retries || ctx.Err() != nil || !repeatable(req, err) || c.health.isOpen(req.class()) {
		return 0, false
	}
	if priorityOf(ctx, req) == Refresh {
		return 0, false // no caller waits for it, and one may need the retry
	}
	wait = max(c.backoff(n), err.RetryAfter)
	// An operation without a deadline does not wait longer than for a call.
	latest := time.Now().Add(c.opts.Timeout)
	if deadline, ok := ctx.Deadline(); ok {
		latest = deadline
	}
	now := time.Now()
	return wait, now.Add(wait).Before(latest) && c.retries.take(now)
}

// backoff doubles with each try; half of it is random, so that calls that failed together do not return together.
func (c *Client) backoff(n int) time.Duration {
	d := min(firstBackoff<<min(n, 10), maxBackoff)
	return d/2 + time.Duration(c.random()*float64(d/2))
}

// Attempt is how often the call that a transport sends was sent before and failed.
func Attempt(ctx context.Context) int { return scopeOf(ctx).attempt }

// sleep waits and reports whether it was to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
