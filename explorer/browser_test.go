package explorer

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/explorer/browsertest"
)

func TestTheExampleRunsAndItsCallsAreDrawn(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1440, 900)
	p.Run()
	p.Await(`.lg-call`)
	wantRoutes := []string{"GET /incoming/v2/clients", "GET /v1/headless/users", "POST /core/v1/users/search", "GET /core/v1/users/{id}/credentials"}
	if diff := cmp.Diff(wantRoutes, p.Texts(`.lg-call-route`)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	labels := p.Attributes(`.lg-call`, "aria-label")
	want := "Coassemble, GET /v1/headless/users, started at 119 ms, took 43 ms, status 200, 18.2 kB, batch of 3, 1 retry, shared with another request, serves 1 path"
	if len(labels) != 4 || labels[1] != want {
		t.Errorf("labels = %q, want the second to be %q", labels, want)
	}
	totals := strings.Join(p.Texts(`.lg-totals > div`), "\n")
	for _, want := range []string{"Calls 4 made; a naive server makes 38", "1.3 MB → 4.1 kB", "17 of 1,000", "2 min"} {
		if !strings.Contains(totals, want) {
			t.Errorf("totals lack %q:\n%s", want, totals)
		}
	}
	if got := strings.Join(p.Texts(`.lg-notice-stale`), ""); !strings.Contains(got, "Coassemble: 2 min old, because it is being refreshed") {
		t.Errorf("stale notice = %q", got)
	}
	if diff := cmp.Diff([]string{"call 2", "stale 1", "redis 1", "memory 1"}, p.Texts(`.lg-facts .lg-legend li`)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"call", "stale", "redis", "memory", "call"}, p.Attributes(`.lg-known i`, "data-verdict")); diff != "" {
		t.Errorf("facts on the axis (-want +got):\n%s", diff)
	}
	var places []int
	p.Do("read the places", chromedp.Evaluate(`[...document.querySelectorAll('.lg-known i')].map(i => Math.round(parseFloat(i.style.getPropertyValue('--at'))))`, &places))
	if diff := cmp.Diff([]int{54, 54, 55, 74, 100}, places); diff != "" {
		t.Errorf("places on the axis in percent (-want +got):\n%s", diff)
	}
	s.mu.Lock()
	if diff := cmp.Diff([]string{"1"}, s.explains); diff != "" {
		t.Errorf("X-Learngraph-Explain of the operations (-want +got):\n%s", diff)
	}
	s.mu.Unlock()
	p.NoSidewaysScroll()
	p.Shoot("light-desktop")
	p.Behaved()
}

func TestASelectedCallMarksTheFieldsThatItServed(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1440, 900)
	p.Run()
	p.Click(`li:nth-child(2) > .lg-call`)
	p.Until(`document.querySelector('.lg-served')?.innerText.includes('2 places marked')`)
	p.Await(`.result-window .lg-mark`)
	if diff := cmp.Diff([]string{"clients.nodes.users"}, p.Texts(`.lg-served li`)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"false", "true", "false", "false"}, p.Attributes(`.lg-call`, "aria-pressed")); diff != "" {
		t.Errorf("pressed (-want +got):\n%s", diff)
	}
	p.Click(`li:nth-child(4) > .lg-call`)
	p.Until(`document.querySelector('.lg-served')?.innerText.includes('1 place marked')`)
	p.Shoot("light-selected")
	p.Click(`li:nth-child(4) > .lg-call`)
	p.Until(`!document.querySelector('.lg-mark') && !document.querySelector('.lg-served')`)
	p.Behaved()
}

func TestThePlanIsShownBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Click(`.lg-panel-head .lg-button`)
	p.Await(`.lg-plan-calls li`)
	if diff := cmp.Diff([]string{"Thought Industries 1", "Coassemble 3", "MATTR 30"}, p.Texts(`.lg-plan-calls li`)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := strings.Join(p.Texts(`.lg-plan`), ""); !strings.Contains(got, "Cost 17 of 1,000. At most 34 backend calls") {
		t.Errorf("plan = %q", got)
	}
	wantFields := []string{"clients Thought Industries 1", "clients.nodes.users Coassemble 3", "clients.nodes.users.nodes.identity MATTR 30"}
	if diff := cmp.Diff(wantFields, p.Texts(`.lg-plan-fields li`)); diff != "" {
		t.Errorf("calls of the fields (-want +got):\n%s", diff)
	}
	s.mu.Lock()
	if len(s.explains) != 0 {
		t.Errorf("%d operations ran, want none", len(s.explains))
	}
	s.mu.Unlock()
	p.Shoot("plan")
	p.Click(`.lg-plan .lg-button`)
	p.Until(`!document.querySelector('.lg-plan')`)
	p.Behaved()
}

func TestAServerWithoutPlansIsQuoted(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, false).URL, 1280, 800)
	p.Click(`.lg-panel-head .lg-button`)
	p.Until(`document.querySelector('.lg-plan')?.innerText.includes('This server makes no plans; it says: there is nothing at this path')`)
	p.Behaved("404")
}

func TestAnswersThatAreNotTheUsualAreShownWell(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('Run the operation')`)
	p.Shoot("empty")

	p.Example("Only totals")
	p.Run()
	p.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('Explain is off on this server')`)
	p.Shoot("explain-off")

	p.Example("One client by slug")
	p.Run()
	p.Until(`document.querySelector('.lg-notice-error')?.innerText.replace(/\s+/g, ' ')
		.includes('UPSTREAM_TIMEOUT Thought Industries: the backend did not answer in time at client (try again in 30 s)')`)
	p.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('No backend was called')`)
	p.Shoot("error")

	p.Example("A page of users")
	p.Run()
	p.Until(`document.querySelector('.lg-notice-error')?.innerText.includes('<img src=x onerror=alert(1)>')`)

	p.Example("Rename a user (writes)")
	p.Run()
	p.Until(`document.querySelector('.lg-notice-error')?.innerText.includes('The server answered 200 without a GraphQL result: this is no JSON')`)
	if diff := cmp.Diff([]string{"ClientsWithUsers", "Totals", "ClientBySlug", "Users", "RenameUser"}, p.Texts(`[role="tab"]`)); diff != "" {
		t.Errorf("tabs (-want +got):\n%s", diff)
	}
	// The page writes what it keeps when the typing has paused.
	p.Until(`(() => {
		const kept = name => localStorage.getItem('graphiql:' + name) ?? '';
		const { tabs } = JSON.parse(kept('tabState'));
		return tabs.length === 5 && tabs[4].query === kept('query') && tabs[4].variables === kept('variables');
	})()`)
	p.Do("reload", chromedp.Reload(), chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery))
	if got := len(p.Texts(`[role="tab"]`)); got != 5 {
		t.Errorf("%d tabs after a reload, want 5", got)
	}
	p.Behaved()
}

func TestAServerThatIsGoneIsSaidSo(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1280, 800)
	s.gone.Store(true)
	p.Run()
	p.Until(`document.querySelector('.lg-notice-error')?.innerText.includes('The server could not be reached')`)
	p.Behaved("net::ERR_")
}

func TestTheEditorKnowsTheSchemaThroughItsWorker(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL+"/#query=%7B+clients+%7B+nonsense+%7D+%7D&variables=%7B%22a%22%3A%7D", 1280, 800)
	p.Await(`.graphiql-query-editor .squiggly-error`)
	p.Behaved()
}

func TestPrettifyTidiesTheOperationAndItsVariables(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL+"/#query=%7Bclients%7BtotalCount%7D%7D&variables=%7B%22a%22%3A%5B1%5D%7D", 1280, 800)
	p.Until(`document.querySelector('.graphiql-query-editor .view-lines').innerText.includes('totalCount')`)
	p.Click(`.graphiql-toolbar button[aria-label^="Prettify"]`)
	p.Until(`localStorage.getItem('graphiql:query')?.startsWith('{\n  clients {\n    totalCount\n  }\n}')`)
	p.Until(`localStorage.getItem('graphiql:variables')?.startsWith('{\n  "a": [\n    1\n  ]\n}')`)
	p.Behaved()
}

func TestAnOperationIsSharedByItsLink(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL+"/#query=query+Totals+%7B+clients+%7B+totalCount+%7D+%7D&variables=%7B%22a%22%3A1%7D&operationName=Totals", 1280, 800)
	p.Until(`document.querySelector('.graphiql-query-editor .view-lines').innerText.replace(/\s/g, ' ').includes('query Totals')`)
	p.Until(`location.hash === ''`)
	var link string
	p.Do("watch the clipboard", chromedp.Evaluate(`navigator.clipboard.writeText = async text => { document.title = text }`, nil))
	p.Click(`.lg-header > button:last-of-type`)
	p.Until(`document.querySelector('.lg-toast').innerText === 'Link copied'`)
	p.Do("read the link", chromedp.Title(&link))
	for _, want := range []string{"#query=query+Totals+", "&variables=%7B%22a%22%3A1%7D", "&operationName=Totals"} {
		if !strings.Contains(link, want) {
			t.Errorf("link %q lacks %q", link, want)
		}
	}
	p.Behaved()
}

func TestThePanelIsReachedByKeyboard(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.TabTo(`.graphiql-query-editor .graphiql-editor`)
	p.Do("enter the editor", chromedp.KeyEvent(kb.Enter))
	p.Until(`document.activeElement.matches('.graphiql-query-editor textarea')`)
	p.Do("leave the editor", chromedp.KeyEvent(kb.Escape))
	p.Until(`document.activeElement.matches('.graphiql-query-editor .graphiql-editor')`)
	p.TabTo(`.graphiql-execute-button`)
	p.Do("run", chromedp.KeyEvent(kb.Enter))
	p.Await(`.lg-call`)
	p.TabTo(`.lg-call`)
	var ring string
	p.Do("read the focus ring", chromedp.Evaluate(`getComputedStyle(document.activeElement).outlineStyle`, &ring))
	if ring != "solid" {
		t.Errorf("outline of the focused bar = %q, want solid", ring)
	}
	p.Do("select", chromedp.KeyEvent(kb.Enter))
	p.Await(`.lg-served`)
	if got := p.Attributes(`.lg-call`, "aria-pressed")[0]; got != "true" {
		t.Errorf("aria-pressed = %q, want true", got)
	}
	p.Shoot("keyboard")
	p.Behaved()
}

func TestAPhoneShowsEverythingInOneColumn(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			p := browsertest.Open(t, newStub(t, true).URL, 360, 740, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
			p.NoSidewaysScroll()
			p.Run()
			p.Await(`.lg-call`)
			p.Click(`li:nth-child(2) > .lg-call`)
			p.Await(`.lg-served`)
			p.Click(`.lg-facts summary`)
			p.NoSidewaysScroll()
			var below bool
			p.Do("compare", chromedp.Evaluate(`document.querySelector('.lg-panel').getBoundingClientRect().top >=
				document.querySelector('.result-window').getBoundingClientRect().bottom`, &below))
			if !below {
				t.Error("the panel is not below the answer")
			}
			p.Shoot("phone-" + scheme)
			p.Click(`.graphiql-sidebar button`)
			p.Await(`.graphiql-doc-explorer`)
			p.NoSidewaysScroll()
			p.Shoot("phone-docs-" + scheme)
			p.Behaved()
		})
	}
}

func TestAWideWindowShowsThePanelBesideTheAnswer(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1920, 1000)
	p.Run()
	p.Await(`.lg-call`)
	var beside bool
	compare := chromedp.Evaluate(`document.querySelector('.lg-panel').getBoundingClientRect().left >=
		document.querySelector('.result-window').getBoundingClientRect().right`, &beside)
	if p.Do("compare", compare); !beside {
		t.Error("the panel is not beside the answer")
	}
	p.NoSidewaysScroll()
	p.Shoot("wide")
	p.Click(`.graphiql-sidebar button:nth-of-type(2)`)
	p.Await(`.graphiql-history`)
	p.NoSidewaysScroll()
	if p.Do("compare", compare); beside {
		t.Error("the panel is beside the answer where there is little room")
	}
	p.Shoot("wide-history")
	p.Behaved()
}

func TestTheDarkIsDarkUnlessTheReaderChoosesTheLight(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1440, 900, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	p.Run()
	p.Click(`li:nth-child(3) > .lg-call`)
	p.Await(`.lg-served`)
	var background string
	p.Do("read the background", chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background))
	if want := "rgb(33, 42, 59)"; background != want {
		t.Errorf("background = %s, want %s", background, want)
	}
	p.Click(`.graphiql-sidebar button`)
	p.Await(`.graphiql-doc-explorer`)
	var visible bool
	p.Do("find the tools", chromedp.Evaluate(`document.querySelector('.graphiql-editor-tools').getBoundingClientRect().bottom <= innerHeight`, &visible))
	if !visible {
		t.Error("the variables and headers are pushed out of the window")
	}
	p.Shoot("dark-desktop")
	p.Do("choose the light", chromedp.Evaluate(`localStorage.setItem('graphiql:theme', 'light')`, nil), chromedp.Reload(),
		chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery),
		chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background))
	if want := "rgb(255, 255, 255)"; background != want {
		t.Errorf("background after the light was chosen = %s, want %s", background, want)
	}
	p.Shoot("chosen-light")
	p.Behaved()
}
