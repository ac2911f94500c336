package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// follower is a subscriber in the test's own process, for fake time. A value that the program writes is there without a
// read.
type follower struct {
	header http.Header
	stop   context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	status int
	text   strings.Builder
	gate   chan struct{} // writes wait for it to be closed; nil for a reader who is quick
}

func (f *follower) Header() http.Header    { return f.header }
func (f *follower) WriteHeader(status int) { f.status = status }
func (f *follower) Flush()                 {}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Write(p)
}

// hold makes the follower a slow reader until go on is called.
func (f *follower) hold() (goOn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return func() {
		f.mu.Lock()
		f.gate = nil
		f.mu.Unlock()
		close(gate)
	}
}

// follow subscribes in the bubble of the test.
func (p *program) follow(t *testing.T, accept, query string, header ...string) *follower {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	return p.followBody(t, accept, string(body), header...)
}

func (p *program) followBody(t *testing.T, accept, body string, header ...string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	f := &follower{header: http.Header{}, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		p.Handler.ServeHTTP(f, r)
	}()
	t.Cleanup(func() {
		stop()
		<-f.ended
		_, _ = p.answers.Write([]byte(f.raw()))
	})
	synctest.Wait()
	return f
}

func (f *follower) raw() string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

// payloads are those of all events so far, as they were sent. Heartbeats are none.
func (f *follower) payloads() (list []string) {
	for line := range strings.Lines(f.raw()) {
		text, isEvent := strings.CutPrefix(line, "data: ")
		if !isEvent && strings.HasPrefix(line, "{") {
			text, isEvent = line, line != "{}\r\n"
		}
		if text = strings.TrimSpace(text); isEvent && text != "" {
			list = append(list, text)
		}
	}
	return list
}

// events are the payloads without their envelopes.
func (f *follower) events(t *testing.T) (list []map[string]any) {
	t.Helper()
	for _, text := range f.payloads() {
		v := decoded(t, text)
		if payload, ok := v["payload"].(map[string]any); ok {
			v = payload
		}
		list = append(list, v)
	}
	return list
}

// left reports whether the program has ended the stream.
func (f *follower) left() bool {
	synctest.Wait()
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}
