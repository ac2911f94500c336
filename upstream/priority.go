package upstream

import "context"

// Priority says which call goes first where a backend's budget or its slots are short.
type Priority uint8

// The priorities. A Write goes before every Read that waits. A Refresh never waits: it starts at once or not at all,
// and it leaves the last quarter of every window of the budget to the others.
const (
	Read Priority = iota
	Write
	Refresh
)

func (p Priority) String() string { return [...]string{"read", "write", "refresh"}[p] }

type priorityKey struct{}

// WithPriority says how urgent the calls made under the returned context are. A call that changes something is a
// Write whatever its context says, every other one a Read unless it says so.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

func priorityOf(ctx context.Context, req *Request) Priority {
	if req.Write {
		return Write
	}
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

// before says whether a call of priority p goes before the ones of q that came earlier.
func (p Priority) before(q Priority) bool { return p == Write && q != Write }
