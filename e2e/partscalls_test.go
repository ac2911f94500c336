package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// readAll returns the payloads of an answer.
func (s *stream) readAll() (payloads []string) {
	for text := s.next(); text != ""; text = s.next() {
		payloads = append(payloads, text)
	}
	return payloads
}

// slowly has each call of a backend take a moment, so that later parts begin before the first has all.
func slowly(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		time.Sleep(5 * time.Millisecond)
		return next.RoundTrip(r)
	})
}

// What several parts need is read once, without a cache too: the calls are those of the operation without the directives, or, where a
// list decides by how many ask whether it is scanned, no page of it is read twice.
func TestPartsReadNothingTwice(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`{ clients(first: 3) { nodes { name } } ... @defer { clients(first: 3) { nodes { sourceId } pageInfo { hasNextPage } } } }`,
		`{ identities(first: 3) { nodes { id } } ... @defer { identities(first: 3) { nodes { sourceId } } ... @defer { identities(first: 3) { pageInfo { endCursor } } } } }`,
		`{ embedClients { nodes { id } } ... @defer { more: embedClients { nodes { sourceId } } } }`,
		`{ clients(first: 20) { nodes @stream(initialCount: 5) { users(first: 2) { nodes { name } } } } }`,
		`{ clients(first: 20) { nodes @stream(initialCount: 2) { users(first: 2) { nodes { name identity { sourceId } } } } } }`,
		`{ clients(first: 20) { nodes { users(first: 2) { nodes { name } } ... @defer { embed { userCount } } } } ... @defer { clients(first: 20) { nodes { embed { sourceId } } } } }`,
		`{ users(first: 20) { nodes @stream(initialCount: 3) { identity { sourceId } } } }`,
	} {
		for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "multipart/mixed;deferSpec=20220824"} {
			t.Run(query+accept, func(t *testing.T) {
				t.Parallel()
				p := start(t, setup{Emulator: emulator.Options{Clients: 20, UsersPerClient: 5, Linked: true, ProviderInList: true}, Wrap: slowly,
					Env: map[string]string{"CACHE_TTL": "0s"}})
				server := httptest.NewServer(p.Handler)
				defer server.Close()
				open(t, server.URL, query, map[string]string{"Accept": accept}).readAll()
				seen := map[string]bool{}
				for _, c := range p.backends.Calls() {
					call := fmt.Sprint(c.Method, c.Path, "?", c.RawQuery, " ", string(c.Body))
					if seen[call] && !strings.Contains(call, "token") {
						t.Errorf("%s is called again", call)
					}
					seen[call] = true
				}
			})
		}
	}
}
