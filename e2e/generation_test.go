package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// A credential that changes in its file is used from then on, without a restart, and answers for another credential are
// not served any more. A broken file changes nothing and is reported once.
func TestACredentialIsReadAgainWhenItsFileChanges(t *testing.T) {
	t.Parallel()
	const clients, users, identities = "{ r: clients(first: 1) { nodes { name } } }", "{ r: users(first: 1) { nodes { name } } }", "{ r: identities(first: 1) { nodes { sourceId } } }"
	for _, test := range []struct {
		setting, right, query, backend string
		env                            map[string]string
	}{
		{"THOUGHTINDUSTRIES_API_KEY", emulator.APIKey, clients, "thoughtindustries", nil},
		{"COASSEMBLE_AUTHORIZATION", emulator.Authorization, users, "coassemble", nil},
		{"MATTR_CLIENT_SECRET", emulator.ClientSecret, identities, "mattr", nil},
		{"MATTR_TOKEN", "", identities, "mattr", map[string]string{"MATTR_TOKEN_URL": "", "MATTR_CLIENT_ID": "", "MATTR_CLIENT_SECRET": "", "MATTR_AUDIENCE": ""}},
	} {
		t.Run(test.setting, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "secret")
				write := func(text string) {
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					time.Sleep(reload.Interval)
				}
				write("not the credential\n")
				env := map[string]string{test.setting: "", test.setting + "_FILE": file, "CACHE_TTL": "60s", "CACHE_STALE": "10m", "THOUGHTINDUSTRIES_GZIP": "false"}
				maps.Copy(env, test.env)
				p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true, UsersPerClient: 1}, Env: env})
				right := test.right
				if right == "" {
					grant, _ := json.Marshal(map[string]string{"client_id": emulator.ClientID, "client_secret": emulator.ClientSecret,
						"audience": emulator.Audience, "grant_type": "client_credentials"})
					right = fmt.Sprint(member(raw(t, p.backends, "POST", "/oauth/token", "", string(grant)), "access_token"))
				}
				want := func(step, failure string) {
					t.Helper()
					var failures []string
					if failure != "" {
						failures = []string{"r " + failure + " " + test.backend}
					}
					a := p.post(t, test.query, nil)
					if diff := cmp.Diff(failures, append([]string(nil), a.failures()...)); diff != "" {
						t.Fatalf("%s (-want +got):\n%s\n%s", step, diff, a.raw)
					}
				}
				want("a wrong credential", "UPSTREAM_REJECTED")
				write(right + "\n")
				want("the right one", "")
				for _, broken := range []string{"", "two\nlines"} {
					write(broken)
					want("a broken file", "")
				}
				if n := strings.Count(p.logged.String(), "a changed file is invalid"); n != 2 {
					t.Errorf("told %d times of two broken files", n)
				}
				write("another one")
				want("another credential, with an answer of the right one kept", "UPSTREAM_REJECTED")
				write(right)
				p.backends.Reset()
				want("the right one again", "")
				if calls := p.calls(); len(calls) > 0 {
					t.Errorf("what it had seen is forgotten: %v", calls)
				}
				if text := p.logged.String(); strings.Contains(text, "another one") || strings.Contains(text, file) {
					t.Errorf("the log shows the file or what was in it: %s", text)
				}
			})
		})
	}
}
