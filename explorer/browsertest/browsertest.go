// Package browsertest opens the explorer in Chromium, works it as a person would and fails a test when a page logs an
// error or requests another host.
package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// stepTimeout ends a step whose page is stuck, and five times that a test; it measures nothing.
const stepTimeout = 3 * time.Minute

// oneBrowser is taken by the one browser that a test binary has open: several at once only get in each other's way.
var oneBrowser = make(chan struct{}, 1)

// findBrowser returns the path of Chromium, and skips the test where there is none: in CI that is a failure.
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

// Tab is a page of a browser of its own, watched for errors and foreign requests.
type Tab struct {
	t     *testing.T
	ctx   context.Context
	leave func() // lets another test have a browser

	mu       sync.Mutex
	requests []string
	problems []string
}

// ofBrowser are hosts from which Chromium itself requests updates whatever its flags. The page's requests are observed
// a second time, without this exception, in its own events.
var ofBrowser = regexp.MustCompile(`\.(google|googleapis|gvt1)\.com(:443)?$`)

// Open starts a browser with a window of this size in CSS pixels and loads the page of the server.
func Open(t *testing.T, address string, width, height int, media ...*emulation.MediaFeature) *Tab {
	t.Helper()
	browser := findBrowser(t)
	oneBrowser <- struct{}{}
	p := &Tab{t: t, leave: sync.OnceFunc(func() { <-oneBrowser })}
	t.Cleanup(p.leave)
	// Whatever is not for this machine goes to a proxy that only takes note, workers' requests included.
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ofBrowser.MatchString(r.Host) {
			p.note(&p.requests, r.Host)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(outside.Close)

	ctx, stop := context.WithTimeout(t.Context(), 5*stepTimeout)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(browser), chromedp.UserDataDir(profileFolder(t)),
		chromedp.WSURLReadTimeout(stepTimeout),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", false), chromedp.ProxyServer(outside.URL))
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithBrowserOption(chromedp.WithDialTimeout(stepTimeout)))
	t.Cleanup(stop)
	p.ctx = ctx
	// The browser lives as long as the context of the first step.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(ctx, p.watch)
	phone := func(m *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		m.Mobile = width < 500
	}
	p.Do("load the page", network.Enable(), log.Enable(),
		emulation.SetEmulatedMedia().WithFeatures(media),
		chromedp.EmulateViewport(int64(width), int64(height), phone),
		chromedp.Navigate(address),
		chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery))
	return p
}

// Close ends the browser before the test does, so that it may open another.
func (p *Tab) Close() {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Error(err)
	}
	p.leave()
}

// profileFolder is removed as well as it can be: processes of the browser may write to it after the first of them
// ended, for which t.TempDir would fail the test.
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

func (p *Tab) note(list *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, text)
}

func (p *Tab) watch(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") && !strings.HasPrefix(e.Request.URL, "data:") {
			p.note(&p.requests, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		p.note(&p.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			sent := string(e.Type)
			for _, a := range e.Args {
				sent += " " + string(a.Value) + a.Description
			}
			p.note(&p.problems, sent)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.note(&p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Behaved fails the test if the page asked another host for anything or complained. Complaints that hold one of these
// texts are expected: Chromium itself reports each failed request.
func (p *Tab) Behaved(expected ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		p.t.Errorf("a request to another host: %s", r)
	}
	for _, sent := range p.problems {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(sent, e) }) {
			p.t.Errorf("the console says: %s", sent)
		}
	}
}

// Do carries out actions of chromedp. Where one fails the test ends, with a picture and the lines of the console.
func (p *Tab) Do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, stepTimeout)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.Shoot("failed")
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%s: %v\nconsole: %q", what, err, p.problems)
	}
}

// Shoot keeps a picture of the page among the artefacts of the test, and returns it.
func (p *Tab) Shoot(name string) []byte {
	p.t.Helper()
	var picture []byte
	if err := chromedp.Run(p.ctx, chromedp.FullScreenshot(&picture, 100)); err != nil {
		p.t.Logf("no picture of %s: %v", name, err)
		return nil
	}
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		p.t.Error(err)
	}
	return picture
}

// Texts returns the visible text of each element that a CSS selector finds, in one line each.
func (p *Tab) Texts(selector string) []string {
	p.t.Helper()
	return p.ofEach(selector, `e.innerText.replace(/\s+/g, ' ').trim()`)
}

// Attributes returns an attribute of each element that a CSS selector finds.
func (p *Tab) Attributes(selector, attribute string) []string {
	p.t.Helper()
	return p.ofEach(selector, fmt.Sprintf("e.getAttribute(%q)", attribute))
}

// ofEach returns the value of an expression for each element e that a CSS selector finds.
func (p *Tab) ofEach(selector, expression string) (got []string) {
	p.t.Helper()
	p.Do("read "+selector,
		chromedp.Evaluate(fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => %s)", selector, expression), &got))
	return got
}

// Click waits until an element is seen, and clicks it.
func (p *Tab) Click(selector string) {
	p.t.Helper()
	p.Do("click "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
}

// Await waits until an element is seen.
func (p *Tab) Await(selector string) {
	p.t.Helper()
	p.Do("wait for "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery))
}

// Until waits for a condition in the page.
func (p *Tab) Until(condition string) {
	p.t.Helper()
	p.Do("wait until "+condition, chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(stepTimeout)))
}

// Example opens an example operation by its title.
func (p *Tab) Example(title string) {
	p.t.Helper()
	p.Click(`.lg-header button[aria-haspopup]`)
	p.Await(`.lg-menu`)
	p.Until(`[...document.querySelectorAll('.lg-menu [role="menuitem"]')].every(item => {
		const r = item.getBoundingClientRect();
		return document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2) === item;
	})`)
	p.Do("choose "+title, chromedp.Click(fmt.Sprintf(`//div[@role="menuitem"][text()=%q]`, title), chromedp.BySearch))
	p.Until(`!document.querySelector('.lg-menu')`)
	// The editor learns the name of the operation a moment after its text, and Run would send the name before.
	p.Until(`(() => {
		const text = document.querySelector('.graphiql-query-editor .view-lines')?.innerText ?? '';
		const name = text.match(/(?:query|mutation)\s+(\w+)/)?.[1];
		return name && document.querySelector('[role="tab"][aria-selected="true"]')?.innerText.trim().startsWith(name);
	})()`)
}

// Run presses the button that runs the operation.
func (p *Tab) Run() {
	p.t.Helper()
	p.Click(`.graphiql-execute-button`)
}

// NoSidewaysScroll fails the test if something sticks out of the window's width, or covers its neighbour on the axis.
func (p *Tab) NoSidewaysScroll() {
	p.t.Helper()
	var out []string
	p.Do("measure", chromedp.Evaluate(`(() => {
		const root = document.scrollingElement, width = root.clientWidth;
		const parts = '.lg-header *, .lg-panel *, .graphiql-sidebar *, .graphiql-response, .graphiql-editors';
		const wide = [...document.querySelectorAll(parts)]
			.filter(e => !e.closest('.lg-scroll') && e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden')
			.filter(e => { const r = e.getBoundingClientRect(); return r.left < -0.5 || r.right > width + 0.5 })
			.map(e => e.tagName + '.' + e.className);
		const labels = [...document.querySelectorAll('.lg-axis span')].map(e => e.getBoundingClientRect());
		labels.sort((a, b) => a.left - b.left).forEach((r, i) => {
			if (i && labels[i - 1].right > r.left) wide.push('labels of the axis overlap')
		});
		scrollTo(1000, scrollY);
		if (root.scrollWidth > width || scrollX > 0) wide.push('the page: ' + root.scrollWidth);
		return wide;
	})()`, &out))
	if len(out) > 0 {
		p.t.Errorf("wider than the window: %q", out)
	}
}

// Press presses a key of chromedp/kb by its name, with Control+ before it where that is held.
func (p *Tab) Press(name string) {
	p.t.Helper()
	keys := map[string]string{"ArrowDown": kb.ArrowDown, "Space": " "}
	held, isHeld := strings.CutPrefix(name, "Control+")
	var options []chromedp.KeyOption
	if isHeld {
		options = append(options, chromedp.KeyModifiers(input.ModifierCtrl))
	}
	p.Do("press "+name, chromedp.KeyEvent(keys[held], options...))
}

// TabTo presses Tab until an element has the focus.
func (p *Tab) TabTo(selector string) {
	p.t.Helper()
	for range 60 {
		var there bool
		p.Do("press Tab", chromedp.KeyEvent(kb.Tab),
			chromedp.Evaluate(fmt.Sprintf(`document.activeElement.matches(%q)`, selector), &there))
		if there {
			return
		}
	}
	p.Shoot("lost")
	p.t.Fatalf("Tab does not lead to %s", selector)
}
