package incremental

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Encoder is a content coding under way.
type Encoder interface {
	io.Writer
	Flush() error
}

// Writer sends payloads, each as soon as it is there.
type Writer struct {
	protocol Protocol
	to       io.Writer
	packed   Encoder // nil for an answer that is sent as it is
	control  *http.ResponseController
	begun    bool
}

// NewWriter sends the header of an answer. packed, which may be nil, writes to w.
func NewWriter(w http.ResponseWriter, p Protocol, packed Encoder) *Writer {
	h := w.Header()
	h.Set("Content-Type", p.contentType())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would gather payloads
	w.WriteHeader(http.StatusOK)
	out := &Writer{protocol: p, to: w, packed: packed, control: http.NewResponseController(w)}
	if packed != nil {
		out.to = packed
	}
	return out
}

const (
	delimiter = "--" + boundary
	// opening begins a body. Apollo iOS finds a boundary behind a line break alone, and drops a body that begins without
	// one.
	opening = "\r\n" + delimiter + "\r\n"
	// complete is the event that ends a stream.
	complete   = "event: complete\ndata: \n\n"
	partHeader = "Content-Type: application/json; charset=utf-8\r\n\r\n"
)

// Send sends a payload with the delimiter behind it, so that a reader has all of it at once.
func (w *Writer) Send(payload []byte, last bool) error {
	var text []byte
	if w.protocol == Events {
		text = w.protocol.Event(payload)
		if last {
			text = append(text, complete...)
		}
		return w.flush(text)
	}
	if !w.begun {
		w.begun = true
		text = append(text, opening...)
	}
	text = append(append(text, partHeader...), payload...)
	text = append(text, "\r\n"+delimiter...)
	if last {
		text = append(text, "--"...)
	}
	return w.flush(append(text, "\r\n"...))
}

// Beat keeps a connection without payloads open.
func (w *Writer) Beat() error {
	switch w.protocol {
	case Events:
		return w.flush([]byte(":\n\n"))
	case Multipart:
		return w.SendFrame(frame("{}"))
	}
	return nil
}

// Event returns the frame of an answer to a subscription, for any number of writers.
func (p Protocol) Event(answer []byte) []byte {
	if p == Events {
		return append(append([]byte("event: next\ndata: "), answer...), "\n\n"...)
	}
	return frame(`{"payload":` + string(answer) + "}")
}

// Only returns the whole stream of events with a single answer.
func Only(answer []byte) []byte { return append(Events.Event(answer), complete...) }

// End returns the frame that ends a subscription with errors.
func (p Protocol) End(errs gqlerror.List) []byte {
	text, _ := json.Marshal(errs)
	if p == Events {
		return append(p.Event([]byte(`{"errors":`+string(text)+"}")), complete...)
	}
	f := frame(`{"payload":null,"errors":` + string(text) + "}")
	return append(f[:len(f)-len("\r\n")], "--\r\n"...)
}

// Retry returns the frame that sets the time after which an event source connects again.
func Retry(after time.Duration) []byte {
	return []byte("retry: " + strconv.FormatInt(after.Milliseconds(), 10) + "\n\n")
}

// frame returns a part of multipart/mixed after the delimiter before it, with the one after it.
func frame(payload string) []byte { return []byte(partHeader + payload + "\r\n" + delimiter + "\r\n") }

// Open sends the bytes before the first frame of a subscription.
func (w *Writer) Open() error {
	w.begun = true
	if w.protocol == Events {
		return w.flush([]byte(":\n\n"))
	}
	return w.flush([]byte(opening))
}

// SendFrame sends a frame of a subscription that was opened.
func (w *Writer) SendFrame(text []byte) error { return w.flush(text) }

func (w *Writer) flush(text []byte) error {
	if _, err := w.to.Write(text); err != nil {
		return err
	}
	if w.packed != nil {
		if err := w.packed.Flush(); err != nil {
			return err
		}
	}
	return w.control.Flush()
}
