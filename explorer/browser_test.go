package explorer

import (
	"encoding/json"
	"fmt"
	"slices"
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
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Run()
	p.Await(`.lg-call`)
	wantRoutes := []string{"GET /incoming/v2/clients", "GET /v1/headless/users", "POST /core/v1/users/search", "GET /core/v1/users/{userId}/credentials"}
	if diff := cmp.Diff(wantRoutes, p.Attributes(`.lg-calls > li > .lg-call .lg-call-route`, "title")); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"TI", "CO", "MA", "MA"}, p.Texts(`.lg-call .lg-tag`)); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 retry · shared", "✕ 503 · 2 retries"}, p.Texts(`.lg-remarks`)); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"× 2"}, p.Texts(`.lg-times`)); diff != "" {
		t.Errorf("equal calls (-want +got):\n%s", diff)
	}
	labels := p.Attributes(`.lg-call`, "aria-label")
	want := "Coassemble, GET /v1/headless/users, started at 139 ms, took 43 ms, status 200, 1 retry, shared, serves 1 path"
	if len(labels) != 4 || labels[1] != want {
		t.Errorf("labels = %q, want the second to be %q", labels, want)
	}
	totals := strings.Join(p.Texts(`.lg-totals > div`), "\n")
	for _, want := range []string{"Calls 5 made; a naive server makes 38", "1.3 MB → 4.1 kB", "17 of 1,000", "Oldest lookup 5 min"} {
		if !strings.Contains(totals, want) {
			t.Errorf("totals lack %q:\n%s", want, totals)
		}
	}
	if got := strings.Join(p.Texts(`.lg-notice-stale`), ""); !strings.Contains(got, "Coassemble: expired 2 min ago, being refreshed") {
		t.Errorf("stale notice = %q", got)
	}
	if diff := cmp.Diff([]string{"1"}, s.explained()); diff != "" {
		t.Errorf("X-Learngraph-Explain of the operations (-want +got):\n%s", diff)
	}
	p.NoSidewaysScroll()
	p.Shoot("light-desktop")
	p.Behaved()
}

func TestTheCacheLookupsAreOnTheAxisByShapeAndWord(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Run()
	p.Await(`.lg-known`)
	if diff := cmp.Diff([]string{"5 cache lookups"}, p.Texts(`.lg-known-name`)); diff != "" {
		t.Errorf("name of the line (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"call 2", "stale 1", "redis 1", "memory 1"}, p.Texts(`.lg-facts .lg-legend li`)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"call", "stale", "redis", "memory", "call"}, p.Attributes(`.lg-known i`, "data-verdict")); diff != "" {
		t.Errorf("lookups on the axis (-want +got):\n%s", diff)
	}
	var places []int
	p.Do("read the places", chromedp.Evaluate(`[...document.querySelectorAll('.lg-known i')].map(i => Math.round(parseFloat(i.style.getPropertyValue('--at'))))`, &places))
	if diff := cmp.Diff([]int{50, 50, 51, 68, 100}, places); diff != "" {
		t.Errorf("places on the axis in percent (-want +got):\n%s", diff)
	}
	p.Behaved()
}

// colours are the background colours of the elements of a selector, each once.
func colours(p *browsertest.Tab, selector string) []string {
	var found []string
	p.Do("read the colours of "+selector, chromedp.Evaluate(`[...new Set([...document.querySelectorAll(`+"`"+selector+"`"+`)].map(e => {
		const s = getComputedStyle(e);
		return s.borderTopWidth !== '0px' ? s.borderTopColor : s.backgroundColor;
	}))]`, &found))
	return found
}

func TestColourIsTheBackendAlone(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Run()
	p.Await(`.lg-bar`)
	for backend, n := range map[string]int{"thoughtindustries": 1, "coassemble": 1, "mattr": 1} {
		of := `[data-backend="` + backend + `"]`
		// A call that failed, and every verdict of the cache, has the colour of its backend.
		if got := colours(p, of+` .lg-bar, i`+of+`, .lg-tag`+of); len(got) != n {
			t.Errorf("%s has the colours %q", backend, got)
		}
	}
	if got := colours(p, `.lg-bar`); len(got) != 3 {
		t.Errorf("three backends have the colours %q", got)
	}
	if got := colours(p, `.lg-facts .lg-legend i`); len(got) != 1 {
		t.Errorf("the verdicts have the colours %q, want one", got)
	}
	p.Behaved()
}

func TestACallHasOneLineAndEqualCallsAreOneUntilUnfolded(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{1280, 800}, {1920, 1080}, {360, 740}} {
		p := browsertest.Open(t, newStub(t, true).URL, size[0], size[1])
		p.Run()
		p.Click(`.lg-unfold`)
		p.Await(`.lg-calls ol .lg-call`)
		if diff := cmp.Diff([]string{"subjectId=#77ab03d912", "subjectId=#0c8d5e6f1a"}, p.Texts(`.lg-calls ol .lg-call-name`)); diff != "" {
			t.Errorf("%v: unfolded (-want +got):\n%s", size, diff)
		}
		var heights []float64
		p.Do("measure the lines", chromedp.Evaluate(`[...document.querySelectorAll('.lg-call')].map(e => e.getBoundingClientRect().height)`, &heights))
		for _, height := range heights {
			if height < 16 || height > 20 {
				t.Errorf("%v: a line is %v px high", size, height)
			}
		}
		p.NoSidewaysScroll()
		p.Click(`.lg-unfold`)
		p.Until(`document.querySelectorAll('.lg-call').length === 4`)
		p.Behaved()
		p.Close()
	}
}

func TestASelectedCallMarksTheFieldsThatItServedAndNoOthers(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 900)
	p.Run()
	p.Click(`.lg-calls > li:nth-child(2) > .lg-call`)
	p.Until(`document.querySelector('.lg-served')?.innerText.includes('2 places marked')`)
	if diff := cmp.Diff([]string{"clients.nodes.users"}, p.Texts(`.lg-served li`)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"false", "true", "false", "false"}, p.Attributes(`.lg-call`, "aria-pressed")); diff != "" {
		t.Errorf("pressed (-want +got):\n%s", diff)
	}
	awaitMarked(t, p, []string{`"users": {`, `"nodes": [`, `"name": "Ada Okafor"`}, "SWQ", "credential")
	p.Shoot("light-selected")
	p.Click(`.lg-calls > li:nth-child(3) > .lg-call`)
	p.Until(`document.querySelector('.lg-served')?.innerText.includes('2 places marked')`)
	awaitMarked(t, p, []string{`"identity": {`, `"id": "SWQx"`}, "CourseCredential")
	p.Click(`.lg-calls > li:nth-child(4) > .lg-call`)
	p.Until(`document.querySelector('.lg-served')?.innerText.includes('1 place marked')`)
	p.Click(`.lg-calls > li:nth-child(4) > .lg-call`)
	p.Until(`!document.querySelector('.lg-mark') && !document.querySelector('.lg-served')`)
	p.Behaved()
}

func TestTheFirstMarkStaysInViewWhereTheEditorShrinks(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 1800)
	p.Run()
	p.Click(`.lg-calls > li:nth-child(3) > .lg-call`)
	awaitMarked(t, p, []string{`"identity": {`, `"id": "SWQx"`})
	p.Do("shrink the window", chromedp.EmulateViewport(1280, 700))
	p.Until(`document.querySelector('.result-window').getBoundingClientRect().height < 300`)
	awaitMarked(t, p, []string{`"identity": {`, `"id": "SWQx"`})
	p.Behaved()
}

// markedLines is an expression for the marked parts of the answer's lines that the editor shows, from the top.
const markedLines = `[...document.querySelectorAll('.result-window .view-line')]
	.sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top))
	.map(line => [...line.querySelectorAll('.lg-mark')].map(e => e.textContent.replaceAll('\u00a0', ' ')).join(''))
	.filter(text => text !== '')`

// awaitMarked waits until the marked lines begin with first, and fails the test if one of them has a text of never. The
// editor draws the lines in sight alone, and its height changes while the panel below it opens.
func awaitMarked(t *testing.T, p *browsertest.Tab, first []string, never ...string) {
	t.Helper()
	want, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	p.Until(fmt.Sprintf(`JSON.stringify(%s.slice(0, %d)) === JSON.stringify(%s)`, markedLines, len(first), want))
	var found []string
	p.Do("read the marks", chromedp.Evaluate(markedLines, &found))
	for _, text := range never {
		if strings.Contains(strings.Join(found, "\n"), text) {
			t.Errorf("marked %q, with %q in it", found, text)
		}
	}
}

func TestTheDetailOfACallShowsItsParameters(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Run()
	p.Click(`.lg-calls > li:nth-child(2) > .lg-call`)
	p.Await(`.lg-detail`)
	p.Until(`(() => {
		const detail = document.querySelector('.lg-detail').getBoundingClientRect(), panel = document.querySelector('.graphiql-footer').getBoundingClientRect();
		return detail.top >= panel.top && detail.top < panel.bottom;
	})()`)
	want := []string{"On the wire 43 ms", "Waited for the budget 20 ms", "Status 200", "Received 18.2 kB", "Batch 3 keys", "Retries 1", "Shared another operation made it"}
	if diff := cmp.Diff(want, p.Texts(`.lg-items > div`)); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"page 0"}, p.Texts(`.lg-parameters > div`)); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if got := len(p.Texts(`.lg-calls > li:nth-child(2) .lg-wait`)); got != 1 {
		t.Errorf("%d lines for the time that the call waited, want 1", got)
	}
	p.Click(`.lg-unfold`)
	p.Click(`.lg-calls ol li:nth-child(1) .lg-call`)
	p.Until(`document.querySelector('.lg-parameters')?.innerText.includes('digest')`)
	if diff := cmp.Diff([]string{"subjectId digest 77ab03d912"}, p.Texts(`.lg-parameters > div`)); diff != "" {
		t.Errorf("parameters that are hidden (-want +got):\n%s", diff)
	}
	p.Shoot("detail")
	p.Behaved()
}

func TestACallIsCopiedAsCurlWithPlaceholders(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Do("watch the clipboard", chromedp.Evaluate(`navigator.clipboard.writeText = async text => { document.title = text }`, nil))
	p.Run()
	for call, want := range map[string]string{
		`.lg-calls > li:nth-child(1) > .lg-call`: `curl -sS "$THOUGHTINDUSTRIES_URL/incoming/v2/clients?count=3&query=it%27s" \ -H "Authorization: Bearer $THOUGHTINDUSTRIES_API_KEY"`,
		`.lg-calls > li:nth-child(2) > .lg-call`: `curl -sS "${COASSEMBLE_URL:-https://api.coassemble.com/api}/v1/headless/users?page=0" \ -H "Authorization: $COASSEMBLE_AUTHORIZATION"`,
		`.lg-calls > li:nth-child(4) > .lg-call`: `curl -sS "$MATTR_URL/core/v1/users/id%20of%2FAda/credentials?limit=3" \ -H "Authorization: Bearer $MATTR_TOKEN"`,
	} {
		p.Click(call)
		p.Click(`.lg-curl button`)
		p.Until(`document.querySelector('.lg-curl [role="status"]')?.innerText === 'Copied'`)
		var copied string
		p.Do("read what was copied", chromedp.Title(&copied))
		if got := strings.Join(strings.Fields(copied), " "); got != want {
			t.Errorf("copied %s\nwant   %s", got, want)
		}
		p.Click(call)
	}
	p.Click(`.lg-unfold`)
	p.Click(`.lg-calls ol li:nth-child(1) .lg-call`)
	p.Click(`.lg-curl button`)
	p.Until(`document.title.replace(/\s+/g, ' ').endsWith('-H \'Content-Type: application/json\' \\ -d \'{"subjectId":"$SUBJECT_ID"}\'')`)
	p.Behaved()
}

func TestTheExtensionsOfAnAnswerAreFoldedAway(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 2000)
	p.Run()
	p.Await(`.lg-call`)
	p.Until(`document.querySelector('.result-window .view-lines').innerText.replaceAll('\u00a0', ' ').includes('"extensions": {')`)
	p.Until(`!document.querySelector('.result-window .view-lines').innerText.includes('callsMade') && document.querySelector('.result-window .inline-folded') !== null`)
	p.Shoot("folded")
	p.Behaved()
}

func TestTheStatusOfTheLastAnswerIsShownWithItsHeaders(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Run()
	p.Await(`.lg-status`)
	got := strings.Join(p.Texts(`.lg-status dl > div`), "\n")
	for _, want := range []string{"Status 200 OK", "Time ", " ms", "Size ", " kB", "Request REQUEST1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the status lacks %q:\n%s", want, got)
		}
	}
	p.Click(`.lg-status > .lg-link`)
	p.Await(`#lg-headers table`)
	if got := p.Texts(`#lg-headers tr`); !slices.Contains(got, "x-request-id REQUEST1") || !slices.Contains(got, "content-type application/graphql-response+json; charset=utf-8") {
		t.Errorf("headers: %q", got)
	}
	p.Shoot("headers")
	p.Behaved()
}

func TestAnOperationIsRunFreshAndCaptured(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Click(`[data-do="fresh"]`)
	p.Await(`.lg-call`)
	p.Click(`[data-do="capture"]`)
	p.Until(`document.querySelector('.lg-captured')?.innerText.startsWith('Captured as captured.json')`)
	p.Run()
	p.Until(`document.querySelector('.lg-status') && !document.querySelector('.lg-captured')`)
	var got [][2]string
	for _, h := range s.operations() {
		got = append(got, [2]string{h.Get("Cache-Control"), h.Get("X-Learngraph-Capture")})
	}
	// The browser itself sends no Cache-Control unless the page is reloaded.
	if diff := cmp.Diff([][2]string{{"no-cache", ""}, {"", "1"}, {"", ""}}, got); diff != "" {
		t.Errorf("Cache-Control and X-Learngraph-Capture (-want +got):\n%s", diff)
	}
	p.Behaved()
}

func TestThePlanIsShownBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Click(`[data-do="plan"]`)
	p.Await(`.lg-plan-calls li`)
	if diff := cmp.Diff([]string{"Thought Industries 1", "Coassemble 3", "MATTR 30"}, p.Texts(`.lg-plan-calls li`)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := strings.Join(p.Texts(`.lg-plan`), ""); !strings.Contains(got, "Cost 17 of 1,000. At most 34 backend calls") {
		t.Errorf("plan = %q", got)
	}
	wantFields := []string{"TI clients 1", "CO clients.nodes.users 3", "MA clients.nodes.users.nodes.identity 30"}
	if diff := cmp.Diff(wantFields, p.Texts(`.lg-plan-fields li`)); diff != "" {
		t.Errorf("calls of the fields (-want +got):\n%s", diff)
	}
	if n := len(s.operations()); n != 0 {
		t.Errorf("%d operations ran, want none", n)
	}
	p.Shoot("plan")
	p.Click(`.lg-plan .lg-close`)
	p.Until(`!document.querySelector('.lg-plan')`)
	p.Behaved()
}

func TestAServerWithoutPlansIsQuoted(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, false).URL, 1280, 800)
	p.Click(`[data-do="plan"]`)
	p.Until(`document.querySelector('.lg-plan')?.innerText.includes('This server has no plans: there is nothing at this path')`)
	p.Behaved("404")
}

func TestAnswersThatAreNotTheUsualAreShownWell(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('Run the operation')`)
	p.Shoot("empty")

	p.Example("Only totals")
	p.Run()
	p.Until(`document.querySelector('.lg-empty')?.innerText.startsWith('This server does not list its backend calls')`)
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
	// The page stores its state when the typing has paused.
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

func TestAnUnreachableServerIsReported(t *testing.T) {
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
			p.Click(`.lg-calls > li:nth-child(2) > .lg-call`)
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

func TestAWideWindowShowsThePanelNextToTheAnswer(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1920, 1080)
	p.Run()
	p.Await(`.lg-call`)
	var next bool
	compare := chromedp.Evaluate(`document.querySelector('.lg-panel').getBoundingClientRect().left >=
		document.querySelector('.result-window').getBoundingClientRect().right`, &next)
	if p.Do("compare", compare); !next {
		t.Error("the panel is not beside the answer")
	}
	var full bool
	p.Do("measure", chromedp.Evaluate(`document.querySelector('.result-window').clientHeight > 0.85 * innerHeight &&
		document.querySelector('.graphiql-footer').clientWidth >= 480`, &full))
	if !full {
		t.Error("the answer has not the full height, or the panel little width")
	}
	p.NoSidewaysScroll()
	p.Shoot("wide")
	p.Click(`.graphiql-sidebar button:nth-of-type(2)`)
	p.Await(`.graphiql-history`)
	p.NoSidewaysScroll()
	if p.Do("compare", compare); next {
		t.Error("the panel is beside the answer where there is little room")
	}
	p.Shoot("wide-history")
	p.Behaved()
}

func TestTheDarkIsDarkUnlessTheReaderChoosesTheLight(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1440, 900, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	p.Run()
	p.Click(`.lg-calls > li:nth-child(3) > .lg-call`)
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
