package datasource

import (
	"context"

	"github.com/learngraph/learngraph/task"
)

// pageRead is one page of a list.
type pageRead struct{ list, page any }

// sharedPage is the outcome of a read, from when done is closed.
type sharedPage struct {
	of    pageRead
	done  chan struct{}
	value any
	err   error
}

// readOnce returns the outcome of a read that the operation makes once, where it is delivered in parts: a page that one
// part has read, or is reading, no other part reads again. An operation that is delivered at once asks for each page
// once by itself.
func readOnce[V any](ctx context.Context, key pageRead, read func() (V, error)) (V, error) {
	o, ok := ctx.Value(operationKey{}).(*Operation)
	if !ok || !task.IsWatched(ctx) {
		return read()
	}
	p, known := o.page(key)
	if !known {
		defer close(p.done)
		v, err := read()
		p.value, p.err = v, err
		return v, err
	}
	if err := p.await(ctx); err != nil {
		var none V
		return none, err
	}
	v, _ := p.value.(V) // a read that panicked has none
	return v, p.err
}

// page returns the page of a key, and whether a caller before this one has begun to read it.
func (o *Operation) page(key pageRead) (p *sharedPage, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.loaders.pages {
		if p.of == key {
			return p, true
		}
	}
	p = &sharedPage{of: key, done: make(chan struct{}), err: task.ErrExited}
	o.loaders.pages = append(o.loaders.pages, p)
	return p, false
}

// await waits until the read has ended, or the caller has to.
func (p *sharedPage) await(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	task.Waiting(ctx)
	defer task.Resumed(ctx)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
