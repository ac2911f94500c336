package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// observables are all that a caller and the backends' journal show of one request.
type observables struct {
	Status int
	Header http.Header
	Body   string
	Calls  []string
}

func (p *program) observe(t *testing.T, key, query string, headers map[string]string) observables {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	r.Header.Set("X-Request-Id", "same")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	p.backends.Reset()
	w := p.send(r)
	return observables{w.Code, w.Header(), w.Body.String(), p.calls()}
}

// A record of somebody else and one that does not exist are the same to a bound caller: in status, headers, bytes, cost and
// calls, cold, and warm from another caller's requests, and when asked again.
func TestARecordOfAnotherLooksLikeAMissingOne(t *testing.T) {
	t.Parallel()
	for _, inList := range []bool{true, false} {
		options := emulator.Options{Clients: 3, Linked: true, UsersPerClient: 3, CoursesPerClient: 1, LearningPathsPerClient: -1, ProviderInList: inList}
		catalogue := emulator.New(options)
		own, other := catalogue.Clients()[0], catalogue.Clients()[1]
		user := catalogue.Users(other.Identifier)[0]
		catalogue.Close()
		scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "fresh", "explain"}
		keys := keysFile(t, map[string]map[string]any{"whole-key": {"scopes": scopes}, "bound-key": {"scopes": scopes, "clients": []string{own.Identifier}}})
		missing := strings.Repeat("0", len(user.IdentityID)-4)
		missing = user.IdentityID[:len(user.IdentityID)-4] + missing[:4]
		if missing == user.IdentityID {
			t.Fatal("the missing identity exists")
		}
		// Keys of the same length, so that answers that repeat them would be as long.
		replace := func(id string) string {
			return id[:len(id)-1] + map[bool]string{true: "0", false: "1"}[id[len(id)-1] != '0']
		}
		global := func(kind scalar.NodeType) func(string) string {
			return func(key string) string { return scalar.EncodeID(kind, key) }
		}
		plain := func(key string) string { return key }
		for name, q := range map[string]struct {
			format, foreign, missing string
			id                       func(string) string
		}{
			"client by sourceId":   {`{ x: client(by: {sourceId: %q}) { name users { nodes { name } } } }`, other.ID, replace(other.ID), plain},
			"client by slug":       {`{ x: client(by: {slug: %q}) { name } }`, other.Slug, replace(other.Slug), plain},
			"client by id":         {`{ x: client(by: {id: %q}) { name } }`, other.ID, replace(other.ID), global(scalar.ClientNode)},
			"embed client":         {`{ x: embedClient(by: {sourceId: %q}) { userCount } }`, other.Identifier, replace(other.Identifier), plain},
			"user":                 {`{ x: user(by: {sourceId: %q}) { name client { name } } }`, user.Identifier, replace(user.Identifier), plain},
			"users of a client":    {`{ x: users(clientIdentifier: %q) { nodes { name } } }`, other.Identifier, replace(other.Identifier), plain},
			"identity":             {`{ x: identity(by: {sourceId: %q}) { claims user { name } } }`, user.IdentityID, missing, plain},
			"node of a client":     {`{ x: node(id: %q) { id } }`, other.ID, replace(other.ID), global(scalar.ClientNode)},
			"node of a user":       {`{ x: node(id: %q) { ... on User { name } } }`, user.Identifier, replace(user.Identifier), global(scalar.UserNode)},
			"nodes of identities":  {`{ x: nodes(ids: [%q]) { ... on Identity { claims } } }`, user.IdentityID, missing, global(scalar.IdentityNode)},
			"node of embed client": {`{ x: node(id: %q) { id } }`, other.Identifier, replace(other.Identifier), global(scalar.EmbedClientNode)},
			"identities by filter": {`{ x: identities(filter: {authenticationProvider: {subjectId: %q}}) { nodes { claims } } }`, user.Identifier, replace(user.Identifier), plain},
		} {
			t.Run(fmt.Sprint(name, " ", inList), func(t *testing.T) {
				t.Parallel()
				for _, warm := range []bool{false, true} {
					for _, headers := range []map[string]string{nil, {"Cache-Control": "only-if-cached"}, {"X-Learngraph-Explain": "1"}, {"Cache-Control": "no-cache"}} {
						synctest.Test(t, func(t *testing.T) {
							ask := func(key string) []observables {
								p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keys, "CACHE_TTL": "60s", "CACHE_STALE": "10m",
									"EXPLAIN": "true", "POINTS": "1000000", "PUBLIC_CATALOG": "true", "CDN_TAG_HEADER": "Cache-Tag"}})
								if warm {
									p.observe(t, "whole-key", fmt.Sprintf(q.format, q.id(q.foreign)), nil)
								}
								return []observables{p.observe(t, "bound-key", fmt.Sprintf(q.format, q.id(key)), headers), p.observe(t, "bound-key", fmt.Sprintf(q.format, q.id(key)), headers)}
							}
							foreign, missing := ask(q.foreign), ask(q.missing)
							if diff := cmp.Diff(missing, foreign); diff != "" {
								t.Errorf("warm %v, %v (-missing +foreign):\n%s", warm, headers, diff)
							}
							if h := foreign[0].Header; h.Get("Cache-Control") != "private, no-store" || h.Get("Age") != "" || h.Get("ETag") != "" ||
								h.Get("Cache-Tag") != "" || h.Get("CDN-Cache-Control") != "" || h.Get("Cache-Status") != "Learngraph; detail=withheld" {
								t.Errorf("headers tell of the cache: %v", h)
							}
						})
					}
				}
			})
		}
	}
}

func TestABadIdOfSeveralIsAnErrorAtItsPlace(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
	good := scalar.EncodeID(scalar.ClientNode, p.backends.Clients()[0].ID)
	for _, bad := range []string{"garbage", "", "Q2xpZW50"} {
		a := p.post(t, fmt.Sprintf(`{ nodes(ids: [%q, %q, %q]) { id } }`, good, bad, good), nil)
		want := fmt.Sprintf(`"data":{"nodes":[{"id":%q},null,{"id":%q}]}`, good, good)
		if got := a.failures(); !strings.Contains(string(a.raw), want) || len(got) != 1 || got[0] != "nodes.1 BAD_USER_INPUT" {
			t.Errorf("%q: got %s %q", bad, a.raw, got)
		}
	}
}
