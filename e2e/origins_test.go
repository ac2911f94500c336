package e2e

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// visit sends a request without a body from this machine.
func (p *program) visit(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return p.send(r)
}

const typename = "/graphql?query=%7B__typename%7D"

func TestPagesOfThisMachineMayCallWhatOnlyItReaches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		setup   setup
		allowed bool
	}{
		{"the demo", setup{Demo: true}, true},
		{"the demo for all to reach", setup{Demo: true, Env: map[string]string{"LISTEN": "0.0.0.0:8080"}}, true},
		{"a server on loopback", setup{}, true},
		{"a server on another loopback address", setup{Env: map[string]string{"LISTEN": "[::1]:8080", "CORS_ORIGINS": "https://app.example"}}, true},
		{"a server that others reach", setup{Env: map[string]string{"LISTEN": "0.0.0.0:8080", "AUTH": "none"}}, false},
		{"one with origins of its own", setup{Env: map[string]string{"LISTEN": ":8080", "AUTH": "none", "CORS_ORIGINS": "https://app.example"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, test.setup)
			for _, origin := range []string{"http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:4000"} {
				for _, method := range []string{http.MethodGet, http.MethodOptions} {
					w := p.visit(t, method, typename, "Origin", origin, "Sec-Fetch-Site", "cross-site", "Access-Control-Request-Method", "GET")
					if got := w.Header().Get("Access-Control-Allow-Origin") == origin; got != test.allowed || got != (w.Code < 300) {
						t.Errorf("%s from %s: got %d, allowed %t, want %t", method, origin, w.Code, got, test.allowed)
					}
				}
			}
			w := p.visit(t, http.MethodGet, typename, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "CORS_ORIGINS") {
				t.Errorf("another site: got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestPagesMaySendTheHeadersOfTheirClients(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Env: map[string]string{"CORS_ORIGINS": "https://app.example", "CORS_HEADERS": "X-Tenant, x-build"}})
	asked := []string{"apollographql-client-name", "apollographql-client-version", "apollo-require-preflight", "x-apollo-operation-name",
		"graphql-client-name", "graphql-preflight", "sentry-trace", "baggage", "traceparent", "x-api-key", "authorization", "x-tenant", "x-build"}
	w := p.visit(t, http.MethodOptions, "/graphql", "Origin", "https://app.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", strings.Join(append(asked, "x-unknown"), ","))
	allowed := strings.Split(strings.ToLower(w.Header().Get("Access-Control-Allow-Headers")), ", ")
	for _, name := range asked {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s may not be sent: %q", name, allowed)
		}
	}
	if slices.Contains(allowed, "x-unknown") {
		t.Error("x-unknown may be sent")
	}
}

func TestEveryAnswerOfAServerWithOriginsVariesByOrigin(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Demo: true, Env: map[string]string{"CORS_ORIGINS": "https://app.example"}})
	const catalog = "/graphql?query=%7Bclients(first:1)%7BtotalCount%7D%7D"
	tag := p.visit(t, http.MethodGet, catalog).Header().Get("ETag")
	page := p.visit(t, http.MethodGet, "/").Header().Get("ETag")
	for _, test := range []struct {
		method, target string
		header         []string
		status         int
	}{
		{"GET", catalog, nil, 200},
		{"GET", catalog, []string{"If-None-Match", tag}, 304},
		{"GET", catalog, []string{"Origin", "https://app.example"}, 200},
		{"GET", typename, []string{"Origin", "https://evil.example"}, 403},
		{"OPTIONS", "/graphql", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403},
		{"OPTIONS", "/graphql", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 204},
		{"GET", "/graphql", nil, 400},
		{"PUT", "/graphql", nil, 405},
		{"POST", "/graphql", nil, 415},
		{"GET", "/graphql/plan", nil, 405},
		{"GET", "/schema.graphqls", nil, 200},
		{"GET", "/healthz", nil, 200},
		{"GET", "/readyz", nil, 200},
		{"GET", "/nowhere", nil, 404},
		{"GET", "/", nil, 200},
		{"GET", "/", []string{"If-None-Match", page}, 304},
		{"GET", "/", []string{"Host", "evil.example"}, 403},
	} {
		w := p.visit(t, test.method, test.target, test.header...)
		if len(test.header) == 2 && test.header[0] == "Host" {
			r := httptest.NewRequestWithContext(t.Context(), test.method, test.target, nil)
			r.Host = test.header[1]
			w = p.send(r)
		}
		if w.Code != test.status || !slices.Contains(w.Header().Values("Vary"), "Origin") {
			t.Errorf("%s %s %q: got %d, Vary %q; want %d and Origin", test.method, test.target, test.header, w.Code, w.Header().Values("Vary"), test.status)
		}
	}
}
