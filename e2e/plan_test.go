package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// callsPlanned asks for the most calls that an operation makes, by backend.
func (p *program) callsPlanned(t *testing.T, query string) map[string]int {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql/plan", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	var out struct {
		Data struct {
			Plan struct{ Calls map[string]int }
		}
		Errors []answerError
	}
	w := p.send(r)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || len(out.Errors) > 0 {
		t.Fatalf("got %v, %s: %s", err, w.Body, query)
	}
	return out.Data.Plan.Calls
}

// made are the calls that the backends got since the last reset. Getting a token is none of an operation's.
func (p *program) made() map[string]int {
	counts := map[string]int{}
	for _, c := range p.backends.Calls() {
		if !strings.HasPrefix(c.Route, "/oauth") {
			counts[string(c.Backend)]++
		}
	}
	return counts
}

// staysWithinPlan fails the test if an operation makes more calls than its plan.
func (p *program) staysWithinPlan(t *testing.T, what, query string) {
	t.Helper()
	plan := p.callsPlanned(t, query)
	p.backends.Reset()
	p.post(t, query, nil)
	for backend, made := range p.made() {
		if made > plan[backend] {
			t.Errorf("%s: %d calls of %s, %d are planned: %v: %s", what, made, backend, plan[backend], p.calls(), query)
		}
	}
}

func bare(o emulator.Options) emulator.Options {
	o.CoursesPerClient, o.LearningPathsPerClient = -1, -1
	return o
}

// On a server that has seen nothing, lists that turn out to be long are read in vain, and lookups search and read pages.
func TestLongListsKeepToThePlan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		world   emulator.Options
		queries []string
	}{
		"lookups in more pages than a scan reads": {emulator.Options{Clients: 20_000, UsersPerClient: -1}, []string{
			`{ embedClients(first: 100) { nodes { client { name } } } }`,
			`{ embedClients(first: 3) { nodes { client { name } } } a: embedClients(first: 40) { nodes { client { name } } } }`,
			`{ a: client(by: {slug: "none"}) { name } b: client(by: {sourceId: "none"}) { name } c: client(by: {sku: "none"}) { name } }`,
		}},
		"users in more pages than there are clients": {emulator.Options{Clients: 100, UsersPerClient: 60}, []string{
			`{ clients(first: 2) { nodes { users(first: 2) { nodes { name } } } } }`,
			`{ clients(first: 5) { nodes { users(first: 2) { nodes { name } } } } }`,
			`{ clients(first: 30) { nodes { users(first: 2) { nodes { name identity { sourceId } } } } } }`,
		}},
		"embed clients by key": {emulator.Options{Clients: 1000, UsersPerClient: 1, CredentialsPerUser: -1}, []string{
			`{ clients(first: 4) { nodes { embed { sourceId } } } }`,
			`{ clients(first: 8) { nodes { embed { sourceId } users(first: 1) { nodes { embedClient { userCount } client { name } } } } } }`,
		}},
		"identities of users": {emulator.Options{Clients: 10, UsersPerClient: 50, ProviderInList: true}, []string{
			`{ users(first: 3) { nodes { identity { sourceId } } } }`,
			`{ users(first: 4) { nodes { identity { sourceId user { name } } credentials { nodes { type } } } } }`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: bare(test.world), Env: map[string]string{"OPERATION_TIMEOUT": "60s", "MAX_COST": "0"}})
			for _, query := range test.queries {
				p.staysWithinPlan(t, name, query)
			}
		})
	}
}

// A write discards earlier reads, so that each one may look everything up again.
func TestWritesKeepToThePlan(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: bare(emulator.Options{Clients: 6000, Linked: true, UsersPerClient: 1}), Env: map[string]string{"MAX_COST": "0"}})
	user := func(i int) string { return p.backends.Users(p.backends.Clients()[i].Identifier)[0].Identifier }
	p.staysWithinPlan(t, "two writes", fmt.Sprintf(`mutation {
		a: updateUser(input: {by: {sourceId: %q}, name: "a"}) { user { client { name } identity { sourceId } } }
		b: updateUser(input: {by: {sourceId: %q}, name: "b"}) { user { client { name } embedClient { userCount } } }
	}`, user(4990), user(5990)))
}

// documents makes random operations that are valid. Its keys exist or not.
type documents struct {
	*rand.Rand
	world   *emulator.Emulator
	aliases *int
}

func (d documents) pick(fields ...func() string) string { return fields[d.IntN(len(fields))]() }

func (d documents) first(most int) string { return fmt.Sprintf("first: %d", 1+d.IntN(most)) }

// some is up to three fields under aliases of their own.
func (d documents) some(depth int, fields ...func() string) string {
	text := "__typename"
	for range 1 + d.IntN(3) {
		if depth <= 0 {
			break
		}
		*d.aliases++
		text += fmt.Sprint(" f", *d.aliases, ": ")
		text += d.pick(fields...)
	}
	return "{ " + text + " }"
}

func (d documents) list(field, arguments string, of func() string) string {
	return field + "(" + arguments + ") { nodes " + of() + " }"
}

func (d documents) clientRef() emulator.ClientRef {
	all := d.world.Clients()
	if len(all) == 0 || d.IntN(5) == 0 {
		return emulator.ClientRef{ID: "none", Slug: "none", SKU: "none", Identifier: "none"}
	}
	return all[d.IntN(len(all))]
}

func (d documents) userRef() emulator.UserRef {
	all := d.world.Users(d.clientRef().Identifier)
	if len(all) == 0 {
		return emulator.UserRef{Identifier: "none", IdentityID: "6b3af370-6665-415e-84c6-ff632114ecfb"}
	}
	return all[d.IntN(len(all))]
}

func (d documents) client(depth int) string {
	return d.some(depth, func() string { return "embed " + d.embedClient(depth-1) },
		func() string { return d.list("users", d.first(5), func() string { return d.user(depth - 1) }) },
		func() string { return "licenses { client " + d.client(depth-2) + " }" })
}

func (d documents) embedClient(depth int) string {
	return d.some(depth, func() string { return "client " + d.client(depth-1) },
		func() string { return d.list("users", d.first(5), func() string { return d.user(depth - 1) }) })
}

func (d documents) user(depth int) string {
	return d.some(depth, func() string { return "client " + d.client(depth-1) }, func() string { return "embedClient " + d.embedClient(depth-1) },
		func() string { return "identity " + d.identity(depth-1) },
		func() string { return d.list("credentials", d.first(5), func() string { return "{ id }" }) })
}

func (d documents) identity(depth int) string {
	return d.some(depth, func() string { return "user " + d.user(depth-1) },
		func() string { return d.list("credentials", d.first(5), func() string { return "{ id }" }) })
}

func (d documents) operation() string {
	const depth = 3
	by := func(field, key, value string, below string) string {
		return fmt.Sprintf("%s(by: {%s: %q}) %s", field, key, value, below)
	}
	return d.some(1, func() string { return d.list("clients", d.first(30), func() string { return d.client(depth) }) },
		func() string {
			return d.list("embedClients", d.first(100), func() string { return d.embedClient(depth) })
		},
		func() string { return d.list("users", d.first(100), func() string { return d.user(depth) }) },
		func() string {
			return d.list("users", d.first(5)+fmt.Sprintf(", clientIdentifier: %q", d.clientRef().Identifier), func() string { return d.user(depth) })
		},
		func() string { return d.list("identities", d.first(50), func() string { return d.identity(depth) }) },
		func() string { return by("client", "slug", d.clientRef().Slug, d.client(depth)) },
		func() string { return by("client", "sourceId", d.clientRef().ID, d.client(depth)) },
		func() string { return by("embedClient", "sourceId", d.clientRef().Identifier, d.embedClient(depth)) },
		func() string { return by("user", "sourceId", d.userRef().Identifier, d.user(depth)) },
		func() string { return by("identity", "sourceId", d.userRef().IdentityID, d.identity(depth)) },
		func() string {
			return fmt.Sprintf("nodes(ids: [%q, %q, %q, %q]) { ... on User %s ... on Client %s }", scalar.EncodeID(scalar.UserNode, d.userRef().Identifier),
				scalar.EncodeID(scalar.UserNode, d.userRef().Identifier), scalar.EncodeID(scalar.ClientNode, d.clientRef().ID),
				scalar.EncodeID(scalar.IdentityNode, d.userRef().IdentityID), d.user(depth), d.client(depth))
		})
}

// The calls of an operation are never more than its plan's, whatever the document, the sizes of the lists and the content
// of the cache.
func TestNoOperationMakesMoreCallsThanItsPlan(t *testing.T) {
	t.Parallel()
	worlds := 40
	if testing.Short() {
		worlds = 10
	}
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			options := bare(emulator.Options{Seed: seed, Clients: 1 + int(random.ExpFloat64()*150), UsersPerClient: 1 + random.IntN(12), CredentialsPerUser: 1,
				Linked: random.IntN(2) == 0, ProviderInList: random.IntN(2) == 0, NamesOthers: random.IntN(2) == 0, ETags: random.IntN(3) == 0})
			env := map[string]string{"MAX_COST": "0", "OPERATION_TIMEOUT": "60s", "OPERATION_CALLS": "100000", "THOUGHTINDUSTRIES_GZIP": "false"}
			if random.IntN(2) == 0 {
				env["CACHE_TTL"] = "60s"
			}
			if random.IntN(4) == 0 {
				env["COALESCE"] = "false"
			}
			p := start(t, setup{Emulator: options, Env: env})
			d := documents{random, p.backends, new(int)}
			for range 6 {
				p.staysWithinPlan(t, fmt.Sprintf("%d clients of %d users", options.Clients, options.UsersPerClient), d.operation())
			}
		})
	}
}

func TestAPlanWarnsOfTheLimitsOfTheServer(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"OPERATION_CALLS": "5", "MAX_COST": "900"}})
	for query, want := range map[string][]string{
		`{ clients(first: 1) { nodes { name } } }`:                                                         nil,
		`{ clients(first: 3) { nodes { users(first: 3) { nodes { credentials { nodes { type } } } } } } }`: {"MAX_COST is 900", "OPERATION_CALLS"},
	} {
		body, err := json.Marshal(map[string]any{"query": query})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql/plan", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		var out struct {
			Data struct {
				Plan struct{ Warnings []string }
			}
		}
		w := p.send(r)
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		got := out.Data.Plan.Warnings
		if len(got) != len(want) {
			t.Fatalf("got %q, want %d warnings: %s", got, len(want), query)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("got %q, want one of %s", got[i], want[i])
			}
		}
	}
}
