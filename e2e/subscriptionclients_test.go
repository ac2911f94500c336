package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/learngraph/learngraph/explorer/browsertest"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// subscribers runs the real clients against a server.
func subscribers(t *testing.T, mode, base, sourceID, name string) {
	t.Helper()
	text := filepath.Join(folder(t, map[string]string{"schema.graphqls": schemaText()}), "schema.graphqls")
	runScript(t, 6, "node", "--experimental-eventsource", "--no-warnings", "subscriptions.mjs", mode, base, text, sourceID, name)
}

// clientsOf runs the real clients against a program that listens for them.
func clientsOf(t *testing.T, p *program, mode string) {
	t.Helper()
	s := httptest.NewServer(p.Handler)
	t.Cleanup(s.Close)
	id, name := firstUser(t, p)
	subscribers(t, mode, s.URL, id, name)
}

// graphql-sse, Apollo Client, urql, Relay and EventSource, as they are, get the answer and each change.
func TestClientsFollowAnAnswer(t *testing.T) {
	t.Parallel()
	needNode(t)
	p, _ := subscribed(t, nil)
	clientsOf(t, p, "changes")
}

// A client that sends queries and mutations as it sends subscriptions gets their answers as event streams too.
func TestClientsOfEventStreamsSendQueriesAndMutations(t *testing.T) {
	t.Parallel()
	needNode(t)
	p, _ := subscribed(t, nil)
	clientsOf(t, p, "operations")
}

func TestClientsShowThatSubscriptionsAreFull(t *testing.T) {
	t.Parallel()
	needNode(t)
	p, _ := subscribed(t, map[string]string{"SUBSCRIPTIONS": "1,10"})
	clientsOf(t, p, "bounds")
}

// Clients whose replica shuts down behind a proxy go on with another one, as far as they connect again by themselves.
func TestClientsGoOnWithAnotherReplica(t *testing.T) {
	t.Parallel()
	needNode(t)
	replica := func() (p *program, base *url.URL, stop func()) {
		p = start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true, UsersPerClient: 3},
			Env: map[string]string{"SHUTDOWN_DELAY": "0s", "CACHE_TTL": "1m"}})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- p.Serve(ctx, listener) }()
		t.Cleanup(func() {
			cancel()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
		return p, &url.URL{Scheme: "http", Host: listener.Addr().String()}, cancel
	}
	p, first, stop := replica()
	_, second, _ := replica()
	id, name := firstUser(t, p)
	var to atomic.Pointer[url.URL]
	to.Store(first)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to.Load()) }, FlushInterval: -1}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/drain") {
			to.Store(second)
			stop()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	subscribers(t, "drain", s.URL, id, name)
}

// A page follows an answer with the browser's own EventSource.
func TestAPageFollowsAnAnswer(t *testing.T) {
	t.Parallel()
	p, address := exploring(t)
	id, name := firstUser(t, p)
	page := browsertest.Open(t, address, 1280, 800)
	var first, second string
	page.Do("subscribe", chromedp.Evaluate(fmt.Sprintf(`new Promise((resolve, reject) => {
		window.source = new EventSource('/graphql?query=' + encodeURIComponent('subscription { user(by: {sourceId: "%s"}) { name } }'));
		window.waiting = resolve;
		source.addEventListener('next', (e) => waiting(JSON.parse(e.data).data.user.name));
		source.onerror = () => reject(new Error('the stream has failed'));
	})`, id), &first, awaited))
	if first != name {
		t.Errorf("first: got %q, want %q", first, name)
	}
	page.Do("wait for the next", chromedp.Evaluate(`window.second = new Promise((resolve) => { window.waiting = resolve; }); 1`, nil))
	rename(t, p, id, "Seen By The Page")
	page.Do("read the next", chromedp.Evaluate(`window.second`, &second, awaited))
	if second != "Seen By The Page" {
		t.Errorf("then: got %q", second)
	}
	page.Do("leave", chromedp.Evaluate(`source.close()`, nil))
	page.Behaved()
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
