package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// pointsLeft are those in the caller's bucket, which nothing but operations changes in these tests.
func (p *program) pointsLeft(t *testing.T) int {
	t.Helper()
	a := p.post(t, `{ __typename }`, nil)
	var cost struct {
		Cost struct {
			ThrottleStatus struct{ CurrentlyAvailable int }
		}
	}
	text, _ := json.Marshal(a.Extensions)
	if err := json.Unmarshal(text, &cost); err != nil || cost.Cost.ThrottleStatus.CurrentlyAvailable == 0 {
		t.Fatalf("%v: %s", err, a.raw)
	}
	return cost.Cost.ThrottleStatus.CurrentlyAvailable
}

// spends returns the points that an operation took out of the bucket, and its payloads, where its caller leaves after a time.
func spends(t *testing.T, accept, query string, fault *emulator.Fault, env map[string]string, leaves time.Duration, onError string) (points int, raw string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := slowPaths(map[string]time.Duration{"/incoming/": time.Second, "/headless/": 2 * time.Second, "/core/": 4 * time.Second, "/oauth/": 0})
		settings := map[string]string{"POINTS": "1000000", "POINTS_RESTORE": "0"}
		for name, value := range env {
			settings[name] = value
		}
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, CredentialsPerUser: 1, Linked: true}, Env: settings, Wrap: d.wrap})
		if fault != nil {
			p.backends.SetFault("coassemble", *fault)
		}
		before := p.pointsLeft(t)
		f := p.followBody(t, accept, jsonOf(t, map[string]string{"query": query, "onError": onError}))
		time.Sleep(leaves)
		f.stop()
		synctest.Wait()
		if !f.left() {
			t.Error("the operation goes on without its caller")
		}
		points, raw = before-p.pointsLeft(t), f.raw()
		if leaves == untilTheEnd && !strings.Contains(raw, fmt.Sprintf(`"actualQueryCost":%d,`, points)) {
			t.Errorf("%s: %d points were taken, and the answer is %s", accept, points, raw)
		}
	})
	return points, raw
}

const untilTheEnd = time.Minute

// An operation costs as many points in parts as it costs whole: after all payloads, where a deferred part fails, and where the
// caller leaves half-way.
func TestPartsCostThePointsOfAWholeAnswer(t *testing.T) {
	t.Parallel()
	queries := map[string]string{
		"fragments": `{ clients(first: 2) { nodes { name ... @defer(label: "a") { users { nodes { name } } ... @defer(label: "b") { embed { metadata users { nodes { sourceId } } } } } } } }`,
		"elements":  `{ clients(first: 1) { nodes @stream { name users { nodes { name } } } } }`,
		"siblings":  `{ clients(first: 2) { nodes { name ... @defer(label: "a") { embed { userCount } } } } ... @defer(label: "b") { identities(first: 1) { nodes { sourceId } } } }`,
	}
	for name, query := range queries {
		whole := strings.NewReplacer(`@defer(label: "a")`, "", `@defer(label: "b")`, "", "@stream", "").Replace(query)
		for _, c := range []struct {
			name    string
			fault   *emulator.Fault
			env     map[string]string
			leaves  time.Duration
			onError string
		}{
			{name: "all", leaves: untilTheEnd},
			{name: "a backend fails", fault: &emulator.Fault{Status: http.StatusForbidden}, leaves: untilTheEnd},
			{name: "null", fault: &emulator.Fault{Status: http.StatusForbidden}, leaves: untilTheEnd, onError: "NULL"},
			{name: "aborted", fault: &emulator.Fault{Status: http.StatusForbidden}, leaves: untilTheEnd, onError: "ABORT"},
			{name: "the deadline", env: map[string]string{"OPERATION_TIMEOUT": "4s"}, leaves: untilTheEnd},
			{name: "leaves before the first payload", leaves: 500 * time.Millisecond},
			{name: "leaves during the second call", leaves: 1500 * time.Millisecond},
			{name: "leaves after it", leaves: 3500 * time.Millisecond},
		} {
			if c.onError == "" {
				c.onError = "PROPAGATE"
			}
			want, raw := spends(t, "application/json", whole, c.fault, c.env, c.leaves, c.onError)
			if want <= 0 {
				t.Fatalf("%s, %s: %d points for %s", name, c.name, want, raw)
			}
			for _, accept := range []string{parts02, parts01, "multipart/mixed", "text/event-stream"} {
				got, raw := spends(t, accept, query, c.fault, c.env, c.leaves, c.onError)
				if got != want || c.leaves > time.Second && !strings.Contains(raw, `"hasNext":true`) {
					t.Errorf("%s, %s, %s: %d points, want %d: %s", name, c.name, accept, got, want, raw)
				}
			}
		}
	}
}
