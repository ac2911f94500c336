package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

const (
	events = "text/event-stream"
	listed = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
)

// subscribed returns a program with a cache, and a function that opens subscriptions to it.
func subscribed(t *testing.T, env map[string]string) (p *program, subscribe func(accept, query string, header ...string) *stream) {
	t.Helper()
	all := map[string]string{"CACHE_TTL": "1m"}
	maps.Copy(all, env)
	p = start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, UsersPerClient: 3}, Env: all})
	s := httptest.NewServer(p.Handler)
	t.Cleanup(s.CloseClientConnections) // streams end by themselves only when their reader leaves
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return p, func(accept, query string, header ...string) *stream {
		t.Helper()
		h := map[string]string{"Accept": accept}
		for i := 0; i+1 < len(header); i += 2 {
			h[header[i]] = header[i+1]
		}
		return open(t, s.URL, query, h)
	}
}

// event returns the next payload that is no heartbeat, without its envelope.
func (s *stream) event(t *testing.T) map[string]any {
	t.Helper()
	for {
		text := s.next()
		if text == "" {
			return nil
		}
		v := decoded(t, text)
		if len(v) == 0 {
			continue
		}
		if payload, ok := v["payload"]; ok {
			if payload == nil {
				return v
			}
			return payload.(map[string]any)
		}
		return v
	}
}

func firstUser(t *testing.T, p *program) (sourceID, name string) {
	t.Helper()
	a := p.post(t, `{ users(first: 1) { nodes { sourceId name } } }`, nil)
	sourceID, _ = a.get(t, "data", "users", "nodes", 0, "sourceId").(string)
	name, _ = a.get(t, "data", "users", "nodes", 0, "name").(string)
	return sourceID, name
}

func rename(t *testing.T, p *program, sourceID, name string) {
	t.Helper()
	a := p.post(t, `mutation($id: ID!, $name: String!) { updateUser(input: {by: {sourceId: $id}, name: $name}) { user { name } userErrors { message } } }`,
		map[string]any{"id": sourceID, "name": name})
	if got := a.get(t, "data", "updateUser", "user", "name"); got != name {
		t.Fatalf("the mutation failed: %s", a.raw)
	}
}

func userName(t *testing.T, event map[string]any) any {
	t.Helper()
	return member(member(event["data"], "user"), "name")
}

func TestASubscriptionSendsTheAnswerAndEachChange(t *testing.T) {
	t.Parallel()
	for name, accept := range map[string]string{
		"events": events, "multipart": listed, "multipart quoted": `multipart/mixed;subscriptionSpec="1.0"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, subscribe := subscribed(t, nil)
			id, before := firstUser(t, p)
			s := subscribe(accept, fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name } }`, id))
			if s.StatusCode != http.StatusOK || s.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d %v", s.StatusCode, s.Header)
			}
			if got := userName(t, s.event(t)); got != before {
				t.Fatalf("first: got %v, want %v", got, before)
			}
			rename(t, p, id, "Changed Once")
			if got := userName(t, s.event(t)); got != "Changed Once" {
				t.Errorf("after a mutation: got %v", got)
			}
			rename(t, p, id, "Changed Once") // which changes nothing
			rename(t, p, id, "Changed Twice")
			if got := userName(t, s.event(t)); got != "Changed Twice" {
				t.Errorf("after another mutation: got %v; an answer that is as before is no event", got)
			}
		})
	}
}

func TestTheBytesOfSubscriptions(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]struct{ media, text string }{
		events: {"text/event-stream; charset=utf-8", ":\n\nevent: next\ndata: {\"data\":{\"users\":{\"pageInfo\":{\"hasNextPage\":true}}}}\n\n"},
		listed: {`multipart/mixed; boundary="graphql"; subscriptionSpec=1.0`,
			"\r\n--graphql\r\n" +
				"Content-Type: application/json; charset=utf-8\r\n\r\n{\"payload\":{\"data\":{\"users\":{\"pageInfo\":{\"hasNextPage\":true}}}}}\r\n--graphql\r\n"},
		// urql lists both with equal weight.
		"application/graphql-response+json, application/json, text/event-stream, multipart/mixed;subscriptionSpec=1.0": {"text/event-stream; charset=utf-8", ""},
		"text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0":                                                {`multipart/mixed; boundary="graphql"; subscriptionSpec=1.0`, ""},
	} {
		_, subscribe := subscribed(t, nil)
		s := subscribe(accept, `subscription { users(first: 1) { pageInfo { hasNextPage } } }`)
		if got := s.Header.Get("Content-Type"); got != want.media {
			t.Errorf("%s: got %q, want %q", accept, got, want.media)
		}
		got := make([]byte, len(want.text))
		if _, err := io.ReadFull(s.Body, got); err != nil || string(got) != want.text {
			t.Errorf("%s: got %q, want %q (%v)", accept, got, want.text, err)
		}
	}
}

// Subscribers share the bytes of events, whatever codings they accept; only who excludes all else gets a packed stream.
func TestEventsHaveNoContentCoding(t *testing.T) {
	t.Parallel()
	_, subscribe := subscribed(t, nil)
	for accepted, want := range map[string]string{"gzip, deflate, br": "", "zstd": "", "gzip, identity;q=0": "gzip"} {
		for _, accept := range []string{events, listed} {
			s := subscribe(accept, `subscription { users(first: 1) { nodes { name } } }`, "Accept-Encoding", accepted)
			if got := s.Header.Get("Content-Encoding"); got != want {
				t.Errorf("%s: got %q, want %q", accepted, got, want)
			}
		}
	}
}

func TestASubscriptionByGET(t *testing.T) {
	t.Parallel()
	p, _ := subscribed(t, nil)
	s := httptest.NewServer(p.Handler)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/graphql?query=subscription%7Busers(first:1)%7Bnodes%7Bname%7D%7D%7D", nil)
	r.Header.Set("Accept", events)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	start := make([]byte, len(":\n\nevent: next\ndata: {"))
	if _, err := io.ReadFull(resp.Body, start); err != nil || !strings.HasPrefix(string(start), ":\n\nevent: next\n") {
		t.Errorf("got %q, %v", start, err)
	}
}

func TestASubscriptionWithoutAProtocolIsNotAcceptable(t *testing.T) {
	t.Parallel()
	_, subscribe := subscribed(t, nil)
	for _, accept := range []string{"", "application/json", "*/*", "multipart/mixed", "multipart/mixed;deferSpec=20220824",
		"text/html", "text/event-stream;q=0", "multipart/mixed;subscriptionSpec=2.0", "application/json, text/event-stream;q=0"} {
		s := subscribe(accept, `subscription { users(first: 1) { nodes { name } } }`)
		body := s.next()
		if s.StatusCode != http.StatusNotAcceptable || !strings.Contains(body, "text/event-stream") || !strings.Contains(body, "subscriptionSpec=1.0") {
			t.Errorf("%q: got %d %s", accept, s.StatusCode, body)
		}
	}
}

func TestASubscriptionHasOneRootField(t *testing.T) {
	t.Parallel()
	_, subscribe := subscribed(t, nil)
	for _, query := range []string{
		`subscription { users(first: 1) { nodes { name } } clients(first: 1) { nodes { name } } }`,
		`subscription { a: users(first: 1) { nodes { name } } b: users(first: 1) { nodes { name } } }`,
		`subscription { users(first: 1) { nodes { name } } ...f } fragment f on Subscription { b: users(first: 1) { nodes { name } } }`,
		`subscription($s: Boolean = false) { users(first: 1) @skip(if: $s) { nodes { name } } }`,
	} {
		s := subscribe(events, query)
		if body := s.next(); s.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || !strings.Contains(body, "GRAPHQL_VALIDATION_FAILED") || s.next() != "" {
			t.Errorf("%s: got %s", query, body)
		}
	}
}

// A caller who accepts event streams alone gets the answer to a query or mutation as one event and the end of the
// stream.
func TestAWholeAnswerIsTheOnlyEventOfAStream(t *testing.T) {
	t.Parallel()
	p, subscribe := subscribed(t, nil)
	id, name := firstUser(t, p)
	user := fmt.Sprintf(`{"data":{"user":{"name":%q}}`, name)
	query := fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, id)
	for _, c := range []struct{ accept, query, media, want string }{
		{events, query, events, user + "}"},
		{events, query, events, user + "}"}, // from the stored answer
		{events + "; charset=utf-8", query, events, user + "}"},
		{events, fmt.Sprintf(`{ user(by: {sourceId: %q}) { ...@defer { name } } }`, id), "application/json", user},
		{events, `{ node(id: "none") { id } }`, events, "BAD_USER_INPUT"},
		{events, `mutation { updateUser(input: {by: {sourceId: "none"}, name: "X"}) { userErrors { code } } }`, events, "NOT_FOUND"},
		{events + ", application/json", query, "application/json", user + "}"},
		{events + ", */*;q=0.1", query, "application/json", user + "}"},
	} {
		s := subscribe(c.accept, c.query)
		first := s.next()
		if media := s.Header.Get("Content-Type"); !strings.HasPrefix(media, c.media) || !strings.Contains(first, c.want) {
			t.Errorf("%s %s: got %s %s", c.accept, c.query, media, first)
		}
		if more := s.next(); more != "" {
			t.Errorf("%s %s: then got %s", c.accept, c.query, more)
		}
		if c.media == events && (s.Header.Get("Cache-Control") != "no-store" || s.Header.Get("Etag") != "") {
			t.Errorf("%s: got %v", c.query, s.Header)
		}
	}
}

// A change that the program does not make is seen when the facts of the answer have reached the end of their lifetime.
func TestAChangeOfABackendIsSeenWithinALifetime(t *testing.T) {
	t.Parallel()
	p, subscribe := subscribed(t, map[string]string{"CACHE_TTL": "1s"})
	id, _ := firstUser(t, p)
	s := subscribe(events, fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name } }`, id))
	s.event(t)
	raw(t, p.backends, http.MethodPut, "/api/v1/headless/user/"+url.PathEscape(id), emulator.Authorization, `{"name": "Changed Elsewhere"}`)
	if got := userName(t, s.event(t)); got != "Changed Elsewhere" {
		t.Errorf("got %v", got)
	}
}

// Many subscribers of one question cost the calls of one.
func TestSubscribersOfOneTopicShareItsCalls(t *testing.T) {
	t.Parallel()
	p, subscribe := subscribed(t, nil)
	id, _ := firstUser(t, p)
	query := fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name created } }`, id)
	p.calls()
	var all []*stream
	for i := range 40 {
		accept := events
		if i%2 == 1 {
			accept = listed
		}
		s := subscribe(accept, query)
		s.event(t)
		all = append(all, s)
	}
	before := len(p.calls())
	if before > 1 {
		t.Errorf("40 subscribers began with %d calls", before)
	}
	rename(t, p, id, "Seen By All")
	for _, s := range all {
		if got := userName(t, s.event(t)); got != "Seen By All" {
			t.Errorf("got %v", got)
		}
	}
	if calls := p.calls(); len(calls) > before+3 { // the write, its own read, and one for all subscribers
		t.Errorf("got %d calls: %q", len(calls)-before, calls[before:])
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	_, subscribe := subscribed(t, map[string]string{"SUBSCRIPTIONS": "2,3"})
	query := `subscription { users(first: 1) { nodes { name } } }`
	for range 2 {
		if e := subscribe(events, query).event(t); e["errors"] != nil {
			t.Fatalf("got %v", e)
		}
	}
	for _, accept := range []string{events, listed} {
		s := subscribe(accept, query)
		text, _ := json.Marshal(s.event(t))
		if !strings.Contains(string(text), `"code":"LIMIT_EXCEEDED"`) || !strings.Contains(string(text), `"limit":{"allowed":2,"name":"subscriptionsPerCaller","reached":3}`) {
			t.Errorf("%s: got %s", accept, text)
		}
		if rest := s.next(); rest != "" {
			t.Errorf("%s: then got %s", accept, rest)
		}
	}
}

func TestAWithdrawnKeyEndsItsSubscriptions(t *testing.T) {
	t.Parallel()
	keys := keysFile(t, map[string]map[string]any{"reader": {"scopes": []string{"users:read"}}})
	p, subscribe := subscribed(t, map[string]string{"AUTH": "keys", "API_KEYS_FILE": keys})
	query := `subscription { users(first: 1) { nodes { name } } }`
	var open []*stream
	for _, accept := range []string{events, listed} {
		s := subscribe(accept, query, "X-API-Key", "reader")
		if e := s.event(t); e["errors"] != nil {
			t.Fatalf("got %v", e)
		}
		open = append(open, s)
	}
	if err := os.WriteFile(keys, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Reload(t.Context())
	for _, s := range open {
		text, _ := json.Marshal(s.event(t))
		if !strings.Contains(string(text), `"code":"UNAUTHENTICATED"`) {
			t.Errorf("got %s", text)
		}
		if rest := s.next(); rest != "" {
			t.Errorf("then got %s", rest)
		}
	}
}

// The last answer stays while a backend fails, and one event shows its age.
func TestABackendThatFailsLeavesTheLastAnswerOpen(t *testing.T) {
	t.Parallel()
	p, subscribe := subscribed(t, map[string]string{"CACHE_TTL": "1s", "CACHE_STALE": "10m"})
	id, name := firstUser(t, p)
	s := subscribe(events, fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name } }`, id))
	s.event(t)
	p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultStatus, Status: http.StatusServiceUnavailable})
	e := s.event(t)
	if got := userName(t, e); got != name || member(member(e["extensions"], "freshness"), "stale") == nil {
		t.Fatalf("got %v", e)
	}
	p.backends.ClearFaults()
	if e := s.event(t); userName(t, e) != name || e["extensions"] != nil {
		t.Errorf("when the backend is well again: got %v", e)
	}
}

// A server that shuts down sends its subscribers away at once, at different times.
func TestADrainSendsSubscribersAway(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"SHUTDOWN_DELAY": "0s", "CACHE_TTL": "1m"}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- p.Serve(ctx, listener) }()
	url := "http://" + listener.Addr().String()
	query := `subscription { users(first: 1) { nodes { name } } }`
	source := open(t, url, query, map[string]string{"Accept": events})
	parts := open(t, url, query, map[string]string{"Accept": listed})
	parts.event(t)
	stop()
	text, err := io.ReadAll(source.Body)
	if err != nil || !strings.Contains(string(text), "\nretry: ") || strings.Contains(string(text), "complete") {
		t.Errorf("got %q, %v", text, err)
	}
	last, _ := json.Marshal(parts.event(t))
	if !strings.Contains(string(last), `"retryAfter":`) || parts.next() != "" {
		t.Errorf("got %s", last)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the server does not stop")
	}
}
