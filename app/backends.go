package app

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// connector makes the clients of the backends.
type connector struct {
	cfg       *config.Config
	transport http.RoundTripper // nil is the network
	traces    *telemetry.Tracer
	observe   func(upstream.Call)
	cache     *cache.Cache
	inflight  *inflight.Load
	watch     *upstream.SchemaDrift
}

// connect makes a client for each backend that is configured, which sends no credential yet.
func (c connector) connect() (clients []*upstream.Client, err error) {
	for _, b := range []struct {
		backend    upstream.Backend
		configured bool
		cfg        config.Backend
	}{
		{upstream.ThoughtIndustries, c.cfg.HasThoughtIndustries(), c.cfg.ThoughtIndustries},
		{upstream.Coassemble, c.cfg.HasCoassemble(), c.cfg.Coassemble},
		{upstream.MATTR, c.cfg.HasMATTR(), c.cfg.MATTR},
	} {
		if !b.configured {
			continue
		}
		client, err := c.newClient(b.backend, b.cfg)
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

func (c connector) newClient(b upstream.Backend, cfg config.Backend) (*upstream.Client, error) {
	transport := c.transport
	if c.traces != nil {
		transport = c.traces.Transport(b, cmp.Or(transport, newTransport(cfg.Concurrency)),
			slices.Contains(c.cfg.TraceBackends, string(b)))
	}
	if c.cfg.CaptureDir != "" {
		transport = capture.Transport(b, basePath(cfg.URL), cmp.Or(transport, newTransport(cfg.Concurrency)))
	}
	return upstream.New(upstream.Options{Backend: b, Retries: c.cfg.Retries, BaseURL: cfg.URL, Transport: transport,
		Observer: c.observe, Timeout: cfg.Timeout, OperationTimeout: c.cfg.OperationTimeout, Concurrency: cfg.Concurrency,
		Rates: c.localRates(cfg.Rates), Budget: c.sharedBudget(b, cfg.Rates), Gzip: cfg.Gzip, MaxBody: c.cfg.UpstreamMaxBody,
		Inflight: c.inflight, Watch: c.watch})
}

// localRates are the rates that this process keeps to by itself: without Redis its share of them.
func (c connector) localRates(rates []upstream.Rate) []upstream.Rate {
	if c.cfg.Cache.Redis != nil {
		return rates
	}
	own := make([]upstream.Rate, len(rates))
	for i, r := range rates {
		own[i] = upstream.Rate{Count: max(r.Count/c.cfg.Replicas, 1), Per: r.Per}
	}
	return own
}

// sharedBudget is the budget that all replicas share; nil, without Redis, leaves each process to its own.
func (c connector) sharedBudget(b upstream.Backend, rates []upstream.Rate) upstream.Budget {
	if c.cfg.Cache.Redis == nil || len(rates) == 0 {
		return nil
	}
	return cache.NewWindow(c.cache, "budget:"+string(b)+":"+c.cfg.Scopes()[b], sharedRates(rates), c.cfg.Replicas)
}

// maxTransit is how long a call may take to reach its backend for the rates to hold there whichever replica made it, or
// a twentieth of the span where that is less.
const maxTransit = 100 * time.Millisecond

// sharedRates are the rates that replicas keep to together. A process knows when its own calls were answered; of those
// of the others it knows when they were to start, and they may arrive later, so the spans are longer by that.
func sharedRates(rates []upstream.Rate) []cache.Rate {
	shared := make([]cache.Rate, len(rates))
	for i, r := range rates {
		shared[i] = cache.Rate{Count: r.Usable(), Per: r.Per + min(maxTransit, r.Per/20)}
	}
	return shared
}

// newTransport is the network, with as many idle connections as calls are made at once.
func newTransport(concurrency int) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = concurrency
	return t
}

// basePath is the escaped path of a backend's base URL.
func basePath(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}
