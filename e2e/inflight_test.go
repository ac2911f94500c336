package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// serving starts the program on a listener in memory, and ends it with the test.
func serving(t *testing.T, s setup) (*program, *wire) {
	t.Helper()
	p := start(t, s)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	listener, stopped := newWire(), make(chan error, 1)
	go func() { stopped <- p.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if got := p.Inflight.State(); got.Requests != 0 || got.Bytes != 0 {
			t.Errorf("left behind: %+v", got)
		}
	})
	return p, listener
}

// refusal is the answer to a request for which there is no memory.
func refusal(t *testing.T, header http.Header, status int, body []byte) string {
	t.Helper()
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || len(a.Errors) != 1 {
		t.Fatalf("got %d %s", status, body)
	}
	limit, _ := a.Errors[0].Extensions["limit"].(map[string]any)
	return fmt.Sprint(status, " after ", header.Get("Retry-After"), ": ", a.Errors[0].Extensions["code"], " ", limit["name"], " ", a.Errors[0].Extensions["retryAfter"])
}

func TestRequestsPastTheirNumberAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Latency: time.Second}, Env: map[string]string{"MAX_INFLIGHT": "2"}})
		var group sync.WaitGroup
		for i := range 2 {
			group.Go(func() {
				if a := p.post(t, fmt.Sprintf(`{ clients(first: %d) { nodes { name } } }`, i+1), nil); len(a.Errors) > 0 {
					t.Errorf("a request within the number failed: %v", a.failures())
				}
			})
		}
		time.Sleep(time.Millisecond)
		for _, path := range []string{"/graphql", "/graphql/plan"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(`{"query":"{ __typename }"}`))
			r.Header.Set("Content-Type", "application/json")
			w := p.send(r)
			const want = "503 after 1: LIMIT_EXCEEDED inflight 1"
			if got := refusal(t, w.Header(), w.Code, w.Body.Bytes()); got != want {
				t.Errorf("%s: got %q, want %q", path, got, want)
			}
		}
		if got := p.probe(t, "/healthz"); got != http.StatusOK {
			t.Errorf("/healthz is %d", got)
		}
		group.Wait()
		if a := p.post(t, `{ __typename }`, nil); len(a.Errors) > 0 {
			t.Errorf("afterwards: %v", a.failures())
		}
		if got := p.Inflight.State(); got.Requests != 0 || got.RefusedRequests != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestStalledBodiesHoldNoMoreThanTheirBound has many callers send nearly all of a long body.
func TestStalledBodiesHoldNoMoreThanTheirBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, listener := serving(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"MAX_INFLIGHT_BYTES": "2MiB"}})
		const body = 300 << 10
		request := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body, strings.Repeat(" ", body-1))
		statuses := map[int]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for range 30 {
			group.Go(func() {
				conn, err := listener.dial(t.Context(), "", "")
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				go func() { _, _ = io.WriteString(conn, request) }()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[resp.StatusCode]++
				if resp.StatusCode == http.StatusServiceUnavailable && (resp.Header.Get("Retry-After") != "1" || !resp.Close) {
					t.Errorf("got %v", resp.Header)
				}
			})
		}
		time.Sleep(time.Second)
		if got := p.Inflight.State(); got.Bytes < 1<<19 || got.Bytes > 2<<20 {
			t.Errorf("%d bytes are held while they stall", got.Bytes)
		}
		group.Wait()
		if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusRequestTimeout] == 0 || len(statuses) != 2 {
			t.Errorf("got %v", statuses)
		}
	})
}

// titles selects an answer that is much longer than the backend's.
func titles(clients, courses int) string {
	var fields strings.Builder
	for i := range 60 {
		fmt.Fprintf(&fields, " a%d: title", i)
	}
	list := fmt.Sprintf(`clients(first: %d) { nodes { courses(first: %d) { nodes { ...T } } } }`, clients, courses)
	var lists strings.Builder
	for i := range 12 {
		fmt.Fprintf(&lists, " l%d: %s", i, list)
	}
	return fmt.Sprintf(`{%s } fragment T on Course {%s }`, lists.String(), fields.String())
}

// TestASlowReaderIsCutOff has readers stop, read slowly, and read slowly but fast enough.
func TestASlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rate int // in bytes a second
		cut  uint64
	}{"does not read": {0, 1}, "reads slowly": {30 << 10, 1}, "reads fast enough": {100 << 10, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, listener := serving(t, setup{Emulator: emulator.Options{Clients: 20, CoursesPerClient: 20}})
				conn, err := listener.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				query := `{"query":` + strconv.Quote(titles(20, 20)) + `}`
				go func() { _, _ = io.WriteString(conn, postRequest(query, "")) }()
				got, buffer := 0, make([]byte, max(test.rate, 1))
				for {
					if test.rate == 0 {
						time.Sleep(time.Minute)
					}
					n, err := io.ReadFull(conn, buffer)
					got += n
					if err != nil || strings.HasSuffix(string(buffer[:n]), "]}}") {
						break
					}
					if n == len(buffer) && got > 300<<10 && test.cut == 0 && p.Inflight.State().Requests == 0 {
						break
					}
					time.Sleep(time.Second)
				}
				if state := p.Inflight.State(); state.CutOff != test.cut || state.Requests != 0 {
					t.Errorf("after %d bytes: got %+v, want %d cut off", got, state, test.cut)
				}
			})
		})
	}
}

// endless is a backend whose bodies never end.
type endless struct{ http.RoundTripper }

func (e endless) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "/headless/") {
		return e.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(spaces{}), ContentLength: -1}, nil
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestPagesOfBackendsHoldNoMoreThanTheBound(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"MAX_INFLIGHT_BYTES": "8MiB"},
		Wrap: func(next http.RoundTripper) http.RoundTripper { return endless{next} }})
	a := p.post(t, `{ users { nodes { name } } clients { nodes { name } } }`, nil)
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "LIMIT_EXCEEDED" || fmt.Sprint(a.Errors[0].Extensions["retryAfter"]) != "1" ||
		a.get(t, "data", "clients", "nodes", 0, "name") == nil {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if got := p.Inflight.State(); got.RefusedBytes == 0 {
		t.Errorf("got %+v", got)
	}
}

// A write whose answer has no end was made all the same, and holds no more than anything else.
func TestAnswersToWritesHoldNoMoreThanTheBound(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"MAX_INFLIGHT_BYTES": "8MiB"},
		Wrap: func(next http.RoundTripper) http.RoundTripper { return endless{next} }})
	a := p.post(t, `mutation { updateEmbedClient(input: { by: { sourceId: "any" }, metadata: {} }) { embedClient { sourceId } } }`, nil)
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "WRITE_OUTCOME_UNKNOWN" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if got := p.Inflight.State(); got.RefusedBytes == 0 {
		t.Errorf("got %+v", got)
	}
}

// TestAnswersPastTheBoundAreRefused asks for an answer that is larger than what all may hold, and for one that is not.
func TestAnswersPastTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	for _, ttl := range []string{"0", "1m"} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 20, CoursesPerClient: 20},
			Env: map[string]string{"MAX_INFLIGHT_BYTES": "8MiB", "CACHE_TTL": ttl}})
		for range 2 {
			body, _ := json.Marshal(map[string]string{"query": titles(20, 20)})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			w := p.send(r)
			const want = "503 after 1: LIMIT_EXCEEDED inflightBytes 1"
			if w.Code != http.StatusServiceUnavailable {
				t.Fatalf("CACHE_TTL=%s: got %d and %d bytes, %+v", ttl, w.Code, w.Body.Len(), p.Inflight.State())
			}
			if got := refusal(t, w.Header(), w.Code, w.Body.Bytes()); got != want {
				t.Errorf("CACHE_TTL=%s: got %q, want %q", ttl, got, want)
			}
		}
		if a := p.post(t, `{ clients(first: 20) { nodes { courses(first: 50) { nodes { title } } } } }`, nil); len(a.Errors) > 0 {
			t.Errorf("CACHE_TTL=%s: %v", ttl, a.failures())
		}
		if got := p.Inflight.State(); got.Requests != 0 {
			t.Errorf("got %+v", got)
		}
	}
}
