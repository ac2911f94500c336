package loader

import (
	"context"

	"github.com/graph-gophers/dataloader/v7"
)

// early is the result of a key that may be there before its batch has ended.
type early[V any] struct {
	Result[V]
	there chan struct{} // closed when it is
}

type earlyKey struct{}

// addEarly returns what waits for the result of the key at place i.
func (b *batch[K, V]) addEarly(i int) dataloader.Thunk[Result[V]] {
	e := &early[V]{there: make(chan struct{})}
	b.early[b.keys[i]] = e
	return func() (Result[V], error) {
		select {
		case <-e.there:
			return e.Result, e.Err
		case <-b.done:
			return b.results[i], b.results[i].Err
		}
	}
}

// WantsEarly reports whether the batch of a Fetch, under ctx, has callers who want each result as soon as it is there.
func WantsEarly(ctx context.Context) bool { return ctx.Value(earlyKey{}) != nil }

// Early gives the callers of a batch that WantsEarly the result of a key, once.
func Early[K comparable, V any](ctx context.Context, key K, r Result[V]) {
	b, ok := ctx.Value(earlyKey{}).(*batch[K, V])
	if !ok || b.early[key] == nil {
		return
	}
	e := b.early[key]
	e.Result = r
	close(e.there)
}
