package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// TestRunServesTheDemoUntilASignal starts the program as its user does, and follows its output.
func TestRunServesTheDemoUntilASignal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, announced := io.Pipe()
	stderr := &transcript{}
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"-demo", "-listen", "127.0.0.1:0"}, func(string) string { return "" }, announced, stderr)
		_ = announced.Close()
	}()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/graphql`)
	var target, command string
	lines := bufio.NewScanner(out)
	for command == "" && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "curl ") {
			command = lines.Text()
		} else if target == "" {
			target = address.FindString(lines.Text())
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	_, body, ok := strings.Cut(command, "-d '")
	if !ok || target == "" || !strings.Contains(command, target) {
		t.Fatalf("got address %q and command %q\n%s", target, command, stderr)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(strings.TrimSuffix(body, "'")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(answer), `"errors"`) {
		t.Errorf("got %d %s %v", resp.StatusCode, answer, err)
	}
	for _, want := range []string{`"courses"`, `"learningPaths"`, `"licenses"`, `"users"`, `"credentials"`} {
		if !strings.Contains(string(answer), want) {
			t.Errorf("the demonstration's answer has no %s", want)
		}
	}
	cancel()
	if code := <-exit; code != cli.ExitOK {
		t.Errorf("got exit code %d, want %d\n%s", code, cli.ExitOK, stderr)
	}
	if !strings.Contains(stderr.String(), `"requestId":"`+resp.Header.Get("X-Request-Id")+`"`) {
		t.Errorf("the log of the program has no line for the request:\n%s", stderr)
	}
	for _, secret := range []string{emulator.APIKey, emulator.Authorization, emulator.ClientSecret, "emulator-token"} {
		if strings.Contains(stderr.String(), secret) || strings.Contains(string(answer), secret) {
			t.Errorf("the program shows the secret %q", secret)
		}
	}
}

func TestTheLinksThatAreAnnouncedOpen(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"LISTEN": "[::]:0", "AUTH": "none", "EXPLORER": "true", "SHUTDOWN_DELAY": "0"}})
	ctx, cancel := context.WithCancel(t.Context())
	out, announced := io.Pipe()
	stopped := make(chan error, 1)
	go func() {
		err := p.ListenAndServe(ctx, announced)
		_ = announced.Close()
		stopped <- err
	}()
	lines, links := bufio.NewScanner(out), map[string]string{}
	for _, name := range []string{"GraphQL", "The explorer"} {
		if !lines.Scan() {
			t.Fatal(<-stopped)
		}
		link, ok := strings.CutPrefix(lines.Text(), name+" is at ")
		if !ok {
			t.Fatalf("got %q", lines.Text())
		}
		links[name] = link
	}
	// The program serves once all lines were taken.
	for name, link := range links {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); name == "The explorer" && !strings.HasPrefix(got, "text/html") {
			t.Errorf("%s is %s", link, got)
		}
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestRunRefusesToStartWithASentence(t *testing.T) {
	t.Parallel()
	stderr := &transcript{}
	code := run(t.Context(), nil, environment(map[string]string{"MATTR_URL": "http://tenant.example"}), io.Discard, stderr)
	if code != cli.ExitUsage || !strings.Contains(stderr.String(), "learngraph: MATTR_URL must be https") {
		t.Errorf("got exit code %d and %q", code, stderr)
	}
	stderr = &transcript{}
	code = run(t.Context(), nil, environment(map[string]string{"LISTEN": "127.0.0.1:99999"}), io.Discard, stderr)
	if code == cli.ExitOK {
		t.Errorf("got exit code %d for an address that cannot be bound: %s", code, stderr)
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Latency: 200 * time.Millisecond}, Env: map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0"}})
	ctx, cancel := context.WithCancel(t.Context())
	out, announced := io.Pipe()
	stopped := make(chan error, 1)
	go func() { stopped <- p.ListenAndServe(ctx, announced) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	target := strings.TrimSpace(line[strings.Index(line, "http://"):])
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get(target + "?query=%7Bclients%7Bnodes%7Bname%7D%7D%7D")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(resp.StatusCode, " ", string(body), err)
	}()
	for len(p.backends.Calls()) == 0 {
		select {
		case got := <-answered:
			t.Fatalf("answered before the backend was asked: %s", got)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if got := <-answered; !strings.Contains(got, `"name"`) {
		t.Errorf("got %s: the request in flight was cut off", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("got %v", err)
	}
}

// wire is a listener in memory.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newWire() *wire { return &wire{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }

func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case w.conns <- server:
		return client, nil
	case <-w.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// TestDraining stops a program that has ten seconds of delay and twenty to finish, while each answer takes eight.
func TestDraining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Latency: 8 * time.Second}, Env: map[string]string{"SHUTDOWN_DELAY": "10s", "SHUTDOWN_TIMEOUT": "20s"}})
		ctx, stop := context.WithCancel(t.Context())
		listener := newWire()
		stopped := make(chan error, 1)
		go func() { stopped <- p.Serve(ctx, listener) }()
		transport := &http.Transport{DialContext: listener.dial}
		defer transport.CloseIdleConnections()
		begin := time.Now()
		ask := func(path string) string {
			resp, err := (&http.Client{Transport: transport}).Get("http://localhost" + path)
			if err != nil {
				return fmt.Sprintf("refused: %t", errors.Is(err, syscall.ECONNREFUSED))
			}
			defer func() { _ = resp.Body.Close() }()
			body, _ := io.ReadAll(resp.Body)
			return fmt.Sprintf("%d %.9s closed: %t after %s", resp.StatusCode, strings.TrimSpace(string(body)), resp.Close, time.Since(begin))
		}
		expect := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		const query = "/graphql?query=%7Bclients%7Bnodes%7Bname%7D%7D%7D"
		expect("before", ask("/readyz"), "200 ready closed: false after 0s")
		early, late := make(chan string, 1), make(chan string, 1)
		go func() { early <- ask(query) }()
		time.Sleep(5 * time.Second)
		stop()
		time.Sleep(4 * time.Second)
		expect("told to stop", ask("/readyz"), "503 draining closed: true after 9s")
		expect("a request from before", <-early, `200 {"data":{ closed: true after 8s`)
		go func() { late <- ask(query) }()
		time.Sleep(7 * time.Second)
		expect("after the delay", ask("/readyz"), "refused: true")
		expect("a request from within the delay", <-late, `200 {"data":{ closed: true after 17s`)
		if err := <-stopped; err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// TestASecondSignalEndsTheProgramAtOnce runs the program in a process of its own, which would drain for an hour.
func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	const child = "LEARNGRAPH_TEST_CHILD"
	if os.Getenv(child) != "" {
		env := environment(map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "1h"})
		os.Exit(run(context.Background(), nil, env, io.Discard, os.Stderr))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for draining := false; !draining && lines.Scan(); draining = strings.Contains(lines.Text(), `"draining"`) {
		records(t, lines.Text()+"\n")
		_ = cmd.Process.Signal(syscall.SIGTERM) // of many lines: it must be one that the program receives
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			var signalled *exec.ExitError
			if !errors.As(err, &signalled) {
				t.Errorf("got %v, want an end by the signal", err)
			}
			return
		case <-time.After(time.Millisecond):
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

func TestHealthIsAboutTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	p.backends.SetFault("", emulator.Fault{Status: 403})
	p.post(t, `{ clients { nodes { name } } users { nodes { name } } identities { nodes { id } } }`, nil)
	if got := p.probe(t, "/healthz"); got != http.StatusOK {
		t.Errorf("got %d, want 200 whatever the backends do", got)
	}
}

// probe asks the public listener, and checks that the operator's answer is the same.
func (p *program) probe(t *testing.T, path string) int {
	t.Helper()
	public := p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	operator := httptest.NewRecorder()
	p.Operator(false).Handler().ServeHTTP(operator, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://10.0.0.7:9090"+path, nil))
	if operator.Code != public.Code || operator.Body.String() != public.Body.String() {
		t.Errorf("%s: the operator's listener answers %d %q, the public one %d %q", path, operator.Code, operator.Body, public.Code, public.Body)
	}
	return public.Code
}

func TestReadinessEndsOnlyWhileEveryBackendFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
		const everything = `{ clients { nodes { name } } users { nodes { name } } identities { nodes { id } } }`
		expect := func(when string, want int) {
			t.Helper()
			if got := p.probe(t, "/readyz"); got != want {
				t.Errorf("%s: got %d, want %d", when, got, want)
			}
		}
		expect("before any call", http.StatusOK)
		p.backends.SetFault("coassemble", emulator.Fault{Status: 403})
		p.backends.SetFault("thoughtindustries", emulator.Fault{Status: 403})
		p.post(t, everything, nil)
		expect("while one backend answers", http.StatusOK)
		p.backends.SetFault("mattr", emulator.Fault{Status: 403})
		p.post(t, everything, nil)
		expect("while every backend fails", http.StatusServiceUnavailable)
		p.backends.Reset()
		time.Sleep(29 * time.Second)
		expect("shortly after", http.StatusServiceUnavailable)
		time.Sleep(time.Second)
		expect("once the failures are old", http.StatusOK)
		if calls := p.calls(); len(calls) > 0 {
			t.Errorf("the probe called backends: %v", calls)
		}
	})
}

func TestAValidRequestIDIsUsed(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, test := range []struct {
		name, given string
		kept        bool
	}{
		{"a plain one", "req-1_A.b", true},
		{"64 characters", strings.Repeat("a", 64), true},
		{"65 characters", strings.Repeat("a", 65), false},
		{"none", "", false},
		{"a space", "a b", false},
		{"a line of a log", "a\" level=ERROR", false},
		{"letters of another alphabet", "идентификатор", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query=%7B__typename%7D", nil)
		r.Header.Set("X-Request-Id", test.given)
		got := p.send(r).Header().Get("X-Request-Id")
		if (got == test.given) != test.kept || got == "" {
			t.Errorf("%s: got %q for %q", test.name, got, test.given)
		}
		if !strings.Contains(p.logged.String(), `"requestId":"`+got+`"`) {
			t.Errorf("%s: no line of the log has the id %q", test.name, got)
		}
	}
}

func TestTheAccessLogHasNoQueryStringsAndNoClaims(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
	p.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet,
		"/graphql?query=query($id:ID!){user(by:{sourceId:$id}){name}}&variables=%7B%22id%22%3A%22a-person%22%7D", nil))
	p.backends.SetFault("mattr", emulator.Fault{Status: 400, Body: `{"code":"BadRequest","message":"Validation Error","details":[{"value":"a-claim-value","msg":"Invalid value","param":"claims","location":"body"}]}`})
	p.post(t, `{ identities(filter: {claims: {familyName: "a-claim-value"}}) { nodes { id } } }`, nil)
	p.post(t, `mutation { updateIdentity(input: {by: {sourceId: "a-person"}, claims: {familyName: "a-claim-value"}}) { userErrors { code message } } }`, nil)
	logged := p.logged.String()
	for _, hidden := range []string{"a-person", "a-claim-value", "sourceId", "familyName"} {
		if strings.Contains(logged, hidden) {
			t.Errorf("the log shows %q:\n%s", hidden, logged)
		}
	}
	if strings.Contains(p.answers.String(), "a-claim-value") {
		t.Errorf("an answer repeats what a backend says of a value:\n%s", p.answers)
	}
	if !strings.Contains(logged, `"path":"/graphql"`) {
		t.Errorf("the log has no line for a request:\n%s", logged)
	}
}

func TestANestedQueryEndsInFakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: 1, Linked: true, Latency: 10 * time.Millisecond}})
		begin := time.Now()
		a := p.post(t, `{ clients { nodes { name users { nodes { name credentials { nodes { type } } } } } } }`, nil)
		if len(a.Errors) > 0 {
			t.Errorf("got errors %v", a.failures())
		}
		// Clients, users, a token, identities, credentials: five waits, one after the other, and some more where lists are
		// tried first. One of each: the stock executor holds a sync.Once while a batch of several parents waits, and fake
		// time does not advance then.
		if took := time.Since(begin); took < 50*time.Millisecond || took > 100*time.Millisecond {
			t.Errorf("took %s, want 50ms to 100ms", took)
		}
	})
}

func TestAnErrorNamesTheDeadlineThatPassed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"the operation's", map[string]string{"OPERATION_TIMEOUT": "1s", "COASSEMBLE_TIMEOUT": "10s"}, []string{"DEADLINE_EXCEEDED"}},
		{"the call's", map[string]string{"OPERATION_TIMEOUT": "1m", "COASSEMBLE_TIMEOUT": "1s"}, []string{"UPSTREAM_TIMEOUT"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: test.env})
				p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultHangHeaders})
				a := p.post(t, `{ users { nodes { name } } }`, nil)
				codes := []string{}
				for _, e := range a.Errors {
					codes = append(codes, fmt.Sprint(e.Extensions["code"]))
				}
				if diff := cmp.Diff(test.want, codes); diff != "" {
					t.Errorf("codes (-want +got):\n%s\n%s", diff, a.raw)
				}
			})
		})
	}
}
