package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// hashed sends a document by its SHA-256, with its text where there is one.
func (p *program) hashed(t *testing.T, hash, text string) string {
	t.Helper()
	body := fmt.Sprintf(`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}`, hash)
	if text != "" {
		body += fmt.Sprintf(`,"query":%q`, text)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body+"}"))
	r.Header.Set("Content-Type", "application/json")
	return p.send(r).Body.String()
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

const typenameAnswer = `{"data":{"__typename":"Query"}}`

// A document that one replica learnt is known to the next, which was not there then. A text that somebody put into Redis
// under a hash that is not its own is not.
func TestAPersistedQueryIsKnownToAllReplicas(t *testing.T) {
	t.Parallel()
	const honest, forged = "query Honest { __typename }", "query Forged { __typename }"
	redis := miniredis.RunT(t)
	env := map[string]string{"REDIS_URL": "redis://" + redis.Addr(), "REDIS_TIMEOUT": "5s", "CACHE_TTL": "60s"}
	first := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
	for _, query := range []string{honest, forged} {
		if got := first.hashed(t, sha256Of(query), query); got != typenameAnswer {
			t.Fatalf("got %s", got)
		}
		key, _ := placeOf(redis, query)
		if life := redis.TTL(key); life <= time.Hour || life > 25*time.Hour {
			t.Errorf("Redis keeps it for %s", life)
		}
	}
	key, field := placeOf(redis, forged)
	redis.HSet(key, field, strings.Replace(redis.HGet(key, field), "Forged", "Bogus!", 1))
	second := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
	if got := second.hashed(t, sha256Of(honest), ""); got != typenameAnswer {
		t.Errorf("another replica answers %s", got)
	}
	if got := second.hashed(t, sha256Of(forged), ""); !strings.Contains(got, "PersistedQueryNotFound") {
		t.Errorf("a forged text is answered with %s", got)
	}
}

// placeOf is where a text is kept; empty is nowhere.
func placeOf(redis *miniredis.Miniredis, part string) (key, field string) {
	for _, key := range redis.Keys() {
		if redis.Type(key) != "hash" {
			continue
		}
		fields, _ := redis.HKeys(key)
		for _, field := range fields {
			if strings.Contains(redis.HGet(key, field), part) {
				return key, field
			}
		}
	}
	return "", ""
}

// One caller's documents take a bound of bytes in Redis, whatever it sends, and those of another stay.
func TestACallerFillsNoRedisWithPersistedQueries(t *testing.T) {
	t.Parallel()
	const bound, size, count = 4 << 20, 60_000, 100
	redis := miniredis.RunT(t)
	env := map[string]string{"REDIS_URL": "redis://" + redis.Addr(), "REDIS_TIMEOUT": "5s", "AUTH": "keys",
		"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"honest-key": {"scopes": []string{}}, "greedy-key": {"scopes": []string{}}})}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
	send := func(key, query, hash string) string {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql",
			strings.NewReader(fmt.Sprintf(`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}},"query":%q}`, hash, query)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-API-Key", key)
		return p.send(r).Body.String()
	}
	const honest = "query Honest { __typename }"
	if got := send("honest-key", honest, sha256Of(honest)); got != typenameAnswer {
		t.Fatalf("got %s", got)
	}
	random := rand.NewChaCha8([32]byte{1}) // what repeats is compressed
	noise := make([]byte, size/2)
	var last string
	for i := range count {
		_, _ = random.Read(noise)
		last = fmt.Sprintf("query Greedy%d { __typename } # %x", i, noise)
		if got := send("greedy-key", last, sha256Of(last)); got != typenameAnswer {
			t.Fatalf("got %s", got)
		}
	}
	held := 0
	for _, key := range redis.Keys() {
		if redis.Type(key) != "hash" {
			continue
		}
		fields, _ := redis.HKeys(key)
		for _, field := range fields {
			held += len(redis.HGet(key, field))
		}
	}
	if held > bound+16<<10 || held < bound/2 {
		t.Errorf("Redis holds %d bytes after %d documents of %d, want at most %d", held, count, size, bound)
	}
	for key, query := range map[string]string{"honest-key": honest, "greedy-key": last} {
		if got := send(key, "", sha256Of(query)); got != typenameAnswer {
			t.Errorf("%s: got %s", key, got)
		}
	}
}

func TestAPersistedQueryIsKnownWithoutACache(t *testing.T) {
	t.Parallel()
	const query = "query Persisted { __typename }"
	hash := sha256Of(query)
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"CACHE_TTL": "0"}})
	if got := p.hashed(t, hash, ""); !strings.Contains(got, "PersistedQueryNotFound") {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{query, ""} {
		if got := p.hashed(t, hash, text); got != typenameAnswer {
			t.Errorf("got %s", got)
		}
	}
}
