package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/learngraph/learngraph/upstream"
)

// Recording gathers the calls that are made under its context. It is safe for concurrent use until Calls.
type Recording struct {
	began time.Time

	mu        sync.Mutex
	exchanges []*recordedCall
	grow      func(bytes int64) bool
	full      bool // there was no room; nothing more is recorded
}

// memoryPerByte is about how much memory a byte of an answer takes until its capture is written: its text, its decoded
// values with and without pseudonyms, the file, and the replay of the file.
const memoryPerByte = 16

// NewRecording starts a recording now. grow counts the memory that it takes, and reports whether there is room for
// more; nil has room for any number of bytes.
func NewRecording(grow func(bytes int64) bool) *Recording {
	return &Recording{began: time.Now(), grow: grow}
}

// reserve counts so many bytes more, and reports whether there is room for them. Once there is none the recording ends.
func (r *Recording) reserve(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full && r.grow != nil {
		r.full = !r.grow(int64(n))
	}
	return !r.full
}

// Began is when the recording started.
func (r *Recording) Began() time.Time { return r.began }

type contextKey struct{}

// NewContext has the calls under the returned context recorded.
func NewContext(ctx context.Context, r *Recording) context.Context {
	return context.WithValue(ctx, contextKey{}, r)
}

// Transport records the calls of a context that has a recording, and passes all others on. base is the path of the
// backend's base URL, which paths are recorded without.
func Transport(b upstream.Backend, base string, next http.RoundTripper) http.RoundTripper {
	return &recorder{b, strings.TrimSuffix(base, "/"), next}
}

type recorder struct {
	backend upstream.Backend
	base    string
	next    http.RoundTripper
}

// recordedCall is a call as it was, in memory alone.
type recordedCall struct {
	backend      upstream.Backend
	method, path string
	query        map[string][]string
	body         []byte
	retry        int
	start        time.Duration

	mu       sync.Mutex
	duration time.Duration
	status   int
	header   http.Header
	answer   bytes.Buffer
	complete bool
	failure  string
	unsent   bool
}

func (t *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	rec, ok := r.Context().Value(contextKey{}).(*Recording)
	if !ok {
		return t.next.RoundTrip(r)
	}
	x := rec.begin(t, r)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		x.fail(rec, r.Context(), err, upstream.NotSent(err))
		return nil, err
	}
	x.mu.Lock()
	x.status, x.header = resp.StatusCode, resp.Header.Clone()
	x.mu.Unlock()
	resp.Body = &bodyRecorder{ReadCloser: resp.Body, call: x, recording: rec, ctx: r.Context()}
	return resp, nil
}

func (r *Recording) begin(t *recorder, req *http.Request) *recordedCall {
	x := &recordedCall{backend: t.backend, method: req.Method, query: req.URL.Query(),
		retry: upstream.Attempt(req.Context()), path: strings.TrimPrefix(req.URL.EscapedPath(), t.base),
		start: time.Since(r.began)}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			x.body, _ = io.ReadAll(body) // of bytes in memory
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, x)
	return x
}

// fail records why no complete answer came.
func (x *recordedCall) fail(r *Recording, ctx context.Context, err error, unsent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failure, x.unsent, x.duration = failureOf(ctx, err), unsent, time.Since(r.began)-x.start
}

func failureOf(ctx context.Context, err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return "deadline"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "timeout" // the call's own, which names another cause
	case ctx.Err() != nil:
		return "canceled"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "unavailable"
}

// bodyRecorder copies the bytes that are read of an answer.
type bodyRecorder struct {
	io.ReadCloser
	call      *recordedCall
	recording *Recording
	ctx       context.Context
}

func (t *bodyRecorder) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	x := t.call
	room := t.recording.reserve(n)
	x.mu.Lock()
	if room {
		x.answer.Write(p[:n])
	}
	if err == io.EOF {
		x.complete, x.duration = true, time.Since(t.recording.began)-x.start
	}
	x.mu.Unlock()
	if err != nil && err != io.EOF {
		x.fail(t.recording, t.ctx, err, false)
	}
	return n, err
}

var (
	// errRoute is why a call cannot be kept: which of its members are personal is not known.
	errRoute = errors.New("a call went to a path that no route of the backend has")
	errFull  = errors.New("the calls of the operation take more memory than there is room for")
)

// Calls returns the recorded calls in pseudonyms. An operation whose calls do not all fit returns an error.
func (r *Recording) Calls(m *Masker, routes *Routes) ([]Call, error) {
	r.mu.Lock()
	exchanges, full := r.exchanges, r.full
	r.mu.Unlock()
	if full {
		return nil, errFull
	}
	calls := make([]Call, len(exchanges))
	for i, x := range exchanges {
		c, err := x.call(m, routes, r.reserve)
		if err != nil {
			return nil, err
		}
		calls[i] = *c
	}
	return calls, nil
}

func (x *recordedCall) call(m *Masker, routes *Routes, room func(int) bool) (*Call, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := routes.find(x.backend, x.path)
	if at == nil {
		return nil, errRoute
	}
	c := &Call{Backend: x.backend, Method: x.method, Route: at.template, Path: m.path(at.template, x.path),
		Query: m.query(x.query), Retry: x.retry, StartMs: x.start.Milliseconds(), DurationMs: x.duration.Milliseconds(),
		Failure: x.failure, Unsent: x.unsent}
	if x.body != nil {
		body, err := m.body(x.body)
		if err != nil {
			return nil, err
		}
		c.Body = body
	}
	success := x.status >= 200 && x.status <= 299
	if !x.complete && success && x.failure == "" {
		c.Failure = "contract" // larger than anyone reads
	}
	if c.Failure == "" {
		c.Status, c.Headers = x.status, headersOf(x.header, time.Now())
		plain, err := x.inflated(room)
		if err != nil {
			return nil, err
		}
		c.recordAnswer(plain, pruner{m, routes.keepsMember}, at, success)
	}
	return c, nil
}

// recordAnswer records the bytes that were read of an answer, decoded.
func (c *Call) recordAnswer(plain []byte, p pruner, at *route, success bool) {
	body := bytes.TrimSpace(bytes.TrimPrefix(plain, []byte("\xef\xbb\xbf")))
	v, err := decode(body)
	switch {
	case len(body) == 0:
	case body[0] == '<':
		c.NoJSON = "markup"
	case err != nil:
		c.NoJSON = "malformed"
	case success:
		c.Answer = encode(p.root(v, at.record))
	default:
		c.Answer = encode(p.refusal(v))
	}
}

// inflated returns the answer without its encoding, within the room that there is. A body that cannot be inflated is no
// JSON.
func (x *recordedCall) inflated(room func(int) bool) ([]byte, error) {
	if !strings.Contains(strings.ToLower(x.header.Get("Content-Encoding")), "gzip") || x.answer.Len() == 0 {
		if !room(memoryPerByte * x.answer.Len()) {
			return nil, errFull
		}
		return x.answer.Bytes(), nil
	}
	z, err := gzip.NewReader(&x.answer)
	if err != nil {
		return []byte("?"), nil
	}
	var plain bytes.Buffer
	for err == nil {
		const step = 32 << 10
		if !room(memoryPerByte * step) {
			return nil, errFull
		}
		_, err = io.CopyN(&plain, z, step)
	}
	if !errors.Is(err, io.EOF) && plain.Len() == 0 {
		return []byte("?"), nil
	}
	return plain.Bytes(), nil
}

var (
	recordedHeaders = []string{"Cache-Control", "Content-Type", "Retry-After", "X-RateLimit-Limit",
		"X-RateLimit-Remaining", "X-RateLimit-Reset"}
	printableHeader = regexp.MustCompile(`^[A-Za-z0-9 ,=;:"/._-]{1,200}$`)
)

// headersOf returns the headers of an answer that the program reads. A date to come back at becomes seconds, since a
// replay is later.
func headersOf(h http.Header, now time.Time) map[string]string {
	kept := map[string]string{}
	for _, name := range recordedHeaders {
		value := h.Get(name)
		if at, err := http.ParseTime(value); err == nil && name == "Retry-After" {
			value = strconv.Itoa(max(int(at.Sub(now).Round(time.Second)/time.Second), 0))
		}
		if printableHeader.MatchString(value) {
			kept[name] = value
		}
	}
	return kept
}
