package telemetry

import (
	"slices"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/upstream"
	"github.com/prometheus/client_golang/prometheus"
)

// State is the state of the program that its other parts keep, for the metrics, /status and /contract.
type State struct {
	Backends []upstream.Status
	Cache    cache.Counters
	Drifts   []upstream.Drift
	// DriftsLeftOut is the number of drifts on paths past the number that is kept.
	DriftsLeftOut int64
	Inflight      inflight.State
	Subscriptions live.Counters
	// LogDropped is the number of lines that the log did not take.
	LogDropped uint64
	// KeySet is the state of the key set of tokens, nil where none was needed.
	KeySet   *KeySetState
	Webhooks []WebhookState
	// Purges are the counters of purging the caches in front, nil where nothing is purged.
	Purges *cdn.Counters
}

// Watch adds the metrics of the state, which is read at each collection. Call it once.
func (m *Metrics) Watch(state func() State) { m.registry.MustRegister(stateCollector(state)) }

// stateCollector turns the state into metrics.
type stateCollector func() State

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

// Collect reads the state.
func (c stateCollector) Collect(to chan<- prometheus.Metric) {
	out, s := sink(to), c()
	for _, b := range s.Backends {
		out.backend(b)
	}
	out.cache(s.Cache)
	out.contract(s)
	out.inflight(s.Inflight)
	out.subscriptions(s.Subscriptions)
	out.total("log_lines_dropped_total", "Log lines dropped because the log was not read or could not be written.",
		float64(s.LogDropped))
	for _, w := range s.Webhooks {
		out.gauge("webhook_last_delivery_timestamp_seconds",
			"Time of the last webhook delivery with a valid signature, 0 for never.", unixSeconds(w.LastDelivery),
			"backend", w.Backend)
	}
	if s.Purges != nil {
		out.purges(s.Purges)
	}
}

func (out sink) purges(c *cdn.Counters) {
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
		if windows[b.Window] {
			continue // two rates of one window: the registry would refuse the whole answer
		}
		windows[b.Window] = true
		out.gauge("backend_budget_left", "Calls left in the window of a rate.", float64(b.Left),
			"backend", name, "window", b.Window)
		out.gauge("backend_budget_usable", "Calls of a rate that this server uses at most.", float64(b.Usable),
			"backend", name, "window", b.Window)
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
	if !c.Redis.Configured {
		return
	}
	out.gauge("redis_up", "0 while Redis fails and is not called.", asNumber(c.Redis.Up))
	out.total("redis_errors_total", "Failed round trips to Redis.", float64(c.Redis.Errors))
	out.total("redis_outages_total", "Outages of Redis.", float64(c.Redis.Outages))
	out.total("redis_dropped_writes_total", "Values that were not written to Redis.", float64(c.Redis.DroppedWrites))
	out.gauge("redis_pending_drops", "Invalidations not yet sent to Redis.", float64(c.Redis.PendingDrops))
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

func (out sink) contract(s State) {
	type labels struct {
		backend upstream.Backend
		kind    upstream.DriftKind
	}
	breaks := map[labels]int64{}
	for _, b := range s.Backends { // from 0, so that the first break is seen to be one
		breaks[labels{b.Backend, upstream.DriftMismatch}], breaks[labels{b.Backend, upstream.DriftUnknown}] = 0, 0
	}
	for _, d := range s.Drifts {
		breaks[labels{d.Backend, d.Kind}] += d.Count
	}
	for l, n := range breaks {
		out.total("contract_breaks_total", "Values and members of backends' answers that break or are not in the schema.",
			float64(n), "backend", string(l.backend), "kind", string(l.kind))
	}
	out.total("contract_paths_left_out_total", "Contract breaks on paths past the maximum number of paths.",
		float64(s.DriftsLeftOut))
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
