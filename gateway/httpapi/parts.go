package httpapi

import (
	"net/http"
	"time"

	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/inflight"
)

// Parts sends an answer in parts.
type Parts struct {
	x       *ResponseWriter
	control *http.ResponseController
	encoder *representation.Encoder // nil for an answer that is sent as it is
}

// Begin sends the header of an answer in parts, with out's policy, which is that of the first part.
func (x *ResponseWriter) Begin(out *Result) *Parts {
	h := x.setHeaders(x.permitted(out.Policy.Unless(true)))
	x.setProxyStatus(out)
	delete(h, "Referrer-Policy") // parts have no links, and a ninth header takes 1.5 KiB of each stream
	encoder, coding := x.codings.NewEncoder(x.w, x.compressAbove)
	if encoder != nil {
		h["Content-Encoding"] = []string{coding}
	}
	x.Protocol.SetHeaders(h)
	x.w.WriteHeader(http.StatusOK)
	return &Parts{x, http.NewResponseController(x.w), encoder}
}

// Send sends frames as soon as they are there. A reader who takes them too slowly is cut off, as of any answer.
func (p *Parts) Send(frames []byte) error {
	most := slowStart + time.Duration(len(frames))*time.Second/leastRate
	_ = p.control.SetWriteDeadline(time.Now().Add(most))
	err := p.write(frames)
	if err != nil && isTimeout(err) && len(frames) > inflight.Small {
		p.x.Load.CutOff()
	}
	return err
}

func (p *Parts) write(frames []byte) (err error) {
	if p.encoder == nil {
		_, err = p.x.w.Write(frames)
	} else if _, err = p.encoder.Write(frames); err == nil {
		err = p.encoder.Flush()
	}
	if err != nil {
		return err
	}
	return p.control.Flush()
}

// Close ends the content coding.
func (p *Parts) Close() {
	if p.encoder != nil {
		_ = p.encoder.Close()
	}
}
