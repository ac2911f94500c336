package e2e

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// slowEdges has calls take a moment that do not list clients, so that an answer has parts.
func slowEdges(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/incoming/v2/clients" {
			time.Sleep(50 * time.Millisecond)
		}
		return next.RoundTrip(r)
	})
}

// slowerEdges delays every call that does not list clients, each longer than the one before: their answers come in that order.
func slowerEdges(next http.RoundTripper) http.RoundTripper {
	var calls atomic.Int64
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/incoming/v2/clients" {
			time.Sleep(time.Duration(calls.Add(1)) * 100 * time.Millisecond)
		}
		return next.RoundTrip(r)
	})
}

// Apollo Client with both of its handlers and urql merge the parts that they receive.
func TestClientsReadAnswersInParts(t *testing.T) {
	t.Parallel()
	needNode(t)
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Wrap: slowEdges})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	runScript(t, 3, "node", "incremental.mjs", server.URL+"/graphql")
}

// Relay's compiler takes @defer and @stream of the schema, and its runtime the payloads from the fetch function of the example.
func TestRelayReadsAnswersInParts(t *testing.T) {
	t.Parallel()
	needNode(t)
	p := start(t, setup{Emulator: emulator.Options{Clients: 3, UsersPerClient: 1, Linked: true}, Wrap: slowerEdges})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	text := filepath.Join(folder(t, map[string]string{"schema.graphqls": schemaText()}), "schema.graphqls")
	runScript(t, 4, "node", "relay.mjs", server.URL+"/graphql", text)
}
