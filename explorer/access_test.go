package explorer

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/explorer/browsertest"
)

// answered is the content of the answer's window.
func answered(p *browsertest.Tab) string {
	return strings.TrimSpace(strings.Join(p.Texts(`.result-window .view-lines`), ""))
}

func TestAKeyIsSentWithQueriesAndIntrospection(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	s.key = "secret-key"
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Await(`.lg-sign-in`)
	if got := answered(p); got != "" {
		t.Errorf("the page shows an error before anything was asked: %s", got)
	}
	p.Shoot("sign-in")
	p.Do("give a wrong key", chromedp.SendKeys(`.lg-sign-in input[type="password"]`, "wrong\r", chromedp.ByQuery))
	p.Until(`document.querySelector('.lg-sign-in')?.innerText.includes('The server does not accept this key')`)
	if got := answered(p); got != "" {
		t.Errorf("the page shows an error in the answer: %s", got)
	}
	p.Do("give the key", chromedp.SendKeys(`.lg-sign-in input[type="password"]`, s.key+"\r", chromedp.ByQuery))
	p.Until(`!document.querySelector('.lg-sign-in')`)
	p.Click(`.graphiql-sidebar button`)
	p.Until(`document.querySelector('.graphiql-doc-explorer')?.innerText.includes('Query')`)
	p.Run()
	p.Await(`.lg-call`)
	if got := s.operations()[0].Get("X-API-Key"); got != s.key {
		t.Errorf("X-API-Key = %q", got)
	}
	var kept string
	p.Do("look for the key", chromedp.Evaluate(`JSON.stringify({...localStorage, ...sessionStorage})`, &kept))
	if strings.Contains(kept, s.key) {
		t.Error("the key is kept though that was not asked for")
	}
	p.Behaved("401")
}

func TestAKeyIsStoredForTheTabOnDemandAndRemoved(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	s.key = "secret-key"
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Click(`.lg-sign-in input[type="checkbox"]`)
	p.Do("give the key", chromedp.SendKeys(`.lg-sign-in input[type="password"]`, s.key+"\r", chromedp.ByQuery))
	p.Until(`!document.querySelector('.lg-sign-in')`)
	p.Do("reload", chromedp.Reload(), chromedp.WaitVisible(`.graphiql-query-editor .view-line`, chromedp.ByQuery))
	p.Run()
	p.Await(`.lg-call`)
	p.Click(`.lg-header [aria-expanded="false"]:not([aria-haspopup])`)
	p.Await(`.lg-popover .lg-sign-in`)
	p.Shoot("key-in-use")
	p.Click(`.lg-popover .lg-link`)
	p.Until(`!document.querySelector('.lg-popover') && sessionStorage.length === 0`)
	p.Run()
	p.Await(`.lg-panel .lg-sign-in`)
	p.Behaved("401")
}

func TestAServerThatHidesItsSchemaIsNoError(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	s.hidden = true
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Until(`document.querySelector('.lg-no-schema')?.innerText.includes('INTROSPECTION')`)
	if got := answered(p); got != "" {
		t.Errorf("the page shows an error before anything was asked: %s", got)
	}
	p.Run()
	p.Await(`.lg-call`)
	p.Behaved("400")
}

func TestTheSchemaIsShownAndDownloaded(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		s := newStub(t, true)
		s.hidden = hidden
		p := browsertest.Open(t, s.URL, 1280, 800)
		p.Click(`.graphiql-sidebar button[aria-label*="Schema"]`)
		if hidden {
			p.Until(`document.querySelector('.lg-schema')?.innerText.includes('There is no schema to show')`)
			p.Behaved("400", "404")
			p.Close()
			continue
		}
		p.Until(`document.querySelector('.lg-schema pre')?.innerText.replaceAll('\u00a0', ' ').startsWith('# The schema.')`)
		p.Do("watch for files", chromedp.Evaluate(`URL.createObjectURL = blob => { blob.text().then(text => { document.title = text }); return '#' };
			HTMLAnchorElement.prototype.click = function () { document.body.dataset.file = this.download }`, nil))
		p.Click(`.lg-schema button`)
		p.Until(`document.title.startsWith('# The schema.') && document.body.dataset.file === 'schema.graphqls'`)
		p.Shoot("schema")
		p.Behaved()
		p.Close()
	}
}

func TestExamplesOpenTheVariablesThatTheyHave(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Example("One client by slug")
	p.Until(`(() => {
		const tool = document.querySelector('.graphiql-editor-tool').getBoundingClientRect();
		return tool.height > 60 && tool.left >= 0 && document.querySelector('.graphiql-editor-tool .view-lines').innerText.includes('northbridge-university');
	})()`)
	p.Shoot("variables")
	p.Behaved()
}

func TestCompletionIsInTheSchemasOwnOrder(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL+"/#query=%7B%0A++clients+%7B%0A++++nodes+%7B%0A%0A++++%7D%0A++%7D%0A%7D", 1280, 800)
	p.Do("go into the fields", chromedp.Focus(`.graphiql-query-editor textarea`, chromedp.ByQuery))
	for range 3 {
		p.Press("ArrowDown")
	}
	var want []string
	for _, field := range loadSchema(t).Types["Client"].Fields {
		want = append(want, field.Name)
	}
	p.Press("Control+Space")
	p.Await(`.suggest-widget.visible .monaco-list-row`)
	p.Until(`document.querySelectorAll('.suggest-widget.visible .monaco-list-row').length >= 11`)
	got := p.Texts(`.suggest-widget .monaco-list-row .label-name`)
	if n := len(got); n < 11 || !slices.Equal(got, want[:n]) {
		t.Errorf("completions (-schema +page):\n%s", cmp.Diff(want[:min(n, len(want))], got))
	}
	p.Shoot("completion")
	p.Behaved()
}
