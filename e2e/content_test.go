package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// namedClients are the places where content names a client.
const namedClients = `{ clients { nodes { name primaryLicense { client { name } } licenses { client { name } parentLicense { client { name } } childLicenses { client { name } } }
	learningPaths { nodes { client { name } } } } } }`

// planned are the most calls of each backend that the plan of a query has.
func (p *program) planned(t *testing.T, query string) map[string]float64 {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql/plan", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var answer struct {
		Data struct {
			Plan struct{ Calls map[string]float64 }
		}
	}
	if w := p.send(r); json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		t.Fatalf("got %s", w.Body)
	}
	return answer.Data.Plan.Calls
}

// A client that content names is the one around it, which takes no call, or read in one batch like any other.
func TestAClientInContentIsReadOnce(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 4, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: 2, UsersPerClient: 1}
	for _, test := range []struct {
		others bool
		query  string
		calls  []string
	}{
		{false, namedClients, []string{"GET /incoming/v2/clients 1"}},
		{true, `{ clients(first: 1) { nodes { licenses { client { name } } learningPaths { nodes { client { name slug } } } } } }`, []string{"GET /incoming/v2/clients 3"}},
		{true, `{ clients(first: 1) { nodes { a: licenses { client { users { nodes { name } } } } b: learningPaths { edges { node { client { users { nodes { name } } } } } } } } }`,
			[]string{"GET /incoming/v2/clients 3", "GET /v1/headless/users 1"}},
		{true, `{ clients(first: 1) { nodes { licenses { name courses { title } } } } }`, []string{"GET /incoming/v2/clients 1"}},
	} {
		options.NamesOthers = test.others
		p := start(t, setup{Emulator: options})
		a := p.post(t, test.query, nil)
		if len(a.Errors) > 0 || strings.Contains(string(a.raw), `"client":null`) {
			t.Errorf("%s: got %s", test.query, a.raw)
		}
		if diff := cmp.Diff(test.calls, p.calls()); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", test.query, diff)
		}
		if made, planned := p.callsOf("GET /incoming/v2/clients"), p.planned(t, test.query)["thoughtindustries"]; float64(made) > planned {
			t.Errorf("%s: %d calls were made, planned are %v", test.query, made, planned)
		}
	}
}

// A caller who is bound to clients sees no other, wherever content names one.
func TestABoundCallerSeesNoOtherClientInContent(t *testing.T) {
	t.Parallel()
	for _, ttl := range []string{"0", "60s"} {
		options := emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: 2, UsersPerClient: 1, NamesOthers: true}
		world := emulator.New(options)
		defer world.Close()
		mine, other := world.Clients()[0], world.Clients()[1]
		p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": ttl,
			"API_KEYS_FILE": keysFile(t, map[string]map[string]any{
				"whole-key": {"scopes": []string{"clients:read"}}, "bound-key": {"scopes": []string{"clients:read"}, "clients": []string{mine.Identifier}}})}})
		if a := p.asKey(t, "whole-key", namedClients); len(a.Errors) > 0 || !strings.Contains(string(a.raw), `{"client":{"name":"`+other.Name) {
			t.Fatalf("got %s", a.raw)
		}
		for _, query := range []string{
			namedClients,
			fmt.Sprintf(`{ client(by: {sourceId: %q}) { licenses { client { name slug embed { userCount } licenses { name } } } learningPaths { edges { node { client { id name currentBalance courses { nodes { title } } } } } } } }`, mine.ID),
			fmt.Sprintf(`{ embedClient(by: {sourceId: %q}) { client { licenses { childLicenses { client { ...C } } client { ...C } } } } } fragment C on Client { id sourceId name slug sku embed { sourceId } }`, mine.Identifier),
		} {
			a := p.asKey(t, "bound-key", query)
			if len(a.Errors) > 0 || !strings.Contains(string(a.raw), `"client":null`) || !strings.Contains(string(a.raw), mine.Name) {
				t.Errorf("%s: got %s", query, a.raw)
			}
			for _, foreign := range []string{other.Name + `"`, other.Slug, other.ID} {
				if strings.Contains(string(a.raw), foreign) {
					t.Errorf("%s: the answer shows %q: %s", query, foreign, a.raw)
				}
			}
		}
	}
}

// A course, path or license shows the same wherever a client embeds it, and of a stub nothing is lost.
func TestContentOfOneClientIsTheSameInEachPlace(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, CoursesPerClient: 4, LearningPathsPerClient: 3}})
	const fields = `{ __typename sourceId title slug status priceInCents kind sections { title } }`
	a := p.post(t, `{ clients { nodes { courses(first: 100) { nodes { ...C prerequisiteCourses { ...C } } } licenses { courses { ...C } } primaryLicense { courses { ...C } }
		learningPaths(first: 100) { nodes { ...P prerequisiteCourses { ...C } prerequisiteLearningPaths { ...P } milestones { learningPath { ...P } } } } licenses2: licenses { ...L parentLicense { ...L } childLicenses { ...L } learningPaths { ...P } } } } }
		fragment C on Course `+fields+` fragment P on LearningPath { __typename sourceId name slug status priceInCents longDescription } fragment L on License { __typename sourceId name label seatsLimit courseIds schoolName }`, nil)
	if len(a.Errors) > 0 {
		t.Fatalf("got %s", a.raw)
	}
	shown, places := map[string]map[string]int{}, 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if key := v["sourceId"]; key != nil {
				own := map[string]any{}
				for _, name := range []string{"__typename", "title", "name", "slug", "status", "priceInCents", "kind", "sections", "longDescription", "label", "seatsLimit", "courseIds", "schoolName"} {
					own[name] = v[name]
				}
				text, _ := json.Marshal(own)
				if shown[key.(string)] == nil {
					shown[key.(string)] = map[string]int{}
				}
				shown[key.(string)][string(text)]++
				places++
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(a.Data)
	for key, texts := range shown {
		if len(texts) > 1 {
			t.Errorf("%s shows %v", key, texts)
		}
	}
	if places < 60 {
		t.Errorf("got %d places", places)
	}
	if calls := p.calls(); len(calls) != 1 || calls[0] != "GET /incoming/v2/clients 1" {
		t.Errorf("got calls %v", calls)
	}
}

// A client that content names and that cannot be read is null with the error of its own read; the rest is there.
func TestAClientInContentThatCannotBeReadIsNullAlone(t *testing.T) {
	t.Parallel()
	var reads atomic.Int32
	p := start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: 2, NamesOthers: true},
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/incoming/v2/clients") && reads.Add(1) > 1 {
					return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
				}
				return next.RoundTrip(r)
			})
		}})
	a := p.post(t, `{ clients(first: 1) { nodes { name licenses { name client { name } } learningPaths { nodes { name client { name } } } } } }`, nil)
	want := []string{"clients.nodes.0.learningPaths.nodes.1.client UPSTREAM_REJECTED thoughtindustries", "clients.nodes.0.licenses.1.client UPSTREAM_REJECTED thoughtindustries"}
	failures := a.failures()
	slices.Sort(failures)
	if diff := cmp.Diff(want, failures); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	name := a.get(t, "data", "clients", "nodes", 0, "name")
	if got := a.get(t, "data", "clients", "nodes", 0, "licenses", 0, "client", "name"); got != name {
		t.Errorf("the client around it: got %v, want %v", got, name)
	}
	if got := a.get(t, "data", "clients", "nodes", 0, "licenses", 1, "name"); got == nil {
		t.Error("the license is gone")
	}
}
