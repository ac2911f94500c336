package loader

import (
	"context"
	"slices"
	"sync"

	"github.com/learngraph/learngraph/task"
)

// waits notifies the callers of a loader when a batch waits for a backend. Which batch a caller's keys are in is not
// looked at: a caller counts as waiting while any batch does.
type waits struct {
	mu      sync.Mutex
	callers []*context.Context // in a Load
	batches int                // that wait
}

// batchWait is one batch of a loader.
type batchWait struct {
	waits   *waits
	waiting bool
	over    bool
}

// enter counts a caller that reports its waiting, until leave is called.
func (w *waits) enter(ctx context.Context) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	caller := &ctx
	w.callers = append(w.callers, caller)
	if w.batches > 0 {
		task.Waiting(ctx)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		at := slices.Index(w.callers, caller)
		w.callers = slices.Delete(w.callers, at, at+1)
	}
}

// batch returns a batch that the caller begins, and its context: as urgent as the caller is.
func (w *waits) batch(ctx, caller context.Context) (context.Context, *batchWait) {
	b := &batchWait{waits: w}
	return task.WithWork(ctx, task.Work{Later: task.IsLater(caller), Waits: func(waiting bool) {
		if waiting {
			b.wait()
		}
	}}), b
}

// wait reports that the batch waits for a backend.
func (b *batchWait) wait() {
	b.waits.mu.Lock()
	defer b.waits.mu.Unlock()
	if b.waiting || b.over {
		return
	}
	b.waiting = true
	b.waits.batches++
	for _, caller := range b.waits.callers {
		task.Waiting(*caller)
	}
}

// end ends the batch, where it is one that reports its waiting.
func (b *batchWait) end() {
	if b == nil {
		return
	}
	b.waits.mu.Lock()
	defer b.waits.mu.Unlock()
	b.over = true
	if !b.waiting {
		return
	}
	if b.waits.batches--; b.waits.batches == 0 {
		for _, caller := range b.waits.callers {
			task.Resumed(*caller)
		}
	}
}
