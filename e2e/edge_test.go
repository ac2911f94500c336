package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// edged is a program with a catalogue that shared caches may keep, and with tags.
func edged(t *testing.T, env map[string]string) *program {
	t.Helper()
	all := map[string]string{"PUBLIC_CATALOG": "true", "CDN_TAG_HEADER": "Cache-Tag"}
	maps.Copy(all, env)
	return webhookProgram(t, all)
}

// get asks as a cache on the way does.
func (p *program) get(t *testing.T, query string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape(query), nil)
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return p.send(r)
}

func split(header, value string) []string {
	if strings.Contains(strings.ToLower(header), "tag") {
		return strings.Split(value, ",")
	}
	return strings.Fields(value)
}

func clientQuery(id string) string {
	return `{ client(by: {sourceId: "` + id + `"}) { sourceId name } }`
}

// ids are the ids of the emulator's clients.
func (p *program) ids(t *testing.T) (ids []string) {
	t.Helper()
	list, _ := p.post(t, `{ clients { nodes { sourceId } } }`, nil).get(t, "data", "clients", "nodes").([]any)
	for _, c := range list {
		ids = append(ids, member(c, "sourceId").(string))
	}
	return ids
}

var opaque = regexp.MustCompile(`^[0-9a-f]{32}$`)

func TestPublicAnswersCarryTheTagsOfWhatTheyShow(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Cache-Tag", "Surrogate-Key", "xkey"} {
		p := edged(t, map[string]string{"CDN_TAG_HEADER": header})
		ids := p.ids(t)
		for range 2 { // executed, and from the answer that is kept
			list := split(header, p.get(t, `{ clients { nodes { name } } }`).Header().Get(header))
			first := split(header, p.get(t, clientQuery(ids[0])).Header().Get(header))
			second := split(header, p.get(t, clientQuery(ids[1])).Header().Get(header))
			for _, tags := range [][]string{list, first, second} {
				if len(tags) == 0 || slices.ContainsFunc(tags, func(tag string) bool { return !opaque.MatchString(tag) }) {
					t.Fatalf("%s: got tags %q", header, tags)
				}
			}
			for _, tag := range first {
				if !slices.Contains(list, tag) || slices.Contains(second, tag) {
					t.Errorf("%s: the tag %s of one client: in the list %t, in another client's answer %t", header, tag, slices.Contains(list, tag), slices.Contains(second, tag))
				}
			}
		}
	}
}

func TestOnlyAnswersForSharedCachesHaveTags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env    map[string]string
		query  string
		header []string
	}{
		"tags are off":           {map[string]string{"CDN_TAG_HEADER": ""}, `{ clients { nodes { name } } }`, nil},
		"no public catalogue":    {map[string]string{"PUBLIC_CATALOG": "false"}, `{ clients { nodes { name } } }`, nil},
		"users":                  {nil, `{ users { nodes { sourceId } } }`, nil},
		"a catalogue with users": {nil, `{ clients { nodes { name users { nodes { sourceId } } } } }`, nil},
		"nothing of a backend":   {nil, `{ __typename }`, nil},
		"explained":              {map[string]string{"EXPLAIN": "true"}, `{ clients { nodes { name } } }`, []string{"X-Learngraph-Explain", "1"}},
	} {
		p := edged(t, test.env)
		for range 2 {
			h := p.get(t, test.query, test.header...).Header()
			if h.Get("Cache-Tag") != "" {
				t.Errorf("%s: got tags %q", name, h.Get("Cache-Tag"))
			}
			if public := strings.HasPrefix(h.Get("Cache-Control"), "public"); public != (h.Get("CDN-Cache-Control") != "") {
				t.Errorf("%s: got Cache-Control %q and CDN-Cache-Control %q", name, h.Get("Cache-Control"), h.Get("CDN-Cache-Control"))
			}
		}
	}
}

// purged are the requests to a network's interface for purging.
type purged struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	tags     []string
	came     chan struct{}
}

// network serves the interface of a network that answers with these statuses, and then with 200.
func network(t *testing.T, header string, statuses ...int) (*purged, string) {
	t.Helper()
	n := &purged{came: make(chan struct{}, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(statuses) > 0 {
			w.WriteHeader(statuses[0])
			statuses = statuses[1:]
			return
		}
		n.requests, n.bodies = append(n.requests, r), append(n.bodies, string(body))
		n.tags = append(n.tags, split(header, r.Header.Get(header))...)
		n.came <- struct{}{}
	}))
	t.Cleanup(server.Close)
	return n, server.URL
}

// until waits for a request after which the purged answers are as they should be.
func (n *purged) until(t *testing.T, what string, done func(tags []string) bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		n.mu.Lock()
		ok := done(n.tags)
		n.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-n.came:
		case <-limit:
			t.Fatalf("%s is not purged", what)
		}
	}
}

// now returns the requests and tags so far.
func (n *purged) now() ([]*http.Request, []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.requests), slices.Clone(n.tags)
}

func anyOf(tags []string) func([]string) bool {
	return func(purged []string) bool {
		return slices.ContainsFunc(purged, func(tag string) bool { return slices.Contains(tags, tag) })
	}
}

// enrolment is the message that seats of a client are taken.
func enrolment(client string) emulator.Delivery {
	return emulator.Delivery{Event: "enrollment.created", At: time.Now(), Data: map[string]any{"clientId": client}}
}

func TestEachInvalidationIsSentOn(t *testing.T) {
	t.Parallel()
	n, address := network(t, "Surrogate-Key")
	p := edged(t, map[string]string{"CDN_TAG_HEADER": "Surrogate-Key", "CDN_PURGE_URL": address + "/service/1/purge", "CDN_PURGE_TOKEN": "token_of_the_network"})
	ids := p.ids(t)
	tagsOf := func(query string) []string {
		return split("Surrogate-Key", p.get(t, query).Header().Get("Surrogate-Key"))
	}
	first, second, list := tagsOf(clientQuery(ids[0])), tagsOf(clientQuery(ids[1])), tagsOf(`{ clients(first: 2) { nodes { name } } }`)

	p.deliver(t, "thoughtindustries", enrolment(ids[0]))
	n.until(t, "the client of a webhook", anyOf(first))
	n.until(t, "the list that shows it", anyOf(list))
	if _, tags := n.now(); anyOf(second)(tags) {
		t.Errorf("another client is purged")
	}
	if held, err := p.Purge(t.Context(), "Client", ids[1]); err != nil || !held {
		t.Errorf("purging: %t %v", held, err)
	}
	n.until(t, "the client of a purge", anyOf(second))
	_, before := n.now()
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
	p.post(t, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: "Z"}) { userErrors { code } } }`, user), nil)
	n.until(t, "what a mutation changed", func(tags []string) bool { return len(tags) > len(before) })
	requests, _ := n.now()
	for _, r := range requests {
		if r.Method != http.MethodPost || r.URL.Path != "/service/1/purge" || r.Header.Get("Fastly-Key") != "token_of_the_network" {
			t.Errorf("got %s %s with key %q", r.Method, r.URL, r.Header.Get("Fastly-Key"))
		}
	}
	if strings.Contains(p.logged.String(), "token_of_the_network") || strings.Contains(p.logged.String(), address) {
		t.Error("the log shows the token or the address of the network")
	}
}

// TestOneReplicaSendsADropOn has two replicas on one Redis: the one that gets the webhook purges the edge.
func TestOneReplicaSendsADropOn(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	replica := func() (*program, *purged) {
		n, address := network(t, "xkey")
		return edged(t, map[string]string{"REDIS_URL": "redis://" + server.Addr(), "REDIS_TIMEOUT": "5s", "CDN_TAG_HEADER": "xkey", "CDN_PURGE_URL": address}), n
	}
	first, sent := replica()
	second, none := replica()
	id := first.backends.Clients()[0].ID
	query := fmt.Sprintf(`{ client(by: {sourceId: %q}) { seatsUsedCount } }`, id)
	before, tags := second.text(t, query), split("xkey", second.get(t, query).Header().Get("xkey"))
	first.backends.Enroll(id)
	second.backends.Enroll(id)
	first.deliver(t, "thoughtindustries", enrolment(id))
	sent.until(t, "an answer of the other replica", anyOf(tags))
	if second.text(t, query) == before {
		t.Error("an edge that asks the other replica after the purge gets the old answer")
	}
	time.Sleep(200 * time.Millisecond)
	if _, tags := none.now(); len(tags) > 0 {
		t.Errorf("the other replica purges too: %q", tags)
	}
}

// A token that changes in its file is used without a restart.
func TestANewTokenForPurgesIsUsed(t *testing.T) {
	t.Parallel()
	n, address := network(t, "Surrogate-Key")
	dir := folder(t, map[string]string{"token": "first-token\n"})
	file := filepath.Join(dir, "token")
	p := edged(t, map[string]string{"CDN_TAG_HEADER": "Surrogate-Key", "CDN_PURGE_URL": address, "CDN_PURGE_TOKEN_FILE": file})
	// purge returns the token that a client was purged with.
	purge := func() string {
		t.Helper()
		_, before := n.now()
		if _, err := p.Purge(t.Context(), "Client", p.backends.Clients()[0].ID); err != nil {
			t.Fatal(err)
		}
		n.until(t, "a client", func(tags []string) bool { return len(tags) > len(before) })
		requests, _ := n.now()
		return requests[len(requests)-1].Header.Get("Fastly-Key")
	}
	if got := purge(); got != "first-token" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(file, []byte("other-token-than-the-first"), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); purge() != "other-token-than-the-first"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the new token is not used")
		}
	}
}

// withoutTTL are the parameters of a Cache-Status other than ttl, and the ttl.
func withoutTTL(t *testing.T, status string) (rest string, ttl int, ok bool) {
	t.Helper()
	var params []string
	for param := range strings.SplitSeq(status, "; ") {
		if text, found := strings.CutPrefix(param, "ttl="); found {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Errorf("got %q", status)
			}
			ttl, ok = n, true
			continue
		}
		params = append(params, param)
	}
	return strings.Join(params, "; "), ttl, ok
}

func TestEachAnswerHasItsCacheStatus(t *testing.T) {
	t.Parallel()
	const catalogue, users, claims = `{ clients { nodes { name } } }`, `{ users { nodes { sourceId } } }`, `{ identities { nodes { claims } } }`
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, ProviderInList: true}, Env: map[string]string{"CACHE_TTL": "100s", "CACHE_STALE": "1h", "EXPLAIN": "true"}})
		see := func(step string, w *httptest.ResponseRecorder, want string, least, most int) {
			t.Helper()
			rest, ttl, ok := withoutTTL(t, w.Header().Get("Cache-Status"))
			if rest != want || ok != (least != 0 || most != 0) || ok && (ttl < least || ttl > most) {
				t.Errorf("%s: got Cache-Status %q, want %q with a ttl from %d to %d", step, w.Header().Get("Cache-Status"), want, least, most)
			}
		}
		for _, query := range []string{catalogue, users, claims} {
			see("fetched: "+query, p.get(t, query), "Learngraph; fwd=miss", 80, 100)
			see("kept: "+query, p.get(t, query), "Learngraph; hit", 80, 100)
			see("explained: "+query, p.get(t, query, "X-Learngraph-Explain", "1"), "Learngraph; hit", 80, 100)
		}
		time.Sleep(30 * time.Second)
		see("older", p.get(t, catalogue), "Learngraph; hit", 50, 70)
		see("asked for anew", p.get(t, catalogue, "Cache-Control", "no-cache"), "Learngraph; fwd=request", 80, 100)
		time.Sleep(200 * time.Second)
		see("stale", p.get(t, catalogue), "Learngraph; hit; detail=stale:refreshing", -150, -90)
		see("a mutation", p.postRaw(t, `mutation { updateUser(input: {by: {sourceId: "x"}, name: "n"}) { userErrors { code } } }`), "Learngraph; fwd=method", 0, 0)
		see("nothing looked up", p.get(t, `{ __typename }`), "Learngraph; fwd=bypass", 0, 0)
		see("refused", p.get(t, `{ nothing }`), "Learngraph; fwd=bypass", 0, 0)
		see("malformed", p.get(t, `{`), "Learngraph; fwd=bypass", 0, 0)
		see("of a kind that is not spoken", p.get(t, catalogue, "Accept", "image/png"), "Learngraph; fwd=bypass", 0, 0)
	})
	off := start(t, setup{})
	for range 2 {
		if got := off.get(t, catalogue).Header().Get("Cache-Status"); got != "Learngraph; fwd=miss; ttl=0" {
			t.Errorf("without a cache: got %q", got)
		}
	}
}

// postRaw posts an operation, and returns the answer with its header.
func (p *program) postRaw(t *testing.T, query string) *httptest.ResponseRecorder {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return p.send(r)
}

func TestABatchHasTheStatusOfItsLeastFreshAnswer(t *testing.T) {
	t.Parallel()
	p := edged(t, nil)
	p.get(t, `{ clients { nodes { name } } }`)
	batch := func(queries string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(queries))
		r.Header.Set("Content-Type", "application/json")
		status, _, _ := withoutTTL(t, p.send(r).Header().Get("Cache-Status"))
		return status
	}
	if got := batch(`[{"query":"{ clients { nodes { name } } }"},{"query":"{ clients { nodes { name } } }"}]`); got != "Learngraph; hit" {
		t.Errorf("two that are kept: got %q", got)
	}
	if got := batch(`[{"query":"{ clients { nodes { name } } }"},{"query":"{ users { nodes { name } } }"}]`); got != "Learngraph; fwd=miss" {
		t.Errorf("one that is kept: got %q", got)
	}
}

func TestABackendThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	const query = `{ clients { nodes { name } } identities { nodes { sourceId } } embedClients { nodes { sourceId } } }`
	for _, test := range []struct {
		fault emulator.Fault
		want  string
	}{
		{emulator.Fault{Status: 503}, "error=destination_unavailable; next-hop=coassemble; received-status=503"},
		{emulator.Fault{Status: 500, Body: "<secret>"}, "error=destination_unavailable; next-hop=coassemble; received-status=500"},
		{emulator.Fault{Status: 429}, "error=destination_unavailable; next-hop=coassemble; received-status=429"},
		{emulator.Fault{Status: 403}, "error=proxy_configuration_error; next-hop=coassemble; received-status=403"},
		{emulator.Fault{Kind: emulator.FaultReset}, "error=destination_unavailable; next-hop=coassemble"},
		{emulator.Fault{Kind: emulator.FaultHTML}, "error=http_protocol_error; next-hop=coassemble"},
		{emulator.Fault{Kind: emulator.FaultEmpty}, "error=http_protocol_error; next-hop=coassemble"},
		{emulator.Fault{Kind: emulator.FaultHangHeaders}, "error=http_response_timeout; next-hop=coassemble"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true}})
			if got := p.get(t, query).Header().Values("Proxy-Status"); len(got) > 0 {
				t.Errorf("nothing fails: got %q", got)
			}
			p.backends.SetFault("coassemble", test.fault)
			got := strings.Join(p.postRaw(t, query).Header().Values("Proxy-Status"), ", ")
			// An answer that breaks off may have had a status.
			if got = strings.TrimSuffix(got, "; received-status=200"); got != "Learngraph; "+test.want {
				t.Errorf("%v: got %q, want %q", test.fault, got, test.want)
			}
		})
	}
}

func TestABackendThatFailsBehindAStaleAnswerIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 2}, Env: map[string]string{"CACHE_TTL": "100s", "CACHE_STALE": "1h"}})
		const query = `{ clients { nodes { name } } }`
		p.get(t, query)
		time.Sleep(200 * time.Second)
		p.backends.SetFault("thoughtindustries", emulator.Fault{Status: 503})
		p.get(t, query)
		time.Sleep(time.Minute)
		h := p.get(t, query, "Cache-Control", "max-age=10").Header()
		if h.Get("Proxy-Status") != "Learngraph; error=destination_unavailable; next-hop=thoughtindustries" || !strings.Contains(h.Get("Cache-Status"), "hit; ttl=-1") {
			t.Errorf("got Proxy-Status %q and Cache-Status %q", h.Get("Proxy-Status"), h.Get("Cache-Status"))
		}
	})
}

func TestTheEdgeHasALifetimeOfItsOwn(t *testing.T) {
	t.Parallel()
	const catalogue = `{ clients { nodes { name } } }`
	for _, test := range []struct {
		env           map[string]string
		control, edge string
	}{
		{nil, "public, max-age=10, s-maxage=N", "public, max-age=N"},
		{map[string]string{"CDN_BROWSER_TTL": "0"}, "public, max-age=0, must-revalidate, s-maxage=N", "public, max-age=N"},
		{map[string]string{"CDN_BROWSER_TTL": "5m"}, "public, max-age=300, s-maxage=N", "public, max-age=N"},
		{map[string]string{"CDN_BROWSER_TTL": "2h"}, "public, max-age=N", "public, max-age=N"},
		{map[string]string{"CDN_TAG_HEADER": ""}, "public, max-age=N", "public, max-age=N"},
		{map[string]string{"CACHE_TTL": "0"}, "public, max-age=0, no-cache", "public, max-age=0, no-cache"},
		{map[string]string{"PUBLIC_CATALOG": "false"}, "private, max-age=N", ""},
	} {
		h := edged(t, test.env).get(t, catalogue).Header()
		hour := regexp.MustCompile(`=3[2-6]\d\d\b`) // an hour less a random part
		control, edge := hour.ReplaceAllString(h.Get("Cache-Control"), "=N"), hour.ReplaceAllString(h.Get("CDN-Cache-Control"), "=N")
		if control != test.control || edge != test.edge {
			t.Errorf("%v: got Cache-Control %q and CDN-Cache-Control %q", test.env, h.Get("Cache-Control"), h.Get("CDN-Cache-Control"))
		}
	}
}

// answeringLate has a backend answer as it was when it was asked, seconds later.
func answeringLate(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		time.Sleep(2 * time.Second)
		return resp, err
	})
}

// An answer that is under way while a client is purged reaches the edge after the purge, where it would stay.
func TestAnAnswerFromBeforeAPurgeIsNotForTheEdge(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{"shared": nil, "for its caller alone": {"Cache-Control", "max-age=100"}} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, setup{Emulator: emulator.Options{Clients: 3}, Wrap: answeringLate,
				Env: map[string]string{"CACHE_TTL": "1h", "PUBLIC_CATALOG": "true", "CDN_TAG_HEADER": "Cache-Tag"}})
			clients := p.backends.Clients()
			queries := []string{clientQuery(clients[0].ID), `{ clients { nodes { name } } }`}
			answers := make([]http.Header, len(queries))
			var group sync.WaitGroup
			for i, query := range queries {
				group.Go(func() { answers[i] = p.get(t, query, header...).Header() })
			}
			time.Sleep(time.Second)
			if _, err := p.Purge(t.Context(), "Client", clients[0].ID); err != nil {
				t.Fatal(err)
			}
			group.Wait()
			for i, query := range queries {
				if h := answers[i]; h.Get("Cache-Control") != "no-store" || h.Get("CDN-Cache-Control") != "" || h.Get("Cache-Tag") != "" {
					t.Errorf("%s, %s: got %v", name, query, h)
				}
				if h := p.get(t, query, header...).Header(); h.Get("Cache-Tag") == "" || !strings.HasPrefix(h.Get("Cache-Control"), "public") {
					t.Errorf("%s, %s: got %v afterwards", name, query, h)
				}
			}
		})
	}
}

func TestAnAnswerWithTooManyTagsHasTheCoarsest(t *testing.T) {
	t.Parallel()
	n, address := network(t, "Surrogate-Key")
	p := start(t, setup{Emulator: emulator.Options{Clients: 700, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: -1},
		Env: map[string]string{"CACHE_TTL": "1h", "PUBLIC_CATALOG": "true", "CDN_TAG_HEADER": "Surrogate-Key", "CDN_PURGE_URL": address, "MAX_COST": "0"}})
	clients := p.backends.Clients()
	var query strings.Builder
	for page := range 6 {
		fmt.Fprintf(&query, "p%d: nodes(ids: [", page)
		for _, c := range clients[page*100 : page*100+100] {
			fmt.Fprintf(&query, "%q ", scalar.EncodeID(scalar.ClientNode, c.ID))
		}
		query.WriteString("]) { id } ")
	}
	for range 2 {
		w := p.postRaw(t, "{"+query.String()+"}")
		tags := split("Surrogate-Key", w.Header().Get("Surrogate-Key"))
		if len(tags) != 1 {
			t.Fatalf("got %d tags in an answer of status %d with %d bytes", len(tags), w.Code, w.Body.Len())
		}
		if list := split("Surrogate-Key", p.get(t, `{ clients { nodes { name } } }`).Header().Get("Surrogate-Key")); !slices.Contains(list, tags[0]) {
			t.Errorf("the tag %s is not that of the list", tags[0])
		}
		n.mu.Lock()
		n.tags = nil
		n.mu.Unlock()
		if _, err := p.Purge(t.Context(), "Client", clients[555].ID); err != nil {
			t.Fatal(err)
		}
		n.until(t, "the answer", anyOf(tags))
	}
}

// Installations with other credentials share a network without purging each other's answers: a tag cannot be computed from an
// identifier alone.
func TestTagsAreKeyedByTheCredential(t *testing.T) {
	t.Parallel()
	const query = `{ clients { nodes { name } } }`
	one := edged(t, nil)
	same, other := edged(t, nil), edged(t, map[string]string{"THOUGHTINDUSTRIES_URL": "http://127.0.0.78"})
	tags := func(p *program) []string { return split("Cache-Tag", p.get(t, query).Header().Get("Cache-Tag")) }
	if !slices.Equal(tags(one), tags(same)) {
		t.Error("two replicas have other tags for the same answer")
	}
	for _, tag := range tags(other) {
		if tag == "" || slices.Contains(tags(one), tag) {
			t.Errorf("the tag %q is that of another installation too", tag)
		}
	}
}
