package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestAWriteShowsInEveryListAtOnceWhateverTheListIsMadeOf(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, warm, again string }{
		{"a whole answer whose objects came with the list", `{ users(first: 5) { nodes { sourceId name } } }`, `{ users(first: 5) { nodes { sourceId name } } }`},
		{"a list that was kept a moment ago", `{ users(first: 5) { nodes { sourceId name } } }`, `{ users(first: 5) { nodes { name sourceId } } }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
			user := p.post(t, test.warm, nil).get(t, "data", "users", "nodes", 1, "sourceId")
			written := p.post(t, `mutation($u: UserBy!) { updateUser(input: { by: $u, name: "Renamed" }) { userErrors { code } } }`, map[string]any{"u": map[string]any{"sourceId": user}})
			if refused := written.get(t, "data", "updateUser", "userErrors"); !cmp.Equal(refused, []any{}) {
				t.Fatalf("the write was refused: %v %v", refused, written.Errors)
			}
			if got := p.post(t, test.again, nil).get(t, "data", "users", "nodes", 1, "name"); got != "Renamed" {
				t.Errorf("the list shows %v, want Renamed", got)
			}
			if got := p.post(t, `query($u: UserBy!) { user(by: $u) { name } }`, map[string]any{"u": map[string]any{"sourceId": user}}).get(t, "data", "user", "name"); got != "Renamed" {
				t.Errorf("the user shows %v, want Renamed", got)
			}
		})
	}
}

// TestAnIdentityIsReadAgainAfterItIsWritten asks for it and its join in the mutation's own answer, which the backend's
// answer to the write does not show in full.
func TestAnIdentityIsReadAgainAfterItIsWritten(t *testing.T) {
	t.Parallel()
	for name, drops := range map[string]bool{"the provider survives": false, "the provider does not": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 2, Linked: true, ProviderInList: true, DropProviderOnPut: drops},
				Env: map[string]string{"CACHE_TTL": "1h"}})
			user := p.backends.Users(p.backends.Clients()[0].Identifier)[0]
			const fields = `{ claims user { sourceId } }`
			p.post(t, `query($id: ID!) { identity(by: {sourceId: $id}) `+fields+` }`, map[string]any{"id": user.IdentityID})
			p.backends.Reset()
			a := p.post(t, `mutation($id: ID!) { w: updateIdentity(input: {by: {sourceId: $id}, claims: {n: 1}}) { identity `+fields+` userErrors { code } } }`,
				map[string]any{"id": user.IdentityID})
			var want any = map[string]any{"sourceId": user.Identifier}
			if drops {
				want = nil
			}
			if diff := cmp.Diff(want, a.get(t, "data", "w", "identity", "user")); diff != "" || len(a.Errors) > 0 {
				t.Errorf("the join (-want +got):\n%s\n%s", diff, a.raw)
			}
			if diff := cmp.Diff([]string{"GET /core/v1/users/{id} 1", "PUT /core/v1/users/{id} 1"}, p.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// holding delivers the answers to one GET path a while after the backend made them, the first time that it is asked.
type holding struct {
	next http.RoundTripper
	path string
	once sync.Once
}

const held = 2 * time.Second

func (h *holding) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || r.URL.Path != h.path {
		return resp, err
	}
	h.once.Do(func() {
		var body []byte
		body, err = io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		time.Sleep(held)
	})
	return resp, err
}

// A scan of a list is shared by its readers, but not with those who come after a write to records that it read before.
func TestAScanFromBeforeAWriteIsNotShared(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 4, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2, ProviderInList: true}
	world := emulator.New(options)
	defer world.Close()
	clients := world.Clients()
	users := func(i int) []emulator.UserRef { return world.Users(clients[i].Identifier) }
	written := users(2)[1]
	nodes := func(t scalar.NodeType, fields string, keys ...string) string {
		for i, k := range keys {
			keys[i] = fmt.Sprintf("%q", scalar.EncodeID(t, k))
		}
		return fmt.Sprintf(`{ nodes(ids: [%s]) { ... on %s { %s } } }`, strings.Join(keys, ", "), t, fields)
	}
	updateUser := func(input string) string {
		return fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, %s}) { userErrors { code } } }`, written.Identifier, input)
	}
	tests := []struct{ name, path, query, other, mutation, want string }{
		{"users", "/api/v1/headless/users", nodes(scalar.UserNode, "name", users(0)[0].Identifier, users(0)[1].Identifier),
			nodes(scalar.UserNode, "name", users(1)[0].Identifier, written.Identifier), updateUser(`name: "Renamed"`), "Renamed"},
		{"users of clients", "/api/v1/headless/users", `{ clients { nodes { users(first: 5) { nodes { name } } } } }`,
			`{ clients { nodes { users(first: 6) { nodes { name } } } } }`, updateUser(`name: "Renamed"`), "Renamed"},
		{"users who move", "/api/v1/headless/users", `{ clients { nodes { users(first: 5) { nodes { name } } } } }`,
			`{ clients { nodes { users(first: 6) { nodes { sourceId clientIdentifier } } } } }`, updateUser(fmt.Sprintf("clientIdentifier: %q", clients[3].Identifier)),
			fmt.Sprintf(`"sourceId":"%s","clientIdentifier":"%s"`, jsonText(written.Identifier), clients[3].Identifier)},
		{"embed clients", "/api/v1/headless/clients", nodes(scalar.EmbedClientNode, "metadata", clients[0].Identifier, clients[1].Identifier),
			nodes(scalar.EmbedClientNode, "metadata", clients[2].Identifier, clients[3].Identifier),
			fmt.Sprintf(`mutation { updateEmbedClient(input: {by: {sourceId: %q}, metadata: {is: "Renamed"}}) { userErrors { code } } }`, clients[2].Identifier), "Renamed"},
		{"identities", "/core/v1/users", nodes(scalar.UserNode, "identity { claims }", users(0)[0].Identifier, users(0)[1].Identifier),
			nodes(scalar.UserNode, "identity { claims }", users(1)[0].Identifier, written.Identifier),
			fmt.Sprintf(`mutation { updateIdentity(input: {by: {sourceId: %q}, claims: {is: "Renamed"}, authenticationProvider: {subjectId: %q}}) { userErrors { code } } }`, written.IdentityID, written.Identifier), "Renamed"},
		{"identities by id", "/core/v1/users", nodes(scalar.IdentityNode, "claims", users(0)[0].IdentityID, users(0)[1].IdentityID),
			nodes(scalar.IdentityNode, "claims", users(1)[0].IdentityID, written.IdentityID),
			fmt.Sprintf(`mutation { updateIdentity(input: {by: {sourceId: %q}, claims: {is: "Renamed"}}) { userErrors { code } } }`, written.IdentityID), "Renamed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var holder *holding
				p := start(t, setup{Emulator: options, Env: map[string]string{"CACHE_TTL": "60s", "COST_MODE": "off"},
					Wrap: func(next http.RoundTripper) http.RoundTripper {
						holder = &holding{next: next, path: test.path}
						return holder
					}})
				var wg sync.WaitGroup
				wg.Go(func() { p.post(t, test.query, nil) })
				time.Sleep(held / 2)
				if a := p.post(t, test.mutation, nil); len(a.Errors) > 0 {
					t.Errorf("the write: %v", a.failures())
				}
				for _, when := range []string{"while the scan is under way", "after it"} {
					if a := p.post(t, test.other, nil); !strings.Contains(string(a.raw), test.want) {
						t.Errorf("%s: got %s, want %s in it", when, a.raw, test.want)
					}
					wg.Wait()
				}
			})
		})
	}
}

// tardy delivers each answer a while after the backend made it: lists later than most writes take.
type tardy struct {
	next http.RoundTripper
	mu   sync.Mutex
	rng  *rand.Rand
}

func (d *tardy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	most := 200
	if strings.HasSuffix(r.URL.Path, "/users") || strings.HasSuffix(r.URL.Path, "/clients") {
		most = 5000
	}
	d.mu.Lock()
	wait := time.Duration(d.rng.IntN(most)) * time.Millisecond
	d.mu.Unlock()
	time.Sleep(wait)
	return resp, err
}

// versions are the numbers n that an answer shows of the record with this source id.
func versions(v any, id string) (found []int64) {
	switch v := v.(type) {
	case map[string]any:
		if v["sourceId"] == id {
			for _, at := range []string{"metadata", "claims"} {
				if n, ok := member(v[at], "n").(json.Number); ok {
					version, _ := n.Int64()
					found = append(found, version)
				}
			}
		}
		for _, e := range v {
			found = append(found, versions(e, id)...)
		}
	case []any:
		for _, e := range v {
			found = append(found, versions(e, id)...)
		}
	}
	return found
}

// A read that begins after a write was answered sees it, on every route and whatever reads are under way.
func TestReadersParallelToAWriterSeeEachWrite(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{0, 1, 5, 10, 20, 22, 27, 35} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { parallelToWriter(t, seed) })
		})
	}
}

func parallelToWriter(t *testing.T, seed uint64) {
	options := emulator.Options{Clients: 4, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 3, ProviderInList: seed%2 == 0,
		ETags: seed%3 == 0, StringLists: seed == 5}
	p := start(t, setup{Emulator: options, Env: map[string]string{"CACHE_TTL": "20s", "CACHE_STALE": []string{"0s", "60s"}[seed%2], "COST_MODE": "off", "OPERATION_TIMEOUT": "60s"},
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return &tardy{next: next, rng: rand.New(rand.NewPCG(seed, 1))}
		}})
	client := p.backends.Clients()[2]
	user := p.backends.Users(client.Identifier)[1]
	records := []struct{ id, mutation string }{
		{user.Identifier, fmt.Sprintf(`updateUser(input: {by: {sourceId: %q}, metadata: {n: %%d}})`, user.Identifier)},
		{client.Identifier, fmt.Sprintf(`updateEmbedClient(input: {by: {sourceId: %q}, metadata: {n: %%d}})`, client.Identifier)},
		{user.IdentityID, fmt.Sprintf(`updateIdentity(input: {by: {sourceId: %q}, claims: {n: %%d}, authenticationProvider: {subjectId: %q}})`, user.IdentityID, user.Identifier)},
	}
	const seen = `sourceId metadata identity { sourceId claims } embedClient { sourceId metadata }`
	query := func(rng *rand.Rand) string {
		others := p.backends.Users(p.backends.Clients()[rng.IntN(2)].Identifier)
		other := others[rng.IntN(3)]
		return pick(rng,
			fmt.Sprintf(`{ user(by: {sourceId: %q}) { %s } }`, user.Identifier, seen),
			fmt.Sprintf(`{ a: user(by: {sourceId: %q}) { %s } b: user(by: {sourceId: %q}) { %[2]s } }`, user.Identifier, seen, other.Identifier),
			fmt.Sprintf(`{ a: user(by: {sourceId: %q}) { %s } b: user(by: {sourceId: %q}) { %[2]s } }`, others[0].Identifier, seen, others[1].Identifier),
			fmt.Sprintf(`{ a: embedClient(by: {sourceId: %q}) { sourceId metadata } b: embedClient(by: {sourceId: %q}) { sourceId metadata } }`,
				client.Identifier, p.backends.Clients()[rng.IntN(2)].Identifier),
			fmt.Sprintf(`{ users(first: %d) { nodes { %s } } }`, 9+rng.IntN(6), seen),
			fmt.Sprintf(`{ clients { nodes { users(first: %d) { nodes { %s } } embed { sourceId metadata } } } }`, 3+rng.IntN(6), seen),
			fmt.Sprintf(`{ embedClients(first: %d) { nodes { sourceId metadata users(first: 5) { nodes { sourceId metadata } } } } }`, 3+rng.IntN(6)),
			fmt.Sprintf(`{ identities(first: %d) { nodes { sourceId claims user { sourceId metadata } } } }`, 9+rng.IntN(6)),
			fmt.Sprintf(`{ a: identity(by: {sourceId: %q}) { sourceId claims } b: identity(by: {sourceId: %q}) { sourceId claims } }`, user.IdentityID, other.IdentityID))
	}
	var mu sync.Mutex
	written := make([]int, len(records))
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 2))
		for n := 1; n < 40; n++ {
			i := rng.IntN(len(records))
			a := p.post(t, "mutation { w: "+fmt.Sprintf(records[i].mutation, n)+" { userErrors { code } } }", nil)
			if len(a.Errors) > 0 {
				t.Errorf("write %d: %v", n, a.failures())
			}
			mu.Lock()
			written[i] = n
			mu.Unlock()
			time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
		}
	})
	for reader := range uint64(5) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 3+reader))
			for range 40 {
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
				mu.Lock()
				known := slices.Clone(written)
				mu.Unlock()
				q := query(rng)
				a := p.post(t, q, nil)
				for i, r := range records {
					for _, n := range versions(any(a.Data), r.id) {
						if n < int64(known[i]) {
							t.Errorf("%s: shows version %d of record %d, after the write of %d was answered", q, n, i, known[i])
						}
					}
				}
			}
		})
	}
	wg.Wait()
}
