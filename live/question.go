package live

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/learngraph/learngraph/task"
)

// topic is one that is open. It has a goroutine only while it is asked.
type topic struct {
	hub         *Hub
	key         string
	ask         Ask
	subscribers int // guarded by the hub

	ctx     context.Context
	cancel  context.CancelFunc
	running task.Group

	mu        sync.Mutex
	closed    bool
	executing bool
	timer     *time.Timer
	due       time.Time // when timer fires
	state     *State
	changed   chan struct{} // closed when there is another state
	answer    *Answer
	basis     basis
	began     time.Time // of the last execution
	waiting   time.Time // since when another replica is waited for
	failures  int       // executions in a row that failed
	// pending are the drops since the execution under way began, or that the next one has to answer.
	pending []drop
	since   time.Time // the first drop that no event answers yet
}

func newTopic(h *Hub, key string, ask Ask) *topic {
	q := &topic{hub: h, key: key, ask: ask, changed: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

func (q *topic) latest() (*State, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state, q.changed
}

func (q *topic) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timer = time.AfterFunc(0, q.execute)
}

func (q *topic) close() {
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.timer.Stop()
	if q.state != nil {
		q.hub.reserve(-len(q.state.Body))
	}
}

// schedule has the question asked then, or before where that is planned; q.mu is held.
func (q *topic) schedule(at time.Time) {
	if q.closed || q.executing || !q.due.IsZero() && !at.Before(q.due) {
		return
	}
	q.due = at
	q.timer.Reset(max(time.Until(at), 0))
}

// drop executes the topic again if its answer depends on the drop. The dependencies of an execution under way are known
// when it ends.
func (q *topic) drop(d drop) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.executing || q.answer == nil {
		q.pending = append(q.pending, d)
		return
	}
	if q.basis.dependsOn(d) {
		q.pending = append(q.pending, d)
		q.scheduleDrops()
	}
}

// scheduleDrops schedules an execution for the drops that are pending; q.mu is held.
func (q *topic) scheduleDrops() {
	at := time.Now()
	for _, d := range q.pending {
		if !d.all && (q.since.IsZero() || d.at.Before(q.since)) {
			q.since = d.at
		}
	}
	switch first := q.pending[0]; {
	case first.all:
		at = at.Add(reconnectDelay + jitter(time.Second))
	case first.remote:
		at = at.Add(remoteDropDelay)
	}
	if least := q.began.Add(minPause); at.Before(least) {
		at = least
	}
	q.schedule(at)
}

// execute begins an execution.
func (q *topic) execute() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.executing {
		return
	}
	q.executing, q.due = true, time.Time{}
	q.running.Go(func() error {
		q.run()
		return nil
	}, func(err error) {
		if err != nil {
			q.fail()
		}
	})
}

// fail goes on after a panic.
func (q *topic) fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.executing = false
	q.failures++
	q.schedule(time.Now().Add(min(firstRetry<<min(q.failures, 10), lastRetry)))
}

// run executes the topic, unless another replica is fetching the same facts: then it is tried again soon.
func (q *topic) run() {
	names := q.claims()
	release, ok := q.hub.o.Cache.Claim(q.ctx, names)
	if !ok {
		if q.wait() {
			return
		}
		release = func() {} // the others had their time
	}
	q.mu.Lock()
	last, elsewhere := q.answer, !q.waiting.IsZero()
	q.began, q.waiting = time.Now(), time.Time{}
	answered := len(q.pending) // later drops may not be seen
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(q.ctx, q.hub.o.Timeout)
	defer cancel()
	defer release()
	answer := q.ask(ctx, last)
	if q.ctx.Err() != nil {
		return
	}
	changed := q.publish(answer, answered)
	q.hub.executed(q, elsewhere, changed)
}

// claims are the names of the facts that this execution will fetch.
func (q *topic) claims() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var dropped []digest
	for _, d := range q.pending {
		for _, digest := range d.digests {
			if _, hit := slices.BinarySearchFunc(q.basis.depends, digest, compareDigests); hit {
				dropped = append(dropped, digest)
			}
		}
	}
	return append(q.basis.names(time.Now(), dropped), "question:"+q.key)
}

// wait has the question tried again soon, and reports false where that went on too long.
func (q *topic) wait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if q.waiting.IsZero() {
		q.waiting = now
	}
	if now.Sub(q.waiting) > maxWait {
		return false
	}
	q.executing = false
	q.schedule(now.Add(pollInterval))
	return true
}

// publish takes an answer over, which is from after the first so many of the pending drops, and reports whether
// subscribers get a new state.
func (q *topic) publish(answer *Answer, answered int) (changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.executing = false
	if q.closed {
		return false
	}
	changed = q.answer == nil || q.answer.Fingerprint != answer.Fingerprint
	if changed {
		q.setState(answer.Body)
	} else {
		answer.Body = q.answer.Body
	}
	if changed && !q.since.IsZero() && q.hub.o.Lag != nil {
		q.hub.o.Lag(time.Since(q.since))
	}
	q.since = time.Time{}
	q.answer, q.basis = answer, basisOf(answer)
	answer.Facts, answer.Tags = nil, nil
	if q.failures++; !answer.Failing {
		q.failures = 0
	}
	q.pending = slices.DeleteFunc(q.pending[answered:], func(d drop) bool { return !q.basis.dependsOn(d) })
	if len(q.pending) > 0 {
		q.scheduleDrops()
	}
	if at := q.basis.next(q.began, time.Now(), answer.Failing, q.failures-1); !at.IsZero() {
		q.schedule(at)
	}
	return changed
}

// setState makes a body the state that subscribers get; q.mu is held.
func (q *topic) setState(body []byte) {
	before := 0
	if q.state != nil {
		if bytes.Equal(q.state.Body, body) {
			return
		}
		before = len(q.state.Body)
	}
	q.hub.reserve(len(body) - before)
	q.state = &State{Body: body}
	close(q.changed)
	q.changed = make(chan struct{})
}
