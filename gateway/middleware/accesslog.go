// Package middleware has the HTTP handlers around the gateway: access log, origins, recovery from panics, callers.
package middleware

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestlog"
)

// AccessMessage is the message of a request's line, at the level of information.
const AccessMessage = "request"

// AccessLog names each request and writes a line about it. Addresses that proxies forward are taken from those that are
// trusted. The query string is left out: it may hold variables of a GET. Answers close their connection while closing
// reports true, which may be nil, and to a request whose length came as chunks: net/http does not show whether it had a
// Content-Length too, as requests have that a proxy may read in another way than we do.
func AccessLog(log *slog.Logger, closing func() bool, proxies []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &Exchange{ResponseWriter: w, closing: closing, start: time.Now()}
		x.request = x.context.Begin(r, w.Header())
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(x, x.request)
		x.log(log, proxies)
	})
}

func (x *Exchange) log(log *slog.Logger, proxies []netip.Prefix) {
	level := slog.LevelInfo
	if path := x.request.URL.Path; path == "/healthz" || path == "/readyz" {
		level = slog.LevelDebug // probes come every few seconds
	}
	if handler := log.Handler(); handler.Enabled(&x.context, level) {
		x.took, x.proxies = time.Since(x.start), proxies
		// A Logger would walk the stack for a place in the source that no line shows.
		record := slog.NewRecord(x.start.Add(x.took), level, AccessMessage, 0)
		record.AddAttrs(slog.Any("", x))
		_ = handler.Handle(&x.context, record)
	}
}

// Exchange is a request and its answer: the writer of the answer, which counts its bytes, the context of the request,
// and the members of its line in the log. They are one value of the line's record, since a record allocates memory for
// more than a few attributes.
type Exchange struct {
	http.ResponseWriter
	context requestlog.Context
	request *http.Request // with this context
	closing func() bool
	start   time.Time
	status  int // 0 until there is one
	bytes   int64
	rest    func() // of the answer, see httpapi.SendRest
	took    time.Duration
	proxies []netip.Prefix
}

// Line takes the members of a request's line in the log, in their order.
type Line interface {
	requestlog.Line
	Milliseconds(name string, d time.Duration)
}

// AddTo adds the members to a line.
func (x *Exchange) AddTo(line Line) {
	line.Text("requestId", requestlog.ID(&x.context))
	line.Text("method", requestlog.Cut(x.request.Method, longestMethod))
	line.Text("path", requestlog.Cut(x.request.URL.Path, longestPath))
	line.Number("status", int64(cmp.Or(x.status, http.StatusOK)))
	line.Number("bytes", x.bytes)
	line.Milliseconds("durationMs", x.took)
	line.Text("remote", remoteAddress(x.request, x.proxies))
	requestlog.Of(&x.context).AddTo(line)
}

// LogValue returns the members as a group, which a handler shows as members of the line where it has no name.
func (x *Exchange) LogValue() slog.Value {
	var list attrs
	x.AddTo(&list)
	return slog.GroupValue(list...)
}

// attrs is a Line of slog.
type attrs []slog.Attr

func (l *attrs) Text(name, value string) { *l = append(*l, slog.String(name, value)) }

func (l *attrs) Number(name string, value int64) { *l = append(*l, slog.Int64(name, value)) }

func (l *attrs) Milliseconds(name string, d time.Duration) {
	*l = append(*l, slog.Float64(name, float64(d.Microseconds())/1000))
}

// The longest texts of a request in a line of the log, in bytes: it may have any.
const (
	longestMethod  = 32
	longestPath    = 256
	longestAddress = 64
)

var _ httpapi.Later = (*Exchange)(nil)

// Later has f called by Recovery.
func (x *Exchange) Later(f func()) { x.rest = f }

// Status returns the status of the answer, 0 until there is one.
func (x *Exchange) Status() int { return x.status }

// WriteHeader sends the status, and asks for the end of the connection where the server is closing.
func (x *Exchange) WriteHeader(status int) {
	if x.status == 0 && x.closing != nil && x.closing() {
		x.Header().Set("Connection", "close")
	}
	x.status = status
	x.ResponseWriter.WriteHeader(status)
}

// Write sends and counts bytes of the answer.
func (x *Exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *Exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }
