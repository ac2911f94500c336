package upstream

import (
	"context"

	"github.com/learngraph/learngraph/task"
)

// Priority is the order of calls where a backend's budget or its slots are short.
type Priority uint8

// The priorities. A Write goes before every Read that waits, a Read before a part of an answer that is delivered Later,
// and that before a Renewal for a subscription. A Refresh never waits: it starts at once or not at all. Renewals and
// refreshes leave the last quarter of every window of the budget to the others.
const (
	Read Priority = iota
	Write
	Later
	Renewal
	Refresh
	priorities
)

func (p Priority) String() string {
	return [...]string{"read", "write", "later", "renewal", "refresh"}[p]
}

// spares reports whether calls of that priority leave the last quarter of the budget to the others.
func (p Priority) spares() bool { return p == Renewal || p == Refresh }

// WithPriority sets the priority of the calls made under the returned context. A call that changes something is a Write
// whatever its context, every other one a Read unless its context has a priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return withScope(ctx, func(s *scope) { s.priority = p })
}

func priorityOf(ctx context.Context, req *Request) Priority {
	if req.Write {
		return Write
	}
	p := scopeOf(ctx).priority
	if p == Read && task.IsLater(ctx) {
		return Later
	}
	return p
}
