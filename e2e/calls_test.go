package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// The calls for 25 clients of 4 users, all linked, on a server that has seen nothing: all users are two pages of the whole
// list, which costs less than a filtered list for each client. The list of identities is tried once; where it does not
// carry the key that joins, each user takes a search.
var (
	listOnly  = []string{"GET /incoming/v2/clients 1"}
	withUsers = []string{"GET /incoming/v2/clients 1", "GET /v1/headless/users 2"}
	withAll   = []string{"GET /core/v1/users 1", "GET /core/v1/users/{userId}/credentials 100", "GET /incoming/v2/clients 1",
		"GET /v1/headless/users 2", "POST /core/v1/users/search 100", "POST /oauth/token 1"}
	withKeys = []string{"GET /core/v1/users 1", "GET /core/v1/users/{userId}/credentials 100", "GET /incoming/v2/clients 1",
		"GET /v1/headless/users 2", "POST /oauth/token 1"}
)

func TestANestedQueryMakesTheFewestCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		want        []string
		keys        bool // MATTR's list carries the key that joins
	}{
		{name: "courses come with the clients", want: listOnly,
			query: `{ clients { nodes { name courses { nodes { title } } learningPaths { nodes { name } } licenses { name } } } }`},
		{name: "users are the pages of the whole list", want: withUsers,
			query: `{ clients { nodes { name users { nodes { name } } } } }`},
		{name: "identities and credentials cost a call for each user", want: withAll,
			query: `{ clients { nodes { users { nodes { name identity { sourceId } credentials { nodes { type } } } } } } }`},
		{name: "identities cost one call where the list shows the key that joins", want: withKeys, keys: true,
			query: `{ clients { nodes { users { nodes { name identity { sourceId } credentials { nodes { type } } } } } } }`},
		{name: "through edges", want: withAll,
			query: `{ clients { edges { node { users { edges { node { name identity { sourceId } credentials { edges { node { type } } } } } } } } } }`},
		{name: "through edges and nodes at once", want: withAll,
			query: `{ clients { nodes { users { nodes { credentials { nodes { type } } } } } edges { node { users { edges { node { identity { claims } } } } } } } }`},
		{name: "under aliases", want: withAll,
			query: `{ clients { nodes { a: users { nodes { x: credentials { nodes { id } } y: identity { claims } } } b: users { nodes { z: credentials { nodes { type } } name } } } } }`},
		{name: "under fragments", want: withAll, query: `{ clients { nodes { ...A ...B } } }
			fragment A on Client { users { nodes { ...C } } }
			fragment B on Client { users { nodes { credentials { nodes { id } } } } }
			fragment C on User { identity { sourceId } credentials { nodes { type } } }`},
		{name: "through the record in Coassemble", query: `{ clients { nodes { users { nodes { name } } embed { users { nodes { name } } } } } }`,
			want: []string{"GET /incoming/v2/clients 1", "GET /v1/headless/clients 1", "GET /v1/headless/users 2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1,
				CredentialsPerUser: 1, ProviderInList: test.keys}})
			a := p.post(t, test.query, nil)
			if len(a.Errors) > 0 {
				t.Fatalf("got errors %v", a.failures())
			}
			if diff := cmp.Diff(test.want, p.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWarmQueryMakesNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, CredentialsPerUser: 1},
			Env: map[string]string{"CACHE_TTL": "60s"}})
		const query = `{ clients { nodes { users { nodes { name identity { sourceId } credentials { nodes { type } } } } } } }`
		cold := p.post(t, query, nil)
		p.backends.Reset()
		for name, again := range map[string]string{
			"the same":                       query,
			"through edges":                  `{ clients { edges { node { users { edges { node { identity { claims } credentials { nodes { id } } } } } } } } }`,
			"back to where it came from":     `{ clients { nodes { users { nodes { client { name } } } } } }`,
			"single users, by the page":      `{ clients { nodes { users(first: 25) { nodes { sourceId } } } } }`,
			"what was looked up on the side": `{ clients { nodes { slug } } }`,
		} {
			if a := p.post(t, again, nil); len(a.Errors) > 0 {
				t.Errorf("%s: got errors %v", name, a.failures())
			}
			if got := p.calls(); len(got) > 0 {
				t.Errorf("%s: got calls %v", name, got)
			}
		}
		if len(cold.Errors) > 0 {
			t.Errorf("got errors %v", cold.failures())
		}
	})
}

func TestPagesOfALargeListShareOneScan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 250, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, CredentialsPerUser: 1},
			Env: map[string]string{"CACHE_TTL": "60s"}})
		var after any
		clients, users := 0, 0
		for range 10 {
			a := p.post(t, `query($after: String) { clients(first: 25, after: $after) { nodes { users { nodes { name } } } pageInfo { endCursor } } }`,
				map[string]any{"after": after})
			var page struct {
				Data struct {
					Clients struct {
						Nodes []struct {
							Users struct{ Nodes []struct{ Name string } }
						}
						PageInfo struct{ EndCursor string }
					}
				}
			}
			if err := json.Unmarshal(a.raw, &page); err != nil || len(a.Errors) > 0 {
				t.Fatalf("got %v, errors %v", err, a.failures())
			}
			clients += len(page.Data.Clients.Nodes)
			for _, c := range page.Data.Clients.Nodes {
				users += len(c.Users.Nodes)
			}
			after = page.Data.Clients.PageInfo.EndCursor
		}
		if clients != 250 || users != 1000 {
			t.Errorf("got %d clients and %d users, want 250 and 1000", clients, users)
		}
		if diff := cmp.Diff([]string{"GET /incoming/v2/clients 10", "GET /v1/headless/users 11"}, p.calls()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestTheBackendsConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	p := start(t, setup{
		Emulator: emulator.Options{Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, CredentialsPerUser: 1},
		Env:      map[string]string{"COASSEMBLE_CONCURRENCY": "3", "MATTR_CONCURRENCY": "2"},
	})
	a := p.post(t, `{ clients { nodes { users { nodes { credentials { nodes { type } } } } } } }`, nil)
	if len(a.Errors) > 0 {
		t.Fatalf("got errors %v", a.failures())
	}
	for b, most := range map[emulator.Backend]int{emulator.Coassemble: 3, emulator.MATTR: 2} {
		if got := p.backends.MaxConcurrent(b); got > most {
			t.Errorf("%s had %d calls at once, want at most %d", b, got, most)
		}
	}
}

// Fields of one level that differ in their arguments leave together, like one field of many parents.
func TestAliasesAreOneBatch(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 5, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: 1}
	refs := emulator.New(options)
	defer refs.Close()
	each := func(format string, key func(emulator.ClientRef) string) string {
		var fields []string
		for i, c := range refs.Clients() {
			fields = append(fields, fmt.Sprintf("a%d: "+format, i, key(c)))
		}
		return "{ " + strings.Join(fields, " ") + " }"
	}
	user := func(c emulator.ClientRef) emulator.UserRef { return refs.Users(c.Identifier)[1] }
	tests := []struct {
		name, query string
		want        []string
	}{
		{"users by key", each(`user(by: {sourceId: %q}) { name }`, func(c emulator.ClientRef) string { return user(c).Identifier }), []string{"GET /v1/headless/users 1"}},
		{"embed clients by key", each(`embedClient(by: {sourceId: %q}) { userCount }`, func(c emulator.ClientRef) string { return c.Identifier }),
			[]string{"GET /v1/headless/clients 1"}},
		{"clients by key", each(`client(by: {slug: %q}) { name }`, func(c emulator.ClientRef) string { return c.Slug }), []string{"GET /incoming/v2/clients 1"}},
		{"identities by key", each(`identity(by: {sourceId: %q}) { claims }`, func(c emulator.ClientRef) string { return user(c).IdentityID }),
			[]string{"GET /core/v1/users 1", "POST /oauth/token 1"}},
		{"nodes", each(`node(id: %q) { id }`, func(c emulator.ClientRef) string { return scalar.EncodeID(scalar.UserNode, user(c).Identifier) }),
			[]string{"GET /v1/headless/users 1"}},
		{"clients' users", each(`users(clientIdentifier: %q) { nodes { name } }`, func(c emulator.ClientRef) string { return c.Identifier }),
			[]string{"GET /v1/headless/users 1"}},
		{"pages of one list", `{ clients { nodes { a: users(first: 1) { nodes { name } } b: users(first: 2) { nodes { name } } } } }`,
			[]string{"GET /incoming/v2/clients 1", "GET /v1/headless/users 1"}},
		{"a list beside", fmt.Sprintf(`{ all: users(first: 3) { nodes { name } } mine: users(clientIdentifier: %q) { nodes { name } } clients(first: 1) { nodes { name } } other: clients(first: 2) { nodes { name } } }`,
			refs.Clients()[0].Identifier), []string{"GET /incoming/v2/clients 2", "GET /v1/headless/users 2"}},
		{"one that is refused", fmt.Sprintf(`{ a: user(by: {sourceId: %q}) { name } b: user(by: {sourceId: ""}) { name } c: user(by: {sourceId: %q}) { name } }`,
			user(refs.Clients()[0]).Identifier, user(refs.Clients()[1]).Identifier), []string{"GET /v1/headless/users 1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options
				o.Latency = time.Second
				p := start(t, setup{Emulator: o})
				began := time.Now()
				a := p.post(t, test.query, nil)
				if diff := cmp.Diff(test.want, p.calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if took, most := time.Since(began), 2*time.Second; took > most {
					t.Errorf("took %v, more than two calls one after the other", took)
				}
				if len(a.Errors) > 0 && test.name != "one that is refused" {
					t.Errorf("got errors %v", a.failures())
				}
			})
		})
	}
}

// Operations that look for different clients at once read the pages of the list together.
func TestLookupsShareTheirPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 3, CoursesPerClient: 1, LearningPathsPerClient: -1, Latency: time.Second},
			Env: map[string]string{"CACHE_TTL": "60s"}})
		var wg sync.WaitGroup
		for n := range 9 {
			c := p.backends.Clients()[n%3]
			wg.Go(func() {
				a := p.post(t, fmt.Sprintf(`{ a%d: client(by: {sourceId: %q}) { name } }`, n, c.ID), nil)
				if got := a.get(t, "data", fmt.Sprint("a", n), "name"); got != c.Name {
					t.Errorf("got %v, want %s", got, c.Name)
				}
			})
		}
		wg.Wait()
		// The search does not know ids, so that each id is searched for once, and one page of all clients has them.
		if diff := cmp.Diff([]string{"GET /incoming/v2/clients 4"}, p.calls()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
