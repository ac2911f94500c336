package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent  = "00-" + callersTrace + "-00f067aa0ba902b7-01"
)

func recorded(t *testing.T) (*tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	return tracerTo(sdktrace.NewSimpleSpanProcessor(exporter)), exporter
}

// headerKeeper remembers the headers that go to the backends.
type headerKeeper struct {
	http.RoundTripper
	seen []http.Header
}

func (k *headerKeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	k.seen = append(k.seen, r.Header.Clone())
	return k.RoundTripper.RoundTrip(r)
}

// TestTracesThatAreOffCostNothing is not parallel: what others allocate would be counted.
func TestTracesThatAreOffCostNothing(t *testing.T) {
	var off *tracer
	base := http.DefaultTransport
	next := http.NotFoundHandler()
	log := slog.New(slog.DiscardHandler)
	figures := operationFigures{Kind: "query", Outcome: operationOK}
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		operation := off.begin(ctx)
		_, done := off.batch(operation, "users", 25)
		done()
		off.end(operation, figures)
		_ = off.transport(upstream.MATTR, base, true)
		_ = off.accept(next)
		_ = off.logTraces(log)
	})
	if allocations != 0 {
		t.Errorf("got %v allocations, want none", allocations)
	}
	var levels engine.Engine
	var batches resolvers.Options
	var rounds cache.Options
	off.watchLevels(&levels)
	off.watchBatches(&batches)
	off.watchRounds(&rounds)
	if levels.Watch != nil || batches.Within != nil || rounds.Round != nil {
		t.Error("levels, batches or cache rounds are watched")
	}
	if off.transport(upstream.MATTR, base, true) != base {
		t.Error("calls go through another transport than the backend's own")
	}
	if err := off.close(ctx); err != nil {
		t.Error(err)
	}
}

func TestTracesJoinOperationBatchAndCall(t *testing.T) {
	t.Parallel()
	traces, exporter := recorded(t)
	backends := emulator.New(emulator.Options{})
	t.Cleanup(backends.Close)
	keeper := &headerKeeper{RoundTripper: backends.Transport()}
	rest, err := upstream.New(upstream.Options{Backend: upstream.Coassemble, BaseURL: "http://" + backendHost + "/api",
		Authorizer: upstream.Header("Authorization", emulator.Authorization), Transport: traces.transport(upstream.Coassemble, keeper, true)})
	if err != nil {
		t.Fatal(err)
	}
	client := backends.Clients()[0].Identifier
	figures := newMetrics()
	handler := traces.accept(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := traces.begin(r.Context())
		inner, done := observeBatches(figures, traces)(ctx, "embedClients", 1)
		if _, err := coassemble.New(rest).Client(inner, client); err != nil {
			t.Error(err)
		}
		done()
		observers(figures.operation, traces.end)(ctx, operationFigures{Kind: "query", Outcome: operationOK, RequestID: "r1", Calls: 1})
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil)
	r.Header.Set("traceparent", traceparent)
	handler.ServeHTTP(httptest.NewRecorder(), r)

	for name, vector := range map[string]prometheus.Collector{"operation": figures.operations, "batch": figures.batchKeys} {
		if got := testutil.CollectAndCount(vector); got != 1 {
			t.Errorf("the %s is counted in %d series, want 1", name, got)
		}
	}
	spans := exporter.GetSpans()
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
		if got := s.SpanContext.TraceID().String(); got != callersTrace {
			t.Errorf("%s: got trace %s, want the caller's", s.Name, got)
		}
		for _, a := range s.Attributes {
			if text := a.Value.Emit(); strings.Contains(text, client) || strings.Contains(text, backendHost) {
				t.Errorf("%s: %s shows an identifier or a host: %s", s.Name, a.Key, text)
			}
		}
	}
	if diff := cmp.Diff([]string{"coassemble GET", "batch embedClients", "query"}, names); diff != "" {
		t.Fatal(diff)
	}
	for i := range 2 {
		if got, want := spans[i].Parent.SpanID(), spans[i+1].SpanContext.SpanID(); got != want {
			t.Errorf("%s is not below %s", names[i], names[i+1])
		}
	}
	if got, want := keeper.seen[0].Get("traceparent"), "00-"+callersTrace+"-"+spans[0].SpanContext.SpanID().String()+"-01"; got != want {
		t.Errorf("the backend got traceparent %q, want %q", got, want)
	}
	if got := attributeOf(spans[0], "url.template"); got != "/api/v1/headless/client/{}" {
		t.Errorf("got template %s", got)
	}
	if got := attributeOf(spans[2], "learngraph.request_id"); got != "r1" {
		t.Errorf("got request id %q", got)
	}
}

func attributeOf(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.Emit()
		}
	}
	return ""
}

func TestTracesAreToldToABackendOnlyWhereAllowed(t *testing.T) {
	t.Parallel()
	traces, exporter := recorded(t)
	backends := emulator.New(emulator.Options{})
	t.Cleanup(backends.Close)
	keeper := &headerKeeper{RoundTripper: backends.Transport()}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+backendHost+"/core/v1/users/41458e5a", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := traces.transport(upstream.MATTR, keeper, false).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := keeper.seen[0].Get("traceparent"); got != "" {
		t.Errorf("the backend got traceparent %q", got)
	}
	if got := attributeOf(exporter.GetSpans()[0], "http.response.status_code"); got != "401" {
		t.Errorf("got status %s, want 401", got)
	}
}

func TestTracesJoinTheLog(t *testing.T) {
	t.Parallel()
	traces, _ := recorded(t)
	var text bytes.Buffer
	log := traces.logTraces(slog.New(slog.NewJSONHandler(&text, nil))).With("a", 1)
	handler := traces.accept(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		log.InfoContext(traces.begin(r.Context()), "inside")
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil)
	r.Header.Set("traceparent", traceparent)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if !strings.Contains(text.String(), `"traceId":"`+callersTrace+`"`) {
		t.Errorf("the line has no trace: %s", &text)
	}
	text.Reset()
	log.Info("outside")
	if strings.Contains(text.String(), "traceId") {
		t.Errorf("the line has a trace: %s", &text)
	}
}

func TestTracesFollowTheStandardEnvironment(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := map[string]struct {
		env  map[string]string
		want bool
	}{
		"nothing said":        {nil, false},
		"a collector":         {map[string]string{endpoint: "http://127.0.0.1:1"}, true},
		"one for traces":      {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, true},
		"the default one":     {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		"switched off":        {map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, false},
		"metrics alone":       {map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false},
		"no traces":           {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": " none "}, false},
		"off in capitals":     {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, false},
		"one of two":          {map[string]string{"OTEL_TRACES_EXPORTER": "console, otlp"}, true},
		"an exporter unknown": {map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "zipkin"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tracesWanted(func(name string) string { return test.env[name] }); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	env := map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
	if _, err := newTracer(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a protocol that we do not speak is accepted")
	}
}

func TestASettingOfTracesGoesBeforeTheGeneralOne(t *testing.T) {
	t.Parallel()
	const general, traces = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"traces by HTTP, others by gRPC": {map[string]string{traces: "http/protobuf", general: "grpc"}, ""},
		"traces by gRPC, others by HTTP": {map[string]string{traces: "grpc", general: "http/protobuf"}, traces + " must be http/protobuf"},
		"an empty one is none":           {map[string]string{traces: "", general: "grpc"}, general + " must be http/protobuf"},
		"switched off whatever it says":  {map[string]string{traces: "grpc", "OTEL_SDK_DISABLED": "true"}, ""},
		"no traces whatever it says":     {map[string]string{traces: "grpc", "OTEL_TRACES_EXPORTER": "none"}, ""},
	} {
		test.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
		got := ""
		tracer, err := newTracer(t.Context(), func(name string) string { return test.env[name] }, slog.New(slog.DiscardHandler))
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		_ = tracer.close(t.Context())
	}
}

// TestTracesReachACollector is not parallel: the exporter reads the environment of the process.
func TestTracesReachACollector(t *testing.T) {
	arrived := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" {
			arrived <- body
		}
	}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	getenv := func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}[name]
	}
	traces, err := newTracer(t.Context(), getenv, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	traces.end(traces.begin(context.Background()), operationFigures{Kind: "mutation", Outcome: operationFailed, Codes: []string{"INTERNAL"}})
	if err := traces.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body := <-arrived; !bytes.Contains(body, []byte("mutation")) || !bytes.Contains(body, []byte("learngraph")) {
		t.Errorf("the collector got %q", body)
	}
}

func TestTracesDoNotRepeatTheirTrouble(t *testing.T) {
	t.Parallel()
	log := &transcript{}
	trouble := &exportTrouble{log: slog.New(slog.NewJSONHandler(log, nil))}
	for range 3 {
		trouble.Handle(io.ErrUnexpectedEOF)
	}
	if got := strings.Count(log.String(), "\n"); got != 1 || strings.Contains(log.String(), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("got %s, want one line without the cause", log)
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
		"          cache userPage 1",
		"          cache userWalk 1",
		"            coassemble GET 1",
		"    level Query.clients 1",
		"      cache clientPage 1",
		"        thoughtindustries GET 1",
		"    level User.identity 1",
		"      batch userIdentities 1",
		"        cache userIdentity 1",
		"          cache identityWalk 1",
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
		told := strings.HasPrefix(c.Header.Get("traceparent"), "00-"+callersTrace)
		if want := c.Backend == emulator.Coassemble; told != want {
			t.Errorf("%s %s: told the trace: %t, want %t", c.Method, c.Route, told, want)
		}
	}
}

func TestTracesTellWhereTheCacheFoundThings(t *testing.T) {
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
	if diff := cmp.Diff([]string{"cache clientPage call 1", "cache answer call 1", "cache clientPage memory 1", "cache client memory 1", "cache answer call 1"}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}
