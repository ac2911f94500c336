package e2e

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// A caller who asks for much does not take the backend from another who comes while it waits.
func TestCallersTakeTurnsWhereCallsWait(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		backend emulator.Backend
		env     map[string]string
		other   string // for whom nothing must be missing
		greedy  int    // failures of the greedy caller at least
		within  time.Duration
	}{
		"for slots":              {emulator.Coassemble, map[string]string{"COASSEMBLE_RATE": "0", "COASSEMBLE_CONCURRENCY": "2"}, aliases(5, `users(clientIdentifier: "o%d") { nodes { name } }`), 0, 3 * time.Second},
		"for the budget":         {emulator.ThoughtIndustries, map[string]string{"THOUGHTINDUSTRIES_RATE": "60/1m"}, aliases(14, `clients(query: "o%d") { totalCount }`), 10, 6 * time.Second},
		"for the rest of a part": {emulator.ThoughtIndustries, map[string]string{"THOUGHTINDUSTRIES_RATE": "100/1m", "REPLICAS": "2"}, aliases(10, `clients(query: "o%d") { totalCount }`), 10, 6 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.env["AUTH"], tt.env["CACHE_TTL"] = "keys", "0"
				tt.env["API_KEYS_FILE"] = keysFile(t, map[string]map[string]any{
					"greedy": {"scopes": []string{"clients:read", "users:read"}}, "other": {"scopes": []string{"clients:read", "users:read"}}})
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true, Latency: 500 * time.Millisecond}, Env: tt.env})
				query := map[emulator.Backend][]string{
					emulator.Coassemble:        {aliases(50, `users(clientIdentifier: "a%d") { nodes { name } }`), aliases(50, `users(clientIdentifier: "b%d") { nodes { name } }`)},
					emulator.ThoughtIndustries: {aliases(50, `clients(query: "a%d") { totalCount }`), aliases(50, `clients(query: "b%d") { totalCount }`)},
				}[tt.backend]
				failed := make(chan int)
				for _, q := range query {
					go func() { failed <- len(p.asKey(t, "greedy", q).Errors) }()
				}
				time.Sleep(200 * time.Millisecond)
				begin := time.Now()
				if got := p.asKey(t, "other", tt.other).failures(); len(got) > 0 {
					t.Errorf("the other caller misses %d: %v", len(got), got[0])
				}
				if took := time.Since(begin); took > tt.within {
					t.Errorf("the other caller waited for %v", took)
				}
				if got := <-failed + <-failed; got < tt.greedy {
					t.Errorf("the greedy caller misses only %d", got)
				}
			})
		})
	}
}
