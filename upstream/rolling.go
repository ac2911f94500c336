package upstream

import "time"

const (
	// span is how far back the breaker and the retry budget look.
	span    = 10 * time.Second
	buckets = 10
)

// rolling counts over the last span, in slices of a second. It is not safe for concurrent use.
type rolling struct {
	counts [buckets]int
	newest int64 // the second of the newest bucket
	total  int
}

func (r *rolling) add(now time.Time) {
	r.forget(now)
	r.counts[r.newest%buckets]++
	r.total++
}

func (r *rolling) sum(now time.Time) int {
	r.forget(now)
	return r.total
}

func (r *rolling) forget(now time.Time) {
	second := now.Unix()
	if second-r.newest >= buckets {
		*r = rolling{newest: second}
		return
	}
	for r.newest < second {
		r.newest++
		r.total -= r.counts[r.newest%buckets]
		r.counts[r.newest%buckets] = 0
	}
}
