package gateway

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestid"
)

// The outcomes of an operation, as its caller sees them.
const (
	OutcomeOK      = "ok"      // whole, without an error
	OutcomePartial = "partial" // data and errors
	OutcomeFailed  = "failed"  // executed, and data is null
	OutcomeRefused = "refused" // not executed
)

// Stats are what one operation was, for metrics, traces and the log. Nothing in them but its name is the caller's own
// text.
type Stats struct {
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
	Cache string
	// Duration of a subscription is that until its first event.
	Duration time.Duration
	// Cost is the estimate in points, Calls how many exchanges with backends were made.
	Cost, Calls int64
	// Codes are the extensions.code of the errors.
	Codes     []string
	RequestID string
}

// finish takes the outcome from the answer.
func (f *Stats) finish(ctx context.Context, began time.Time, out *httpapi.Result) {
	f.Duration = cmp.Or(f.Duration, time.Since(began))
	f.RequestID = requestid.FromContext(ctx)
	for _, err := range out.Response.Errors {
		if code, ok := err.Extensions["code"].(string); ok {
			f.Codes = append(f.Codes, code)
		}
	}
	switch {
	case out.Err != nil || out.Refused:
		f.Outcome = OutcomeRefused
	case bytes.Equal(out.Response.Data, []byte("null")):
		f.Outcome = OutcomeFailed
	case len(out.Response.Errors) > 0:
		f.Outcome = OutcomePartial
	default:
		f.Outcome = OutcomeOK
	}
}

// An operation's use of the cache, for the log.
const (
	cacheHit   = "hit"   // it made no call
	cacheStale = "stale" // it used a stale fact
	cacheMiss  = "miss"  // it made calls
)

// count takes what the operation used.
func (f *Stats) count(calls int64, out *httpapi.Result) {
	f.Calls = calls
	switch {
	case out.Response.Extensions["freshness"] != nil:
		f.Cache = cacheStale
	case f.Calls > 0:
		f.Cache = cacheMiss
	default:
		f.Cache = cacheHit
	}
}

// logged returns the operation's part of the log.
func (f *Stats) logged() *requestid.Operation {
	o := &requestid.Operation{Name: f.Name, Kind: f.Kind, Document: f.Document, Cache: f.Cache, Cost: f.Cost,
		Calls: f.Calls}
	if len(f.Codes) > 0 {
		o.Code = f.Codes[0]
	}
	return o
}
