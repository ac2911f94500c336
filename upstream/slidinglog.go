package upstream

import (
	"sort"
	"time"
)

// slidingLog remembers when the latest calls were answered, in a ring, as many as its rates look back at. When a call
// reaches its backend is not known to the moment: one under way may arrive only now, and one that was answered was
// there before. No window of the backend holds more arrivals than a rate allows if every start finds room.
type slidingLog struct {
	rates []Rate
	ring  []time.Time
	first int // index of the oldest
	n     int
}

// add notes an answer. One that is noted late counts from the latest, which keeps the log in order and errs on the safe
// side.
func (l *slidingLog) add(at time.Time) {
	if len(l.rates) == 0 {
		return
	}
	if l.n > 0 {
		at = later(at, l.at(l.n-1))
	}
	if l.n == len(l.ring) {
		l.grow()
	}
	if l.n == len(l.ring) {
		l.first = (l.first + 1) % len(l.ring)
		l.n--
	}
	l.ring[(l.first+l.n)%len(l.ring)] = at
	l.n++
}

// grow makes the ring larger, up to the largest count of the rates.
func (l *slidingLog) grow() {
	most := 0
	for _, r := range l.rates {
		most = max(most, r.Usable())
	}
	if size := min(max(2*len(l.ring), 16), most); size > len(l.ring) {
		ring := make([]time.Time, size)
		for i := range l.n {
			ring[i] = l.at(i)
		}
		l.ring, l.first = ring, 0
	}
}

// at returns the i-th oldest answer.
func (l *slidingLog) at(i int) time.Time { return l.ring[(l.first+i)%len(l.ring)] }

// earliest returns the earliest moment from now on at which every rate can have room for one call more than the pending
// ones, which are under way or start before it.
func (l *slidingLog) earliest(now time.Time, pending int) time.Time {
	room := now
	for _, r := range l.rates {
		n := r.Usable()
		over := l.n + pending - n // index of the call that must have left the window
		if over < 0 {
			continue
		}
		windows := 1
		if over >= l.n {
			// That call is pending too, and itself one window or more after a call that was answered.
			more := (over-l.n)/n + 1
			windows += more
			over -= more * n
			room = later(room, now.Add(time.Duration(windows-1)*r.Per))
		}
		if over >= 0 {
			room = later(room, l.at(over).Add(time.Duration(windows)*r.Per))
		}
	}
	return room
}

// left returns the starts that every rate has left now, with so many calls under way.
func (l *slidingLog) left(now time.Time, underway int) []int {
	left := make([]int, len(l.rates))
	for i, r := range l.rates {
		old := sort.Search(l.n, func(i int) bool { return l.at(i).After(now.Add(-r.Per)) })
		left[i] = max(r.Usable()-underway-(l.n-old), 0)
	}
	return left
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
