package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// withShortDeadline sends an operation whose caller wants to wait no longer than timeout; an empty one is the server's.
func (p *program) withShortDeadline(t *testing.T, timeout, query string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	if timeout != "" {
		r.Header.Set("X-Learngraph-Timeout", timeout)
	}
	return readAnswer(t, p.send(r))
}

// aliases is an operation of n fields, each with its number in the format.
func aliases(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: "+format+" ", i, i)
	}
	return "{" + b.String() + "}"
}

// A backend that takes its time is well, whatever callers do to their own calls.
func TestACallerOpensNoCircuitOfASlowButHealthyBackend(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		latency  time.Duration
		timeout  string
		requests int
		query    string
		other    string
	}{
		"clients, just over half of a call's time":                {6 * time.Second, "5100ms", 8, `{ clients(query: "q%d") { totalCount } }`, `{ clients(query: "other") { totalCount } }`},
		"users, more of it":                                       {8 * time.Second, "7s", 15, `{ user(by: {sourceId: "u%d"}) { name } }`, `{ users { nodes { name } } }`},
		"identities, all but a little":                            {9 * time.Second, "8900ms", 25, `{ identity(by: {sourceId: "i%d"}) { sourceId } }`, `{ identities { nodes { sourceId } } }`},
		"many clients in one operation, of which some begin late": {8 * time.Second, "", 1, aliases(20, `clients(query: "q%d") { totalCount }`), `{ clients(query: "other") { totalCount } }`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true, Latency: tt.latency},
					Env: map[string]string{"THOUGHTINDUSTRIES_RATE": "0", "COASSEMBLE_RATE": "0", "MATTR_RATE": "0"}})
				for i := range tt.requests {
					query := tt.query
					if strings.Contains(query, "%d") {
						query = fmt.Sprintf(query, i)
					}
					p.withShortDeadline(t, tt.timeout, query)
				}
				if a := p.withShortDeadline(t, "", tt.other); len(a.failures()) > 0 {
					t.Errorf("another caller gets %v", a.failures())
				}
			})
		})
	}
}

// The probe of an open circuit may take as long as a call may.
func TestASlowProbeClosesACircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true, Latency: 9 * time.Second},
			Env: map[string]string{"COASSEMBLE_RATE": "0", "COASSEMBLE_CONCURRENCY": "5"}})
		p.backends.SetFault(string(emulator.Coassemble), emulator.Fault{Kind: emulator.FaultHangHeaders})
		for i := range 10 {
			p.post(t, fmt.Sprintf(`{ users(clientIdentifier: "c%d") { nodes { name } } }`, i), nil)
		}
		begun := time.Now()
		if got := p.post(t, `{ users(clientIdentifier: "other") { nodes { name } } }`, nil).failures(); len(got) != 1 || time.Since(begun) != 0 {
			t.Fatalf("got %v after %v, want an open circuit", got, time.Since(begun))
		}
		p.backends.ClearFaults()
		time.Sleep(45 * time.Second)
		if got := p.post(t, `{ users(clientIdentifier: "other") { nodes { name } } }`, nil).failures(); len(got) > 0 {
			t.Errorf("got %v after the probe", got)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status       int
		header, body string
		want         float64
	}{
		"ten years":                       {429, "315360000", "", 3600},
		"beyond 64 bits":                  {429, "99999999999999999999", "", 3600},
		"a date ten years ahead":          {429, time.Now().AddDate(100, 0, 0).UTC().Format(http.TimeFormat), "", 3600},
		"an hour and a second":            {429, "3601", "", 3600},
		"half an hour":                    {429, "1800", "", 1800},
		"a pause beyond 64 bits":          {503, "9223372036854775808", "", 60},
		"in the body":                     {429, "", `{"error":"rate_limit_exceeded","message":"slow down","retryAfter":32}`, 32},
		"in the body, as text":            {429, "", `{"retryAfter":"33"}`, 33},
		"in the body's error":             {429, "", `{"error":{"code":"TOO_MANY_REQUESTS","retryAfter":34.5}}`, 35},
		"in the body, beyond 64 bits":     {429, "", `{"retryAfter":1e400}`, 3600},
		"in the body, a pause":            {503, "", `{"retryAfter":20}`, 20},
		"the header goes before the body": {429, "40", `{"retryAfter":50}`, 40},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
				p.backends.SetFault(string(emulator.ThoughtIndustries), emulator.Fault{Status: tt.status, RetryAfter: tt.header, Body: tt.body, ContentType: "application/json", Times: 1})
				var got []float64
				for range 2 { // the backend's answer, and our expectation of it
					for _, e := range p.post(t, `{ clients { totalCount } }`, nil).Errors {
						seconds, _ := e.Extensions["retryAfter"].(json.Number)
						f, _ := seconds.Float64()
						got = append(got, f)
					}
				}
				if diff := cmp.Diff([]float64{tt.want, tt.want}, got); diff != "" {
					t.Errorf("retryAfter (-want +got):\n%s", diff)
				}
			})
		})
	}
}
