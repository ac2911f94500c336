package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// ignoringPages is a way to a Coassemble that ignores the number of a page.
func ignoringPages(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if q := r.URL.Query(); q.Has("page") && strings.Contains(r.URL.Path, "headless") {
			r = r.Clone(r.Context())
			q.Set("page", "0")
			r.URL.RawQuery = q.Encode()
		}
		return next.RoundTrip(r)
	})
}

// callsOf counts the calls of a method and route.
func (p *program) callsOf(call string) int {
	n := 0
	for _, c := range p.backends.Calls() {
		if c.Method+" "+c.Route == call {
			n++
		}
	}
	return n
}

func TestAScanEndsWhereAPageBringsNothingNew(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 3, Linked: true, UsersPerClient: 60, CoursesPerClient: -1, LearningPathsPerClient: -1}
	p := start(t, setup{Emulator: options, Wrap: ignoringPages})
	var ids []string
	for _, c := range p.backends.Clients()[1:] {
		for _, u := range p.backends.Users(c.Identifier)[10:50] {
			ids = append(ids, fmt.Sprintf("%q", scalar.EncodeID(scalar.UserNode, u.Identifier)))
		}
	}
	query := `{ nodes(ids: [` + strings.Join(ids, ",") + `]) { ... on User { name } } }`
	for round, pages := range []int{2, 0} {
		p.backends.Reset()
		a := p.post(t, query, nil)
		if len(a.Errors) > 0 || strings.Contains(string(a.raw), "null") {
			t.Errorf("got %.300s", a.raw)
		}
		if got := p.callsOf("GET /v1/headless/users"); got != pages {
			t.Errorf("round %d: %d pages of a list that repeats its first, want %d", round, got, pages)
		}
	}
}

func TestABoundCallersListEndsWhereAPageBringsNothingNew(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, Linked: true, UsersPerClient: 120, CoursesPerClient: -1, LearningPathsPerClient: -1, ProviderInList: true}
	own := emulator.New(options).Clients()[0]
	p := start(t, setup{Emulator: options, Wrap: ignoringPages, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"bound-key": {"clients": []string{own.Identifier}, "scopes": []string{"users:read", "identities:read"}}})}})
	other := p.backends.Users(p.backends.Clients()[1].Identifier)[0]
	a := p.asKey(t, "bound-key", fmt.Sprintf(`{ identity(by: {sourceId: %q}) { sourceId } }`, other.IdentityID))
	if got := p.callsOf("GET /v1/headless/users"); got > 3 {
		t.Errorf("got %d pages of a list that repeats its first: %s", got, a.raw)
	}
}

func TestACursorThatDoesNotAdvanceEndsItsList(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0]
	p.backends.SetFault("GET /core/v1/users", emulator.Fault{Status: 200, Body: `{"data":[{"id":"` + user.IdentityID + `"}],"nextCursor":"same"}`})
	p.backends.SetFault("GET /core/v1/users/{userId}/credentials", emulator.Fault{Status: 200, Body: `{"data":[{"id":"c","type":"t"}],"nextCursor":"same"}`})
	const part = `nodes { __typename } pageInfo { hasNextPage endCursor }`
	for name, query := range map[string]string{
		"identities":  `query($after: String) { list: identities(first: 1, after: $after) { ` + part + ` } }`,
		"credentials": `query($after: String) { identity(by: {sourceId: "` + user.IdentityID + `"}) { list: credentials(first: 1, after: $after) { ` + part + ` } } }`,
	} {
		var after any
		var failures []string
		pages := 0
		for more := true; more && pages < 5; pages++ {
			a := p.post(t, query, map[string]any{"after": after})
			path := []any{"data", "list"}
			if name == "credentials" {
				path = []any{"data", "identity", "list"}
			}
			if nodes, _ := a.get(t, append(path, "nodes")...).([]any); len(nodes) != 1 {
				t.Fatalf("%s: what was read is not shown: %s", name, a.raw)
			}
			after = a.get(t, append(path, "pageInfo", "endCursor")...)
			more = a.get(t, append(path, "pageInfo", "hasNextPage")...).(bool)
			failures = a.failures()
		}
		if pages != 2 || len(failures) != 1 || !strings.Contains(failures[0], "UPSTREAM_CONTRACT mattr") {
			t.Errorf("%s: %d pages, the last with %v", name, pages, failures)
		}
	}
}

func TestAScanEndsWhereACursorComesAgain(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 1, UsersPerClient: 40, Linked: true}
	catalogue := emulator.New(options)
	users := catalogue.Users(catalogue.Clients()[0].Identifier)
	catalogue.Close()
	next := map[string]string{"": "A", "A": "B", "B": "A"}
	p := start(t, setup{Emulator: options, Wrap: func(to http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/core/v1/users") {
				return to.RoundTrip(r)
			}
			cursor := r.URL.Query().Get("cursor")
			return respond(r, http.StatusOK, fmt.Sprintf(`{"data":[{"id":%q}],"nextCursor":%q}`, users[0].IdentityID, next[cursor])), nil
		})
	}})
	var ids []string
	for _, u := range users {
		ids = append(ids, fmt.Sprintf("%q", scalar.EncodeID(scalar.IdentityNode, u.IdentityID)))
	}
	a := p.post(t, `{ nodes(ids: [`+strings.Join(ids, ",")+`]) { ... on Identity { sourceId } } }`, nil)
	if len(a.failures()) > 0 || strings.Contains(string(a.raw), "null") {
		t.Errorf("got %.300s", a.raw)
	}
	if got := p.callsOf("GET /core/v1/users/{id}"); got != 39 {
		t.Errorf("got %d single reads, want those that the scan did not bring", got)
	}
}
