package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// ask sends the operator's listener one request and returns its status and JSON.
func ask(t *testing.T, o Operator, method, target, body string, header ...string) (int, map[string]any) {
	t.Helper()
	o.Live, o.Ready = http.NotFound, http.NotFound
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = telemetry.NewMetrics()
	}
	if o.State == nil {
		o.State = func() telemetry.State { return telemetry.State{} }
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, r)
	var answer map[string]any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, answer
}

// busy is the state of a program after a bit of everything.
func busy() telemetry.State {
	return telemetry.State{
		Backends: []upstream.Status{{Backend: upstream.Coassemble, Waiting: 2, UnderWay: 3,
			Circuits:    []upstream.CircuitStatus{{Class: upstream.Reads, Open: true, Since: noon, NextProbe: noon.Add(time.Second)}, {Class: upstream.Writes, Calls: 4, Failures: 1}},
			Budget:      []upstream.BudgetStatus{{Window: "1m", Limit: 100, Left: 90, Usable: 95}, {Window: "1m", Limit: 200}, {Window: "1h", Limit: 1000, Left: 700, Usable: 950}},
			LastSuccess: noon, LastFailure: noon.Add(time.Minute), Failure: upstream.Unavailable.String(), ClosedUntil: noon.Add(time.Hour)}},
		Cache: cache.Counters{Verdicts: map[string]map[cache.Verdict]uint64{"user": {cache.Memory: 9, cache.Called: 1}},
			MemoryBytes: 4096, MemoryEntries: 10, Refreshes: 2,
			Redis: cache.RedisCounters{Configured: true, Up: true, Errors: 3, Outages: 1, DroppedWrites: 5, PendingDrops: 6}},
		Drifts: []upstream.Drift{
			{Backend: upstream.ThoughtIndustries, Path: "Client.newName", Kind: upstream.DriftUnknown, Count: 4, First: noon, Last: noon.Add(time.Minute)},
			{Backend: upstream.ThoughtIndustries, Path: "Course.newName", Kind: upstream.DriftUnknown, Count: 3, First: noon, Last: noon},
			{Backend: upstream.ThoughtIndustries, Path: "Course.status", Kind: upstream.DriftMismatch, Count: 1, First: noon, Last: noon},
		}, DriftsLeftOut: 7,
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestStatusShowsEachBackendAndRedis(t *testing.T) {
	t.Parallel()
	status, got := ask(t, Operator{State: busy}, http.MethodGet, "/status", "")
	if status != http.StatusOK {
		t.Fatalf("got status %d", status)
	}
	want := parse(t, `{
		"backends": [{
			"backend": "coassemble", "waiting": 2, "underWay": 3, "heldUntil": "2026-11-22T13:00:00Z",
			"circuits": [
				{"class": "reads", "open": true, "since": "2026-11-22T12:00:00Z", "nextProbe": "2026-11-22T12:00:01Z", "calls": 0, "failures": 0},
				{"class": "writes", "open": false, "calls": 4, "failures": 1}],
			"budget": [
				{"window": "1m", "limit": 100, "usable": 95, "left": 90},
				{"window": "1m", "limit": 200, "usable": 0, "left": 0},
				{"window": "1h", "limit": 1000, "usable": 950, "left": 700}],
			"lastSuccess": "2026-11-22T12:00:00Z", "lastFailure": "2026-11-22T12:01:00Z", "failure": "unavailable"}],
		"cache": {"memoryBytes": 4096, "memoryEntries": 10, "refreshes": 2, "verdicts": {"user": {"memory": 9, "call": 1}}},
		"redis": {"configured": true, "up": true, "errors": 3, "outages": 1, "droppedWrites": 5, "pendingDrops": 6}
	}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func parse(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStatusOfAProgramThatJustBeganIsEmptyListsAndNoMoments(t *testing.T) {
	t.Parallel()
	_, got := ask(t, Operator{}, http.MethodGet, "/status", "")
	if diff := cmp.Diff([]any{}, got["backends"]); diff != "" {
		t.Error(diff)
	}
	_, got = ask(t, Operator{}, http.MethodGet, "/contract", "")
	if diff := cmp.Diff(parse(t, `{"findings": [], "leftOut": 0}`), got); diff != "" {
		t.Error(diff)
	}
}

func TestStatusListsHowAnswersDifferFromTheSchema(t *testing.T) {
	t.Parallel()
	_, got := ask(t, Operator{State: busy}, http.MethodGet, "/contract", "")
	want := parse(t, `{"leftOut": 7, "findings": [
		{"backend": "thoughtindustries", "path": "Client.newName", "kind": "unknown", "count": 4, "first": "2026-11-22T12:00:00Z", "last": "2026-11-22T12:01:00Z"},
		{"backend": "thoughtindustries", "path": "Course.newName", "kind": "unknown", "count": 3, "first": "2026-11-22T12:00:00Z", "last": "2026-11-22T12:00:00Z"},
		{"backend": "thoughtindustries", "path": "Course.status", "kind": "mismatch", "count": 1, "first": "2026-11-22T12:00:00Z", "last": "2026-11-22T12:00:00Z"}]}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStatusListenerPurgesForWhoMay(t *testing.T) {
	t.Parallel()
	const user = `{"type": "User", "id": "u/1"}`
	allowed := func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer good" }
	tests := map[string]struct {
		operator Operator
		body     string
		header   []string
		want     int
		purged   string
	}{
		"with the scope":                 {Operator{Authorize: allowed}, user, []string{"Authorization", "Bearer good"}, 200, "User u/1"},
		"without it":                     {Operator{Authorize: allowed}, user, []string{"Authorization", "Bearer bad"}, 401, ""},
		"without it, on loopback":        {Operator{Authorize: allowed, Loopback: true}, user, nil, 401, ""},
		"where nobody says who they are": {Operator{}, user, nil, 403, ""},
		"there, on loopback":             {Operator{Loopback: true}, user, nil, 200, "User u/1"},
		"by another name for loopback":   {Operator{Loopback: true}, user, []string{"Host", "evil.example"}, 403, ""},
		"as a form would":                {Operator{Loopback: true}, user, []string{"Content-Type", "text/plain"}, 415, ""},
		"a type that is not kept":        {Operator{Loopback: true}, `{"type": "Course", "id": "1"}`, nil, 400, ""},
		"no id":                          {Operator{Loopback: true}, `{"type": "User"}`, nil, 400, ""},
		"an id that is refused":          {Operator{Loopback: true}, `{"type": "User", "id": "refused"}`, nil, 400, ""},
		"another member":                 {Operator{Loopback: true}, `{"type": "User", "id": "1", "all": true}`, nil, 400, ""},
		"two bodies":                     {Operator{Loopback: true}, user + user, nil, 400, ""},
		"a huge body":                    {Operator{Loopback: true}, `{"type": "User", "id": "` + strings.Repeat("x", maxPurgeBody) + `"}`, nil, 400, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &bytes.Buffer{}
			var purged string
			test.operator.Log = slog.New(slog.NewJSONHandler(log, nil))
			test.operator.Purge = func(_ context.Context, typeName, id string) (bool, error) {
				if id == "refused" {
					return false, errors.New("the id is of another type")
				}
				purged = typeName + " " + id
				return true, nil
			}
			status, answer := ask(t, test.operator, http.MethodPost, "/purge", test.body, test.header...)
			if status != test.want || purged != test.purged {
				t.Errorf("got status %d and purged %q, want %d and %q", status, purged, test.want, test.purged)
			}
			if got := answer["purged"] == true && answer["cached"] == true; got != (test.want == http.StatusOK) {
				t.Errorf("got %v", answer)
			}
			if strings.Contains(log.String(), "u/1") {
				t.Errorf("the log shows the identifier: %s", log)
			}
		})
	}
}

func TestStatusListenerAnswersNothingElse(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int{
		"GET /": 404, "GET /purge": 405, "POST /status": 405, "GET /graphql": 404, "GET /metrics": 200, "POST /purge": 404,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got, _ := ask(t, Operator{Loopback: true}, method, path, ""); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}
