package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/inflight"
)

// pipeListener accepts connections of the process itself: fake time cannot wait for sockets.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects to a server of the gateway.
func dial(t *testing.T, g http.Handler) net.Conn {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	ours, theirs := net.Pipe()
	l.conns <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
		<-ended
	})
	return ours
}

// drip sends a request whose body comes a byte at a time, and returns when the answer came and the answer.
func drip(t *testing.T, conn net.Conn, body string, every time.Duration) (*http.Response, time.Duration) {
	t.Helper()
	began := time.Now()
	sent := make(chan struct{})
	t.Cleanup(func() {
		_ = conn.Close()
		<-sent
	})
	go func() {
		defer close(sent)
		_, _ = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
		for i := range len(body) {
			time.Sleep(every)
			if _, err := conn.Write([]byte(body[i : i+1])); err != nil {
				return
			}
		}
	}()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, time.Since(began)
}

func TestASlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	body := queryBody("{ __typename }", "")
	const limit = 10 * time.Second
	for _, test := range []struct {
		name   string
		every  time.Duration
		body   string
		status int
		took   time.Duration
	}{
		{"just in time", limit / time.Duration(len(body)+1), body, 200, limit / time.Duration(len(body)+1) * time.Duration(len(body))},
		{"just too late", limit/time.Duration(len(body)) + time.Millisecond, body, 408, limit},
		{"without end", time.Second, body + strings.Repeat(" ", 100_000), 408, limit},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := (&world{}).gateway(func(o *Options) { o.Limits.Upload = limit })
				conn := dial(t, g)
				r, took := drip(t, conn, test.body, test.every)
				defer r.Body.Close()
				if r.StatusCode != test.status || took != test.took {
					t.Errorf("got %d after %s, want %d after %s", r.StatusCode, took, test.status, test.took)
				}
				if test.status == 408 && !r.Close {
					t.Error("the connection stays open for what is left of the body")
				}
			})
		})
	}
}

// TestTheDeadlineOfAnUploadEndsWithIt has operations take longer than the body may, and another follow on the connection.
func TestTheDeadlineOfAnUploadEndsWithIt(t *testing.T) {
	t.Parallel()
	body := queryBody("{ users(first: 1) { nodes { id } } }", "")
	for name, sent := range map[string]string{
		"a length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
		"no length": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const limit = time.Second
				w := &world{users: 1}
				w.work = func(ctx context.Context) {
					time.Sleep(5 * limit)
					if err := ctx.Err(); err != nil {
						t.Errorf("the operation ended: %v", err)
					}
				}
				conn := dial(t, w.gateway(func(o *Options) { o.Limits.Upload, o.Timeout = limit, time.Minute }))
				answers := bufio.NewReader(conn)
				for range 2 {
					if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\n"+
						"Content-Type: application/json\r\n"+sent); err != nil {
						t.Fatal(err)
					}
					r, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(r.Body)
					if err != nil || r.StatusCode != 200 || strings.Contains(string(text), "errors") {
						t.Errorf("got %d %s, %v", r.StatusCode, text, err)
					}
				}
			})
		})
	}
}

func TestABodyWithoutALengthIsReadLikeOneWithIt(t *testing.T) {
	t.Parallel()
	body := queryBody("{ __typename }", "")
	for _, test := range []struct {
		name   string
		length int64 // as declared; -1 is not declared
		body   string
		status int
	}{
		{"a length", int64(len(body)), body, 200},
		{"a length of more than memory is given beforehand", inflight.Small + 1, body + strings.Repeat(" ", inflight.Small+1-len(body)), 200},
		{"no length", -1, body, 200},
		{"no length, and too long", -1, body + strings.Repeat(" ", 20_000), 413},
		{"too long", 20_000, body + strings.Repeat(" ", 20_000-len(body)), 413},
		{"less than the length", int64(len(body)) + 1, body, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := (&world{}).gateway(func(o *Options) { o.Limits.Body = inflight.Small + 1 })
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(test.body))
			r.ContentLength = test.length
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, test.status)
			}
		})
	}
}
