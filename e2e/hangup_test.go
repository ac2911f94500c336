//go:build unix

package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAHangupReloadsAndNeverKills changes the key file of a program, and breaks it, with a SIGHUP after each.
func TestAHangupReloadsAndNeverKills(t *testing.T) {
	t.Parallel()
	const child, keysOf = "LEARNGRAPH_TEST_HANGUP", "LEARNGRAPH_TEST_HANGUP_KEYS"
	if os.Getenv(child) != "" {
		env := environment(map[string]string{"LISTEN": "127.0.0.1:0", "SHUTDOWN_DELAY": "0", "AUTH": "keys", "API_KEYS_FILE": os.Getenv(keysOf)})
		os.Exit(run(context.Background(), nil, env, os.Stdout, os.Stderr))
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := func(key string) string {
		sum := sha256.Sum256([]byte(key))
		return fmt.Sprintf(`[{"name": "app", "sha256": %q, "scopes": ["clients:read"]}]`, hex.EncodeToString(sum[:]))
	}
	write(list("first"))
	read, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd, address := startChild(t, child, log, keysOf+"="+file)
	_ = log.Close()
	lines := bufio.NewScanner(read)
	hangUp := func() string {
		t.Helper()
		_ = cmd.Process.Signal(syscall.SIGHUP)
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"msg":"reloaded`) {
				return lines.Text()
			}
		}
		t.Fatal("the program ended without a line about its reload")
		return ""
	}
	status := func(key string) int {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/graphql?query=%7B__typename%7D", nil)
		r.Header.Set("X-API-Key", key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if line := hangUp(); !strings.Contains(line, `"changed":[]`) || !strings.Contains(line, `"unchanged":["API_KEYS_FILE"]`) {
		t.Errorf("nothing changed: got %s", line)
	}
	write(list("second"))
	if line := hangUp(); !strings.Contains(line, `"changed":["API_KEYS_FILE"]`) {
		t.Errorf("other keys: got %s", line)
	}
	if first, second := status("first"), status("second"); first != http.StatusUnauthorized || second != http.StatusOK {
		t.Errorf("after the other keys: got %d for the first and %d for the second", first, second)
	}
	write("no JSON")
	for range 2 {
		if line := hangUp(); !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"failed":{"API_KEYS_FILE":"the file of API keys must be`) {
			t.Errorf("broken keys: got %s", line)
		}
	}
	if got := status("second"); got != http.StatusOK {
		t.Errorf("after the broken keys: got %d", got)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
