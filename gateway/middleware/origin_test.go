package middleware

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

var reached = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

// newRequest is a request with these headers.
func newRequest(t testing.TB, method string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/graphql", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestOnlyListedOriginsAreAnswered(t *testing.T) {
	t.Parallel()
	listed := []string{"https://app.example"}
	for _, test := range []struct {
		name, method string
		origins      []string
		header       []string
		status       int
		allow        string
	}{
		{"no browser", "GET", listed, nil, 418, ""},
		{"a listed origin", "GET", listed, []string{"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, 418, "https://app.example"},
		{"its preflight", "OPTIONS", listed, []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 204, "https://app.example"},
		{"its OPTIONS that is no preflight", "OPTIONS", listed, []string{"Origin", "https://app.example"}, 418, "https://app.example"},
		{"another origin", "POST", listed, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"another origin's preflight", "OPTIONS", listed, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403, ""},
		{"a name that only begins alike", "GET", listed, []string{"Origin", "https://app.example.evil.example"}, 403, ""},
		{"an image on another site", "GET", listed, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"a page of the same site", "GET", listed, []string{"Sec-Fetch-Site", "same-site"}, 403, ""},
		{"our own page", "POST", nil, []string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, 418, ""},
		{"our own page in an old browser", "POST", nil, []string{"Origin", "http://example.com"}, 418, ""},
		{"typed by the user", "GET", nil, []string{"Sec-Fetch-Site", "none"}, 418, ""},
		{"null", "GET", listed, []string{"Origin", "null"}, 403, ""},
		{"any", "GET", []string{"*"}, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 418, "https://evil.example"},
	} {
		w := httptest.NewRecorder()
		AllowOrigins(Origins{Allowed: test.origins}, reached).ServeHTTP(w, newRequest(t, test.method, test.header...))
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != test.status || got != test.allow {
			t.Errorf("%s: got %d %q, want %d %q", test.name, w.Code, got, test.status, test.allow)
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", test.name)
		}
	}
}

func TestAListedOriginMaySendAndReadEachHeaderOfTheAPI(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	AllowOrigins(Origins{Allowed: []string{"https://app.example"}, Headers: []string{"X-Tenant"}}, reached).ServeHTTP(w, newRequest(t, "OPTIONS",
		"Origin", "https://app.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "graphql-client-name,graphql-b\u00fcro,x-other"))
	for name, headers := range map[string][]string{
		"Access-Control-Allow-Headers": {"Content-Type", "Authorization", "X-API-Key", "X-Request-Id", "X-Learngraph-Timeout",
			"X-Learngraph-Explain", "X-Learngraph-Capture", "Cache-Control", "Traceparent", "Tracestate", "Baggage", "Sentry-Trace",
			"Apollographql-Client-Name", "Apollographql-Client-Version", "Apollo-Require-Preflight", "X-Apollo-Operation-Name", "GraphQL-Client-Name", "X-Tenant"},
		"Access-Control-Expose-Headers": {"X-Request-Id", "X-Learngraph-Capture", "Retry-After", "Age", "ETag"},
	} {
		listed := strings.Split(w.Header().Get(name), ", ")
		for _, h := range headers {
			if !slices.ContainsFunc(listed, func(l string) bool { return strings.EqualFold(l, h) }) {
				t.Errorf("%s lacks %s: %q", name, h, listed)
			}
		}
	}
}

func TestPagesOfThisMachineMayCallWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]int{
		"http://localhost:3000": 418, "http://localhost": 418, "https://app.localhost:8443": 418, "http://127.0.0.1:5173": 418, "http://[::1]:3000": 418,
		"http://localhost.evil.example": 403, "http://127.0.0.1.evil.example": 403, "http://10.0.0.1": 403, "https://app.example": 403, "null": 403, "file://": 403,
	} {
		for _, loopback := range []bool{true, false} {
			w := httptest.NewRecorder()
			AllowOrigins(Origins{Loopback: loopback}, reached).ServeHTTP(w, newRequest(t, "POST", "Origin", origin, "Sec-Fetch-Site", "cross-site"))
			if !loopback {
				want = 403
			}
			if w.Code != want {
				t.Errorf("%s with Loopback %t: got %d, want %d", origin, loopback, w.Code, want)
			}
			if refused := w.Code == 403; refused != strings.Contains(w.Body.String(), "CORS_ORIGINS") {
				t.Errorf("%s: %d %s", origin, w.Code, w.Body)
			}
		}
	}
}

func TestTheHostMustBeALoopbackName(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]int{
		"localhost": 418, "localhost:8080": 418, "LOCALHOST:8080": 418, "localhost.:8080": 418, "app.localhost": 418, "127.0.0.1:8080": 418, "127.8.9.1": 418,
		"[::1]:8080": 418, "[::1]": 418, "::1": 418, "evil.example:8080": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "localhost.evil.example": 403, "": 403,
	} {
		r := newRequest(t, "GET")
		r.Host = host
		w := httptest.NewRecorder()
		LoopbackHost(reached).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: got %d, want %d", host, w.Code, want)
		}
	}
}
