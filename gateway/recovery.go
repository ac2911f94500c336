package gateway

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/task"
)

// WithRecovery answers a request whose handler panics with 500 and an error INTERNAL that names the request. The panic and
// its stack go to the log. Where part of an answer was sent already the connection ends.
func WithRecovery(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted, ok := w.(*countingWriter)
		if !ok {
			counted = &countingWriter{ResponseWriter: w}
		}
		err := task.Run(func() error {
			next.ServeHTTP(counted, r)
			return nil
		})
		if err == nil {
			return
		}
		text, _ := asPanic(err)
		if isAbort(err) {
			panic(http.ErrAbortHandler)
		}
		log.Error("panic while answering a request", "requestId", RequestID(r.Context()), "panic", text)
		if counted.status != 0 {
			panic(http.ErrAbortHandler)
		}
		internal := &requestError{status: http.StatusInternalServerError, code: codeInternal, message: internalMessage}
		internal.write(counted, map[string]any{"requestId": RequestID(r.Context())})
	})
}

// isAbort reports whether a handler ended its connection on purpose.
func isAbort(err error) bool {
	p, ok := err.(*task.PanicError)
	return ok && p.Value == http.ErrAbortHandler
}

// WithCaller lets those requests through whose caller authenticate knows; nil lets all through.
func WithCaller(authenticate func(*http.Request) (*auth.Caller, error), next http.Handler) http.Handler {
	if authenticate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := authenticate(r)
		if visitOf(r.Context()).by(who, err); err != nil {
			unauthenticated(err).write(w, nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// write answers with the error alone, outside of the exchange of an operation.
func (e *requestError) write(w http.ResponseWriter, extensions map[string]any) {
	resp := e.response()
	maps.Copy(resp.Errors[0].Extensions, extensions)
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Age"} {
		h.Del(name)
	}
	h["Content-Type"], h["Cache-Control"] = valueJSON, valueNoStore
	setSecurityHeaders(h)
	e.setHeaders(h)
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": resp.Errors})
}
