package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream/emulator"
)

var (
	// siegeTime is how long the siege lasts; by hand it is minutes.
	siegeTime = flag.Duration("siege", 3*time.Second, "how long TestTheProgramWithstandsASiege lasts")
	// siegeGroup is what .ci/siege makes: a group with the memory of a small container, for the program alone.
	siegeGroup = flag.String("siege-group", "", "control group `folder` that TestTheProgramWithstandsASiege runs the program in")
)

// siegeChild is set in the process that is the program.
const siegeChild = "LEARNGRAPH_TEST_SIEGE"

// siege is a program in a process of its own under attack by callers with ordinary keys while its backends fail.
type siege struct {
	t        *testing.T
	backends *emulator.Emulator
	address  string // of the program
	operator string // of its operator's listener
	process  *exec.Cmd
	collect  io.Writer     // a line has the program collect its garbage
	ended    chan struct{} // closed when the program has ended
	log      tail

	callers map[string][]string // keys, and the operations that each asks
	foreign map[string][]string // the values that the answers to a key must not show
	keys    []string
	until   time.Time
	sent    atomic.Int64
	peak    atomic.Int64 // the most anonymous memory that the program had, in bytes
}

// tail is the end of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) read(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		l.mu.Lock()
		l.lines = append(l.lines[max(len(l.lines)-40, 0):], lines.Text())
		l.mu.Unlock()
	}
}

// besieged is the program. It collects its garbage for each line that it reads.
func besieged() int {
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			runtime.GC()
			debug.FreeOSMemory()
		}
	}()
	return cli.Run(context.Background(), cli.Program{Schema: schemaText(), Getenv: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr,
		Prepare: func(cfg *config.Config) {
			app.FitMemory(cfg, os.Getenv)
			app.TuneGC(os.Getenv)
		}})
}

// start runs the program and waits until it serves.
func (s *siege) start(settings map[string]string) {
	s.t.Helper()
	command := []string{os.Args[0], "-test.run=^" + s.t.Name() + "$"}
	env := []string{siegeChild + "=1"}
	if *siegeGroup != "" {
		command = append([]string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, *siegeGroup}, command...)
	} else {
		env = append(env, "GOMEMLIMIT=230MiB") // the limit of a container of 256 MiB
	}
	for name, value := range settings {
		env = append(env, name+"="+value)
	}
	s.process = exec.CommandContext(context.WithoutCancel(s.t.Context()), command[0], command[1:]...)
	s.process.Env = env
	in, err := s.process.StdinPipe()
	out, err2 := s.process.StdoutPipe()
	log, err3 := s.process.StderrPipe()
	if err := errors.Join(err, err2, err3, s.process.Start()); err != nil {
		s.t.Fatal(err)
	}
	s.collect, s.ended = in, make(chan struct{})
	go s.log.read(log)
	line, err := bufio.NewReader(out).ReadString('\n')
	at := strings.Index(line, "http://")
	if err != nil || at < 0 {
		s.t.Fatalf("the program does not serve: %v %s\n%s", err, line, strings.Join(s.log.lines, "\n"))
	}
	s.address = strings.TrimSpace(line[at:])
	go func() {
		_ = s.process.Wait()
		close(s.ended)
	}()
}

// stop ends the program, which must not have ended before.
func (s *siege) stop() {
	select {
	case <-s.ended:
		s.log.mu.Lock()
		defer s.log.mu.Unlock()
		s.t.Errorf("the program ended: %v\n%s", s.process.ProcessState, strings.Join(s.log.lines, "\n"))
	default:
		s.log.mu.Lock()
		records(s.t, strings.Join(s.log.lines, "\n")+"\n")
		s.log.mu.Unlock()
		_ = s.process.Process.Signal(syscall.SIGTERM)
		<-s.ended
	}
}

// freeAddress returns an address that is not in use.
func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func newSiege(t *testing.T) *siege {
	options := emulator.Options{Clients: 4, Linked: true, UsersPerClient: 3, CoursesPerClient: 2, LearningPathsPerClient: 1, CredentialsPerUser: 2, ProviderInList: true, Seed: 12}
	catalogue := emulator.New(options)
	clients := catalogue.Clients()
	defer catalogue.Close()
	scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "fresh", "explain"}
	s := &siege{t: t, callers: map[string][]string{}, foreign: map[string][]string{}, keys: []string{"whole-key", "first-key", "second-key"}}
	s.backends = emulator.New(options)
	backends := httptest.NewServer(s.backends)
	s.operator = freeAddress(t)
	settings := emulator.Settings(backends.URL)
	maps.Copy(settings, map[string]string{"LISTEN": "127.0.0.1:0", "METRICS_LISTEN": s.operator, "THOUGHTINDUSTRIES_RATE": "0", "COASSEMBLE_RATE": "0",
		"MATTR_RATE": "0", "AUTH": "keys", "CACHE_TTL": "2s", "CACHE_STALE": "10s", "OPERATION_TIMEOUT": "2s", "SHUTDOWN_DELAY": "0",
		"EXPLAIN": "true", "CAPTURE_DIR": t.TempDir(), "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
			"whole-key": {"scopes": scopes}, "first-key": {"scopes": scopes, "clients": []string{clients[0].Identifier}},
			"second-key": {"scopes": scopes, "clients": []string{clients[1].Identifier}}})})
	s.start(settings)
	t.Cleanup(func() {
		s.stop()
		backends.CloseClientConnections()
		backends.Close()
		s.backends.Close()
	})
	for i, key := range s.keys {
		own, other := clients[max(i-1, 0)], clients[i+1]
		for name, list := range boundOperations(own, other, catalogue.Users(own.Identifier)[0], catalogue.Users(other.Identifier)[0]) {
			if !strings.HasPrefix(name, "delete") {
				s.callers[key] = append(s.callers[key], list...)
			}
		}
		for _, c := range clients {
			if key == "whole-key" || c == own {
				continue
			}
			s.foreign[key] = append(s.foreign[key], c.ID, c.Slug, c.Name)
			for _, u := range catalogue.Users(c.Identifier) {
				s.foreign[key] = append(s.foreign[key], jsonText(u.Identifier), u.IdentityID)
			}
		}
	}
	return s
}

// attack sends operations of all callers, each document once, until the siege ends.
func (s *siege) attack(r *rand.Rand) error {
	for time.Now().Before(s.until) {
		key := s.keys[r.IntN(len(s.keys))]
		query := fmt.Sprintf("# %d\n%s", r.Uint64(), s.callers[key][r.IntN(len(s.callers[key]))])
		body, err := json.Marshal(map[string]any{"query": query})
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodPost, s.address, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-API-Key", key)
		switch r.IntN(12) {
		case 0:
			req.Header.Set("X-Learngraph-Timeout", "20ms")
		case 1:
			req.Header.Set("Cache-Control", "no-cache")
		case 2:
			req.Header.Set("X-Learngraph-Capture", "1")
		case 3:
			req.Header.Set("Accept-Encoding", "br")
		}
		status, text, err := s.ask(req)
		if err != nil {
			return err
		}
		s.sent.Add(1)
		if status >= 500 && status != http.StatusServiceUnavailable {
			s.t.Errorf("%s: status %d: %s", query, status, text)
		}
		for _, marker := range s.foreign[key] {
			if strings.Contains(text, marker) {
				s.t.Errorf("%s of %s: the answer shows %q", query, key, marker)
			}
		}
	}
	return nil
}

// ask returns the status and the text of an answer.
func (s *siege) ask(req *http.Request) (int, string, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var body io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "br" {
		body = brotli.NewReader(body)
	}
	text, err := io.ReadAll(body)
	return resp.StatusCode, string(text), err
}

// fail makes routes of the backends fail in all ways, one after the other.
func (s *siege) fail(r *rand.Rand) error {
	routes := []string{"", "thoughtindustries", "coassemble", "mattr", "GET /v1/headless/user/{identifier}", "GET /v1/headless/users", "GET /core/v1/users/{id}", "POST /core/v1/users/search"}
	for time.Now().Before(s.until) {
		s.backends.SetFault(routes[r.IntN(len(routes))], emulator.Fault{Kind: emulator.FaultKind(r.IntN(int(emulator.FaultErrors200) + 1)), Status: 503,
			Probability: 0.5, Times: 1 + r.IntN(10)})
		time.Sleep(50 * time.Millisecond)
		s.backends.ClearFaults()
		time.Sleep(50 * time.Millisecond)
		s.backends.Reset() // the journal of calls is the test's own memory
	}
	return nil
}

func (s *siege) last(d time.Duration) {
	s.until = time.Now().Add(d)
	var group task.Group
	done := func(err error) {
		if err != nil {
			s.t.Errorf("an attacker ended: %v", err)
		}
	}
	for n := range uint64(6) {
		group.Go(func() error { return s.attack(rand.New(rand.NewPCG(n, uint64(d)))) }, done)
	}
	group.Go(s.watch, done)
	group.Go(func() error { return s.fail(rand.New(rand.NewPCG(7, uint64(d)))) }, done)
	group.Wait()
}

// watch looks at how much memory the program has that the kernel cannot take back.
func (s *siege) watch() error {
	for ; time.Now().Before(s.until); time.Sleep(20 * time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
		if err != nil {
			return nil // there is no such file elsewhere, and none any more once the program has ended
		}
		_, rest, _ := strings.Cut(string(status), "RssAnon:")
		if fields := strings.Fields(rest); len(fields) > 0 {
			kib, _ := strconv.ParseInt(fields[0], 10, 64)
			s.peak.Store(max(s.peak.Load(), kib<<10))
		}
	}
	return nil
}

// memoryStats are the program's own numbers about its memory, in bytes.
type memoryStats struct{ heap, cached int64 }

// memoryStats returns them once the program has collected its garbage and requests that were given up have ended.
func (s *siege) memoryStats() (f memoryStats) {
	s.t.Helper()
	pause := min(*siegeTime/3, 3*time.Second)
	for range 3 {
		time.Sleep(pause)
		_, _ = io.WriteString(s.collect, "\n")
	}
	time.Sleep(pause)
	req, err := http.NewRequest(http.MethodGet, "http://"+s.operator+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	status, text, err := s.ask(req)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("/metrics: %d, %v", status, err)
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		value, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "go_memstats_heap_alloc_bytes":
			f.heap = int64(value)
		case "learngraph_cache_memory_bytes":
			f.cached = int64(value)
		}
	}
	if f.heap == 0 || f.cached == 0 {
		s.t.Fatalf("/metrics lacks the memory: %+v", f)
	}
	return f
}

// Under faults, captures, writes, short deadlines and documents that never come twice, nothing ends the program, no value
// of another client is shown, and the heap without the cache comes back to its former size.
func TestTheProgramWithstandsASiege(t *testing.T) {
	if os.Getenv(siegeChild) != "" {
		os.Exit(besieged())
	}
	t.Parallel()
	s := newSiege(t)
	s.last(*siegeTime / 3)
	before := s.memoryStats()
	s.last(*siegeTime)
	after := s.memoryStats()
	t.Logf("%d requests; live heap %d MiB and in it cache %d MiB, then %d and %d; %d MiB anonymous at most", s.sent.Load(),
		before.heap>>20, before.cached>>20, after.heap>>20, after.cached>>20, s.peak.Load()>>20)
	if grown := after.heap - before.heap - max(after.cached-before.cached, 0); grown > before.heap/5+4<<20 {
		t.Errorf("the live heap grew by %d bytes beside what the cache did", grown)
	}
}
