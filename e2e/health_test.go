package e2e

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestHealthAsksTheServerOfTheSameSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	for name, env := range map[string]map[string]string{
		"plain":   {},
		"TLS":     {"TLS_CERT_FILE": filepath.Join(dir, "tls.crt"), "TLS_KEY_FILE": filepath.Join(dir, "tls.key")},
		"metrics": {"METRICS_LISTEN": "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
			address, stop := serveOnLoopback(t, p)
			settings := map[string]string{"LISTEN": address}
			maps.Copy(settings, env)
			if name == "metrics" { // the operator's listener is asked where there is one
				operator, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				server := &http.Server{Handler: p.Operator(true).Handler()}
				go func() { _ = server.Serve(operator) }()
				t.Cleanup(func() { _ = server.Close() })
				settings["METRICS_LISTEN"] = operator.Addr().String()
				settings["LISTEN"] = "127.0.0.1:1"
			}
			health := func(args ...string) (int, string) {
				stderr := &transcript{}
				code := run(t.Context(), append([]string{"health"}, args...), environment(settings), io.Discard, stderr)
				return code, stderr.String()
			}
			if code, text := health(); code != cli.ExitOK {
				t.Errorf("got exit code %d while the server answers: %s", code, text)
			}
			// In a container whose program has its settings as flags.
			if code := run(t.Context(), []string{"health"}, func(name string) string { return settings[name] }, io.Discard, io.Discard); code != cli.ExitOK {
				t.Errorf("got exit code %d without the settings of a backend", code)
			}
			p.backends.SetFault("", emulator.Fault{Status: 403})
			p.post(t, `{ clients { nodes { name } } users { nodes { name } } identities { nodes { id } } }`, nil)
			if code, text := health("-ready"); code != cli.ExitFailed || !strings.Contains(text, "status 503") {
				t.Errorf("got exit code %d and %q while every backend fails", code, text)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if name != "metrics" {
				if code, text := health(); code != cli.ExitFailed || !strings.Contains(text, "does not answer") {
					t.Errorf("got exit code %d and %q after the server ended", code, text)
				}
			}
		})
	}
	stderr := &transcript{}
	if code := run(context.Background(), []string{"health"}, environment(map[string]string{"LISTEN": "nowhere"}), io.Discard, stderr); code != cli.ExitUsage {
		t.Errorf("got exit code %d for a setting that is wrong", code)
	}
}
