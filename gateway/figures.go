package gateway

import (
	"bytes"
	"context"
	"time"

	"github.com/learngraph/learngraph/auth"
)

// The outcomes of an operation, as far as its caller can tell.
const (
	OutcomeOK      = "ok"      // whole, without an error
	OutcomePartial = "partial" // data beside errors
	OutcomeFailed  = "failed"  // executed, and data is null
	OutcomeRefused = "refused" // not executed
)

// Figures are what one operation was, for metrics, traces and the log. Nothing in them but its name is the caller's own text.
type Figures struct {
	// Caller is the name of the caller's API key, or one for all tokens or for anyone.
	Caller string
	// Name is that of the operation, for the log alone.
	Name string
	// Document is the id of a trusted document, empty for any other.
	Document string
	// Kind is query or mutation, empty where the operation was refused before that was known.
	Kind    string
	Outcome string
	// Cache is hit, stale or miss, empty where nothing was executed.
	Cache    string
	Duration time.Duration
	// Cost is the estimate in points, Calls how many exchanges with backends were made.
	Cost, Calls int64
	// Codes are the extensions.code of the errors.
	Codes     []string
	RequestID string
}

// finish takes what the answer says.
func (f *Figures) finish(ctx context.Context, began time.Time, out *reply) {
	f.Duration, f.RequestID, f.Caller = time.Since(began), RequestID(ctx), auth.FromContext(ctx).Label()
	for _, err := range out.resp.Errors {
		if code, ok := err.Extensions["code"].(string); ok {
			f.Codes = append(f.Codes, code)
		}
	}
	switch {
	case out.fault != nil || out.refused:
		f.Outcome = OutcomeRefused
	case bytes.Equal(out.resp.Data, []byte("null")):
		f.Outcome = OutcomeFailed
	case len(out.resp.Errors) > 0:
		f.Outcome = OutcomePartial
	default:
		f.Outcome = OutcomeOK
	}
}
