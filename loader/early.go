package loader

import (
	"context"

	"github.com/graph-gophers/dataloader/v7"
)

// earlyResult is the result of a key that may be there before its batch has ended.
type earlyResult[V any] struct {
	Result[V]
	done chan struct{} // closed when it is
}

type earlyKey struct{}

// addEarly returns what waits for the result of the key at place i.
func (b *batch[K, V]) addEarly(i int) dataloader.Thunk[Result[V]] {
	e := &earlyResult[V]{done: make(chan struct{})}
	b.early[b.keys[i]] = e
	return func() (Result[V], error) {
		select {
		case <-e.done:
			return e.Result, e.Err
		case <-b.done:
			return b.results[i], b.results[i].Err
		}
	}
}

// DeliversEarly reports whether the batch of a Fetch, under ctx, has callers who want each result as soon as it is
// there.
func DeliversEarly(ctx context.Context) bool { return ctx.Value(earlyKey{}) != nil }

// DeliverEarly delivers the result of a key to the callers of a batch that DeliversEarly, once.
func DeliverEarly[K comparable, V any](ctx context.Context, key K, r Result[V]) {
	b, ok := ctx.Value(earlyKey{}).(*batch[K, V])
	if !ok || b.early[key] == nil {
		return
	}
	e := b.early[key]
	e.Result = r
	close(e.done)
}
