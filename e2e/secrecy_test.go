package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// secrecyFor is how long TestNoCallerReceivesWhatItMayNot goes on with further seeds after its fixed ones.
var secrecyFor = flag.Duration("secrecy", 0, "go on with further seeds for so long")

// holder is whose a value is: a client, and what one has to hold to read it.
type holder struct{ client, scope string }

// holdings are the values of all records of the backends, and whose they are. A value can be in several records.
type holdings map[string][]holder

// shortest is the length from which on a value differs from a common word.
const shortest = 6

// add takes every text in a value.
func (h holdings) add(of holder, value any) {
	switch value := value.(type) {
	case string:
		if len(value) >= shortest && !slices.Contains(h[value], of) {
			h[value] = append(h[value], of)
		}
	case []any:
		for _, v := range value {
			h.add(of, v)
		}
	case map[string]any:
		for _, v := range value {
			h.add(of, v)
		}
	}
}

// raw asks a backend itself.
func raw(t *testing.T, e *emulator.Emulator, method, path, authorization, body string) any {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: got %d %.200s", method, path, w.Code, w.Body)
	}
	return v
}

// holdingsOf reads all records. Clients are named by id in both backends.
func holdingsOf(t *testing.T, e *emulator.Emulator) holdings {
	t.Helper()
	h := holdings{}
	list, _ := member(raw(t, e, "GET", "/incoming/v2/clients?count=100", "Bearer "+emulator.APIKey, ""), "clients").([]any)
	for _, c := range list {
		h.add(holder{fmt.Sprint(member(c, "id")), "clients:read"}, c)
	}
	grant, _ := json.Marshal(map[string]string{"client_id": emulator.ClientID, "client_secret": emulator.ClientSecret,
		"audience": emulator.Audience, "grant_type": "client_credentials"})
	token := fmt.Sprint("Bearer ", member(raw(t, e, "POST", "/oauth/token", "", string(grant)), "access_token"))
	for _, c := range e.Clients() {
		h.add(holder{c.Identifier, "clients:read"}, raw(t, e, "GET", "/api/v1/headless/client/"+url.PathEscape(c.Identifier), emulator.Authorization, ""))
		for _, u := range e.Users(c.Identifier) {
			h.add(holder{c.Identifier, "users:read"}, raw(t, e, "GET", "/api/v1/headless/user/"+url.PathEscape(u.Identifier), emulator.Authorization, ""))
			found := raw(t, e, "POST", "/core/v1/users/search", token, fmt.Sprintf(`{"authenticationProvider":{"subjectId":%q}}`, u.Identifier))
			identity, _ := member(member(found, "data"), 0).(map[string]any)
			h.add(holder{c.Identifier, "claims:read"}, identity["claims"])
			delete(identity, "claims")
			h.add(holder{c.Identifier, "identities:read"}, identity)
			h.add(holder{c.Identifier, "identities:read"}, raw(t, e, "GET", "/core/v1/users/"+u.IdentityID+"/credentials", token, ""))
		}
	}
	return h
}

// suspect is a caller with the values that it must not see.
type suspect struct {
	key     string
	scopes  []string
	clients []string
	bound   bool
	// may is all that the caller may read, as one text.
	may string
}

func (s *suspect) sees(all []holder) bool {
	return slices.ContainsFunc(all, func(h holder) bool {
		return slices.Contains(s.scopes, h.scope) && (!s.bound || slices.Contains(s.clients, h.client))
	})
}

// learn works out the values that the caller may read.
func (s *suspect) learn(h holdings) {
	var b strings.Builder
	if s.bound {
		// Its own names for these are in the cursors of lists through their records.
		b.WriteString(strings.Join(s.clients, "\n") + "\n")
	}
	for value, all := range h {
		if s.sees(all) {
			b.WriteString(value + "\n")
		}
	}
	s.may = b.String()
}

// entry is the caller as the file of keys has it.
func (s *suspect) entry() map[string]any {
	e := map[string]any{"scopes": s.scopes}
	if s.bound {
		e["clients"] = s.clients
	}
	return e
}

// suspects are callers with random scopes and bindings, whole one without a bound.
func suspects(rng *rand.Rand, clients []emulator.ClientRef, n int) (list []*suspect, file map[string]map[string]any) {
	all := []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "fresh", "explain"}
	whole := &suspect{key: "whole", scopes: append(slices.Clone(all), "delete")}
	list = append(list, whole)
	for i := range n {
		s := &suspect{key: fmt.Sprint("suspect-", i), bound: rng.IntN(3) > 0, clients: []string{}}
		for _, scope := range all {
			if rng.IntN(3) > 0 {
				s.scopes = append(s.scopes, scope)
			}
		}
		for _, c := range clients {
			if s.bound && rng.IntN(3) == 0 {
				s.clients = append(s.clients, c.Identifier)
			}
		}
		list = append(list, s)
	}
	file = map[string]map[string]any{}
	for _, s := range list {
		file[s.key] = s.entry()
	}
	return list, file
}

// encoded is what may be a global id, a cursor, or anything else in base64.
var encoded = regexp.MustCompile(`[A-Za-z0-9_-]{12,}`)

// unfold adds to a text the texts encoded in it, and those in these.
func unfold(text string) string {
	out := text
	for range 3 {
		var inner strings.Builder
		for _, part := range encoded.FindAllString(text, -1) {
			if plain, err := base64.RawURLEncoding.DecodeString(part); err == nil {
				inner.Write(plain)
				inner.WriteByte('\n')
			}
		}
		text = inner.String()
		out += "\n" + text
	}
	return out
}

// textsIn returns every text of a JSON value.
func textsIn(v any) []string {
	all := holdings{}
	all.add(holder{}, v)
	return slices.Collect(maps.Keys(all))
}

// leaks are the values of an answer that the caller may not see; proper are those that are somebody's at all.
func (h holdings) leaks(s *suspect, w *httptest.ResponseRecorder) (leaks, proper []string) {
	var v any
	_ = json.Unmarshal(w.Body.Bytes(), &v)
	for _, text := range textsIn(v) {
		if all := h[text]; len(all) > 0 {
			proper = append(proper, text)
			if !s.sees(all) {
				leaks = append(leaks, text)
			}
		}
	}
	haystack := unfold(w.Body.String() + fmt.Sprint(w.Header()))
	for value, all := range h {
		if s.sees(all) || !distinct(value) || strings.Contains(s.may, value) {
			continue
		}
		if strings.Contains(haystack, value) || strings.Contains(haystack, jsonText(value)) {
			leaks = append(leaks, value)
		}
	}
	return leaks, proper
}

// distinct reports whether a value can be found in any text: it names one record.
func distinct(value string) bool {
	return strings.ContainsAny(value, "0123456789@") && len(value) >= 2*shortest
}

// way is one of the ways to send an operation.
type way struct {
	method, path string
	explain      bool
}

func (p *program) ask(t *testing.T, key, query string, by way) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	target := by.path
	switch by.method {
	case "GET":
		target += "?query=" + url.QueryEscape(query)
		body = nil
	case "BATCH":
		body = slices.Concat([]byte(`[{"query":"{ __typename }"},`), body, []byte("]"))
	}
	r := httptest.NewRequestWithContext(t.Context(), map[string]string{"BATCH": "POST"}[by.method]+strings.TrimPrefix(by.method, "BATCH"), target, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	if by.explain {
		r.Header.Set("X-Learngraph-Explain", "1")
	}
	return p.send(r)
}

func (q *querist) way() way {
	return pick(q.rng, way{"POST", "/graphql", false}, way{"POST", "/graphql", true}, way{"GET", "/graphql", false}, way{"GET", "/graphql", true},
		way{"BATCH", "/graphql", true}, way{"POST", "/graphql/plan", false})
}

// attempt is an operation with which a caller may try to read another's records: a query, a further page, a search, or a
// write that answers with the record.
func (q *querist) attempt(n int) string {
	c, u := q.client(), q.user()
	switch q.rng.IntN(14) {
	case 0:
		return fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, metadata: {n: %d}}) { user { %s client { name } identity { sourceId claims } } userErrors { code message path } } }`, u.Identifier, n, userFields)
	case 1:
		return fmt.Sprintf(`mutation { w: updateEmbedClient(input: {by: {sourceId: %q}, metadata: {n: %d}}) { embedClient { %s users { nodes { name sourceId } } } userErrors { code message path } } }`, c.Identifier, n, embedFields)
	case 2:
		return fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {n: %d}}) { identity { %s user { name } credentials { nodes { id } } } userErrors { code message path } } }`, u.IdentityID, n, identityFields)
	case 3:
		return fmt.Sprintf(`{ clients(first: 1, query: %q) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { name } } } }`, c.Name[:3])
	case 4:
		return fmt.Sprintf(`{ identities(first: 1, filter: {claims: {email: "person%d@mail.example"}}) { pageInfo { hasNextPage endCursor } edges { cursor node { sourceId } } } }`, 1+q.rng.IntN(len(q.users)))
	case 5:
		return fmt.Sprintf(`{ users(first: %d) { pageInfo { hasNextPage startCursor endCursor } edges { cursor node { sourceId name } } } embedClients(first: %[1]d) { pageInfo { hasNextPage endCursor } edges { cursor node { userCount } } } }`, 1+q.rng.IntN(4))
	case 6:
		return fmt.Sprintf(`{ clients(first: %d) { totalCount aggregations { label buckets { count } } pageInfo { hasNextPage endCursor } edges { cursor } } identities(first: %[1]d) { pageInfo { hasNextPage endCursor } edges { cursor } } }`, 1+q.rng.IntN(4))
	case 7:
		return fmt.Sprintf(`{ identities(first: %d) { nodes { id claims user { name } } } users(first: %[1]d) { nodes { ...F } } } fragment F on User { mine: identity { claims credentials { edges { node { id } } } } }`, 1+q.rng.IntN(12))
	}
	return q.query()
}

// secrecyWorld are the backends of one seed.
func secrecyWorld(seed uint64) emulator.Options {
	return emulator.Options{Clients: 4, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: 1, UsersPerClient: 3,
		CredentialsPerUser: 1, ProviderInList: seed%2 == 0, StringLists: seed%3 == 2, Seed: seed}
}

const (
	secrecySteps = 120
	// secrecySuspects is how many callers there are besides the one who may do anything.
	secrecySuspects = 8
)

// tagLeak returns the part of headers for shared caches that a caller may not know.
func tagLeak(s *suspect, h http.Header) string {
	tags, tagged := h["Cache-Tag"]
	switch {
	case tagged && s.bound:
		return "a caller who is bound to clients gets tags"
	case tagged && !slices.Contains(s.scopes, "clients:read"):
		return "a caller who may not read clients gets tags"
	case tagged && !strings.HasPrefix(h.Get("Cache-Control"), "public"):
		return "an answer for its caller alone has tags"
	case tagged && slices.ContainsFunc(strings.Split(tags[0], ","), func(tag string) bool { return !opaque.MatchString(tag) }):
		return "a tag is no digest"
	case s.bound && h.Get("Cache-Status") != "Learngraph; detail=withheld":
		return "a caller who is bound to clients gets to know of the cache"
	}
	return ""
}

// No caller without a scope, or bound to other clients, receives any value of a hidden record: not in data, errors,
// headers, ids, cursors or the explain view, whichever operation it sends in which way, and though others who may see it
// ask the same before.
func TestNoCallerReceivesWhatItMayNot(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 21))
			options := secrecyWorld(seed)
			callers, file := suspects(rng, emulator.New(options).Clients(), secrecySuspects)
			p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, file), "CACHE_TTL": "60s",
				"MAX_COST": "0", "EXPLAIN": "true", "THOUGHTINDUSTRIES_GZIP": "false", "PUBLIC_CATALOG": "true", "CDN_TAG_HEADER": "Cache-Tag"}})
			h := holdingsOf(t, p.backends)
			for _, s := range callers {
				s.learn(h)
			}
			q := newQuerist(p.backends, rng)
			shown := map[string]bool{}
			for n := range secrecySteps {
				query := q.attempt(n)
				order := []*suspect{callers[0], pick(rng, callers...), pick(rng, callers...), pick(rng, callers...)}
				if q.chance(3) || strings.HasPrefix(query, "mutation") {
					order = order[1:]
				}
				for _, s := range order {
					by := q.way()
					if strings.HasPrefix(query, "mutation") {
						by.method = "POST"
					}
					w := p.ask(t, s.key, query, by)
					leaks, proper := h.leaks(s, w)
					if len(leaks) > 0 {
						t.Fatalf("seed %d, step %d: %s with %v, bound %v to %v, asks %s\nby %+v and sees %q:\n%s", seed, n, s.key, s.scopes, s.bound, s.clients, query, by, leaks, w.Body)
					}
					if why := tagLeak(s, w.Header()); why != "" {
						t.Fatalf("seed %d, step %d: %s asks %s\nby %+v: %s: %v", seed, n, s.key, query, by, why, w.Header())
					}
					for _, text := range proper {
						for _, of := range h[text] {
							shown[of.scope] = true
						}
					}
					if !slices.Contains(s.scopes, "explain") && strings.Contains(w.Body.String(), `"explain"`) {
						t.Fatalf("%s sees how the answer came about: %s", s.key, w.Body)
					}
				}
				if q.chance(10) {
					time.Sleep(time.Duration(1+rng.IntN(90)) * time.Second)
				}
			}
			if got := slices.Sorted(maps.Keys(shown)); len(got) != 4 {
				t.Errorf("seed %d: who may see values saw those of %v alone: the run shows nothing of the others", seed, got)
			}
		})
	}
	const seeds = 3
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			run(t, seed)
		})
	}
	end := time.Now().Add(*secrecyFor)
	for seed := uint64(seeds); time.Now().Before(end) && !t.Failed(); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { run(t, seed) })
	}
}

// Whether there are other clients, and how many with which users, makes no difference to a caller who is bound to one:
// not to totals, pages, cursors, errors or the result of a write.
func TestAnswersToABoundCallerDoNotDependOnOthers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				crowded := secrecyWorld(seed)
				lonely := crowded
				lonely.Clients = 1
				mine := emulator.New(lonely).Clients()[0]
				file := keysFile(t, map[string]map[string]any{"bound": {"clients": []string{mine.Identifier},
					"scopes": []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write"}}})
				link := []string{"subjectId", "id", "claims.campus"}[seed%3]
				crowded.LinkUser, lonely.LinkUser = link, link
				env := map[string]string{"AUTH": "keys", "API_KEYS_FILE": file, "CACHE_TTL": "60s", "MAX_COST": "0", "LINK_USER": link, "THOUGHTINDUSTRIES_GZIP": "false"}
				among, alone := start(t, setup{Emulator: crowded, Env: env}), start(t, setup{Emulator: lonely, Env: env})
				q := newQuerist(among.backends, rand.New(rand.NewPCG(seed, 22)))
				for n := range secrecySteps {
					query := q.attempt(n)
					want := alone.ask(t, "bound", query, way{method: "POST", path: "/graphql"}).Body.String()
					got := among.ask(t, "bound", query, way{method: "POST", path: "/graphql"}).Body.String()
					if diff := cmp.Diff(settledAnswer(want), settledAnswer(got)); diff != "" {
						t.Fatalf("seed %d, step %d: %s (-alone +among others):\n%s", seed, n, query, diff)
					}
				}
			})
		})
	}
}

// The list of all users is read where others have few of them, and shows where a client's users end.
func TestAFullPageOfABoundCallerIsTheSameAmongFewAndMany(t *testing.T) {
	t.Parallel()
	const query = `{ embedClients { nodes { two: users(first: 2) { pageInfo { hasNextPage } } three: users(first: 3) { pageInfo { hasNextPage } } four: users(first: 4) { pageInfo { hasNextPage } } } } }`
	var first string
	for _, clients := range []int{1, 2, 4, 40, 400} {
		options := emulator.Options{Clients: clients, Linked: true, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 3, CredentialsPerUser: -1}
		own := emulator.New(options).Clients()[0].Identifier
		p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
			"bound": {"scopes": []string{"clients:read", "users:read"}, "clients": []string{own}}})}})
		for range 2 {
			got := p.ask(t, "bound", query, way{method: "POST", path: "/graphql"}).Body.String()
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("among %d clients: got %s, alone %s", clients, got, first)
			}
		}
	}
}

// settledAnswer is an answer without the order of its errors, which is open.
func settledAnswer(body string) any {
	var v map[string]any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	if list, ok := v["errors"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// A caller whose clients are far behind in the backend's lists gets them on its first page, with pages that follow on.
func TestABoundCallerPagesThroughItsOwnRecords(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 40, Linked: true, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: -1}
	clients := emulator.New(options).Clients()
	own := []string{clients[33].Identifier, clients[39].Identifier, "none", clients[36].Identifier}
	p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"bound": {"scopes": []string{"clients:read", "users:read", "identities:read"}, "clients": own}})}})
	for list, want := range map[string]int{`clients(first: %d, after: %s)`: 3, `embedClients(first: %d, after: %s)`: 3, `users(first: %d, after: %s)`: 6,
		`identities(first: %d, after: %s)`: 6, `clients(first: %d, after: %s, sort: "name")`: 3,
		`identities(first: %d, after: %s, filter: {authenticationProvider: {providerId: "` + emulator.ProviderID + `"}})`: 6} {
		for _, size := range []int{1, 2, 5} {
			seen := map[any]bool{}
			after := "null"
			for range want + 2 {
				a := p.asKey(t, "bound", fmt.Sprintf("{ list: "+list+" { nodes { sourceId } pageInfo { endCursor hasNextPage } } }", size, after))
				nodes, _ := a.get(t, "data", "list", "nodes").([]any)
				for _, n := range nodes {
					seen[member(n, "sourceId")] = true
				}
				if len(a.Errors) > 0 || len(nodes) > size {
					t.Fatalf("%s: got %s", list, a.raw)
				}
				if a.get(t, "data", "list", "pageInfo", "hasNextPage") != true || len(nodes) == 0 {
					break
				}
				after = fmt.Sprintf("%q", a.get(t, "data", "list", "pageInfo", "endCursor"))
			}
			if len(seen) != want {
				t.Errorf("%s by %d: got %d records, want %d", list, size, len(seen), want)
			}
		}
	}
}
