package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/gateway/requestlog"
)

// bothHandlers writes a record as the program does and as slog does.
func bothHandlers(t *testing.T, r slog.Record) (got, want string) {
	t.Helper()
	var ours, theirs bytes.Buffer
	lines := &LineWriter{to: &ours}
	err := NewLogHandler(lines, LogOptions{}).Handle(t.Context(), r.Clone())
	lines.Flush(time.Minute)
	err = errors.Join(err, slog.NewJSONHandler(&theirs, nil).Handle(t.Context(), r.Clone()))
	if err != nil {
		t.Fatal(err)
	}
	return ours.String(), theirs.String()
}

func FuzzTheLineOfARequestIsThatOfSlog(f *testing.F) {
	f.Add("/graphql", int64(200), int64(1_763_798_400_123_456_789))
	f.Add("", int64(-1), int64(0))
	f.Add("/a\"b\\c\n\x00\x1f\x7f<&>", int64(1)<<62, int64(1_000_000_000))
	f.Add("/h\u00e9\u2028\xff", int64(0), int64(1))
	f.Fuzz(func(t *testing.T, text string, number, at int64) {
		for _, message := range []string{middleware.AccessMessage, "another"} {
			r := slog.NewRecord(time.Unix(0, at), slog.LevelInfo, message, 0)
			r.AddAttrs(slog.String("path", text), slog.Int64("bytes", number), slog.Float64("durationMs", float64(number)/1000),
				slog.Int("status", 200), slog.String("method", "GET"), slog.String("requestId", text))
			if got, want := bothHandlers(t, r); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
			r.AddAttrs(slog.Any("other", []string{text}))
			if got, want := bothHandlers(t, r); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		}
	})
}

// recordHandler keeps the last record.
type recordHandler struct {
	slog.Handler
	record slog.Record
}

func (h *recordHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *recordHandler) Handle(_ context.Context, r slog.Record) error {
	h.record = r
	return nil
}

// FuzzTheLineOfAnExchangeIsThatOfSlog compares the line of a whole request, which is written without attributes of slog.
func FuzzTheLineOfAnExchangeIsThatOfSlog(f *testing.F) {
	f.Add("/graphql", "q1", "Clients", "hit", "UPSTREAM_TIMEOUT", int64(12), int64(2))
	f.Add("/", "", "", "", "", int64(0), int64(0))
	f.Add("/a\"b", "i\\d\n", "h\u00e9\u2028\xff", "<&>", "\x00", int64(-1), int64(1)<<62)
	f.Fuzz(func(t *testing.T, path, id, name, cache, code string, cost, bytes int64) {
		h := &recordHandler{Handler: slog.DiscardHandler}
		handler := middleware.AccessLog(slog.New(h), nil, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			record := requestlog.Of(r.Context())
			record.By(&auth.Caller{Name: name}, nil)
			for range cost & 3 {
				record.Add(&requestlog.Operation{Name: name, Kind: "query", Cache: cache, Codes: []string{code}, Cost: cost, Calls: bytes})
			}
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(make([]byte, bytes&1023))
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.URL.Path = path
		r.Header["X-Request-Id"] = []string{id}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		got, want := bothHandlers(t, h.record)
		if got != want || !strings.Contains(got, `"status":202`) {
			t.Errorf("got  %swant %s", got, want)
		}
	})
}

// writes records the bytes of each write.
type writes struct {
	mu   sync.Mutex
	list []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, string(p))
	return len(p), nil
}

func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

func TestLinesOfRequestsAreWrittenTogetherAndAnyOtherAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &writes{}
		lines := NewLineWriter(to)
		expect := func(when string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, to.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		lines.writeDelayed([]byte("a\n"))
		time.Sleep(lineDelay / 2)
		lines.writeDelayed([]byte("b\n"))
		expect("before the first has waited")
		time.Sleep(lineDelay / 2)
		synctest.Wait()
		expect("once the first has waited", "a\nb\n")
		time.Sleep(lineDelay)
		expect("with nothing new")
		lines.writeDelayed([]byte("c\n"))
		if _, err := lines.Write([]byte("d\n")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		expect("with a line that does not wait", "c\nd\n")
		lines.writeDelayed([]byte("e\n"))
		lines.Flush(time.Minute)
		expect("at the end", "e\n")
		large := strings.Repeat("f", maxWrite)
		lines.writeDelayed([]byte(large))
		synctest.Wait()
		expect("with as much as may wait", large)
	})
}

func TestAllLinesOfAProgramThatEndsAreWritten(t *testing.T) {
	t.Parallel()
	to := &writes{}
	lines := NewLineWriter(to)
	log := slog.New(NewLogHandler(lines, LogOptions{}))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				record := slog.NewRecord(time.Now(), slog.LevelInfo, middleware.AccessMessage, 0)
				_ = log.Handler().Handle(context.Background(), record)
				log.Warn("trouble")
			}
		})
	}
	group.Wait()
	lines.Flush(time.Minute)
	all := strings.Join(to.take(), "")
	if requests, troubles := strings.Count(all, `"msg":"request"}`+"\n"), strings.Count(all, `"msg":"trouble"}`+"\n"); requests != 4000 || troubles != 4000 {
		t.Errorf("got %d lines of requests and %d of trouble, want 4000 of each", requests, troubles)
	}
}

// stuck is a log that is not read until it is released, and closed after that.
type stuck struct {
	writes
	released chan struct{}
	closed   bool
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.released
	if s.closed {
		return 0, syscall.EPIPE
	}
	return s.writes.Write(p)
}

func TestALogThatIsNotReadStopsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{released: make(chan struct{})}
		lines := NewLineWriter(to)
		log := slog.New(NewLogHandler(lines, LogOptions{}))
		const requests = 20_000
		for range requests {
			record := slog.NewRecord(time.Now(), slog.LevelInfo, middleware.AccessMessage, 0)
			record.AddAttrs(slog.String("path", strings.Repeat("p", 100)))
			_ = log.Handler().Handle(t.Context(), record)
			log.Warn("trouble")
		}
		begin := time.Now()
		lines.Flush(time.Second)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the end of the program waited %s for the log, want 1s", took)
		}
		dropped := lines.Dropped()
		close(to.released)
		lines.Flush(time.Minute)
		all := strings.Join(to.take(), "")
		written := strings.Count(all, `"msg":"request"`) + strings.Count(all, `"msg":"trouble"`)
		if dropped == 0 || uint64(written)+dropped != 2*requests || len(all) > 3*maxWaiting {
			t.Errorf("%d lines were written in %d bytes and %d dropped, of %d", written, len(all), dropped, 2*requests)
		}
		notified := uint64(0)
		for _, match := range regexp.MustCompile(`"lines":(\d+)}`).FindAllStringSubmatch(all, -1) {
			n, _ := strconv.ParseUint(match[1], 10, 64)
			notified += n
		}
		if notified != dropped {
			t.Errorf("the log tells of %d dropped lines, want %d", notified, dropped)
		}
	})
}

func TestALogThatIsClosedDropsItsLines(t *testing.T) {
	t.Parallel()
	to := &stuck{released: make(chan struct{}), closed: true}
	close(to.released)
	lines := NewLineWriter(to)
	slog.New(NewLogHandler(lines, LogOptions{})).Warn("trouble")
	lines.Flush(time.Minute)
	if got := lines.Dropped(); got != 1 {
		t.Errorf("got %d dropped lines, want 1", got)
	}
}
