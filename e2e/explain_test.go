package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// served are the calls as "route batchSize paths", with what another operation made marked, in the order of their names.
func (e *explained) served() []string {
	list := []string{}
	for _, c := range e.Calls {
		slices.Sort(c.Paths)
		text := fmt.Sprint(c.Route, " ", c.BatchSize, " ", strings.Join(c.Paths, " "))
		if c.Coalesced {
			text = "shared " + text
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

func TestExplainNamesThePlacesThatACallServed(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2,
		CredentialsPerUser: 1, ProviderInList: true}
	catalogue := emulator.New(options)
	first := catalogue.Clients()[0]
	user := catalogue.Users(first.Identifier)[0]
	tests := []struct {
		name, query string
		want        []string
	}{
		{"a list of the root, and one scan for all parents",
			`{ all: clients(first: 2) { nodes { name team: users { nodes { name } } } } }`, []string{
				"GET /incoming/v2/clients 1 all",
				"GET /v1/headless/users 2 all.nodes.0.team all.nodes.1.team",
			}},
		{"a call of its own for each parent",
			`{ clients(first: 1) { edges { node { users(first: 2) { nodes { identity { sourceId } credentials { nodes { id } } } } } } } }`, []string{
				"GET /core/v1/users 2 clients.edges.0.node.users.nodes.0.credentials clients.edges.0.node.users.nodes.0.identity " +
					"clients.edges.0.node.users.nodes.1.credentials clients.edges.0.node.users.nodes.1.identity",
				"GET /core/v1/users/{userId}/credentials 1 clients.edges.0.node.users.nodes.0.credentials",
				"GET /core/v1/users/{userId}/credentials 1 clients.edges.0.node.users.nodes.1.credentials",
				"GET /incoming/v2/clients 1 clients",
				"GET /v1/headless/users 1 clients.edges.0.node.users",
			}},
		{"one key of several parents",
			fmt.Sprintf(`{ users(clientIdentifier: %q) { nodes { embedClient { sourceId } } } }`, first.Identifier), []string{
				"GET /v1/headless/client/{identifier} 1 users.nodes.0.embedClient users.nodes.1.embedClient",
				"GET /v1/headless/users 1 users",
			}},
		{"a single object", fmt.Sprintf(`{ who: user(by: {sourceId: %q}) { name } }`, user.Identifier),
			[]string{"GET /v1/headless/user/{identifier} 1 who"}},
		{"nothing was found", `{ user(by: {sourceId: "nobody"}) { client { name } } }`, []string{"GET /v1/headless/user/{identifier} 1 user"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: options, Env: map[string]string{"EXPLAIN": "true"}})
			got := p.explain(t, test.query)
			if diff := cmp.Diff(test.want, got.served()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if got.CallsMade != len(test.want) {
				t.Errorf("made %d calls, want %d", got.CallsMade, len(test.want))
			}
		})
	}
}

func TestExplainBoundsThePathsOfACall(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 40, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 3},
		Env: map[string]string{"EXPLAIN": "true"}})
	got := p.explain(t, `{ users(first: 100) { nodes { client { name } } } more: users(first: 20, after: null) { nodes { name } } }`)
	for _, c := range got.Calls {
		if len(c.Paths) == 0 || len(c.Paths) > 100 {
			t.Errorf("%s served %d paths", c.Route, len(c.Paths))
		}
	}
}

func TestExplainListsASharedCallInEachOperation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		wait          time.Duration // before the second; a call takes 10ms
		first, second string
		made, shared  []string
	}{
		{"the same page", 5 * time.Millisecond, `{ a: users { nodes { name } } }`, `{ b: users { nodes { sourceId } } }`,
			[]string{"GET /v1/headless/users 1 a"}, []string{"shared GET /v1/headless/users 1 b"}},
		{"a scan for other pages", 15 * time.Millisecond, `{ clients { nodes { users(first: 5) { nodes { name } } } } }`, `{ clients { nodes { users(first: 6) { nodes { name } } } } }`,
			[]string{"GET /incoming/v2/clients 1 clients", "GET /v1/headless/users 2 clients.nodes.0.users clients.nodes.1.users"},
			[]string{"shared GET /v1/headless/users 2 clients.nodes.0.users clients.nodes.1.users"}},
	}
	for _, test := range tests {
		for _, explains := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", explained by the first: ", explains), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2,
						Latency: 10 * time.Millisecond}, Env: map[string]string{"EXPLAIN": "true", "CACHE_TTL": "60s"}})
					var first, second *explained
					var wg sync.WaitGroup
					wg.Go(func() {
						if explains {
							first = p.explain(t, test.first)
						} else {
							p.post(t, test.first, nil)
						}
					})
					time.Sleep(test.wait)
					wg.Go(func() { second = p.explain(t, test.second) })
					wg.Wait()
					if explains {
						if diff := cmp.Diff(test.made, first.served()); diff != "" {
							t.Errorf("calls of who made them (-want +got):\n%s", diff)
						}
					}
					if diff := cmp.Diff(test.shared, second.served()); diff != "" {
						t.Errorf("calls of who waited (-want +got):\n%s", diff)
					}
					if second.CallsMade != 0 || second.BytesReceived != 0 {
						t.Errorf("who waited made %d calls and received %d bytes", second.CallsMade, second.BytesReceived)
					}
				})
			})
		}
	}
}

func TestExplainListsACallOfItsOwnOnceForAllWhoWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2,
			Latency: 10 * time.Millisecond}, Env: map[string]string{"EXPLAIN": "true", "CACHE_TTL": "60s"}})
		got := p.explain(t, `{ a: clients { nodes { name } } b: clients(query: "") { totalCount } }`)
		if diff := cmp.Diff([]string{"GET /incoming/v2/clients 1 a b"}, got.served()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
