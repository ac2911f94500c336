package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// keepAliveConn is a client that sends its requests over one connection as long as the server leaves it open. It sends nothing
// again.
type keepAliveConn struct {
	listener *wire
	conn     net.Conn
	answers  *bufio.Reader
}

// ask sends a request and reports whether its answer closes the connection.
func (k *keepAliveConn) ask(ctx context.Context, request string) (closed bool, err error) {
	if k.conn == nil {
		if k.conn, err = k.listener.dial(ctx, "", ""); err != nil {
			return false, err
		}
		k.answers = bufio.NewReader(k.conn)
	}
	if _, err := io.WriteString(k.conn, request); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(k.answers, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("%d %s %w", resp.StatusCode, body, err)
	}
	if resp.Close {
		err := k.conn.Close()
		k.conn = nil
		return true, err
	}
	return false, nil
}

func postRequest(body, headers string) string {
	return fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
}

// TestTheEndOfTheProgramCutsNoBusyClient has 40 clients send requests without a pause while the program gets the signal
// to stop.
func TestTheEndOfTheProgramCutsNoBusyClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Latency: 30 * time.Millisecond},
			Env: map[string]string{"SHUTDOWN_DELAY": "5s", "SHUTDOWN_TIMEOUT": "20s"}})
		ctx, stop := context.WithCancel(t.Context())
		listener, stopped := newWire(), make(chan error, 1)
		go func() { stopped <- p.Serve(ctx, listener) }()
		var clients sync.WaitGroup
		for n := range 40 {
			clients.Go(func() {
				client := &keepAliveConn{listener: listener}
				request := postRequest(`{"query":"{ clients { nodes { name } } }"}`, "")
				kept, closed := 0, 0
				for {
					time.Sleep(time.Duration(n) * time.Millisecond)
					end, err := client.ask(t.Context(), request)
					switch {
					case errors.Is(err, syscall.ECONNREFUSED): // it has stopped listening
						if kept == 0 || closed == 0 {
							t.Errorf("client %d: %d answers kept the connection and %d closed it, want some of both", n, kept, closed)
						}
						return
					case err != nil:
						t.Errorf("client %d, after %d and %d answers: %v", n, kept, closed, err)
						return
					case end:
						closed++
					default:
						kept++
					}
				}
			})
		}
		time.Sleep(2 * time.Second)
		stop()
		clients.Wait()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestAConnectionIsClosedAfterAnAmbiguousLength sends requests with two lengths, which a proxy may read in another way
// than we do.
func TestAConnectionIsClosedAfterAnAmbiguousLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"SHUTDOWN_DELAY": "0"}})
		ctx, stop := context.WithCancel(t.Context())
		listener, stopped := newWire(), make(chan error, 1)
		go func() { stopped <- p.Serve(ctx, listener) }()
		const body = `{"query":"{ __typename }"}`
		chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		head := "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		for name, test := range map[string]struct {
			request string
			closed  bool
		}{
			"a length":                 {postRequest(body, ""), false},
			"both, the length first":   {head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, true},
			"both, the encoding first": {head + "Transfer-Encoding: chunked\r\nContent-Length: 400\r\n\r\n" + chunks, true},
			"both, of equal meaning":   {fmt.Sprintf("%sContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", head, len(chunks), chunks), true},
		} {
			client := &keepAliveConn{listener: listener}
			closed, err := client.ask(t.Context(), test.request)
			if err != nil || closed != test.closed {
				t.Errorf("%s: closed: %t, want %t; %v", name, closed, test.closed, err)
			}
			if client.conn != nil {
				_ = client.conn.Close()
			}
		}
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestTheAccessLogCutsWhatItsCallerChose(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, test := range []struct{ method, path, want string }{
		{http.MethodGet, "/" + strings.Repeat("p", 300), `"path":"/` + strings.Repeat("p", 255) + `"`},
		{http.MethodGet, "/" + strings.Repeat("p", 255), `"path":"/` + strings.Repeat("p", 255) + `"`},
		{http.MethodGet, "/" + strings.Repeat("%D0%B6", 300), `"path":"/` + strings.Repeat("\u0436", 127) + `"`},
		{strings.Repeat("M", 1000), "/nothing", `"method":"` + strings.Repeat("M", 32) + `"`},
	} {
		p.send(httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil))
		if logged := p.logged.String(); !strings.Contains(logged, test.want) || !utf8.ValidString(logged) {
			t.Errorf("%s %s: no line has %s", test.method, test.path, test.want)
		}
	}
}
