// Package gqlerrors maps errors to the errors that a caller sees: a message, a code and the numbers of a limit. The
// cause goes to the log alone.
package gqlerrors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The codes of the gateway itself. The others come from the table of kinds below.
const (
	CodeBadRequest       = "BAD_REQUEST"
	CodeParseFailed      = "GRAPHQL_PARSE_FAILED"
	CodeValidationFailed = "GRAPHQL_VALIDATION_FAILED"
	CodeBadUserInput     = "BAD_USER_INPUT"
	CodeLimitExceeded    = "LIMIT_EXCEEDED"
	CodeForbidden        = "FORBIDDEN"
	CodeInternal         = "INTERNAL"
	codeContract         = "UPSTREAM_CONTRACT"
	CodeDeadline         = "DEADLINE_EXCEEDED"
	CodeUnauthenticated  = "UNAUTHENTICATED"
	CodeRateLimited      = "RATE_LIMITED"
	CodeNotPersisted     = "PERSISTED_QUERY_NOT_FOUND"
	codeNotCached        = "NOT_CACHED"
	CodeNotTrusted       = "DOCUMENT_NOT_TRUSTED"
	CodeUnavailable      = "UPSTREAM_UNAVAILABLE"
)

// InternalMessage is the message of errors whose cause is for the log alone.
const InternalMessage = "internal error of this server"

// OverMemoryMessage is the message of an error for lack of memory for one more request under way.
const OverMemoryMessage = "this server is at its limit of requests in flight or of their bytes: try again"

// presentation is how a kind of failure looks to the caller.
type presentation struct{ code, message string }

// presentations is the one table from a failure at a backend to the caller's error.
var presentations = map[upstream.Kind]presentation{
	upstream.Timeout:     {"UPSTREAM_TIMEOUT", "the backend did not answer in time"},
	upstream.Deadline:    {CodeDeadline, "the operation ran out of time"},
	upstream.Canceled:    {CodeDeadline, "the request was canceled"},
	upstream.Unavailable: {CodeUnavailable, "the backend could not be reached or failed"},
	upstream.RateLimited: {"UPSTREAM_RATE_LIMITED", "the backend's rate limit allows no further call in time"},
	upstream.Rejected:    {"UPSTREAM_REJECTED", "the backend refused the call"},
	upstream.Invalid:     {"UPSTREAM_REJECTED", "the backend refused the call's input"},
	upstream.NotFound:    {"UPSTREAM_REJECTED", "the backend has no such record"},
	upstream.Contract:    {codeContract, "the backend's answer breaks its documented contract"},
	upstream.OutcomeUnknown: {"WRITE_OUTCOME_UNKNOWN",
		"the backend's answer was lost: the write may have succeeded; read again before repeating it"},
	upstream.NotConfigured: {"BACKEND_NOT_CONFIGURED", "the backend is not configured on this server"},
	upstream.LimitExceeded: {CodeLimitExceeded,
		"the operation reached this server's limit on backend calls or bytes"},
	upstream.Mismatch: {codeContract, "the backend's value does not fit the schema"},
}

// Transient reports whether an error is of a backend, of time or of this server's load, and may be gone when the
// operation is executed again. A whole answer that breaks the backend's contract is a failure of the backend; a value
// that does not fit and a key that two records carry are part of its answer.
func Transient(err *gqlerror.Error) bool {
	var backend *upstream.Error
	if errors.As(err.Err, &backend) {
		switch backend.Kind {
		case upstream.Contract:
			return !errors.Is(backend, upstream.ErrAmbiguous)
		case upstream.LimitExceeded:
			return backend.Limit != nil && backend.Limit.Name == upstream.LimitInflight
		}
		return slices.Contains(transientKinds, backend.Kind)
	}
	code := err.Extensions["code"]
	return code == CodeUnavailable || code == CodeDeadline
}

var transientKinds = []upstream.Kind{upstream.Timeout, upstream.Deadline, upstream.Canceled, upstream.Unavailable,
	upstream.RateLimited, upstream.Rejected, upstream.Invalid, upstream.NotFound}

// Presenter turns an error of a resolver into the caller's error. The cause goes to the log, joined by the request id.
func Presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		shown := gqlerror.WrapIfUnwrapped(err)
		out := &gqlerror.Error{Path: shown.Path, Locations: shown.Locations}
		if out.Path == nil {
			out.Path = graphql.GetPath(ctx)
		}
		out.Message, out.Extensions = Describe(err)
		var backend *upstream.Error
		if errors.As(err, &backend) {
			out.Err = backend // for Transient and Proxy-Status; no answer has it
		}
		if out.Extensions["code"] != CodeBadUserInput {
			logError(ctx, log, out, err)
		}
		return out
	}
}

// Present is an error without a place, as the caller sees it.
func Present(err error) *gqlerror.Error {
	out := &gqlerror.Error{}
	out.Message, out.Extensions = Describe(err)
	return out
}

// WatchMismatches returns a presenter that reports values that break the schema before next presents them.
func WatchMismatches(notify func(backend upstream.Backend, object, field string),
	next graphql.ErrorPresenterFunc) graphql.ErrorPresenterFunc {
	if notify == nil {
		return next
	}
	return func(ctx context.Context, err error) *gqlerror.Error {
		var field *engine.FieldError
		if backend := mismatchedBackend(err); backend != "" && errors.As(err, &field) {
			notify(backend, field.Object, field.Field)
		}
		return next(ctx, err)
	}
}

// mismatchedBackend is the backend whose value does not fit the schema; empty for any other error. A
// value of a document has no backend of its own to name: there is one that has documents.
func mismatchedBackend(err error) upstream.Backend {
	var backend *upstream.Error
	var mismatch *document.Mismatch
	switch {
	case errors.As(err, &backend) && backend.Kind == upstream.Mismatch:
		return backend.Backend
	case backend == nil && errors.As(err, &mismatch):
		return upstream.ThoughtIndustries
	}
	return ""
}

// Describe returns the message and the extensions of an error.
func Describe(err error) (string, map[string]any) {
	var (
		backend   *upstream.Error
		input     *scalar.InputError
		forbidden *scalar.ForbiddenError
		mismatch  *document.Mismatch
		tooLarge  *engine.SizeError
		ready     *gqlerror.Error
	)
	switch {
	case errors.As(err, &backend):
		return describeBackend(backend)
	case errors.As(err, &mismatch):
		return "the backend's value does not fit the schema: " + mismatch.Error(),
			map[string]any{"code": codeContract, "backend": upstream.ThoughtIndustries}
	case errors.As(err, &input):
		return input.Error(), map[string]any{"code": CodeBadUserInput}
	case errors.As(err, &forbidden):
		return forbidden.Error(), map[string]any{"code": CodeForbidden}
	case errors.As(err, &ready) && ready.Extensions["code"] != nil:
		return ready.Message, maps.Clone(ready.Extensions)
	case errors.As(err, &tooLarge):
		return "the answer is too large: select less at once",
			map[string]any{"code": CodeLimitExceeded, "limit": Limit{"answer", int64(tooLarge.Reached), int64(tooLarge.Max)}}
	case errors.Is(err, cache.ErrNotCached):
		return "the field's data is not cached, and the request has only-if-cached", map[string]any{"code": codeNotCached}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return presentations[upstream.Deadline].message, map[string]any{"code": CodeDeadline}
	}
	return InternalMessage, map[string]any{"code": CodeInternal}
}

// limitSettings are the settings that bound an operation's calls of backends.
var limitSettings = map[string]string{upstream.LimitCalls: "OPERATION_CALLS", upstream.LimitBytes: "OPERATION_BYTES"}

func describeBackend(err *upstream.Error) (string, map[string]any) {
	p, ok := presentations[err.Kind]
	if !ok {
		p = presentation{CodeInternal, InternalMessage}
	}
	extensions := map[string]any{"code": p.code}
	if err.Backend != "" {
		extensions["backend"] = err.Backend
	}
	if l := err.Limit; l != nil {
		if l.Name == upstream.LimitInflight {
			p.message = OverMemoryMessage
		} else if setting := limitSettings[l.Name]; setting != "" {
			p.message += " (" + setting + ")"
		}
		extensions["limit"] = Limit{l.Name, l.Reached, l.Allowed}
	}
	if err.RetryAfter > 0 {
		extensions["retryAfter"] = int(math.Ceil(err.RetryAfter.Seconds()))
	}
	return p.message, extensions
}

// logError writes the cause of an error: kinds, routes and statuses, which hold no data of the backend or the caller.
func logError(ctx context.Context, log *slog.Logger, shown *gqlerror.Error, cause error) {
	attrs := []slog.Attr{slog.String("requestId", requestlog.ID(ctx)), slog.Any("code", shown.Extensions["code"]),
		slog.String("path", shown.Path.String())}
	var backend *upstream.Error
	if errors.As(cause, &backend) {
		attrs = append(attrs, slog.String("cause", backend.Error()))
	}
	if p, ok := PanicText(cause); ok {
		attrs = append(attrs, slog.String("panic", p))
	}
	log.LogAttrs(ctx, slog.LevelWarn, "field failed", attrs...)
}

// Limit is how an error names a bound that was passed.
type Limit struct {
	Name    string `json:"name"`
	Reached int64  `json:"reached"`
	Allowed int64  `json:"allowed"`
}

// OverLimit returns the error of a bound that was passed.
func OverLimit(message string, l Limit) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": CodeLimitExceeded, "limit": l}}
}

// Recover returns a panic as an error with its stack.
func Recover(_ context.Context, p any) error { return task.Recovered(p) }

// PanicText returns the text of a panic for the log.
func PanicText(err error) (string, bool) {
	var p *task.PanicError
	if !errors.As(err, &p) {
		return "", false
	}
	return fmt.Sprintf("%v\n%s", p.Value, p.Stack), true
}
