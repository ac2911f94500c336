package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// needVarnish skips the test where Varnish or its module for tags is not installed.
func needVarnish(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("varnishd"); err != nil {
		missing(t, "varnishd is not on the PATH (Debian: varnish): nothing is tried through it")
	}
	if found, _ := filepath.Glob("/usr/lib/*/varnish/vmods/libvmod_xkey.so"); len(found) == 0 {
		missing(t, "Varnish has no module xkey (Debian: varnish-modules): nothing is tried through it")
	}
}

// varnish is the program behind a real Varnish, which is set up as documented.
type varnish struct {
	*program
	address string

	mu    sync.Mutex
	asked map[string]int // requests that reached the program, by their query
}

func behindVarnish(t *testing.T) *varnish {
	t.Helper()
	needVarnish(t)
	v := &varnish{address: freeAddress(t), asked: map[string]int{}}
	v.program = edged(t, map[string]string{"CDN_TAG_HEADER": "xkey", "CDN_PURGE_URL": "http://" + v.address + "/"})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.asked[r.URL.Query().Get("query")]++
		v.mu.Unlock()
		v.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(origin.Close)
	text, err := os.ReadFile(filepath.Join("..", "ops", "varnish.vcl"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(origin.Listener.Addr().String())
	vcl := filepath.Join(folder(t, map[string]string{"varnish.vcl": strings.Replace(string(text), `"8080"`, `"`+port+`"`, 1)}), "varnish.vcl")
	v.serve(t, vcl)
	return v
}

// serve starts varnishd and waits until it answers.
func (v *varnish) serve(t *testing.T, vcl string) {
	t.Helper()
	work, err := os.MkdirTemp("", "lgv") // its socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("varnishd", "-F", "-j", "none", "-n", work, "-a", v.address, "-f", vcl, "-s", "malloc,32m", "-T", "none",
		"-p", "http_resp_hdr_len=20k", "-p", "http_resp_size=64k", "-p", "workspace_backend=128k", "-p", "workspace_client=128k")
	sent := &transcript{}
	cmd.Stdout, cmd.Stderr = sent, sent
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		_ = os.RemoveAll(work)
		if t.Failed() {
			t.Log(sent.String())
		}
	})
	limit := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", v.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("varnishd does not answer: %s", sent.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// see asks through Varnish. asked is how often the program was asked this by then.
func (v *varnish) see(t *testing.T, query string, header ...string) (h *http.Response, body string, asked int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+v.address+"/graphql?query="+url.QueryEscape(query), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "localhost"
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return resp, string(raw), v.asked[query]
}

func TestAChangeIsSeenThroughVarnishAndNothingElseIsPurged(t *testing.T) {
	t.Parallel()
	v := behindVarnish(t)
	clients := v.backends.Clients()
	one := fmt.Sprintf(`{ client(by: {sourceId: %q}) { seatsUsedCount } }`, clients[0].ID)
	const list = `{ clients(first: 3) { nodes { sourceId seatsUsedCount } } }`
	others := []string{fmt.Sprintf(`{ client(by: {sourceId: %q}) { seatsUsedCount } }`, clients[1].ID), fmt.Sprintf(`{ client(by: {sourceId: %q}) { name } }`, clients[2].ID)}
	before := map[string]string{}
	for range 3 {
		for _, query := range append([]string{one, list}, others...) {
			_, body, asked := v.see(t, query)
			if asked != 1 {
				t.Errorf("%s: the program was asked %d times", query, asked)
			}
			before[query] = body
		}
	}
	v.backends.Enroll(clients[0].ID)
	v.deliver(t, "thoughtindustries", enrolment(clients[0].ID))
	for _, query := range []string{one, list} {
		v.changes(t, query, before[query])
	}
	for _, query := range others {
		if _, body, asked := v.see(t, query); asked != 1 || !cmp.Equal(body, before[query]) {
			t.Errorf("%s: it was purged: the program was asked %d times\n%s", query, asked, cmp.Diff(before[query], body))
		}
	}
	v.until(t, "purged tags are counted", func() bool {
		return v.figure(t, "cdn_purged_tags_total") >= "3" && v.figure(t, "cdn_pending_tags") == "0"
	})
	v.deletes(t, others[0], clients[1].ID)
}

// deletes has the operator purge a client whose answer Varnish holds.
func (v *varnish) deletes(t *testing.T, query, id string) {
	t.Helper()
	_, before, _ := v.see(t, query)
	v.backends.Enroll(id)
	if _, err := v.Purge(t.Context(), "Client", id); err != nil {
		t.Fatal(err)
	}
	v.changes(t, query, before)
}

func (v *varnish) changes(t *testing.T, query, before string) {
	t.Helper()
	v.until(t, query+" changes", func() bool {
		_, body, _ := v.see(t, query)
		return body != before
	})
}

// until waits for an effect of a process outside of the test.
func (v *varnish) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it never happens: %s", what)
		}
	}
}

// Varnish keeps an answer packed and unpacks it for who takes it as it is.
func TestAnAnswerThatVarnishUnpacksIsRevalidated(t *testing.T) {
	t.Parallel()
	v := behindVarnish(t)
	const query = `{ clients { nodes { sourceId name slug courses { nodes { sourceId title slug } } learningPaths { nodes { sourceId } } } } }`
	packed, _, _ := v.see(t, query, "Accept-Encoding", "gzip")
	plain, _, _ := v.see(t, query, "Accept-Encoding", "identity")
	tag := packed.Header.Get("ETag")
	if packed.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(tag, `W/"`) || plain.Header.Get("ETag") != tag {
		t.Errorf("packed %q with ETag %s, as it is %q with ETag %s", packed.Header.Get("Content-Encoding"), tag, plain.Header.Get("Content-Encoding"), plain.Header.Get("ETag"))
	}
	if again, body, asked := v.see(t, query, "Accept-Encoding", "identity", "If-None-Match", tag); again.StatusCode != http.StatusNotModified || body != "" || asked != 1 {
		t.Errorf("got %d after %d requests to the program", again.StatusCode, asked)
	}
	for _, coding := range []string{"gzip", "br", "zstd", "identity"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape(query), nil)
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Accept-Encoding", coding)
		r.Header.Set("If-None-Match", tag)
		if w := v.send(r); w.Code != http.StatusNotModified || w.Header().Get("ETag") != tag {
			t.Errorf("%s: got %d with ETag %s, want 304 with %s", coding, w.Code, w.Header().Get("ETag"), tag)
		}
	}
	if h := packed.Header; h.Get("xkey") != "" || !strings.Contains(h.Get("Cache-Status"), "Learngraph; fwd=miss; ttl=") {
		t.Errorf("got tags %q and Cache-Status %q", h.Get("xkey"), h.Get("Cache-Status"))
	}
}
