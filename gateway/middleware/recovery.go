package middleware

import (
	"log/slog"
	"net/http"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/task"
)

// Recovery answers a request whose handler panics with 500 and an error INTERNAL that names the request. The panic and
// its stack go to the log. Where part of an answer was sent already the connection ends.
func Recovery(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted, ok := w.(*Exchange)
		if !ok {
			counted = &Exchange{ResponseWriter: w}
		}
		err := task.Run(func() error {
			next.ServeHTTP(counted, r)
			if counted.rest != nil {
				counted.rest()
			}
			return nil
		})
		if err != nil {
			answerPanic(log, counted, r, err)
		}
	})
}

func answerPanic(log *slog.Logger, counted *Exchange, r *http.Request, err error) {
	text, _ := gqlerrors.PanicText(err)
	if isAbort(err) {
		panic(http.ErrAbortHandler)
	}
	log.Error("panic while answering a request", "requestId", requestlog.ID(r.Context()), "panic", text)
	if counted.status != 0 {
		panic(http.ErrAbortHandler)
	}
	internal := &httpapi.Error{Status: http.StatusInternalServerError, Code: gqlerrors.CodeInternal,
		Message: gqlerrors.InternalMessage}
	internal.Write(counted, map[string]any{"requestId": requestlog.ID(r.Context())})
}

// isAbort reports whether a handler ended its connection on purpose.
func isAbort(err error) bool {
	p, ok := err.(*task.PanicError)
	return ok &&
		p.Value == http.ErrAbortHandler //nolint:errorlint // the value of a panic, which net/http compares in this way
}

// Authenticated lets those requests through whose caller authenticate knows; nil lets all through.
func Authenticated(authenticate func(*http.Request) (*auth.Caller, error), next http.Handler) http.Handler {
	if authenticate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := authenticate(r)
		if requestlog.Of(r.Context()).By(who, err); err != nil {
			httpapi.Unauthenticated(err).Write(w, nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}
