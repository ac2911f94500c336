// Package inflight bounds the requests under way: their number, and the bytes of their bodies, of their answers and of
// the backends' answers for them.
package inflight

import "sync/atomic"

// Small is the size in bytes up to which a body or an answer is not counted: the number of requests bounds these.
const Small = 16 << 10

// Must is up to how many bytes a holder finds room whose Must is set. The answer to a write can be as long as any
// other: a backend decides that, or the fields that a caller asks for.
const Must = 1 << 20

// Load is the number and the memory of requests under way. It is safe for concurrent use; a nil *Load bounds and counts
// nothing.
type Load struct {
	maxRequests, maxBytes int64
	changed               func()

	requests, bytes                       atomic.Int64
	refusedRequests, refusedBytes, cutOff atomic.Uint64
}

// step is by how much the bytes must change for changed to be called.
const step = 1 << 20

// New returns a Load with bounds, each 0 for none. changed, which may be nil, is called after the bytes that are held
// have changed by about a MiB, by several goroutines at once where several change them.
func New(maxRequests int, maxBytes int64, changed func()) *Load {
	return &Load{maxRequests: int64(maxRequests), maxBytes: maxBytes, changed: changed}
}

// Enter counts a request, and reports whether there is room for it. Leave must follow if so.
func (l *Load) Enter() bool {
	if l == nil {
		return true
	}
	if n := l.requests.Add(1); l.maxRequests > 0 && n > l.maxRequests {
		l.requests.Add(-1)
		l.refusedRequests.Add(1)
		return false
	}
	return true
}

// Leave ends a request.
func (l *Load) Leave() {
	if l != nil {
		l.requests.Add(-1)
	}
}

// take counts n bytes, and reports whether there is room for them. With must it always takes them.
func (l *Load) take(n int64, must bool) bool {
	held := l.bytes.Add(n)
	if l.maxBytes > 0 && held > l.maxBytes && !must {
		l.bytes.Add(-n)
		l.refusedBytes.Add(1)
		return false
	}
	l.notify(held, n)
	return true
}

func (l *Load) free(n int64) { l.notify(l.bytes.Add(-n), -n) }

func (l *Load) notify(held, by int64) {
	if l.changed != nil && held/step != (held-by)/step {
		l.changed()
	}
}

// CutOff counts a reader who was too slow.
func (l *Load) CutOff() {
	if l != nil {
		l.cutOff.Add(1)
	}
}

// State is a snapshot of a Load.
type State struct {
	Requests, MaxRequests, Bytes, MaxBytes int64
	// RefusedRequests and RefusedBytes are how often there was no room, CutOff is how many readers were too slow.
	RefusedRequests, RefusedBytes, CutOff uint64
}

// State returns a snapshot.
func (l *Load) State() State {
	if l == nil {
		return State{}
	}
	return State{l.requests.Load(), l.maxRequests, l.bytes.Load(), l.maxBytes, l.refusedRequests.Load(),
		l.refusedBytes.Load(), l.cutOff.Load()}
}

// Hold is the bytes that one holder has. It is for one goroutine at a time, and nil holds nothing.
type Hold struct {
	load  *Load
	bytes int64
	// Must is set for bytes that cannot be refused any more, such as the answer of a write that was made. It is counted,
	// and finds room up to the constant Must.
	Must bool
}

// Hold returns a holder of no bytes, nil for a nil Load.
func (l *Load) Hold() *Hold {
	if l == nil {
		return nil
	}
	return &Hold{load: l}
}

// Resize has the holder hold n bytes, and reports whether there is room for them. If not, it is unchanged.
func (h *Hold) Resize(n int64) bool {
	if h == nil {
		return true
	}
	if n < h.bytes {
		h.load.free(h.bytes - n)
	} else if n > h.bytes && !h.load.take(n-h.bytes, h.Must && n <= Must) {
		return false
	}
	h.bytes = n
	return true
}

// Grow adds bytes.
func (h *Hold) Grow(by int64) bool { return h == nil || h.Resize(h.bytes+by) }

// Free has the holder hold nothing.
func (h *Hold) Free() { h.Resize(0) }
