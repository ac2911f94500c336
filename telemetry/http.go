package telemetry

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// servedPaths are the paths that have a label of their own.
var servedPaths = nameSet("/graphql", "/graphql/plan", "/schema.graphqls", "/healthz", "/readyz", "/",
	"/webhooks/thoughtindustries", "/webhooks/coassemble", "/webhooks/mattr")

// WithRequests counts the answers of next, by path and status. The writer that it is given knows the status.
func (m *Metrics) WithRequests(next http.Handler) http.Handler {
	requests := m.counter("http_requests_total", "HTTP requests answered.", "path", "status")
	type labels struct {
		path   string
		status int
	}
	known := map[labels]prometheus.Counter{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		status := http.StatusOK
		if answered, ok := w.(interface{ Status() int }); ok {
			status = cmp.Or(answered.Status(), status)
		}
		l := labels{pathLabel(r.URL.Path), status}
		lookUp(m, known, l, func() prometheus.Counter {
			return requests.WithLabelValues(l.path, strconv.Itoa(l.status))
		}).Inc()
	})
}

func pathLabel(path string) string {
	switch {
	case servedPaths[path]:
		return path
	case strings.HasPrefix(path, "/assets/"):
		return "/assets"
	}
	return "other"
}

// Reloaded counts a file or key set that was read again: its outcome is changed, unchanged or failed.
func (m *Metrics) Reloaded(setting, outcome string) {
	m.reloads.WithLabelValues(setting, outcome).Inc()
}

// Build makes the metric of the build. An empty version is that of the build information.
func (m *Metrics) Build(schema, version string) {
	b := BuildOf(schema, version)
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "learngraph_build_info",
		Help: "1, with labels that identify the build.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "goversion": b.Go,
			"schema": b.Schema[:16]}})
	build.Set(1)
	m.registry.MustRegister(build)
}
