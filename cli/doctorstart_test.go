package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// written returns the path of a file with this text and mode.
func written(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

// answering returns the URL of a server with one answer.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// keySetText returns a key set with one key.
func keySetText(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tokens are settings of a server that takes tokens of the keys at a place.
func tokens(jwks string) map[string]string {
	return map[string]string{"AUTH": "jwt", "JWT_JWKS": jwks, "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "learngraph"}
}

// webhookKeys are settings of a server that takes MATTR's webhooks, signed with the keys at a place.
func webhookKeys(jwks string) map[string]string {
	return map[string]string{"MATTR_WEBHOOK_JWKS": jwks, "MATTR_WEBHOOK_ID": "hook"}
}

const oneKey = `[{"name": "app", "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}]`

func TestDoctorChecksWhatAStartNeeds(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	go func() { // it hangs up at once
		for conn, err := busy.Accept(); err == nil; conn, err = busy.Accept() {
			_ = conn.Close()
		}
	}()
	ours := strings.TrimPrefix(answering(t, http.StatusOK, "ok"), "http://")
	manifest := func(document string) string {
		text, _ := json.Marshal(map[string]string{"id": document})
		return written(t, "manifest.json", string(text), 0o600)
	}
	for name, test := range map[string]struct {
		env          map[string]string
		check        string
		want, remedy string
	}{
		"keys":                  {map[string]string{"AUTH": "keys", "API_KEYS_FILE": written(t, "keys", oneKey, 0o600)}, "api keys", "ok", ""},
		"keys of another form":  {map[string]string{"AUTH": "keys", "API_KEYS_FILE": written(t, "keys", `{}`, 0o600)}, "api keys", "failed", "API_KEYS_FILE"},
		"keys that are nowhere": {map[string]string{"AUTH": "keys", "API_KEYS_FILE": "/nowhere/keys"}, "api keys", "failed", "API_KEYS_FILE"},
		"keys anyone can read":  {map[string]string{"AUTH": "keys", "API_KEYS_FILE": written(t, "keys", oneKey, 0o644)}, "file permissions", "warning", "chmod"},
		"keys for the owner":    {map[string]string{"AUTH": "keys", "API_KEYS_FILE": written(t, "keys", oneKey, 0o640)}, "file permissions", "ok", ""},
		"a secret anyone reads": {map[string]string{"REDIS_KEY_FILE": written(t, "key", strings.Repeat("ab", 32), 0o604)}, "file permissions", "warning", "chmod"},
		"two secrets anyone reads": {map[string]string{"AUTH": "keys", "API_KEYS_FILE": written(t, "keys", oneKey, 0o644),
			"REDIS_KEY_FILE": written(t, "key", strings.Repeat("ab", 32), 0o604)}, "file permissions", "warning", "chmod o= on each"},
		"keys of webhooks":         {webhookKeys(answering(t, http.StatusOK, keySetText(t))), "mattr webhook key set", "ok", ""},
		"a page for their keys":    {webhookKeys(answering(t, http.StatusOK, "<html>")), "mattr webhook key set", "failed", "MATTR_WEBHOOK_JWKS"},
		"a tenant that is gone":    {webhookKeys("http://127.0.0.1:1/hunter2"), "mattr webhook key set", "failed", "MATTR_WEBHOOK_JWKS"},
		"a file without a key set": {webhookKeys(written(t, "jwks.json", "{}", 0o600)), "mattr webhook key set", "failed", "MATTR_WEBHOOK_JWKS"},
		"a key set":                {tokens(answering(t, http.StatusOK, keySetText(t))), "key set", "ok", ""},
		"a key set in a file":      {tokens(written(t, "jwks.json", keySetText(t), 0o600)), "key set", "ok", ""},
		"a file that is none":      {tokens(written(t, "jwks.json", "{}", 0o600)), "key set", "failed", "JWT_JWKS"},
		"a key set without a key":  {tokens(answering(t, http.StatusOK, `{"keys": []}`)), "key set", "failed", "JWT_JWKS"},
		"a page for a key set":     {tokens(answering(t, http.StatusOK, "<html>")), "key set", "failed", "JWT_JWKS"},
		"an issuer that fails":     {tokens(answering(t, http.StatusBadGateway, "hunter2")), "key set", "failed", "JWT_JWKS"},
		"an issuer that is gone":   {tokens("http://127.0.0.1:1/hunter2"), "key set", "failed", "JWT_JWKS"},
		"a manifest":               {map[string]string{"TRUSTED_DOCUMENTS": manifest("{ __typename }"), "TRUSTED_MODE": "only"}, "trusted documents", "ok", ""},
		"a document that fails":    {map[string]string{"TRUSTED_DOCUMENTS": manifest("{ nothing }")}, "trusted documents", "warning", "learngraph check"},
		"a manifest without one":   {map[string]string{"TRUSTED_DOCUMENTS": written(t, "m.json", "{}", 0o600)}, "trusted documents", "warning", "TRUSTED_DOCUMENTS"},
		"only, and none":           {map[string]string{"TRUSTED_DOCUMENTS": t.TempDir(), "TRUSTED_MODE": "only"}, "trusted documents", "failed", "TRUSTED_DOCUMENTS"},
		"no manifest":              {map[string]string{"TRUSTED_DOCUMENTS": "/nowhere"}, "trusted documents", "failed", "TRUSTED_DOCUMENTS"},
		"a metrics address":        {map[string]string{"METRICS_LISTEN": "127.0.0.1:0"}, "metrics listen", "ok", ""},
		"another's address":        {map[string]string{"METRICS_LISTEN": busy.Addr().String()}, "metrics listen", "failed", "METRICS_LISTEN"},
		"an address elsewhere":     {map[string]string{"METRICS_LISTEN": "192.0.2.1:9090"}, "metrics listen", "failed", "METRICS_LISTEN"},
		"a server that runs":       {map[string]string{"METRICS_LISTEN": ours}, "metrics listen", "ok", ""},
		"another's public one":     {map[string]string{"LISTEN": busy.Addr().String()}, "listen", "failed", "LISTEN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := examinedWith(t, emulated(t).Transport(), test.env, nil)
			if v.verdicts[test.check] != test.want || !strings.Contains(v.remedies[test.check], test.remedy) {
				t.Errorf("got %s %q, want %s %q\n%s", v.verdicts[test.check], v.remedies[test.check], test.want, test.remedy, v.stdout)
			}
			if name == "two secrets anyone reads" && !strings.Contains(v.stdout, "API_KEYS_FILE (mode 0644), REDIS_KEY_FILE (mode 0604)") {
				t.Errorf("not both files are named:\n%s", v.stdout)
			}
			if strings.Contains(v.stdout+v.stderr, "\nredis: ") {
				t.Errorf("a library writes:\n%s", v.stderr)
			}
			var answer struct{ OK bool }
			if err := json.Unmarshal([]byte(v.stdout), &answer); err != nil || answer.OK != (v.exit == ExitOK) {
				t.Errorf("ok is %t with exit code %d", answer.OK, v.exit)
			}
			if (test.want == "failed") != (v.exit == ExitFailed) {
				t.Errorf("got exit code %d", v.exit)
			}
		})
	}
}

// The exporter reads the process's own environment: this test is not parallel.
func TestDoctorAsksTheCollector(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, test := range map[string]struct{ url, want, detail string }{
		"one that takes traces": {answering(t, http.StatusOK, ""), "ok", "takes traces"},
		"one that refuses them": {answering(t, http.StatusUnauthorized, "hunter2"), "failed", "rejects"},
		"another server":        {answering(t, http.StatusNotFound, "hunter2"), "failed", "rejects"},
		"none":                  {closed.URL, "failed", "no connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", test.url)
			v := examinedWith(t, emulated(t).Transport(), map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": test.url}, nil)
			if v.verdicts["trace collector"] != test.want || !strings.Contains(v.stdout, test.detail) {
				t.Errorf("got\n%s", v.stdout)
			}
			if test.want == "failed" && !strings.Contains(v.remedies["trace collector"], "OTEL_EXPORTER_OTLP_ENDPOINT") {
				t.Errorf("got remedy %q", v.remedies["trace collector"])
			}
		})
	}
}

func TestDoctorRunsInTheDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"REDIS_URL": "redis://127.0.0.1:1", "LISTEN": "127.0.0.1:0"}
	code := Run(t.Context(), Program{Args: []string{"doctor", "-demo", "-json"}, Getenv: func(name string) string { return env[name] },
		Stdout: &stdout, Stderr: &stderr})
	var answer struct {
		OK     bool
		Checks []doctorResult
	}
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil || answer.OK || code != ExitFailed {
		t.Fatalf("got exit code %d\n%s", code, &stdout)
	}
	for _, g := range answer.Checks {
		if want := map[bool]checkStatus{true: statusFailed, false: statusOK}[g.Check == "redis"]; g.Status != want && g.Status != statusSkipped {
			t.Errorf("%s is %s", g.Check, g.Status)
		}
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "checking ") {
			t.Errorf("standard error has %q", line)
		}
	}
}
