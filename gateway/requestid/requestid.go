// Package requestid names each HTTP request, for its answer and for the log.
package requestid

import (
	"context"
	"crypto/rand"
	"net/http"
)

type contextKey struct{}

// maxLength bounds in bytes the ids from callers that are logged.
const maxLength = 64

// valid reports whether an id may be logged: letters, digits, dots, underscores and hyphens.
func valid(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= maxLength
}

// Handler puts an id into the context of each request and into X-Request-Id of its answer: the caller's own if it is
// valid, else a new one.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &requestContext{Context: r.Context()}
		if sent := r.Header["X-Request-Id"]; len(sent) > 0 && valid(sent[0]) {
			ctx.id[0] = sent[0]
		} else {
			ctx.id[0] = rand.Text()
		}
		w.Header()["X-Request-Id"] = ctx.id[:]
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// requestContext holds the id as the value of the response's header.
type requestContext struct {
	context.Context
	id    [1]string
	visit Visit
}

func (c *requestContext) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// FromContext returns the id of the request that ctx belongs to, "" outside of one.
func FromContext(ctx context.Context) string {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.id[0]
	}
	return ""
}
