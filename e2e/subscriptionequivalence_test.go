package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// subscription is a random read, without the name of its operation's type.
func (q *querist) subscription() string {
	for {
		q.budget, q.fragments = 25, nil
		if field := q.field(q.schema.Subscription, "", 0); field != "__typename" {
			return "{ " + field + " }" + strings.Join(q.fragments, "")
		}
	}
}

// subscriptions are random subscribers of a program with a cache, and the same backends without one, which is the truth.
type subscriptions struct {
	*testing.T
	*querist
	cached, truth *program
	open          map[*follower]string // their reads
	failing       bool
}

func (s *subscriptions) step(n int) {
	switch s.rng.IntN(10) {
	case 0, 1:
		s.subscribe(s.again())
	case 2: // a reconnect, at another moment
		for f, read := range s.open {
			f.stop()
			delete(s.open, f)
			s.subscribe(read)
			break
		}
	case 3, 4, 5:
		s.cached.post(s.T, s.write(n).mutation, nil)
	case 6: // of which the program gets no message
		if !s.failing {
			s.truth.post(s.T, s.write(n).mutation, nil)
		}
	case 7:
		if s.failing = !s.failing; s.failing {
			s.cached.backends.SetFault(string(pick(s.rng, emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR)), pick(s.rng, emulator.Fault{Status: 503},
				emulator.Fault{Kind: emulator.FaultReset}, emulator.Fault{Kind: emulator.FaultTruncated}, emulator.Fault{Kind: emulator.FaultHTML}, emulator.Fault{Status: 429}))
		} else {
			s.cached.backends.ClearFaults()
		}
	default:
		time.Sleep(time.Duration(s.rng.IntN(90_000)) * time.Millisecond)
	}
	synctest.Wait()
}

func (s *subscriptions) subscribe(read string) {
	s.open[s.cached.follow(s.T, pick(s.rng, events, listed), "subscription "+read)] = read
}

// again is a new read, or one that is open already.
func (s *subscriptions) again() string {
	for _, read := range s.open {
		if s.chance(3) {
			return read
		}
	}
	return s.subscription()
}

// settle waits until changes without a message must have been seen, and compares each last event with the truth.
func (s *subscriptions) settle() {
	s.failing = false
	s.cached.backends.ClearFaults()
	time.Sleep(convalescence + 3*equivalenceTTL)
	for f, read := range s.open {
		payloads := f.payloads()
		if f.left() || len(payloads) == 0 {
			s.Fatalf("%s: ended: %t, %d events", read, f.left(), len(payloads))
		}
		if len(slices.Compact(slices.Clone(payloads))) != len(payloads) {
			s.Errorf("%s: the same bytes come twice in a row: %q", read, payloads)
		}
		got := f.events(s.T)[len(payloads)-1]
		want := s.truth.post(s.T, "query        "+read, nil) // with errors at the same columns
		text, _ := json.Marshal(got)
		if diff := cmp.Diff(settledAnswer(string(want.raw)), settledAnswer(string(text))); diff != "" {
			s.Errorf("%s (-query +last of %d events):\n%s", read, len(payloads), diff)
		}
	}
}

// The last event of a subscription is the answer to the same query at that time, after whatever was asked, written, failing and
// connected again.
func TestTheLastEventIsTheAnswer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				options := emulator.Options{Clients: 3, Linked: seed%3 > 0, CoursesPerClient: 1, LearningPathsPerClient: 1, UsersPerClient: 3,
					CredentialsPerUser: 1, ProviderInList: seed%2 > 0, StringLists: seed%4 == 3, ETags: seed%4 == 1, Seed: seed}
				env := map[string]string{"CACHE_TTL": equivalenceTTL.String(), "MAX_COST": "0", "ALLOW_DELETES": "true", "THOUGHTINDUSTRIES_GZIP": "false"}
				if seed%2 == 0 {
					env["CACHE_STALE"] = "0s"
				}
				cached := start(t, setup{Emulator: options, Env: env})
				s := &subscriptions{T: t, querist: newQuerist(cached.backends, rand.New(rand.NewPCG(seed, 31))), cached: cached, open: map[*follower]string{},
					truth: cached.sibling(t, map[string]string{"CACHE_TTL": "0", "COALESCE": "false", "MAX_COST": "0", "ALLOW_DELETES": "true", "THOUGHTINDUSTRIES_GZIP": "false"})}
				for n := range 60 {
					s.step(n)
					if n%20 == 19 {
						s.settle()
					}
					if t.Failed() {
						t.Fatalf("seed %d, step %d", seed, n)
					}
				}
			})
		})
	}
}

// No event shows a caller a value that it may not see, though others subscribe to the same questions, and webhooks and writes
// change the answers.
func TestNoSubscriberReceivesWhatItMayNot(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 32))
				options := secrecyWorld(seed)
				callers, file := suspects(rng, emulator.New(options).Clients(), secrecySuspects)
				p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, file), "CACHE_TTL": "60s",
					"MAX_COST": "0", "THOUGHTINDUSTRIES_GZIP": "false", "COASSEMBLE_WEBHOOK_SECRET": coursesSecret, "THOUGHTINDUSTRIES_WEBHOOK_SECRET": clientsSecret}})
				h := holdingsOf(t, p.backends)
				for _, s := range callers {
					s.learn(h)
				}
				q := newQuerist(p.backends, rng)
				open := map[*follower]*suspect{}
				for n := range 30 {
					read := q.subscription()
					for _, s := range []*suspect{callers[0], pick(rng, callers...), pick(rng, callers...)} {
						open[p.follow(t, pick(rng, events, listed), "subscription "+read, "X-API-Key", s.key)] = s
					}
					u := q.user()
					p.deliver(t, "coassemble", emulator.Delivery{ID: fmt.Sprint("e", n), Event: "course.completed", Data: map[string]any{"tracking": map[string]any{"identifier": u.Identifier}}})
					p.ask(t, callers[0].key, fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, metadata: {n: %d}}) { user { name } } }`, u.Identifier, n), way{method: "POST", path: "/graphql"})
					time.Sleep(time.Duration(rng.IntN(40)) * time.Second)
				}
				saw := 0
				for f, s := range open {
					for _, text := range f.payloads() {
						w := &httptest.ResponseRecorder{Body: bytes.NewBufferString(text), HeaderMap: f.header}
						leaks, proper := h.leaks(s, w)
						if saw += len(proper); len(leaks) > 0 {
							t.Fatalf("seed %d: %s with %v, bound %v to %v, sees %q:\n%s", seed, s.key, s.scopes, s.bound, s.clients, leaks, text)
						}
					}
				}
				if saw == 0 {
					t.Error("no event shows anything: the run shows nothing of secrets")
				}
			})
		})
	}
}
