package gateway

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

func TestEachLimitTakesItsNumberAndRefusesOneMore(t *testing.T) {
	t.Parallel()
	body := func(n int) string { return queryBody("{ __typename }", "") + strings.Repeat(" ", n) }
	const short = len(`{"query":"{ __typename }"}`)
	for _, test := range []struct {
		name    string
		limits  limits.Limits
		body    func(n int) string
		allowed int
		status  int
	}{
		{"body", limits.Limits{Body: int64(short) + 10}, body, 10, 413},
		{"tokens", limits.Limits{Tokens: 12}, func(n int) string { return queryBody("{"+strings.Repeat("__typename ", n)+"}", "") }, 10, 200},
		{"nesting", limits.Limits{Depth: 3}, func(n int) string {
			return queryBody(strings.Repeat("{...", n-1)+"{__typename}"+strings.Repeat("}", n-1), "")
		}, 6, 200},
		{"depth", limits.Limits{Depth: 3}, func(n int) string {
			return queryBody("{users{...F}} fragment F on UserConnection{"+strings.Repeat("nodes{embedClient{users{", max(0, n-3))+"nodes{__typename}"+strings.Repeat("}}}", max(0, n-3))+"}", "")
		}, 3, 200},
		{"aliases", limits.Limits{Aliases: 4}, func(n int) string {
			query := "query($n: Int = 1) {"
			for i := range n {
				query += fmt.Sprintf("a%d: users(first: $n) { __typename } ", i)
			}
			return queryBody(query+"}", "")
		}, 4, 200},
		{"directives", limits.Limits{Directives: 4}, func(n int) string {
			return queryBody("{"+strings.Repeat("__typename @include(if: true) ", n)+"}", "")
		}, 4, 200},
		{"fragments", limits.Limits{Fragments: 2}, func(n int) string {
			query, spreads := "", ""
			for i := range n {
				query += fmt.Sprintf(" fragment F%d on Query { __typename }", i)
				spreads += fmt.Sprintf("...F%d ", i)
			}
			return queryBody("{"+spreads+"}"+query, "")
		}, 2, 200},
		{"spreads", limits.Limits{Spreads: 3}, func(n int) string {
			return queryBody("{"+strings.Repeat("... {__typename} ", n)+"}", "")
		}, 3, 200},
		{"rootFields", limits.Limits{RootFields: 3}, func(n int) string {
			query := "{ ...F } fragment F on Query {"
			for i := range n {
				query += fmt.Sprintf("a%d: __typename ", i)
			}
			return queryBody(query+"}", "")
		}, 3, 200},
		{"selections", limits.Limits{Selections: 8}, func(n int) string {
			return queryBody("{ ...F ...F } fragment F on Query {"+strings.Repeat("__typename ", n)+"}", "")
		}, 3, 200},
		{"overlaps", limits.Limits{Overlaps: 3}, func(n int) string { return queryBody("{"+strings.Repeat("__typename ", n)+"}", "") }, 3, 200},
		{"variables", limits.Limits{Variables: 20}, func(n int) string {
			return queryBody("{ __typename }", `{"a": "`+strings.Repeat("x", n)+`"}`)
		}, 11, 200},
		{"introspection", limits.Limits{}, func(n int) string {
			return queryBody("{__type(name: \"Client\"){"+strings.Repeat("fields{type{", n)+"name"+strings.Repeat("}}", n)+"}}", "")
		}, 1, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.limits.Body == 0 {
				test.limits.Body = 1 << 20
			}
			w := &world{}
			g := w.gateway(func(o *Options) { o.Limits = test.limits })
			below := send(t, g, "POST", "/graphql", test.body(test.allowed))
			if read(t, below).code() != "" {
				t.Errorf("just below: got %s", below.Body)
			}
			asked, validated := len(w.asked), g.documents.Validations.Load()
			above := send(t, g, "POST", "/graphql", test.body(test.allowed+1))
			a := read(t, above)
			if a.code() != "LIMIT_EXCEEDED" || above.Code != test.status {
				t.Fatalf("just above: got %d %s", above.Code, above.Body)
			}
			l := a.Errors[0].Extensions.Limit
			if l == nil || l.Name != test.name || l.Reached <= l.Allowed {
				t.Errorf("just above: got limit %+v, want one of %s", l, test.name)
			}
			if len(w.asked) != asked || g.documents.Validations.Load() != validated {
				t.Error("a resolver or the validator was reached")
			}
		})
	}
}

func TestAnAnswerThatIsTooLargeIsNull(t *testing.T) {
	t.Parallel()
	const query = `{ users(first: 100) { nodes { sourceId again: sourceId } pageInfo { hasNextPage } } user(by: {sourceId: "user0"}) { sourceId } clients { totalCount } }`
	var raw struct{ Data json.RawMessage }
	all := post(t, (&world{users: 100}).gateway(nil), query, "")
	if err := json.Unmarshal(all.Body.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	whole := read(t, all)
	for name, test := range map[string]struct {
		allowed int
		null    bool
	}{
		"as large as allowed": {len(raw.Data), false},
		"one byte less":       {len(raw.Data) - 1, true},
		"a tenth":             {len(raw.Data) / 10, true},
		"any size":            {0, false},
	} {
		g := (&world{users: 100}).gateway(func(o *Options) { o.Limits.Answer = test.allowed })
		for range 2 { // the second writes where the first did
			got := read(t, post(t, g, query, ""))
			if !test.null {
				if diff := cmp.Diff(whole.Data, got.Data); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
				continue
			}
			last := got.Errors[len(got.Errors)-1]
			l := last.Extensions.Limit
			if got.Data != nil || last.Extensions.Code != "LIMIT_EXCEEDED" || l == nil {
				t.Fatalf("%s: got %+v", name, got)
			}
			if l.Name != "answer" || l.Allowed != int64(test.allowed) || l.Reached <= l.Allowed || l.Reached > l.Allowed+64 || last.Path != nil {
				t.Errorf("%s: got %+v at %v; the answer went on growing", name, *l, last.Path)
			}
		}
		if got := read(t, post(t, g, "{ __typename }", "")); got.code() != "" {
			t.Errorf("%s: a small answer after it: %+v", name, got)
		}
	}
}

func TestErrorsAreBoundedInNumberAndBytes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limits limits.Limits
		errors int
		want   []string
	}{
		"as many as allowed": {limits.Limits{Errors: 3}, 3, []string{"e", "e", "e"}},
		"one more":           {limits.Limits{Errors: 3}, 4, []string{"e", "e", "e", "further errors omitted: 1"}},
		"many more":          {limits.Limits{Errors: 1}, 9, []string{"e", "further errors omitted: 8"}},
		"bytes":              {limits.Limits{ErrorBytes: 2 * len(`{"message":"e"}`)}, 3, []string{"e", "e", "further errors omitted: 1"}},
		"no limit":           {limits.Limits{}, 3, []string{"e", "e", "e"}},
	} {
		out := httpapi.Refuse(nil)
		for range test.errors {
			out.Response.Errors = append(out.Response.Errors, &gqlerror.Error{Message: "e"})
		}
		test.limits.TrimErrors(out.Response)
		var got []string
		for _, e := range out.Response.Errors {
			got = append(got, e.Message)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// hostile are documents that cost a parser, a validator or an executor much more than their length.
func hostile() map[string]string {
	bomb := "{ ...F0 }"
	for i := range 60 {
		bomb += fmt.Sprintf(" fragment F%d on Query { ...F%d ...F%d ...F%d }", i, i+1, i+1, i+1)
	}
	bomb += " fragment F60 on Query { __typename }"
	lists := "{"
	for i := range 500 {
		lists += fmt.Sprintf(" a%d: clients(first: 100) { nodes { name } }", i)
	}
	return map[string]string{
		"nested inline fragments":    strings.Repeat("{...", 18<<10) + "{__typename}" + strings.Repeat("}", 18<<10),
		"__typename ten thousand":    "{" + strings.Repeat("__typename ", 10_000) + "}",
		"__typename below the limit": "{" + strings.Repeat("__typename ", 4900) + "}",
		"a fragment bomb":            bomb,
		"unknown directives":         "{ __typename " + strings.Repeat("@a", 20_000) + " }",
		"an introspection cycle":     "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
		"a cycle through a fragment": "{ __schema { types { ...T } } } fragment T on __Type { fields { type { ...T } } }",
		"aliased lists":              lists + "}",
		"fields within themselves":   "{" + strings.Repeat("users { nodes { embedClient { users { nodes { name } } } } } ", 300) + "}",
		"a list without end":         "{ users(first: " + strings.Repeat("[", 100_000) + ") { __typename } }",
		"braces without end":         strings.Repeat("{a", 30_000),
		"a string without end":       `{ users(after: "` + strings.Repeat("x", 500_000),
	}
}

func TestAHostileDocumentIsRefusedBeforeTheValidator(t *testing.T) {
	t.Parallel()
	for name, query := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{}
			g := w.gateway(nil)
			got := post(t, g, query, "")
			if code := read(t, got).code(); code != "LIMIT_EXCEEDED" && code != "GRAPHQL_PARSE_FAILED" {
				t.Errorf("got %s", got.Body)
			}
			if n := g.documents.Validations.Load(); n != 0 {
				t.Errorf("got as far as the validator %d times", n)
			}
			if len(w.asked) > 0 || got.Body.Len() > 64<<10 {
				t.Errorf("asked %v, answered %d bytes", w.asked, got.Body.Len())
			}
		})
	}
}

func TestAManifoldFaultyDocumentHasAShortAnswer(t *testing.T) {
	t.Parallel()
	var query strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&query, " unknown%d", i)
	}
	got := post(t, (&world{}).gateway(nil), "{ user(by: {id: 1}) {"+query.String()+"} }", "")
	if a := read(t, got); got.Body.Len() > 64<<10 || len(a.Errors) != limits.Default().Errors+1 {
		t.Errorf("got %d errors in %d bytes: %.300s", len(a.Errors), got.Body.Len(), got.Body)
	}
}

func TestALongDocumentGetsNoSuggestions(t *testing.T) {
	t.Parallel()
	for pad, want := range map[int]bool{0: true, 8 << 10: false} {
		got := post(t, (&world{}).gateway(nil), "{ usres { __typename } }"+strings.Repeat(" ", pad), "")
		if suggested := strings.Contains(got.Body.String(), "Did you mean"); suggested != want {
			t.Errorf("%d bytes more: got %s", pad, got.Body)
		}
	}
}

// introspectionQuery is what GraphiQL sends when it opens.
func introspectionQuery(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "introspection.graphql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scalarsOf selects every leaf of a type.
func scalarsOf(g *Gateway, name string) string {
	schema := g.opts.Schema.Schema()
	var out []string
	for _, f := range schema.Types[name].Fields {
		if !schema.Types[f.Type.Name()].IsCompositeType() && !strings.HasPrefix(f.Name, "__") {
			out = append(out, f.Name)
		}
	}
	return strings.Join(out, " ")
}

func TestTheDefaultsAdmitFrontendsOperations(t *testing.T) {
	t.Parallel()
	w := &world{users: 1}
	g := w.gateway(func(o *Options) { o.Cost.Max = 10000 * cost.CallPoints })
	for name, query := range map[string]string{
		"GraphiQL's introspection": introspectionQuery(t),
		"the README's query through edges": `{ clients(first: 1) { edges { node { name courses(first: 1) { totalCount edges { node { title priceInCents } } }
			users(first: 1) { edges { node { name credentials { edges { node { type } } } } } } } } } }`,
		"25 clients with four users and their credentials": `{ clients { edges { node { name users(first: 4) { edges { node { name credentials { edges { node { type } } } } } } } } } }`,
		"all scalars of a client with its courses": "{ clients { nodes { " + scalarsOf(g, "Client") + " features { " + scalarsOf(g, "ClientFeatures") +
			" } courses(first: 100) { nodes { " + scalarsOf(g, "Course") + " } } learningPaths(first: 100) { nodes { " + scalarsOf(g, "LearningPath") +
			" } } licenses { " + scalarsOf(g, "License") + " } } } }",
	} {
		got := post(t, g, query, "")
		if code := read(t, got).code(); code != "" && code != "UPSTREAM_UNAVAILABLE" {
			t.Errorf("%s: got %.300s", name, got.Body)
		}
	}
	if diff := cmp.Diff([]string{"clients", "clients", "clients"}, w.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
