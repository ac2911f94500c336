package telemetry

import (
	"slices"
	"strings"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/upstream"
	"github.com/prometheus/client_golang/prometheus"
)

// Watch adds the metrics that others keep, which are read at each collection. Call it once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(stateCollector{s}) }

// Sources are where the state of the program is. A nil one is not collected.
type Sources struct {
	Backends func() []upstream.Status
	Cache    func() cache.Counters
	Contract func() (drifts []upstream.Drift, leftOut int64)
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

// stateCollector turns the state of the sources into metrics.
type stateCollector struct{ Sources }

// Describe describes nothing in advance: a figure has its name, help and labels where it is read.
func (c stateCollector) Describe(chan<- *prometheus.Desc) {}

// sink takes the samples of one collection.
type sink chan<- prometheus.Metric

// gauge adds a value that goes up and down. labels are names, each followed by its value.
func (out sink) gauge(name, help string, v float64, labels ...string) {
	out.add(prometheus.GaugeValue, name, help, v, labels)
}

// total adds a value that only grows.
func (out sink) total(name, help string, v float64, labels ...string) {
	out.add(prometheus.CounterValue, name, help, v, labels)
}

func (out sink) add(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	var names, values []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("learngraph_"+name, help, names, nil), kind, v, values...)
}

// Collect reads the sources.
func (c stateCollector) Collect(to chan<- prometheus.Metric) {
	out, breaks := sink(to), contractBreaks{}
	if c.Backends != nil {
		for _, s := range c.Backends() {
			out.backend(s)
			breaks.begin(string(s.Backend))
		}
	}
	if c.Cache != nil {
		out.cache(c.Cache())
	}
	if c.Contract != nil {
		out.contract(breaks, c.Contract)
	}
	if c.Inflight != nil {
		out.inflight(c.Inflight())
	}
	if c.Subscriptions != nil {
		out.subscriptions(c.Subscriptions())
	}
	if c.LogDropped != nil {
		out.total("log_lines_dropped_total", "Log lines dropped because the log was not read or could not be written.",
			float64(c.LogDropped()))
	}
	if c.Webhooks != nil {
		for backend, at := range c.Webhooks() {
			out.gauge("webhook_last_delivery_timestamp_seconds",
				"Time of the last webhook delivery with a valid signature, 0 for never.", unixSeconds(at), "backend", backend)
		}
	}
	if c.Purges != nil {
		out.purges(c.Purges())
	}
}

func (out sink) purges(c *cdn.Counters) {
	if c == nil {
		return
	}
	for outcome, n := range map[string]uint64{"sent": c.Sent, "failed": c.Failed} {
		out.total("cdn_purges_total", "Requests to purge tags from shared caches.", float64(n), "outcome", outcome)
	}
	out.total("cdn_purged_tags_total", "Tags purged from shared caches.", float64(c.Purged))
	out.total("cdn_lost_tags_total", "Tags not purged: too many were waiting, or the process ended.", float64(c.Lost))
	out.gauge("cdn_pending_tags", "Tags waiting to be purged.", float64(c.Pending))
}

func (out sink) subscriptions(c live.Counters) {
	out.gauge("subscriptions", "Open subscriptions.", float64(c.Subscribers))
	out.gauge("subscription_questions", "Distinct queries of open subscriptions.", float64(c.Topics))
	out.total("subscription_events_total", "Changed results of subscriptions.", float64(c.Events))
	out.total("subscription_executions_total", "Executions of operations for subscriptions.", float64(c.Executions))
	out.total("subscription_executions_saved_total",
		"Executions saved, since subscribers shared one or another replica made it.", float64(c.Saved))
	out.total("subscriptions_refused_total", "Subscriptions refused at the limit.", float64(c.Refused))
}

func (out sink) backend(s upstream.Status) {
	name := string(s.Backend)
	for _, k := range s.Circuits {
		out.gauge("backend_circuit_open", "1 while the circuit of the class is open, and no call is sent.",
			asNumber(k.Open), "backend", name, "class", k.Class.String())
	}
	windows := map[string]bool{}
	for _, b := range s.Budget {
		window := WindowLabel(b.Rate.Per)
		if windows[window] {
			continue // two rates of one window: the registry would refuse the whole answer
		}
		windows[window] = true
		out.gauge("backend_budget_left", "Calls left in the window of a rate.", float64(b.Left),
			"backend", name, "window", window)
		out.gauge("backend_budget_usable", "Calls of a rate that this server uses at most.", float64(b.Usable),
			"backend", name, "window", window)
	}
	out.gauge("backend_held", "1 while the backend's Retry-After or rate limit headers forbid calls.",
		asNumber(!s.ClosedUntil.IsZero()), "backend", name)
	out.gauge("backend_calls_waiting", "Calls waiting for the budget or a slot.", float64(s.Waiting), "backend", name)
	out.gauge("backend_calls_under_way", "Calls in flight.", float64(s.UnderWay), "backend", name)
	out.gauge("backend_last_success_timestamp_seconds", "Time of the backend's last success, 0 for never.",
		unixSeconds(s.LastSuccess), "backend", name)
	out.gauge("backend_last_failure_timestamp_seconds", "Time of the backend's last failure, 0 for never.",
		unixSeconds(s.LastFailure), "backend", name)
}

func (out sink) cache(c cache.Counters) {
	for kind, verdicts := range c.Verdicts {
		for verdict, n := range verdicts {
			out.total("cache_lookups_total", "Cache lookups of keys, by the origin of the value.", float64(n),
				"kind", kind, "verdict", string(verdict))
		}
	}
	out.gauge("cache_memory_bytes", "Bytes cached in the process.", float64(c.MemoryBytes))
	out.gauge("cache_memory_entries", "Entries cached in the process.", float64(c.MemoryEntries))
	out.total("cache_refreshes_total", "Background refreshes of stale values.", float64(c.Refreshes))
	if !c.Redis {
		return
	}
	out.gauge("redis_up", "0 while Redis fails and is not called.", asNumber(c.RedisUp))
	out.total("redis_errors_total", "Failed round trips to Redis.", float64(c.RedisErrors))
	out.total("redis_outages_total", "Outages of Redis.", float64(c.Outages))
	out.total("redis_dropped_writes_total", "Values that were not written to Redis.", float64(c.DroppedWrites))
	out.gauge("redis_pending_drops", "Invalidations not yet sent to Redis.", float64(c.PendingDrops))
}

func (out sink) inflight(s inflight.State) {
	out.gauge("inflight_requests", "Requests in flight.", float64(s.Requests))
	out.gauge("inflight_requests_limit", "Maximum number of requests in flight.", float64(s.MaxRequests))
	out.gauge("inflight_bytes", "Bytes of request bodies, answers and backends' pages in flight.", float64(s.Bytes))
	out.gauge("inflight_bytes_limit", "Maximum number of bytes of requests in flight.", float64(s.MaxBytes))
	for bound, n := range map[string]uint64{"requests": s.RefusedRequests, "bytes": s.RefusedBytes} {
		out.total("inflight_refused_total", "Refusals at a limit of requests in flight, by limit.", float64(n),
			"bound", bound)
	}
	out.total("slow_readers_total", "Answers aborted because the client read too slowly.", float64(s.CutOff))
}

// contractBreaks are the numbers of drifts by backend and kind.
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

func (out sink) contract(breaks contractBreaks, drifts func() ([]upstream.Drift, int64)) {
	list, leftOut := drifts()
	for _, d := range list {
		breaks[[2]string{string(d.Backend), DriftKind(d)}] += d.Count
	}
	for labels, n := range breaks {
		out.total("contract_breaks_total", "Values and members of backends' answers that break or are not in the schema.",
			float64(n), "backend", labels[0], "kind", labels[1])
	}
	out.total("contract_paths_left_out_total", "Contract breaks on paths past the maximum number of paths.",
		float64(leftOut))
}

// DriftKind returns how an answer differs from the schema.
func DriftKind(d upstream.Drift) string {
	if d.Mismatch {
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
