package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// backendHost is the backend's host in the tests. No span may show it.
const backendHost = "127.0.0.77"

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent  = "00-" + callersTrace + "-00f067aa0ba902b7-01"
)

func recorded(t *testing.T) (*Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	return TracerTo(sdktrace.NewSimpleSpanProcessor(exporter)), exporter
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

// TestTracesThatAreOffCostNothing is not parallel: allocations of others would be counted.
func TestTracesThatAreOffCostNothing(t *testing.T) {
	var off *Tracer
	base := http.DefaultTransport
	next := http.NotFoundHandler()
	log := slog.New(slog.DiscardHandler)
	stats := requestlog.Operation{Kind: "query", Outcome: requestlog.OutcomeOK}
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		operation := off.Begin(ctx)
		_, done := off.batch(operation, "users", 25)
		done()
		off.End(operation, stats)
		_ = off.Transport(upstream.MATTR, base, true)
		_ = off.Accept(next)
		_ = off.Log(log)
	})
	if allocations != 0 {
		t.Errorf("got %v allocations, want none", allocations)
	}
	if off.Levels() != nil || off.Within() != nil || off.Rounds() != nil {
		t.Error("levels, batches or cache rounds are watched")
	}
	if off.Transport(upstream.MATTR, base, true) != base {
		t.Error("calls go through another transport than the backend's own")
	}
	if err := off.Close(ctx); err != nil {
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
		Authorizer: upstream.Header("Authorization", emulator.Authorization), Transport: traces.Transport(upstream.Coassemble, keeper, true)})
	if err != nil {
		t.Fatal(err)
	}
	client := backends.Clients()[0].Identifier
	stats := NewMetrics()
	handler := traces.Accept(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := traces.Begin(r.Context())
		inner, done := ObserveBatches(stats, traces)(ctx, "embedClients", 1)
		if _, _, err := coassemble.New(rest).Client(inner, client); err != nil {
			t.Error(err)
		}
		done()
		ended := requestlog.Operation{Kind: "query", Outcome: requestlog.OutcomeOK, RequestID: "r1", Calls: 1}
		stats.Operation(ended)
		traces.End(ctx, ended)
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil)
	r.Header.Set("traceparent", traceparent)
	handler.ServeHTTP(httptest.NewRecorder(), r)

	for name, vector := range map[string]prometheus.Collector{"operation": stats.operations, "batch": stats.batchKeys} {
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

func TestTraceContextIsPropagatedOnlyWhereAllowed(t *testing.T) {
	t.Parallel()
	traces, exporter := recorded(t)
	backends := emulator.New(emulator.Options{})
	t.Cleanup(backends.Close)
	keeper := &headerKeeper{RoundTripper: backends.Transport()}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+backendHost+"/core/v1/users/41458e5a", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := traces.Transport(upstream.MATTR, keeper, false).RoundTrip(r)
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
	log := traces.Log(slog.New(slog.NewJSONHandler(&text, nil))).With("a", 1)
	handler := traces.Accept(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		log.InfoContext(traces.Begin(r.Context()), "inside")
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
			if got := tracesEnabled(func(name string) string { return test.env[name] }); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	env := map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
	if _, err := NewTracer(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a protocol that we do not speak is accepted")
	}
}

func TestASettingOfTracesGoesBeforeTheGeneralOne(t *testing.T) {
	t.Parallel()
	const general, traces, endpoint = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"traces by HTTP, others by gRPC": {map[string]string{traces: "http/protobuf", general: "grpc"}, ""},
		"traces by gRPC, others by HTTP": {map[string]string{traces: "grpc", general: "http/protobuf"}, traces + " must be http/protobuf; it is \"grpc\""},
		"an empty one is none":           {map[string]string{traces: "", general: "grpc"}, general + " must be http/protobuf; it is \"grpc\""},
		"an endpoint that is none":       {map[string]string{endpoint: "nonsense"}, endpoint + ` must be an http or https URL, such as http://127.0.0.1:4318; it is "nonsense"`},
		"one with a secret":              {map[string]string{endpoint: "user:secret@collector"}, endpoint + " must be an http or https URL, such as http://127.0.0.1:4318"},
		"one by another protocol":        {map[string]string{endpoint: "grpc://collector:4317"}, endpoint + ` must be an http or https URL, such as http://127.0.0.1:4318; it is "grpc://collector:4317"`},
		"a timeout with a unit":          {map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, `OTEL_EXPORTER_OTLP_TIMEOUT must be a whole number of milliseconds above zero; it is "10s"`},
		"a compression that is none":     {map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, `OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none; it is "br"`},
		"switched off whatever it says":  {map[string]string{traces: "grpc", "OTEL_SDK_DISABLED": "true"}, ""},
		"no traces whatever it says":     {map[string]string{traces: "grpc", "OTEL_TRACES_EXPORTER": "none"}, ""},
	} {
		if test.env[endpoint] == "" {
			test.env[endpoint] = "http://127.0.0.1:1"
		}
		got := ""
		tracer, err := NewTracer(t.Context(), func(name string) string { return test.env[name] }, slog.New(slog.DiscardHandler))
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		_ = tracer.Close(t.Context())
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
	traces, err := NewTracer(t.Context(), getenv, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	traces.End(traces.Begin(context.Background()), requestlog.Operation{Kind: "mutation", Outcome: requestlog.OutcomeFailed, Codes: []string{"INTERNAL"}})
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body := <-arrived; !bytes.Contains(body, []byte("mutation")) || !bytes.Contains(body, []byte("learngraph")) {
		t.Errorf("the collector got %q", body)
	}
}

func TestExportErrorsAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	log := &bytes.Buffer{}
	failure := &exportErrorLogger{log: slog.New(slog.NewJSONHandler(log, nil))}
	for range 3 {
		failure.Handle(io.ErrUnexpectedEOF)
	}
	if got := strings.Count(log.String(), "\n"); got != 1 || strings.Contains(log.String(), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("got %s, want one line without the cause", log)
	}
}
