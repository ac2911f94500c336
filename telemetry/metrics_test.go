package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// busy has a program's metrics after a bit of everything.
func busy() *Metrics {
	m := NewMetrics()
	m.Operation(requestlog.Operation{Document: "a1", Kind: "query", Outcome: requestlog.OutcomeOK, Duration: 20 * time.Millisecond, Cost: 300, Calls: 3})
	m.Operation(requestlog.Operation{Kind: "mutation", Outcome: requestlog.OutcomePartial, Duration: time.Second, Cost: 20, Calls: 1, Codes: []string{"UPSTREAM_TIMEOUT"}})
	m.Call(upstream.Call{Backend: upstream.Coassemble, Method: "GET", Route: "/v1/headless/users", Status: 200, Duration: time.Millisecond, Bytes: 512})
	m.Call(upstream.Call{Backend: upstream.Coassemble, Method: "GET", Route: "/v1/headless/users", Status: 503, Retries: 1, Kind: upstream.Unavailable})
	m.batch("users", 25)
	m.SubscriptionLag(time.Second)
	hooks := NewWebhooks(m, []string{"coassemble"}, nil)
	hooks.Delivered("coassemble", "done")
	hooks.Received("coassemble")
	s := State{
		Backends: []upstream.Status{{Backend: upstream.Coassemble, Waiting: 2, UnderWay: 3,
			Circuits:    []upstream.CircuitStatus{{Class: upstream.Reads, Open: true, Since: noon, NextProbe: noon.Add(time.Second)}, {Class: upstream.Writes, Calls: 4, Failures: 1}},
			Budget:      []upstream.BudgetStatus{{Window: "1m", Limit: 100, Left: 90, Usable: 95}, {Window: "1m", Limit: 200}, {Window: "1h", Limit: 1000, Left: 700, Usable: 950}},
			LastSuccess: noon, LastFailure: noon.Add(time.Minute), Failure: upstream.Unavailable.String(), ClosedUntil: noon.Add(time.Hour)}},
		Cache: cache.Counters{Verdicts: map[string]map[cache.Verdict]uint64{"user": {cache.Memory: 9, cache.Called: 1}},
			MemoryBytes: 4096, MemoryEntries: 10, Refreshes: 2,
			Redis: cache.RedisCounters{Configured: true, Up: true, Errors: 3, Outages: 1, DroppedWrites: 5, PendingDrops: 6}},
		Webhooks: hooks.State(),
		Purges:   &cdn.Counters{Sent: 3, Failed: 2, Purged: 9, Lost: 1, Pending: 4},
		Inflight: inflight.State{Requests: 2, MaxRequests: 10},
		Drifts: []upstream.Drift{
			{Backend: upstream.ThoughtIndustries, Path: "Client.newName", Kind: upstream.DriftUnknown, Count: 4, First: noon, Last: noon.Add(time.Minute)},
			{Backend: upstream.ThoughtIndustries, Path: "Course.newName", Kind: upstream.DriftUnknown, Count: 3, First: noon, Last: noon},
			{Backend: upstream.ThoughtIndustries, Path: "Course.status", Kind: upstream.DriftMismatch, Count: 1, First: noon, Last: noon},
		}, DriftsLeftOut: 7,
	}
	m.Watch(func() State { return s })
	return m
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// samples are the lines of /metrics that are our own, without those of buckets.
func samples(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("got status %d\n%s", w.Code, w.Body)
	}
	lines := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "learngraph_") && !strings.Contains(name, "_bucket{") {
			lines[strings.TrimPrefix(name, "learngraph_")] = value
		}
	}
	return lines
}

func TestMetricsCountEvents(t *testing.T) {
	t.Parallel()
	m := busy()
	got := samples(t, m)
	for name, want := range map[string]string{
		`operations_total{document="a1",outcome="ok",type="query"}`:               "1",
		`operations_total{document="other",outcome="partial",type="mutation"}`:    "1",
		`operation_errors_total{code="UPSTREAM_TIMEOUT"}`:                         "1",
		`operation_duration_seconds_sum{document="a1"}`:                           "0.02",
		`operation_cost_points_sum{document="a1"}`:                                "300",
		`operation_backend_calls_sum`:                                             "4",
		`backend_calls_total{backend="coassemble",class="reads",status="2xx"}`:    "1",
		`backend_calls_total{backend="coassemble",class="reads",status="5xx"}`:    "1",
		`backend_failures_total{backend="coassemble",kind="unavailable"}`:         "1",
		`backend_retries_total{backend="coassemble"}`:                             "1",
		`backend_received_bytes_total{backend="coassemble",class="reads"}`:        "512",
		`backend_call_duration_seconds_count{backend="coassemble",class="reads"}`: "2",
		`batch_keys_sum{kind="users"}`:                                            "25",
		`backend_circuit_open{backend="coassemble",class="reads"}`:                "1",
		`backend_circuit_open{backend="coassemble",class="writes"}`:               "0",
		`backend_budget_left{backend="coassemble",window="1m"}`:                   "90",
		`backend_budget_left{backend="coassemble",window="1h"}`:                   "700",
		`backend_budget_usable{backend="coassemble",window="1h"}`:                 "950",
		`backend_held{backend="coassemble"}`:                                      "1",
		`backend_calls_waiting{backend="coassemble"}`:                             "2",
		`backend_calls_under_way{backend="coassemble"}`:                           "3",
		`cache_lookups_total{kind="user",verdict="memory"}`:                       "9",
		`cache_lookups_total{kind="user",verdict="call"}`:                         "1",
		`cache_memory_bytes`:         "4096",
		`cache_memory_entries`:       "10",
		`cache_refreshes_total`:      "2",
		`redis_up`:                   "1",
		`redis_errors_total`:         "3",
		`redis_outages_total`:        "1",
		`redis_dropped_writes_total`: "5",
		`redis_pending_drops`:        "6",
		`contract_breaks_total{backend="thoughtindustries",kind="unknown"}`:  "7",
		`contract_breaks_total{backend="thoughtindustries",kind="mismatch"}`: "1",
		`contract_paths_left_out_total`:                                      "7",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %s", name, got[name], want)
		}
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "learngraph_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetricsTakeNoLabelFromACaller(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	for i := range 2 * maxDocuments {
		m.Operation(requestlog.Operation{Document: fmt.Sprint("id", i), Kind: "kind" + fmt.Sprint(i), Outcome: requestlog.OutcomeRefused,
			Codes: []string{fmt.Sprint("CODE", i)}})
	}
	if got, want := testutil.CollectAndCount(m.operations), maxDocuments+1; got != want {
		t.Errorf("got %d series of operations, want %d", got, want)
	}
	if got, want := testutil.CollectAndCount(m.operationErrors), len(knownCodes)+1; got != want {
		t.Errorf("got %d series of errors, want %d", got, want)
	}
	if got := testutil.CollectAndCount(m.operationPoints); got != 0 {
		t.Errorf("refused operations are counted as cost: %d series", got)
	}
	if got := testutil.ToFloat64(m.operations.WithLabelValues(otherLabel, "unknown", string(requestlog.OutcomeRefused))); got != maxDocuments {
		t.Errorf("got %v operations in the bucket of the others, want %d", got, maxDocuments)
	}
}

func TestMetricsClassifyRoutesAndStatuses(t *testing.T) {
	t.Parallel()
	for call, want := range map[[2]string]string{
		{"GET", "/incoming/v2/clients"}:                   "reads",
		{"POST", "/core/v1/users/search"}:                 "searches",
		{"POST", "/oauth/token"}:                          "token",
		{"PUT", "/core/v1/users/{id}"}:                    "writes",
		{"DELETE", "/v1/headless/user/{identifier}"}:      "writes",
		{"GET", "/core/v1/users/{userId}/credentials"}:    "reads",
		{"HEAD", "/v1/headless/user/{identifier}/search"}: "reads",
	} {
		if got := routeClass(call[0], call[1]); got != want {
			t.Errorf("%v: got %s, want %s", call, got, want)
		}
	}
	for status, want := range map[int]string{0: "none", 200: "2xx", 304: "3xx", 404: "4xx", 429: "4xx", 503: "5xx", 999: "none"} {
		if got := statusClass(status); got != want {
			t.Errorf("%d: got %s, want %s", status, got, want)
		}
	}
}

func TestMetricsOfAProgramWithoutRedisLackItsSeries(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Watch(func() State { return State{} })
	for name := range samples(t, m) {
		if strings.HasPrefix(name, "redis_") {
			t.Errorf("there is a figure %s", name)
		}
	}
}

// labelsOf are the labels that each metric of a busy program has; a histogram's are under its three names.
func labelsOf(t *testing.T) map[string]map[string]bool {
	t.Helper()
	m := busy()
	m.Build("type Query { a: Int }", "")
	m.Reloaded("API_KEYS_FILE", "changed")
	m.WithRequests(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql", nil))
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]map[string]bool{}
	for _, f := range families {
		labels := map[string]bool{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
		if f.GetType() != dto.MetricType_HISTOGRAM {
			known[f.GetName()] = labels
			continue
		}
		bucket := maps.Clone(labels)
		bucket["le"] = true
		known[f.GetName()+"_bucket"], known[f.GetName()+"_sum"], known[f.GetName()+"_count"] = bucket, labels, labels
	}
	return known
}

var (
	metricName   = regexp.MustCompile(`\b(?:learngraph|go|process)_[a-z0-9_]+\b`)
	metricLabels = regexp.MustCompile(`\b((?:learngraph|go|process)_[a-z0-9_]+)\{([^}]*)\}`)
	labelName    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	grouping     = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)`)
)

// TestMetricsInDashboardAndAlertsExist compares the metrics in ops/ with the registry.
func TestMetricsInDashboardAndAlertsExist(t *testing.T) {
	t.Parallel()
	known := labelsOf(t)
	any := map[string]bool{}
	for _, labels := range known {
		maps.Copy(any, labels)
	}
	used := map[string]bool{}
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		raw, err := os.ReadFile(filepath.Join("..", "ops", file))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), `\"`, `"`)
		for _, name := range metricName.FindAllString(text, -1) {
			used[name] = true
			if known[name] == nil {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		for _, match := range metricLabels.FindAllStringSubmatch(text, -1) {
			for _, label := range labelName.FindAllStringSubmatch(match[2], -1) {
				if !known[match[1]][label[1]] && label[1] != "instance" && label[1] != "job" {
					t.Errorf("%s: %s has no label %s", file, match[1], label[1])
				}
			}
		}
		for _, match := range grouping.FindAllStringSubmatch(text, -1) {
			for label := range strings.SplitSeq(match[1], ",") {
				if label = strings.TrimSpace(label); label != "" && !any[label] && label != "instance" {
					t.Errorf("%s: no metric has the label %s", file, label)
				}
			}
		}
	}
	for name := range known {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "learngraph_") && !used[name] && !used[base+"_bucket"] && !used[base+"_sum"] && !used[base+"_count"] {
			t.Errorf("no dashboard and no alert shows %s", name)
		}
	}
}

func TestMetricsRulesPassPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is missing: install Debian's prometheus")
		}
		t.Skip("promtool is not on the PATH: the alert rules are not checked; it comes with Debian's prometheus")
	}
	m := busy()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	own := slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(w.Body.String()) {
			if strings.Contains(line, "learngraph_") && !yield(line) {
				return
			}
		}
	})
	for _, check := range []struct {
		name  string
		args  []string
		stdin io.Reader
	}{
		{"the rules", []string{"check", "rules", filepath.Join("..", "ops", "alerts.yml")}, nil},
		{"what the rules say", []string{"test", "rules", filepath.Join("..", "ops", "alerts_test.yml")}, nil},
		{"the metrics", []string{"check", "metrics"}, strings.NewReader(strings.Join(own, ""))},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, check.args...)
		cmd.Stdin = check.stdin
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", check.name, err, out)
		}
	}
}

// TestMetricsOfRealBackendsAreTheirStatus reads the metrics of clients that never called.
func TestMetricsOfRealBackendsAreTheirStatus(t *testing.T) {
	t.Parallel()
	rest, err := upstream.New(upstream.Options{Backend: upstream.MATTR, BaseURL: "https://mattr.example", Rates: []upstream.Rate{{Count: 600, Per: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	m.Watch(func() State { return State{Backends: []upstream.Status{rest.Status()}} })
	got := samples(t, m)
	maps.DeleteFunc(got, func(name, _ string) bool {
		return !strings.HasPrefix(name, "backend_") && !strings.HasPrefix(name, "operation_")
	})
	want := map[string]string{}
	for _, class := range []string{"reads", "searches", "writes"} {
		want[`backend_circuit_open{backend="mattr",class="`+class+`"}`] = "0"
	}
	maps.Copy(want, map[string]string{`backend_budget_left{backend="mattr",window="1m"}`: "570", `backend_budget_usable{backend="mattr",window="1m"}`: "570"})
	for _, name := range []string{"held", "calls_waiting", "calls_under_way", "last_success_timestamp_seconds", "last_failure_timestamp_seconds"} {
		want["backend_"+name+`{backend="mattr"}`] = "0"
	}
	for _, name := range []string{"operation_backend_calls_sum", "operation_backend_calls_count"} {
		want[name] = "0"
	}
	for code := range knownCodes {
		want[`operation_errors_total{code="`+code+`"}`] = "0"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
