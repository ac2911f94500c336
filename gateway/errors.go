package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The codes that the gateway itself gives. The others come from the table of kinds below.
const (
	codeBadRequest       = "BAD_REQUEST"
	codeParseFailed      = "GRAPHQL_PARSE_FAILED"
	codeValidationFailed = "GRAPHQL_VALIDATION_FAILED"
	codeBadUserInput     = "BAD_USER_INPUT"
	codeLimitExceeded    = "LIMIT_EXCEEDED"
	codeForbidden        = "FORBIDDEN"
	codeInternal         = "INTERNAL"
	codeContract         = "UPSTREAM_CONTRACT"
	codeDeadline         = "DEADLINE_EXCEEDED"
	codeUnauthenticated  = "UNAUTHENTICATED"
	codeRateLimited      = "RATE_LIMITED"
	codeNotPersisted     = "PERSISTED_QUERY_NOT_FOUND"
	codeNotCached        = "NOT_CACHED"
	codeNotTrusted       = "DOCUMENT_NOT_TRUSTED"
)

const internalMessage = "something went wrong on this server"

// presentation is how a kind of failure looks to the caller.
type presentation struct{ code, message string }

// kinds is the one table from what went wrong at a backend to what the caller is told.
var kinds = map[upstream.Kind]presentation{
	upstream.Timeout:        {"UPSTREAM_TIMEOUT", "the backend did not answer in time"},
	upstream.Deadline:       {codeDeadline, "the operation ran out of time"},
	upstream.Canceled:       {codeDeadline, "the request was given up"},
	upstream.Unavailable:    {"UPSTREAM_UNAVAILABLE", "the backend could not be reached or failed"},
	upstream.RateLimited:    {"UPSTREAM_RATE_LIMITED", "the backend's rate limit leaves no room for this call"},
	upstream.Rejected:       {"UPSTREAM_REJECTED", "the backend refused the call"},
	upstream.Invalid:        {"UPSTREAM_REJECTED", "the backend refused the call's input"},
	upstream.NotFound:       {"UPSTREAM_REJECTED", "the backend does not have what the call is about"},
	upstream.Contract:       {codeContract, "the backend's answer is not what its documentation promises"},
	upstream.OutcomeUnknown: {"WRITE_OUTCOME_UNKNOWN", "the backend's answer was lost: the write may have happened; read again before repeating it"},
	upstream.NotConfigured:  {"BACKEND_NOT_CONFIGURED", "this server has no configuration for the backend"},
	upstream.LimitExceeded:  {codeLimitExceeded, "the operation reached a limit of this server on what it may ask the backend"},
	upstream.Mismatch:       {codeContract, "the backend's value does not fit the schema"},
}

// present turns an error of a resolver into what the caller sees. The cause goes to the log, joined by the request id.
func present(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		shown := gqlerror.WrapIfUnwrapped(err)
		out := &gqlerror.Error{Path: shown.Path, Locations: shown.Locations}
		if out.Path == nil {
			out.Path = graphql.GetPath(ctx)
		}
		out.Message, out.Extensions = explain(err)
		if out.Extensions["code"] != codeBadUserInput {
			logError(ctx, log, out, err)
		}
		return out
	}
}

// presented is an error without a place, as the caller sees it.
func presented(err error) *gqlerror.Error {
	out := &gqlerror.Error{}
	out.Message, out.Extensions = explain(err)
	return out
}

// watch tells of the values that break the schema before they are presented.
func watch(tell func(backend upstream.Backend, object, field string), next graphql.ErrorPresenterFunc) graphql.ErrorPresenterFunc {
	if tell == nil {
		return next
	}
	return func(ctx context.Context, err error) *gqlerror.Error {
		var field *engine.FieldError
		if backend := breaker(err); backend != "" && errors.As(err, &field) {
			tell(backend, field.Object, field.Field)
		}
		return next(ctx, err)
	}
}

// breaker is the backend whose value does not fit the schema; empty where that is not what went wrong. A value of a
// document has no backend of its own to name: there is one that has documents.
func breaker(err error) upstream.Backend {
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

// explain gives the sentence and the extensions of an error.
func explain(err error) (string, map[string]any) {
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
		return explainBackend(backend)
	case errors.As(err, &mismatch):
		return "the backend's value does not fit the schema: " + mismatch.Error(),
			map[string]any{"code": codeContract, "backend": upstream.ThoughtIndustries}
	case errors.As(err, &input):
		return input.Error(), map[string]any{"code": codeBadUserInput}
	case errors.As(err, &forbidden):
		return forbidden.Error(), map[string]any{"code": codeForbidden}
	case errors.As(err, &ready) && ready.Extensions["code"] != nil:
		return ready.Message, maps.Clone(ready.Extensions)
	case errors.As(err, &tooLarge):
		return "the answer is too large: ask for less at once",
			map[string]any{"code": codeLimitExceeded, "limit": limit{"answer", int64(tooLarge.Reached), int64(tooLarge.Max)}}
	case errors.Is(err, cache.ErrNotCached):
		return "what the field needs is not kept, and the caller wants nothing fetched", map[string]any{"code": codeNotCached}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return kinds[upstream.Deadline].message, map[string]any{"code": codeDeadline}
	}
	return internalMessage, map[string]any{"code": codeInternal}
}

// limitSettings are the settings that bound what an operation may ask backends for.
var limitSettings = map[string]string{upstream.LimitCalls: "OPERATION_CALLS", upstream.LimitBytes: "OPERATION_BYTES"}

func explainBackend(err *upstream.Error) (string, map[string]any) {
	p, ok := kinds[err.Kind]
	if !ok {
		p = presentation{codeInternal, internalMessage}
	}
	extensions := map[string]any{"code": p.code}
	if err.Backend != "" {
		extensions["backend"] = err.Backend
	}
	if l := err.Limit; l != nil {
		if l.Name == upstream.LimitInflight {
			p.message = noRoomMessage
		} else if setting := limitSettings[l.Name]; setting != "" {
			p.message += " (" + setting + ")"
		}
		extensions["limit"] = limit{l.Name, l.Reached, l.Allowed}
	}
	if err.RetryAfter > 0 {
		extensions["retryAfter"] = int(math.Ceil(err.RetryAfter.Seconds()))
	}
	return p.message, extensions
}

// logError writes the cause of an error: kinds, routes and statuses, which hold no data of the backend or the caller.
func logError(ctx context.Context, log *slog.Logger, shown *gqlerror.Error, cause error) {
	attrs := []slog.Attr{slog.String("requestId", RequestID(ctx)), slog.Any("code", shown.Extensions["code"]),
		slog.String("path", shown.Path.String())}
	var backend *upstream.Error
	if errors.As(cause, &backend) {
		attrs = append(attrs, slog.String("cause", backend.Error()))
	}
	if p, ok := asPanic(cause); ok {
		attrs = append(attrs, slog.String("panic", p))
	}
	log.LogAttrs(ctx, slog.LevelWarn, "field failed", attrs...)
}
