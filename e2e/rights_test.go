package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// moved starts a program whose cache knows a user of the caller's client, and moves the user to another client with the
// vendor's own tools.
func moved(t *testing.T, ttl string, inList bool, wrap ...func(http.RoundTripper) http.RoundTripper) (p *program, user emulator.UserRef) {
	t.Helper()
	options := emulator.Options{Clients: 2, Linked: true, UsersPerClient: 3, CoursesPerClient: -1, LearningPathsPerClient: -1, ProviderInList: inList}
	catalogue := emulator.New(options)
	own, other := catalogue.Clients()[0], catalogue.Clients()[1]
	catalogue.Close()
	var between func(http.RoundTripper) http.RoundTripper
	if len(wrap) > 0 {
		between = wrap[0]
	}
	p = start(t, setup{Emulator: options, Wrap: between, Env: map[string]string{"AUTH": "keys", "ALLOW_DELETES": "true", "CACHE_TTL": ttl, "CACHE_STALE": "10m",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"bound-key": {"clients": []string{own.Identifier},
			"scopes": []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "delete"}}})}})
	user = p.backends.Users(own.Identifier)[0]
	warm := p.asKey(t, "bound-key", fmt.Sprintf(`{ user(by: {sourceId: %q}) { name identity { claims } } identity(by: {sourceId: %q}) { sourceId }
		users { nodes { name identity { sourceId } } } }`, user.Identifier, user.IdentityID))
	if len(warm.Errors) > 0 || !strings.Contains(string(warm.raw), user.IdentityID) {
		t.Fatalf("got %s", warm.raw)
	}
	moveUser(t, p.backends.Transport(), user, other)
	return p, user
}

// moveUser moves a user to a client as the vendor's own tools do.
func moveUser(t *testing.T, backends http.RoundTripper, u emulator.UserRef, to emulator.ClientRef) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+backendHost+"/api/v1/headless/user/"+url.PathEscape(u.Identifier),
		strings.NewReader(fmt.Sprintf(`{"clientIdentifier": %q}`, to.Identifier)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", emulator.Authorization)
	r.Header.Set("Content-Type", "application/json")
	resp, err := backends.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("moving a user: status %d", resp.StatusCode)
	}
}

func boundWrites(u emulator.UserRef, heir emulator.UserRef) map[string]string {
	return map[string]string{
		"updateUser":     fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, name: "taken"}) { userErrors { code } user { name metadata } } }`, u.Identifier),
		"deleteUser":     fmt.Sprintf(`mutation { w: deleteUser(input: {by: {sourceId: %q}, action: ignore}) { userErrors { code } deletedId } }`, u.Identifier),
		"reallocate":     fmt.Sprintf(`mutation { w: deleteUser(input: {by: {sourceId: %q}, action: reallocate, reallocateTo: %q}) { userErrors { code } deletedId } }`, heir.Identifier, u.Identifier),
		"updateIdentity": fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {a: "taken"}}) { userErrors { code } identity { claims } } }`, u.IdentityID),
		"deleteIdentity": fmt.Sprintf(`mutation { w: deleteIdentity(input: {by: {sourceId: %q}}) { userErrors { code } deletedId } }`, u.IdentityID),
	}
}

func TestTheRightToWriteRestsOnTheBackendsCurrentRecord(t *testing.T) {
	t.Parallel()
	for _, inList := range []bool{true, false} {
		for _, age := range []time.Duration{0, 5 * time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				p, user := moved(t, "60s", inList)
				heir := p.backends.Users(p.backends.Clients()[0].Identifier)[1]
				time.Sleep(age)
				for name, write := range boundWrites(user, heir) {
					p.backends.Reset()
					a := p.asKey(t, "bound-key", write)
					if text := string(a.raw); !strings.Contains(text, `"code":"NOT_FOUND"`) && !strings.Contains(text, `"code":"BAD_USER_INPUT"`) {
						t.Errorf("%s: got %s", name, text)
					}
					p.expectNoWrite(t, name)
				}
			})
		}
	}
}

func (p *program) expectNoWrite(t *testing.T, name string) {
	t.Helper()
	for _, call := range p.calls() {
		if strings.HasPrefix(call, "PUT") || strings.HasPrefix(call, "DELETE") {
			t.Errorf("%s: a write reached a backend: %s", name, call)
		}
	}
}

func TestWhatCannotBeReadIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, user := moved(t, "60s", true)
		own := p.backends.Users(p.backends.Clients()[0].Identifier)[1]
		p.backends.SetFault("GET /v1/headless/user/{identifier}", emulator.Fault{Status: 503})
		for name, write := range boundWrites(own, user) {
			p.backends.Reset()
			a := p.asKey(t, "bound-key", write)
			if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "UPSTREAM_UNAVAILABLE" {
				t.Errorf("%s: got %s", name, a.raw)
			}
			p.expectNoWrite(t, name)
		}
	})
}

func TestAPayloadShowsTheCallersOwnAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p *program
		var own emulator.UserRef
		// The vendor's tools move the user between the write and the read of the payload.
		p, own = moved(t, "0", true, func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if r.Method == http.MethodPut {
					moveUser(t, next, own, p.backends.Clients()[1])
				}
				return resp, err
			})
		})
		for name, write := range boundWrites(own, own) {
			if !strings.HasPrefix(name, "update") {
				continue
			}
			moveUser(t, p.backends.Transport(), own, p.backends.Clients()[0])
			a := p.asKey(t, "bound-key", write)
			if text := string(a.raw); strings.Contains(text, "taken") || !strings.Contains(text, `"userErrors":[]`) {
				t.Errorf("%s: got %s", name, text)
			}
		}
	})
}
