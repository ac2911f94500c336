package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/gateway/strictjson"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// ErrOverMemory means that requests in flight are at their limit of bytes.
var ErrOverMemory = errors.New("requests in flight are at their limit of bytes")

// WaitForMemory is after how long a caller who found no room may try again.
const WaitForMemory = time.Second

// limitRequests is the name of the bound on the number of requests under way.
const limitRequests = "inflight"

// Overloaded is the answer to a request that finds no room.
func Overloaded(load *inflight.Load) *Error {
	state := load.State()
	l := gqlerrors.Limit{Name: upstream.LimitInflight, Reached: state.Bytes, Allowed: state.MaxBytes}
	if state.MaxRequests > 0 && state.Requests >= state.MaxRequests {
		l = gqlerrors.Limit{Name: limitRequests, Reached: state.Requests, Allowed: state.MaxRequests}
	}
	fault := OverLimit(http.StatusServiceUnavailable, gqlerrors.OverMemoryMessage, l)
	fault.RetryAfter = int(WaitForMemory / time.Second)
	return fault
}

// Enter counts the request until Leave, and reports whether there is room for it. One that finds none is answered at
// once, without waiting for its body.
func (x *ResponseWriter) Enter(r *http.Request, load *inflight.Load) bool {
	x.Load = load
	if load.Enter() {
		return true
	}
	if r.ContentLength != 0 {
		x.w.Header().Set("Connection", "close")
	}
	x.Fail(Overloaded(load))
	return false
}

// Leave releases the room of Enter. It may be called again.
func (x *ResponseWriter) Leave() {
	if x.released {
		return
	}
	x.released = true
	x.releaseHeld()
	x.Load.Leave()
}

// hold counts n more bytes until the response writer ends, and reports whether there is room for them. With must it
// counts them in any case.
func (x *ResponseWriter) hold(n int, must bool) bool {
	if x.Load == nil || n <= inflight.Small {
		return true
	}
	if x.held == nil {
		x.held = x.Load.Hold()
	}
	x.held.Must = must
	return x.held.Grow(int64(n))
}

func (x *ResponseWriter) releaseHeld() {
	if x.held != nil {
		x.held.Free()
	}
}

// decodedValue is the approximate size of a decoded JSON value, in bytes, besides its text.
const decodedValue = 64

// holdDecoded counts the memory that decoding a request takes, and reports whether there is room: a short text can hold
// very many values.
func (x *ResponseWriter) holdDecoded(r Raw) bool {
	values := len(r.query) / 4 // where a comma may be three bytes
	for _, c := range []byte{',', '[', '{'} {
		values += bytes.Count(r.Body, []byte{c})
	}
	return x.hold(decodedValue*values, false)
}

// failedForMemory reports whether nothing came of a query because there was no room.
func (r *Result) failedForMemory() bool {
	return !r.Mutation && slices.ContainsFunc(r.Response.Errors, isOverMemory) && r.empty()
}

func isOverMemory(err *gqlerror.Error) bool {
	l, ok := err.Extensions["limit"].(gqlerrors.Limit)
	return ok && l.Name == upstream.LimitInflight
}

// empty reports whether every field of the data is null.
func (r *Result) empty() bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.Response.Data, &fields) != nil {
		return false
	}
	for _, value := range fields {
		if !strictjson.IsNull(value) {
			return false
		}
	}
	return true
}

// hold counts the memory of an answer that is kept, once for all who are sent it at the same time: by then others may
// have taken its place in the cache.
func (r *Result) hold(load *inflight.Load) bool {
	if load == nil || r.Stored == nil || len(r.Stored.WithoutExtensions.Text) <= inflight.Small {
		return true
	}
	r.counted = r.Stored.Readers.Enter(load, r.Stored.Size())
	return r.counted
}

// release ends the use of an answer that was sent.
func (r *Result) release() {
	if r.counted {
		r.Stored.Readers.Leave()
	}
	if r.Free != nil {
		r.Free()
	}
}

const (
	// leastRate is how fast an answer must be read, in bytes a second, and slowStart how much later the reader may be.
	leastRate = 64 << 10
	slowStart = 10 * time.Second
	// chunk is how much is sent, in bytes, before the reader's pace is looked at.
	chunk = 128 << 10
)

// sendBody sends a body. A reader who takes it more slowly than the least rate is cut off, since its memory is not free
// for others. Short ones have the server's own time.
func (x *ResponseWriter) sendBody(b representation.Body) {
	if b.Size <= inflight.Small {
		for _, p := range b.Pieces {
			if _, err := x.w.Write(p); err != nil {
				return
			}
		}
		return
	}
	control, begun, sent := http.NewResponseController(x.w), time.Now(), 0
	for _, p := range b.Pieces {
		for len(p) > 0 {
			part := p[:min(len(p), chunk)]
			p = p[len(part):]
			sent += len(part)
			// A writer without a connection behind it has no deadline to set, and no slow reader either.
			_ = control.SetWriteDeadline(begun.Add(slowStart + time.Duration(sent)*time.Second/leastRate))
			if _, err := x.w.Write(part); err != nil {
				if isTimeout(err) {
					x.Load.CutOff()
				}
				return
			}
		}
	}
}
