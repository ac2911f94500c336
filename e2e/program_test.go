// Package e2e tests the whole program over emulated backends.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// backendHost is the backends' host in the tests' configuration. No answer and no log line may show it.
const backendHost = "127.0.0.77"

// program is the real program over emulated backends, without a listener.
type program struct {
	*app.Server
	backends *emulator.Emulator
	log      *slog.Logger
	// seen is every answer and every log line, for the search for secrets.
	answers, logged *transcript
}

// schemaText returns the public contract.
var schemaText = sync.OnceValue(func() string {
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		panic(err)
	}
	return string(text)
})

// run runs the command line as main does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	return cli.Run(ctx, cli.Program{Schema: schemaText(), Args: args, Getenv: getenv, Stdout: stdout, Stderr: stderr})
}

// runWith runs the command line with an environment.
func runWith(ctx context.Context, args []string, env map[string]string, stdout, stderr io.Writer) int {
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return cli.Run(ctx, cli.Program{Schema: schemaText(), Args: args, Getenv: func(name string) string { return env[name] }, Environ: environ, Stdout: stdout, Stderr: stderr})
}

// roundTripper is a transport of one function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// setup describes how a test starts the program. The zero value is three configured backends with the default catalogue.
type setup struct {
	Emulator emulator.Options
	// Env joins and overrides the configuration of the three backends; an empty value takes a setting away.
	Env  map[string]string
	Demo bool
	// Traces gets the spans; nil is off.
	Traces *telemetry.Tracer `json:"-"`
	// Wrap is placed between the program and the backends.
	Wrap func(http.RoundTripper) http.RoundTripper `json:"-"`
}

// environment is a complete configuration whose budgets hold nothing back, and where nothing outlives its operation:
// each step of a test makes calls of its own.
func environment(overrides map[string]string) func(string) string {
	env := emulator.Settings("http://" + backendHost)
	maps.Copy(env, map[string]string{"THOUGHTINDUSTRIES_RATE": "0", "COASSEMBLE_RATE": "0", "MATTR_RATE": "0", "CACHE_TTL": "0"})
	maps.Copy(env, overrides)
	return func(name string) string { return env[name] }
}

func start(t *testing.T, s setup) *program {
	t.Helper()
	cfg, err := config.Load(config.Sources{Demo: s.Demo, Getenv: environment(s.Env)})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{backends: emulator.New(s.Emulator), answers: &transcript{}, logged: &transcript{}}
	var transport http.RoundTripper = p.backends.Transport()
	if s.Wrap != nil {
		transport = s.Wrap(transport)
	}
	p.log = slog.New(slog.NewJSONHandler(p.logged, nil))
	p.Server, err = app.New(cfg, app.Options{Schema: schemaText(), Transport: transport, Traces: s.Traces, Log: p.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p.backends.Close()
		p.searchForSecrets(t)
	})
	return p
}

// searchForSecrets fails the test if anything that went out shows what must stay inside.
func (p *program) searchForSecrets(t *testing.T) {
	t.Helper()
	answers, logged := p.answers.String(), p.logged.String()
	records(t, logged)
	for _, secret := range append(p.backends.Secrets(), backendHost, "elsewhere.example") {
		for _, form := range []string{secret, jsonText(secret)} {
			if strings.Contains(answers, form) {
				t.Errorf("an answer shows the secret %q", secret)
			}
			if strings.Contains(logged, form) {
				t.Errorf("the log shows the secret %q", secret)
			}
		}
	}
	for _, client := range p.backends.Clients() {
		for _, user := range p.backends.Users(client.Identifier) {
			if strings.Contains(logged, jsonText(user.Identifier)) {
				t.Errorf("the log names the user %q", user.Identifier)
			}
		}
	}
	for _, claim := range []string{"mail.example", "@", "oauth2|"} {
		if strings.Contains(logged, claim) {
			t.Errorf("the log shows personal data: it has %q", claim)
		}
	}
}

// jsonText is text as it is between the quotes of a JSON string.
func jsonText(text string) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)
	return strings.Trim(strings.TrimSpace(buf.String()), `"`)
}

// send sends the program one HTTP request.
func (p *program) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if r.Host == "example.com" {
		// httptest's own; a server that anyone may call takes loopback names alone.
		r.Host = "localhost"
	}
	p.Handler.ServeHTTP(w, r)
	for name, values := range w.Header() {
		_, _ = p.answers.Write([]byte(name + ": " + strings.Join(values, ",") + "\n"))
	}
	_, _ = p.answers.Write(append(w.Body.Bytes(), '\n'))
	return w
}

// answer is a GraphQL response.
type answer struct {
	Data       map[string]any `json:"data"`
	Errors     []answerError  `json:"errors"`
	Extensions map[string]any `json:"extensions"`

	status int
	raw    []byte
}

type answerError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// String is the error as tests compare it: path, code and backend.
func (e answerError) String() string {
	var path []string
	for _, p := range e.Path {
		path = append(path, fmt.Sprint(p))
	}
	text := strings.Join(path, ".") + " " + fmt.Sprint(e.Extensions["code"])
	if b := e.Extensions["backend"]; b != nil {
		text += " " + fmt.Sprint(b)
	}
	return strings.TrimSpace(text)
}

func (a *answer) failures() []string {
	list := make([]string, len(a.Errors))
	for i, e := range a.Errors {
		list[i] = e.String()
	}
	slices.Sort(list)
	return list
}

// get follows names and indexes into the answer.
func (a *answer) get(t *testing.T, path ...any) any {
	t.Helper()
	var v any = map[string]any{"data": a.Data}
	for _, step := range path {
		v = member(v, step)
	}
	return v
}

func member(v, step any) any {
	switch step := step.(type) {
	case string:
		object, _ := v.(map[string]any)
		return object[step]
	case int:
		list, _ := v.([]any)
		if step < len(list) {
			return list[step]
		}
	}
	return nil
}

// post sends an operation as frontends do.
func (p *program) post(t *testing.T, query string, variables map[string]any) *answer {
	t.Helper()
	body := map[string]any{"query": query}
	if variables != nil {
		body["variables"] = variables
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(raw))
	r.Header.Set("Content-Type", "application/json")
	return readAnswer(t, p.send(r))
}

func readAnswer(t *testing.T, w *httptest.ResponseRecorder) *answer {
	t.Helper()
	a := &answer{status: w.Code, raw: w.Body.Bytes()}
	dec := json.NewDecoder(bytes.NewReader(a.raw))
	dec.UseNumber()
	if err := dec.Decode(a); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, a.raw)
	}
	return a
}

// calls are the requests that the backends got since the last reset, as "METHOD route count", in order of their names.
func (p *program) calls() []string {
	counts := map[string]int{}
	for _, c := range p.backends.Calls() {
		counts[c.Method+" "+c.Route]++
	}
	list := []string{}
	for _, call := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprint(call, " ", counts[call]))
	}
	return list
}

// transcript is a text that many goroutines write.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	// discard keeps nothing.
	discard bool
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discard {
		return len(p), nil
	}
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// folder writes files into a folder of its own.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
