package gateway

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestlog"
)

// finish notes the outcome of an operation from its answer.
func finish(ctx context.Context, f *requestlog.Operation, began time.Time, out *httpapi.Result) {
	f.Duration = cmp.Or(f.Duration, time.Since(began))
	f.RequestID = requestlog.ID(ctx)
	for _, err := range out.Response.Errors {
		if code, ok := err.Extensions["code"].(string); ok {
			f.Codes = append(f.Codes, code)
		}
	}
	switch {
	case out.Err != nil || out.Refused:
		f.Outcome = requestlog.OutcomeRefused
	case bytes.Equal(out.Response.Data, []byte("null")):
		f.Outcome = requestlog.OutcomeFailed
	case len(out.Response.Errors) > 0:
		f.Outcome = requestlog.OutcomePartial
	default:
		f.Outcome = requestlog.OutcomeOK
	}
}

// An operation's use of the cache, for the log.
const (
	cacheHit   = "hit"   // it made no call
	cacheStale = "stale" // it used a stale fact
	cacheMiss  = "miss"  // it made calls
)

// count notes the calls and records that an operation used.
func count(f *requestlog.Operation, calls int64, out *httpapi.Result) {
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
