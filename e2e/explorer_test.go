package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/dustin/go-humanize"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/explorer/browsertest"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// exploring starts the program as -demo does, on an address of this machine.
func exploring(t *testing.T) (*program, string) {
	t.Helper()
	p := start(t, setup{Demo: true})
	listening := httptest.NewServer(p.Handler)
	t.Cleanup(listening.Close)
	return p, listening.URL
}

// drawn are the routes that the backends saw, in the order of their names; asking for a token serves no field.
func (p *program) drawn() []string {
	var routes []string
	for _, c := range p.backends.Calls() {
		if c.Route != "/oauth/token" {
			routes = append(routes, c.Method+" "+c.Route)
		}
	}
	slices.Sort(routes)
	return routes
}

// drawnRoutes returns the routes of the lines that are one call each, from their labels for screen readers.
func drawnRoutes(page *browsertest.Tab) []string {
	var routes []string
	for _, label := range page.Attributes(`.lg-call:not(.lg-group)`, "aria-label") {
		routes = append(routes, strings.Split(label, ", ")[1])
	}
	return routes
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func withQuery(address, query string) string { return address + "/#query=" + url.QueryEscape(query) }

func TestTheExplorerDrawsEachCallThatTheBackendsSaw(t *testing.T) {
	t.Parallel()
	p, address := exploring(t)
	page := browsertest.Open(t, address, 1440, 900)
	page.Run()
	page.Await(`.lg-call`)
	saw := p.drawn()
	if len(saw) < 4 {
		t.Fatalf("the backends saw %q: too little to tell", saw)
	}
	page.Do("unfold equal calls", chromedp.Evaluate(`document.querySelectorAll('.lg-unfold').forEach(button => button.click())`, nil))
	if diff := cmp.Diff(saw, sorted(drawnRoutes(page))); diff != "" {
		t.Errorf("bars (-calls +drawn):\n%s", diff)
	}
	totals := strings.Join(page.Texts(`.lg-totals > div`), "\n")
	if want := fmt.Sprintf("Calls %d made; ", len(saw)); !strings.Contains(totals, want) {
		t.Errorf("totals lack %q:\n%s", want, totals)
	}
	if known := page.Attributes(`.lg-known i`, "data-verdict"); len(known) < len(saw)-1 || slices.ContainsFunc(known, func(v string) bool { return v != "call" }) {
		t.Errorf("facts on the axis: %q", known)
	}
	page.Shoot("desktop-light")

	page.Do("find the call for credentials", chromedp.Evaluate(`[...document.querySelectorAll('.lg-call')]
		.find(bar => !bar.matches('.lg-group') && bar.getAttribute('aria-label').includes('/credentials')).setAttribute('data-test', 'credentials')`, nil))
	page.Click(`[data-test="credentials"]`)
	page.Await(`.result-window .lg-mark`)
	// Which user's call is the first to begin is not decided.
	one := regexp.MustCompile(`^clients\.nodes\[\d+\]\.users\.nodes\[\d+\]\.identity\.credentials$`)
	if served := page.Texts(`.lg-served li`); len(served) != 1 || !one.MatchString(served[0]) {
		t.Errorf("fields that the call served: %q", served)
	}
	page.Shoot("desktop-light-selected")
	page.Behaved()
}

func TestTheExplorerPlansWithoutCalling(t *testing.T) {
	t.Parallel()
	p, address := exploring(t)
	const query = `{ clients(first: 2) { nodes { name users(first: 2) { nodes { identity { id } } } } } }`
	page := browsertest.Open(t, withQuery(address, query), 1440, 900)
	page.Click(`[data-do="plan"]`)
	page.Await(`.lg-plan-calls li`)

	var plan struct {
		Data struct {
			Plan struct {
				Cost  struct{ RequestedQueryCost int }
				Calls struct{ ThoughtIndustries, Coassemble, MATTR int }
			}
		}
	}
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql/plan", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	if err := json.Unmarshal(p.send(r).Body.Bytes(), &plan); err != nil {
		t.Fatal(err)
	}
	calls := plan.Data.Plan.Calls
	want := sorted([]string{fmt.Sprint("Thought Industries ", calls.ThoughtIndustries), fmt.Sprint("Coassemble ", calls.Coassemble), fmt.Sprint("MATTR ", calls.MATTR)})
	if diff := cmp.Diff(want, sorted(page.Texts(`.lg-plan-calls li`))); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	sent := strings.Join(page.Texts(`.lg-plan p`), "\n")
	for _, want := range []string{fmt.Sprint("Cost ", humanize.Comma(int64(plan.Data.Plan.Cost.RequestedQueryCost)), " "),
		fmt.Sprintf("At most %d backend calls", calls.ThoughtIndustries+calls.Coassemble+calls.MATTR)} {
		if !strings.Contains(sent, want) {
			t.Errorf("the plan lacks %q: %s", want, sent)
		}
	}
	if got := p.calls(); len(got) != 0 {
		t.Errorf("the backends saw %q, want nothing", got)
	}
	page.Shoot("plan")
	page.Behaved()
}

func TestTheExplorerShowsErrorsInWords(t *testing.T) {
	t.Parallel()
	p, address := exploring(t)
	t.Run("a field that is not there", func(t *testing.T) {
		t.Parallel()
		page := browsertest.Open(t, withQuery(address, `{ clients { nodes { nme } } }`), 1280, 800)
		page.Await(`.graphiql-query-editor .squiggly-error`)
		page.Run()
		page.Await(`.lg-notice-error`)
		if got := strings.Join(page.Texts(`.lg-notice-error`), "\n"); !strings.Contains(got, "nme") || !strings.Contains(got, "GRAPHQL_VALIDATION_FAILED") {
			t.Errorf("the page says %q", got)
		}
		page.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('Nothing was run')`)
		page.Shoot("unknown-field")
		page.Behaved("status of 400")
	})
	t.Run("a backend that fails", func(t *testing.T) {
		t.Parallel()
		p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultStatus, Status: http.StatusServiceUnavailable})
		page := browsertest.Open(t, withQuery(address, `{ clients(first: 2) { nodes { name users(first: 2) { nodes { name } } } } }`), 1280, 800)
		page.Run()
		page.Await(`.lg-notice-error`)
		if got := strings.Join(page.Texts(`.lg-notice-error`), "\n"); !strings.Contains(got, "UPSTREAM_UNAVAILABLE Coassemble: ") {
			t.Errorf("the page says %q", got)
		}
		page.Await(`.lg-call[data-failed="true"]`)
		page.Await(`.lg-call[data-failed="false"][data-backend="thoughtindustries"]`)
		page.Shoot("failing-backend")
		page.Behaved()
	})
}

func TestTheExplorerOfTheProgramFitsAPhoneInLightAndDark(t *testing.T) {
	t.Parallel()
	_, address := exploring(t)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			page := browsertest.Open(t, address, 360, 740, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
			page.NoSidewaysScroll()
			page.Run()
			page.Await(`.lg-call`)
			page.Click(`[data-do="plan"]`)
			page.Await(`.lg-plan-calls li`)
			page.Click(`.lg-calls > li:nth-child(2) > .lg-call`)
			page.Await(`.lg-served`)
			page.NoSidewaysScroll()
			page.Shoot("phone-" + scheme)
			page.Behaved()
		})
	}
}

func TestTheExplorersPanelIsWorkedByKeyboardInTheDark(t *testing.T) {
	t.Parallel()
	_, address := exploring(t)
	page := browsertest.Open(t, address, 1440, 900, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	page.TabTo(`.graphiql-execute-button`)
	page.Do("run", chromedp.KeyEvent(kb.Enter))
	page.Await(`.lg-call`)
	for _, button := range []string{`.lg-fold`, `[data-do="plan"]`, `.lg-call`} {
		page.TabTo(button)
	}
	page.Do("select", chromedp.KeyEvent(kb.Enter))
	page.Await(`.lg-call[aria-pressed="true"]`)
	page.Await(`.lg-served`)
	page.Shoot("desktop-dark")
	page.Behaved()
}

// atADistance makes backends answer as those of other companies do.
type atADistance struct{ http.RoundTripper }

func (d atADistance) RoundTrip(r *http.Request) (*http.Response, error) {
	for part, takes := range map[string]time.Duration{"/incoming/": 90 * time.Millisecond, "/headless/": 140 * time.Millisecond, "/core/": 60 * time.Millisecond} {
		if strings.Contains(r.URL.Path, part) {
			time.Sleep(takes)
		}
	}
	return d.RoundTripper.RoundTrip(r)
}

// picture is the README's picture of the explorer; go test -run TestTheReadmesPictureOfTheExplorer -update writes it.
const picture = "../docs/explorer.png"

func TestTheReadmesPictureOfTheExplorer(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Demo: true, Emulator: emulator.Options{Linked: true}, Wrap: func(to http.RoundTripper) http.RoundTripper { return atADistance{to} }})
	listening := httptest.NewServer(p.Handler)
	t.Cleanup(listening.Close)
	page := browsertest.Open(t, listening.URL, 1280, 800)
	page.Run()
	page.Click(`.lg-call[data-backend="coassemble"]`)
	page.Await(`.lg-call[aria-pressed="true"]`)
	if *update {
		page.Await(`.result-window .lg-mark`) // which a slow machine may have below the lines in view
	}
	taken := page.Shoot("readme")
	page.Behaved()
	if *update {
		if err := os.WriteFile(picture, taken, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.DecodeConfig(bytes.NewReader(taken))
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.DecodeConfig(bytes.NewReader(kept))
	if err != nil || got.Width != want.Width || got.Height != want.Height {
		t.Errorf("the picture is %d × %d (%v), want %d × %d", got.Width, got.Height, err, want.Width, want.Height)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "](docs/explorer.png)") {
		t.Error("the README does not show the picture")
	}
}

func TestTheExplorersPolicyAllowsNoScriptButItsOwn(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Demo: true})
	policy := p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)).Header().Get("Content-Security-Policy")
	directives := strings.Split(policy, "; ")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "worker-src 'self'", "connect-src 'self'"} {
		if !slices.Contains(directives, want) {
			t.Errorf("the policy lacks %q: %s", want, policy)
		}
	}
}
