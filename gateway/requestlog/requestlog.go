// Package requestlog has the parts of a request's log line that are not HTTP's: its id, its caller and its operations.
package requestlog

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

// Context is the context of a request with its id and its record. Begin makes it one.
type Context struct {
	context.Context
	id     [1]string // the value of the response's header
	record Record
}

// Begin returns the request under c, with an id that it puts into X-Request-Id of the answer: the caller's own if it is
// valid, else a new one.
func (c *Context) Begin(r *http.Request, answer http.Header) *http.Request {
	c.Context = r.Context()
	if sent := r.Header["X-Request-Id"]; len(sent) > 0 && valid(sent[0]) {
		c.id[0] = sent[0]
	} else {
		c.id[0] = rand.Text()
	}
	answer["X-Request-Id"] = c.id[:]
	return r.WithContext(c)
}

// Value returns c itself for the key of this package.
func (c *Context) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// ID returns the id of the request that ctx belongs to, "" outside of one.
func ID(ctx context.Context) string {
	if c, ok := ctx.Value(contextKey{}).(*Context); ok {
		return c.id[0]
	}
	return ""
}
