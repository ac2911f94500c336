package gateway

import (
	"context"
	"crypto/rand"
	"net/http"
)

type requestIDKey struct{}

// longestRequestID bounds what a caller makes of the log.
const longestRequestID = 64

// harmless says whether an id may stand in a log: letters, digits, dots, underscores and hyphens.
func harmless(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= longestRequestID
}

// WithRequestID gives each request an id: the caller's own where it is harmless in a log, else a new one. The answer
// carries it.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &identified{Context: r.Context(), id: []string{firstOf(r.Header["X-Request-Id"])}}
		if !harmless(ctx.id[0]) {
			ctx.id[0] = rand.Text()
		}
		w.Header()["X-Request-Id"] = ctx.id
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identified is the context of a request with its id, in the form that the answer's header has it, and what the log says of
// the request.
type identified struct {
	context.Context
	id    []string
	visit visit
}

func (c *identified) Value(key any) any {
	if key == (requestIDKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// RequestID is the id of the request that ctx belongs to, empty outside of one.
func RequestID(ctx context.Context) string {
	if c, ok := ctx.Value(requestIDKey{}).(*identified); ok {
		return c.id[0]
	}
	return ""
}
