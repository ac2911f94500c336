package e2e

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// Apollo Client with both of its handlers and urql merge the parts that they receive. Calls of Coassemble take a moment, so
// that the answer has parts.
func TestClientsReadAnswersInParts(t *testing.T) {
	t.Parallel()
	needNode(t)
	slow := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/incoming/v2/clients" {
				time.Sleep(50 * time.Millisecond)
			}
			return next.RoundTrip(r)
		})
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Wrap: slow})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	runScript(t, 3, "node", "incremental.mjs", server.URL+"/graphql")
}
