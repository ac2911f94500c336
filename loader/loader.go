// Package loader joins the keys that the branches of one operation ask for, so that each is fetched once. The values of
// an operation are dataloader's thunks in dataloader's cache; its timer and its goroutines are not used: a batch starts
// when the resolver that formed it allows it, and is fetched where that resolver waits.
package loader

import (
	"context"
	"slices"
	"sync"

	"github.com/graph-gophers/dataloader/v7"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
)

// Fetch reads the values of distinct keys and returns a result for each, in their order. Where deliver is not nil there
// are callers who want each result as soon as it is there: it may be called with results before Fetch returns, once for
// each key.
type Fetch[K comparable, V any] func(ctx context.Context, keys []K,
	deliver func(key K, r cache.Result[V])) []cache.Result[V]

// Loader loads values by key for the length of one operation. It is safe for concurrent use. Values, absences and
// errors are kept as long as the loader is used: one operation sees one state of each object.
type Loader[K comparable, V any] struct {
	ctx   context.Context
	fetch Fetch[K, V]
	trace Trace[K]
	waits waits

	mu    sync.Mutex
	known dataloader.Cache[K, cache.Result[V]]
	next  *batch[K, V] // of the keys that leave next; nil without any
}

// batch is a set of keys that are fetched together.
type batch[K comparable, V any] struct {
	ctx     context.Context
	keys    []K
	results []cache.Result[V]     // of keys, to be read after done
	done    chan struct{}         // closed when the fetch ended
	early   map[K]*earlyResult[V] // nil where no caller wants results before the batch has ended
	wait    *batchWait            // nil where no caller reports that it waits
}

// Trace returns the context for the fetch of a caller's keys: the operation's own, with attributes of the caller.
type Trace[K comparable] func(operation, caller context.Context, keys []K) context.Context

// Traced makes the loader's batches run under the context that trace returns.
func (l *Loader[K, V]) Traced(trace Trace[K]) *Loader[K, V] {
	l.trace = trace
	return l
}

// New makes a loader whose fetches run under ctx, the operation's own context: a caller that stops waiting does not end
// the fetch of keys that it shares with others.
func New[K comparable, V any](ctx context.Context, fetch Fetch[K, V]) *Loader[K, V] {
	return &Loader[K, V]{ctx: ctx, fetch: fetch, known: dataloader.NewCache[K, cache.Result[V]]()}
}

// Load returns the result of each key, in the keys' order. Keys that were not asked for before are fetched at once, as
// one batch, or with those of the caller's BatchGroup. When ctx ends first, the keys that are not there yet get its
// error.
func (l *Loader[K, V]) Load(ctx context.Context, keys []K) []cache.Result[V] {
	if task.IsWatched(ctx) {
		defer l.waits.enter(ctx)()
	}
	thunks := make([]dataloader.Thunk[cache.Result[V]], len(keys))
	l.enter(ctx, keys, thunks)
	awaitGroup(ctx)
	// A caller that ends with the operation alone cannot leave before the batch: it needs no goroutine.
	stays := ctx.Done() == l.ctx.Done()
	own := l.takeBatch()
	if b := own; b != nil && b.early != nil { // the caller takes results while it runs
		task.Go(func() error { b.run(l.fetch); return nil }, func(error) {})
		own = nil
	}
	if !stays {
		return l.collectUntil(ctx, own, slices.Clone(thunks)) // thunks is on the stack of a caller that stays
	}
	if own != nil {
		own.run(l.fetch)
	}
	return collect(thunks)
}

// enter adds the keys that were not asked for before to the batch that leaves next, and sets the thunk of each.
func (l *Loader[K, V]) enter(ctx context.Context, keys []K, thunks []dataloader.Thunk[cache.Result[V]]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fetching := l.ctx
	if l.trace != nil {
		fetching = l.trace(l.ctx, ctx, keys)
	}
	for i, key := range keys {
		thunk, ok := l.known.Get(ctx, key)
		if !ok {
			if l.next == nil {
				var wait *batchWait
				if task.IsWatched(ctx) {
					fetching, wait = l.waits.batch(fetching, ctx)
				}
				l.next = newBatch[K, V](fetching, ctx, len(keys)-i)
				l.next.wait = wait
			}
			thunk = l.next.add(key)
			l.known.Set(ctx, key, thunk)
		}
		thunks[i] = thunk
	}
}

// takeBatch returns the batch that the caller is to run, nil where another one does.
func (l *Loader[K, V]) takeBatch() *batch[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.next
	l.next = nil
	return b
}

// newBatch returns a batch of about n keys.
func newBatch[K comparable, V any](ctx, caller context.Context, n int) *batch[K, V] {
	b := &batch[K, V]{ctx: ctx, keys: make([]K, 0, n), done: make(chan struct{})}
	if task.IsSingly(caller) {
		b.early = make(map[K]*earlyResult[V], n)
	}
	return b
}

// add adds a key and returns a function that waits for its result.
func (b *batch[K, V]) add(key K) dataloader.Thunk[cache.Result[V]] {
	i := len(b.keys)
	b.keys = append(b.keys, key)
	if b.early != nil {
		return b.addEarly(i)
	}
	return func() (cache.Result[V], error) {
		<-b.done
		return b.results[i], b.results[i].Err
	}
}

// run calls fetch. A panic becomes every key's error.
func (b *batch[K, V]) run(fetch Fetch[K, V]) {
	defer func() {
		if p := recover(); p != nil {
			b.results = canceledResults[V](len(b.keys), task.Recovered(p))
		}
		b.wait.end()
		close(b.done)
	}()
	var deliver func(K, cache.Result[V])
	if b.early != nil {
		deliver = b.deliverEarly
	}
	b.results = fetch(b.ctx, b.keys, deliver)[:len(b.keys)]
}

func collect[V any](thunks []dataloader.Thunk[cache.Result[V]]) []cache.Result[V] {
	results := make([]cache.Result[V], len(thunks))
	for i, thunk := range thunks {
		results[i], _ = thunk()
	}
	return results
}

// collectUntil runs the caller's own batch, nil without one, and collects, for a caller that may leave before that.
func (l *Loader[K, V]) collectUntil(ctx context.Context, own *batch[K, V],
	thunks []dataloader.Thunk[cache.Result[V]]) []cache.Result[V] {
	done := make(chan []cache.Result[V], 1)
	task.Go(func() error {
		if own != nil {
			own.run(l.fetch)
		}
		done <- collect(thunks)
		return nil
	}, func(error) {})
	select {
	case results := <-done:
		return results
	case <-ctx.Done():
		return canceledResults[V](len(thunks), context.Cause(ctx))
	}
}

func canceledResults[V any](n int, cause error) []cache.Result[V] {
	results := make([]cache.Result[V], n)
	for i := range results {
		results[i].Err = cause
	}
	return results
}
