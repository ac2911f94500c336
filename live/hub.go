// Package live keeps topics open. Subscribers of one topic share its execution and the bytes of its answer. A
// topic is asked again when the first fact of its answer is no longer fresh, and at once when something that the
// answer depends on was dropped, here or by another replica. Of several replicas that have it open one asks the
// backends; the others find its values in Redis.
//
// Subscribers get states, not changes: one that reads slowly gets the newest state when it is ready, and no queue
// grows. The package knows no query language and no HTTP.
package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/learngraph/learngraph/cache"
)

// Options are the settings of a Hub.
type Options struct {
	// Cache reports drops, and coordinates replicas so that one asks for all.
	Cache *cache.Cache
	// PerCaller and Total bound the subscriptions that are open; 0 is no bound.
	PerCaller, Total int
	// Timeout bounds one execution.
	Timeout time.Duration
	// Reserve, which may be nil, is called with each change of the bytes of answers.
	Reserve func(by int64)
	// Lag, which may be nil, is called with the time from a drop to its event.
	Lag func(time.Duration)
}

// Hub is all topics that are open. It is safe for concurrent use; nil has no room for any.
type Hub struct {
	o    Options
	stop func()

	mu      sync.Mutex
	closed  bool
	done    chan struct{} // closed when closed is set
	open    map[string]*topic
	callers map[string]int
	n       int
	counts  Counters
}

// Counters counts the events of a Hub since New, and the open subscriptions.
type Counters struct {
	Subscribers, Topics int
	// Executions are how often a topic was executed, Events how often its answer was another one then.
	Executions, Events uint64
	// Saved are the executions that subscribers did not need because others had the same topic open, or because another
	// replica had just asked.
	Saved uint64
	// Refused are the subscriptions that there was no room for.
	Refused uint64
}

// FullError is the error of a subscription that there is no room for.
type FullError struct {
	Name             string // subscriptionsPerCaller or subscriptions
	Reached, Allowed int
}

func (e *FullError) Error() string {
	if e.Allowed == 0 {
		return "subscriptions are disabled on this server"
	}
	return fmt.Sprintf("%d subscriptions are open, which is the limit", e.Allowed)
}

// New returns a Hub without topics.
func New(o Options) *Hub {
	h := &Hub{o: o, done: make(chan struct{}), open: map[string]*topic{}, callers: map[string]int{}}
	h.stop = o.Cache.Watch(h.dropped)
	return h
}

// Close ends the executions under way. Subscribers get no more events.
func (h *Hub) Close() {
	if h == nil {
		return
	}
	h.stop()
	h.mu.Lock()
	if !h.closed {
		close(h.done)
	}
	h.closed = true
	open := slices.Collect(maps.Values(h.open))
	h.mu.Unlock()
	for _, q := range open {
		q.close()
	}
	for _, q := range open {
		q.running.Wait()
	}
}

// Done returns a channel that is closed when the hub is.
func (h *Hub) Done() <-chan struct{} { return h.done }

// Subscribe opens a topic for a caller, who must Close the subscription. Topics of one key have the same answer
// at any time. ask answers it as long as it is open, under a context of the hub's own; that of the first subscriber is
// used.
func (h *Hub) Subscribe(caller, key string, ask Ask) (*Subscription, error) {
	if h == nil {
		return nil, &FullError{Name: "subscriptions"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.full(caller); err != nil {
		h.counts.Refused++
		return nil, err
	}
	h.n++
	h.callers[caller]++
	q, known := h.open[key]
	if !known {
		q = newTopic(h, key, ask)
		h.open[key] = q
		q.begin()
	}
	q.subscribers++
	return &Subscription{hub: h, topic: q, caller: caller}, nil
}

// full returns why there is no room for one more; h.mu is held.
func (h *Hub) full(caller string) error {
	switch {
	case h.closed:
		return &FullError{Name: "subscriptions", Reached: h.n}
	case h.o.PerCaller > 0 && h.callers[caller] >= h.o.PerCaller:
		return &FullError{"subscriptionsPerCaller", h.callers[caller] + 1, h.o.PerCaller}
	case h.o.Total > 0 && h.n >= h.o.Total:
		return &FullError{"subscriptions", h.n + 1, h.o.Total}
	}
	return nil
}

// Subscription is one subscriber's view of a topic. It is for one goroutine.
type Subscription struct {
	hub    *Hub
	topic  *topic
	caller string
	closed bool
}

// Latest returns the newest state, nil before the first one, and a channel that is closed when there is another.
func (s *Subscription) Latest() (*State, <-chan struct{}) { return s.topic.latest() }

// Close ends the subscription. A topic without subscribers is no longer asked.
func (s *Subscription) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	h.n--
	if h.callers[s.caller]--; h.callers[s.caller] == 0 {
		delete(h.callers, s.caller)
	}
	if s.topic.subscribers--; s.topic.subscribers == 0 {
		delete(h.open, s.topic.key)
		s.topic.close()
	}
}

// Counters returns a snapshot.
func (h *Hub) Counters() Counters {
	if h == nil {
		return Counters{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.counts
	c.Subscribers, c.Topics = h.n, len(h.open)
	return c
}

// dropped executes the topics again whose answers depend on a drop.
func (h *Hub) dropped(d cache.Invalidation) {
	drop := newDrop(d)
	h.mu.Lock()
	open := slices.Collect(maps.Values(h.open))
	h.mu.Unlock()
	for _, q := range open {
		q.drop(drop)
	}
}

// executed counts one execution of a topic with so many subscribers, for which the others, or all where another
// replica asked, needed none.
func (h *Hub) executed(q *topic, elsewhere, changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Executions++
	h.counts.Saved += uint64(max(q.subscribers-1, 0))
	if elsewhere {
		h.counts.Saved++
	}
	if changed {
		h.counts.Events++
	}
}

// reserve counts the bytes of kept answers.
func (h *Hub) reserve(by int) {
	if h.o.Reserve != nil && by != 0 {
		h.o.Reserve(int64(by))
	}
}

// Ask executes a topic. last is its answer before, nil the first time.
type Ask func(ctx context.Context, last *Answer) *Answer
