package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

const repeatedQuery = `{ clients { nodes { name courses { nodes { title } } users { nodes { name } } } } }`

// repeat sends one query with headers, as NAME: VALUE lines.
func (p *program) repeat(t *testing.T, method, query string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	target, body := "/graphql", fmt.Sprintf(`{"query": %q}`, query)
	if method != http.MethodPost {
		target, body = target+"?query="+url.QueryEscape(query), ""
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return p.send(r)
}

func TestARepeatedRequestIsAnsweredLikeOneThatIsExecuted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s", "EXPLAIN": "true"}})
		methods := []string{http.MethodPost, http.MethodGet, http.MethodHead}
		for _, method := range methods {
			p.repeat(t, method, repeatedQuery)
		}
		p.backends.Reset()
		time.Sleep(7 * time.Second)
		spaces := ""
		for _, method := range methods {
			for _, headers := range [][]string{
				{},
				{"Accept: application/graphql-response+json"},
				{"Accept-Encoding: gzip"},
				{"Accept-Encoding: br"},
				{"Accept-Encoding: zstd", "Accept: application/graphql-response+json"},
				{"Accept: text/html"},
				{"X-Learngraph-Timeout: never"},
				{"X-Learngraph-Timeout: 5s"},
				{"If-None-Match: *"},
			} {
				headers = append(headers, "X-Request-Id: same")
				// Twice: the first may be the one that packs the answer, the second gets what that kept.
				for range 2 {
					spaces += " " // a request of other bytes, that is read and executed
					got, want := p.repeat(t, method, repeatedQuery, headers...), p.repeat(t, method, repeatedQuery+spaces, headers...)
					if got.Code != want.Code {
						t.Errorf("%s %v: got status %d, want %d", method, headers, got.Code, want.Code)
					}
					if diff := cmp.Diff(want.Header(), got.Header()); diff != "" {
						t.Errorf("%s %v: headers (-executed +repeated):\n%s", method, headers, diff)
					}
					if diff := cmp.Diff(want.Body.String(), got.Body.String()); diff != "" {
						t.Errorf("%s %v: bodies (-executed +repeated):\n%s", method, headers, diff)
					}
				}
			}
		}
		if w := p.repeat(t, http.MethodPost, repeatedQuery, "X-Learngraph-Explain: 1"); !strings.Contains(w.Body.String(), `"explain"`) {
			t.Errorf("a repeated request is not explained: %.300s", w.Body)
		}
		if got := p.calls(); len(got) > 0 {
			t.Errorf("repeated requests made calls: %v", got)
		}
	})
}

func TestARepeatedRequestAgesWithWhatItShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s", "CACHE_STALE": "0"}})
		p.repeat(t, http.MethodPost, repeatedQuery)
		time.Sleep(20 * time.Second)
		w := p.repeat(t, http.MethodPost, repeatedQuery)
		if got := w.Header().Get("Age"); got != "20" {
			t.Errorf("got Age %s, want 20", got)
		}
		p.backends.Reset()
		w = p.repeat(t, http.MethodPost, repeatedQuery, "Cache-Control: no-cache")
		if got := w.Header().Get("Age"); got != "0" || len(p.calls()) == 0 {
			t.Errorf("no-cache: got Age %s after calls %v", got, p.calls())
		}
		time.Sleep(61 * time.Second)
		p.backends.Reset()
		if w = p.repeat(t, http.MethodPost, repeatedQuery); len(p.calls()) == 0 {
			t.Errorf("an answer is served that is no longer fresh: %v", w.Header())
		}
	})
}

func TestARepeatedRequestShowsWrites(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
	for i := range 3 {
		name := fmt.Sprint("Name ", i)
		a := p.post(t, `mutation M($by: UserBy!, $name: String) { updateUser(input: {by: $by, name: $name}) { userErrors { message } } }`,
			map[string]any{"by": map[string]any{"sourceId": user}, "name": name})
		if len(a.Errors) > 0 {
			t.Fatalf("got %s", a.raw)
		}
		for range 3 {
			if w := p.repeat(t, http.MethodPost, repeatedQuery); !strings.Contains(w.Body.String(), name) {
				t.Errorf("after the write of %q: got %s", name, w.Body)
			}
		}
	}
}

func TestARepeatedRequestShowsEachCallerTheirOwn(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1}
	catalogue := emulator.New(options)
	defer catalogue.Close()
	clients := catalogue.Clients()
	keys := map[string]map[string]any{"unable-key": {"scopes": []string{"clients:read"}}}
	for i, c := range clients {
		keys[fmt.Sprint("key-", i)] = map[string]any{"scopes": []string{"clients:read", "users:read"}, "clients": []string{c.Identifier}}
	}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "API_KEYS_FILE": keysFile(t, keys)}})
	for range 3 {
		for i, own := range clients {
			w := p.repeat(t, http.MethodPost, repeatedQuery, fmt.Sprint("X-API-Key: key-", i))
			if text := w.Body.String(); !strings.Contains(text, own.Name) || strings.Contains(text, clients[1-i].Name) {
				t.Errorf("caller %d got %s", i, text)
			}
		}
		if w := p.repeat(t, http.MethodPost, repeatedQuery, "X-API-Key: unable-key"); !strings.Contains(w.Body.String(), "FORBIDDEN") {
			t.Errorf("a caller without the scope got %s", w.Body)
		}
		if w := p.repeat(t, http.MethodPost, repeatedQuery, "X-API-Key: no-key"); w.Code != http.StatusUnauthorized {
			t.Errorf("nobody got %d %s", w.Code, w.Body)
		}
	}
}

func TestARepeatedRequestIsChargedCountedAndLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s", "COST_MODE": "measure"}})
		first := p.repeat(t, http.MethodPost, repeatedQuery)
		second := readAnswer(t, p.repeat(t, http.MethodPost, repeatedQuery))
		cost, _ := second.Extensions["cost"].(map[string]any)
		if cost["requestedQueryCost"] == nil || cost["actualQueryCost"] == nil || first.Code != 200 {
			t.Errorf("got %s, want its cost", second.raw)
		}
		if got := strings.Count(p.logged.String(), `"msg":"request"`); got != 2 {
			t.Errorf("got %d lines of the access log, want 2", got)
		}
		got := p.readMetrics(t)
		for name, want := range map[string]string{
			`operations_total{document="other",outcome="ok",type="query"}`: "2",
			`operation_duration_seconds_count{document="other"}`:           "2",
			`cache_lookups_total{kind="answer",verdict="call"}`:            "1",
			`cache_lookups_total{kind="answer",verdict="memory"}`:          "1",
		} {
			if got[name] != want {
				t.Errorf("%s is %s, want %s", name, got[name], want)
			}
		}
	})
}

func TestPointsEndRepeatedRequestsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true},
			Env: map[string]string{"CACHE_TTL": "60s", "POINTS": "100000", "POINTS_RESTORE": "1"}})
		for range 1000 {
			if w := p.repeat(t, http.MethodPost, repeatedQuery); w.Code == http.StatusTooManyRequests {
				return
			}
		}
		t.Error("a caller can repeat a request without end")
	})
}

func TestClaimsAreStoredInMemoryAndByNoReceiver(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	const query = `{ identities(first: 1) { nodes { sourceId claims } } }`
	first := p.repeat(t, http.MethodGet, query)
	p.backends.Reset()
	for range 3 {
		w := p.repeat(t, http.MethodGet, query)
		if w.Body.String() != first.Body.String() {
			t.Errorf("got %s, want %s", w.Body, first.Body)
		}
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" || h.Get("Age") != "" {
			t.Errorf("receivers may store claims: %v", h)
		}
	}
	if w := p.repeat(t, http.MethodGet, query, `If-None-Match: *`); w.Code != http.StatusOK {
		t.Errorf("got status %d for an answer without an ETag", w.Code)
	}
	if got := p.calls(); len(got) > 0 {
		t.Errorf("claims in memory were read again: %v", got)
	}
	id := readAnswer(t, first).get(t, "data", "identities", "nodes").([]any)[0].(map[string]any)["sourceId"]
	a := p.post(t, `mutation M($by: IdentityBy!, $claims: JSON!) { updateIdentity(input: {by: $by, claims: $claims}) { userErrors { message } } }`,
		map[string]any{"by": map[string]any{"sourceId": id}, "claims": map[string]any{"given": "erased"}})
	if len(a.Errors) > 0 {
		t.Fatalf("got %s", a.raw)
	}
	if w := p.repeat(t, http.MethodGet, query); !strings.Contains(w.Body.String(), `{"given":"erased"}`) {
		t.Errorf("claims from before a write: %s", w.Body)
	}
}
