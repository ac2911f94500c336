package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/upstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes the spans of operations, levels, batches, cache rounds and backend calls. nil makes none and costs
// nothing. No span holds a URL, an identifier, a variable or a document.
type Tracer struct {
	provider *sdktrace.TracerProvider
	spans    trace.Tracer
}

// w3c reads and writes traceparent and tracestate.
var w3c propagation.TraceContext

// NewTracer follows the standard environment variables; nil where none of them names a collector. The exporter reads
// the process's own environment, so getenv only decides whether there is one.
func NewTracer(ctx context.Context, getenv func(string) string, log *slog.Logger) (*Tracer, error) {
	if !tracesEnabled(getenv) {
		return nil, nil
	}
	if err := CheckEnvironment(getenv); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		// Its own error may repeat the endpoint.
		return nil, errors.New("the OTEL_EXPORTER_OTLP variables do not describe a collector")
	}
	otel.SetErrorHandler(&exportErrorLogger{log: log})
	otel.SetLogger(logr.FromSlogHandler(libraryHandler{log, "OpenTelemetry"}))
	return TracerTo(sdktrace.NewBatchSpanProcessor(exporter)), nil
}

// CheckEnvironment reports mistakes in the standard variables of traces, where traces are enabled. Values that may hold
// a credential are not shown.
func CheckEnvironment(getenv func(string) string) error {
	if !tracesEnabled(getenv) {
		return nil
	}
	for _, check := range []struct {
		what, want string
		right      func(string) bool
	}{
		{"PROTOCOL", "http/protobuf", func(v string) bool { return v == "http/protobuf" }},
		{"ENDPOINT", "an http or https URL, such as http://127.0.0.1:4318", isCollector},
		{"TIMEOUT", "a whole number of milliseconds above zero", func(v string) bool {
			n, err := strconv.Atoi(v)
			return err == nil && n > 0
		}},
		{"COMPRESSION", "gzip or none", func(v string) bool { return v == "gzip" || v == "none" }},
	} {
		name, value := otlpSetting(getenv, check.what)
		switch {
		case value == "" || check.right(value):
		case strings.ContainsAny(value, "@?"):
			return fmt.Errorf("%s must be %s", name, check.want)
		default:
			return fmt.Errorf("%s must be %s; it is %q", name, check.want, value)
		}
	}
	return nil
}

func isCollector(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// tracesEnabled reports whether the environment asks for traces to a collector: by an exporter, which may be one of
// several, or without one by an endpoint.
func tracesEnabled(getenv func(string) string) bool {
	if disabled := strings.TrimSpace(getenv("OTEL_SDK_DISABLED")); strings.EqualFold(disabled, "true") {
		return false
	}
	if exporters := strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER")); exporters != "" {
		return slices.ContainsFunc(strings.Split(exporters, ","), func(name string) bool {
			return strings.TrimSpace(name) == "otlp"
		})
	}
	_, endpoint := otlpSetting(getenv, "ENDPOINT")
	return endpoint != ""
}

// otlpSetting returns an OTLP setting and its name. That of traces goes before the general one.
func otlpSetting(getenv func(string) string, what string) (name, value string) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + what, "OTEL_EXPORTER_OTLP_" + what} {
		if value := strings.TrimSpace(getenv(name)); value != "" {
			return name, value
		}
	}
	return "", ""
}

// TracerTo returns a tracer whose spans go to a processor.
func TracerTo(processor sdktrace.SpanProcessor) *Tracer {
	// The environment comes last: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
	described, err := resource.New(context.Background(),
		resource.WithAttributes(attribute.String("service.name", "learngraph")), resource.WithTelemetrySDK(),
		resource.WithFromEnv())
	if err != nil {
		described = resource.Default()
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithResource(described))
	return &Tracer{provider: provider, spans: provider.Tracer("github.com/learngraph/learngraph")}
}

// Close sends the remaining spans, within ctx.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if t.provider.Shutdown(ctx) != nil {
		return errors.New("the last traces could not be sent")
	}
	return nil
}

// exportErrorLogger logs once a minute that traces are lost. The cause is left out: it may show the collector's URL.
type exportErrorLogger struct {
	log        *slog.Logger
	mu         sync.Mutex
	lastLogged time.Time
}

func (e *exportErrorLogger) Handle(error) {
	e.mu.Lock()
	due := e.lastLogged.IsZero() || time.Since(e.lastLogged) >= time.Minute
	if due {
		e.lastLogged = time.Now()
	}
	e.mu.Unlock()
	if due {
		e.log.Warn("traces could not be sent to the collector")
	}
}

// Accept takes over the trace that a request belongs to.
func (t *Tracer) Accept(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header))))
	})
}

// Begin starts the span of an operation, which End ends.
func (t *Tracer) Begin(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	ctx, _ = t.spans.Start(ctx, "operation", trace.WithSpanKind(trace.SpanKindServer))
	return ctx
}

// End ends the span of an operation with its statistics.
func (t *Tracer) End(ctx context.Context, f requestlog.Operation) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if f.Kind != "" {
		span.SetName(f.Kind)
	}
	document := f.Document
	if document == "" {
		document = otherLabel
	}
	span.SetAttributes(attribute.String("graphql.operation.type", operationKind(f.Kind)),
		attribute.String("learngraph.document", document), attribute.String("learngraph.outcome", f.Outcome),
		attribute.String("learngraph.request_id", f.RequestID), attribute.Int64("learngraph.cost", f.Cost),
		attribute.Int64("learngraph.calls", f.Calls))
	if f.Outcome == requestlog.OutcomeFailed {
		span.SetStatus(codes.Error, strings.Join(f.Codes, " "))
	}
}

// batch starts the span of one batch of keys, which the function that it returns ends.
func (t *Tracer) batch(ctx context.Context, kind string, keys int) (context.Context, func()) {
	if t == nil {
		return ctx, noop
	}
	ctx, span := t.spans.Start(ctx, "batch "+kind, trace.WithAttributes(
		attribute.String("learngraph.batch.kind", kind), attribute.Int("learngraph.batch.keys", keys)))
	return ctx, func() { span.End() }
}

func noop() {}

// level starts the span of one resolver's call for all its parents at a level of an operation.
func (t *Tracer) level(ctx context.Context, object, field string, parents int) (context.Context, func()) {
	ctx, span := t.spans.Start(ctx, "level "+object+"."+field,
		trace.WithAttributes(attribute.Int("learngraph.level.parents", parents)))
	return ctx, func() { span.End() }
}

// within makes the spans of a batch children of the level that asked for it.
func (t *Tracer) within(operation, field context.Context) context.Context {
	return trace.ContextWithSpan(operation, trace.SpanFromContext(field))
}

// round starts the span of one round of the cache, which the function that it returns ends with how often each verdict
// was.
func (t *Tracer) round(ctx context.Context, kind string, keys int) (context.Context, func([]cache.Fact)) {
	ctx, span := t.spans.Start(ctx, "cache "+kind, trace.WithAttributes(
		attribute.String("learngraph.cache.kind", kind), attribute.Int("learngraph.cache.keys", keys)))
	return ctx, func(facts []cache.Fact) {
		counts := map[cache.Verdict]int{}
		for _, f := range facts {
			counts[f.Verdict]++
		}
		for verdict, n := range counts {
			span.SetAttributes(attribute.Int("learngraph.cache."+string(verdict), n))
		}
		span.End()
	}
}

// Levels returns the hook of the engine; nil where traces are off, as the next two.
func (t *Tracer) Levels() func(ctx context.Context, object, field string, parents int) (context.Context, func()) {
	if t == nil {
		return nil
	}
	return t.level
}

// Within returns the hook of the loaders.
func (t *Tracer) Within() func(operation, field context.Context) context.Context {
	if t == nil {
		return nil
	}
	return t.within
}

// Rounds returns the hook of the cache.
func (t *Tracer) Rounds() func(ctx context.Context, kind string, keys int) (context.Context, func([]cache.Fact)) {
	if t == nil {
		return nil
	}
	return t.round
}

// ObserveBatches counts and traces each batch; its result is called before a batch is fetched, and the function that it
// returns after. kind is the loader's own name.
func ObserveBatches(m *Metrics, t *Tracer) func(ctx context.Context, kind string, keys int) (context.Context, func()) {
	return func(ctx context.Context, kind string, keys int) (context.Context, func()) {
		m.batch(kind, keys)
		return t.batch(ctx, kind, keys)
	}
}

// Transport traces the calls to a backend that base carries, which is base itself where traces are off. Where propagate
// is set the backend receives the trace context.
func (t *Tracer) Transport(backend upstream.Backend, base http.RoundTripper, propagate bool) http.RoundTripper {
	if t == nil {
		return base
	}
	return &tracedTransport{t, string(backend), base, propagate}
}

type tracedTransport struct {
	*Tracer
	backend   string
	base      http.RoundTripper
	propagate bool
}

// RoundTrip makes a span of one exchange, from its sending to the end of its body.
func (t *tracedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.spans.Start(r.Context(), t.backend+" "+r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("learngraph.backend", t.backend),
			attribute.String("http.request.method", r.Method),
			attribute.String("url.template", urlTemplate(r.URL.EscapedPath()))))
	r = r.Clone(ctx)
	if t.propagate {
		w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		// Its text shows addresses.
		span.SetStatus(codes.Error, "no answer")
		span.End()
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= 400 {
		span.SetStatus(codes.Error, strconv.Itoa(resp.StatusCode))
	}
	resp.Body = &tracedBody{ReadCloser: resp.Body, span: span}
	return resp, nil
}

// tracedBody ends its span when it is closed, which upstream does with every body.
type tracedBody struct {
	io.ReadCloser
	span trace.Span
	read int64
}

func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *tracedBody) Close() error {
	b.span.SetAttributes(attribute.Int64("http.response.body.size", b.read))
	b.span.End()
	return b.ReadCloser.Close()
}

// literals are the words of the backends' routes; any other segment of a path may be an identifier.
var literals = nameSet("api", "incoming", "v1", "v2", "ping", "headless", "client", "clients", "user", "users", "core",
	"search", "credentials", "oauth", "token")

// urlTemplate returns a path without the keys of objects.
func urlTemplate(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s != "" && !literals[s] {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// Log adds the trace to the lines that are written under its context.
func (t *Tracer) Log(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(traceLog{log.Handler()})
}

type traceLog struct{ slog.Handler }

func (h traceLog) Handle(ctx context.Context, r slog.Record) error {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		r.AddAttrs(slog.String("traceId", c.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceLog{h.Handler.WithAttrs(attrs)}
}

func (h traceLog) WithGroup(name string) slog.Handler { return traceLog{h.Handler.WithGroup(name)} }
