package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

const (
	parts02 = "multipart/mixed;incrementalSpec=v0.2"
	parts01 = "multipart/mixed;deferSpec=20220824"
)

// delays has calls take a time that depends on their path, and notes which began and which were given up.
type delays struct {
	of func(r *http.Request) time.Duration

	mu             sync.Mutex
	begun, givenUp []string
}

func (d *delays) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		d.note(&d.begun, r)
		select {
		case <-time.After(d.of(r)):
		case <-r.Context().Done():
			d.note(&d.givenUp, r)
			return nil, r.Context().Err()
		}
		return next.RoundTrip(r)
	})
}

func (d *delays) note(list *[]string, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, r.URL.Path)
}

// slowPaths takes a time for each path that has one of the texts.
func slowPaths(times map[string]time.Duration) *delays {
	return &delays{of: func(r *http.Request) time.Duration {
		for text, time := range times {
			if strings.Contains(r.URL.Path, text) {
				return time
			}
		}
		return 0
	}}
}

// inPartsTime runs a test in fake time on a program whose calls take their time.
func inPartsTime(t *testing.T, d *delays, env map[string]string, test func(t *testing.T, p *program)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, CredentialsPerUser: 1, Linked: true}, Env: env, Wrap: d.wrap})
		test(t, p)
	})
}

// partsOf are the payloads so far. Those of multipart/mixed are the lines that begin with a brace.
func (f *follower) partsOf(t *testing.T) (list []map[string]any) {
	t.Helper()
	for _, text := range f.payloads() {
		list = append(list, decoded(t, text))
	}
	return list
}

const usersLater = `{ clients(first: 2) { nodes { name ... @defer(label: "users") { users { nodes { name } } } } } }`

// The first payload waits for its own backend alone, in each format.
func TestTheFirstPayloadWaitsForNoDeferredCall(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{parts02, parts01, "text/event-stream"} {
		d := slowPaths(map[string]time.Duration{"/incoming/": 20 * time.Millisecond, "/headless/": 200 * time.Millisecond, "/core/": time.Second, "/oauth/": 0})
		inPartsTime(t, d, nil, func(t *testing.T, p *program) {
			f := p.follow(t, accept, `{ clients(first: 1) { nodes { name ... @defer { users { nodes { name ... @defer { identity { sourceId } } } } } } } }`)
			for _, step := range []struct {
				until time.Duration
				want  int
			}{{19, 0}, {20, 1}, {219, 1}, {220, 2}, {2219, 2}, {2220, 3}} { // an identity takes two calls
				time.Sleep(step.until*time.Millisecond - time.Since(epoch(t)))
				if got := len(f.partsOf(t)); got != step.want {
					t.Errorf("%s: %d payloads after %d ms, want %d", accept, got, step.until, step.want)
				}
			}
		})
	}
}

// epoch is when the fake time of a test begins.
func epoch(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
}

// A stream of events has a comment within any 15 seconds.
func TestAnAnswerOfEventsBeatsWhileItWaits(t *testing.T) {
	t.Parallel()
	d := slowPaths(map[string]time.Duration{"/headless/": 50 * time.Second})
	inPartsTime(t, d, map[string]string{"OPERATION_TIMEOUT": "2m", "COASSEMBLE_TIMEOUT": "1m"}, func(t *testing.T, p *program) {
		f := p.follow(t, "text/event-stream", usersLater)
		for range 3 {
			before := len(f.raw())
			time.Sleep(15 * time.Second)
			if got := f.raw()[before:]; !strings.HasPrefix(got, ":") {
				t.Errorf("after 15 s: %q", got)
			}
		}
		time.Sleep(15 * time.Second)
		if got := f.partsOf(t); len(got) != 2 || !strings.HasSuffix(f.raw(), "event: complete\ndata: \n\n") {
			t.Errorf("got %v", got)
		}
	})
}

// The deadline of an operation is that of all its payloads: the last one comes then, and has the error.
func TestTheDeadlineEndsAnAnswerInParts(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{parts02, parts01} {
		d := slowPaths(map[string]time.Duration{"/headless/": time.Minute})
		inPartsTime(t, d, map[string]string{"OPERATION_TIMEOUT": "5s", "COASSEMBLE_TIMEOUT": "2m"}, func(t *testing.T, p *program) {
			f := p.follow(t, accept, usersLater)
			time.Sleep(4900 * time.Millisecond)
			if got := len(f.partsOf(t)); got != 1 {
				t.Errorf("%d payloads before the deadline", got)
			}
			time.Sleep(200 * time.Millisecond)
			got := f.partsOf(t)
			if len(got) != 2 || got[1]["hasNext"] != false || !strings.Contains(f.raw(), `"path":["clients","nodes",1,"users"]`) || !f.left() {
				t.Errorf("%s: got %s", accept, f.raw())
			}
			if !strings.HasSuffix(f.raw(), "\r\n--graphql--\r\n") {
				t.Errorf("%s: ends with %q", accept, f.raw())
			}
		})
	}
}

// A caller who leaves ends the calls of all parts.
func TestACallerWhoLeavesEndsTheRest(t *testing.T) {
	t.Parallel()
	d := slowPaths(map[string]time.Duration{"/headless/": 8 * time.Second})
	inPartsTime(t, d, nil, func(t *testing.T, p *program) {
		f := p.follow(t, parts02, usersLater)
		time.Sleep(time.Second)
		if len(f.partsOf(t)) != 1 || len(d.givenUp) != 0 {
			t.Errorf("got %s, given up %v", f.raw(), d.givenUp)
		}
		f.stop()
		time.Sleep(time.Millisecond)
		if !f.left() || len(d.givenUp) == 0 {
			t.Errorf("left %t, given up %v", f.left(), d.givenUp)
		}
	})
}

// A drain lets answers in parts finish, and ends those that do not with a last payload that has the reason.
func TestADrainEndsAnswersInParts(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{parts02, parts01, "text/event-stream"} {
		for _, takes := range []time.Duration{8 * time.Second, 40 * time.Second} {
			d := slowPaths(map[string]time.Duration{"/headless/": takes})
			env := map[string]string{"SHUTDOWN_DELAY": "0s", "SHUTDOWN_TIMEOUT": "20s", "OPERATION_TIMEOUT": "2m", "COASSEMBLE_TIMEOUT": "1m"}
			inPartsTime(t, d, env, func(t *testing.T, p *program) {
				ctx, stop := context.WithCancel(t.Context())
				listener := newWire()
				stopped := make(chan error, 1)
				go func() { stopped <- p.Serve(ctx, listener) }()
				transport := &http.Transport{DialContext: listener.dial}
				defer transport.CloseIdleConnections()
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/graphql", strings.NewReader(jsonOf(t, map[string]string{"query": usersLater})))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", accept)
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				stop()
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				ended := strings.Contains(string(text), "the server is shutting down")
				if took := time.Since(epoch(t)); ended != (takes > 20*time.Second) || took > 20*time.Second {
					t.Errorf("%s: after %s: %s", accept, took, text)
				}
				if ended && (!strings.Contains(string(text), `"path":["clients","nodes",0],"extensions"`) ||
					!strings.Contains(string(text), `"path":["clients","nodes",1],"extensions"`)) {
					t.Errorf("%s: an error has no path: %s", accept, text)
				}
				if !strings.Contains(string(text), `"hasNext":false}`) || ended && !strings.Contains(string(text), `"code":"`) {
					t.Errorf("%s: %s", accept, text)
				}
				if err := <-stopped; err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// Where a slot is short, calls of the first part start before deferred ones.
func TestCallsOfTheFirstPartStartFirst(t *testing.T) {
	t.Parallel()
	d := slowPaths(map[string]time.Duration{"": time.Second})
	inPartsTime(t, d, map[string]string{"COASSEMBLE_CONCURRENCY": "1", "CACHE_TTL": "0s"}, func(t *testing.T, p *program) {
		clients := p.backends.Clients()
		query := fmt.Sprintf(`{ ... @defer { a: embedClient(by: {sourceId: %q}) { userCount } b: users(first: 1) { nodes { name } } }
			c: embedClient(by: {sourceId: %q}) { userCount } embedClients(first: 1) { nodes { userCount } } }`, clients[1].Identifier, clients[0].Identifier)
		f := p.follow(t, parts02, query)
		for _, step := range [][2]int{{1, 0}, {2, 1}, {4, 2}} {
			seconds, want := step[0], step[1]
			time.Sleep(time.Until(epoch(t).Add(time.Duration(seconds) * time.Second)))
			if got := len(f.partsOf(t)); got != want {
				t.Errorf("%d payloads after %d s, want %d: %v", got, seconds, want, d.begun)
			}
		}
	})
}

// A backend that fails in a deferred part is an error there, with its path from the root, in both formats.
func TestAFailedBackendIsAnErrorOfItsPart(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{parts02, parts01} {
		inPartsTime(t, slowPaths(map[string]time.Duration{"/headless/": time.Second}), nil, func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: http.StatusForbidden})
			f := p.follow(t, accept, usersLater)
			time.Sleep(5 * time.Second)
			got := f.partsOf(t)
			if len(got) != 2 || got[0]["errors"] != nil {
				t.Fatalf("got %s", f.raw())
			}
			for i, inc := range incrementsOf(got[1]) {
				want := []any{"clients", "nodes", float64(i), "users"}
				errs, _ := inc["errors"].([]any)
				if len(errs) != 1 || fmt.Sprint(errs[0].(map[string]any)["path"]) != fmt.Sprint(want) || fmt.Sprint(inc["data"]) != "map[users:<nil>]" {
					t.Errorf("got %v", inc)
				}
			}
		})
	}
}

// ABORT ends the parts that are left when one of them fails, and their calls.
func TestAbortEndsTheLaterParts(t *testing.T) {
	t.Parallel()
	query := `{ clients(first: 1) { nodes { name ... @defer(label: "a") { users { nodes { name } } } } }
		... @defer(label: "b") { identities(first: 1) { nodes { sourceId } } } }`
	for _, accept := range []string{parts02, parts01} {
		d := slowPaths(map[string]time.Duration{"/headless/": time.Second, "/core/": 8 * time.Second})
		inPartsTime(t, d, nil, func(t *testing.T, p *program) {
			p.backends.SetFault("coassemble", emulator.Fault{Status: http.StatusForbidden})
			f := p.followBody(t, accept, jsonOf(t, map[string]string{"query": query, "onError": "ABORT"}))
			time.Sleep(7 * time.Second)
			got := f.partsOf(t)
			if len(got) != 2 || got[1]["hasNext"] != false || strings.Count(f.raw(), `"errors"`) != 2 || !f.left() || len(d.givenUp) == 0 {
				t.Errorf("%s: got %s, given up %v", accept, f.raw(), d.givenUp)
			}
		})
	}
}

// ABORT ends each part with the error, those too that failed with the same call.
func TestAbortEndsEachPartWithTheError(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`{ clients(first: 2) { nodes { name ... @defer { users { nodes { name } } embed { userCount } } } } }`,
		`{ clients(first: 2) { nodes { name ... @defer { users { nodes { name } } } ... @defer(label: "later") { slug } } } }`,
		`{ clients(first: 1) { nodes @stream { name users { nodes { name } } } } ... @defer { embedClients { nodes { userCount } } } }`,
	} {
		for _, accept := range []string{parts02, parts01, "text/event-stream"} {
			slow := slowPaths(map[string]time.Duration{"/headless/": time.Second})
			inPartsTime(t, slow, nil, func(t *testing.T, p *program) {
				p.backends.SetFault("coassemble", emulator.Fault{Status: http.StatusForbidden})
				f := p.followBody(t, accept, jsonOf(t, map[string]string{"query": query, "onError": "ABORT"}))
				time.Sleep(5 * time.Second)
				got := f.partsOf(t)
				if len(got) < 2 || got[len(got)-1]["hasNext"] != false {
					t.Fatalf("%s: got %s", accept, f.raw())
				}
				ends, ok := got[len(got)-1]["completed"].([]any)
				if accept == parts01 {
					ends, ok = got[len(got)-1]["incremental"].([]any)
				}
				for _, end := range ends {
					ok = ok && end.(map[string]any)["errors"] != nil
				}
				if !ok || len(ends) != 2 {
					t.Errorf("%s: got %v, want two parts that end with an error", accept, f.raw())
				}
			})
		}
	}
}

// The manifest's error behavior holds for payloads too, whatever the caller asks for.
func TestAManifestFixesWhatAnErrorDoesInParts(t *testing.T) {
	t.Parallel()
	text, _ := json.Marshal(map[string]any{"fixed": map[string]string{"body": usersLater, "onError": "ABORT"}, "free": usersLater})
	manifest := filepath.Join(folder(t, map[string]string{"documents.json": string(text)}), "documents.json")
	inPartsTime(t, slowPaths(map[string]time.Duration{"/headless/": time.Second}), map[string]string{"TRUSTED_DOCUMENTS": manifest, "TRUSTED_MODE": "only"}, func(t *testing.T, p *program) {
		p.backends.SetFault("coassemble", emulator.Fault{Status: http.StatusForbidden})
		for id, want := range map[string]string{"fixed": `"completed":[{"id":"0","errors":[`, "free": `"data":{"users":null}`} {
			f := p.followBody(t, parts02, jsonOf(t, map[string]string{"documentId": id, "onError": "NULL"}))
			time.Sleep(5 * time.Second)
			if !strings.Contains(f.raw(), want) {
				t.Errorf("%s: got %s", id, f.raw())
			}
		}
	})
}

// The last payload has what explain shows of the whole operation: the calls of each part.
func TestExplainComesWithTheLastPayload(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{parts02, parts01} {
		inPartsTime(t, slowPaths(map[string]time.Duration{"/headless/": time.Second}), map[string]string{"EXPLAIN": "true"}, func(t *testing.T, p *program) {
			f := p.follow(t, accept, usersLater, "X-Learngraph-Explain", "1")
			time.Sleep(5 * time.Second)
			got := f.partsOf(t)
			if len(got) != 2 || got[0]["extensions"] != nil {
				t.Fatalf("got %s", f.raw())
			}
			explain, _ := json.Marshal(got[1]["extensions"])
			if !strings.Contains(string(explain), "clients.nodes.1.users") && !strings.Contains(string(explain), "/headless/") || !strings.Contains(string(explain), "/incoming/") {
				t.Errorf("got %s", explain)
			}
		})
	}
}

// The bounds and the points of an operation count all its payloads.
func TestBoundsCountAllPayloads(t *testing.T) {
	t.Parallel()
	slow := map[string]time.Duration{"/headless/": time.Second}
	inPartsTime(t, slowPaths(slow), map[string]string{"OPERATION_CALLS": "1"}, func(t *testing.T, p *program) {
		f := p.follow(t, parts02, usersLater)
		time.Sleep(5 * time.Second)
		if !strings.Contains(f.raw(), `"code":"LIMIT_EXCEEDED"`) || !strings.Contains(f.raw(), `"name":"`) {
			t.Errorf("calls: got %s", f.raw())
		}
	})
	inPartsTime(t, slowPaths(slow), map[string]string{"MAX_COST": "3"}, func(t *testing.T, p *program) {
		for _, query := range []string{usersLater, strings.Replace(usersLater, ` @defer(label: "users")`, "", 1)} {
			if f := p.follow(t, parts02, query); !strings.Contains(f.raw(), `"code":"COST_LIMIT`) && !strings.Contains(f.raw(), "COST") {
				t.Errorf("points: got %s", f.raw())
			}
		}
	})
}
