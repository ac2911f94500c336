package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// audits is how many graphql-http has; fewer would mean that they were not all run.
const audits = 61

// TestEveryAuditOfGraphQLOverHTTPPasses runs graphql-http's audits of the specification's MUST, SHOULD and MAY.
func TestEveryAuditOfGraphQLOverHTTPPasses(t *testing.T) {
	t.Parallel()
	dir := installAudit(t)
	// Some audits ask for a type by its name in a variable.
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": "true"}})
	s := httptest.NewServer(p.Handler)
	defer s.Close()
	cmd := exec.CommandContext(t.Context(), "node", "audit.mjs", s.URL+"/graphql")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the audit did not run: %v", err)
	}
	var results []struct{ ID, Name, Status, Reason string }
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("the audit printed no results: %v\n%s", err, out)
	}
	if len(results) < audits {
		t.Errorf("got %d audits, want at least %d", len(results), audits)
	}
	for _, r := range results {
		if r.Status != "ok" {
			t.Errorf("%s %s: %s: %s", r.ID, r.Name, r.Status, r.Reason)
		}
	}
}

// installAudit puts the audit with its modules into a folder. Where that cannot be had the test is skipped, but not in
// CI.
func installAudit(t *testing.T) string {
	t.Helper()
	unavailable := t.Skipf
	if os.Getenv("CI") != "" {
		unavailable = t.Fatalf
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			unavailable("%s is not on the PATH: the audit of GraphQL over HTTP is not run", program)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "gateway", "testdata", "audit"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		unavailable("npm could not install the audit of GraphQL over HTTP: %v\n%s", err, out)
	}
	return dir
}
