package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// maxOrdered bounds the changes of one object that wait for each other.
const maxOrdered = 16

// keyedMutex sends the changes of one object one after the other, as they came. Two that are under way at once could
// arrive in either order, and the one that was meant to be the last be lost.
type keyedMutex struct {
	mu     sync.Mutex
	queues map[string][]chan struct{} // an entry per object that is being changed
}

// enter waits for the changes of the object before this one; leave must be called when it is done.
func (o *keyedMutex) enter(ctx context.Context, object string) (leave func(), err error) {
	o.mu.Lock()
	queue, busy := o.queues[object]
	if o.queues == nil {
		o.queues = map[string][]chan struct{}{}
	}
	leave = func() { o.leave(object) }
	if !busy {
		o.queues[object] = nil
		o.mu.Unlock()
		return leave, nil
	}
	if len(queue) >= maxOrdered {
		o.mu.Unlock()
		return nil, &Error{Kind: RateLimited, Local: true,
			Err: errors.New("too many writes of one object are waiting")}
	}
	turn := make(chan struct{})
	o.queues[object] = append(queue, turn)
	o.mu.Unlock()
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	queue = o.queues[object]
	i := slices.Index(queue, turn)
	if i >= 0 {
		o.queues[object] = slices.Delete(queue, i, i+1)
	}
	o.mu.Unlock()
	if i < 0 {
		leave()
	}
	return nil, contextError(ctx)
}

func (o *keyedMutex) leave(object string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue := o.queues[object]
	if len(queue) == 0 {
		delete(o.queues, object)
		return
	}
	close(queue[0])
	o.queues[object] = queue[1:]
}
