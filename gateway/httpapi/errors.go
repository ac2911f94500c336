package httpapi

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// response is how a fault looks as a GraphQL response.
func (e *Error) response() *graphql.Response {
	extensions := map[string]any{"code": e.Code}
	if e.Limit != nil {
		extensions["limit"] = *e.Limit
	}
	if e.RetryAfter > 0 {
		extensions["retryAfter"] = e.RetryAfter
	}
	return &graphql.Response{Errors: gqlerror.List{{Message: e.Message, Extensions: extensions}}}
}

// setHeaders sets the headers of a fault.
func (e *Error) setHeaders(h http.Header) {
	if e.Allow != "" {
		h.Set("Allow", e.Allow)
	}
	if e.AcceptEncoding != "" {
		h.Set("Accept-Encoding", e.AcceptEncoding)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if e.challenge {
		h.Set("WWW-Authenticate", `Bearer realm="learngraph"`)
	}
}

// WriteAllow answers OPTIONS with the methods of a path.
func WriteAllow(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	w.WriteHeader(http.StatusNoContent)
}

// Unauthenticated is how a request is refused whose caller is not known.
func Unauthenticated(err error) *Error {
	var unavailable *auth.UnavailableError
	if errors.As(err, &unavailable) {
		return &Error{Status: http.StatusServiceUnavailable, Code: gqlerrors.CodeUnavailable, Message: err.Error(),
			RetryAfter: int((unavailable.RetryAfter + time.Second - 1) / time.Second)}
	}
	return &Error{Status: http.StatusUnauthorized, Code: gqlerrors.CodeUnauthenticated, Message: err.Error(),
		challenge: true}
}

// Write answers with the error alone, where no response writer of an operation exists.
func (e *Error) Write(w http.ResponseWriter, extensions map[string]any) {
	resp := e.response()
	maps.Copy(resp.Errors[0].Extensions, extensions)
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Age"} {
		h.Del(name)
	}
	h["Content-Type"], h["Cache-Control"] = valueJSON, cachecontrol.NoStore
	setSecurityHeaders(h)
	e.setHeaders(h)
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": resp.Errors})
}
