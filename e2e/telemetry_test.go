package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream/emulator"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent  = "00-" + callersTrace + "-00f067aa0ba902b7-01"
)

func recorded(t *testing.T) (*telemetry.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	return telemetry.TracerTo(sdktrace.NewSimpleSpanProcessor(exporter)), exporter
}

// operate asks the operator's listener.
func (p *program) operate(t *testing.T, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.Operator(true).Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: got status %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// operateJSON asks the operator's listener for an object.
func (p *program) operateJSON(t *testing.T, path string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.operate(t, path)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// readMetrics are the lines of /metrics that are our own, without those of buckets.
func (p *program) readMetrics(t *testing.T) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for line := range strings.Lines(p.operate(t, "/metrics")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "learngraph_") && !strings.Contains(name, "_bucket{") {
			lines[strings.TrimPrefix(name, "learngraph_")] = value
		}
	}
	return lines
}

// A counter that appears with its first event has not increased: each that an alert waits for begins at 0.
func TestMetricsThatAlertsWaitForBeginAtZero(t *testing.T) {
	t.Parallel()
	p := start(t, setup{})
	got := p.readMetrics(t)
	want := map[string]string{}
	for _, code := range []string{"INTERNAL", "UPSTREAM_TIMEOUT", "RATE_LIMITED", "WRITE_OUTCOME_UNKNOWN"} {
		want[`operation_errors_total{code="`+code+`"}`] = "0"
	}
	for _, backend := range []string{"thoughtindustries", "coassemble", "mattr"} {
		for _, kind := range []string{"mismatch", "unknown"} {
			want[`contract_breaks_total{backend="`+backend+`",kind="`+kind+`"}`] = "0"
		}
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %q, want %s", name, got[name], value)
		}
	}
}

// TestMetricsOfARunningProgramNameTrustedDocumentsAlone sends made-up values in every place that has a text.
func TestMetricsOfARunningProgramNameTrustedDocumentsAlone(t *testing.T) {
	t.Parallel()
	manifest := filepath.Join(folder(t, map[string]string{"documents.json": `{"a1b2":"query Names { clients(first: 1) { nodes { name users(first: 1) { nodes { name identity { id } } } } } }"}`}), "documents.json")
	p := start(t, setup{Env: map[string]string{"TRUSTED_DOCUMENTS": manifest, "TRUSTED_MODE": "log", "CACHE_TTL": "60s", "MATTR_RATE": "600/1m"}})
	const madeUp = "madeUpByTheCaller"
	for _, body := range []string{
		`{"documentId":"a1b2"}`,
		`{"documentId":"a1b2"}`,
		`{"documentId":"` + madeUp + `"}`,
		`{"query":"query ` + madeUp + ` { ` + madeUp + `: clients(first: 1, query: \"` + madeUp + `\") { totalCount } }","operationName":"` + madeUp + `"}`,
		`{"query":"query ` + madeUp + `2 { ` + madeUp + ` }"}`,
		`{"query":"query Q($v: String) { users(clientIdentifier: $v) { nodes { name } } }","variables":{"v":"` + madeUp + `"}}`,
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("ab", 32) + `"}}}`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", madeUp)
		r.Header.Set("X-Request-Id", madeUp)
		p.send(r)
	}
	got := p.readMetrics(t)
	for name, want := range map[string]string{
		`operations_total{document="a1b2",outcome="ok",type="query"}`:         "2",
		`operations_total{document="other",outcome="ok",type="query"}`:        "2",
		`operations_total{document="other",outcome="refused",type="unknown"}`: "3",
		`operation_duration_seconds_count{document="a1b2"}`:                   "2",
		`operation_cost_points_count{document="a1b2"}`:                        "2",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %s", name, got[name], want)
		}
	}
	// The metrics and alerts that the README promises an operator exist.
	for _, name := range []string{"operation_errors_total{", "operation_backend_calls_sum", "backend_calls_total{", "backend_call_duration_seconds_count{",
		"backend_received_bytes_total{", "backend_circuit_open{", "backend_budget_left{", "cache_lookups_total{", "cache_memory_bytes", "batch_keys_count{",
		"contract_paths_left_out_total"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(line string) bool { return strings.HasPrefix(line, name) }) {
			t.Errorf("there is no figure %s", name)
		}
	}
	for line := range got {
		if strings.Contains(line, madeUp) || strings.Contains(line, "abab") {
			t.Errorf("/metrics has %s", line)
		}
	}
}

// tree writes spans as lines that are indented by their depth, siblings in the order of their names; equal ones are one
// line with their number.
func tree(spans tracetest.SpanStubs) []string {
	below := map[trace.SpanID][]tracetest.SpanStub{}
	known := map[trace.SpanID]bool{}
	for _, s := range spans {
		known[s.SpanContext.SpanID()] = true
	}
	for _, s := range spans {
		parent := s.Parent.SpanID()
		if !known[parent] {
			parent = trace.SpanID{}
		}
		below[parent] = append(below[parent], s)
	}
	var write func(parent trace.SpanID, depth int) []string
	write = func(parent trace.SpanID, depth int) []string {
		blocks := map[string]int{}
		for _, s := range below[parent] {
			lines := append([]string{strings.Repeat("  ", depth) + s.Name}, write(s.SpanContext.SpanID(), depth+1)...)
			blocks[strings.Join(lines, "\n")]++
		}
		var lines []string
		for _, block := range slices.Sorted(maps.Keys(blocks)) {
			first, rest, more := strings.Cut(block, "\n")
			lines = append(lines, fmt.Sprint(first, " ", blocks[block]))
			if more {
				lines = append(lines, strings.Split(rest, "\n")...)
			}
		}
		return lines
	}
	return write(trace.SpanID{}, 0)
}

func TestTracesShowAnOperationAsATree(t *testing.T) {
	t.Parallel()
	traces, exporter := recorded(t)
	p := start(t, setup{Traces: traces, Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true},
		Env: map[string]string{"TRACE_BACKENDS": "coassemble", "CACHE_TTL": "60s"}})
	body := `{"query":"{ clients(first: 2) { nodes { name users(first: 1) { nodes { name identity { id } } } } } }"}`
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("traceparent", traceparent)
	if got := readAnswer(t, p.send(r)); len(got.Errors) > 0 {
		t.Fatal(got.failures())
	}
	spans := exporter.GetSpans()
	want := []string{
		"query 1",
		"  cache answer 1",
		"    level Client.users 1",
		"      batch userPages 1",
		"        cache userPage 1",
		"          cache userWalk 1",
		"            coassemble GET 1",
		"    level Query.clients 1",
		"      cache clientPage 1",
		"        thoughtindustries GET 1",
		"    level User.identity 1",
		"      batch userIdentities 1",
		"        cache userIdentity 1",
		"          cache userIdentityWalk 1",
		"            mattr GET 1",
		"          mattr POST 2",
	}
	if diff := cmp.Diff(want, tree(spans)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	var secrets []string
	for _, c := range p.backends.Clients() {
		secrets = append(secrets, c.Identifier)
		for _, u := range p.backends.Users(c.Identifier) {
			secrets = append(secrets, u.Identifier)
		}
	}
	for _, s := range spans {
		if got := s.SpanContext.TraceID().String(); got != callersTrace {
			t.Errorf("%s: got trace %s, want the caller's", s.Name, got)
		}
		shown := s.Name
		for _, a := range s.Attributes {
			shown += "\n" + a.Value.Emit()
		}
		for _, secret := range append(secrets, backendHost) {
			if strings.Contains(shown, secret) {
				t.Errorf("the span shows %q:\n%s", secret, shown)
			}
		}
	}
	for _, c := range p.backends.Calls() {
		notified := strings.HasPrefix(c.Header.Get("traceparent"), "00-"+callersTrace)
		if want := c.Backend == emulator.Coassemble; notified != want {
			t.Errorf("%s %s: told the trace: %t, want %t", c.Method, c.Route, notified, want)
		}
	}
}

func TestTracesHaveTheCachesVerdicts(t *testing.T) {
	t.Parallel()
	traces, exporter := recorded(t)
	p := start(t, setup{Traces: traces, Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"CACHE_TTL": "60s"}})
	const query = `{ clients(first: 1) { nodes { name } } }`
	verdicts := []string{}
	for _, text := range []string{query, query + " "} {
		exporter.Reset()
		p.post(t, text, nil)
		for _, s := range exporter.GetSpans() {
			for _, a := range s.Attributes {
				if v, ok := strings.CutPrefix(string(a.Key), "learngraph.cache."); ok && v != "kind" && v != "keys" {
					verdicts = append(verdicts, s.Name+" "+v+" "+a.Value.Emit())
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"cache clientPage call 1", "cache answer call 1", "cache clientPage memory 1", "cache answer call 1"}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// startChild runs the test again as the program in a process of its own, whose log goes to the writer.
func startChild(t *testing.T, child string, log *os.File, env ...string) (cmd *exec.Cmd, address string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env, cmd.Stderr = append(append(os.Environ(), child+"=1"), env...), log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSuffix(strings.TrimSpace(line[strings.Index(line, "http://"):]), "/graphql")
}

// TestTheProgramServesAndEndsWithALogThatIsNotRead has the log go to a pipe that is full, and to one whose reader has
// ended.
func TestTheProgramServesAndEndsWithALogThatIsNotRead(t *testing.T) {
	t.Parallel()
	const child = "LEARNGRAPH_TEST_LOG"
	if os.Getenv(child) != "" {
		env := environment(map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0"})
		signal.Ignore(syscall.SIGPIPE) // as main does
		os.Exit(run(context.Background(), nil, env, os.Stdout, os.Stderr))
	}
	for _, closed := range []bool{false, true} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd, address := startChild(t, child, write)
		_ = write.Close()
		if closed {
			_ = read.Close()
		}
		for i := range 1000 {
			resp, err := http.Get(address + "/" + strings.Repeat("p", 200))
			if err != nil {
				t.Fatalf("request %d with the log closed=%t: %v", i, closed, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		http.DefaultClient.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("with the log closed=%t the program ended with %v", closed, err)
		}
		_ = read.Close()
	}
}
