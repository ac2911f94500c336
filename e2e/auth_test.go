package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// unknownToken is signed by nothing that the program knows.
const unknownToken = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AAAA"

func (p *program) bearing(t *testing.T, method, path, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"query":"{ __typename }"}`))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return p.send(r)
}

func jwtEnv(keySet string) map[string]string {
	return map[string]string{"AUTH": "jwt", "JWT_JWKS": keySet, "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "INTROSPECTION": "true"}
}

func TestAnUnreachableKeySetIsReportedAndStopsNothing(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys": "none"}`)) }))
	t.Cleanup(broken.Close)
	for name, url := range map[string]string{"nothing listens": "http://127.0.0.1:1/jwks", "no key set": broken.URL} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: jwtEnv(url)})
		for _, path := range []string{"/graphql", "/graphql/plan"} {
			w := p.bearing(t, http.MethodPost, path, unknownToken)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"retryAfter":`) {
				t.Errorf("%s, %s: got %d %v %s", name, path, w.Code, w.Header(), w.Body)
			}
		}
		if w := p.bearing(t, http.MethodPost, "/graphql", "no.token"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: what is no token got %d", name, w.Code)
		}
		if n := strings.Count(p.logged.String(), "the key set of tokens is unavailable"); n != 1 {
			t.Errorf("%s: %d lines in the log, want 1", name, n)
		}
		if status := p.operateJSON(t, "/status"); !strings.Contains(fmt.Sprint(status["keySet"]), "up:false") {
			t.Errorf("%s: /status says %v", name, status["keySet"])
		}
		if !strings.Contains(p.operate(t, "/metrics"), `learngraph_key_set_reads_total{outcome="failed"} 1`) {
			t.Errorf("%s: /metrics do not count it", name)
		}
	}
}

// keySetIsUp reports whether /status shows that the key set can be read.
func (p *program) keySetIsUp(t *testing.T) bool {
	t.Helper()
	keySet, _ := p.operateJSON(t, "/status")["keySet"].(map[string]any)
	return keySet["up"] == true
}

func TestAKeySetFileThatBecomesInvalidKeepsTheOldKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jwks.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\xef\xbb\xbf" + `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: jwtEnv(file)})
	for _, text := range []string{"", "no JSON", `{"keys":[]}`} {
		write(text)
		deadline := time.Now().Add(20 * time.Second)
		for p.keySetIsUp(t) && time.Now().Before(deadline) {
			if w := p.bearing(t, http.MethodPost, "/graphql", unknownToken); w.Code != http.StatusUnauthorized {
				t.Fatalf("%q: got %d", text, w.Code)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if p.keySetIsUp(t) {
			t.Fatalf("%q: the broken key set is not noticed", text)
		}
	}
}

func TestTheSchemaNeedsACredentialWhereIntrospectionDoes(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"AUTH": "keys", "INTROSPECTION": "true",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"reader-key": {"scopes": []string{}}})}})
	for key, want := range map[string]int{"": 401, "other-key": 401, "reader-key": 200} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/schema.graphqls", nil)
		if key != "" {
			r.Header.Set("X-API-Key", key)
		}
		if w := p.send(r); w.Code != want || (want == 200) != strings.Contains(w.Body.String(), "type Query") {
			t.Errorf("%q: got %d %.80s", key, w.Code, w.Body)
		}
	}
}

func TestAPanicAnywhereInARequestIsOneError(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){
		"value": func() { panic("a-secret-value") },
		"nil":   func() { var p *program; _ = p.log },
		"index": func() { var list []int; _ = list[len(list)] },
	} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
		handler := middleware.AccessLog(p.log, nil, nil, middleware.Recovery(p.log, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fail() })))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil)
		r.Header.Set("X-Request-Id", "the-request")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":"INTERNAL","requestId":"the-request"`) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		log := p.logged.String()
		if !strings.Contains(log, `"requestId":"the-request"`) || !strings.Contains(log, "auth_test.go") || !strings.Contains(log, `"status":500`) {
			t.Errorf("%s: the log has %s", name, log)
		}
	}
}
