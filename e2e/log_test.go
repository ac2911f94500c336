package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// records returns the records of a log. Each line must be one, from the first byte on.
func records(t *testing.T, log string) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil || record["msg"] == nil || record["level"] == nil || record["time"] == nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("a line of the log is no record: %v %q", err, line)
		}
		list = append(list, record)
	}
	return list
}

// listening is a log that closes a channel once the program listens.
type listening struct {
	mu    sync.Mutex
	text  bytes.Buffer
	once  sync.Once
	ready chan struct{}
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if bytes.Contains(l.text.Bytes(), []byte("listening")) {
		l.once.Do(func() { close(l.ready) })
	}
	return len(p), nil
}

// logOf runs the program until it listens, or ends by itself, and returns its log and exit code.
func logOf(t *testing.T, env map[string]string) (string, int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &listening{ready: make(chan struct{})}
	code := make(chan int, 1)
	go func() { code <- run(ctx, nil, environment(env), &bytes.Buffer{}, log) }()
	select {
	case <-log.ready:
		stop()
	case c := <-code:
		return log.text.String(), c
	case <-time.After(time.Minute):
		t.Fatal("the program does not listen")
	}
	c := <-code
	return log.text.String(), c
}

func TestTheLogIsRecordsFromItsFirstByte(t *testing.T) {
	t.Parallel()
	log, code := logOf(t, map[string]string{"LISTEN": "127.0.0.1:0", "METRICS_LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0", "MAX_INFLIGHT": "77"})
	var messages []string
	var changed map[string]any
	for _, r := range records(t, log) {
		messages = append(messages, fmt.Sprint(r["msg"]))
		if r["msg"] == "settings" {
			changed, _ = r["changed"].(map[string]any)
		}
		for _, name := range []string{"address", "operator"} {
			if text := fmt.Sprint(r[name]); r["msg"] == "listening" && (!strings.HasPrefix(text, "127.0.0.1:") || strings.HasSuffix(text, ":0")) {
				t.Errorf("%s is %s, which is no address to reach", name, text)
			}
		}
	}
	if diff := cmp.Diff([]string{"starting", "settings", "listening", "draining", "stopped"}, messages); diff != "" || code != 0 {
		t.Errorf("exit code %d, records (-want +got):\n%s", code, diff)
	}
	if changed["MAX_INFLIGHT"] != "77" || changed["THOUGHTINDUSTRIES_API_KEY"] != "(secret)" || changed["MAX_INFLIGHT_BYTES"] != nil {
		t.Errorf("the settings that differ from their defaults: got %v", changed)
	}
	if strings.Contains(log, emulator.APIKey) || strings.Contains(log, emulator.ClientSecret) {
		t.Errorf("the log shows a secret: %s", log)
	}
}

func TestAServerThatCannotStartLogsTheReason(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	log, code := logOf(t, map[string]string{"LISTEN": taken.Addr().String()})
	list := records(t, log)
	if last := list[len(list)-1]; code == 0 || last["level"] != "ERROR" || !strings.HasPrefix(fmt.Sprint(last["cause"]), "LISTEN: ") {
		t.Errorf("exit code %d, got %v", code, last)
	}
}

func TestTheLogHasTheFormAndLevelOfTheSettings(t *testing.T) {
	t.Parallel()
	base := map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0"}
	text, _ := logOf(t, map[string]string{"LISTEN": base["LISTEN"], "SHUTDOWN_DELAY": "0", "LOG_FORMAT": "text"})
	if !strings.HasPrefix(text, "time=") || !strings.Contains(text, "msg=listening") {
		t.Errorf("text: got %s", text)
	}
	for level, want := range map[string]int{"info": 1, "warn": 0} {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		log, _ := logOf(t, map[string]string{"LISTEN": taken.Addr().String(), "LOG_LEVEL": level})
		_ = taken.Close()
		if got := strings.Count(log, `"msg":"starting"`); got != want || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("%s: got %s", level, log)
		}
	}
}

// requestRecords returns the log's records of requests, without members that differ from run to run.
func (p *program) requestRecords(t *testing.T) (list []map[string]any) {
	t.Helper()
	for _, r := range records(t, p.logged.String()) {
		if r["msg"] != "request" {
			continue
		}
		if took, ok := r["durationMs"].(float64); !ok || took < 0 {
			t.Errorf("the duration is no number: %v", r)
		}
		for _, name := range []string{"time", "msg", "level", "requestId", "durationMs", "bytes", "cost"} {
			delete(r, name)
		}
		list = append(list, r)
	}
	return list
}

func TestARequestIsOneRecordOfWhatItWas(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2}, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s", "TRUSTED_PROXIES": "192.0.2.0/24, 10.1.1.1",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"reader-key": {"scopes": []string{"clients:read"}}})}})
	send := func(key, forwarded, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-API-Key", key)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		p.send(r)
	}
	const clients = `{"query":"query Clients { clients { nodes { name } } }"}`
	send("reader-key", "", clients)
	send("reader-key", "198.51.100.7", clients)
	send("reader-key", "203.0.113.1, 198.51.100.8, 10.1.1.1", `{"query":"query Users { users { nodes { name } } }"}`)
	send("another-key", "garbage", clients)
	send("reader-key", "", `{"query":"{ nothing }"}`)
	send("reader-key", "", `[`+clients+`,`+clients+`]`)
	send("reader-key", "", `[`+strings.Repeat(clients+",", 10)+clients+`]`)
	p.probe(t, "/healthz")
	p.probe(t, "/readyz")
	row := func(pairs ...any) map[string]any {
		r := map[string]any{"method": "POST", "path": "/graphql", "status": 200.0, "remote": "192.0.2.1"}
		for i := 0; i < len(pairs); i += 2 {
			r[fmt.Sprint(pairs[i])] = pairs[i+1]
		}
		return r
	}
	want := []map[string]any{
		row("caller", "reader-key", "operation", "Clients", "kind", "query", "cache", "miss", "calls", 1.0),
		row("caller", "reader-key", "operation", "Clients", "kind", "query", "cache", "hit", "calls", 0.0, "remote", "198.51.100.7"),
		row("caller", "reader-key", "operation", "Users", "kind", "query", "cache", "hit", "calls", 0.0, "code", "FORBIDDEN", "remote", "198.51.100.8"),
		row("refused", "unknown API key", "status", 401.0, "code", "UNAUTHENTICATED"),
		row("caller", "reader-key", "calls", 0.0, "code", "GRAPHQL_VALIDATION_FAILED"),
		row("caller", "reader-key", "operation", "Clients", "kind", "query", "cache", "hit", "calls", 0.0, "operations", 2.0),
		row("caller", "reader-key", "code", "LIMIT_EXCEEDED"),
	}
	if diff := cmp.Diff(want, p.requestRecords(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestUnknownMembersAreLoggedWithAdvice(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	p.post(t, `{ clients { nodes { name } } }`, nil)
	list := slices.DeleteFunc(records(t, p.logged.String()), func(r map[string]any) bool { return r["msg"] == "request" })
	if len(list) == 0 {
		t.Error("the log says nothing of members that the schema lacks")
	}
	for _, r := range list {
		if r["level"] != "INFO" || !strings.Contains(fmt.Sprint(r["msg"]), "schema.graphqls") {
			t.Errorf("got %v", r)
		}
	}
}
