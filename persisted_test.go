package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// eventually waits for what another goroutine does; it fails where that never happens.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
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
		eventually(t, "the text is in Redis", func() bool { return keyOf(redis, query) != "" })
		if life := redis.TTL(keyOf(redis, query)); life <= time.Hour || life > 25*time.Hour {
			t.Errorf("Redis keeps it for %s", life)
		}
	}
	key := keyOf(redis, forged)
	text, _ := redis.Get(key)
	if err := redis.Set(key, strings.Replace(text, "Forged", "Bogus!", 1)); err != nil {
		t.Fatal(err)
	}
	redis.SetTTL(key, time.Hour)
	second := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: env})
	// A replica takes nothing over while it does not hear yet what others drop.
	eventually(t, "another replica knows it", func() bool { return second.hashed(t, sha256Of(honest), "") == typenameAnswer })
	if got := second.hashed(t, sha256Of(forged), ""); !strings.Contains(got, "PersistedQueryNotFound") {
		t.Errorf("a forged text is answered with %s", got)
	}
}

// keyOf is where a text is kept; empty is nowhere.
func keyOf(redis *miniredis.Miniredis, part string) string {
	for _, key := range redis.Keys() {
		if text, _ := redis.Get(key); strings.Contains(text, part) {
			return key
		}
	}
	return ""
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
