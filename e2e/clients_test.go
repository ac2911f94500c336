package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/sdl"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// clientsFolder has the clients and readers that run in Node, which CI installs with npm ci.
var clientsFolder = filepath.Join("testdata", "clients")

// missing skips a test for want of a program, but not in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// scriptResult is a script's result for one check; a nil problem is none.
type scriptResult struct {
	Name    string
	Problem *string
}

// runScript runs a script that prints results.
func runScript(t *testing.T, least int, program string, args ...string) {
	t.Helper()
	runScriptIn(t, clientsFolder, least, program, args...)
}

func runScriptIn(t *testing.T, folder string, least int, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	var results []scriptResult
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	if len(results) < least {
		t.Errorf("got %d results, want at least %d", len(results), least)
	}
	for _, v := range results {
		if v.Problem != nil {
			t.Errorf("%s: %s", v.Name, *v.Problem)
		}
	}
}

// needNode skips the test where Node or its packages are not installed.
func needNode(t *testing.T) {
	t.Helper()
	needNodeIn(t, clientsFolder)
}

func needNodeIn(t *testing.T, folder string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node is not on the PATH: clients and readers are not tried")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		missing(t, "%s has no packages, run npm ci there: clients and readers are not tried", folder)
	}
}

// introspected writes what introspection answers, and the text that is served, into files.
func introspected(t *testing.T) (introspection, text string) {
	t.Helper()
	query, err := os.ReadFile(filepath.Join("..", "gateway", "testdata", "introspection.graphql"))
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": "true"}})
	a := p.post(t, string(query), nil)
	if len(a.Errors) > 0 {
		t.Fatalf("got %s", a.raw)
	}
	data, err := json.Marshal(a.Data)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]string{"introspection.json": string(data), "schema.graphqls": schemaText()})
	return filepath.Join(dir, "introspection.json"), filepath.Join(dir, "schema.graphqls")
}

// The schema by introspection and the text that is served are one schema to readers that refuse anything outside the
// specification.
func TestStrictReadersTakeTheSchema(t *testing.T) {
	t.Parallel()
	needNode(t)
	introspection, text := introspected(t)
	runScript(t, 10, "node", "readers.mjs", introspection, text)
}

// All flavors parse, those for clients and for composite schemas are whole schemas to the same readers, and Relay's compiler
// writes types that are not null by semantic nullability.
func TestStrictReadersTakeTheFlavors(t *testing.T) {
	t.Parallel()
	needNode(t)
	runScript(t, 15, "node", "flavors.mjs", flavors(t, sdl.Flavors...))
}

// python is Debian's, which has Debian's graphql-core.
const python = "/usr/bin/python3"

func TestGraphQLCoreTakesTheSchema(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), python, "-c", "import graphql").Run(); err != nil {
		missing(t, "%s has no graphql-core (Debian's python3-graphql-core): it is not tried", python)
	}
	introspection, text := introspected(t)
	runScript(t, 1, python, "readers.py", introspection, text)
}

// What one query leaves in the cache of a client no other changes: one object has one content.
func TestNoQueryChangesWhatACacheOfAnotherShows(t *testing.T) {
	t.Parallel()
	needNode(t)
	for _, seed := range []string{"1", "2"} {
		t.Run(seed, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: cli.DemoBackends, Env: map[string]string{"MAX_COST": "0", "CACHE_TTL": "600s"}})
			s := httptest.NewServer(p.Handler)
			defer s.Close()
			text := filepath.Join(folder(t, map[string]string{"schema.graphqls": schemaText()}), "schema.graphqls")
			runScript(t, 6, "node", "caches.mjs", s.URL+"/graphql", text, seed)
		})
	}
}
