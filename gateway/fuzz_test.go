package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/representation"
)

// checkAnswer fails where an answer is not what clients can read.
func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("the answer is not JSON: %s", w.Body)
	}
	if w.Code >= 500 || strings.Contains(w.Body.String(), `"INTERNAL"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"query":"{ __typename }"}`, `{"query":"query A($n: Int = 5.0) { users(first: $n) { nodes { sourceId } } }","operationName":"A","variables":{"n":1e0}}`,
		`[{"query":"{ users { __typename } }"},{"documentId":"abc"}]`, persistedBody("{ __typename }", typenameHash), "\ufeff{}", `{"query":null}`, `{"query":"# nothing"}`,
		`{"query":"mutation { updateUser(input: {by: {sourceId: \"x\"}, name: \"y\"}) { userErrors { code } } }","extensions":{"persistedQuery":{"version":1.0}}}`} {
		f.Add(body)
	}
	w := &world{users: 2}
	g := w.gateway(func(o *Options) {
		o.Persisted = documents.NewMemory(4<<10, 0, nil)
		o.Cost = cost.Options{Max: 10000 * cost.CallPoints, Measure: true}
		o.Authenticate = as(&auth.Caller{Name: "app", Scopes: []string{auth.UsersRead}})
	})
	f.Fuzz(func(t *testing.T, body string) {
		checkAnswer(t, send(t, g, "POST", "/graphql", body, "Content-Type", "application/json"))
		checkAnswer(t, send(t, g.PlanHandler(), "POST", "/graphql/plan", body, "Content-Type", "application/json"))
	})
}

func FuzzQueryString(f *testing.F) {
	for _, query := range []string{"query={__typename}", "query=%7B__typename%7D&variables={}&extensions={}&operationName=", "documentId=a", "query=a&query=b", "query=%zz", "query=%23",
		`extensions={"persistedQuery":{"version":1,"sha256Hash":"a"}}`} {
		f.Add(query)
	}
	g := (&world{users: 2}).gateway(func(o *Options) { o.Persisted = documents.NewMemory(4<<10, 0, nil) })
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/graphql", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		checkAnswer(t, w)
	})
}

func FuzzAccept(f *testing.F) {
	for _, accept := range []string{"*/*", "application/json;q=0.5, application/graphql-response+json", "a/b;q=", "application/json;q=NaN", ",,;", "gzip;q=1.0, br, *;q=0"} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		switch media, _ := representation.NegotiateMediaType(http.Header{"Accept": {accept}}); media {
		case "", representation.MediaJSON, representation.MediaGraphQLResponse:
		default:
			t.Errorf("got media type %q", media)
		}
		switch coding := representation.NegotiateCoding(http.Header{"Accept-Encoding": {accept}}).Best; coding {
		case "", "gzip", "br", "zstd":
		default:
			t.Errorf("got coding %q", coding)
		}
	})
}

func FuzzManifest(f *testing.F) {
	for _, text := range []string{`{"a":"{ __typename }"}`, `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"x"}]}`, `{"format":"x"}`, `[]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m := documents.NewManifest()
		err := m.Add(text)
		if err != nil && len(m.Documents()) > 0 {
			t.Error("a manifest that is refused left documents behind")
		}
		for _, d := range m.Documents() {
			if got := m.Document(d.ID); got != d || d.Text == "" {
				t.Errorf("the document %q is not found by its id", d.ID)
			}
		}
	})
}
