package emulator

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answer is a response before it is sent. Its body is kept in parts: a page is put together from bytes that were
// encoded when the catalogue was made. A part is not changed.
type answer struct {
	status      int
	contentType string
	retryAfter  string
	location    string
	parts       [][]byte
}

func (a answer) size() int {
	n := 0
	for _, p := range a.parts {
		n += len(p)
	}
	return n
}

// head is the body's first n bytes.
func (a answer) head(n int) []byte {
	b := make([]byte, 0, n)
	for _, p := range a.parts {
		b = append(b, p[:min(len(p), n-len(b))]...)
	}
	return b
}

const jsonType = "application/json; charset=utf-8"

func jsonAnswer(status int, parts ...[]byte) answer {
	return answer{status: status, contentType: jsonType, parts: parts}
}

func recordAnswer(status int, r record) answer { return jsonAnswer(status, appendRecord(nil, r)) }

func textAnswer(status int, contentType, body string) answer {
	return answer{status: status, contentType: contentType, parts: [][]byte{[]byte(body)}}
}

func tooMany(b Backend, retryAfter int) answer {
	a := failure(b, "", http.StatusTooManyRequests, "too many requests")
	if b == ThoughtIndustries {
		a = recordAnswer(http.StatusTooManyRequests,
			record{"error", "rate_limit_exceeded", "message", "Rate limit exceeded, slow down.", "retryAfter", retryAfter})
	}
	a.retryAfter = strconv.Itoa(retryAfter)
	return a
}

// codes are the names that the backends give to a status, in snake case.
var codes = map[int]string{
	http.StatusBadRequest: "bad_request", http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden",
	http.StatusNotFound: "not_found", http.StatusMethodNotAllowed: "method_not_allowed",
	http.StatusTooManyRequests: "too_many_requests",
}

func codeOf(status int) string {
	if code, ok := codes[status]; ok {
		return code
	}
	if status >= 500 {
		return "internal_server_error"
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// failure is an error in the shape of the backend.
func failure(b Backend, template string, status int, message string) answer {
	code := codeOf(status)
	switch {
	case template == tokenRoute && status < 500:
		return recordAnswer(status, record{"error", "access_denied", "error_description", "Unauthorized"})
	case b == Coassemble:
		return recordAnswer(status, record{"message", message, "error",
			record{"code", strings.ToUpper(code), "status", status}})
	case b == ThoughtIndustries && status == http.StatusUnauthorized:
		return answer{status: status}
	case b == ThoughtIndustries:
		return recordAnswer(status, record{"error", code, "message", message})
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status >= 500:
		return textAnswer(status, "text/plain; charset=utf-8", http.StatusText(status))
	}
	return recordAnswer(status, record{"code", strings.ReplaceAll(http.StatusText(status), " ", ""), "message", message})
}

// exchange is one request and its answer.
type exchange struct {
	emulator  *Emulator
	w         http.ResponseWriter
	r         *http.Request
	route     route
	body      []byte
	admission admission
	call      *Call
	left      bool
}

// header sends the status and headers; from then on the caller may see them, so the call counts as answered.
func (x *exchange) header(a answer, length int) {
	h := x.w.Header()
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if length >= 0 && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	x.admission.headers(h)
	x.emulator.log.answered(x, a.status)
	if length == 0 {
		x.leave()
	}
	x.w.WriteHeader(a.status)
}

// send writes the answer whole.
func (x *exchange) send(a answer) {
	zip := a.size() > 0 && strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip")
	x.w.Header().Set("Vary", "Accept-Encoding")
	if x.emulator.options.ETags && x.r.Method == http.MethodGet && a.status == http.StatusOK {
		tag := a.tag(zip)
		x.w.Header().Set("ETag", tag)
		if matches(x.r.Header.Get("If-None-Match"), tag) {
			x.header(answer{status: http.StatusNotModified}, 0)
			return
		}
	}
	if zip {
		x.w.Header().Set("Content-Encoding", "gzip")
		x.header(a, -1)
		x.deflate(a)
		return
	}
	x.header(a, a.size())
	x.writeParts(x.w, a)
}

// writeParts frees the slot among the concurrent requests before the last byte: a client that has read an answer whole
// must find that slot free.
func (x *exchange) writeParts(w io.Writer, a answer) {
	for i, p := range a.parts {
		if i == len(a.parts)-1 && len(p) > 0 {
			_, _ = w.Write(p[:len(p)-1])
			x.leave()
			p = p[len(p)-1:]
		}
		if _, err := w.Write(p); err != nil {
			return
		}
	}
}

var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return z
}}

func (x *exchange) deflate(a answer) {
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(x.w)
	x.writeParts(z, a)
	_ = z.Close()
}

// tag differs between encodings, as a strong validator must.
func (a answer) tag(zip bool) string {
	h := sha256.New()
	for _, p := range a.parts {
		h.Write(p)
	}
	sum := hex.EncodeToString(h.Sum(nil)[:12])
	if zip {
		sum += "-gzip"
	}
	return `"` + sum + `"`
}

func matches(ifNoneMatch, tag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// pause waits and reports whether the caller is still there.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// number reads a query parameter between low and high, where absent means standard.
//
//nolint:unparam // each list names both of its bounds
func number(x *exchange, name string, standard, low, high int) (int, error) {
	s := x.r.URL.Query().Get(name)
	if s == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is not a valid number", name)
	}
	return n, nil
}
