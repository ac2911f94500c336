package upstream

import (
	"slices"
	"time"
)

// ledger is what a backend can have seen of this process's calls. When a call arrives is not known to the moment: one
// under way may arrive only now, and one that has ended was there before its answer began.
//
// No window of the backend holds more arrivals than a rate allows if each start finds room: of the calls in a window
// the last to start counted all others, for none of them had been answered a whole window before.
type ledger struct {
	rates    []Rate
	underway int
	answered []time.Time // ascending
}

// end counts a call that was under way as answered then.
func (l *ledger) end(at, now time.Time) {
	l.underway--
	i, _ := slices.BinarySearchFunc(l.answered, at, time.Time.Compare)
	l.answered = slices.Insert(l.answered, i, at)
	l.forget(now)
}

// forget drops the calls that no window reaches any more.
func (l *ledger) forget(now time.Time) {
	longest := longest(l.rates)
	old := 0
	for old < len(l.answered) && now.Sub(l.answered[old]) >= longest {
		old++
	}
	l.answered = slices.Delete(l.answered, 0, old)
}

// room is the earliest moment from now on at which every rate can have room for one call more.
func (l *ledger) room(now time.Time) time.Time {
	room := now
	for _, r := range l.rates {
		over := l.underway + len(l.answered) - r.Usable() // index of the answer that must have left the window
		switch {
		case over < 0:
		case over < len(l.answered):
			room = later(room, l.answered[over].Add(r.Per))
		default:
			room = later(room, now.Add(r.Per))
		}
	}
	return room
}

// left is what every rate has left now.
func (l *ledger) left(now time.Time) []int {
	left := make([]int, len(l.rates))
	for i, r := range l.rates {
		inside, _ := slices.BinarySearchFunc(l.answered, now.Add(-r.Per), func(at, bound time.Time) int {
			if at.After(bound) {
				return 1
			}
			return -1
		})
		left[i] = max(r.Usable()-l.underway-(len(l.answered)-inside), 0)
	}
	return left
}
