// Package loader joins the keys that the branches of one operation ask for, so that each is fetched once. It is a thin
// layer over dataloader that takes away its timer: a batch leaves when the resolver that formed it says so.
package loader

import (
	"context"
	"sync"
	"time"

	"github.com/graph-gophers/dataloader/v7"
	"github.com/learngraph/learngraph/task"
)

// Fetch reads the values of distinct keys. A key in neither map does not exist; the value of a key in both
// may be shown with the error beside it.
type Fetch[K comparable, V any] func(ctx context.Context, keys []K) (found map[K]V, failed map[K]error)

// never is longer than any operation: batches are flushed, not timed.
const never = time.Hour

// Loader loads values by key for the length of one operation. It is safe for concurrent use. Values, absences and
// errors are kept until the operation ends or Reset is called: one operation sees one state of each object.
type Loader[K comparable, V any] struct {
	ctx   context.Context
	mu    sync.Mutex
	inner *dataloader.Loader[K, Result[V]]
	trace Trace[K]
}

// Trace gives the context that a caller's keys are fetched under: the operation's own, with what is to be known of the
// caller that they are for.
type Trace[K comparable] func(operation, caller context.Context, keys []K) context.Context

// Traced makes the loader's batches run under what trace gives.
func (l *Loader[K, V]) Traced(trace Trace[K]) *Loader[K, V] {
	l.trace = trace
	return l
}

// New makes a loader whose fetches run under ctx, the operation's own context: a caller that gives up leaves the keys
// that it shares with others alone.
func New[K comparable, V any](ctx context.Context, fetch Fetch[K, V]) *Loader[K, V] {
	batch := func(ctx context.Context, keys []K) []*dataloader.Result[Result[V]] { return run(ctx, fetch, keys) }
	return &Loader[K, V]{ctx: ctx, inner: dataloader.NewBatchedLoader(batch,
		dataloader.WithWait[K, Result[V]](never), dataloader.WithInputCapacity[K, Result[V]](64))}
}

// run calls fetch and puts its answer into the order of the keys. A panic becomes every key's error here, where its
// value does not reach a logger that is not ours.
func run[K comparable, V any](ctx context.Context, fetch Fetch[K, V], keys []K) (results []*dataloader.Result[Result[V]]) {
	results = make([]*dataloader.Result[Result[V]], len(keys))
	defer func() {
		if p := recover(); p != nil {
			err := task.Recovered(p)
			for i := range results {
				results[i] = &dataloader.Result[Result[V]]{Error: err}
			}
		}
	}()
	found, failed := fetch(ctx, keys)
	for i, key := range keys {
		results[i] = &dataloader.Result[Result[V]]{}
		results[i].Error = failed[key]
		if v, ok := found[key]; ok {
			results[i].Data = Result[V]{Value: v, Found: true}
		}
	}
	return results
}

// Result is what became of one key: a value, nothing where it does not exist, or an error, which may come with a value.
type Result[V any] struct {
	Value V
	Found bool
	Err   error
}

// Load gives the result of each key, in the keys' order. Keys that nobody asked for before leave at once, as one batch, or
// with those of the caller's Party.
// When ctx ends first, the keys that are not there yet get its error.
func (l *Loader[K, V]) Load(ctx context.Context, keys []K) []Result[V] {
	tallyOf(ctx).add(len(keys))
	thunks := l.enter(ctx, keys)
	awaitParty(ctx)
	l.flush()
	done := make(chan error, 1)
	results := make([]Result[V], len(keys))
	task.Go(func() error {
		for i, thunk := range thunks {
			result, err := thunk()
			result.Err = err
			results[i] = result
		}
		return nil
	}, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			return abandoned[V](len(keys), err)
		}
		return results
	case <-ctx.Done():
		return abandoned[V](len(keys), context.Cause(ctx))
	}
}

// enter adds the keys that nobody asked for before to the batch that leaves next.
func (l *Loader[K, V]) enter(ctx context.Context, keys []K) []dataloader.Thunk[Result[V]] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trace != nil {
		ctx = l.trace(l.ctx, ctx, keys)
	} else {
		ctx = l.ctx
	}
	thunks := make([]dataloader.Thunk[Result[V]], len(keys))
	for i, key := range keys {
		thunks[i] = l.inner.Load(ctx, key)
	}
	return thunks
}

func (l *Loader[K, V]) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inner.Flush()
}

func abandoned[V any](n int, cause error) []Result[V] {
	results := make([]Result[V], n)
	for i := range results {
		results[i].Err = cause
	}
	return results
}

// Reset forgets everything, as a mutation must: what was read before a write is not true after it.
func (l *Loader[K, V]) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inner.ClearAll()
}
