package e2e

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// cachedOf are queries that leave something of a record in the cache, by the type of the record; each answers its sourceId or id.
var cachedOf = map[string]struct {
	query string
	path  []any
}{
	"Client":                        {`{ clients(first: 2) { nodes { sourceId } } }`, []any{"data", "clients", "nodes", 0, "sourceId"}},
	"Client by its id":              {`{ clients(first: 2) { nodes { id name } } }`, []any{"data", "clients", "nodes", 1, "id"}},
	"EmbedClient":                   {`{ embedClients(first: 2) { nodes { sourceId } } }`, []any{"data", "embedClients", "nodes", 0, "sourceId"}},
	"User":                          {`{ users(first: 2) { nodes { sourceId } } }`, []any{"data", "users", "nodes", 0, "sourceId"}},
	"User of a client":              {`{ clients(first: 1) { nodes { users(first: 3) { nodes { id } } } } }`, []any{"data", "clients", "nodes", 0, "users", "nodes", 2, "id"}},
	"Identity":                      {`{ identities(first: 2) { nodes { sourceId } } }`, []any{"data", "identities", "nodes", 0, "sourceId"}},
	"Identity with its credentials": {`{ identities(first: 2) { nodes { id credentials { nodes { type } } } } }`, []any{"data", "identities", "nodes", 1, "id"}},
}

// TestPurgeReportsWhetherTheRecordWasCached purges in the process that cached and, through Redis, from another.
func TestPurgeReportsWhetherTheRecordWasCached(t *testing.T) {
	t.Parallel()
	for name, test := range cachedOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, _, _ := strings.Cut(name, " ")
			redis := miniredis.RunT(t)
			env := emulator.Settings("http://" + backendHost)
			maps.Copy(env, map[string]string{"REDIS_URL": "redis://" + redis.Addr(), "REDIS_TIMEOUT": "1s", "CACHE_TTL": "1m"})
			p := start(t, setup{Env: env})
			ask := func() string {
				id, _ := p.post(t, test.query, nil).get(t, test.path...).(string)
				if id == "" {
					t.Fatal("there is no id")
				}
				return id
			}
			var id string
			here := func() bool {
				held, err := p.Purge(t.Context(), kind, id)
				if err != nil {
					t.Fatal(err)
				}
				return held
			}
			elsewhere := func() bool {
				var stdout, stderr bytes.Buffer
				if code := runWith(t.Context(), []string{"purge", kind, id}, env, &stdout, &stderr); code != 0 {
					t.Fatalf("got exit code %d\n%s", code, &stderr)
				}
				got := stdout.String()
				held := strings.HasPrefix(got, "purged: there were cached values of this "+kind)
				if !held && !strings.HasPrefix(got, "no value of this "+kind) {
					t.Fatalf("got %q", got)
				}
				return held
			}
			for where, purge := range map[string]func() bool{"here": here, "elsewhere": elsewhere} {
				// Values go to Redis behind the answer, and a program that begins to listen to Redis clears its memory.
				id = ask()
				for until := time.Now().Add(time.Minute); !purge(); id = ask() {
					if time.Now().After(until) {
						t.Fatalf("%s: there was nothing to purge", where)
					}
				}
				if purge() {
					t.Errorf("%s: there was something after a purge", where)
				}
				ask()
				if id = "nobody"; purge() {
					t.Errorf("%s: there was something of an id that does not exist", where)
				}
			}
		})
	}
}
