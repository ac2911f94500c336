package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	persisted "github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// inFakeTime runs a test with a program whose caches hold for a minute.
func inFakeTime(t *testing.T, env map[string]string, test func(t *testing.T, p *program, id string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		all := map[string]string{"CACHE_TTL": "1m"}
		maps.Copy(all, env)
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, UsersPerClient: 3, CredentialsPerUser: 2}, Env: all})
		user := p.backends.Users(p.backends.Clients()[0].Identifier)[0]
		p.backends.Rename(user.Identifier, "Before")
		test(t, p, user.Identifier)
	})
}

func userQuery(id string) string {
	return fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name } }`, id)
}

func namesOf(t *testing.T, f *follower) []any {
	t.Helper()
	var names []any
	for _, e := range f.events(t) {
		names = append(names, userName(t, e))
	}
	return names
}

func TestHeartbeatsKeepAStreamOpen(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		source, parts := p.follow(t, events, userQuery(id)), p.follow(t, listed, userQuery(id))
		time.Sleep(time.Second)
		before, partsBefore := source.raw(), parts.raw()
		time.Sleep(30 * time.Second)
		if got := strings.TrimPrefix(source.raw(), before); got != strings.Repeat(":\n\n", 6) {
			t.Errorf("event stream: got %q", got)
		}
		want := strings.Repeat("Content-Type: application/json; charset=utf-8\r\n\r\n{}\r\n--graphql\r\n", 6)
		if got := strings.TrimPrefix(parts.raw(), partsBefore); got != want {
			t.Errorf("multipart: got %q", got)
		}
		if got := namesOf(t, source); !slices.Equal(got, []any{"Before"}) {
			t.Errorf("got %v", got)
		}
	})
}

// A fact is fetched again when it reaches the end of its lifetime, and not before, for an answer that stays the same
// too.
func TestFactsAreRefreshedAtTheEndOfTheirLifetime(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		f := p.follow(t, events, userQuery(id))
		p.backends.Rename(id, "Changed Elsewhere")
		p.backends.Reset()
		time.Sleep(40 * time.Second)
		if calls := p.calls(); len(calls) > 0 {
			t.Errorf("within the lifetime: got %q", calls)
		}
		time.Sleep(30 * time.Second)
		if got := namesOf(t, f); !slices.Equal(got, []any{"Before", "Changed Elsewhere"}) {
			t.Errorf("got %v", got)
		}
		time.Sleep(10 * time.Minute)
		if got := len(f.events(t)); got != 2 {
			t.Errorf("an answer that stays the same is %d events", got)
		}
		if calls := len(p.backends.Calls()); calls < 10 || calls > 13 {
			t.Errorf("got %d calls in eleven lifetimes", calls)
		}
		f.stop()
		synctest.Wait()
		p.backends.Reset()
		time.Sleep(time.Hour)
		if calls := p.calls(); len(calls) > 0 {
			t.Errorf("without subscribers: got %q", calls)
		}
	})
}

// A change that the program learns of is refreshed at once.
func TestWhatIsKnownToHaveChangedIsRefreshedAtOnce(t *testing.T) {
	t.Parallel()
	for what, notify := range map[string]func(t *testing.T, p *program, id string){
		"a mutation": func(t *testing.T, p *program, id string) { rename(t, p, id, "Changed") },
		"a purge": func(t *testing.T, p *program, id string) {
			p.backends.Rename(id, "Changed")
			if _, err := p.Purge(t.Context(), "User", id); err != nil {
				t.Error(err)
			}
		},
		"a webhook": func(t *testing.T, p *program, id string) {
			p.backends.Rename(id, "Changed")
			p.deliver(t, "coassemble", emulator.Delivery{ID: "e1", Event: "course.completed", Data: map[string]any{"tracking": map[string]any{"identifier": id}}})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			inFakeTime(t, map[string]string{"CACHE_TTL": "1h", "COASSEMBLE_WEBHOOK_SECRET": coursesSecret}, func(t *testing.T, p *program, id string) {
				f := p.follow(t, events, userQuery(id))
				time.Sleep(time.Minute)
				notify(t, p, id)
				time.Sleep(time.Second)
				if got := namesOf(t, f); !slices.Equal(got, []any{"Before", "Changed"}) {
					t.Errorf("got %v", got)
				}
				if got := p.figure(t, "subscription_lag_seconds_count"); got != "1" {
					t.Errorf("the lag is measured %q times", got)
				}
			})
		})
	}
}

// A reader who does not take an event has the newest answer when it reads again, and none of those between.
func TestASlowReaderGetsTheNewestAnswer(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		slow, quick := p.follow(t, events, userQuery(id)), p.follow(t, listed, userQuery(id))
		goOn := slow.hold()
		for i := range 5 {
			rename(t, p, id, fmt.Sprint("Name ", i))
			time.Sleep(time.Second)
		}
		if got := len(quick.events(t)); got != 6 {
			t.Errorf("the quick reader got %d events", got)
		}
		goOn()
		time.Sleep(time.Second)
		if got := namesOf(t, slow); !slices.Equal(got, []any{"Before", "Name 0", "Name 4"}) {
			t.Errorf("got %v", got)
		}
	})
}

// A slow reader for whom the answer is again the last one gets no event.
func TestTheSameBytesNeverComeTwiceInARow(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		slow := p.follow(t, events, userQuery(id))
		rename(t, p, id, "First")
		time.Sleep(time.Second)
		goOn := slow.hold()
		for _, next := range []string{"Second", "Third", "Second"} {
			rename(t, p, id, next)
			time.Sleep(time.Second)
		}
		goOn()
		time.Sleep(time.Minute)
		if got := namesOf(t, slow); !slices.Equal(got, []any{"Before", "First", "Second"}) {
			t.Errorf("got %v", got)
		}
	})
}

// Every kind of failure leaves the last answer and is reported once, as is its end. No stream ends for it.
func TestAFailureLeavesTheLastAnswerAndIsReportedOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]emulator.Fault{
		"401": {Status: 401}, "409": {Status: 409}, "429": {Status: 429, RetryAfter: "5"}, "500": {Status: 500}, "503": {Status: 503},
		"reset": {Kind: emulator.FaultReset}, "no headers": {Kind: emulator.FaultHangHeaders}, "half a body": {Kind: emulator.FaultHangBody},
		"cut off": {Kind: emulator.FaultTruncated}, "half of the JSON": {Kind: emulator.FaultInvalidJSON}, "a web page": {Kind: emulator.FaultHTML},
		"nothing": {Kind: emulator.FaultEmpty}, "a redirect": {Kind: emulator.FaultRedirect}, "errors beside status 200": {Kind: emulator.FaultErrors200},
	} {
		for _, backend := range []emulator.Backend{emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR} {
			for _, stale := range []string{"0s", "1h"} {
				t.Run(fmt.Sprint(name, " of ", backend, " with CACHE_STALE=", stale), func(t *testing.T) {
					t.Parallel()
					inFakeTime(t, map[string]string{"CACHE_STALE": stale}, func(t *testing.T, p *program, id string) {
						failure(t, p, id, backend, fault)
					})
				})
			}
		}
	}
}

func failure(t *testing.T, p *program, id string, backend emulator.Backend, fault emulator.Fault) {
	t.Helper()
	query := fmt.Sprintf(`subscription { user(by: {sourceId: %q}) { name client { name courses { totalCount } } credentials { nodes { type } } } }`, id)
	all := []*follower{p.follow(t, events, query), p.follow(t, listed, query)}
	p.backends.SetFault(string(backend), fault)
	time.Sleep(10 * time.Minute)
	p.backends.ClearFaults()
	time.Sleep(5 * time.Minute)
	for _, f := range all {
		got := f.events(t)
		if f.left() || len(got) != 3 {
			t.Fatalf("ended: %t; got %q", f.left(), f.payloads())
		}
		notified := fmt.Sprint(got[1]["extensions"])
		if got[0]["errors"] != nil || got[1]["errors"] != nil || fmt.Sprint(got[1]["data"]) != fmt.Sprint(got[0]["data"]) || !strings.Contains(notified, fmt.Sprint("backend:", backend)) {
			t.Errorf("while it fails: got %v", got[1])
		}
		if fmt.Sprint(got[2]) != fmt.Sprint(got[0]) {
			t.Errorf("after it: got %v, want %v", got[2], got[0])
		}
	}
}

// Refreshes leave room in a budget for the calls of users.
func TestRefreshesGiveWayToUsersCalls(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"CACHE_TTL": "1s", "COASSEMBLE_RATE": "20/1m"}, func(t *testing.T, p *program, id string) {
		var all []*follower
		for i := range 6 {
			all = append(all, p.follow(t, events, fmt.Sprintf(`subscription { users(first: 1, clientIdentifier: %q) { nodes { name } } }`, fmt.Sprint("client ", i))))
		}
		for i := range 30 {
			time.Sleep(20 * time.Second)
			a := p.post(t, fmt.Sprintf(`{ users(first: 1, clientIdentifier: %q) { nodes { name } } }`, fmt.Sprint("asked ", i)), nil)
			if len(a.Errors) > 0 {
				t.Fatalf("call %d of a user: got %v", i, a.Errors)
			}
		}
		if got := len(p.backends.Calls()); got < 100 || got > 20*11 {
			t.Errorf("got %d calls in ten minutes", got)
		}
		for _, f := range all {
			if f.left() {
				t.Errorf("ended: %q", f.raw())
			}
		}
	})
}

// signedUntil returns a key set and a token that it verifies until then.
func signedUntil(t *testing.T, until time.Time) (jwks, token string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err = jwt.Signed(signer).Claims(map[string]any{"iss": "i", "aud": "a", "sub": "someone", "scope": "users:read",
		"iat": time.Now().Unix(), "exp": until.Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder(t, map[string]string{"jwks.json": string(set)}), "jwks.json"), token
}

// A stream ends soon after its token expires, as its protocol ends streams.
func TestAnExpiredTokenEndsItsSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		jwks, token := signedUntil(t, time.Now().Add(time.Minute))
		env := jwtEnv(jwks)
		env["CACHE_TTL"] = "1h"
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
		const query = `subscription { users(first: 1) { nodes { name } } }`
		source := p.follow(t, events, query, "Authorization", "Bearer "+token)
		parts := p.follow(t, listed, query, "Authorization", "Bearer "+token)
		time.Sleep(50 * time.Second)
		if source.left() || parts.left() || len(source.events(t)) != 1 || source.events(t)[0]["errors"] != nil {
			t.Fatalf("before: got %q", source.payloads())
		}
		time.Sleep(2 * time.Minute) // with the leeway of clocks
		if got := source.raw(); !source.left() || !strings.Contains(got, `"code":"UNAUTHENTICATED"`) || !strings.HasSuffix(got, "event: complete\ndata: \n\n") {
			t.Errorf("event stream: got %q", got)
		}
		if got := parts.raw(); !parts.left() || !strings.Contains(got, `{"payload":null,"errors":[`) || !strings.Contains(got, `"code":"UNAUTHENTICATED"`) || !strings.HasSuffix(got, "--graphql--\r\n") {
			t.Errorf("multipart: got %q", got)
		}
	})
}

// A caller whose rights are others by now gets no event that they do not allow.
func TestAKeyWithOtherRightsEndsItsSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		both := []string{"users:read", "users:write"}
		keys := keysFile(t, map[string]map[string]any{"reader": {"scopes": both}, "writer": {"scopes": both}})
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true, UsersPerClient: 1}, Env: map[string]string{"CACHE_TTL": "1h", "AUTH": "keys", "API_KEYS_FILE": keys}})
		id := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
		bound, other := p.follow(t, events, userQuery(id), "X-API-Key", "reader"), p.follow(t, events, userQuery(id), "X-API-Key", "writer")
		text, err := os.ReadFile(keysFile(t, map[string]map[string]any{"reader": {"scopes": both, "clients": []string{"none"}}, "writer": {"scopes": both}}))
		if err == nil {
			err = os.WriteFile(keys, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Reload(t.Context())
		p.backends.Rename(id, "After")
		if _, err := p.Purge(t.Context(), "User", id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := bound.raw(); !bound.left() || strings.Contains(got, "After") || !strings.Contains(got, `"code":"UNAUTHENTICATED"`) {
			t.Errorf("got %q", got)
		}
		if got := other.raw(); other.left() || !strings.Contains(got, "After") {
			t.Errorf("another key: got %q", got)
		}
	})
}

// A document that was subscribed to by its hash is asked again when the server has forgotten its text.
func TestASubscriptionOutlivesTheRegistrationOfItsDocument(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		hashed := func(text string) string {
			return fmt.Sprintf(`"extensions": {"persistedQuery": {"version": 1, "sha256Hash": %q}}`, persisted.Hash(text))
		}
		register := func(text string) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(fmt.Sprintf(`{"query": %s, %s}`, strconv.Quote(text), hashed(text))))
			r.Header.Set("Content-Type", "application/json")
			p.send(r)
		}
		register(userQuery(id))
		byHash := func() *follower { return p.followBody(t, events, "{"+hashed(userQuery(id))+"}") }
		f := byHash()
		for i := range 200 {
			register(fmt.Sprintf("{ __typename } #%d%s", i, strings.Repeat("x", 30_000)))
		}
		if got := byHash().raw(); !strings.Contains(got, "PERSISTED_QUERY_NOT_FOUND") {
			t.Fatalf("the hash is not forgotten: got %q", got)
		}
		rename(t, p, id, "After")
		time.Sleep(time.Second)
		if got := namesOf(t, f); !slices.Equal(got, []any{"Before", "After"}) {
			t.Errorf("got %v", f.payloads())
		}
	})
}

// quiet is a listener to which nothing connects.
type quiet chan struct{}

func (l quiet) Accept() (net.Conn, error) {
	<-l
	return nil, net.ErrClosed
}

func (l quiet) Close() error {
	close(l)
	return nil
}

func (l quiet) Addr() net.Addr { return &net.TCPAddr{} }

// Subscribers of a server that shuts down come back at different times.
func TestSubscribersAreSentAwayForDifferentTimes(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		var all []*follower
		for range 20 {
			all = append(all, p.follow(t, events, userQuery(id)))
		}
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- p.Serve(ctx, quiet(make(chan struct{}))) }()
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		times := map[int]bool{}
		for _, f := range all {
			_, text, found := strings.Cut(f.raw(), "\nretry: ")
			after, err := strconv.Atoi(strings.TrimSpace(text))
			if !f.left() || !found || err != nil || after < 1000 || after > 10_000 {
				t.Errorf("got %q", f.raw())
			}
			times[after/1000] = true
		}
		if len(times) < 5 {
			t.Errorf("all come back within the seconds %v", times)
		}
	})
}

// How long a stream is open is no time that an operation takes.
func TestTheDurationOfASubscriptionIsThatUntilItsFirstEvent(t *testing.T) {
	t.Parallel()
	inFakeTime(t, nil, func(t *testing.T, p *program, id string) {
		f := p.follow(t, events, userQuery(id))
		time.Sleep(time.Hour)
		f.stop()
		<-f.ended
		got := p.figure(t, `operation_duration_seconds_sum{document="other"}`)
		seconds, err := strconv.ParseFloat(got, 64)
		if err != nil || seconds > 1 {
			t.Errorf("got %q", got)
		}
		if got := p.figure(t, `operations_total{document="other",outcome="ok",type="subscription"}`); got == "" {
			t.Error("subscriptions are not told apart from other operations")
		}
	})
}

// A captured operation ends, so that a subscription is none: the caller learns it at once, and others can capture.
func TestASubscriptionIsNotCaptured(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"EXPLAIN": "true", "CAPTURE_DIR": t.TempDir()}, func(t *testing.T, p *program, id string) {
		for _, accept := range []string{events, listed} {
			f := p.follow(t, accept, userQuery(id), "X-Learngraph-Capture", "1")
			if got := f.raw(); !f.left() || !strings.Contains(got, "LIMIT_EXCEEDED") || f.header.Get("X-Learngraph-Capture") != "" {
				t.Errorf("got %q", got)
			}
		}
		deferred := p.follow(t, events, fmt.Sprintf(`{ user(by: {sourceId: %q}) { name ... @defer { credentials { nodes { type } } } } }`, id), "X-Learngraph-Capture", "1")
		if got := deferred.raw(); !deferred.left() || !strings.Contains(got, `"credentials":{`) || deferred.header.Get("X-Learngraph-Capture") == "" {
			t.Errorf("an answer in parts: got %q", got)
		}
		f := p.follow(t, events, userQuery(id))
		if f.left() || !slices.Equal(namesOf(t, f), []any{"Before"}) {
			t.Errorf("without the header: got %q", f.raw())
		}
	})
}
