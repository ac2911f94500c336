// Package app wires the program: backends, cache, callers, credentials and listeners.
package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Options are the dependencies of a server besides its settings.
type Options struct {
	// Schema is the text of the schema.
	Schema string
	// Version is that of the program; empty is that of the build information.
	Version string
	// Transport carries the calls to the backends; nil is the network.
	Transport http.RoundTripper
	// Traces gets the spans; nil makes none.
	Traces *telemetry.Tracer
	Log    *slog.Logger
}

// Server is the wired program without its listener.
type Server struct {
	Handler  http.Handler
	Cache    *cache.Cache
	Inflight *inflight.Load

	cfg         *config.Config
	log         *slog.Logger
	schema      string
	transport   http.RoundTripper // carries the calls to the backends; nil is the network
	traces      *telemetry.Tracer
	metrics     *telemetry.Metrics
	drift       *upstream.SchemaDrift
	backends    []*upstream.Client
	callers     *callers
	credentials *credentials
	webhooks    *webhooks
	purger      *cdn.Purger  // nil where no cache in front is purged
	certificate *certificate // nil without TLS
	draining    atomic.Bool
	ending      chan struct{} // closed when answers that are sent in parts have to end
	closing     chan struct{} // closed when subscribers have to go to another replica
	// logDropped returns the number of lines that the log did not take.
	logDropped func() uint64
}

// New wires the program.
func New(cfg *config.Config, o Options) (s *Server, err error) {
	s = &Server{cfg: cfg, ending: make(chan struct{}), closing: make(chan struct{}), schema: o.Schema,
		transport: o.Transport, traces: o.Traces, log: o.Traces.Log(o.Log), metrics: telemetry.NewMetrics(),
		logDropped: func() uint64 { return 0 }}
	if h, ok := o.Log.Handler().(interface{ Dropped() uint64 }); ok {
		s.logDropped = h.Dropped
	}
	s.drift = upstream.NewSchemaDrift(upstream.SchemaDriftOptions{Report: s.reportDrift,
		Ignore: thoughtindustries.Withheld})
	if s.Cache, err = openCache(cfg, o, s.log); err != nil {
		return nil, err
	}
	reserved := &reservation{cache: s.Cache, max: cfg.Cache.Memory / 2}
	s.Inflight = inflight.New(cfg.MaxInflight, cfg.InflightBytes, reserved.adjust)
	reserved.inflight = s.Inflight
	if err := s.wire(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.metrics.Watch(s.state)
	s.metrics.Build(o.Schema, o.Version)
	s.Handler = s.routes()
	return s, nil
}

func (s *Server) wire() (err error) {
	if s.cfg.TLSCert != "" {
		if s.certificate, err = newCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.log); err != nil {
			return err
		}
	}
	if s.backends, err = s.connect(); err != nil {
		return err
	}
	if s.callers, err = newCallers(s.cfg, s.log, s.metrics); err != nil {
		return err
	}
	if s.webhooks, err = s.newWebhooks(); err != nil {
		return err
	}
	if s.credentials, err = newCredentials(s.cfg, s.log, s.generate); err != nil {
		return err
	}
	s.purgeEdge()
	return nil
}

// Close releases the resources that outlive requests.
func (s *Server) Close() error {
	for _, b := range s.backends {
		b.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	s.purger.Close(ctx)
	return errors.Join(s.Cache.Close(), s.traces.Close(ctx))
}

// reportDrift logs where a backend's answers differ from the schema, by names alone.
func (s *Server) reportDrift(d upstream.Drift) {
	switch {
	case d.Kind == upstream.DriftMismatch:
		s.log.Warn("a backend's answer breaks the schema: the field is null in answers until schema.graphqls matches",
			"backend", d.Backend, "path", d.Path)
	case !s.cfg.Demo: // the emulator sends unknown members on purpose
		s.log.Info(
			"a backend sends a member that the schema lacks: it is omitted from answers unless schema.graphqls declares it",
			"backend", d.Backend, "path", d.Path)
	}
}

// Purge removes a record from the cache, and reports whether it was cached.
func (s *Server) Purge(ctx context.Context, kind, id string) (held bool, err error) {
	return s.credentials.generation().root.Purge(ctx, kind, id)
}
