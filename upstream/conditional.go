package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

// ErrNotModified is what Do gives instead of an answer where the backend says, with 304, that what the context's
// validator names still holds. It is no failure: the backend did its part, and a Reply hears what it said.
var ErrNotModified = errors.New("not modified")

type validatorKey struct{}

// validator is the ETag of an answer that is kept, until a read has taken it.
type validator struct {
	tag   string
	taken atomic.Bool
}

// WithValidator makes the first GET under the context conditional (RFC 9110, section 13.1.2): etag is sent as it came, and
// ErrNotModified says that it still names the answer. Further reads are of other parts, whose tags may look alike, and ask
// for the whole. An empty etag asks for the whole at once.
func WithValidator(ctx context.Context, etag string) context.Context {
	if etag == "" {
		return ctx
	}
	return context.WithValue(ctx, validatorKey{}, &validator{tag: etag})
}

// takeValidator is the tag that a request is to send, empty for none.
func takeValidator(ctx context.Context, req *Request) string {
	v, ok := ctx.Value(validatorKey{}).(*validator)
	if !ok || req.Method != http.MethodGet || req.Write || v.taken.Swap(true) {
		return ""
	}
	return v.tag
}

// maxTag is the longest ETag that is kept, in bytes.
const maxTag = 256

// etag is the validator of an answer, weak or strong, as it came; empty where there is none that may be sent back
// (RFC 9110, section 8.8.3).
func etag(h http.Header) string {
	tag := h.Get("ETag")
	opaque, open := strings.CutPrefix(strings.TrimPrefix(tag, "W/"), `"`)
	opaque, closed := strings.CutSuffix(opaque, `"`)
	if !open || !closed || len(tag) > maxTag {
		return ""
	}
	for i := range len(opaque) {
		if c := opaque[i]; c < '!' || c == '"' || c == 0x7f {
			return ""
		}
	}
	return tag
}
