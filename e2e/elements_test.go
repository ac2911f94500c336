package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// turnstile is a transport on which the calls of some routes wait, each until its own key is let through.
type turnstile struct {
	key  func(*http.Request) string // "" for a call that does not wait
	mu   sync.Mutex
	keys map[string]chan struct{}
	came chan string
}

func newTurnstile(key func(*http.Request) string) *turnstile {
	return &turnstile{key: key, keys: map[string]chan struct{}{}, came: make(chan string, 1000)}
}

func (g *turnstile) gate(key string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.keys[key] == nil {
		g.keys[key] = make(chan struct{})
	}
	return g.keys[key]
}

func (g *turnstile) open(key string) { close(g.gate(key)) }

func (g *turnstile) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if key := g.key(r); key != "" {
			g.came <- key
			select {
			case <-g.gate(key):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return next.RoundTrip(r)
	})
}

// await returns the keys of the next n calls that wait.
func (g *turnstile) await(n int) map[string]bool {
	keys := map[string]bool{}
	for range n {
		keys[<-g.came] = true
	}
	return keys
}

// identityOf is the identity whose credentials a call reads.
func identityOf(r *http.Request) string {
	if path, ok := strings.CutSuffix(r.URL.Path, "/credentials"); ok {
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// items are the elements of all streams that a payload has.
func items(t *testing.T, payload map[string]any) (all []any) {
	t.Helper()
	incremental, _ := payload["incremental"].([]any)
	for _, inc := range incremental {
		list, _ := inc.(map[string]any)["items"].([]any)
		all = append(all, list...)
	}
	return all
}

func TestElementsFollowAsTheirValuesArrive(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "multipart/mixed;deferSpec=20220824", "text/event-stream"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			gates := newTurnstile(identityOf)
			p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 4, Linked: true, LinkUser: "id"}, Wrap: gates.wrap, Env: map[string]string{"LINK_USER": "id"}})
			server := httptest.NewServer(p.Handler)
			defer server.Close()
			s := open(t, server.URL, `{ users(first: 4) { nodes @stream(initialCount: 0) { sourceId credentials { nodes { type } } } } }`, map[string]string{"Accept": accept})
			first := decoded(t, s.next())
			if nodes := first["data"].(map[string]any)["users"].(map[string]any)["nodes"].([]any); len(nodes) != 0 || first["hasNext"] != true {
				t.Fatalf("the first payload is %v", first)
			}
			gates.await(4)
			var ids []string
			for _, user := range p.backends.Users(p.backends.Clients()[0].Identifier) {
				ids = append(ids, user.Identifier)
			}
			position := map[string]int{}
			// Once these are let through, so many elements are there.
			step := func(open []int, want int) {
				t.Helper()
				for _, i := range open {
					gates.open(ids[i])
				}
				for len(position) < want {
					payload := decoded(t, s.next())
					for _, item := range items(t, payload) {
						position[item.(map[string]any)["sourceId"].(string)] = len(position)
					}
					if len(position) > want || payload["hasNext"] != (len(position) < 4) {
						t.Errorf("after %v: got %v", open, payload)
					}
				}
			}
			step([]int{0}, 1)
			step([]int{3, 1}, 2)
			step([]int{2}, 4)
			for i, id := range ids {
				if position[id] != i {
					t.Errorf("element %d came at place %d", i, position[id])
				}
			}
			if rest := s.next(); rest != "" {
				t.Errorf("after the last payload comes %s", rest)
			}
		})
	}
}

// callsOf are the calls that an operation makes of the backends, by route.
func callsOf(t *testing.T, o emulator.Options, query, accept string) map[string]int {
	t.Helper()
	p := start(t, setup{Emulator: o})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	before := len(p.backends.Calls())
	s := open(t, server.URL, query, map[string]string{"Accept": accept})
	for s.next() != "" {
	}
	calls := map[string]int{}
	for _, call := range p.backends.Calls()[before:] {
		calls[fmt.Sprint(call.Method, " ", call.Route)]++
	}
	return calls
}

// Elements that are delivered singly make no more calls than they do together.
func TestAStreamMakesNoMoreCallsThanAWholeAnswer(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`{ clients(first: 10) { nodes @stream { sourceId users { nodes { name } } } } }`,
		`{ clients(first: 10) { nodes @stream { sourceId embed { sourceId } users { nodes { name } } again: users(first: 2) { nodes { name } } } } }`,
		`{ clients(first: 10) { edges @stream { node { users { nodes { name } } } } } }`,
		`{ users(first: 12) { nodes @stream { client { name } identity { sourceId } credentials { nodes { type } } } } }`,
		`{ identities(first: 10) { nodes @stream { user { name client { name } } } } }`,
		`{ clients(first: 6) { nodes @stream { name users { nodes { name ... @defer { identity { sourceId } credentials { nodes { type } } } } } } } }`,
		`{ identities(first: 10) { nodes @stream { user { ... @defer { client { name } } } } } }`,
		`{ clients(first: 6) { nodes @stream { users { nodes @stream { name credentials { nodes { type } } } } } } }`,
	} {
		for name, o := range map[string]emulator.Options{"records": {}, "names alone": {StringLists: true}, "claims": {ProviderInList: true, ShowProviderID: true}} {
			t.Run(name+" "+query, func(t *testing.T) {
				t.Parallel()
				o.Clients, o.UsersPerClient = 10, 2
				want := callsOf(t, o, query, "application/json")
				for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "multipart/mixed"} {
					got := callsOf(t, o, query, accept)
					for route, calls := range got {
						if calls > want[route] {
							t.Errorf("%s: %d calls of %s, and %d for a whole answer", accept, calls, route, want[route])
						}
					}
				}
			})
		}
	}
}
