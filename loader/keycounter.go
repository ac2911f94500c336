package loader

import (
	"context"
	"sync/atomic"
)

// KeyCounter counts the keys that an operation asks its loaders for, each time that it does: the calls of a server that
// neither joins nor keeps anything. A nil KeyCounter counts nothing.
type KeyCounter struct{ keys atomic.Int64 }

type keyCounterKey struct{}

// WithKeyCounter makes loads under the context count into t.
func WithKeyCounter(ctx context.Context, t *KeyCounter) context.Context {
	return context.WithValue(ctx, keyCounterKey{}, t)
}

func keyCounterOf(ctx context.Context) *KeyCounter {
	t, _ := ctx.Value(keyCounterKey{}).(*KeyCounter)
	return t
}

// Count adds reads without a loader, such as a page of a root list.
func Count(ctx context.Context, n int) { keyCounterOf(ctx).add(n) }

func (t *KeyCounter) add(n int) {
	if t != nil {
		t.keys.Add(int64(n))
	}
}

// Keys is the count so far.
func (t *KeyCounter) Keys() int64 { return t.keys.Load() }
