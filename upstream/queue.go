package upstream

import (
	"container/list"
	"time"
)

// waiter is a call that waits for its start. It is its own element of a list, so that serving one that waited long
// touches little memory.
type waiter struct {
	caller       string
	deadline     time.Time // the zero time is none
	ready        chan struct{}
	line         *line
	before, next *waiter // in its line

	// The result of its wait; valid once ready has got a value. Without an err it is the permit.
	err    error
	permit permit
}

// line holds the waiting calls of one caller, first come first.
type line struct {
	caller      string
	first, last *waiter
	n           int
	turn        *list.Element // in fairQueue.turns
}

func (l *line) push(w *waiter) {
	w.line, w.before = l, l.last
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.n++
}

func (l *line) remove(w *waiter) {
	if w.before == nil {
		l.first = w.next
	} else {
		w.before.next = w.next
	}
	if w.next == nil {
		l.last = w.before
	} else {
		w.next.before = w.before
	}
	w.before, w.next = nil, nil
	l.n--
}

// fairQueue lets the calls of one priority go caller by caller (round robin): with many waiting calls a caller holds up
// others by one call at a time. Every operation but each takes constant time, ahead a scan of small integers at most.
// The zero value is ready to use.
type fairQueue struct {
	lines map[string]*line // of the callers that wait
	turns list.List        // of *line; the front is served next
	n     int
	// deeper[i] is the number of callers with more than i waiting calls.
	deeper []int
}

// ahead returns at most how many calls are served before a further one of the caller.
func (q *fairQueue) ahead(caller string) int {
	own := 0
	if l := q.lines[caller]; l != nil {
		own = l.n
	}
	// Every caller is served once per round, and the call is served in round own.
	if own+1 >= len(q.deeper) {
		return q.n
	}
	ahead := 0
	if own < len(q.deeper)/2 {
		for _, callers := range q.deeper[:own+1] {
			ahead += callers
		}
		return ahead
	}
	for _, callers := range q.deeper[own+1:] {
		ahead += callers
	}
	return q.n - ahead
}

func (q *fairQueue) push(w *waiter) {
	l := q.lines[w.caller]
	if l == nil {
		if q.lines == nil {
			q.lines = map[string]*line{}
		}
		l = &line{caller: w.caller}
		l.turn = q.turns.PushBack(l)
		q.lines[w.caller] = l
	}
	if l.n == len(q.deeper) {
		q.deeper = append(q.deeper, 0)
	}
	q.deeper[l.n]++
	l.push(w)
	q.n++
}

// pop takes out the call that is served next; the queue is not empty.
func (q *fairQueue) pop() *waiter {
	l := q.turns.Front().Value.(*line)
	w := l.first
	q.turns.MoveToBack(l.turn)
	q.remove(w)
	return w
}

func (q *fairQueue) remove(w *waiter) {
	l := w.line
	l.remove(w)
	q.n--
	depth := l.n
	q.deeper[depth]--
	if q.deeper[depth] == 0 {
		q.deeper = q.deeper[:depth]
	}
	if depth == 0 {
		q.turns.Remove(l.turn)
		delete(q.lines, l.caller)
	}
}

// each calls visit for every waiting call in the order of service. visit may remove the call.
func (q *fairQueue) each(visit func(*waiter)) {
	next := make([]*waiter, 0, q.turns.Len())
	for turn := q.turns.Front(); turn != nil; turn = turn.Next() {
		next = append(next, turn.Value.(*line).first)
	}
	for len(next) > 0 {
		waiting := next[:0]
		for _, w := range next {
			after := w.next
			visit(w)
			if after != nil {
				waiting = append(waiting, after)
			}
		}
		next = waiting
	}
}
