package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/learngraph/learngraph/admin"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// state returns the state of the program, for the metrics and the operator.
func (s *Server) state() telemetry.State {
	state := telemetry.State{Cache: s.Cache.Counters(), Inflight: s.Inflight.State(),
		Subscriptions: s.credentials.generation().graphql.Subscriptions(), LogDropped: s.logDropped(),
		KeySet: s.callers.keySet.State(), Webhooks: s.webhooks.received.State(), Purges: s.purger.Counters()}
	state.Drifts, state.DriftsLeftOut = s.drift.List()
	for _, b := range s.backends {
		state.Backends = append(state.Backends, b.Status())
	}
	return state
}

// observe takes the statistics of an operation that ended.
func (s *Server) observe(ctx context.Context, f requestlog.Operation) {
	s.metrics.Operation(f)
	s.traces.End(ctx, f)
}

// serveOperator serves the operator's paths on a listener of their own, where one is configured.
func (s *Server) serveOperator() (address string, stop func(), err error) {
	if s.cfg.MetricsListen == "" {
		return "", func() {}, nil
	}
	host, _, err := net.SplitHostPort(s.cfg.MetricsListen)
	if err != nil {
		return "", nil, errors.New("METRICS_LISTEN must be an address and a port, such as 127.0.0.1:9090")
	}
	listener, err := net.Listen("tcp", s.cfg.MetricsListen)
	if err != nil {
		return "", nil, fmt.Errorf("METRICS_LISTEN: %w", err)
	}
	server := &http.Server{Handler: s.Operator(upstream.IsLoopback(host)).Handler(), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: uploadTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: telemetry.FromLibrary(s.log, "net/http")}
	task.Go(func() error { return server.Serve(listener) }, func(err error) {
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the operator's listener ended", "cause", err.Error())
		}
	})
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// Operator returns the handler of the operator's listener.
func (s *Server) Operator(loopback bool) admin.Operator {
	return admin.Operator{State: s.state, Metrics: s.metrics, Log: s.log, Live: handleLive, Ready: s.ready,
		Purge: s.Purge, Authorize: s.callers.operators(), Loopback: loopback}
}
