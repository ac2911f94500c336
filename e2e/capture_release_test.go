package e2e

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

const capturedQuery = `{ clients(first: 10) { nodes { name users(first: 2) { nodes { name credentials { nodes { type } } } } } } }`

// The test does not run in parallel: it looks at the heap of the whole process.
func TestCapturesLeaveNothingOnTheHeap(t *testing.T) {
	s := startStudio(t, setup{Env: map[string]string{"CACHE_TTL": "60s"},
		Emulator: emulator.Options{Clients: 4, UsersPerClient: 2, CoursesPerClient: 4}})
	capture := func() {
		if _, name := s.ask(t, capturedQuery, nil, nil); name == "" {
			t.Fatal("there is no capture")
		}
	}
	capture()
	s.backends.Reset()
	before := liveBytes()
	for range 20 {
		capture()
	}
	s.backends.Reset()
	if grown := liveBytes() - before; grown > 2<<20 {
		t.Errorf("20 captures hold %d KiB", grown>>10)
	}
}

func liveBytes() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestOneOperationIsCapturedAtATime(t *testing.T) {
	t.Parallel()
	reached, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := startStudio(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, CoursesPerClient: 1},
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				once.Do(func() { close(reached) })
				<-leave
				return next.RoundTrip(r)
			})
		}})
	first := make(chan string)
	go func() {
		_, name := s.ask(t, capturedQuery, nil, nil)
		first <- name
	}()
	<-reached
	a, name := s.ask(t, capturedQuery, nil, nil)
	if a.status != http.StatusTooManyRequests || name != "" || len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "RATE_LIMITED" {
		t.Errorf("got status %d, capture %q and %s", a.status, name, a.raw)
	}
	close(leave)
	if <-first == "" {
		t.Error("the first has no capture")
	}
	if _, name := s.ask(t, capturedQuery, nil, nil); name == "" {
		t.Error("a later one has no capture")
	}
}

// An operation for whose calls or answer there is no room is answered as it is otherwise, and not captured.
func TestNothingIsCapturedWithoutMemory(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{"calls": `{ clients { nodes { name } } }`, "answer": titles(4, 4)} {
		s := startStudio(t, setup{Env: map[string]string{"MAX_INFLIGHT_BYTES": "4MiB"}, Emulator: emulator.Options{Clients: 8, CoursesPerClient: 8}})
		a, file := s.ask(t, query, nil, nil)
		if file != "" || len(a.Errors) > 0 || a.get(t, "data") == nil {
			t.Errorf("%s: got %q, %.200s", name, file, a.raw)
		}
		if log := s.logged.String(); !strings.Contains(log, "an operation is not captured") {
			t.Errorf("%s: the log does not say so: %s", name, log)
		}
	}
}
