package loader

import (
	"context"
	"sync/atomic"
)

// Tally counts the keys that an operation asks its loaders for, each time that it does: the calls of a server that
// neither joins nor keeps anything. A nil Tally counts nothing.
type Tally struct{ keys atomic.Int64 }

type tallyKey struct{}

// WithTally makes loads under the context count into t.
func WithTally(ctx context.Context, t *Tally) context.Context {
	return context.WithValue(ctx, tallyKey{}, t)
}

func tallyOf(ctx context.Context) *Tally {
	t, _ := ctx.Value(tallyKey{}).(*Tally)
	return t
}

// Count adds what is asked for without a loader, such as a page of a root list.
func Count(ctx context.Context, n int) { tallyOf(ctx).add(n) }

func (t *Tally) add(n int) {
	if t != nil {
		t.keys.Add(int64(n))
	}
}

// Keys is the count so far.
func (t *Tally) Keys() int64 { return t.keys.Load() }
