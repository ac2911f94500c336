package explorer

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/explorer/browsertest"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// shows waits until the answer that is seen holds a text.
func shows(p *browsertest.Tab, text string) {
	p.Until(`document.querySelector('.result-window .view-lines').innerText.replaceAll('\u00a0', ' ').includes('` + text + `')`)
}

func TestPayloadsAreShownAsTheyArriveWithWhatCameWithThem(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Example("Clients first, users later (@defer)")
	p.Run()
	shows(p, `Northbridge`)
	p.Until(`document.querySelectorAll('.lg-payload').length === 1`)
	p.Until(`document.querySelector('.lg-status')?.innerText.replace(/\s+/g, ' ').includes('Payloads 1 so far')`)
	p.Until(`document.querySelector('.lg-empty')?.innerText === 'The calls are drawn when the last payload has arrived.'`)
	s.parts <- struct{}{}
	shows(p, `Ada Okafor`)
	p.Until(`document.querySelectorAll('.lg-payload').length === 2`)
	s.parts <- struct{}{}
	shows(p, `SWQx`)
	p.Await(`.lg-call`)
	if got := p.Attributes(`.lg-payload`, "aria-label"); len(got) != 3 || !strings.HasPrefix(got[2], "Payload 3 of 3, at ") {
		t.Errorf("marks on the axis: %q", got)
	}

	p.Click(`.lg-payload:nth-of-type(2)`)
	p.Until(`document.querySelector('.lg-detail')?.innerText.includes('Payload 2 of 3')`)
	if got := strings.Join(p.Texts(`.lg-detail`), ""); !strings.Contains(got, "with all of “users”") || !strings.Contains(got, "1 error") {
		t.Errorf("detail of the payload: %q", got)
	}
	if diff := cmp.Diff([]string{"clients.nodes[0].users", "clients.nodes[1].users"}, p.Texts(`.lg-served li`)); diff != "" {
		t.Errorf("fields that came with it (-want +got):\n%s", diff)
	}
	// What came later below those fields is not marked.
	awaitMarked(t, p, []string{`"users": {`, `"nodes": [`, `"name": "Ada Okafor"`}, "SWQx")
	p.Shoot("payloads")
	p.Behaved()
}

func TestWhatCanPassALimitIsWarnedOfBeforeAndAfterItRuns(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	close(s.parts)
	p := browsertest.Open(t, s.URL, 1280, 800)
	p.Example("Clients first, users later (@defer)")
	const warning = `document.querySelector('.lg-warnings')?.innerText ===
		'⚠ Warning It can make 20101 backend calls and fails in part after 100: that is OPERATION_CALLS.'`
	p.Click(`[data-do="plan"]`)
	p.Until(warning)
	p.Click(`.lg-plan .lg-close`)
	p.Until(`!document.querySelector('.lg-warnings')`)
	p.Run()
	p.Until(warning)
	p.Shoot("warning")
	p.Behaved()
}

func TestDeferIsProposedAroundWhatHeldTheAnswerUp(t *testing.T) {
	t.Parallel()
	p := browsertest.Open(t, newStub(t, true).URL, 1280, 800)
	p.Run()
	p.Click(`[data-do="defer"]`)
	p.Until(`document.querySelectorAll('[role="tab"]').length === 2`)
	p.Until(`document.querySelector('.lg-said')?.innerText.includes('users deferred. By the last run the first payload needs calls until 119 ms, the whole answer until 240 ms')`)
	p.Until(`localStorage.getItem('graphiql:query')?.includes('@defer')`)
	var proposed string
	p.Do("read the document", chromedp.Evaluate(`localStorage.getItem('graphiql:query')`, &proposed))
	for _, want := range []string{"      ... @defer(label: \"users\") {\n        users(first: 5) {\n          nodes {\n", "# One question over three backends", "\n        }\n      }\n    }\n  }\n}\n"} {
		if !strings.Contains(proposed, want) {
			t.Errorf("the proposal lacks %q:\n%s", want, proposed)
		}
	}
	if n := strings.Count(proposed, "@defer"); n != 1 {
		t.Errorf("%d fragments are deferred, want the one that held the answer up:\n%s", n, proposed)
	}
	if _, err := gqlparser.LoadQueryWithRules(loadSchema(t), proposed, rules.NewDefaultRules()); err != nil {
		t.Errorf("the proposal is not valid: %v\n%s", err, proposed)
	}
	p.Shoot("proposed")
	p.Behaved()
}

func TestASubscriptionsEventsAreShownOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := newStub(t, true)
	p := browsertest.Open(t, s.URL+"/#query=subscription+Changes+%7B+userChanged+%7B+name+%7D+%7D&operationName=Changes", 1280, 800)
	p.Run()
	shows(p, `Ada`)
	p.Until(`document.querySelectorAll('.lg-payload').length === 1`)
	s.parts <- struct{}{}
	shows(p, `Grace`)
	p.Until(`document.querySelectorAll('.lg-payload').length === 2`)
	if got := s.operations()[0].Get("Accept"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("Accept = %q", got)
	}
	p.Shoot("subscription")
	p.Behaved()
}
