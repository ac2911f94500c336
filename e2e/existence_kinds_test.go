package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// other returns a key of the same form that names nothing.
func other(key string) string {
	const digits = "0123456789"
	last := key[len(key)-1]
	return key[:len(key)-1] + string(digits[(strings.IndexByte(digits, last)+1)%len(digits)])
}

// hiddenKeys are operations that name a record in every way there is, each with the record's key. Reading one warms the cache.
func hiddenKeys(own, foreign emulator.ClientRef, mine, user emulator.UserRef) map[string]struct{ format, key string } {
	id := scalar.EncodeID
	return map[string]struct{ format, key string }{
		"credential":         {`{ x: node(id: "%s") { id } }`, id(scalar.CredentialNode, scalar.CredentialKey(user.IdentityID, "6b3af370-6665-415e-84c6-ff632114ecfb"))},
		"search":             {`{ x: clients(query: "%s") { nodes { name } } }`, foreign.Slug},
		"sorted search":      {`{ x: clients(first: 1, query: "%s", sort: "name") { nodes { name } } }`, foreign.Name},
		"claims":             {`{ x: identities(filter: {claims: {email: "%s"}}) { nodes { claims } } }`, user.IdentityID},
		"users by cursor":    {`{ x: users(clientIdentifier: "%s") { nodes { identity { claims } } } }`, foreign.Identifier},
		"updateUser":         {`mutation { x: updateUser(input: {by: {sourceId: "%s"}, name: "n"}) { userErrors { code message path } user { name } } }`, user.Identifier},
		"moving a user":      {`mutation { x: updateUser(input: {by: {sourceId: "` + mine.Identifier + `"}, clientIdentifier: "%s"}) { userErrors { code message path } } }`, foreign.Identifier},
		"deleteUser":         {`mutation { x: deleteUser(input: {by: {sourceId: "%s"}, action: ignore}) { userErrors { code message path } deletedId } }`, user.Identifier},
		"reallocateTo":       {`mutation { x: deleteUser(input: {by: {sourceId: "` + mine.Identifier + `"}, action: reallocate, reallocateTo: "%s"}) { userErrors { code message path } } }`, user.Identifier},
		"updateIdentity":     {`mutation { x: updateIdentity(input: {by: {sourceId: "%s"}, claims: {a: 1}}) { userErrors { code message path } identity { claims } } }`, user.IdentityID},
		"deleteIdentity":     {`mutation { x: deleteIdentity(input: {by: {sourceId: "%s"}}) { userErrors { code message path } deletedId } }`, user.IdentityID},
		"naming an owner":    {`mutation { x: updateIdentity(input: {by: {sourceId: "` + mine.IdentityID + `"}, claims: {a: 1}, authenticationProvider: {subjectId: "%s"}}) { userErrors { code message path } } }`, user.Identifier},
		"updateEmbedClient":  {`mutation { x: updateEmbedClient(input: {by: {sourceId: "%s"}, metadata: {a: 1}}) { userErrors { code message path } } }`, foreign.Identifier},
		"deleteEmbedClient":  {`mutation { x: deleteEmbedClient(input: {by: {sourceId: "%[1]s"}, confirm: "%[1]s"}) { userErrors { code message path } } }`, foreign.Identifier},
		"client by slug":     {`{ x: client(by: {slug: "%s"}) { name } }`, foreign.Slug},
		"client by sourceId": {`{ x: client(by: {sourceId: "%s"}) { name } }`, foreign.ID},
		"user":               {`{ x: user(by: {sourceId: "%s"}) { name } }`, user.Identifier},
		"identity":           {`{ x: identity(by: {sourceId: "%s"}) { claims } }`, user.IdentityID},
		"among own ones":     {`{ x: user(by: {sourceId: "%s"}) { name } y: identity(by: {sourceId: "` + mine.IdentityID + `"}) { claims user { name } } z: clients { nodes { name } } }`, user.Identifier},
	}
}

// warmth are reads of somebody who sees all, of everything that there is of a client.
func warmth(foreign emulator.ClientRef, user emulator.UserRef) []string {
	return []string{
		fmt.Sprintf(`{ client(by: {slug: %q}) { name } c: clients(query: %q) { nodes { name } } d: clients(query: %q, sort: "name") { nodes { name } } }`, foreign.Slug, foreign.Slug, foreign.Name),
		fmt.Sprintf(`{ user(by: {sourceId: %q}) { name identity { claims credentials { nodes { id } } } } embedClient(by: {sourceId: %q}) { metadata } }`, user.Identifier, foreign.Identifier),
		fmt.Sprintf(`{ identity(by: {sourceId: %q}) { claims user { name } } identities(filter: {claims: {email: %[1]q}}) { nodes { claims } } }`, user.IdentityID),
	}
}

// Whichever way a record is named, by whatever the backends are joined, and however they do: that it is another's, that the
// cache has it and that there is none are the same to a bound caller.
func TestNoLookupRevealsWhetherARecordExists(t *testing.T) {
	t.Parallel()
	for _, link := range []struct{ client, user string }{{"id", "subjectId"}, {"slug", "claims.campus"}, {"sku", "id"}} {
		for _, inList := range []bool{true, false} {
			t.Run(fmt.Sprint(link, inList), func(t *testing.T) {
				t.Parallel()
				options := emulator.Options{Clients: 3, Linked: true, LinkClient: link.client, LinkUser: link.user, UsersPerClient: 3, CoursesPerClient: 1,
					LearningPathsPerClient: -1, CredentialsPerUser: 1, ProviderInList: inList}
				catalogue := emulator.New(options)
				own, foreign := catalogue.Clients()[0], catalogue.Clients()[1]
				mine, user := catalogue.Users(own.Identifier)[0], catalogue.Users(foreign.Identifier)[0]
				catalogue.Close()
				scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "fresh", "explain", "clients:write", "users:write", "identities:write", "delete"}
				env := map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "EXPLAIN": "true", "POINTS": "1000000", "ALLOW_DELETES": "true", "LINK_CLIENT": link.client,
					"LINK_USER": link.user, "API_KEYS_FILE": keysFile(t, map[string]map[string]any{"whole-key": {"scopes": scopes},
						"bound-key": {"scopes": scopes, "clients": []string{own.Identifier}}})}
				for name, q := range hiddenKeys(own, foreign, mine, user) {
					observe := func(key string, warm, down bool) (seen []observables) {
						synctest.Test(t, func(t *testing.T) {
							p := start(t, setup{Emulator: options, Env: env})
							if warm {
								for _, read := range warmth(foreign, user) {
									p.asKey(t, "whole-key", read)
								}
							}
							if down {
								for _, b := range []emulator.Backend{emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR} {
									p.backends.SetFault(string(b), emulator.Fault{Status: http.StatusServiceUnavailable})
								}
							}
							for range 2 {
								o := p.observe(t, "bound-key", fmt.Sprintf(q.format, key), nil)
								// Points come back while a retry waits, which takes a random time.
								o.Body = regexp.MustCompile(`"currentlyAvailable":\d+`).ReplaceAllString(o.Body, "")
								seen = append(seen, o)
							}
						})
						return seen
					}
					for _, down := range []bool{false, true} {
						if down && name == "among own ones" {
							continue // which of the calls at once is tried again is left to chance
						}
						for _, warm := range []bool{false, true} {
							if diff := cmp.Diff(observe(other(q.key), warm, down), observe(q.key, warm, down)); diff != "" {
								t.Errorf("%s, warm %v, down %v (-missing +foreign):\n%s", name, warm, down, diff)
							}
						}
					}
				}
			})
		}
	}
}

// What content names of other clients is not looked up.
func TestContentThatNamesAnotherClientMakesNoCall(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 3, Linked: true, NamesOthers: true, CoursesPerClient: 1, LearningPathsPerClient: 2}
	own := emulator.New(options).Clients()[0]
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"bound": {"scopes": []string{"clients:read"}, "clients": []string{own.Identifier}}})}})
	var calls [][]string
	for _, below := range []string{"name", "client { name }"} {
		p.backends.Reset()
		a := p.asKey(t, "bound", fmt.Sprintf(`{ client(by: {sourceId: %q}) { licenses { %[2]s } learningPaths { nodes { %[2]s } } } }`, own.ID, below))
		if len(a.Errors) > 0 {
			t.Fatalf("got %s", a.raw)
		}
		calls = append(calls, p.calls())
	}
	if diff := cmp.Diff(calls[0], calls[1]); diff != "" {
		t.Errorf("calls (-without +with the clients):\n%s", diff)
	}
}

// Every answer to a bound caller forbids storing it: refusals, batches and errors too.
func TestAnswersToBoundCallersAreNotStored(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1, UsersPerClient: 1}
	mine, foreign := emulator.New(options).Clients()[0], emulator.New(options).Clients()[1]
	scopes := []string{"clients:read", "users:read"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "PUBLIC_CATALOG": "true", "CORS_ORIGINS": "*",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"whole": {"scopes": scopes}, "bound": {"scopes": scopes, "clients": []string{mine.Identifier}}})}})
	ask := func(method, key, query string) http.Header {
		body, _ := json.Marshal([]map[string]any{{"query": query}})
		r := httptest.NewRequestWithContext(t.Context(), method, "/graphql?query="+url.QueryEscape(query), nil)
		if method == http.MethodPost {
			r = httptest.NewRequestWithContext(t.Context(), method, "/graphql", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
		}
		r.Header.Set("X-API-Key", key)
		r.Header.Set("Origin", "https://app.example")
		return p.send(r).Header()
	}
	for _, query := range []string{`{ clients { nodes { name } } }`, fmt.Sprintf(`{ client(by: {slug: %q}) { name } }`, mine.Slug), fmt.Sprintf(`{ client(by: {slug: %q}) { name } }`, foreign.Slug),
		`{ users { nodes { name } } }`, `{ identities { nodes { id } } }`, `{ nothing }`, `{`, ``} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodGet} {
			h := ask(method, "bound", query)
			if h.Get("Cache-Control") != "private, no-store" || h.Get("Age") != "" || h.Get("ETag") != "" {
				t.Errorf("%s %s: got %v", method, query, h)
			}
		}
	}
	if h := ask(http.MethodGet, "whole", `{ clients { nodes { name } } }`); !strings.HasPrefix(h.Get("Cache-Control"), "public") {
		t.Errorf("an answer without a binding: got %v", h)
	}
}

// A bound caller searches and sorts as the backends do, among the caller's own.
func TestABoundCallerSearchesAmongItsOwn(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 12, Linked: true, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: -1}
	catalogue := emulator.New(options)
	clients := catalogue.Clients()
	own := []string{clients[2].Identifier, clients[7].Identifier, clients[5].Identifier}
	mine := catalogue.Users(clients[5].Identifier)[1]
	catalogue.Close()
	scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "identities:write"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"whole": {"scopes": scopes}, "bound": {"scopes": scopes, "clients": own}})}})
	names := func(key, query string) (list []string) {
		a := p.asKey(t, key, query)
		if len(a.Errors) > 0 {
			t.Fatalf("%s: %s", query, a.raw)
		}
		nodes, _ := a.get(t, "data", "x", "nodes").([]any)
		for _, n := range nodes {
			list = append(list, fmt.Sprint(member(n, "sourceId")))
		}
		return list
	}
	ownIDs := []string{clients[2].ID, clients[7].ID, clients[5].ID}
	for _, arguments := range []string{`sort: "name"`, `sort: "-createdAt"`, `sort: "updatedAt"`, fmt.Sprintf(`query: %q, sort: "name"`, strings.ToUpper(clients[7].Name[:3])), fmt.Sprintf("query: %q", clients[5].Slug), `query: "no client has this"`} {
		query := fmt.Sprintf(`{ x: clients(first: 100, %s) { nodes { sourceId } } }`, arguments)
		want := slices.DeleteFunc(names("whole", query), func(id string) bool { return !slices.Contains(ownIDs, id) })
		if diff := cmp.Diff(want, names("bound", query)); diff != "" {
			t.Errorf("%s (-of all +of the caller's):\n%s", arguments, diff)
		}
	}
	if a := p.asKey(t, "bound", `{ clients(sort: "nothing") { nodes { name } } }`); len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
		t.Errorf("a field that does not exist: %s", a.raw)
	}
	if a := p.asKey(t, "bound", fmt.Sprintf(`mutation { updateIdentity(input: {by: {sourceId: %q}, claims: {org: "A&B <é>", deep: {n: 1.50, list: [1, {a: null}]}}, authenticationProvider: {subjectId: %q}}) { userErrors { code } } }`,
		mine.IdentityID, mine.Identifier)); len(a.Errors) > 0 {
		t.Fatalf("got %s", a.raw)
	}
	for _, claims := range []string{`{org: "A&B <\u00e9>"}`, `{deep: {n: 1.50}}`, `{deep: {list: [1, {a: null}]}}`, `{deep: {}}`, `{deep: {n: 2}}`, `{org: {}}`, `{none: null}`, `{deep: {list: [1]}}`} {
		query := fmt.Sprintf(`{ x: identities(first: 100, filter: {claims: %s}) { nodes { sourceId } } }`, claims)
		if diff := cmp.Diff(names("whole", query), names("bound", query)); diff != "" {
			t.Errorf("%s (-of all +of the caller's):\n%s", claims, diff)
		}
	}
}

// Whom the vendor's tools have just moved to the caller's client is the caller's to change, and whose identity is theirs.
func TestTheRightToWriteIsGainedAtOnce(t *testing.T) {
	t.Parallel()
	for _, inList := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, user := moved(t, "60s", inList)
			other := p.backends.Users(p.backends.Clients()[1].Identifier)[0]
			a := p.asKey(t, "bound-key", fmt.Sprintf(`{ users { nodes { identity { claims } } } user(by: {sourceId: %q}) { name } }`, other.Identifier))
			if len(a.Errors) > 0 {
				t.Fatalf("got %s", a.raw)
			}
			moveUser(t, p.backends.Transport(), other, p.backends.Clients()[0])
			moveUser(t, p.backends.Transport(), user, p.backends.Clients()[0])
			for _, u := range []emulator.UserRef{other, user} {
				for _, name := range []string{"updateUser", "updateIdentity"} {
					a := p.asKey(t, "bound-key", boundWrites(u, u)[name])
					if len(a.Errors) > 0 || !strings.Contains(string(a.raw), `"userErrors":[]`) {
						t.Errorf("%s: got %s", name, a.raw)
					}
				}
			}
		})
	}
}

// The page after an offset or a backend's token differs with the clients that a caller is bound to.
func TestACursorIsThatOfItsCallersClients(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 4, Linked: true, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 3, CredentialsPerUser: -1, ProviderInList: true}
	clients := emulator.New(options).Clients()
	scopes := []string{"clients:read", "users:read", "identities:read", "claims:read"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"whole": {"scopes": scopes},
		"a":     {"scopes": scopes, "clients": []string{clients[0].Identifier, clients[1].Identifier}},
		"again": {"scopes": scopes[:3], "clients": []string{clients[1].Identifier, clients[0].Identifier}},
		"b":     {"scopes": scopes, "clients": []string{clients[0].Identifier, clients[2].Identifier}},
		"c":     {"scopes": scopes, "clients": []string{clients[3].Identifier}},
	})}})
	lists := []string{"clients(first: 1, after: %s)", `clients(first: 1, sort: "name", after: %s)`, "embedClients(first: 1, after: %s)", "users(first: 1, after: %s)",
		fmt.Sprintf("users(first: 1, clientIdentifier: %q, after: %%s)", clients[0].Identifier), "identities(first: 1, after: %s)"}
	for _, list := range lists {
		read := func(key, after string) *answer {
			return p.asKey(t, key, fmt.Sprintf("{ list: "+list+" { nodes { sourceId } pageInfo { endCursor } } }", after))
		}
		for _, from := range []string{"whole", "a"} {
			cursor := fmt.Sprintf("%q", read(from, "null").get(t, "data", "list", "pageInfo", "endCursor"))
			for _, by := range []string{"whole", "a", "again", "b", "c"} {
				var want []string
				if same := by == from || from == "a" && by == "again"; !same {
					want = []string{"list BAD_USER_INPUT"}
				}
				if a := read(by, cursor); !slices.Equal(a.failures(), want) {
					t.Errorf("%s: the cursor of %s used by %s: got %s", list, from, by, a.raw)
				}
			}
		}
	}
}
