package explorer

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// patience ends a test whose page is stuck; it measures nothing.
const patience = 90 * time.Second

// findBrowser gives the path of Chromium, and skips the test where there is none: in CI that is a failure.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("CI is set and there is no Chromium on the PATH")
	}
	t.Log("there is no Chromium on the PATH: the page is not tried in a browser")
	t.SkipNow()
	return ""
}

// tab is a page of a browser of its own, watched for what a page must not do.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	trouble  []string
}

// ofBrowser are hosts that Chromium itself asks for updates whatever its flags say. What the page asks for is seen a
// second time, without this exception, in its own events.
var ofBrowser = regexp.MustCompile(`\.(google|googleapis|gvt1)\.com(:443)?$`)

// openTab starts a browser with a window of this size in CSS pixels and loads the page of the server.
func openTab(t *testing.T, address string, width, height int, media ...*emulation.MediaFeature) *tab {
	t.Helper()
	browser := findBrowser(t)
	p := &tab{t: t}
	// Whatever is not for this machine goes to a proxy that only takes note, workers' requests included.
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ofBrowser.MatchString(r.Host) {
			p.note(&p.requests, r.Host)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(outside.Close)

	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(browser), chromedp.UserDataDir(profileFolder(t)),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", false), chromedp.ProxyServer(outside.URL))
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	p.ctx = ctx
	chromedp.ListenTarget(ctx, p.watch)
	phone := func(m *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		m.Mobile = width < 500
	}
	p.do("load the page", network.Enable(), log.Enable(),
		emulation.SetEmulatedMedia().WithFeatures(media),
		chromedp.EmulateViewport(int64(width), int64(height), phone),
		chromedp.Navigate(address),
		chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery))
	return p
}

// profileFolder is removed as well as it can be: processes of the browser may write to it after the first of them ended,
// for which t.TempDir would fail the test.
func profileFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "explorer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 20 {
			if os.RemoveAll(folder) == nil {
				return
			}
		}
	})
	return folder
}

func (p *tab) note(list *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, text)
}

func (p *tab) watch(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") && !strings.HasPrefix(e.Request.URL, "data:") {
			p.note(&p.requests, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		p.note(&p.trouble, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			said := string(e.Type)
			for _, a := range e.Args {
				said += " " + string(a.Value) + a.Description
			}
			p.note(&p.trouble, said)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.note(&p.trouble, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// behaved fails the test if the page asked another host for anything or complained. A plan that the server does not
// have is an expected complaint.
func (p *tab) behaved(expected ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		p.t.Errorf("a request to another host: %s", r)
	}
	for _, said := range p.trouble {
		known := false
		for _, e := range expected {
			known = known || strings.Contains(said, e)
		}
		if !known {
			p.t.Errorf("the console says: %s", said)
		}
	}
}

func (p *tab) do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.shoot("failed")
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%s: %v\nconsole: %q", what, err, p.trouble)
	}
}

// shoot keeps a picture of the page among the artefacts of the test.
func (p *tab) shoot(name string) {
	p.t.Helper()
	var picture []byte
	if err := chromedp.Run(p.ctx, chromedp.FullScreenshot(&picture, 100)); err != nil {
		p.t.Logf("no picture of %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		p.t.Error(err)
	}
}

func (p *tab) texts(selector string) []string {
	p.t.Helper()
	var got []string
	p.do("read "+selector, chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.innerText.replace(/\s+/g, ' ').trim())`, selector), &got))
	return got
}

func (p *tab) attributes(selector, attribute string) []string {
	p.t.Helper()
	var got []string
	p.do("read "+selector, chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.getAttribute(%q))`, selector, attribute), &got))
	return got
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
}

func (p *tab) await(selector string) {
	p.t.Helper()
	p.do("wait for "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery))
}

// until waits for a condition in the page.
func (p *tab) until(condition string) {
	p.t.Helper()
	p.do("wait until "+condition, chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(patience/3)))
}

// example opens an example operation by its title.
func (p *tab) example(title string) {
	p.t.Helper()
	p.click(`.lg-header button[aria-haspopup]`)
	p.await(`.lg-menu`)
	p.until(`[...document.querySelectorAll('.lg-menu [role="menuitem"]')].every(item => {
		const r = item.getBoundingClientRect();
		return document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2) === item;
	})`)
	p.do("choose "+title, chromedp.Click(fmt.Sprintf(`//div[@role="menuitem"][text()=%q]`, title), chromedp.BySearch))
	p.until(`!document.querySelector('.lg-menu')`)
}

func (p *tab) run() {
	p.t.Helper()
	p.click(`.graphiql-execute-button`)
}

// noSidewaysScroll fails the test if something sticks out of the window's width, or covers its neighbour on the axis.
func (p *tab) noSidewaysScroll() {
	p.t.Helper()
	var out []string
	p.do("measure", chromedp.Evaluate(`(() => {
		const root = document.scrollingElement, width = root.clientWidth;
		const wide = [...document.querySelectorAll('.lg-header *, .lg-panel *, .graphiql-sidebar *, .graphiql-response, .graphiql-editors')]
			.filter(e => !e.closest('.lg-scroll') && e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden')
			.filter(e => { const r = e.getBoundingClientRect(); return r.left < -0.5 || r.right > width + 0.5 })
			.map(e => e.tagName + '.' + e.className);
		const labels = [...document.querySelectorAll('.lg-axis span')].map(e => e.getBoundingClientRect());
		labels.sort((a, b) => a.left - b.left).forEach((r, i) => { if (i && labels[i - 1].right > r.left) wide.push('labels of the axis overlap') });
		scrollTo(1000, scrollY);
		if (root.scrollWidth > width || scrollX > 0) wide.push('the page: ' + root.scrollWidth);
		return wide;
	})()`, &out))
	if len(out) > 0 {
		p.t.Errorf("wider than the window: %q", out)
	}
}

func TestTheExampleRunsAndItsCallsAreDrawn(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := openTab(t, s.URL, 1440, 900)
	p.run()
	p.await(`.lg-call`)
	wantRoutes := []string{"GET /incoming/v2/clients", "GET /v1/headless/users", "POST /core/v1/users/search", "GET /core/v1/users/{id}/credentials"}
	if diff := cmp.Diff(wantRoutes, p.texts(`.lg-call-route`)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	labels := p.attributes(`.lg-call`, "aria-label")
	want := "Coassemble, GET /v1/headless/users, started at 119 ms, took 43 ms, status 200, 18.2 kB, batch of 3, 1 retry, shared with another request, serves 1 path"
	if len(labels) != 4 || labels[1] != want {
		t.Errorf("labels = %q, want the second to be %q", labels, want)
	}
	totals := strings.Join(p.texts(`.lg-totals > div`), "\n")
	for _, want := range []string{"4 of 38", "1.3 MB → 4.1 kB", "17 of 1,000", "2 min"} {
		if !strings.Contains(totals, want) {
			t.Errorf("totals lack %q:\n%s", want, totals)
		}
	}
	if got := strings.Join(p.texts(`.lg-notice-stale`), ""); !strings.Contains(got, "Coassemble: 2 min old, because it is being refreshed") {
		t.Errorf("stale notice = %q", got)
	}
	if diff := cmp.Diff([]string{"call 2", "stale 1", "redis 1", "memory 1"}, p.texts(`.lg-facts .lg-legend li`)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	s.mu.Lock()
	if diff := cmp.Diff([]string{"1"}, s.explains); diff != "" {
		t.Errorf("X-Learngraph-Explain of the operations (-want +got):\n%s", diff)
	}
	s.mu.Unlock()
	p.noSidewaysScroll()
	p.shoot("light-desktop")
	p.behaved()
}

func TestASelectedCallMarksTheFieldsThatItServed(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL, 1440, 900)
	p.run()
	p.click(`li:nth-child(2) > .lg-call`)
	p.until(`document.querySelector('.lg-served')?.innerText.includes('2 places marked')`)
	p.await(`.result-window .lg-mark`)
	if diff := cmp.Diff([]string{"clients.nodes.users"}, p.texts(`.lg-served li`)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"false", "true", "false", "false"}, p.attributes(`.lg-call`, "aria-pressed")); diff != "" {
		t.Errorf("pressed (-want +got):\n%s", diff)
	}
	p.click(`li:nth-child(4) > .lg-call`)
	p.until(`document.querySelector('.lg-served')?.innerText.includes('1 place marked')`)
	p.shoot("light-selected")
	p.click(`li:nth-child(4) > .lg-call`)
	p.until(`!document.querySelector('.lg-mark') && !document.querySelector('.lg-served')`)
	p.behaved()
}

func TestThePlanIsShownBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := openTab(t, s.URL, 1280, 800)
	p.click(`.lg-panel-head .lg-button`)
	p.await(`.lg-plan-calls li`)
	if diff := cmp.Diff([]string{"Thought Industries 1", "Coassemble 3", "MATTR 30"}, p.texts(`.lg-plan-calls li`)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := strings.Join(p.texts(`.lg-plan`), ""); !strings.Contains(got, "Cost 17 of 1,000. At most 34 backend calls") {
		t.Errorf("plan = %q", got)
	}
	s.mu.Lock()
	if len(s.explains) != 0 {
		t.Errorf("%d operations ran, want none", len(s.explains))
	}
	s.mu.Unlock()
	p.shoot("plan")
	p.click(`.lg-plan .lg-button`)
	p.until(`!document.querySelector('.lg-plan')`)
	p.behaved()
}

func TestAServerWithoutPlansIsQuoted(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, false).URL, 1280, 800)
	p.click(`.lg-panel-head .lg-button`)
	p.until(`document.querySelector('.lg-plan')?.innerText.includes('This server makes no plans; it says: there is nothing at this path')`)
	p.behaved("404")
}

func TestAnswersThatAreNotTheUsualAreShownWell(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL, 1280, 800)
	p.until(`document.querySelector('.lg-empty')?.innerText.startsWith('Run the operation')`)
	p.shoot("empty")

	p.example("Only totals")
	p.run()
	p.until(`document.querySelector('.lg-empty')?.innerText.startsWith('Explain is off on this server')`)
	p.shoot("explain-off")

	p.example("One client by slug")
	p.run()
	p.until(`document.querySelector('.lg-notice-error')?.innerText.replace(/\s+/g, ' ')
		.includes('UPSTREAM_TIMEOUT Thought Industries: the backend did not answer in time at client (try again in 30 s)')`)
	p.until(`document.querySelector('.lg-empty')?.innerText.startsWith('No backend was called')`)
	p.shoot("error")

	p.example("A page of users")
	p.run()
	p.until(`document.querySelector('.lg-notice-error')?.innerText.includes('<img src=x onerror=alert(1)>')`)

	p.example("Rename a user (writes)")
	p.run()
	p.until(`document.querySelector('.lg-notice-error')?.innerText.includes('The server answered 200 without a GraphQL result: this is no JSON')`)
	if diff := cmp.Diff([]string{"ClientsWithUsers", "Totals", "ClientBySlug", "Users", "RenameUser"}, p.texts(`[role="tab"]`)); diff != "" {
		t.Errorf("tabs (-want +got):\n%s", diff)
	}
	// The page writes what it keeps when the typing has paused.
	p.until(`(() => {
		const kept = name => localStorage.getItem('graphiql:' + name) ?? '';
		const { tabs } = JSON.parse(kept('tabState'));
		return tabs.length === 5 && tabs[4].query === kept('query') && tabs[4].variables === kept('variables');
	})()`)
	p.do("reload", chromedp.Reload(), chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery))
	if got := len(p.texts(`[role="tab"]`)); got != 5 {
		t.Errorf("%d tabs after a reload, want 5", got)
	}
	p.behaved()
}

func TestAServerThatIsGoneIsSaidSo(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := openTab(t, s.URL, 1280, 800)
	s.gone.Store(true)
	p.run()
	p.until(`document.querySelector('.lg-notice-error')?.innerText.includes('The server could not be reached')`)
	p.behaved("net::ERR_")
}

func TestTheEditorKnowsTheSchemaThroughItsWorker(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL+"/#query=%7B+clients+%7B+nonsense+%7D+%7D&variables=%7B%22a%22%3A%7D", 1280, 800)
	p.await(`.graphiql-query-editor .squiggly-error`)
	p.behaved()
}

func TestPrettifyTidiesTheOperationAndItsVariables(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL+"/#query=%7Bclients%7BtotalCount%7D%7D&variables=%7B%22a%22%3A%5B1%5D%7D", 1280, 800)
	p.until(`document.querySelector('.graphiql-query-editor .view-lines').innerText.includes('totalCount')`)
	p.click(`.graphiql-toolbar button[aria-label^="Prettify"]`)
	p.until(`localStorage.getItem('graphiql:query')?.startsWith('{\n  clients {\n    totalCount\n  }\n}')`)
	p.until(`localStorage.getItem('graphiql:variables')?.startsWith('{\n  "a": [\n    1\n  ]\n}')`)
	p.behaved()
}

func TestAnOperationIsSharedByItsLink(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := openTab(t, s.URL+"/#query=query+Totals+%7B+clients+%7B+totalCount+%7D+%7D&variables=%7B%22a%22%3A1%7D&operationName=Totals", 1280, 800)
	p.until(`document.querySelector('.graphiql-query-editor .view-lines').innerText.replace(/\s/g, ' ').includes('query Totals')`)
	p.until(`location.hash === ''`)
	var link string
	p.do("watch the clipboard", chromedp.Evaluate(`navigator.clipboard.writeText = async text => { document.title = text }`, nil))
	p.click(`.lg-header > button:last-of-type`)
	p.until(`document.querySelector('.lg-toast').innerText === 'Link copied'`)
	p.do("read the link", chromedp.Title(&link))
	for _, want := range []string{"#query=query+Totals+", "&variables=%7B%22a%22%3A1%7D", "&operationName=Totals"} {
		if !strings.Contains(link, want) {
			t.Errorf("link %q lacks %q", link, want)
		}
	}
	p.behaved()
}

func TestThePanelIsReachedByKeyboard(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL, 1280, 800)
	p.tabTo(`.graphiql-query-editor .graphiql-editor`)
	p.do("enter the editor", chromedp.KeyEvent(kb.Enter))
	p.until(`document.activeElement.matches('.graphiql-query-editor textarea')`)
	p.do("leave the editor", chromedp.KeyEvent(kb.Escape))
	p.until(`document.activeElement.matches('.graphiql-query-editor .graphiql-editor')`)
	p.tabTo(`.graphiql-execute-button`)
	p.do("run", chromedp.KeyEvent(kb.Enter))
	p.await(`.lg-call`)
	p.tabTo(`.lg-call`)
	var ring string
	p.do("read the focus ring", chromedp.Evaluate(`getComputedStyle(document.activeElement).outlineStyle`, &ring))
	if ring != "solid" {
		t.Errorf("outline of the focused bar = %q, want solid", ring)
	}
	p.do("select", chromedp.KeyEvent(kb.Enter))
	p.await(`.lg-served`)
	if got := p.attributes(`.lg-call`, "aria-pressed")[0]; got != "true" {
		t.Errorf("aria-pressed = %q, want true", got)
	}
	p.shoot("keyboard")
	p.behaved()
}

// tabTo presses Tab until an element has the focus.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	for range 60 {
		var there bool
		p.do("press Tab", chromedp.KeyEvent(kb.Tab),
			chromedp.Evaluate(fmt.Sprintf(`document.activeElement.matches(%q)`, selector), &there))
		if there {
			return
		}
	}
	p.shoot("lost")
	p.t.Fatalf("Tab does not lead to %s", selector)
}

func TestAPhoneShowsEverythingInOneColumn(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			p := openTab(t, newStub(t, true).URL, 360, 740, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
			p.noSidewaysScroll()
			p.run()
			p.await(`.lg-call`)
			p.click(`li:nth-child(2) > .lg-call`)
			p.await(`.lg-served`)
			p.click(`.lg-facts summary`)
			p.noSidewaysScroll()
			var below bool
			p.do("compare", chromedp.Evaluate(`document.querySelector('.lg-panel').getBoundingClientRect().top >=
				document.querySelector('.result-window').getBoundingClientRect().bottom`, &below))
			if !below {
				t.Error("the panel is not below the answer")
			}
			p.shoot("phone-" + scheme)
			p.click(`.graphiql-sidebar button`)
			p.await(`.graphiql-doc-explorer`)
			p.noSidewaysScroll()
			p.shoot("phone-docs-" + scheme)
			p.behaved()
		})
	}
}

func TestAWideWindowShowsThePanelBesideTheAnswer(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL, 1920, 1000)
	p.run()
	p.await(`.lg-call`)
	var beside bool
	compare := chromedp.Evaluate(`document.querySelector('.lg-panel').getBoundingClientRect().left >=
		document.querySelector('.result-window').getBoundingClientRect().right`, &beside)
	if p.do("compare", compare); !beside {
		t.Error("the panel is not beside the answer")
	}
	p.noSidewaysScroll()
	p.shoot("wide")
	p.click(`.graphiql-sidebar button:nth-of-type(2)`)
	p.await(`.graphiql-history`)
	p.noSidewaysScroll()
	if p.do("compare", compare); beside {
		t.Error("the panel is beside the answer where there is little room")
	}
	p.shoot("wide-history")
	p.behaved()
}

func TestTheDarkIsDarkUnlessTheReaderChoosesTheLight(t *testing.T) {
	t.Parallel()
	p := openTab(t, newStub(t, true).URL, 1440, 900, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	p.run()
	p.click(`li:nth-child(3) > .lg-call`)
	p.await(`.lg-served`)
	var background string
	p.do("read the background", chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background))
	if want := "rgb(33, 42, 59)"; background != want {
		t.Errorf("background = %s, want %s", background, want)
	}
	p.click(`.graphiql-sidebar button`)
	p.await(`.graphiql-doc-explorer`)
	var visible bool
	p.do("find the tools", chromedp.Evaluate(`document.querySelector('.graphiql-editor-tools').getBoundingClientRect().bottom <= innerHeight`, &visible))
	if !visible {
		t.Error("the variables and headers are pushed out of the window")
	}
	p.shoot("dark-desktop")
	p.do("choose the light", chromedp.Evaluate(`localStorage.setItem('graphiql:theme', 'light')`, nil), chromedp.Reload(),
		chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery),
		chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background))
	if want := "rgb(255, 255, 255)"; background != want {
		t.Errorf("background after the light was chosen = %s, want %s", background, want)
	}
	p.shoot("chosen-light")
	p.behaved()
}
