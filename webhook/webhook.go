// Package webhook receives the backends' notifications: signed events that name a record. The record is then read from
// the backend, so that nothing of an event is kept.
package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/task"
)

const (
	// MaxBody bounds an event, in bytes.
	MaxBody = 1 << 20
	// Remembered is how long a delivery is known, so that it is done once however often it is sent.
	Remembered = 24 * time.Hour
	// skew is by how much the vendor's clock may differ from ours where a signature has a time.
	skew = 5 * time.Minute
)

// Outcome is the outcome of a delivery.
type Outcome string

// The outcomes. All but Refused, TooLarge and Busy are answered with 200, so that the vendor goes on sending.
const (
	Done     Outcome = "done"      // the records that it names are asked for anew
	Replayed Outcome = "replayed"  // it came before
	Nothing  Outcome = "nothing"   // an event that is known and names no record of ours
	Unknown  Outcome = "unknown"   // an event that is not known, or cannot be read
	Refused  Outcome = "refused"   // the signature is wrong: 401
	TooLarge Outcome = "too_large" // over MaxBody: 413
	Busy     Outcome = "busy"      // no room for the request, or no key to verify with: 503
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{Done, Replayed, Nothing, Unknown, Refused, TooLarge, Busy}
}

// ErrSignature is the error of a delivery whose signature is missing or wrong.
var ErrSignature = errors.New("the signature is missing or wrong")

// Options are an endpoint's dependencies.
type Options struct {
	// First remembers a delivery for Remembered, and reports whether it is new.
	First func(ctx context.Context, delivery string) bool
	// Apply drops the cached values of a record.
	Apply func(context.Context, Change)
	// Received is called for each delivery with a right signature.
	Received func(context.Context)
	// Observe gets the outcome of each delivery.
	Observe func(Outcome)
	// Inflight bounds the memory of bodies; nil bounds nothing.
	Inflight *inflight.Load
}

// Endpoint takes the events of one vendor.
type Endpoint struct {
	vendor vendor
	opts   Options
}

// vendor is how one vendor signs and the meaning of its events.
type vendor struct {
	name string
	// verify returns ErrSignature for a wrong signature, and any other error where none can be verified now.
	verify func(r *http.Request, body []byte) error
	read   func(body []byte) (event, bool)
}

// event is the part of a body that an endpoint uses.
type event struct {
	// delivery identifies an event of the vendor; empty where only the bytes of the body do.
	delivery string
	kind     string
	// data is the part that names records.
	data any
}

// ServeHTTP answers before it has the records dropped: vendors wait for a few seconds only. The connection takes no
// further request before that is done, so that the bound on requests bounds this work too.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	outcome, touches := Busy, []Change(nil)
	if e.opts.Inflight.Enter() {
		defer e.opts.Inflight.Leave()
		outcome, touches = e.receive(w, r)
	}
	e.opts.Observe(outcome)
	status := statusOf(outcome)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if status != http.StatusOK {
		return
	}
	_ = http.NewResponseController(w).Flush()
	ctx := context.WithoutCancel(r.Context())
	e.opts.Received(ctx)
	for _, t := range touches {
		e.opts.Apply(ctx, t)
	}
}

func statusOf(o Outcome) int {
	switch o {
	case Refused:
		return http.StatusUnauthorized
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// receive returns the changes of a delivery. Its body is let go of before that is done.
func (e *Endpoint) receive(w http.ResponseWriter, r *http.Request) (Outcome, []Change) {
	size := r.ContentLength
	switch {
	case size > MaxBody:
		return TooLarge, nil
	case size < 0:
		size = MaxBody
	}
	if size > inflight.Small {
		held := e.opts.Inflight.Hold()
		defer held.Free()
		if !held.Resize(size) {
			return Busy, nil
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return TooLarge, nil
	case err != nil:
		return Refused, nil // it did not arrive whole
	}
	// The bytes may be anyone's: a panic of the code that verifies or reads them is an error.
	switch err := task.Run(func() error { return e.vendor.verify(r, body) }); {
	case errors.As(err, new(*Unavailable)):
		return Busy, nil
	case err != nil:
		return Refused, nil
	}
	return e.understand(r.Context(), body)
}

// Unavailable is the error of a signature that cannot be verified because no key was ever had.
type Unavailable struct{}

func (*Unavailable) Error() string { return "signatures cannot be verified now" }

// understand returns the changes of an event, once for each.
func (e *Endpoint) understand(ctx context.Context, body []byte) (Outcome, []Change) {
	v, ok := e.vendor.read(body)
	if !e.opts.First(ctx, e.vendor.name+"\x00"+deliveryOf(v, body)) {
		return Replayed, nil
	}
	if !ok {
		return Unknown, nil
	}
	kind, known := eventOf(e.vendor.name, v.kind)
	if !known {
		return Unknown, nil
	}
	touches := kind.changes(v.data)
	if len(touches) == 0 {
		return Nothing, nil
	}
	return Done, touches
}
