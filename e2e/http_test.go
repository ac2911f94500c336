package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestWhatIsNoGraphQLRequestIsRefusedWithoutACall(t *testing.T) {
	t.Parallel()
	const badRequest, limit = "BAD_REQUEST", "LIMIT_EXCEEDED"
	get := func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Add(pairs[i], pairs[i+1])
		}
		return "/graphql?" + q.Encode()
	}
	tests := []struct {
		name, method, target, contentType, body string
		status                                  int
		code, reports                           string
	}{
		{"malformed JSON", "POST", "/graphql", "application/json", `{"query": "{ __typename }"`, 400, badRequest, "JSON"},
		{"an empty body", "POST", "/graphql", "application/json", ``, 400, badRequest, "JSON object"},
		{"a text", "POST", "/graphql", "application/json", `"{ __typename }"`, 400, badRequest, "JSON object"},
		{"trailing garbage", "POST", "/graphql", "application/json", `{"query": "{ __typename }"} x`, 400, badRequest, "JSON object"},
		{"two objects", "POST", "/graphql", "application/json", `{"query": "{ __typename }"}{"query": "{ clients { totalCount } }"}`, 400, badRequest, "JSON object"},
		{"a repeated member", "POST", "/graphql", "application/json", `{"query": "{ __typename }", "query": "{ clients { totalCount } }"}`, 400, badRequest, "repeated"},
		{"no query", "POST", "/graphql", "application/json", `{}`, 400, badRequest, "query"},
		{"a query that is no text", "POST", "/graphql", "application/json", `{"query": 7}`, 400, badRequest, "query"},
		{"variables that are no object", "POST", "/graphql", "application/json", `{"query": "{ __typename }", "variables": [1]}`, 400, badRequest, "variables"},
		{"an operationName that is no text", "POST", "/graphql", "application/json", `{"query": "{ __typename }", "operationName": 7}`, 400, badRequest, "operationName"},
		{"extensions that are no object", "POST", "/graphql", "application/json", `{"query": "{ __typename }", "extensions": 7}`, 400, badRequest, "extensions"},
		{"bytes that are no UTF-8", "POST", "/graphql", "application/json", "{\"query\": \"{ __typename } #\xff\"}", 400, badRequest, "UTF-8"},
		{"no content type", "POST", "/graphql", "", `{"query": "{ __typename }"}`, 415, badRequest, "Content-Type"},
		{"a form", "POST", "/graphql", "application/x-www-form-urlencoded", `query={__typename}`, 415, badRequest, "Content-Type"},
		{"plain text, as a page of another site can send", "POST", "/graphql", "text/plain", `{"query": "{ __typename }"}`, 415, badRequest, "Content-Type"},
		{"another charset", "POST", "/graphql", "application/json; charset=utf-16", `{"query": "{ __typename }"}`, 415, badRequest, "UTF-8"},
		{"a body over a mebibyte", "POST", "/graphql", "application/json", `{"query": "{ __typename }` + strings.Repeat(" ", 1<<20) + `"}`, 413, limit, "1048576"},
		{"a method that is none of ours", "PUT", "/graphql", "application/json", `{"query": "{ __typename }"}`, 405, badRequest, "POST"},

		{"a GET of a mutation", "GET", get("query", `mutation { deleteUser(input: {by: {sourceId: "x"}, action: ignore}) { deletedId } }`), "", "", 405, badRequest, "POST"},
		{"a GET without a query", "GET", "/graphql", "", "", 400, badRequest, "query"},
		{"a GET with two queries", "GET", get("query", "{ __typename }", "query", "{ clients { totalCount } }"), "", "", 400, badRequest, "more than once"},
		{"a GET with malformed variables", "GET", get("query", "{ __typename }", "variables", "{"), "", "", 400, badRequest, "variables"},
		{"a GET with a malformed query string", "GET", "/graphql?query=%zz", "", "", 400, badRequest, "query string"},

		{"two operations and no name", "POST", "/graphql", "application/json", `{"query": "query A { __typename } query B { __typename }"}`, 200, badRequest, "operationName"},
		{"a name of no operation", "POST", "/graphql", "application/json", `{"query": "query A { __typename }", "operationName": "B"}`, 200, badRequest, "operationName"},

		{"no GraphQL", "POST", "/graphql", "application/json", `{"query": "SELECT * FROM clients"}`, 200, "GRAPHQL_PARSE_FAILED", ""},
		{"an unclosed brace", "POST", "/graphql", "application/json", `{"query": "{ clients { totalCount }"}`, 200, "GRAPHQL_PARSE_FAILED", ""},
		{"too many tokens", "POST", "/graphql", "application/json", `{"query": "{ ` + strings.Repeat("a: __typename ", 1700) + `}"}`, 200, limit, "tokens"},
		{"a depth of 21", "POST", "/graphql", "application/json", deepQuery(21), 200, limit, "depth"},
		{"a depth of 21 through fragments", "POST", "/graphql", "application/json", deepFragments(21), 200, limit, "depth"},
		{"nesting without end", "POST", "/graphql", "application/json", `{"query": "` + strings.Repeat("{a", 2000) + `"}`, 200, limit, "nesting"},
		{"introspection", "POST", "/graphql", "application/json", `{"query": "{ __schema { types { name } } }"}`, 200, "GRAPHQL_VALIDATION_FAILED", "introspection"},
		{"introspection in a fragment", "POST", "/graphql", "application/json", `{"query": "{ ...F } fragment F on Query { a: __type(name: \"Client\") { name } }"}`, 200, "GRAPHQL_VALIDATION_FAILED", "introspection"},
		{"an unknown field", "POST", "/graphql", "application/json", `{"query": "{ cleints { totalCount } }"}`, 200, "GRAPHQL_VALIDATION_FAILED", "cleints"},
		{"a fragment that leads to itself", "POST", "/graphql", "application/json", `{"query": "{ ...F } fragment F on Query { ...F }"}`, 200, "GRAPHQL_VALIDATION_FAILED", "F"},
		{"a subscription", "POST", "/graphql", "application/json", `{"query": "subscription { clients { totalCount } }"}`, 406, "BAD_REQUEST", ""},
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"ALLOW_DELETES": "true"}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), test.method, test.target, strings.NewReader(test.body))
			if test.contentType != "" {
				r.Header.Set("Content-Type", test.contentType)
			}
			w := p.send(r)
			a := readAnswer(t, w)
			if a.status != test.status || len(a.Errors) == 0 || a.Errors[0].Extensions["code"] != test.code {
				t.Fatalf("got status %d and %s, want %d and %s", a.status, a.raw, test.status, test.code)
			}
			if !strings.Contains(a.Errors[0].Message, test.reports) {
				t.Errorf("got message %q, want it to say %q", a.Errors[0].Message, test.reports)
			}
			if a.Data != nil || strings.Contains(string(a.raw), `"data"`) {
				t.Errorf("got data from what was not executed: %s", a.raw)
			}
			if test.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("got no Allow header")
			}
			if strings.Contains(a.Errors[0].Message, "Did you mean") {
				t.Errorf("got a suggestion where introspection is off: %q", a.Errors[0].Message)
			}
		})
	}
	if calls := p.calls(); len(calls) > 0 {
		t.Errorf("the backends were called: %v", calls)
	}
}

// deepQuery has so many fields on its longest way.
func deepQuery(depth int) string {
	query := `users { nodes { ` + strings.Repeat("embedClient { users { nodes { ", (depth-3)/3)
	rest := (depth - 3) % 3
	leaf := [...]string{"name", "embedClient { userCount }", "embedClient { users { __typename } }"}[rest]
	return fmt.Sprintf(`{"query": "{ %s%s%s }"}`, query, leaf, strings.Repeat(" }", 2+3*((depth-3)/3)))
}

// deepFragments is as deep, a fragment a step.
func deepFragments(depth int) string {
	query := `{ users { nodes { ...F0 } } }`
	for i := range depth {
		query += fmt.Sprintf(" fragment F%d on User { embedClient { users { nodes { ...F%d } } } }", i, i+1)
	}
	query += fmt.Sprintf(" fragment F%d on User { name }", depth)
	return fmt.Sprintf(`{"query": %q}`, query)
}

func TestADepthOfTwentyIsServed(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: 1}, Env: map[string]string{"MAX_COST": "0"}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(deepQuery(20)))
	r.Header.Set("Content-Type", "application/json")
	if a := readAnswer(t, p.send(r)); len(a.Errors) > 0 {
		t.Errorf("got %s", a.raw)
	}
}

func TestALimitErrorHasTheReachedValue(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(deepQuery(21)))
	r.Header.Set("Content-Type", "application/json")
	a := readAnswer(t, p.send(r))
	if len(a.Errors) != 1 {
		t.Fatalf("got %s", a.raw)
	}
	got := fmt.Sprint(a.Errors[0].Extensions["limit"])
	for _, want := range []string{"name:depth", "reached:21", "allowed:20"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
}

func TestTheAnswersMediaTypeIsTheCallersChoice(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: 1}})
	tests := []struct {
		name, accept, query, want string
		status                    int
	}{
		{"none said", "", "{ __typename }", "application/json; charset=utf-8", 200},
		{"anything", "*/*", "{ __typename }", "application/json; charset=utf-8", 200},
		{"the newer type", "application/graphql-response+json", "{ __typename }", "application/graphql-response+json; charset=utf-8", 200},
		{"the newer type first", "application/graphql-response+json, application/json;q=0.9", "{ __typename }", "application/graphql-response+json; charset=utf-8", 200},
		{"the newer type for a refused document", "application/graphql-response+json", "{ nonsense }", "application/graphql-response+json; charset=utf-8", 400},
		{"the older type for a refused document", "application/json", "{ nonsense }", "application/json; charset=utf-8", 200},
		{"neither", "text/html", "{ __typename }", "application/json; charset=utf-8", 406},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape(test.query), nil)
			if test.accept != "" {
				r.Header.Set("Accept", test.accept)
			}
			w := p.send(r)
			if got := w.Header().Get("Content-Type"); got != test.want || w.Code != test.status {
				t.Errorf("got %d %s, want %d %s", w.Code, got, test.status, test.want)
			}
		})
	}
}

func TestAGETReadsLikeAPOST(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, CoursesPerClient: 1}})
	target := "/graphql?operationName=B&variables=%7B%22n%22%3A1%7D&query=" +
		url.QueryEscape(`query A { __typename } query B($n: Int) { clients(first: $n) { nodes { name } totalCount } }`)
	a := readAnswer(t, p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)))
	nodes, _ := a.get(t, "data", "clients", "nodes").([]any)
	if len(a.Errors) > 0 || len(nodes) != 1 {
		t.Errorf("got %s", a.raw)
	}
}

func TestDeferIsIgnoredAndTheAnswerIsWhole(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	for _, query := range []string{
		`{ clients { nodes { name ... @defer { users { nodes { name } } } } } }`,
		`query($no: Boolean = false) { clients { nodes { name ...F @defer(if: $no, label: "later") } } } fragment F on Client { users { nodes { name } } }`,
		`{ clients { ...C } } fragment C on ClientConnection { nodes { ...F ...F } } fragment F on Client { ... @defer { users { nodes { name } } } }`,
	} {
		for range 2 {
			a := p.post(t, query, nil)
			if len(a.Errors) > 0 || a.get(t, "data", "clients", "nodes", 0, "users", "nodes", 0, "name") == nil || a.Extensions["is_final"] != true {
				t.Errorf("%s: got %s", query, a.raw)
			}
		}
	}
	if a := p.post(t, `{ clients { nodes { name } } }`, nil); a.Extensions["is_final"] != nil {
		t.Errorf("without @defer: got %s", a.raw)
	}
}

func TestIntrospectionAndTheSchemaAreServedWhereSwitchedOn(t *testing.T) {
	t.Parallel()
	const query = `{ __type(name: "Client") { name } __schema { queryType { name } } }`
	for _, on := range []bool{true, false} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": fmt.Sprint(on)}})
		a := p.post(t, query, nil)
		if (len(a.Errors) == 0) != on {
			t.Errorf("INTROSPECTION=%v: got %s", on, a.raw)
		}
		w := p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/schema.graphqls", nil))
		if (w.Code == 200 && w.Body.String() == schemaText()) != on {
			t.Errorf("INTROSPECTION=%v: got status %d for the schema", on, w.Code)
		}
		if on {
			a := p.post(t, `{ cleints { totalCount } }`, nil)
			if !strings.Contains(string(a.raw), "Did you mean") {
				t.Errorf("got no suggestion: %s", a.raw)
			}
		}
	}
}

func TestALinkOnAnotherSiteOpensTheExplorerAndReachesNothingElse(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"EXPLORER": "true", "INTROSPECTION": "true"}})
	for path, want := range map[string]int{"/": 200, "/assets/LICENSES.txt": 200, "/graphql?query={__typename}": 403, "/schema.graphqls": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		if w := p.send(r); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Host = "evil.example"
	if w := p.send(r); w.Code != http.StatusForbidden {
		t.Errorf("under another name: got %d", w.Code)
	}
}

func TestPlainTextAnswersAreNotSniffedOrStored(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": "true"}})
	for _, path := range []string{"/schema.graphqls", "/healthz", "/readyz"} {
		w := p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		want := map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
		got := map[string]string{}
		for name := range want {
			got[name] = w.Header().Get(name)
		}
		if diff := cmp.Diff(want, got); diff != "" || w.Code != http.StatusOK {
			t.Errorf("%s: got %d (-want +got):\n%s", path, w.Code, diff)
		}
	}
}

func TestAnOperationThatRanOutOfTimeBlamesNoBackend(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"CACHE_TTL": "60s"}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(`{"query": "{ clients { totalCount } }"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Learngraph-Timeout", "1ns")
	a := readAnswer(t, p.send(r))
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "DEADLINE_EXCEEDED" {
		t.Fatalf("got %s", a.raw)
	}
	if backend, ok := a.Errors[0].Extensions["backend"]; ok {
		t.Errorf("got backend %q", backend)
	}
}

func TestAnExplainedAnswerIsNotStored(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"CACHE_TTL": "60s", "EXPLAIN": "true"}})
	for explain, want := range map[string]string{"": "private, max-age", "1": "no-store"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape("{ clients { totalCount } }"), nil)
		r.Header.Set("X-Learngraph-Explain", explain)
		if w := p.send(r); !strings.HasPrefix(w.Header().Get("Cache-Control"), want) {
			t.Errorf("explain %q: got Cache-Control %q, want %q", explain, w.Header().Get("Cache-Control"), want)
		}
	}
}
