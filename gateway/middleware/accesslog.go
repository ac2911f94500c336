// Package middleware has the HTTP handlers around the gateway: access log, origins, recovery from panics, callers.
package middleware

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestid"
)

// AccessMessage is the message of a request's line, at the level of information.
const AccessMessage = "request"

// AccessLog writes a line per request. Addresses that proxies forward are taken from those that are trusted. The query
// string is left out: it may hold variables of a GET. Answers close their connection while closing reports true, which
// may be nil, and to a request whose length came as chunks: net/http does not show whether it had a Content-Length too,
// as requests have that a proxy may read in another way than we do.
func AccessLog(log *slog.Logger, closing func() bool, proxies []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		counted := &countingWriter{ResponseWriter: w, closing: closing}
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(counted, r)
		logAccess(log, r, counted, start, proxies)
	})
}

func logAccess(log *slog.Logger, r *http.Request, answered *countingWriter, start time.Time, proxies []netip.Prefix) {
	level := slog.LevelInfo
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		level = slog.LevelDebug // probes come every few seconds
	}
	if handler := log.Handler(); handler.Enabled(r.Context(), level) {
		took := time.Since(start)
		// A Logger would walk the stack for a place in the source that no line shows.
		record := slog.NewRecord(start.Add(took), level, AccessMessage, 0)
		record.AddAttrs(slog.Any("", &RequestAttrs{r, answered, took, proxies}))
		_ = handler.Handle(r.Context(), record)
	}
}

// RequestAttrs are the members of a request's line. They are one value of its record, since a record allocates memory
// for more than a few attributes.
type RequestAttrs struct {
	request  *http.Request
	answered *countingWriter
	took     time.Duration
	proxies  []netip.Prefix
}

// LogValue returns the members as a group, which a handler shows as members of the line where it has no name.
func (a *RequestAttrs) LogValue() slog.Value {
	var list []slog.Attr
	a.Each(func(attr slog.Attr) { list = append(list, attr) })
	return slog.GroupValue(list...)
}

// Each calls add with each member in order.
func (a *RequestAttrs) Each(add func(slog.Attr)) {
	add(slog.String("requestId", requestid.FromContext(a.request.Context())))
	add(slog.String("method", requestid.Cut(a.request.Method, longestMethod)))
	add(slog.String("path", requestid.Cut(a.request.URL.Path, longestPath)))
	add(slog.Int("status", cmp.Or(a.answered.status, http.StatusOK)))
	add(slog.Int64("bytes", a.answered.bytes))
	add(slog.Float64("durationMs", float64(a.took.Microseconds())/1000))
	add(slog.String("remote", remoteAddress(a.request, a.proxies)))
	requestid.VisitOf(a.request.Context()).EachAttr(add)
}

// The longest texts of a request in a line of the log, in bytes: it may have any.
const (
	longestMethod  = 32
	longestPath    = 256
	longestAddress = 64
)

// countingWriter counts the bytes of the answer.
type countingWriter struct {
	http.ResponseWriter
	closing func() bool
	status  int // 0 until there is one
	bytes   int64
	rest    func() // of the answer, see httpapi.SendRest
}

var _ httpapi.Later = (*countingWriter)(nil)

// Later has f called by Recovery.
func (w *countingWriter) Later(f func()) { w.rest = f }

// Status returns the status of the answer, 0 until there is one.
func (w *countingWriter) Status() int { return w.status }

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 && w.closing != nil && w.closing() {
		w.Header().Set("Connection", "close")
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
