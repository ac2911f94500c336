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

func (t *topic) latest() (*State, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.changed
}

func (t *topic) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(0, t.execute)
}

func (t *topic) close() {
	t.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	t.timer.Stop()
	if t.state != nil {
		t.hub.reserve(-len(t.state.Body))
	}
}

// schedule has the topic asked then, or before where that is planned; t.mu is held.
func (t *topic) schedule(at time.Time) {
	if t.closed || t.executing || !t.due.IsZero() && !at.Before(t.due) {
		return
	}
	t.due = at
	t.timer.Reset(max(time.Until(at), 0))
}

// drop executes the topic again if its answer depends on the drop. The dependencies of an execution under way are known
// when it ends.
func (t *topic) drop(d drop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.executing || t.answer == nil {
		t.pending = append(t.pending, d)
		return
	}
	if t.basis.dependsOn(d) {
		t.pending = append(t.pending, d)
		t.scheduleDrops()
	}
}

// scheduleDrops schedules an execution for the drops that are pending; t.mu is held.
func (t *topic) scheduleDrops() {
	at := time.Now()
	for _, d := range t.pending {
		if !d.all && (t.since.IsZero() || d.at.Before(t.since)) {
			t.since = d.at
		}
	}
	switch first := t.pending[0]; {
	case first.all:
		at = at.Add(reconnectDelay + jitter(time.Second))
	case first.remote:
		at = at.Add(remoteDropDelay)
	}
	if least := t.began.Add(minPause); at.Before(least) {
		at = least
	}
	t.schedule(at)
}

// execute begins an execution.
func (t *topic) execute() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.executing {
		return
	}
	t.executing, t.due = true, time.Time{}
	t.running.Go(func() error {
		t.run()
		return nil
	}, func(err error) {
		if err != nil {
			t.fail()
		}
	})
}

// fail goes on after a panic.
func (t *topic) fail() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.executing = false
	t.failures++
	t.schedule(time.Now().Add(min(firstRetry<<min(t.failures, 10), lastRetry)))
}

// run executes the topic, unless another replica is fetching the same facts: then it is tried again soon.
func (t *topic) run() {
	names := t.claims()
	release, ok := t.hub.o.Cache.Claim(t.ctx, names)
	if !ok {
		if t.wait() {
			return
		}
		release = func() {} // the others had their time
	}
	t.mu.Lock()
	last, elsewhere := t.answer, !t.waiting.IsZero()
	t.began, t.waiting = time.Now(), time.Time{}
	answered := len(t.pending) // later drops may not be seen
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.ctx, t.hub.o.Timeout)
	defer cancel()
	defer release()
	answer := t.ask(ctx, last)
	if t.ctx.Err() != nil {
		return
	}
	changed := t.publish(answer, answered)
	t.hub.executed(t, elsewhere, changed)
}

// claims are the names of the facts that this execution will fetch.
func (t *topic) claims() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var dropped []digest
	for _, d := range t.pending {
		for _, digest := range d.digests {
			if _, hit := slices.BinarySearchFunc(t.basis.depends, digest, compareDigests); hit {
				dropped = append(dropped, digest)
			}
		}
	}
	return append(t.basis.names(time.Now(), dropped), "question:"+t.key)
}

// wait has the topic tried again soon, and reports false where that went on too long.
func (t *topic) wait() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.waiting.IsZero() {
		t.waiting = now
	}
	if now.Sub(t.waiting) > maxWait {
		return false
	}
	t.executing = false
	t.schedule(now.Add(pollInterval))
	return true
}

// publish takes over an answer that was read after the first answered of the pending drops, and reports whether
// subscribers get a new state.
func (t *topic) publish(answer *Answer, answered int) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.executing = false
	if t.closed {
		return false
	}
	changed = t.answer == nil || t.answer.Fingerprint != answer.Fingerprint
	if changed {
		t.setState(answer.Body)
	} else {
		answer.Body = t.answer.Body
	}
	if changed && !t.since.IsZero() && t.hub.o.Lag != nil {
		t.hub.o.Lag(time.Since(t.since))
	}
	t.since = time.Time{}
	t.answer, t.basis = answer, basisOf(answer)
	answer.Facts, answer.Tags = nil, nil
	if t.failures++; !answer.Failing {
		t.failures = 0
	}
	t.pending = slices.DeleteFunc(t.pending[answered:], func(d drop) bool { return !t.basis.dependsOn(d) })
	if len(t.pending) > 0 {
		t.scheduleDrops()
	}
	if at := t.basis.next(t.began, time.Now(), answer.Failing, t.failures-1); !at.IsZero() {
		t.schedule(at)
	}
	return changed
}

// setState makes a body the state that subscribers get; t.mu is held.
func (t *topic) setState(body []byte) {
	before := 0
	if t.state != nil {
		if bytes.Equal(t.state.Body, body) {
			return
		}
		before = len(t.state.Body)
	}
	t.hub.reserve(len(body) - before)
	t.state = &State{Body: body}
	close(t.changed)
	t.changed = make(chan struct{})
}
