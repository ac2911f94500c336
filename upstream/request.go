package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Request is one call.
type Request struct {
	Method string
	// Route is the template that names the call in errors, logs and metrics.
	Route string
	// Path holds the segments after the base URL's path, unescaped. Each is escaped whole and must pass CheckIdentifier.
	Path  []string
	Query url.Values
	// Body is sent as JSON; nil sends none.
	Body any
	// Write is set if the call changes something. A write is not sent again once it may have arrived, unless it is
	// Safe; the writes of one path are sent one after the other.
	Write bool
	// Safe is set if the same request twice has the effect of once: a search sent as POST, a PUT that replaces. GET and
	// HEAD are safe without it.
	Safe bool
	// Search is set if the backend has to look for the answer. Such calls have a circuit of their own.
	Search bool
	// Read reads a 2xx answer, as part of the call: its error is an answer that breaks the contract, unless it is an
	// *Error of another kind, and counts for the backend's outcome. nil accepts any answer. Its error must not carry
	// anything of the body, and its values must not refer to the body: the memory is used again.
	Read func(*Response) error

	// IfNoneMatch is the ETag of an answer that need not be sent again; empty asks for the whole. A write ignores it.
	IfNoneMatch string

	probe bool // made to find out whether the backend is well
}

func (r *Request) class() Class {
	switch {
	case r.Write:
		return Writes
	case r.Search:
		return Searches
	}
	return Reads
}

// MaxIdentifier is the longest identifier that is sent, in bytes.
const MaxIdentifier = 512

// CheckIdentifier reports whether s can be part of a path. Identifiers are the customers' own, so everything that can
// be escaped without changing its meaning is accepted. The error describes valid identifiers and does not repeat s.
func CheckIdentifier(s string) error {
	switch {
	case s == "":
		return errors.New("must not be empty")
	case len(s) > MaxIdentifier:
		return errors.New("must be at most 512 bytes")
	case !utf8.ValidString(s):
		return errors.New("must be valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("must not contain control characters")
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." {
			// Servers that unescape before they route would resolve it.
			return errors.New(`must not contain a segment "." or ".."`)
		}
	}
	return nil
}

// target is the URL of a call: the base's path, then each segment escaped.
func (c *Client) target(req *Request) (*url.URL, error) {
	path, raw := make([]byte, 0, 128), make([]byte, 0, 128)
	path = append(path, strings.TrimSuffix(c.base.Path, "/")...)
	raw = append(raw, strings.TrimSuffix(c.base.EscapedPath(), "/")...)
	for _, segment := range req.Path {
		if err := CheckIdentifier(segment); err != nil {
			return nil, &Error{Kind: Invalid, Err: errors.New("an identifier " + err.Error())}
		}
		path = append(append(path, '/'), segment...)
		raw = appendEscaped(append(raw, '/'), segment)
	}
	u := *c.base
	u.Path, u.RawPath, u.RawQuery = string(path), "", req.Query.Encode()
	if string(raw) != u.Path {
		u.RawPath = string(raw)
	}
	return &u, nil
}

// appendEscaped escapes all but the unreserved characters; url.PathEscape leaves some that servers treat in different
// ways.
func appendEscaped(to []byte, segment string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(segment) {
		switch c := segment[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			to = append(to, c)
		default:
			to = append(to, '%', digits[c>>4], digits[c&15])
		}
	}
	return to
}

// encode is the request's body, kept as bytes so that it can be sent again.
func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		// The encoder's error may repeat the input.
		return nil, &Error{Kind: Invalid, Err: errors.New("the input is not valid JSON")}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// The values of headers that are the same in every request. Nothing adds to them.
var (
	typeJSON       = []string{"application/json"}
	codingIdentity = []string{"identity"}
	codingGzip     = []string{"gzip"}
	userAgent      = []string{"learngraph"}
)

// header returns the header of a call without its credential.
func (c *Client) header(req *Request, body []byte) http.Header {
	h := http.Header{"Accept": typeJSON, "User-Agent": userAgent, "Accept-Encoding": codingIdentity}
	// The encoding is set by us in both cases, so that no transport inflates without a bound.
	if c.opts.Gzip {
		h["Accept-Encoding"] = codingGzip
	}
	if body != nil {
		h["Content-Type"] = typeJSON
	}
	if req.IfNoneMatch != "" {
		h["If-None-Match"] = []string{req.IfNoneMatch}
	}
	return h
}

// noRequest is the request that WithContext copies: a request that has its context already is not copied for it.
var noRequest http.Request

func newRequest(ctx context.Context, method string, u *url.URL, h http.Header, body []byte) *http.Request {
	r := noRequest.WithContext(ctx)
	r.Method, r.URL, r.Host, r.Header = method, u, u.Host, h
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if body != nil {
		r.ContentLength = int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
	}
	return r
}
