package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// errNoRoom means that requests under way hold as much as they may.
var errNoRoom = errors.New("requests under way hold as much as they may")

// waitForRoom is after how long a caller who found no room may try again.
const waitForRoom = time.Second

const noRoomMessage = "this server has as many requests under way, or holds as much for them, as it may: try again"

// limitRequests is the name of the bound on the number of requests under way.
const limitRequests = "inflight"

// overloaded is the answer to a request that finds no room.
func overloaded(load *inflight.Load) *requestError {
	state := load.State()
	l := limit{upstream.LimitInflight, state.Bytes, state.MaxBytes}
	if state.MaxRequests > 0 && state.Requests >= state.MaxRequests {
		l = limit{limitRequests, state.Requests, state.MaxRequests}
	}
	fault := overLimit(http.StatusServiceUnavailable, noRoomMessage, l)
	fault.retryAfter = int(waitForRoom / time.Second)
	return fault
}

// refuseUnread answers a request that finds no room, and does not wait for its body.
func (x *exchange) refuseUnread(r *http.Request) {
	if r.ContentLength != 0 {
		x.w.Header().Set("Connection", "close")
	}
	x.fail(overloaded(x.load))
}

// hold counts n more bytes until the exchange ends, and reports whether there is room for them; for what must be held there
// always is.
func (x *exchange) hold(n int, must bool) bool {
	if x.load == nil || n <= inflight.Small {
		return true
	}
	if x.held == nil {
		x.held = x.load.Hold()
	}
	x.held.Must = must
	return x.held.Grow(int64(n))
}

func (x *exchange) letGo() {
	if x.held != nil {
		x.held.Free()
	}
}

// decodedValue is about what a JSON value takes once it is decoded, in bytes, beside its text.
const decodedValue = 64

// holdDecoded counts what decoding a request takes, and reports whether there is room: a short text can hold very many values.
func (x *exchange) holdDecoded(r raw) bool {
	values := len(r.query) / 4 // where a comma may be three bytes
	for _, c := range []byte{',', '[', '{'} {
		values += bytes.Count(r.body, []byte{c})
	}
	return x.hold(decodedValue*values, false)
}

// count has the memory of an answer counted, and returns what ends that.
func (g *Gateway) count(buffer *engine.Buffer, must bool) (free func()) {
	if g.opts.Inflight == nil {
		return buffer.Free
	}
	held := g.opts.Inflight.Hold()
	held.Must = must
	buffer.Room = func(size int) error {
		if size <= inflight.Small || held.Resize(int64(size)) {
			return nil
		}
		state := g.opts.Inflight.State()
		return &upstream.Error{Kind: upstream.LimitExceeded, Local: true, RetryAfter: waitForRoom, Err: errNoRoom,
			Limit: &upstream.Limit{Name: upstream.LimitInflight, Reached: state.Bytes, Allowed: state.MaxBytes}}
	}
	return func() {
		buffer.Free()
		held.Free()
	}
}

// starved reports whether nothing came of a query because there was no room.
func (r *reply) starved() bool {
	return !r.wrote && slices.ContainsFunc(r.resp.Errors, withoutRoom) && r.empty()
}

func withoutRoom(err *gqlerror.Error) bool {
	l, ok := err.Extensions["limit"].(limit)
	return ok && l.Name == upstream.LimitInflight
}

// empty reports whether every field of the data is null.
func (r *reply) empty() bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.resp.Data, &fields) != nil {
		return false
	}
	for _, value := range fields {
		if !isNull(value) {
			return false
		}
	}
	return true
}

// hold counts the memory of an answer that is kept, once for all who are sent it at the same time: by then others may have
// taken its place in the cache.
func (r *reply) hold(load *inflight.Load) bool {
	if load == nil || r.kept == nil || len(r.kept.plain.text) <= inflight.Small {
		return true
	}
	r.holding = r.kept.readers.enter(load, r.kept.size())
	return r.holding
}

// release ends the use of an answer that was sent.
func (r *reply) release() {
	if r.holding {
		r.kept.readers.leave()
	}
	if r.free != nil {
		r.free()
	}
}

// readers are the requests that are sent one answer.
type readers struct {
	mu   sync.Mutex
	n    int
	held *inflight.Hold
}

func (s *readers) enter(load *inflight.Load, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		if s.held = load.Hold(); !s.held.Resize(int64(size)) {
			return false
		}
	}
	s.n++
	return true
}

func (s *readers) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 {
		s.held.Free()
		s.held = nil
	}
}

const (
	// leastRate is how fast an answer must be read, in bytes a second, and slowStart how much later the reader may be.
	leastRate = 64 << 10
	slowStart = 10 * time.Second
	// chunk is how much is sent, in bytes, before the reader's pace is looked at.
	chunk = 128 << 10
)

// pour sends a body. A reader who takes it more slowly than the least rate is cut off, since what they hold is not there for
// others. Short ones have the server's own time.
func (x *exchange) pour(b body) {
	if b.size <= inflight.Small {
		for _, p := range b.pieces {
			if _, err := x.w.Write(p); err != nil {
				return
			}
		}
		return
	}
	control, begun, sent := http.NewResponseController(x.w), time.Now(), 0
	for _, p := range b.pieces {
		for len(p) > 0 {
			part := p[:min(len(p), chunk)]
			p = p[len(part):]
			sent += len(part)
			// A writer without a connection behind it has no deadline to set, and no slow reader either.
			_ = control.SetWriteDeadline(begun.Add(slowStart + time.Duration(sent)*time.Second/leastRate))
			if _, err := x.w.Write(part); err != nil {
				if isTimeout(err) {
					x.load.CutOff()
				}
				return
			}
		}
	}
}
