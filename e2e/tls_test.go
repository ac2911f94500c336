package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// writeCertificate writes a certificate for loopback with its key and returns a pool that trusts it.
func writeCertificate(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "learngraph"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	chain, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: chain}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		text := pem.EncodeToMemory(block)
		pool.AppendCertsFromPEM(text)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// serveOnLoopback serves the program on a port of its own until stop, which reports how serving ended.
func serveOnLoopback(t *testing.T, p *program) (address string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- p.Serve(ctx, listener) }()
	return listener.Addr().String(), sync.OnceValue(func() error { cancel(); return <-stopped })
}

func askOver(ctx context.Context, client *http.Client, base string) (resp *http.Response, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/graphql", strings.NewReader(`{"query":"{ clients { nodes { name } } }"}`))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err = client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestEachProtocolIsServedUnderLoadAndThroughADrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := writeCertificate(t, dir, 1)
	files := map[string]string{"TLS_CERT_FILE": filepath.Join(dir, "tls.crt"), "TLS_KEY_FILE": filepath.Join(dir, "tls.key")}
	for name, test := range map[string]struct {
		env    map[string]string
		scheme string
		major  int
		choose func(*http.Protocols)
	}{
		"HTTP/1.1":             {nil, "http", 1, func(p *http.Protocols) { p.SetHTTP1(true) }},
		"HTTP/2 without TLS":   {nil, "http", 2, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
		"HTTP/1.1 through TLS": {files, "https", 1, func(p *http.Protocols) { p.SetHTTP1(true) }},
		"HTTP/2 through TLS":   {files, "https", 2, func(p *http.Protocols) { p.SetHTTP2(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"SHUTDOWN_DELAY": "500ms"}
			maps.Copy(env, test.env)
			p := start(t, setup{Emulator: emulator.Options{Clients: 2}, Env: env})
			address, stop := serveOnLoopback(t, p)
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: pool}}
			test.choose(transport.Protocols)
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			var answered atomic.Int64
			var workers sync.WaitGroup
			ended := make(chan struct{})
			for range 16 {
				workers.Go(func() {
					for {
						select {
						case <-ended:
							return
						default:
						}
						resp, text, err := askOver(t.Context(), client, test.scheme+"://"+address)
						if err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != test.major || !strings.Contains(text, `"name"`) {
							select {
							case <-ended: // the listener is gone
							default:
								t.Errorf("got %v %s %v", resp, text, err)
							}
							return
						}
						answered.Add(1)
					}
				})
			}
			for answered.Load() < 200 && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
			// Clients see that the program drains and go elsewhere before its listener closes.
			done := make(chan error, 1)
			go func() { done <- stop() }()
			for !t.Failed() {
				resp, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.scheme+"://"+address+"/readyz", nil)
				if err != nil {
					t.Fatal(err)
				}
				ready, err := client.Do(resp)
				if err != nil {
					t.Fatal(err)
				}
				_ = ready.Body.Close()
				if ready.StatusCode == http.StatusServiceUnavailable {
					break
				}
			}
			close(ended)
			workers.Wait()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACertificateThatChangesIsShownWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := writeCertificate(t, dir, 1)
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{
		"TLS_CERT_FILE": filepath.Join(dir, "tls.crt"), "TLS_KEY_FILE": filepath.Join(dir, "tls.key"), "SHUTDOWN_DELAY": "0",
	}})
	address, stop := serveOnLoopback(t, p)
	defer func() { _ = stop() }()
	serial := func(pool *x509.CertPool) int64 {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
		if err != nil {
			return 0
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(pool); got != 1 {
		t.Fatalf("got serial %d", got)
	}
	// A key that does not belong to the certificate, as between two copies, changes nothing.
	half := t.TempDir()
	next := writeCertificate(t, half, 2)
	moveFile(t, filepath.Join(half, "tls.key"), filepath.Join(dir, "tls.key"))
	until(t, func() bool {
		if got := serial(pool); got != 1 {
			t.Fatalf("got serial %d while the files do not match", got)
		}
		return strings.Contains(p.logged.String(), "do not match")
	})
	p.Reload(t.Context())
	for _, want := range []string{`"changed":[]`, `"TLS_CERT_FILE":"TLS_CERT_FILE and TLS_KEY_FILE do not match"`, `"TLS_KEY_FILE":"TLS_CERT_FILE and`} {
		if logged := p.logged.String(); !strings.Contains(logged, want) {
			t.Errorf("a reload meanwhile lacks %s: %s", want, logged)
		}
	}
	moveFile(t, filepath.Join(half, "tls.crt"), filepath.Join(dir, "tls.crt"))
	p.Reload(t.Context())
	if got := serial(next); got != 2 {
		t.Errorf("got serial %d after a reload", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func moveFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// until waits for an effect of the program in real time.
func until(t *testing.T, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !happened(); {
		if time.Now().After(end) {
			t.Fatal("it never happened")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
