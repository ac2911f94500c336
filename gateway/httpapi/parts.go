package httpapi

import (
	"net/http"
	"time"

	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/inflight"
)

// Parts sends an answer in parts.
type Parts struct {
	x       *ResponseWriter
	w       *incremental.Writer
	encoder *representation.Encoder // nil for an answer that is sent as it is
}

// Begin sends the header of an answer in parts, with out's policy, which is that of the first part.
func (x *ResponseWriter) Begin(out *Result) *Parts {
	x.setHeaders(x.permitted(out.Policy.Unless(true)))
	x.setProxyStatus(out)
	delete(x.w.Header(), "Referrer-Policy") // parts have no links, and a ninth header takes 1.5 KiB of each stream
	p := &Parts{x: x}
	encoder, coding := x.codings.NewEncoder(x.w, x.compressAbove)
	if encoder == nil {
		p.w = incremental.NewWriter(x.w, x.Protocol, nil)
		return p
	}
	x.w.Header()["Content-Encoding"] = []string{coding}
	p.encoder, p.w = encoder, incremental.NewWriter(x.w, x.Protocol, encoder)
	return p
}

// Send sends a payload. A reader who takes it too slowly is cut off, as of any answer.
func (p *Parts) Send(payload []byte, last bool) error {
	return p.within(len(payload), func() error { return p.w.Send(payload, last) })
}

// SendFrame sends a frame of a subscription. A reader who takes it too slowly is cut off.
func (p *Parts) SendFrame(frame []byte) error {
	return p.within(len(frame), func() error { return p.w.SendFrame(frame) })
}

// Open sends the bytes before the first frame of a subscription, so that the caller has the header.
func (p *Parts) Open() error { return p.within(0, p.w.Open) }

// Beat keeps a connection without payloads open.
func (p *Parts) Beat() error { return p.within(0, p.w.Beat) }

// within sets the deadline by which a reader must take so many bytes.
func (p *Parts) within(size int, send func() error) error {
	most := slowStart + time.Duration(size)*time.Second/leastRate
	_ = http.NewResponseController(p.x.w).SetWriteDeadline(time.Now().Add(most))
	err := send()
	if err != nil && isTimeout(err) && size > inflight.Small {
		p.x.Load.CutOff()
	}
	return err
}

// Close ends the content coding.
func (p *Parts) Close() {
	if p.encoder != nil {
		_ = p.encoder.Close()
	}
}
