package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/learngraph/learngraph/gateway"
)

// logHandler writes lines as slog's JSON handler does. The line of a request, of which there may be tens of thousands a
// second, is put together without that handler's generality, and written together with its neighbours.
type logHandler struct {
	slog.Handler // of all other records
	lines        *lineWriter
}

func newLogHandler(lines *lineWriter) logHandler {
	return logHandler{slog.NewJSONHandler(lines, nil), lines}
}

// Handle keeps the line of a request for a moment, and writes any other at once.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != gateway.AccessMessage || r.Level != slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	line := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(line)
	var plain bool
	if *line, plain = appendPlainRecord((*line)[:0], r); !plain {
		return h.Handler.Handle(ctx, r)
	}
	h.lines.later(*line)
	return nil
}

var lineBuffers = sync.Pool{New: func() any { return new([]byte) }}

// appendPlainRecord adds a record's line where all that it says is numbers and strings that JSON writes as they are.
func appendPlainRecord(line []byte, r slog.Record) ([]byte, bool) {
	line = append(line, `{"time":"`...)
	line = r.Time.AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","level":"INFO","msg":"`...)
	line = append(line, r.Message...)
	line = append(line, '"')
	plain := true
	r.Attrs(func(a slog.Attr) bool {
		line = append(line, `,"`...)
		line = append(line, a.Key...)
		line = append(line, `":`...)
		line, plain = appendPlainValue(line, a.Value)
		return plain
	})
	return append(line, "}\n"...), plain
}

func appendPlainValue(line []byte, v slog.Value) ([]byte, bool) {
	switch v.Kind() {
	case slog.KindString:
		text := v.String()
		line = append(line, '"')
		line = append(line, text...)
		return append(line, '"'), plainText(text)
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10), true
	case slog.KindDuration:
		return strconv.AppendInt(line, int64(v.Duration()), 10), true
	}
	return line, false
}

// plainText says whether JSON has nothing to escape in a text, which is true of ASCII without quotes and backslashes.
func plainText(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

const (
	// linger is how long a line may wait for others.
	linger = 10 * time.Millisecond
	// mostLines is how much may wait, in bytes.
	mostLines = 64 << 10
)

// lineWriter writes lines in their order, one by one or many together. It is safe for concurrent use.
type lineWriter struct {
	to io.Writer

	writing sync.Mutex // held before mu by who writes: lines may join the next ones meanwhile
	written []byte     // memory for the next lines

	mu      sync.Mutex
	waiting []byte
}

// Write writes a line at once, after those that wait.
func (w *lineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	w.waiting = append(w.waiting, line...)
	w.mu.Unlock()
	return len(line), w.flush()
}

// later writes a line soon. It waits only where the lines before it cannot be written as fast as they come.
func (w *lineWriter) later(line []byte) {
	w.mu.Lock()
	if len(w.waiting) == 0 {
		time.AfterFunc(linger, func() { _ = w.flush() })
	}
	w.waiting = append(w.waiting, line...)
	full := len(w.waiting) >= mostLines
	w.mu.Unlock()
	if full {
		_ = w.flush()
	}
}

// flush writes the lines that wait.
func (w *lineWriter) flush() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	lines := w.waiting
	w.waiting = w.written[:0]
	w.mu.Unlock()
	w.written = lines
	if len(lines) == 0 {
		return nil
	}
	_, err := w.to.Write(lines)
	return err
}
