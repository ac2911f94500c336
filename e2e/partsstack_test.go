package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// stacksWith returns the stacks of the goroutines that have a function in them.
func stacksWith(function string) (list []string) {
	all := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, function) {
			list = append(list, stack)
		}
	}
	return list
}

// While a stream waits, which it does nearly all of its time, the handlers on the way to it have returned: the memory of a
// stack is twice as large with them.
func TestAStreamWaitsWithoutTheStackOfItsHandlers(t *testing.T) { //nolint:paralleltest // looks at all goroutines
	d := slowPaths(map[string]time.Duration{"/headless/": time.Minute})
	env := map[string]string{"OPERATION_TIMEOUT": "2m", "COASSEMBLE_TIMEOUT": "90s"}
	for _, at := range []struct{ accept, query, function string }{
		{parts02, usersLater, "gateway.(*parts).rest"},
		{"text/event-stream", usersLater, "gateway.(*parts).rest"},
		{"text/event-stream", `subscription { clients(first: 1) { nodes { name } } }`, "gateway.(*subscriber).run"},
	} {
		inPartsTime(t, d, env, func(t *testing.T, p *program) {
			f := p.follow(t, at.accept, at.query)
			f.raw()
			stacks := stacksWith(at.function)
			if len(stacks) != 1 {
				t.Fatalf("%s: %d goroutines are in %s", at.query, len(stacks), at.function)
			}
			if len(f.header) > 8 { // the ninth makes net/http's map grow by 1.5 KiB
				t.Errorf("%s: a stream has %d headers: %v", at.query, len(f.header), f.header)
			}
			for _, deep := range []string{"gateway.(*Gateway).serve(", "gateway.(*Gateway).answer(", "app.shortcut", "AllowOrigins"} {
				if strings.Contains(stacks[0], deep) {
					t.Errorf("%s waits within %s:\n%s", at.query, deep, stacks[0])
				}
			}
			if got := p.Inflight.State().Requests; at.function == "gateway.(*parts).rest" && got != 1 {
				t.Errorf("%d requests are under way while a stream waits, want 1", got)
			}
			if lines := p.logged.String(); strings.Contains(lines, `"msg":"request"`) {
				t.Errorf("a request is in the log before it has ended: %s", lines)
			}
			f.stop()
			<-f.ended
			if lines := strings.Count(p.logged.String(), `"msg":"request"`); lines != 1 {
				t.Errorf("%d lines of the access log for one request:\n%s", lines, p.logged.String())
			}
			if got := p.Inflight.State().Requests; got != 0 {
				t.Errorf("%d requests are under way after the last has ended", got)
			}
		})
	}
}

// A panic in the rest of an answer ends its connection and is in the log, as one in its handlers is.
func TestAPanicInTheRestOfAnAnswerEndsIt(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	var order []string
	handler := middleware.AccessLog(p.log, nil, nil, middleware.Recovery(p.log,
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "the first part")
			httpapi.SendRest(w, func() {
				order = append(order, "rest")
				panic("a-secret-value")
			})
			order = append(order, "handler")
		})))
	defer func() {
		if ended := recover(); ended != http.ErrAbortHandler { //nolint:errorlint // the value of a panic
			t.Errorf("the handler ended with %v", ended)
		}
		if got := strings.Join(order, " "); got != "handler rest" {
			t.Errorf("the order was %s", got)
		}
		if log := p.logged.String(); !strings.Contains(log, "panic while answering") || !strings.Contains(log, "partsstack_test.go") {
			t.Errorf("the log has %s", log)
		}
	}()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil))
}
