package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// asKey sends an operation with an API key.
func (p *program) asKey(t *testing.T, key, query string) *answer {
	t.Helper()
	return p.withShortDeadlineKey(t, key, "", query)
}

// withShortDeadlineKey sends an operation whose caller waits no longer than the timeout; an empty one is the server's.
func (p *program) withShortDeadlineKey(t *testing.T, key, timeout, query string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	if timeout != "" {
		r.Header.Set("X-Learngraph-Timeout", timeout)
	}
	return readAnswer(t, p.send(r))
}

// keysFile writes a file of API keys, each named as it is spelt.
func keysFile(t *testing.T, keys map[string]map[string]any) string {
	t.Helper()
	var list []map[string]any
	for key, entry := range keys {
		sum := sha256.Sum256([]byte(key))
		entry["name"], entry["sha256"] = key, hex.EncodeToString(sum[:])
		list = append(list, entry)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A caller who is bound to a client, or who lacks a scope, gets none of the other records on any route, also where others
// have filled the cache.
func TestNoRouteLeadsPastABinding(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: 1, ProviderInList: true}
	catalogue := emulator.New(options)
	mine, other := catalogue.Clients()[0], catalogue.Clients()[1]
	user := catalogue.Users(other.Identifier)[0]
	ownUser := catalogue.Users(mine.Identifier)[0]
	scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "delete"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "ALLOW_DELETES": "true",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{
			"whole-key":        {"scopes": scopes},
			"bound-key":        {"scopes": scopes, "clients": []string{mine.Identifier}},
			"clients-only-key": {"scopes": []string{"clients:read"}},
		})}})
	routes := []string{
		`{ clients { totalCount aggregations { buckets { count } } nodes { name slug users { nodes { sourceId name identity { sourceId claims } credentials { nodes { id } } } } embed { sourceId } } edges { node { sourceId } } } }`,
		`{ embedClients { nodes { sourceId client { name } users { nodes { sourceId } } } } }`,
		`{ users { nodes { sourceId name clientIdentifier client { name } identity { sourceId } } } }`,
		fmt.Sprintf(`{ users(clientIdentifier: %q) { nodes { sourceId name } } }`, other.Identifier),
		`{ identities { nodes { sourceId claims user { sourceId } credentials { nodes { id } } } } }`,
		fmt.Sprintf(`{ a: client(by: {slug: %q}) { name } b: client(by: {sourceId: %q}) { name users { nodes { name } } } c: embedClient(by: {sourceId: %q}) { userCount } d: user(by: {sourceId: %q}) { name client { name } } e: identity(by: {sourceId: %q}) { claims } }`,
			other.Slug, other.ID, other.Identifier, user.Identifier, user.IdentityID),
		fmt.Sprintf(`{ nodes(ids: [%q, %q, %q, %q]) { __typename ... on Client { name } ... on EmbedClient { sourceId } ... on User { name } ... on Identity { claims } } }`,
			scalar.EncodeID(scalar.ClientNode, other.ID), scalar.EncodeID(scalar.EmbedClientNode, other.Identifier),
			scalar.EncodeID(scalar.UserNode, user.Identifier), scalar.EncodeID(scalar.IdentityNode, user.IdentityID)),
	}
	for _, route := range routes {
		if a := p.asKey(t, "whole-key", route); len(a.Errors) > 0 {
			t.Fatalf("%s: got errors %v", route, a.failures())
		}
	}
	foreign := []string{other.ID, other.Slug, other.Name, user.IdentityID, jsonText(user.Identifier), `"count"`, `"totalCount":3`}
	for _, route := range routes {
		for range 2 {
			a := p.asKey(t, "bound-key", route)
			for _, marker := range foreign {
				if strings.Contains(string(a.raw), marker) {
					t.Errorf("%s: the answer shows %q: %s", route, marker, a.raw)
				}
			}
		}
	}
	own := p.asKey(t, "bound-key", fmt.Sprintf(`{ user(by: {sourceId: %q}) { client { slug } identity { sourceId } } }`, ownUser.Identifier))
	if !strings.Contains(string(own.raw), mine.Slug) || !strings.Contains(string(own.raw), ownUser.IdentityID) {
		t.Errorf("the caller's own records are gone: %s", own.raw)
	}
	p.backends.Reset()
	for _, write := range []string{
		fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, name: "x"}) { userErrors { code } } }`, user.Identifier),
		fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, clientIdentifier: %q}) { userErrors { code } } }`, ownUser.Identifier, other.Identifier),
		fmt.Sprintf(`mutation { w: deleteUser(input: {by: {sourceId: %q}, action: ignore}) { userErrors { code } } }`, user.Identifier),
		fmt.Sprintf(`mutation { w: updateEmbedClient(input: {by: {sourceId: %q}, metadata: {}}) { userErrors { code } } }`, other.Identifier),
		fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {}, authenticationProvider: {subjectId: %q}}) { userErrors { code } } }`, ownUser.IdentityID, user.Identifier),
		fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {}, authenticationProvider: {subjectId: "nobody"}}) { userErrors { code } } }`, ownUser.IdentityID),
		fmt.Sprintf(`mutation { w: deleteIdentity(input: {by: {sourceId: %q}}) { userErrors { code } } }`, user.IdentityID),
	} {
		a := p.asKey(t, "bound-key", write)
		if !strings.Contains(string(a.raw), `"userErrors":[{"code":"`) {
			t.Errorf("%s: got %s", write, a.raw)
		}
	}
	for _, call := range p.calls() {
		if strings.HasPrefix(call, "PUT") || strings.HasPrefix(call, "DELETE") {
			t.Errorf("a write reached a backend: %s", call)
		}
	}
	p.backends.Reset()
	a := p.asKey(t, "clients-only-key", `{ users { nodes { name } } identities { nodes { claims } } clients { nodes { users { nodes { name } } } } }`)
	for _, f := range a.failures() {
		if !strings.HasSuffix(f, "FORBIDDEN") {
			t.Errorf("got %s", f)
		}
	}
	if len(a.failures()) == 0 || strings.Contains(string(a.raw), `"users":{`) {
		t.Errorf("got %s", a.raw)
	}
	if a := p.asKey(t, "unknown-key", `{ __typename }`); len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "UNAUTHENTICATED" {
		t.Errorf("got %s", a.raw)
	}
}

// A read by id need not show whom an identity belongs to; a bound caller's own are theirs all the same.
func TestABoundCallersIdentityIsTheirsOnEveryRoute(t *testing.T) {
	t.Parallel()
	for _, shown := range []bool{true, false} {
		t.Run(fmt.Sprint("the provider is shown: ", shown), func(t *testing.T) {
			t.Parallel()
			options := emulator.Options{Clients: 3, Linked: true, CoursesPerClient: -1, UsersPerClient: 3, CredentialsPerUser: 1, ProviderInList: shown}
			world := emulator.New(options)
			defer world.Close()
			mine, other := world.Users(world.Clients()[1].Identifier)[2].IdentityID, world.Users(world.Clients()[2].Identifier)[0].IdentityID
			p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "ALLOW_DELETES": "true",
				"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"bound-key": {"clients": []string{world.Clients()[1].Identifier},
					"scopes": []string{"users:read", "identities:read", "claims:read", "identities:write", "delete"}}})}})
			ask := func(id string) string {
				a := p.asKey(t, "bound-key", fmt.Sprintf(`{ a: identity(by: {sourceId: %q}) { sourceId credentials { nodes { id } } } b: node(id: %q) { ... on Identity { sourceId } } }`,
					id, scalar.EncodeID(scalar.IdentityNode, id)))
				return fmt.Sprint(member(a.Data["a"], "sourceId"), " ", member(a.Data["b"], "sourceId"), " ", a.failures())
			}
			write := func(id string) string {
				a := p.asKey(t, "bound-key", fmt.Sprintf(`mutation { a: updateIdentity(input: {by: {sourceId: %q}, claims: {n: 1}}) { userErrors { code } } b: deleteIdentity(input: {by: {sourceId: %[1]q}}) { userErrors { code } } }`, id))
				return fmt.Sprint(member(a.Data["a"], "userErrors"), " ", member(a.Data["b"], "userErrors"), " ", a.failures())
			}
			const hidden, refused = "<nil> <nil> []", "[map[code:NOT_FOUND]] [map[code:NOT_FOUND]] []"
			for _, step := range []struct{ name, got, want string }{
				{"reading one's own", ask(mine), mine + " " + mine + " []"},
				{"reading another's", ask(other), hidden},
				{"reading nobody's", ask("6b3af370-6665-415e-84c6-ff632114ecfb"), hidden},
				{"writing another's", write(other), refused},
				{"writing one's own", write(mine), "[] [] []"},
				{"reading what is deleted", ask(mine), hidden},
			} {
				if step.got != step.want {
					t.Errorf("%s: got %s, want %s", step.name, step.got, step.want)
				}
			}
		})
	}
}

// A caller who may write and not read gets the result of the write alone, and the backend is not asked for records that
// the caller may not see.
func TestAWriterWhoMayNotReadGetsNoRecordBack(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 1, Linked: true, UsersPerClient: 1}
	world := emulator.New(options)
	client := world.Clients()[0]
	user := world.Users(client.Identifier)[0]
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"writer": {"scopes": []string{"clients:write", "users:write", "identities:write"}}})}})
	for _, test := range []struct{ mutation, call string }{
		{fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, name: "x"}) { user { name } userErrors { code } } }`, user.Identifier), "PUT /v1/headless/user/{identifier} 1"},
		{fmt.Sprintf(`mutation { w: updateEmbedClient(input: {by: {sourceId: %q}, metadata: {}}) { embedClient { userCount } userErrors { code } } }`, client.Identifier), "PUT /v1/headless/client/{identifier} 1"},
		{fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {}}) { identity { sourceId } userErrors { code } } }`, user.IdentityID), "PUT /core/v1/users/{id} 1"},
	} {
		p.backends.Reset()
		a := p.asKey(t, "writer", test.mutation)
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "FORBIDDEN" || a.get(t, "data", "w", "userErrors") == nil {
			t.Errorf("%s: got %s", test.mutation, a.raw)
		}
		calls := slices.DeleteFunc(p.calls(), func(call string) bool { return strings.HasPrefix(call, "POST /oauth") })
		if diff := cmp.Diff([]string{test.call}, calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", test.mutation, diff)
		}
	}
}
