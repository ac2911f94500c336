package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// proxyHandler is an HTTP proxy that makes tunnels for a user.
func proxyHandler(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic bmFtZTpzZWNyZXQ=" { // name:secret
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		far, err := net.Dial("tcp", r.RequestURI)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		relay(near, far, buffered)
	})
}

// relay copies what each of two connections sends to the other, until one ends.
func relay(near, far net.Conn, sent io.Reader) {
	go func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}()
	_, _ = io.Copy(far, sent)
	_ = far.Close()
}

// socksProxy serves SOCKS 5 (RFC 1928) without a password.
func socksProxy(t *testing.T) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go serveSOCKS(c)
		}
	}()
	return &url.URL{Scheme: "socks5", Host: l.Addr().String()}
}

func serveSOCKS(c net.Conn) {
	in := bufio.NewReader(c)
	_, _ = io.CopyN(io.Discard, in, 3) // version, one method: none
	_, _ = c.Write([]byte{5, 0})
	request := make([]byte, 10) // version, connect, 0, IPv4, address, port
	_, _ = io.ReadFull(in, request)
	far, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: request[4:8], Port: int(request[8])<<8 | int(request[9])})
	if err != nil {
		_ = c.Close()
		return
	}
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	relay(c, far, in)
}

func TestProxies(t *testing.T) {
	t.Parallel()
	target := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(target.Close)
	to, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusted := target.Client().Transport.(*http.Transport).TLSClientConfig
	plain := httptest.NewServer(proxyHandler(t))
	t.Cleanup(plain.Close)
	secured := httptest.NewTLSServer(proxyHandler(t)) // has the certificate of target
	t.Cleanup(secured.Close)
	proxyAt := func(server string, user *url.Userinfo) *url.URL {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		u.User = user
		return u
	}
	user := url.UserPassword("name", "secret")
	for name, tt := range map[string]struct {
		proxy *url.URL
		want  string // of the error
	}{
		"none":                {nil, ""},
		"HTTP":                {proxyAt(plain.URL, user), ""},
		"HTTPS":               {proxyAt(secured.URL, user), ""},
		"without a password":  {proxyAt(plain.URL, nil), "407"},
		"SOCKS":               {socksProxy(t), ""},
		"of an unknown kind":  {&url.URL{Scheme: "ftp", Host: "127.0.0.1:1"}, "ftp"},
		"that does not exist": {proxyAt("http://127.0.0.1:1", nil), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &Transport{MaxIdle: 1, Dial: func(ctx context.Context, u *url.URL) (net.Conn, error) {
				return (&Dialer{TLS: trusted}).through(ctx, tt.proxy, u)
			}}
			defer transport.CloseIdleConnections()
			for range 2 {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := transport.RoundTrip(r)
				if tt.want != "" {
					if !errors.Is(err, ErrNotSent) || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("got %v, want an error with %q", err, tt.want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != "hello" {
					t.Errorf("got %q, %v", body, err)
				}
			}
		})
	}
}

func TestAProxyThatIsSilentEndsWithTheContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = (&Dialer{TLS: &tls.Config{}}).through(ctx, &url.URL{Scheme: "http", Host: l.Addr().String()},
		&url.URL{Scheme: "https", Host: "backend.example"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://a.example": "a.example:80", "https://a.example": "a.example:443", "https://a.example:8443": "a.example:8443",
		"http://[::1]": "[::1]:80", "https://bücher.example": "xn--bcher-kva.example:443", "socks5://p": "p:1080",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := address(u); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
}
