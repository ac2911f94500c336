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
func (m *keyedMutex) enter(ctx context.Context, object string) (leave func(), err error) {
	m.mu.Lock()
	queue, busy := m.queues[object]
	if m.queues == nil {
		m.queues = map[string][]chan struct{}{}
	}
	leave = func() { m.leave(object) }
	if !busy {
		m.queues[object] = nil
		m.mu.Unlock()
		return leave, nil
	}
	if len(queue) >= maxOrdered {
		m.mu.Unlock()
		return nil, &Error{Kind: RateLimited, Local: true,
			Err: errors.New("too many writes of one object are waiting")}
	}
	turn := make(chan struct{})
	m.queues[object] = append(queue, turn)
	m.mu.Unlock()
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	queue = m.queues[object]
	i := slices.Index(queue, turn)
	if i >= 0 {
		m.queues[object] = slices.Delete(queue, i, i+1)
	}
	m.mu.Unlock()
	if i < 0 {
		leave()
	}
	return nil, contextError(ctx)
}

func (m *keyedMutex) leave(object string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.queues[object]
	if len(queue) == 0 {
		delete(m.queues, object)
		return
	}
	close(queue[0])
	m.queues[object] = queue[1:]
}
