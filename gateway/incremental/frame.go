package incremental

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// SetHeaders sets the headers of an answer.
func (p Protocol) SetHeaders(h http.Header) {
	h.Set("Content-Type", p.contentType())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would gather payloads
}

const (
	delimiter = "--" + boundary
	// opening begins a body. Apollo iOS finds a boundary behind a line break alone, and drops a body that begins without
	// one.
	opening = "\r\n" + delimiter + "\r\n"
	// comment is an event that readers pass over.
	comment = ":\n\n"
	// event precedes the payload of an event.
	event = "event: next\ndata: "
	// complete is the event that ends a stream.
	complete   = "event: complete\ndata: \n\n"
	partHeader = "Content-Type: application/json; charset=utf-8\r\n\r\n"
)

// frame returns the frame of a payload. In multipart/mixed the delimiter is behind it, so that a reader has all of it
// at once.
func (p Protocol) frame(payload []byte, last bool) []byte { return p.appendFrame(nil, payload, last) }

// appendFrame appends the frame of a payload, which may be as long as an answer: it is copied once.
func (p Protocol) appendFrame(dst, payload []byte, last bool) []byte {
	before, after := partHeader, "\r\n"+delimiter+"\r\n"
	switch {
	case p == Events && last:
		before, after = event, "\n\n"+complete
	case p == Events:
		before, after = event, "\n\n"
	case last:
		after = "\r\n" + delimiter + "--\r\n"
	}
	dst = append(slices.Grow(dst, len(before)+len(payload)+len(after)), before...)
	return append(append(dst, payload...), after...)
}

// Opening returns the bytes before the first frame of a subscription.
func (p Protocol) Opening() []byte {
	if p == Events {
		return []byte(comment)
	}
	return []byte(opening)
}

// Beat returns the frame that keeps a connection without payloads open. The formats of parts have none but for Events.
func (p Protocol) Beat() []byte {
	if p == Events {
		return []byte(comment)
	}
	return p.frame([]byte("{}"), false)
}

// Event returns the frame of an answer to a subscription, for any number of subscribers.
func (p Protocol) Event(answer []byte) []byte {
	if p == Events {
		return p.frame(answer, false)
	}
	return p.frame(slices.Concat([]byte(`{"payload":`), answer, []byte("}")), false)
}

// Only returns the whole stream of events with a single answer.
func Only(answer []byte) []byte { return Events.frame(answer, true) }

// End returns the frame that ends a subscription with errors.
func (p Protocol) End(errs gqlerror.List) []byte {
	text, _ := json.Marshal(errs)
	if p == Events {
		return p.frame([]byte(`{"errors":`+string(text)+"}"), true)
	}
	return p.frame([]byte(`{"payload":null,"errors":`+string(text)+"}"), true)
}

// Retry returns the frame that sets the time after which an event source connects again.
func Retry(after time.Duration) []byte {
	return []byte("retry: " + strconv.FormatInt(after.Milliseconds(), 10) + "\n\n")
}
