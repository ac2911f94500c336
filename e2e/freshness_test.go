package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// explained is an answer with extensions.explain.
type explained struct {
	*answer
	Calls []struct {
		Backend, Route    string
		Status, BatchSize int
		Bytes             int64
		Coalesced         bool
		Paths             []string
		Parameters        []struct{ Name, Value, Digest string }
	}
	Facts []struct {
		Backend, Key, Verdict, Reason string
	}
	CallsMade     int
	BytesReceived int64
}

// explain sends an operation with the explain header. header are names and values in turn.
func (p *program) explain(t *testing.T, query string, header ...string) *explained {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Learngraph-Explain", "1")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	e := &explained{answer: readAnswer(t, p.send(r))}
	text, err := json.Marshal(e.Extensions["explain"])
	if err == nil {
		err = json.Unmarshal(text, e)
	}
	if err != nil || len(e.Errors) > 0 {
		t.Fatalf("%s: got errors %v, %v", query, e.failures(), err)
	}
	return e
}

// exchanges are the calls as "route status", in the order of their names.
func (e *explained) exchanges() []string {
	list := []string{}
	for _, c := range e.Calls {
		list = append(list, fmt.Sprint(c.Route, " ", c.Status))
	}
	slices.Sort(list)
	return list
}

func (e *explained) verdicts() []string {
	list := []string{}
	for _, f := range e.Facts {
		kind, _, _ := strings.Cut(f.Key, ":")
		list = append(list, strings.TrimSpace(kind+" "+f.Verdict+" "+f.Reason))
	}
	slices.Sort(list)
	return list
}

// tagged starts a program whose backends send validators, and whose answers are never stale.
func tagged(t *testing.T, change func(*emulator.Options)) *program {
	t.Helper()
	o := emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: 2, ETags: true}
	if change != nil {
		change(&o)
	}
	return start(t, setup{Emulator: o, Env: map[string]string{"CACHE_TTL": "60s", "CACHE_STALE": "0s", "EXPLAIN": "true"}})
}

const pastTTL = 61 * time.Second

func TestUnchangedRecordsAreNotSentAgain(t *testing.T) {
	t.Parallel()
	catalogue := tagged(t, nil).backends
	client := catalogue.Clients()[1]
	user := catalogue.Users(client.Identifier)[0]
	tests := []struct {
		name, query string
		calls       []string
		verdicts    []string
		shows       string // an object of the answer, looked up alone
	}{
		{"a page of clients", `{ clients(first: 2) { totalCount aggregations { label } nodes { name slug } } }`,
			[]string{"GET /incoming/v2/clients 304"}, []string{"clientPage revalidated"},
			fmt.Sprintf(`{ a: client(by: {slug: %q}) { name } b: client(by: {sourceId: %q}) { slug } }`, client.Slug, client.ID)},
		{"a page of embed clients", `{ embedClients(first: 2) { nodes { sourceId metadata } } }`,
			[]string{"GET /v1/headless/clients 304"}, []string{"embedClientPage revalidated"},
			fmt.Sprintf(`{ embedClient(by: {sourceId: %q}) { created } }`, client.Identifier)},
		{"a page of all users", `{ users(first: 5) { nodes { sourceId name } pageInfo { hasNextPage } } }`,
			[]string{"GET /v1/headless/users 304"}, []string{"userPage revalidated"},
			fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user.Identifier)},
		{"a page of a client's users", fmt.Sprintf(`{ users(clientIdentifier: %q) { nodes { name } } }`, client.Identifier),
			[]string{"GET /v1/headless/users 304"}, []string{"userPage revalidated"},
			fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user.Identifier)},
		{"a page of identities", `{ identities(first: 5) { nodes { sourceId claims } } }`,
			[]string{"GET /core/v1/users 304"}, []string{"identityPage revalidated"},
			fmt.Sprintf(`{ identity(by: {sourceId: %q}) { claims } }`, user.IdentityID)},
		{"an embed client", fmt.Sprintf(`{ embedClient(by: {sourceId: %q}) { metadata userCount } }`, client.Identifier),
			[]string{"GET /v1/headless/client/{identifier} 304"}, []string{"embedClient revalidated"}, ""},
		{"a user", fmt.Sprintf(`{ user(by: {sourceId: %q}) { name avatar } }`, user.Identifier),
			[]string{"GET /v1/headless/user/{identifier} 304"}, []string{"user revalidated"}, ""},
		{"an identity and its credentials", fmt.Sprintf(`{ identity(by: {sourceId: %q}) { claims credentials { nodes { type } } } }`, user.IdentityID),
			[]string{"GET /core/v1/users/{id} 304", "GET /core/v1/users/{userId}/credentials 304"},
			[]string{"credentialPage revalidated", "identity revalidated"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := tagged(t, nil)
				want := p.explain(t, test.query)
				for range 2 {
					time.Sleep(pastTTL)
					got := p.explain(t, test.query)
					if diff := cmp.Diff(want.Data, got.Data); diff != "" {
						t.Errorf("answer (-first +then):\n%s", diff)
					}
					if diff := cmp.Diff(test.calls, got.exchanges()); diff != "" {
						t.Errorf("calls (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(test.verdicts, got.verdicts()); diff != "" {
						t.Errorf("verdicts (-want +got):\n%s", diff)
					}
					if got.BytesReceived != 0 {
						t.Errorf("received %d bytes", got.BytesReceived)
					}
				}
				p.backends.Reset()
				for _, again := range []string{test.query, test.shows} {
					if again == "" {
						continue
					}
					if a := p.post(t, again, nil); len(a.Errors) > 0 {
						t.Errorf("%s: got errors %v", again, a.failures())
					}
					if calls := p.calls(); len(calls) > 0 {
						t.Errorf("%s: got calls %v", again, calls)
					}
				}
			})
		})
	}
}

// Scans and lookups are many answers or one of many; none that still holds is sent again.
func TestAScanIsNotSentAgainPageByPage(t *testing.T) {
	t.Parallel()
	refs := tagged(t, nil).backends
	client := refs.Clients()[1]
	nodes := func(t scalar.NodeType, key func(emulator.ClientRef) string) string {
		var ids []string
		for _, c := range refs.Clients() {
			ids = append(ids, fmt.Sprintf("%q", scalar.EncodeID(t, key(c))))
		}
		return fmt.Sprintf(`{ nodes(ids: [%s]) { id ... on User { name } ... on EmbedClient { metadata } ... on Client { name } } }`, strings.Join(ids, ", "))
	}
	const nested = `{ clients { nodes { name users { nodes { name identity { claims credentials { nodes { type } } } } } } } }`
	tests := []struct {
		name, query string
		change      func(*emulator.Options)
		calls       []string // each in turn answered with 304 once it is asked again
	}{
		{"clients with users, identities and credentials", nested, nil, append(slices.Repeat([]string{"GET /core/v1/users/{userId}/credentials"}, 6),
			"GET /core/v1/users", "GET /incoming/v2/clients", "GET /v1/headless/users")},
		{"users of several pages", `{ clients { nodes { users { nodes { sourceId } } } } }`,
			func(o *emulator.Options) { o.UsersPerClient = 50; o.CredentialsPerUser = -1 },
			[]string{"GET /incoming/v2/clients", "GET /v1/headless/users", "GET /v1/headless/users"}},
		{"users by key", nodes(scalar.UserNode, func(c emulator.ClientRef) string { return refs.Users(c.Identifier)[0].Identifier }), nil,
			[]string{"GET /v1/headless/users"}},
		{"embed clients by key", nodes(scalar.EmbedClientNode, func(c emulator.ClientRef) string { return c.Identifier }), nil,
			[]string{"GET /v1/headless/clients"}},
		{"a client by id", fmt.Sprintf(`{ client(by: {sourceId: %q}) { name } }`, client.ID), nil, slices.Repeat([]string{"GET /incoming/v2/clients"}, 2)},
		{"a client by slug", fmt.Sprintf(`{ client(by: {slug: %q}) { name } }`, client.Slug), nil, []string{"GET /incoming/v2/clients"}},
		{"clients by key", nodes(scalar.ClientNode, func(c emulator.ClientRef) string { return c.ID }), nil, []string{"GET /incoming/v2/clients"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := tagged(t, func(o *emulator.Options) {
					o.ProviderInList = true
					if test.change != nil {
						test.change(o)
					}
				})
				want := p.explain(t, test.query)
				for round := range 3 {
					time.Sleep(pastTTL)
					got := p.explain(t, test.query)
					if diff := cmp.Diff(want.Data, got.Data); diff != "" {
						t.Errorf("answer (-first +then):\n%s", diff)
					}
					var calls []string
					for _, c := range test.calls {
						calls = append(calls, c+" 304")
					}
					slices.Sort(calls)
					if diff := cmp.Diff(calls, got.exchanges()); diff != "" {
						t.Errorf("round %d: calls (-want +got):\n%s", round, diff)
					}
				}
				elsewhere := p.sibling(t, nil)
				for _, u := range p.backends.Users(client.Identifier) {
					elsewhere.post(t, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, metadata: {new: 1}}) { userErrors { code } } }`, u.Identifier), nil)
				}
				time.Sleep(pastTTL)
				if diff := cmp.Diff(elsewhere.post(t, test.query, nil).Data, p.explain(t, test.query).Data); diff != "" {
					t.Errorf("after a change elsewhere (-there +here):\n%s", diff)
				}
			})
		})
	}
}

func TestChangedRecordsAreSentWhole(t *testing.T) {
	t.Parallel()
	const page = `{ users(first: 5) { nodes { sourceId name } } }`
	tests := []struct {
		name string
		// between is done after the page was read, on what changed the user of this name and key elsewhere.
		between func(t *testing.T, p *program, change func(string), single string)
		calls   []string
		changed bool
	}{
		{"nothing", func(*testing.T, *program, func(string), string) {}, []string{"GET /v1/headless/users 304"}, false},
		{"a write elsewhere", func(_ *testing.T, _ *program, change func(string), _ string) { change("new") },
			[]string{"GET /v1/headless/users 200"}, true},
		{"a user who was read anew and is the same", func(t *testing.T, p *program, _ func(string), single string) {
			time.Sleep(30 * time.Second)
			p.explain(t, single, "Cache-Control", "no-cache")
		}, []string{"GET /v1/headless/users 304"}, false},
		{"a user who was another for a while", func(t *testing.T, p *program, change func(string), single string) {
			change("new")
			time.Sleep(30 * time.Second)
			p.explain(t, single, "Cache-Control", "no-cache")
			change("")
		}, []string{"GET /v1/headless/users 200"}, false},
		{"a write of its own", func(t *testing.T, p *program, _ func(string), _ string) {
			key := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
			p.post(t, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: "new"}) { userErrors { code } } }`, key), nil)
		}, []string{"GET /v1/headless/users 200"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := tagged(t, nil)
				elsewhere := p.sibling(t, nil)
				first := p.explain(t, page)
				key, name := first.get(t, "data", "users", "nodes", 0, "sourceId"), first.get(t, "data", "users", "nodes", 0, "name")
				change := func(to string) {
					if to == "" {
						to = fmt.Sprint(name)
					}
					elsewhere.post(t, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: %q}) { userErrors { code } } }`, key, to), nil)
				}
				test.between(t, p, change, fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, key))
				time.Sleep(pastTTL)
				got := p.explain(t, page)
				if diff := cmp.Diff(test.calls, got.exchanges()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				want := name
				if test.changed {
					want = "new"
				}
				if now := got.get(t, "data", "users", "nodes", 0, "name"); now != want {
					t.Errorf("got the name %v, want %v", now, want)
				}
			})
		})
	}
}

func TestStalePagesAreRenewedBehindWithoutABody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, UsersPerClient: 2, ETags: true},
			Env: map[string]string{"CACHE_TTL": "60s", "EXPLAIN": "true"}})
		const query = `{ clients(first: 3) { nodes { name } } embedClients { nodes { sourceId } } }`
		p.explain(t, query)
		time.Sleep(pastTTL)
		p.backends.Reset()
		stale := p.explain(t, query)
		synctest.Wait()
		for _, call := range p.backends.Calls() {
			if call.Status != http.StatusNotModified {
				t.Errorf("%s answers %d", call.Route, call.Status)
			}
		}
		if diff := cmp.Diff([]string{"GET /incoming/v2/clients 1", "GET /v1/headless/clients 1"}, p.calls()); diff != "" {
			t.Errorf("calls behind (-want +got):\n%s", diff)
		}
		if !slices.Contains(stale.verdicts(), "clientPage stale refreshing") {
			t.Errorf("got %v", stale.verdicts())
		}
		p.backends.Reset()
		if fresh := p.explain(t, query); len(fresh.Calls) > 0 || fresh.Extensions["freshness"] != nil {
			t.Errorf("got calls %v and freshness %v", fresh.exchanges(), fresh.Extensions["freshness"])
		}
	})
}

func TestPlainIdentifiersAreRenewedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := tagged(t, func(o *emulator.Options) { o.StringLists = true })
		const query = `{ embedClients(first: 2) { nodes { sourceId } } }`
		want := p.explain(t, query)
		time.Sleep(pastTTL)
		got := p.explain(t, query)
		if diff := cmp.Diff([]string{"GET /v1/headless/clients 304"}, got.exchanges()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.Data, got.Data); diff != "" {
			t.Errorf("answer (-first +then):\n%s", diff)
		}
	})
}

// reasons are those of extensions.freshness.
func (a *answer) reasons() []string {
	stale, _ := member(a.Extensions["freshness"], "stale").([]any)
	list := []string{}
	for _, s := range stale {
		list = append(list, fmt.Sprint(member(s, "backend"), " ", member(s, "reason")))
	}
	return list
}

func TestAStaleAnswerHasAReason(t *testing.T) {
	t.Parallel()
	const query = `{ users { nodes { name } } }`
	read := func(t *testing.T, p *program, header ...string) *explained { return p.explain(t, query, header...) }
	tests := []struct {
		name string
		env  map[string]string
		// failure happens between the first answer and the one that is stale.
		failure func(t *testing.T, p *program)
		header  []string
		want    string
	}{
		{name: "a refresh runs behind", failure: func(*testing.T, *program) {}, want: "refreshing"},
		{name: "the backend failed when it was asked", failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: 503})
			read(t, p)
			synctest.Wait()
		}, want: "failed"},
		{name: "the backend asked for a pause", failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: 503, RetryAfter: "60"})
			read(t, p)
			synctest.Wait()
			time.Sleep(2 * time.Second)
			read(t, p)
			synctest.Wait()
		}, want: "failed"},
		{name: "the circuit is open", failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: 503})
			for i := range 30 {
				p.post(t, fmt.Sprintf(`{ user(by: {sourceId: "nobody %d"}) { name } }`, i), nil)
			}
			read(t, p)
			synctest.Wait()
		}, want: "failed"},
		{name: "the budget has only what is held back", env: map[string]string{"COASSEMBLE_RATE": "4/10m"}, failure: func(t *testing.T, p *program) {
			for i := range 2 {
				p.post(t, fmt.Sprintf(`{ user(by: {sourceId: "nobody %d"}) { name } }`, i), nil)
			}
			read(t, p)
			synctest.Wait()
		}, want: "budget"},
		{name: "the backend refuses for its budget", failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: 429, RetryAfter: "60"})
			read(t, p)
			synctest.Wait()
		}, want: "budget"},
		{name: "a refresh takes long", failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultHangHeaders})
			read(t, p)
			time.Sleep(3 * time.Second)
		}, want: "slow"},
		{name: "who asks for fresh answers waits too long", failure: func(_ *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultHangHeaders})
		}, header: []string{"Cache-Control", "no-cache"}, want: "slow"},
		{name: "all slots are taken", env: map[string]string{"COASSEMBLE_CONCURRENCY": "1"}, failure: func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultHangHeaders})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, `/graphql?query={embedClient(by:{sourceId:"nobody"}){userCount}}`, nil)
			go p.send(r)
			synctest.Wait()
			read(t, p)
			synctest.Wait()
		}, want: "slow"},
		{name: "the caller takes stale answers", failure: func(*testing.T, *program) {}, header: []string{"Cache-Control", "max-stale=600"}, want: "asked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				env := map[string]string{"CACHE_TTL": "60s", "EXPLAIN": "true"}
				maps.Copy(env, test.env)
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true, CoursesPerClient: 1, UsersPerClient: 2}, Env: env})
				want := read(t, p)
				time.Sleep(pastTTL)
				test.failure(t, p)
				got := read(t, p, test.header...)
				if diff := cmp.Diff([]string{"coassemble " + test.want}, got.reasons()); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want.Data, got.Data); diff != "" {
					t.Errorf("answer (-fresh +stale):\n%s", diff)
				}
				p.backends.ClearFaults()
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestAnObjectThatCannotBeHadLeavesTheRestOfItsPage(t *testing.T) {
	t.Parallel()
	for list, write := range map[string]string{
		"users":        `mutation { updateUser(input: {by: {sourceId: %q}, name: "new"}) { userErrors { code } } }`,
		"embedClients": `mutation { updateEmbedClient(input: {by: {sourceId: %q}, metadata: {new: 1}}) { userErrors { code } } }`,
	} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, UsersPerClient: 1},
					Env: map[string]string{"CACHE_TTL": "60s"}})
				query := fmt.Sprintf(`{ %s { nodes { sourceId created } } }`, list)
				want := p.post(t, query, nil)
				// The page is still kept; the object that was written is not.
				p.post(t, fmt.Sprintf(write, want.get(t, "data", list, "nodes", 1, "sourceId")), nil)
				p.backends.SetFault("coassemble", emulator.Fault{Status: 503})
				got := p.post(t, query, nil)
				for i := range 3 {
					one := want.get(t, "data", list, "nodes", i)
					if i == 1 {
						one = nil
					}
					if diff := cmp.Diff(one, got.get(t, "data", list, "nodes", i)); diff != "" {
						t.Errorf("node %d (-want +got):\n%s", i, diff)
					}
				}
				if diff := cmp.Diff([]string{list + " UPSTREAM_UNAVAILABLE coassemble"}, got.failures()); diff != "" {
					t.Errorf("errors (-want +got):\n%s", diff)
				}
				p.backends.ClearFaults()
				time.Sleep(convalescence)
				if again := p.post(t, query, nil); len(again.Errors) > 0 || len(member(member(again.Data, list), "nodes").([]any)) != 3 {
					t.Errorf("once the backend is well: %s", again.raw)
				}
			})
		})
	}
}

func TestAUserWhoCannotBeHadIsMissedAtTheListOfTheirClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true, CoursesPerClient: 1, UsersPerClient: 2},
			Env: map[string]string{"CACHE_TTL": "60s"}})
		const query = `{ clients { nodes { users { nodes { sourceId name } } } } }`
		want := p.post(t, query, nil)
		key := want.get(t, "data", "clients", "nodes", 1, "users", "nodes", 0, "sourceId")
		p.post(t, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: "new"}) { userErrors { code } } }`, key), nil)
		p.backends.SetFault("coassemble", emulator.Fault{Status: 503})
		got := p.post(t, query, nil)
		if diff := cmp.Diff([]string{"clients.nodes.1.users UPSTREAM_UNAVAILABLE coassemble"}, got.failures()); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		for _, at := range [][]any{{0, 0}, {0, 1}, {1, 1}, {2, 0}, {2, 1}} {
			path := []any{"data", "clients", "nodes", at[0], "users", "nodes", at[1]}
			if diff := cmp.Diff(want.get(t, path...), got.get(t, path...)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", path, diff)
			}
		}
		if lost := got.get(t, "data", "clients", "nodes", 1, "users", "nodes", 0); lost != nil {
			t.Errorf("got %v of the user who was written", lost)
		}
	})
}

func TestTheAnswersLifetimeIsThatOfItsLeastFreshFact(t *testing.T) {
	t.Parallel()
	const catalogue, query = `{clients{nodes{name}}}`, `{clients{nodes{name}}users{nodes{name}}}`
	const without = "private, max-age=0, no-cache"
	tests := []struct {
		name, query string
		env         map[string]string
		wait        time.Duration
		want        string
	}{
		{"nothing outlives its operation", query, nil, 0, without},
		{"fresh", query, map[string]string{"CACHE_TTL": "100s"}, 0, "private, max-age="},
		{"public where it is the catalogue alone", catalogue, map[string]string{"CACHE_TTL": "100s", "PUBLIC_CATALOG": "true"}, 0, "public, max-age="},
		{"private where it is not", query, map[string]string{"CACHE_TTL": "100s", "PUBLIC_CATALOG": "true"}, 0, "private, max-age="},
		{"stale", query, map[string]string{"CACHE_TTL": "100s"}, 101 * time.Second, without},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true, CoursesPerClient: 1, UsersPerClient: 1}, Env: test.env})
				get := func(tag string) *httptest.ResponseRecorder {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape(test.query), nil)
					r.Header.Set("If-None-Match", tag)
					return p.send(r)
				}
				first := get("")
				time.Sleep(test.wait)
				w := get("")
				got := w.Header().Get("Cache-Control")
				if !strings.HasPrefix(got, test.want) || strings.Contains(got, "=0") != (test.want == without) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if test.wait > 0 {
					return // its extensions show that it is stale
				}
				if again := get(first.Header().Get("ETag")); again.Code != http.StatusNotModified {
					t.Errorf("asked with its ETag: got %d", again.Code)
				}
			})
		})
	}
}
