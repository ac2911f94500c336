package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// siegeTime is how long the siege lasts; by hand it is minutes.
var siegeTime = flag.Duration("siege", 3*time.Second, "how long TestTheProgramWithstandsASiege lasts")

// siegeMemory is the memory of the container that the program is given, in bytes.
const siegeMemory = 256 << 20

// siege is a program under attack by callers with ordinary keys while its backends fail.
type siege struct {
	*program
	t       *testing.T
	callers map[string][]string // keys, and the operations that each asks
	foreign map[string][]string // what the answers to a key must not show
	keys    []string
	until   time.Time
	sent    atomic.Int64
}

func newSiege(t *testing.T) *siege {
	options := emulator.Options{Clients: 4, Linked: true, UsersPerClient: 3, CoursesPerClient: 2, LearningPathsPerClient: 1, CredentialsPerUser: 2, ProviderInList: true, Seed: 12}
	catalogue := emulator.New(options)
	clients := catalogue.Clients()
	defer catalogue.Close()
	scopes := []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "fresh", "explain"}
	s := &siege{t: t, callers: map[string][]string{}, foreign: map[string][]string{}, keys: []string{"whole-key", "first-key", "second-key"}}
	s.program = start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "2s", "CACHE_STALE": "10s", "CACHE_MEMORY": "24MiB",
		"MAX_INFLIGHT_BYTES": "48MiB", "OPERATION_TIMEOUT": "2s", "EXPLAIN": "true", "CAPTURE_DIR": t.TempDir(), "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
			"whole-key": {"scopes": scopes}, "first-key": {"scopes": scopes, "clients": []string{clients[0].Identifier}},
			"second-key": {"scopes": scopes, "clients": []string{clients[1].Identifier}}})}})
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
		req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(string(body)))
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
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, req)
		s.sent.Add(1)
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			s.t.Errorf("%s: status %d: %s", query, w.Code, w.Body)
		}
		for _, marker := range s.foreign[key] {
			if strings.Contains(w.Body.String(), marker) {
				s.t.Errorf("%s of %s: the answer shows %q", query, key, marker)
			}
		}
	}
	return nil
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
	group.Go(func() error { return s.fail(rand.New(rand.NewPCG(7, uint64(d)))) }, done)
	group.Wait()
}

// heap returns the live heap without what the cache holds, in bytes.
func (s *siege) heap() int64 { return liveHeap() - s.Cache.Counters().MemoryBytes }

// Under faults, captures, writes, short deadlines and documents that never come twice, nothing ends the program, nothing of
// another client is shown, and the heap comes back to where it was.
func TestTheProgramWithstandsASiege(t *testing.T) {
	if *siegeTime >= time.Minute {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(siegeMemory / 10 * 9)) // as the program does in a container
	}
	s := newSiege(t)
	s.answers.discard, s.logged.discard = true, true
	s.last(*siegeTime / 3)
	before := s.heap()
	s.last(*siegeTime)
	after := s.heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d requests; live heap %d MiB, then %d MiB; %d MiB of the system", s.sent.Load(), before>>20, after>>20, (m.Sys-m.HeapReleased)>>20)
	if after > before+before/5+8<<20 {
		t.Errorf("the live heap grew from %d to %d bytes", before, after)
	}
	if *siegeTime >= time.Minute && m.Sys-m.HeapReleased > siegeMemory {
		t.Errorf("the process holds %d bytes", m.Sys-m.HeapReleased)
	}
}

// liveHeap returns what the last collection left, in bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
