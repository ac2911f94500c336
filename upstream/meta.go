package upstream

import (
	"cmp"
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"
)

// ErrNotModified is returned by Do when a conditional request is answered with 304. It is no failure: the backend
// answered, and the response has its headers.
var ErrNotModified = errors.New("not modified")

// Meta holds an answer's cache headers (RFC 9111) and whether it is partial.
type Meta struct {
	// MaxAge is the lifetime that the backend names, 0 where it names none. A max-age of 0, no-cache and private are
	// the defaults of frameworks, and count as naming none.
	MaxAge time.Duration
	// NoStore reports that the answer must not be stored.
	NoStore bool
	// ETag is the validator of the answer, empty where the backend sent none that is well formed.
	ETag string
	// Partial is why an answer with data may lack some of it. Such an answer is not stored.
	Partial error
}

// MergeMeta returns the Meta of something that is made of several answers: the shortest lifetime, and no ETag, since
// none names them all.
func MergeMeta(all ...Meta) Meta {
	if len(all) == 1 {
		return all[0]
	}
	var m Meta
	for _, o := range all {
		m.NoStore, m.Partial = m.NoStore || o.NoStore, cmp.Or(m.Partial, o.Partial)
		if o.MaxAge > 0 && (m.MaxAge == 0 || o.MaxAge < m.MaxAge) {
			m.MaxAge = o.MaxAge
		}
	}
	return m
}

// WithPartial returns the Meta of an answer that has data and errors; nil changes nothing.
func (m Meta) WithPartial(partial error) Meta {
	if partial != nil {
		m.Partial, m.NoStore = partial, true
	}
	return m
}

// Meta returns the answer's cache headers; those of a nil Response are empty.
func (r *Response) Meta() Meta {
	if r == nil {
		return Meta{}
	}
	maxAge, noStore := cacheControl(r.Header)
	return Meta{MaxAge: maxAge, NoStore: noStore, ETag: etag(r.Header)}
}

// Option changes a request.
type Option struct{ ifNoneMatch string }

// IfNoneMatch makes a GET conditional (RFC 9110, section 13.1.2). An empty etag asks for the whole answer.
func IfNoneMatch(etag string) Option { return Option{etag} }

// Apply returns the request with the options.
func (r Request) Apply(options []Option) Request {
	for _, o := range options {
		r.IfNoneMatch = o.ifNoneMatch
	}
	return r
}

// maxTag is the longest ETag that is kept, in bytes.
const maxTag = 256

// etag returns the validator of an answer, weak or strong, as it came; empty where there is none that may be sent back
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

// LongestAge bounds the ages and lifetimes of Cache-Control.
const LongestAge = 365 * 24 * time.Hour

// CacheControl returns the directives of the header Cache-Control in lower case, each with its value or "".
func CacheControl(h http.Header) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if !yield(strings.ToLower(name), strings.Trim(value, `"`)) {
				return
			}
		}
	}
}

// Age reads a number of seconds in a directive, which is LongestAge where it is more.
func Age(value string) (time.Duration, bool) {
	n, ok := wholeNumber(value)
	return time.Duration(min(n, int(LongestAge/time.Second))) * time.Second, ok && n >= 0
}

func cacheControl(h http.Header) (maxAge time.Duration, noStore bool) {
	for name, value := range CacheControl(h) {
		switch name {
		case "no-store":
			noStore = true
		case "max-age":
			if age, ok := Age(value); ok && age > 0 {
				maxAge = age
			}
		}
	}
	return maxAge, noStore
}
