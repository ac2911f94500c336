package app

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/upstream"
)

// connect makes a client for each backend that is configured, which sends no credential yet.
func (s *Server) connect() (clients []*upstream.Client, err error) {
	for _, b := range []struct {
		backend    upstream.Backend
		configured bool
		cfg        config.Backend
	}{
		{upstream.ThoughtIndustries, s.cfg.HasThoughtIndustries(), s.cfg.ThoughtIndustries},
		{upstream.Coassemble, s.cfg.HasCoassemble(), s.cfg.Coassemble},
		{upstream.MATTR, s.cfg.HasMATTR(), s.cfg.MATTR},
	} {
		if !b.configured {
			continue
		}
		client, err := s.newClient(b.backend, b.cfg)
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

func (s *Server) newClient(b upstream.Backend, cfg config.Backend) (*upstream.Client, error) {
	transport := s.transport
	if s.traces != nil {
		transport = s.traces.Transport(b, cmp.Or(transport, upstream.NewTransport(cfg.Concurrency)),
			slices.Contains(s.cfg.TraceBackends, string(b)))
	}
	if s.cfg.CaptureDir != "" {
		transport = capture.Transport(b, basePath(cfg.URL), cmp.Or(transport, upstream.NewTransport(cfg.Concurrency)))
	}
	return upstream.New(upstream.Options{Backend: b, Retries: s.cfg.Retries, BaseURL: cfg.URL, Transport: transport,
		Observer: s.metrics.Call, Timeout: cfg.Timeout, OperationTimeout: s.cfg.OperationTimeout,
		Concurrency: cfg.Concurrency, Rates: s.localRates(cfg.Rates), Budget: s.sharedBudget(b, cfg.Rates), Gzip: cfg.Gzip,
		MaxBody: s.cfg.UpstreamMaxBody, Inflight: s.Inflight, Drift: s.drift})
}

// localRates are the rates that this process keeps to by itself: without Redis its share of them.
func (s *Server) localRates(rates []upstream.Rate) []upstream.Rate {
	if s.cfg.Cache.Redis != nil {
		return rates
	}
	own := make([]upstream.Rate, len(rates))
	for i, r := range rates {
		own[i] = upstream.Rate{Count: max(r.Count/s.cfg.Replicas, 1), Per: r.Per}
	}
	return own
}

// sharedBudget is the budget that all replicas share; nil, without Redis, leaves each process to its own.
func (s *Server) sharedBudget(b upstream.Backend, rates []upstream.Rate) upstream.Budget {
	if s.cfg.Cache.Redis == nil || len(rates) == 0 {
		return nil
	}
	return cache.NewWindow(s.Cache, "budget:"+string(b)+":"+s.cfg.Scopes()[b], sharedRates(rates), s.cfg.Replicas)
}

// maxTransit is how long a call may take to reach its backend for the rates to hold there whichever replica made it, or
// a twentieth of the span where that is less.
const maxTransit = 100 * time.Millisecond

// sharedRates are the rates that replicas keep to together. A process knows when its own calls were answered; of those
// of the others it knows when they were to start, and they may arrive later, so the spans are longer by that.
func sharedRates(rates []upstream.Rate) []cache.SharedRate {
	shared := make([]cache.SharedRate, len(rates))
	for i, r := range rates {
		shared[i] = cache.SharedRate{Count: r.Usable(), Per: r.Per + min(maxTransit, r.Per/20)}
	}
	return shared
}

// basePath is the escaped path of a backend's base URL.
func basePath(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}
