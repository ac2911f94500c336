package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/learngraph/learngraph/upstream/http1"
)

// script is a server that answers each request of a connection with the next of some texts, and then closes it.
type script struct {
	net.Listener
	accepted atomic.Int64
	ended    atomic.Int64
}

func newScript(t testing.TB, responses ...string) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{Listener: l}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			s.accepted.Add(1)
			serving.Go(func() { s.serve(c, responses) })
		}
	})
	return s
}

func (s *script) serve(c net.Conn, responses []string) {
	defer func() {
		_ = c.Close()
		s.ended.Add(1)
	}()
	in := bufio.NewReader(c)
	for _, response := range responses {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, response)
	}
}

func get(t testing.TB, to string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is what an exchange brought: its status and body, or its error.
func answer(resp *http.Response, err error) string {
	if err != nil {
		return fmt.Sprintf("sent: %t", !errors.Is(err, http1.ErrNotSent))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Sprintf("%d %s broken", resp.StatusCode, body)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

func TestResponsesOfEachForm(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
	long := strings.Repeat("x", 2<<20)
	tests := map[string]struct {
		responses   []string
		want        []string
		connections int64 // that two requests take
	}{
		"declared length":     {[]string{ok, ok}, []string{"200 ab", "200 ab"}, 1},
		"in chunks":           {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\nT: 1\r\n\r\n", ok}, []string{"200 ab", "200 ab"}, 1},
		"no body":             {[]string{"HTTP/1.1 204 No Content\r\n\r\n", ok}, []string{"204 ", "200 ab"}, 1},
		"not modified":        {[]string{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", ok}, []string{"304 ", "200 ab"}, 1},
		"empty body":          {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ok}, []string{"200 ", "200 ab"}, 1},
		"informational":       {[]string{"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok, ok}, []string{"200 ab", "200 ab"}, 1},
		"closes":              {[]string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", ok}, []string{"200 ab", "200 ab"}, 2},
		"HTTP/1.0":            {[]string{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", ok}, []string{"200 ab", "200 ab"}, 2},
		"until the end":       {[]string{"HTTP/1.1 200 OK\r\n\r\nab"}, []string{"200 ab", "200 ab"}, 2},
		"closed without word": {[]string{ok}, []string{"200 ab", "200 ab"}, 2},
		"bytes after it":      {[]string{ok + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", ok}, []string{"200 ab", "200 ab"}, 2},
		"truncated":           {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"}, []string{"200 ab broken", "200 ab broken"}, 2},
		"broken chunk":        {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nz"}, []string{"200 a broken", "200 a broken"}, 2},
		"nothing":             {[]string{""}, []string{"sent: true", "sent: true"}, 2},
		"no HTTP":             {[]string{"rubbish\r\n\r\n"}, []string{"sent: true", "sent: true"}, 2},
		"half a header":       {[]string{"HTTP/1.1 200 OK\r\nContent-Le"}, []string{"sent: true", "sent: true"}, 2},
		"another protocol":    {[]string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"}, []string{"sent: true", "sent: true"}, 2},
		"endless hints":       {[]string{strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9) + ok}, []string{"sent: true", "sent: true"}, 2},
		"long header":         {[]string{"HTTP/1.1 200 OK\r\nA: " + long + "\r\nContent-Length: 2\r\n\r\nab"}, []string{"sent: true", "sent: true"}, 2},
		"long body":           {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n" + long, ok}, []string{"200 " + long, "200 ab"}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newScript(t, tt.responses...)
			transport := &http1.Transport{MaxIdle: 1}
			t.Cleanup(transport.CloseIdleConnections)
			for i, want := range tt.want {
				if got := answer(transport.RoundTrip(get(t, "http://"+server.Addr().String()))); got != want {
					t.Errorf("got %.80s, want %.80s", got, want)
				}
				if tt.connections > 1 {
					server.awaitEnd(t, int64(i+1))
				}
			}
			if got := server.accepted.Load(); got != tt.connections {
				t.Errorf("%d connections were opened, want %d", got, tt.connections)
			}
		})
	}
}

// awaitEnd waits until as many connections have ended, on the server's side.
func (s *script) awaitEnd(t *testing.T, connections int64) {
	t.Helper()
	for range 1000 {
		if s.ended.Load() >= connections {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d connections ended, want %d", s.ended.Load(), connections)
}

func TestAnAnswerBeforeTheEndOfTheRequestIsRead(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	go func() {
		_, _ = server.Read(make([]byte, 512))
		go func() { _, _ = io.WriteString(server, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno") }()
		time.Sleep(20 * time.Millisecond)
		_, _ = io.CopyN(io.Discard, server, 4096)
	}()
	half := &halfOpen{Conn: client, writable: 4096}
	transport := &http1.Transport{MaxIdle: 1, Dial: func(context.Context, *url.URL) (net.Conn, error) { return half, nil }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://backend", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(transport.RoundTrip(r)); got != "413 no" {
		t.Errorf("got %q", got)
	}
	if !half.closed.Load() {
		t.Error("the connection, of whose request a part was not sent, is kept")
	}
}

// halfOpen is a connection whose other side stops reading after some bytes.
type halfOpen struct {
	net.Conn
	writable int
	closed   atomic.Bool
}

func (h *halfOpen) Write(p []byte) (int, error) {
	if h.writable -= len(p); h.writable < 0 {
		return 0, io.ErrClosedPipe
	}
	return h.Conn.Write(p)
}

func (h *halfOpen) Close() error {
	h.closed.Store(true)
	return h.Conn.Close()
}

func TestARequestIsWrittenAsNetHTTPWritesIt(t *testing.T) {
	t.Parallel()
	written := func(transport http.RoundTripper, to string, method, body string) string {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			content, _ := io.ReadAll(r.Body)
			r.Header.Del("Connection")
			got = fmt.Sprint(r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, r.TransferEncoding, string(content))
			got = strings.ReplaceAll(got, r.Host, "host")
		}))
		defer server.Close()
		var reader io.Reader
		if body != "" {
			reader = strings.NewReader(body)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+to, reader)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Accept": {"a/b"}, "Accept-Encoding": {"identity"}, "User-Agent": {"test"}, "X-Two": {"1", "2"},
			"X-Break": {"a\r\nInjected: yes"}}
		_, err = transport.RoundTrip(r)
		return fmt.Sprint(got, err != nil)
	}
	for _, tt := range [][3]string{{"/a%2Fb?c=%20d", "GET", ""}, {"/", "POST", `{"a":1}`}, {"/x", "DELETE", ""}, {"/ü ", "PUT", "ü"}} {
		ours := written(&http1.Transport{}, tt[0], tt[1], tt[2])
		if strings.Contains(ours, "Injected:[yes]") {
			t.Errorf("a value added a header: %s", ours)
		}
		plain := &http.Transport{DisableKeepAlives: true}
		if theirs := written(plain, tt[0], tt[1], tt[2]); ours != theirs && !strings.HasSuffix(theirs, "true") {
			t.Errorf("got  %s\nwant %s", ours, theirs)
		}
	}
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	closed := newScript(t)
	_ = closed.Close()
	plain := newScript(t, "HTTP/1.1 200 OK\r\n\r\n")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		request *http.Request
		want    error
	}{
		"refused":        {get(t, "http://"+closed.Addr().String()), nil},
		"no TLS":         {get(t, "https://"+plain.Addr().String()), nil},
		"context before": {get(t, "http://"+plain.Addr().String()).WithContext(ended), context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := (&http1.Transport{}).RoundTrip(tt.request)
			if !errors.Is(err, http1.ErrNotSent) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAContextEndsItsExchange ends contexts while a server is silent, and while it sends a body.
func TestAContextEndsItsExchange(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{"before the header": "", "in the header": "HTTP/1.1 200 OK\r\nA: ",
		"in the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var closed atomic.Bool
				transport := &http1.Transport{MaxIdle: 1, Dial: pipes(func(c net.Conn) {
					_, _ = http.ReadRequest(bufio.NewReader(c))
					_, _ = io.WriteString(c, sent)
					_, err := c.Read(make([]byte, 1))
					closed.Store(errors.Is(err, io.EOF))
				})}
				reason := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
				defer cancel()
				start := time.Now()
				resp, err := transport.RoundTrip(get(t, "http://backend").WithContext(ctx))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if !errors.Is(err, reason) || errors.Is(err, http1.ErrNotSent) || time.Since(start) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
				synctest.Wait()
				if !closed.Load() {
					t.Error("the server's connection is open")
				}
			})
		})
	}
}

// pipes returns a function that connects to servers in memory.
func pipes(serve func(net.Conn)) func(context.Context, *url.URL) (net.Conn, error) {
	return func(context.Context, *url.URL) (net.Conn, error) {
		client, server := net.Pipe()
		go serve(server)
		return client, nil
	}
}

func TestABodyThatIsClosedEarlyClosesTheConnection(t *testing.T) {
	t.Parallel()
	server := newScript(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
	transport := &http1.Transport{MaxIdle: 1}
	t.Cleanup(transport.CloseIdleConnections)
	to := "http://" + server.Addr().String()
	first, err := transport.RoundTrip(get(t, to))
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	if got := answer(transport.RoundTrip(get(t, to))); got != "200 ab" {
		t.Errorf("got %q", got)
	}
	_ = first.Body.Close() // has no effect on the exchanges of others
	if n, err := first.Body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a closed body is read: %d bytes, %v", n, err)
	}
}

// keepsAlive serves requests of a connection until it ends.
func keepsAlive(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(in); err != nil {
			_ = c.Close()
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*http1.Transport){
		"after 90 seconds": func(*http1.Transport) { time.Sleep(90 * time.Second) },
		"when asked":       (*http1.Transport).CloseIdleConnections,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var open, opened atomic.Int64
				transport := &http1.Transport{MaxIdle: 2, Dial: pipes(func(c net.Conn) {
					open.Add(1)
					opened.Add(1)
					keepsAlive(c)
					open.Add(-1)
				})}
				var group sync.WaitGroup
				for range 3 {
					group.Go(func() {
						resp, err := transport.RoundTrip(get(t, "http://backend"))
						time.Sleep(time.Second) // all at once
						if got := answer(resp, err); got != "200 ab" {
							t.Errorf("got %q", got)
						}
					})
				}
				group.Wait()
				synctest.Wait()
				if got := open.Load(); got != 2 {
					t.Errorf("%d connections are idle, want 2", got)
				}
				time.Sleep(60 * time.Second)
				_ = answer(transport.RoundTrip(get(t, "http://backend")))
				if got := opened.Load(); got != 3 {
					t.Errorf("%d connections were opened, want 3", got)
				}
				end(transport)
				synctest.Wait()
				if got := open.Load(); got != 0 {
					t.Errorf("%d connections are left", got)
				}
			})
		})
	}
}

func TestAnIdleConnectionHoldsNothingOfItsLastRequest(t *testing.T) {
	t.Parallel()
	server := newScript(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "")
	transport := &http1.Transport{MaxIdle: 1}
	t.Cleanup(transport.CloseIdleConnections)
	type contextKey struct{}
	exchange := func() weak.Pointer[[1 << 10]byte] {
		value := new([1 << 10]byte)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, value))
		defer cancel()
		if got := answer(transport.RoundTrip(get(t, "http://"+server.Addr().String()).WithContext(ctx))); got != "200 ab" {
			t.Errorf("got %q", got)
		}
		return weak.Make(value)
	}
	held := exchange()
	runtime.GC()
	if held.Value() != nil {
		t.Error("the context of the request is held")
	}
}

func TestAnIdleConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	var last net.Conn
	transport := &http1.Transport{MaxIdle: 1, Dial: func(ctx context.Context, _ *url.URL) (net.Conn, error) {
		opened.Add(1)
		client, server := net.Pipe()
		last = server
		go keepsAlive(server)
		return client, nil
	}}
	for range 2 {
		if got := answer(transport.RoundTrip(get(t, "http://backend"))); got != "200 ab" {
			t.Errorf("got %q", got)
		}
		_ = last.Close()
	}
	if got := opened.Load(); got != 2 {
		t.Errorf("%d connections were opened, want 2", got)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	var opened atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	config := server.Client().Transport.(*http.Transport).TLSClientConfig
	transport := &http1.Transport{MaxIdle: 1, Dial: (&http1.Dialer{TLS: config}).Dial}
	t.Cleanup(transport.CloseIdleConnections)
	for range 3 {
		if got := answer(transport.RoundTrip(get(t, server.URL))); got != "200 HTTP/1.1" {
			t.Errorf("got %q", got)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections were opened, want 1", got)
	}
	if got := answer((&http1.Transport{}).RoundTrip(get(t, server.URL))); got != "sent: false" {
		t.Errorf("with a certificate that is not trusted: got %q", got)
	}
}

// FuzzResponsesAreReadAsByNetHTTP compares what the two transports read of the same bytes.
func FuzzResponsesAreReadAsByNetHTTP(f *testing.F) {
	for _, seed := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.0 404 N\r\n\r\nx", "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 204 N\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 2", "HTTP/1.0 000\n\n0"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		if bytes.Contains(response, []byte("101")) || bytes.Count(response, []byte("HTTP/1")) > 5 {
			return // read by rules of its own: see TestResponsesOfEachForm
		}
		serve := pipes(func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = c.Write(response)
			_ = c.Close()
		})
		ours := fuzzAnswer((&http1.Transport{Dial: serve}).RoundTrip(get(t, "http://backend")))
		theirs := fuzzAnswer((&http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return serve(ctx, nil)
		}}).RoundTrip(get(t, "http://backend")))
		if ours != theirs {
			t.Errorf("got  %s\nwant %s", ours, theirs)
		}
	})
}

func fuzzAnswer(resp *http.Response, err error) string {
	if err != nil {
		return "error"
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.Status, resp.Header, resp.ContentLength, string(body), err != nil)
}

func BenchmarkExchange(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	b.Cleanup(server.Close)
	plain := &http.Transport{}
	ours := &http1.Transport{MaxIdle: 1}
	b.Cleanup(plain.CloseIdleConnections)
	b.Cleanup(ours.CloseIdleConnections)
	for name, transport := range map[string]http.RoundTripper{"http1": ours, "net/http": plain} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := answer(transport.RoundTrip(get(b, server.URL))); got != "200 {}" {
					b.Fatal(got)
				}
			}
		})
	}
}
