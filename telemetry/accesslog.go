package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/task"
)

// logHandler writes lines as slog's JSON handler does. The line of a request is put together without that
// handler's generality and written together with its neighbours, since there may be tens of thousands a second.
type logHandler struct {
	slog.Handler // of all other records
	lines        *LineWriter
	text         bool // lines are for people
}

// LogOptions are the format and the level of a log.
type LogOptions struct {
	// Level is the least level of a record.
	Level slog.Level
	// Text writes lines for people in place of JSON.
	Text bool
}

// NewLogHandler returns a handler that writes to lines.
func NewLogHandler(lines *LineWriter, o LogOptions) slog.Handler {
	options := &slog.HandlerOptions{Level: o.Level}
	if o.Text {
		return logHandler{slog.NewTextHandler(lines, options), lines, true}
	}
	return logHandler{slog.NewJSONHandler(lines, options), lines, false}
}

// Dropped returns the number of lines that were not written.
func (h logHandler) Dropped() uint64 { return h.lines.Dropped() }

// Handle keeps the line of a request for a moment, and queues any other at once.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.text || r.Message != middleware.AccessMessage || r.Level != slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	line := lineBuffers.Get().(*simpleLine)
	defer lineBuffers.Put(line)
	if !line.write(r) {
		return h.Handler.Handle(ctx, r)
	}
	h.lines.writeDelayed(line.json)
	return nil
}

var lineBuffers = sync.Pool{New: func() any { return new(simpleLine) }}

// simpleLine is a line whose values are numbers and strings that JSON writes unescaped, while plain is set.
type simpleLine struct {
	json  []byte
	plain bool
}

var _ middleware.Line = (*simpleLine)(nil)

// write makes the line that of a record, and reports whether it could.
func (l *simpleLine) write(r slog.Record) bool {
	l.plain = true
	l.json = append(l.json[:0], `{"time":"`...)
	l.json = r.Time.AppendFormat(l.json, time.RFC3339Nano)
	l.json = append(l.json, `","level":"INFO","msg":"`...)
	l.json = append(l.json, r.Message...)
	l.json = append(l.json, '"')
	r.Attrs(l.add)
	l.json = append(l.json, "}\n"...)
	return l.plain
}

func (l *simpleLine) add(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindString:
		l.Text(a.Key, a.Value.String())
	case slog.KindInt64:
		l.Number(a.Key, a.Value.Int64())
	case slog.KindLogValuer:
		x, ok := a.Value.LogValuer().(*middleware.Exchange)
		if ok {
			x.AddTo(l)
		}
		l.plain = l.plain && ok
	default:
		l.plain = false
	}
	return l.plain
}

func (l *simpleLine) name(name string) {
	l.json = append(l.json, `,"`...)
	l.json = append(l.json, name...)
	l.json = append(l.json, `":`...)
}

// Text adds a string.
func (l *simpleLine) Text(name, value string) {
	l.name(name)
	l.json = append(l.json, '"')
	l.json = append(l.json, value...)
	l.json = append(l.json, '"')
	l.plain = l.plain && needsNoEscape(value)
}

// Number adds an integer.
func (l *simpleLine) Number(name string, value int64) {
	l.name(name)
	l.json = strconv.AppendInt(l.json, value, 10)
}

// Milliseconds adds a duration to the microsecond.
func (l *simpleLine) Milliseconds(name string, d time.Duration) {
	l.name(name)
	l.json = strconv.AppendFloat(l.json, float64(d.Microseconds())/1000, 'f', -1, 64)
}

// needsNoEscape reports whether JSON has nothing to escape in a text, which is true of ASCII without quotes and
// backslashes.
func needsNoEscape(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

const (
	// lineDelay is how long the line of a request may wait for others.
	lineDelay = 10 * time.Millisecond
	// maxWrite is how much is written in one go without waiting for more, in bytes.
	maxWrite = 64 << 10
	// maxWaiting bounds the lines that wait for a reader of the log, in bytes. Lines past it are dropped and counted.
	maxWaiting = 1 << 20
)

// LineWriter writes lines in their order, one by one or many together. No caller waits for a write: a log that is not
// read must not stop requests. It is safe for concurrent use.
type LineWriter struct {
	to io.Writer

	mu         sync.Mutex
	waiting    []byte
	written    []byte        // memory for the next lines
	ended      chan struct{} // closed when the goroutine that writes has ended; nil while there is none
	unreported uint64        // lines dropped since the log last reported them

	dropped atomic.Uint64
}

// NewLineWriter returns a writer of lines to another.
func NewLineWriter(to io.Writer) *LineWriter { return &LineWriter{to: to} }

// Dropped returns the number of lines that were not written.
func (w *LineWriter) Dropped() uint64 { return w.dropped.Load() }

// Write writes a line soon after those that wait. It never fails.
func (w *LineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.add(line) {
		w.start()
	}
	return len(line), nil
}

// writeDelayed writes a line together with those that follow within the time to linger.
func (w *LineWriter) writeDelayed(line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := len(w.waiting) == 0
	switch {
	case !w.add(line):
	case len(w.waiting) >= maxWrite:
		w.start()
	case first:
		time.AfterFunc(lineDelay, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.start()
		})
	}
}

// add queues a line under mu, and reports whether there was room.
func (w *LineWriter) add(line []byte) bool {
	if len(w.waiting)+len(line) > maxWaiting {
		w.unreported++
		w.dropped.Add(1)
		return false
	}
	w.waiting = append(w.waiting, line...)
	return true
}

// start has the lines that wait written, under mu.
func (w *LineWriter) start() {
	if w.ended != nil || len(w.waiting) == 0 && w.unreported == 0 {
		return
	}
	ended := make(chan struct{})
	w.ended = ended
	task.Go(w.writeAll, func(error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ended == ended { // it panicked
			w.ended = nil
		}
		close(ended)
	})
}

// writeAll writes until no line waits. Lines that the writer refuses count as dropped.
func (w *LineWriter) writeAll() error {
	for {
		w.mu.Lock()
		lines := w.waiting
		if w.unreported > 0 {
			lines = appendDroppedLine(lines, w.unreported)
			w.unreported = 0
		}
		if len(lines) == 0 {
			w.ended = nil
			w.mu.Unlock()
			return nil
		}
		w.waiting, w.written = w.written[:0], nil
		w.mu.Unlock()
		if n, err := w.to.Write(lines); err != nil {
			w.dropped.Add(uint64(bytes.Count(lines[min(n, len(lines)):], []byte{'\n'})))
		}
		w.mu.Lock()
		w.written = lines[:0]
		w.mu.Unlock()
	}
}

// appendDroppedLine adds the line that reports dropped lines.
func appendDroppedLine(lines []byte, lost uint64) []byte {
	r := slog.NewRecord(time.Now(), slog.LevelWarn,
		"lines of the log were dropped: it is read more slowly than it is written", 0)
	r.AddAttrs(slog.Uint64("lines", lost))
	var line bytes.Buffer
	_ = slog.NewJSONHandler(&line, nil).Handle(context.Background(), r) // a buffer takes everything
	return append(lines, line.Bytes()...)
}

// Flush waits until the lines so far are written, or until the log was not read for so long.
func (w *LineWriter) Flush(within time.Duration) {
	w.mu.Lock()
	w.start()
	ended := w.ended
	w.mu.Unlock()
	if ended == nil {
		return
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}
