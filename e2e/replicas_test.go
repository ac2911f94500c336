package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// redisServer starts the redis-server on the PATH.
func redisServer(t *testing.T) (url string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "redis-server is not on the PATH: replicas are not tried")
	}
	for range 10 { // another process may take the port first
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
				return "redis://127.0.0.1:" + port
			}
		}
	}
	t.Fatal("redis-server finds no port")
	return ""
}

// replicaChild has the settings of a replica in a process of its own.
const replicaChild = "LEARNGRAPH_TEST_REPLICA"

// crowd is many subscribers of one question.
type crowd struct {
	mu   sync.Mutex
	seen map[string]int // by the event's data
	wake chan struct{}
}

// join subscribes n times. The streams end with the test or the server.
func (c *crowd) join(t *testing.T, address, query string, n int) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	for range n {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/graphql", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", events)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %v, %v", resp, err)
		}
		go func() {
			defer func() { _ = resp.Body.Close() }()
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					c.mu.Lock()
					c.seen[text]++
					c.mu.Unlock()
					select {
					case c.wake <- struct{}{}:
					default:
					}
				}
			}
		}()
	}
}

// wait waits until so many have seen a name, each once.
func (c *crowd) wait(t *testing.T, name string, n int) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		got := c.seen[fmt.Sprintf(`{"data":{"user":{"name":%q}}}`, name)]
		c.mu.Unlock()
		if got == n {
			return
		}
		select {
		case <-c.wake:
		case <-timeout:
			t.Fatalf("%d of %d subscribers have seen %q", got, n, name)
		}
	}
}

// A thousand subscribers of one question on two replicas cost the calls of one, and one replica goes on when the other
// is killed.
func TestReplicasAskOnceForAllSubscribers(t *testing.T) {
	if text := os.Getenv(replicaChild); text != "" {
		var env map[string]string
		if err := json.Unmarshal([]byte(text), &env); err != nil {
			t.Fatal(err)
		}
		os.Exit(run(context.Background(), nil, func(name string) string { return env[name] }, os.Stdout, os.Stderr))
	}
	t.Parallel()
	const lifetime = 5 * time.Second
	backends := emulator.New(emulator.Options{Clients: 2, Linked: true, UsersPerClient: 3})
	t.Cleanup(backends.Close)
	server := httptest.NewServer(backends)
	t.Cleanup(server.Close)
	env := emulator.Settings(server.URL)
	maps.Copy(env, map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0s", "REDIS_URL": redisServer(t), "REDIS_TIMEOUT": "2s",
		"CACHE_TTL": lifetime.String(), "SUBSCRIPTIONS": "1000,1000", "REPLICAS": "2"})
	settings, _ := json.Marshal(env)
	var replicas []*exec.Cmd
	id := backends.Users(backends.Clients()[0].Identifier)[0].Identifier
	backends.Rename(id, "Before")
	all := crowd{seen: map[string]int{}, wake: make(chan struct{}, 1)}
	began := time.Now()
	for range 2 {
		cmd, address := startChild(t, replicaChild, os.Stderr, replicaChild+"="+string(settings))
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		replicas = append(replicas, cmd)
		all.join(t, address, userQuery(id), 500)
	}
	all.wait(t, "Before", 1000)
	for _, name := range []string{"Once", "Twice"} {
		backends.Rename(id, name)
		all.wait(t, name, 1000)
	}
	// Values are refreshed up to a tenth of their lifetime early, so that they do not all end at once.
	most := 2 + int(time.Since(began)/(lifetime-lifetime/10))
	if got := len(backends.Calls()); got > most {
		t.Errorf("1000 subscribers took %d calls in %v, want at most %d", got, time.Since(began), most)
	}
	_ = replicas[0].Process.Kill()
	_ = replicas[0].Wait()
	killed := time.Now()
	backends.Rename(id, "Alone")
	all.wait(t, "Alone", 500)
	if took := time.Since(killed); took > 2*lifetime {
		t.Errorf("the other replica went on after %v", took)
	}
}
