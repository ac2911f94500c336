// Package telemetry has the metrics, the traces and the log lines of the program. No label, span or line holds an
// identifier of a record; of a caller's own texts the line of a request has its path and the name of its operation,
// cut.
package telemetry

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/upstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// otherLabel is the bucket of all documents that are not trusted, and of all names past the most.
const otherLabel = "other"

// maxDocuments bounds the series that a manifest, which can change while the program runs, makes; the documents past it
// share the bucket of the others.
const maxDocuments = 500

// maxCallers bounds the series that API keys make.
const maxCallers = 200

// knownCodes are the values of extensions.code; a code that is none of them is counted as unknown.
var knownCodes = nameSet("BAD_REQUEST", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT",
	"LIMIT_EXCEEDED", "RATE_LIMITED", "DEADLINE_EXCEEDED", "PERSISTED_QUERY_NOT_FOUND", "DOCUMENT_NOT_TRUSTED",
	"NOT_CACHED", "UNAUTHENTICATED", "FORBIDDEN", "BACKEND_NOT_CONFIGURED", "UPSTREAM_TIMEOUT", "UPSTREAM_UNAVAILABLE",
	"UPSTREAM_RATE_LIMITED", "UPSTREAM_REJECTED", "UPSTREAM_CONTRACT", "WRITE_OUTCOME_UNKNOWN", "INTERNAL")

func nameSet(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// Metrics are the program's metrics in a registry of its own. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	operations, operationErrors       *prometheus.CounterVec
	callers                           *prometheus.CounterVec
	operationSeconds, operationPoints *prometheus.HistogramVec
	operationCalls                    prometheus.Histogram

	calls, failures, retries, received *prometheus.CounterVec
	callSeconds                        *prometheus.HistogramVec
	subscriptionLag                    *prometheus.HistogramVec

	batchKeys *prometheus.HistogramVec

	keySetReads *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	webhooks    *prometheus.CounterVec

	mu        sync.Mutex
	documents map[string]bool
	names     map[string]bool // of callers
	series    map[operationLabels]operationSeries
	ofCalls   map[callLabels]callSeries
	ofBatches map[string]prometheus.Observer // by kind
}

// callLabels are the labels of an exchange with a backend: status is the class of its status, 2 for 2xx.
type callLabels struct {
	backend upstream.Backend
	class   string
	status  int
}

// callSeries are the metrics of exchanges with equal labels, looked up once.
type callSeries struct {
	count, received prometheus.Counter
	seconds         prometheus.Observer
}

// operationLabels are the labels of an operation: document, kind and outcome.
type operationLabels struct{ document, kind, outcome string }

// operationSeries are the metrics of operations with equal labels, looked up once.
type operationSeries struct {
	count           prometheus.Counter
	seconds, points prometheus.Observer // points is nil where nothing was executed
}

// durations are bounds in seconds, from a cache hit to the longest timeout.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}

// sizes are bounds for keys of a batch and calls of an operation.
var sizes = []float64{0, 1, 2, 5, 10, 25, 50, 100, 250, 500}

// NewMetrics returns the metrics, all zero, with those of Go and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), documents: map[string]bool{},
		names: map[string]bool{}, series: map[operationLabels]operationSeries{},
		ofCalls: map[callLabels]callSeries{}, ofBatches: map[string]prometheus.Observer{}}
	m.operations = m.counter("operations_total", "Completed operations.", "document", "type", "outcome")
	m.callers = m.counter("caller_operations_total",
		"Completed operations, by the name of the caller's API key; all tokens are one caller.", "caller")
	m.operationErrors = m.counter("operation_errors_total", "Errors in answers to operations.", "code")
	m.operationSeconds = m.histogram("operation_duration_seconds", "Time from the parsing of an operation to its answer.",
		durations, "document")
	m.operationPoints = m.histogram("operation_cost_points", "Estimated cost of operations before execution.",
		prometheus.ExponentialBuckets(10, 4, 9), "document")
	m.operationCalls = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "learngraph_operation_backend_calls",
		Help: "Backend calls per operation, retries included.", Buckets: sizes})
	m.calls = m.counter("backend_calls_total", "Completed calls of a backend, retries included.", "backend", "class",
		"status")
	m.failures = m.counter("backend_failures_total", "Failed calls of a backend, retries included.", "backend", "kind")
	m.retries = m.counter("backend_retries_total", "Retries of failed calls.", "backend")
	m.received = m.counter("backend_received_bytes_total", "Bytes of backends' response bodies, as received (compressed).",
		"backend", "class")
	m.subscriptionLag = m.histogram("subscription_lag_seconds",
		"Time from the detection of a change to its event.", durations)
	m.callSeconds = m.histogram("backend_call_duration_seconds",
		"Time from the sending of a call to the last byte of its answer.", durations, "backend", "class")
	m.batchKeys = m.histogram("batch_keys", "Distinct keys per batch.", sizes, "kind")
	m.keySetReads = m.counter("key_set_reads_total", "Reads of the key set of tokens.", "outcome")
	m.reloads = m.counter("reloads_total", "Files and key sets reloaded on request.",
		"setting", "outcome")
	m.webhooks = m.counter("webhook_deliveries_total", "Deliveries of backends' webhooks, by outcome.",
		"backend", "outcome")
	// A figure that begins at 1 has not grown, as Prometheus sees it: the first error would raise no alert.
	for code := range knownCodes {
		m.operationErrors.WithLabelValues(code)
	}
	m.registry.MustRegister(m.operationCalls, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "learngraph_" + name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "learngraph_" + name, Help: help, Buckets: buckets},
		labels)
	m.registry.MustRegister(v)
	return v
}

// Handler answers with the metrics as Prometheus reads them. Where one source fails the others are still collected.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: FromLibrary(log, "prometheus")})
}

// Operation counts an operation.
func (m *Metrics) Operation(f requestlog.Operation) {
	document := otherLabel
	if f.Document != "" {
		document = m.label(m.documents, f.Document, maxDocuments)
	}
	series := m.seriesOf(operationLabels{document, operationKind(f.Kind), f.Outcome})
	series.count.Inc()
	m.callers.WithLabelValues(m.label(m.names, f.Caller, maxCallers)).Inc()
	for _, code := range f.Codes {
		if !knownCodes[code] {
			code = "unknown"
		}
		m.operationErrors.WithLabelValues(code).Inc()
	}
	series.seconds.Observe(f.Duration.Seconds())
	if f.Outcome == requestlog.OutcomeRefused {
		return
	}
	series.points.Observe(float64(f.Cost))
	m.operationCalls.Observe(float64(f.Calls))
}

func (m *Metrics) seriesOf(l operationLabels) operationSeries {
	return lookUp(m, m.series, l, func() (s operationSeries) {
		s.count, s.seconds = m.operations.WithLabelValues(l.document, l.kind, l.outcome),
			m.operationSeconds.WithLabelValues(l.document)
		if l.outcome != requestlog.OutcomeRefused {
			s.points = m.operationPoints.WithLabelValues(l.document)
		}
		return s
	})
}

// lookUp returns the series of labels among those that are known, and has find look it up the first time: a vector
// hashes its labels each time.
func lookUp[L comparable, S any](m *Metrics, known map[L]S, labels L, find func() S) S {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := known[labels]
	if !ok {
		s = find()
		known[labels] = s
	}
	return s
}

func operationKind(kind string) string {
	switch kind {
	case "query", "mutation", "subscription":
		return kind
	}
	return "unknown"
}

// label returns the label of a document or a caller, which is one for all past the most: a file that can change while
// the program runs has any number. known are the names that have a label of their own.
func (m *Metrics) label(known map[string]bool, name string, most int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !known[name] {
		if len(known) >= most {
			return otherLabel
		}
		known[name] = true
	}
	return name
}

// Call counts an exchange with a backend; it is the Observer of an upstream.Client.
func (m *Metrics) Call(c upstream.Call) {
	backend := string(c.Backend)
	l := callLabels{c.Backend, routeClass(c.Method, c.Route), c.Status / 100}
	series := lookUp(m, m.ofCalls, l, func() callSeries {
		return callSeries{m.calls.WithLabelValues(backend, l.class, statusClass(l.status*100)),
			m.received.WithLabelValues(backend, l.class), m.callSeconds.WithLabelValues(backend, l.class)}
	})
	series.count.Inc()
	series.seconds.Observe(c.Duration.Seconds())
	series.received.Add(float64(c.Bytes))
	if c.Kind != upstream.Unknown {
		m.failures.WithLabelValues(backend, kindLabel(c.Kind)).Inc()
	}
	if c.Retries > 0 {
		m.retries.WithLabelValues(backend).Inc()
	}
}

// tokenRoute is that of MATTR's authorization server.
const tokenRoute = "/oauth/token"

// routeClass is the purpose of a call. A search of Thought Industries is among the reads: it has their route.
func routeClass(method, route string) string {
	switch {
	case route == tokenRoute:
		return "token"
	case method == http.MethodGet || method == http.MethodHead:
		return upstream.Reads.String()
	case method == http.MethodPost && strings.HasSuffix(route, "/search"):
		return upstream.Searches.String()
	}
	return upstream.Writes.String()
}

func statusClass(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

func kindLabel(k upstream.Kind) string { return strings.ReplaceAll(k.String(), " ", "_") }

// SubscriptionLag records how long after a change its event was there.
func (m *Metrics) SubscriptionLag(d time.Duration) {
	m.subscriptionLag.WithLabelValues().Observe(d.Seconds())
}

// batch counts the keys of one batch. kind is the loader's own name.
func (m *Metrics) batch(kind string, keys int) {
	lookUp(m, m.ofBatches, kind, func() prometheus.Observer { return m.batchKeys.WithLabelValues(kind) }).
		Observe(float64(keys))
}
