package gateway

import (
	"log/slog"
	"net/http"
	"time"
)

// AccessMessage is the message of the line that tells of a request, at the level of information.
const AccessMessage = "request"

// WithAccessLog writes a line per request. The query string is left out: it may hold variables of a GET.
func WithAccessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		if handler := log.Handler(); handler.Enabled(r.Context(), slog.LevelInfo) {
			_ = handler.Handle(r.Context(), accessRecord(r, counted, start))
		}
	})
}

// accessRecord is made by hand, for a Logger would walk the stack for a place in the source that no line shows.
func accessRecord(r *http.Request, answered *countingWriter, start time.Time) slog.Record {
	now := time.Now()
	record := slog.NewRecord(now, slog.LevelInfo, AccessMessage, 0)
	record.AddAttrs(slog.String("requestId", RequestID(r.Context())),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", answered.status),
		slog.Int64("bytes", answered.bytes), slog.Duration("duration", now.Sub(start)))
	return record
}

// countingWriter remembers what was answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
