package incremental

import (
	"io"
	"net/http"
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
	delimiter  = "--" + boundary
	partHeader = "Content-Type: application/json; charset=utf-8\r\n\r\n"
)

// Send sends a payload with what ends it, so that a reader has all of it at once.
func (w *Writer) Send(payload []byte, last bool) error {
	var text []byte
	if w.protocol == Events {
		text = append(append([]byte("event: next\ndata: "), payload...), "\n\n"...)
		if last {
			text = append(text, "event: complete\ndata: \n\n"...)
		}
		return w.flush(text)
	}
	if !w.begun {
		w.begun = true
		text = append(text, delimiter+"\r\n"...)
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
	if w.protocol != Events {
		return nil
	}
	return w.flush([]byte(":\n\n"))
}

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
