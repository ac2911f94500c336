package loader

import (
	"github.com/graph-gophers/dataloader/v7"
	"github.com/learngraph/learngraph/cache"
)

// earlyResult is the result of a key that may be there before its batch has ended.
type earlyResult[V any] struct {
	cache.Result[V]
	done chan struct{} // closed when it is
}

// addEarly returns a function that waits for the result of the key at place i.
func (b *batch[K, V]) addEarly(i int) dataloader.Thunk[cache.Result[V]] {
	e := &earlyResult[V]{done: make(chan struct{})}
	b.early[b.keys[i]] = e
	return func() (cache.Result[V], error) {
		select {
		case <-e.done:
			return e.Result, e.Err
		case <-b.done:
			return b.results[i], b.results[i].Err
		}
	}
}

// deliverEarly delivers the result of a key, once.
func (b *batch[K, V]) deliverEarly(key K, r cache.Result[V]) {
	e := b.early[key]
	e.Result = r
	close(e.done)
}
