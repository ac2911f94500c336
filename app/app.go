// Package app wires the program: backends, cache, callers, credentials and listeners.
package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/explorer"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Options are what a server is made of beside its settings.
type Options struct {
	// Schema is the text of the schema.
	Schema string
	// Transport carries the calls to the backends; nil is the network.
	Transport http.RoundTripper
	// Traces gets the spans; nil makes none.
	Traces *telemetry.Tracer
	Log    *slog.Logger
}

// Server is the wired program without its listener.
type Server struct {
	cfg      *config.Config
	schema   string
	log      *slog.Logger
	Handler  http.Handler
	backends []*upstream.Client
	Cache    *cache.Cache
	Inflight *inflight.Load
	// reserved is what requests under way have taken out of the cache's memory.
	reserving sync.Mutex
	reserved  int64
	watch     *upstream.Watch
	metrics   *telemetry.Metrics
	traces    *telemetry.Tracer
	// transport carries the calls to the backends; nil is the network.
	transport http.RoundTripper
	secrets   []watchedSecret
	live      atomic.Pointer[generation]
	renewing  sync.Mutex
	// authenticate says who asks, on both listeners; nil where nobody has to say.
	authenticate func(*http.Request) (*auth.Caller, error)
	digest       func(string) string
	draining     atomic.Bool
	// logDropped is the number of lines that the log did not take; nil where it takes all.
	logDropped  func() uint64
	trusted     *gateway.Trusted
	tokenReport *telemetry.KeySetReport
}

// Close lets go of what outlives requests.
func (s *Server) Close() error {
	for _, b := range s.backends {
		b.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	return errors.Join(s.Cache.Close(), s.traces.Close(ctx))
}

// reserveInflight takes what requests under way hold out of what the cache may keep, up to half of it.
func (s *Server) reserveInflight() {
	s.reserving.Lock()
	defer s.reserving.Unlock()
	held := min(s.Inflight.State().Bytes, s.cfg.Cache.Memory/2)
	s.Cache.Reserve(held - s.reserved)
	s.reserved = held
}

// reportFinding logs where a backend's answers differ from the schema, by names alone.
func (s *Server) reportFinding(f upstream.Finding) {
	s.log.Warn("a backend's answer differs from the schema", "backend", f.Backend, "path", f.Path, "mismatch", f.Mismatch)
}

// New wires the program.
func New(cfg *config.Config, o Options) (*Server, error) {
	s := &Server{cfg: cfg, schema: o.Schema, transport: o.Transport, traces: o.Traces, log: o.Traces.Log(o.Log)}
	if h, ok := o.Log.Handler().(interface{ Dropped() uint64 }); ok {
		s.logDropped = h.Dropped
	}
	s.metrics = telemetry.NewMetrics()
	s.tokenReport = telemetry.NewKeySetReport(s.log, s.metrics)
	s.watch = upstream.NewWatch(upstream.WatchOptions{Report: s.reportFinding, Ignore: thoughtindustries.Withheld})
	kept, err := s.openCache()
	if err != nil {
		return nil, err
	}
	s.Cache = kept
	s.Inflight = inflight.New(cfg.MaxInflight, cfg.InflightBytes, s.reserveInflight)
	if err := s.wire(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.metrics.Watch(s.sources())
	s.Handler = s.routes()
	return s, nil
}

func (s *Server) wire() error {
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.knowCallers(); err != nil {
		return err
	}
	if err := s.watchSecrets(); err != nil {
		return err
	}
	first, err := s.generate(s.cfg)
	if err == nil {
		s.live.Store(first)
	}
	return err
}

// routes puts the paths behind what every request passes.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	graphql := s.capturing(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.generation().graphql.ServeHTTP(w, r) }))
	mux.HandleFunc("/graphql/plan", func(w http.ResponseWriter, r *http.Request) { s.generation().plan.ServeHTTP(w, r) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	if s.cfg.Introspection {
		schema := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, s.schema) })
		mux.Handle("GET /schema.graphqls", gateway.WithCaller(s.authenticate, schema))
	}
	handler := gateway.WithOrigins(s.cfg.Origins, shortcut("/graphql", graphql, mux))
	if s.cfg.Explorer {
		handler = withExplorer(handler)
	}
	if host, _, err := net.SplitHostPort(s.cfg.Listen); err == nil && s.cfg.Auth == "none" && config.IsLoopback(host) {
		handler = gateway.WithLoopbackHost(handler)
	}
	handler = gateway.WithAccessLog(s.log, s.draining.Load, gateway.WithRecovery(s.log, handler))
	return s.traces.Accept(gateway.WithRequestID(handler))
}

// shortcut leads to the path that nearly all requests have without the search that a mux makes.
func shortcut(path string, to, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			to.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// withExplorer serves the query page beside next. A link to it may stand on any site: it is the same for all, and what it
// shows it asks for itself.
func withExplorer(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	page := explorer.Handler()
	mux.Handle("/{$}", page)
	mux.Handle("/assets/", page)
	mux.Handle("/", next)
	return mux
}

// connect makes a client for each backend that is configured, which sends no credential yet.
func (s *Server) connect() error {
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
		c, err := s.newClient(b.backend, b.cfg)
		if err != nil {
			return err
		}
		s.backends = append(s.backends, c)
	}
	return nil
}

// cacheVersion is part of every key in Redis beside the schema: it changes with the form in which values are kept.
const cacheVersion = "1"

func (s *Server) openCache() (*cache.Cache, error) {
	o := s.cfg.Cache
	schema := sha256.Sum256([]byte(s.schema))
	o.Version = cacheVersion + "-" + hex.EncodeToString(schema[:8])
	o.Log = s.log
	o.Classify = staleReason
	o.Round = s.traces.Rounds()
	c, err := cache.New(o)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL %w", err)
	}
	return c, nil
}

// staleReason says what a failed call means where a stale answer is at hand. That a key has become ambiguous is an answer,
// not a failure. What the backend refuses because of the
// caller's own input is no failure of the backend; a backend that keeps all slots busy is slow, whatever its budget; an
// operation that may make no more calls is over its own.
func staleReason(err error) cache.Reason {
	if errors.Is(err, upstream.ErrAmbiguous) {
		return ""
	}
	switch upstream.KindOf(err) {
	case upstream.Invalid, upstream.NotConfigured, upstream.Canceled:
		return ""
	case upstream.Deadline:
		return cache.Slow
	case upstream.RateLimited:
		if errors.Is(err, upstream.ErrNoSlot) {
			return cache.Slow
		}
		return cache.OverBudget
	case upstream.LimitExceeded:
		return cache.OverBudget
	}
	return cache.Failed
}

func (s *Server) newClient(b upstream.Backend, cfg config.Backend) (*upstream.Client, error) {
	transport := s.transport
	if s.traces != nil {
		transport = s.traces.Transport(b, cmp.Or(transport, newTransport(cfg.Concurrency)), slices.Contains(s.cfg.TraceBackends, string(b)))
	}
	if s.cfg.CaptureDir != "" {
		transport = capture.Transport(b, basePath(cfg.URL), cmp.Or(transport, newTransport(cfg.Concurrency)))
	}
	return upstream.New(upstream.Options{Backend: b, Retries: s.cfg.Retries, BaseURL: cfg.URL, Transport: transport, Observer: s.metrics.Call,
		Timeout: cfg.Timeout, OperationTimeout: s.cfg.OperationTimeout, Concurrency: cfg.Concurrency, Rates: s.ownRates(cfg.Rates),
		Budget: s.sharedBudget(b, cfg.Rates), Gzip: cfg.Gzip, MaxBody: s.cfg.UpstreamMaxBody, Inflight: s.Inflight, Watch: s.watch})
}

// ownRates are the rates that this process keeps to by itself: without Redis its share of them.
func (s *Server) ownRates(rates []upstream.Rate) []upstream.Rate {
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

// onTheWay is how long a call may take to reach its backend for the rates to hold there whichever replica made it, or a
// twentieth of the span where that is less.
const onTheWay = 100 * time.Millisecond

// sharedRates are the rates that replicas keep to together. A process knows when its own calls were answered; of those of
// the others it knows when they were to start, and they may arrive later, so the spans are longer by that.
func sharedRates(rates []upstream.Rate) []cache.Rate {
	shared := make([]cache.Rate, len(rates))
	for i, r := range rates {
		shared[i] = cache.Rate{Count: r.Usable(), Per: r.Per + min(onTheWay, r.Per/20)}
	}
	return shared
}

// newTransport is the network, with as many idle connections as calls are made at once.
func newTransport(concurrency int) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = concurrency
	return t
}

// outcomeLife is how long a failure says something about a backend.
const outcomeLife = 30 * time.Second

// ready is 503 only once the program was told to stop, and while every configured backend failed just now and none has
// answered so recently that what it said may still be served stale. It never calls one: a probe must not spend budget.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	for _, b := range s.backends {
		if status := b.Status(); !status.Failing(outcomeLife) || s.stillServed(status.LastSuccess) {
			writeText(w, "ready\n")
			return
		}
	}
	http.Error(w, "every backend is failing", http.StatusServiceUnavailable)
}

// stillServed says whether answers of that time may still be served stale.
func (s *Server) stillServed(at time.Time) bool {
	return s.cfg.Cache.TTL > 0 && time.Since(at) < s.cfg.Cache.TTL+s.cfg.Cache.Stale
}

// writeText answers with a text that is as true as of now.
func writeText(w http.ResponseWriter, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, text)
}

// Bounds of a connection that is not an operation's own business.
const (
	headerTimeout = 5 * time.Second
	uploadTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
)

// ListenAndServe binds before it says that it serves, and lets requests in flight finish when ctx ends.
func (s *Server) ListenAndServe(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	stopOperator, err := s.serveOperator()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopOperator()
	s.announce(stdout, listener.Addr().String())
	return s.Serve(ctx, listener)
}

func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	listener = &lastCall{Listener: listener}
	httpServer := &http.Server{Handler: s.Handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: uploadTimeout,
		WriteTimeout: uploadTimeout + s.cfg.OperationTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	task.Go(func() error { return httpServer.Serve(listener) }, func(err error) { failed <- err })
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.drain(context.WithoutCancel(ctx), httpServer, listener)
}

// settle is how long the last connections have to bring their requests: a server that shuts down drops those that it has not
// begun to serve.
const settle = 250 * time.Millisecond

// drain ends a server that was told to stop. It answers first that it is not ready, and serves on until load balancers can
// have seen that. Each answer closes its connection meanwhile: at the end of the delay a client that is busy has no idle
// connection on which a request could be on its way.
func (s *Server) drain(ctx context.Context, httpServer *http.Server, listener net.Listener) error {
	s.draining.Store(true)
	s.log.Info("draining")
	time.Sleep(s.cfg.ShutdownDelay)
	_ = listener.Close()
	time.Sleep(min(s.cfg.ShutdownDelay, settle))
	grace, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
	defer cancel()
	if err := httpServer.Shutdown(grace); err != nil {
		return errors.Join(errors.New("requests in flight did not finish in time"), httpServer.Close())
	}
	return nil
}

const demoQuery = `{ clients(first: 2) { nodes { name courses(first: 2) { totalCount nodes { title priceInCents } } ` +
	`learningPaths(first: 1) { nodes { name } } licenses { name seatsLimit } ` +
	`users(first: 2) { nodes { name credentials { nodes { type } } } } } } }`

func (s *Server) announce(stdout io.Writer, addr string) {
	fmt.Fprintf(stdout, "GraphQL is at http://%s/graphql\n", addr)
	if s.cfg.Demo {
		fmt.Fprintf(stdout, "\nTry:\n\ncurl -s http://%s/graphql -H 'Content-Type: application/json' -d '{\"query\":\"%s\"}'\n", addr, demoQuery)
	}
}
