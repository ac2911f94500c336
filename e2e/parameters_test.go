package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestExplainShowsParametersToWhoMayReadEveryRecord(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 1, UsersPerClient: 1}
	catalogue := emulator.New(options)
	user := catalogue.Users(catalogue.Clients()[0].Identifier)[0].Identifier
	query := fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user)
	all := []string{"clients:read", "users:read", "identities:read", "claims:read", "explain"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"EXPLAIN": "true", "AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"all": {"scopes": all}, "some": {"scopes": []string{"users:read", "explain"}}})}})
	for key, wantValue := range map[string]string{"all": user, "some": ""} {
		e := p.explain(t, query, "X-API-Key", key)
		if len(e.Calls) != 1 || len(e.Calls[0].Parameters) != 1 {
			t.Fatalf("%s: got %+v", key, e.Calls)
		}
		got := e.Calls[0].Parameters[0]
		if got.Name != "identifier" || got.Value != wantValue || (got.Digest == "") != (wantValue != "") {
			t.Errorf("%s: got %+v, want the value %q or a digest", key, got, wantValue)
		}
	}
}

func TestEachAnswerIsCountedByPathAndStatus(t *testing.T) {
	t.Parallel()
	p := start(t, setup{})
	for _, target := range []string{typename, typename, "/graphql", "/nowhere", "/readyz"} {
		p.visit(t, http.MethodGet, target)
	}
	got := p.readMetrics(t)
	for name, want := range map[string]string{
		`http_requests_total{path="/graphql",status="200"}`: "2",
		`http_requests_total{path="/graphql",status="400"}`: "1",
		`http_requests_total{path="other",status="404"}`:    "1",
		`http_requests_total{path="/readyz",status="200"}`:  "1",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %s", name, got[name], want)
		}
	}
}
