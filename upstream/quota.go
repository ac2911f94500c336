package upstream

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/learngraph/learngraph/inflight"
)

// DefaultCalls is how many calls one operation may make as a rule.
const DefaultCalls = 500

// The names of the limits that an Error with LimitExceeded shows.
const (
	LimitCalls = "upstreamCalls" // calls of one operation
	LimitBytes = "upstreamBytes" // bytes received by one operation, before inflating
	LimitPages = "upstreamPages" // pages of one scan of a list
	// LimitInflight is the bytes that all requests in flight hold.
	LimitInflight = "inflightBytes"
)

// Limit is a bound of ours that a call would pass.
type Limit struct {
	Name string
	// Reached is where the operation got to, or would have with the refused call.
	Reached, Allowed int64
}

// operationQuota counts the calls and bytes of one operation against their bounds. A bound of zero allows any number.
type operationQuota struct {
	operation          context.Context // its entries are dropped when it ends
	maxCalls, maxBytes int64
	calls, bytes       atomic.Int64
}

// WithOperation names the caller for whom the calls under the returned context are made, and bounds these calls and the
// bytes that they receive; 0 bounds neither. Where calls wait for a backend, callers take turns; calls without a name
// are those of one more caller. A call past a bound fails with LimitExceeded. Repeated and redirected calls count, as
// every exchange does.
func WithOperation(ctx context.Context, caller string, calls int, bytes int64) context.Context {
	return withScope(ctx, func(s *scope) {
		s.caller = caller
		s.quota = &operationQuota{operation: ctx, maxCalls: int64(calls), maxBytes: bytes}
	})
}

// WithShortDeadline marks the calls under the returned context as having less time than operations have as a rule,
// because their caller asked for that. Running out of it does not count against the backend.
func WithShortDeadline(ctx context.Context) context.Context {
	return withScope(ctx, func(s *scope) { s.shortDeadline = true })
}

// take counts one call; refund returns it where it is not made.
func (q *operationQuota) take() error {
	if q == nil {
		return nil
	}
	if n := q.bytes.Load(); q.maxBytes > 0 && n >= q.maxBytes {
		return exceeded(LimitBytes, n, q.maxBytes, true)
	}
	if n := q.calls.Add(1); q.maxCalls > 0 && n > q.maxCalls {
		q.calls.Add(-1)
		return exceeded(LimitCalls, n, q.maxCalls, true)
	}
	return nil
}

func (q *operationQuota) refund() {
	if q != nil {
		q.calls.Add(-1)
	}
}

// receive counts n bytes that were received. An answer that ends exactly at the bound is within it.
func (q *operationQuota) receive(n int) error {
	if q == nil {
		return nil
	}
	if got := q.bytes.Add(int64(n)); q.maxBytes > 0 && got > q.maxBytes {
		return exceeded(LimitBytes, got, q.maxBytes, false)
	}
	return nil
}

// countUntilEnd counts an answer of n bytes until the operation ends, since it reads the values until then. An answer
// that no operation waits for is freed at once.
func (q *operationQuota) countUntilEnd(held *inflight.Hold, n int64) {
	switch {
	case held == nil:
	case q == nil || q.operation.Done() == nil || n <= inflight.Small:
		held.Free()
	default:
		held.Resize(n)
		context.AfterFunc(q.operation, held.Free)
	}
}

func exceeded(name string, reached, allowed int64, unasked bool) error {
	return &Error{
		Kind: LimitExceeded, Local: unasked, Limit: &Limit{name, reached, allowed},
		Err: errors.New("the operation reached its limit of backend calls or bytes"),
	}
}
