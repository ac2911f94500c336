package app

import (
	"io"
	"net"
	"net/http"
	"time"

	"github.com/learngraph/learngraph/explorer"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/upstream"
)

// routes puts the paths behind the handlers that every request passes.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	graphql := s.withCapture(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.credentials.generation().graphql.ServeHTTP(w, r)
	}))
	mux.HandleFunc("/graphql/plan", func(w http.ResponseWriter, r *http.Request) {
		s.credentials.generation().plan.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthz", handleLive)
	mux.HandleFunc("GET /readyz", s.ready)
	if s.cfg.Introspection {
		schema := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, s.schema) })
		mux.Handle("GET /schema.graphqls", middleware.Authenticated(s.callers.authenticate, schema))
	}
	origins := s.origins()
	handler := middleware.AllowOrigins(origins, shortcut("/graphql", graphql, mux))
	if s.cfg.Explorer {
		handler = withExplorer(handler)
	}
	if s.cfg.Auth == "none" && s.onLoopback() {
		handler = middleware.LoopbackHost(handler)
	}
	handler = s.withWebhooks(handler)
	handler = s.metrics.WithRequests(middleware.Recovery(s.log, middleware.VaryByOrigin(origins, handler)))
	return s.traces.Accept(middleware.AccessLog(s.log, s.draining.Load, s.cfg.TrustedProxies, handler))
}

// onLoopback reports whether the server is reached from this machine alone.
func (s *Server) onLoopback() bool {
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	return err == nil && upstream.IsLoopback(host)
}

// origins are the pages that may call. Where only this machine reaches the server, or it has the demo's data alone, a
// page that is developed on this machine needs no setting.
func (s *Server) origins() middleware.Origins {
	return middleware.Origins{Allowed: s.cfg.Origins, Loopback: s.cfg.Demo || s.onLoopback(), Headers: s.cfg.OriginHeaders}
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

// withExplorer serves the query page in front of next. Any site may link to it: it is the same for all callers and
// fetches its data itself.
func withExplorer(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	page := explorer.Handler()
	mux.Handle("/{$}", page)
	mux.Handle("/assets/", page)
	mux.Handle("/", next)
	return mux
}

// handleLive answers 200: the process serves.
func handleLive(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }

// outcomeLifetime is how long a failure counts for readiness.
const outcomeLifetime = 30 * time.Second

// ready answers 503 once the program drains, and while every configured backend failed just now and none has answered
// so recently that its answers may still be served stale. It never calls one: a probe must not spend budget.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	for _, b := range s.backends {
		if status := b.Status(); !status.Failing(outcomeLifetime) || s.canServeStale(status.LastSuccess) {
			writeText(w, "ready\n")
			return
		}
	}
	http.Error(w, "every backend is failing", http.StatusServiceUnavailable)
}

// canServeStale reports whether answers of that time may still be served stale.
func (s *Server) canServeStale(at time.Time) bool {
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
