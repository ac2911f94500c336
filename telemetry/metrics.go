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

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/upstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// otherDocument is the bucket of all documents that are not trusted.
const otherDocument = "other"

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

// Metrics are the program's figures in a registry of its own. Its methods are safe for concurrent use.
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
	names     map[string]prometheus.Counter // of keys
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

// callSeries are the figures of exchanges with equal labels, looked up once.
type callSeries struct {
	count, received prometheus.Counter
	seconds         prometheus.Observer
}

// operationLabels are the labels of an operation: document, kind and outcome.
type operationLabels struct{ document, kind, outcome string }

// operationSeries are the figures of operations with equal labels, looked up once.
type operationSeries struct {
	count           prometheus.Counter
	seconds, points prometheus.Observer // points is nil where nothing was executed
}

// durations are bounds in seconds for what takes from a cache hit to the longest timeout.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}

// sizes are bounds for keys of a batch and calls of an operation.
var sizes = []float64{0, 1, 2, 5, 10, 25, 50, 100, 250, 500}

// NewMetrics makes the figures, all zero, and adds those of Go and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), documents: map[string]bool{},
		names: map[string]prometheus.Counter{}, series: map[operationLabels]operationSeries{},
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

// Handler answers with the figures as Prometheus reads them. Where one source fails the others are still collected.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: FromLibrary(log, "prometheus")})
}

// Operation counts an operation.
func (m *Metrics) Operation(f requestlog.Operation) {
	series := m.seriesOf(operationLabels{m.document(f.Document), operationKind(f.Kind), f.Outcome})
	series.count.Inc()
	m.caller(f.Caller).Inc()
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

// document is the label of a document, which is one for all past the most: a file that can change while the program
// runs has any number.
func (m *Metrics) document(id string) string {
	if id == "" {
		return otherDocument
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.documents[id] {
		if len(m.documents) >= maxDocuments {
			return otherDocument
		}
		m.documents[id] = true
	}
	return id
}

// caller is the counter of a caller, which is one for all past the most, as for documents.
func (m *Metrics) caller(name string) prometheus.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.names[name]
	if !ok {
		if len(m.names) >= maxCallers {
			return m.callers.WithLabelValues(otherDocument)
		}
		c = m.callers.WithLabelValues(name)
		m.names[name] = c
	}
	return c
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

// Watch adds the figures that others keep: they are read whenever somebody asks. Call it once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(stateCollector{s}) }

// Sources are where the state of the program is. A nil one is not collected.
type Sources struct {
	Backends func() []upstream.Status
	Cache    func() cache.Counters
	Contract func() (findings []upstream.Drift, leftOut int64)
	Inflight func() inflight.State
	// Subscriptions returns the counters of open subscriptions.
	Subscriptions func() live.Counters
	// LogDropped is the number of lines that the log did not take.
	LogDropped func() uint64
	// KeySet returns the state of the key set of tokens, nil where none was needed.
	KeySet func() *KeySetState
	// Webhooks returns when each webhook that is served last had a delivery, the zero time for never.
	Webhooks func() map[string]time.Time
	// Purges returns the counters of purging the caches in front, nil where nothing is purged.
	Purges func() *cdn.Counters
}

// BackendStates asks each client for its state.
func BackendStates(clients []*upstream.Client) func() []upstream.Status {
	return func() []upstream.Status {
		list := make([]upstream.Status, len(clients))
		for i, c := range clients {
			list[i] = c.Status()
		}
		return list
	}
}

// stateCollector turns the state of the sources into figures.
type stateCollector struct{ Sources }

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("learngraph_"+name, help, labels, nil)
}

var (
	descCircuit = newDesc("backend_circuit_open",
		"1 while the circuit of the class is open, and no call is sent.", "backend", "class")
	descLeft   = newDesc("backend_budget_left", "Calls left in the window of a rate.", "backend", "window")
	descUsable = newDesc("backend_budget_usable", "Calls of a rate that this server uses at most.", "backend",
		"window")
	descHeld = newDesc("backend_held", "1 while the backend's Retry-After or rate limit headers forbid calls.",
		"backend")
	descWaiting     = newDesc("backend_calls_waiting", "Calls waiting for the budget or a slot.", "backend")
	descUnderWay    = newDesc("backend_calls_under_way", "Calls in flight.", "backend")
	descLastSuccess = newDesc("backend_last_success_timestamp_seconds", "Time of the backend's last success, 0 for never.",
		"backend")
	descLastFailure = newDesc("backend_last_failure_timestamp_seconds",
		"Time of the backend's last failure, 0 for never.", "backend")

	descLookups = newDesc("cache_lookups_total", "Cache lookups of keys, by the origin of the value.", "kind",
		"verdict")
	descMemoryBytes   = newDesc("cache_memory_bytes", "Bytes cached in the process.")
	descMemoryEntries = newDesc("cache_memory_entries", "Entries cached in the process.")
	descRefreshes     = newDesc("cache_refreshes_total", "Background refreshes of stale values.")
	descRedisUp       = newDesc("redis_up", "0 while Redis fails and is not called.")
	descRedisErrors   = newDesc("redis_errors_total", "Failed round trips to Redis.")
	descRedisOutages  = newDesc("redis_outages_total", "Outages of Redis.")
	descRedisDropped  = newDesc("redis_dropped_writes_total", "Values that were not written to Redis.")
	descRedisPending  = newDesc("redis_pending_drops", "Invalidations not yet sent to Redis.")

	descContract = newDesc("contract_breaks_total",
		"Values and members of backends' answers that break or are not in the schema.", "backend", "kind")
	descLeftOut = newDesc("contract_paths_left_out_total", "Contract breaks on paths past the maximum number of paths.")

	descInflight        = newDesc("inflight_requests", "Requests in flight.")
	descInflightMost    = newDesc("inflight_requests_limit", "Maximum number of requests in flight.")
	descInflightBytes   = newDesc("inflight_bytes", "Bytes of request bodies, answers and backends' pages in flight.")
	descBytesMost       = newDesc("inflight_bytes_limit", "Maximum number of bytes of requests in flight.")
	descInflightRefused = newDesc("inflight_refused_total",
		"Refusals at a limit of requests in flight, by limit.", "bound")
	descSlowReaders = newDesc("slow_readers_total", "Answers aborted because the client read too slowly.")

	descSubscriptions = newDesc("subscriptions", "Open subscriptions.")
	descQuestions     = newDesc("subscription_questions", "Distinct queries of open subscriptions.")
	descEvents        = newDesc("subscription_events_total", "Changed results of subscriptions.")
	descExecutions    = newDesc("subscription_executions_total", "Executions of operations for subscriptions.")
	descSaved         = newDesc("subscription_executions_saved_total",
		"Executions saved, since subscribers shared one or another replica made it.")
	descSubscriptionsFull = newDesc("subscriptions_refused_total", "Subscriptions refused at the limit.")

	descLogDropped = newDesc("log_lines_dropped_total",
		"Log lines dropped because the log was not read or could not be written.")
)

var descWebhookLast = newDesc("webhook_last_delivery_timestamp_seconds",
	"Time of the last webhook delivery with a valid signature, 0 for never.", "backend")

var (
	descPurges     = newDesc("cdn_purges_total", "Requests to purge tags from shared caches.", "outcome")
	descPurged     = newDesc("cdn_purged_tags_total", "Tags purged from shared caches.")
	descPurgesLost = newDesc("cdn_lost_tags_total", "Tags not purged: too many were waiting, or the process ended.")
	descPurgesToDo = newDesc("cdn_pending_tags", "Tags waiting to be purged.")
)

var stateDescs = []*prometheus.Desc{descCircuit, descLeft, descUsable, descHeld, descWaiting, descUnderWay,
	descLastSuccess, descLastFailure, descLookups, descMemoryBytes, descMemoryEntries, descRefreshes, descRedisUp,
	descRedisErrors, descRedisOutages, descRedisDropped, descRedisPending, descContract, descLeftOut, descInflight,
	descInflightMost, descInflightBytes, descBytesMost, descInflightRefused, descSlowReaders, descLogDropped,
	descSubscriptions, descQuestions, descEvents, descExecutions, descSaved, descSubscriptionsFull, descWebhookLast,
	descPurges, descPurged, descPurgesLost, descPurgesToDo}

func (c stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range stateDescs {
		to <- d
	}
}

func (c stateCollector) Collect(to chan<- prometheus.Metric) {
	breaks := contractBreaks{}
	if c.Backends != nil {
		for _, s := range c.Backends() {
			collectBackend(to, s)
			breaks.begin(string(s.Backend))
		}
	}
	if c.Cache != nil {
		collectCache(to, c.Cache())
	}
	if c.Contract != nil {
		breaks.collect(to, c.Contract)
	}
	if c.Inflight != nil {
		collectInflight(to, c.Inflight())
	}
	if c.Subscriptions != nil {
		collectSubscriptions(to, c.Subscriptions())
	}
	if c.LogDropped != nil {
		emitTotal(to, descLogDropped, float64(c.LogDropped()))
	}
	if c.Webhooks != nil {
		for backend, at := range c.Webhooks() {
			emitGauge(to, descWebhookLast, unixSeconds(at), backend)
		}
	}
	if c.Purges != nil {
		collectPurges(to, c.Purges())
	}
}

func collectPurges(to chan<- prometheus.Metric, c *cdn.Counters) {
	if c == nil {
		return
	}
	emitTotal(to, descPurges, float64(c.Sent), "sent")
	emitTotal(to, descPurges, float64(c.Failed), "failed")
	emitTotal(to, descPurged, float64(c.Purged))
	emitTotal(to, descPurgesLost, float64(c.Lost))
	emitGauge(to, descPurgesToDo, float64(c.Pending))
}

func collectSubscriptions(to chan<- prometheus.Metric, c live.Counters) {
	emitGauge(to, descSubscriptions, float64(c.Subscribers))
	emitGauge(to, descQuestions, float64(c.Questions))
	emitTotal(to, descEvents, float64(c.Events))
	emitTotal(to, descExecutions, float64(c.Executions))
	emitTotal(to, descSaved, float64(c.Saved))
	emitTotal(to, descSubscriptionsFull, float64(c.Refused))
}

func emitGauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func emitTotal(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func collectBackend(to chan<- prometheus.Metric, s upstream.Status) {
	name := string(s.Backend)
	for _, k := range s.Circuits {
		emitGauge(to, descCircuit, asNumber(k.Open), name, k.Class.String())
	}
	windows := map[string]bool{}
	for _, b := range s.Budget {
		window := WindowLabel(b.Rate.Per)
		if windows[window] {
			continue // two rates of one window: the registry would refuse the whole answer
		}
		windows[window] = true
		emitGauge(to, descLeft, float64(b.Left), name, window)
		emitGauge(to, descUsable, float64(b.Usable), name, window)
	}
	emitGauge(to, descHeld, asNumber(!s.ClosedUntil.IsZero()), name)
	emitGauge(to, descWaiting, float64(s.Waiting), name)
	emitGauge(to, descUnderWay, float64(s.UnderWay), name)
	emitGauge(to, descLastSuccess, unixSeconds(s.LastSuccess), name)
	emitGauge(to, descLastFailure, unixSeconds(s.LastFailure), name)
}

func collectCache(to chan<- prometheus.Metric, c cache.Counters) {
	for kind, verdicts := range c.Verdicts {
		for verdict, n := range verdicts {
			emitTotal(to, descLookups, float64(n), kind, string(verdict))
		}
	}
	emitGauge(to, descMemoryBytes, float64(c.MemoryBytes))
	emitGauge(to, descMemoryEntries, float64(c.MemoryEntries))
	emitTotal(to, descRefreshes, float64(c.Refreshes))
	if !c.Redis {
		return
	}
	emitGauge(to, descRedisUp, asNumber(c.RedisUp))
	emitTotal(to, descRedisErrors, float64(c.RedisErrors))
	emitTotal(to, descRedisOutages, float64(c.Outages))
	emitTotal(to, descRedisDropped, float64(c.DroppedWrites))
	emitGauge(to, descRedisPending, float64(c.PendingDrops))
}

func collectInflight(to chan<- prometheus.Metric, s inflight.State) {
	emitGauge(to, descInflight, float64(s.Requests))
	emitGauge(to, descInflightMost, float64(s.MaxRequests))
	emitGauge(to, descInflightBytes, float64(s.Bytes))
	emitGauge(to, descBytesMost, float64(s.MaxBytes))
	emitTotal(to, descInflightRefused, float64(s.RefusedRequests), "requests")
	emitTotal(to, descInflightRefused, float64(s.RefusedBytes), "bytes")
	emitTotal(to, descSlowReaders, float64(s.CutOff))
}

// contractBreaks are the numbers of findings by backend and kind.
type contractBreaks map[[2]string]int64

// The kinds of contract breaks.
const (
	breakMismatch = "mismatch"
	breakUnknown  = "unknown"
)

// begin counts a backend from 0, so that its first break is seen to be one.
func (b contractBreaks) begin(backend string) {
	b[[2]string{backend, breakMismatch}], b[[2]string{backend, breakUnknown}] = 0, 0
}

func (b contractBreaks) collect(to chan<- prometheus.Metric, findings func() ([]upstream.Drift, int64)) {
	list, leftOut := findings()
	for _, f := range list {
		b[[2]string{string(f.Backend), FindingKind(f)}] += f.Count
	}
	for g, n := range b {
		emitTotal(to, descContract, float64(n), g[0], g[1])
	}
	emitTotal(to, descLeftOut, float64(leftOut))
}

// FindingKind returns how an answer differs from the schema.
func FindingKind(f upstream.Drift) string {
	if f.Mismatch {
		return breakMismatch
	}
	return breakUnknown
}

func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unixSeconds is t in Prometheus's form, 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// WindowLabel writes a duration as it is configured: 1m, not 1m0s.
func WindowLabel(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
