package telemetry

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readOps(t *testing.T, name ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{".."}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEachAlertLinksToItsSectionOfTheRunbook(t *testing.T) {
	t.Parallel()
	alerts, runbook := readOps(t, "ops", "alerts.yml"), readOps(t, "docs", "how-to", "runbook.md")
	names := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(alerts, -1)
	if len(names) == 0 {
		t.Fatal("there is no alert")
	}
	for _, name := range names {
		if !strings.Contains(runbook, "\n## "+name[1]+"\n") {
			t.Errorf("the runbook has no section %s", name[1])
		}
		if !strings.Contains(alerts, "/docs/how-to/runbook.md#"+strings.ToLower(name[1])+"\n") {
			t.Errorf("%s has no link to the runbook", name[1])
		}
	}
	if got := len(regexp.MustCompile(`(?m)^## `).FindAllString(runbook, -1)); got != len(names) {
		t.Errorf("the runbook has %d sections for %d alerts", got, len(names))
	}
}

// dashboard is the part of Grafana's model that the test reads.
type dashboard struct {
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		FieldConfig struct {
			Defaults struct {
				Unit     string
				Mappings []struct {
					Options map[string]struct{ Text, Color string }
				}
			}
		}
		Targets []struct{ Expr string }
	}
}

// kindOf returns a metric's unit by its name in Prometheus.
func kindOf(expr string) string {
	switch {
	case strings.Contains(expr, "time()"), strings.Contains(expr, "_seconds_bucket"):
		return "seconds"
	case strings.Contains(expr, "process_cpu_seconds_total"):
		return "cores"
	case strings.Contains(expr, "go_goroutines"):
		return "goroutines"
	case strings.Contains(expr, "process_open_fds"):
		return "files"
	case strings.Contains(expr, " / "):
		return "share"
	case strings.Contains(expr, "increase("):
		return "in an interval"
	case strings.Contains(expr, "rate(") && !strings.Contains(expr, "_bucket") && strings.Contains(expr, "bytes"):
		return "bytes a second"
	case strings.Contains(expr, "rate(") && !strings.Contains(expr, "_bucket"):
		return "a second"
	case strings.Contains(expr, "bytes"):
		return "bytes"
	case regexp.MustCompile(`redis_up|circuit_open|backend_held|build_info`).MatchString(expr):
		return "state"
	}
	return "number"
}

func TestNoPanelMixesUnitsAndStatesAreWords(t *testing.T) {
	t.Parallel()
	var d dashboard
	if err := json.Unmarshal([]byte(readOps(t, "ops", "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if seen[p.ID] {
			t.Errorf("%s has the id of another panel", p.Title)
		}
		seen[p.ID] = true
		var kinds []string
		for _, target := range p.Targets {
			kinds = append(kinds, kindOf(target.Expr))
		}
		slices.Sort(kinds)
		if kinds = slices.Compact(kinds); len(kinds) > 1 {
			t.Errorf("%s mixes %q on one axis", p.Title, kinds)
		}
		if p.Type == "stat" && (len(p.FieldConfig.Defaults.Mappings) == 0 || len(p.FieldConfig.Defaults.Mappings[0].Options) != 2) {
			t.Errorf("%s shows numbers for states", p.Title)
		}
		if p.Title == "Circuit breakers" {
			if open := p.FieldConfig.Defaults.Mappings[0].Options["1"]; open.Text != "OPEN" || open.Color != "red" {
				t.Errorf("an open circuit is %+v", open)
			}
		}
	}
}

func TestHTTPRequestsBuildAndReloadsAreMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Build("type Query { a: Int }", "1.2.3")
	m.Reloaded("API_KEYS_FILE", "failed")
	counted := m.WithRequests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, path := range []string{"/graphql", "/graphql", "/assets/a.js", "/someone@mail.example"} {
		counted.ServeHTTP(&known{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	got := samples(t, m)
	for name, want := range map[string]string{
		`http_requests_total{path="/graphql",status="418"}`:       "2",
		`http_requests_total{path="/assets",status="418"}`:        "1",
		`http_requests_total{path="other",status="418"}`:          "1",
		`reloads_total{outcome="failed",setting="API_KEYS_FILE"}`: "1",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %s", name, got[name], want)
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(name string) bool {
		return strings.HasPrefix(name, "build_info{") && strings.Contains(name, `version="1.2.3"`)
	}) {
		t.Error("there is no build_info with the version of the program")
	}
}

// known is a writer that knows the status, as that of the access log does.
type known struct{ *httptest.ResponseRecorder }

func (w *known) Status() int { return w.Code }
