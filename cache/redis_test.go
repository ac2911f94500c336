package cache

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReplicasShareValuesThroughRedis(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{absent: map[string]bool{"none": true}}
		first, second := words(replica(t, m)), words(replica(t, m))
		loaded(first, t.Context(), []string{"a", "none"}, b.fetch)
		synctest.Wait()
		time.Sleep(5 * time.Second)
		got := loaded(second, t.Context(), []string{"a", "none"}, b.fetch)
		expect(t, show(got["a"]), "a@0 redis")
		expect(t, show(got["none"]), "absent redis")
		if age := got["a"].Fact.Age; age != 5*time.Second {
			t.Errorf("age is %v, want 5s", age)
		}
		expect(t, one(t.Context(), second, b, "a"), "a@0 memory")
		expectCalls(t, b, 1)
	})
}

func TestARestartedReplicaServesStaleFromRedisAndRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		one(t.Context(), words(replica(t, m)), b, "a")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		m.FastForward(2 * time.Minute)
		s := words(replica(t, m))
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		expectCalls(t, b, 2)
	})
}

func TestALoadIsOneRoundOfSingleCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		b.shape = func(_ string, f Entry[string]) Entry[string] { f.NoStore = true; return f }
		s := words(replica(t, m))
		one(t.Context(), s, b, "warm")
		before := m.CommandCount()
		loaded(s, t.Context(), []string{"a", "b", "c"}, b.fetch)
		// GET of the clock, GET and PTTL of three keys.
		if got := m.CommandCount() - before; got != 7 {
			t.Errorf("got %d commands, want 7", got)
		}
	})
}

func TestKeysInRedisShowNoIdentifier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		s := words(replica(t, m))
		one(t.Context(), s, b, "person-7")
		synctest.Wait()
		want := "lg:v1:" + label("scope") + ":word:" + s.Digest("person-7")
		if !m.Exists(want) {
			t.Errorf("%q is not among %q", want, m.Keys())
		}
		for _, key := range m.Keys() {
			if strings.Contains(key, "person") || strings.Contains(key, "scope") {
				t.Errorf("%q shows an identifier", key)
			}
		}
	})
}

func TestForeignValuesInRedisAreMisses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(m *memoryRedis, key string){
		"text":      func(m *memoryRedis, key string) { _ = m.Set(key, "hello") },
		"truncated": func(m *memoryRedis, key string) { v, _ := m.Get(key); _ = m.Set(key, v[:len(v)-3]) },
		"other version": func(m *memoryRedis, key string) {
			v, _ := m.Get(key)
			_ = m.Set(key, "2"+v[1:])
		},
		"without an end":  func(m *memoryRedis, key string) { m.SetTTL(key, 0) },
		"of another type": func(m *memoryRedis, key string) { m.Del(key); _, _ = m.Push(key, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m, b := newMemoryRedis(t), &backend{}
				s := words(replica(t, m))
				one(t.Context(), s, b, "a")
				synctest.Wait()
				key := "lg:v1:" + label("scope") + ":word:" + s.Digest("a")
				spoil(m, key)
				if name != "without an end" && name != "of another type" {
					m.SetTTL(key, time.Hour)
				}
				second := replica(t, m)
				expect(t, one(t.Context(), words(second), b, "a"), "a@0 call")
				synctest.Wait()
				expect(t, one(t.Context(), words(replica(t, m)), b, "a"), "a@0 redis")
				if got := second.Counters().Redis.Outages; got != 0 {
					t.Errorf("got %d outages, want none", got)
				}
			})
		})
	}
}

func TestAnotherVersionSharesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		one(t.Context(), words(replica(t, m)), b, "a")
		synctest.Wait()
		s := words(replica(t, m, func(o *Options) { o.Version = "v2" }))
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	})
}

func TestClocksThatDifferServeNothingBeyondItsBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		ahead   time.Duration // the writer's clock before ours
		passed  time.Duration
		verdict string
	}{
		{"the same clock, fresh", 0, 59 * time.Second, "a redis"},
		{"the same clock, stale", 0, 61 * time.Second, "a stale refreshing"},
		{"the same clock, over", 0, 661 * time.Second, "a@0 call"},
		{"a writer ahead, fresh", time.Minute, 59 * time.Second, "a redis"},
		{"a writer ahead, stale", time.Minute, 61 * time.Second, "a stale refreshing"},
		{"a writer ahead, over", time.Minute, 661 * time.Second, "a@0 call"},
		{"a writer behind, stale early", -time.Minute, 1 * time.Second, "a stale refreshing"},
		{"a writer behind, over early", -time.Minute, 601 * time.Second, "a@0 call"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m, b := newMemoryRedis(t), &backend{}
				s := words(replica(t, m))
				at := time.Now().Add(tt.ahead)
				f := frame{created: at, fresh: at.Add(time.Minute), stale: at.Add(11 * time.Minute), payload: []byte("a")}
				key := "lg:v1:" + label("scope") + ":word:" + s.Digest("a")
				_ = m.Set(key, string(f.encode(s.inner.digest("a"))))
				m.SetTTL(key, 11*time.Minute)
				time.Sleep(tt.passed)
				m.FastForward(tt.passed)
				expect(t, one(t.Context(), s, b, "a"), tt.verdict)
			})
		})
	}
}

func TestARedisThatHangsCostsItsTimeoutOnceASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		m.hang.Store(true)
		var lines bytes.Buffer
		c := replica(t, m, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&lines, nil)) })
		s := words(c)
		took := func(key string) time.Duration {
			begun := time.Now()
			expect(t, one(t.Context(), s, b, key), key+"@0 call")
			return time.Since(begun)
		}
		if got := took("a"); got != timeout {
			t.Errorf("the first load took %v, want %v", got, timeout)
		}
		for i := range 10 {
			if got := took(fmt.Sprint(i)); got != 0 {
				t.Errorf("load %d took %v, want nothing", i, got)
			}
		}
		time.Sleep(time.Second)
		if got := took("b"); got != timeout {
			t.Errorf("the probe took %v, want %v", got, timeout)
		}
		if got := took("c"); got != 0 {
			t.Errorf("a load after the probe took %v, want nothing", got)
		}
		counters := c.Counters()
		if counters.Redis.Outages != 1 || counters.Redis.Up || counters.Redis.Errors < 2 || counters.Redis.DroppedWrites == 0 {
			t.Errorf("got %+v", counters)
		}
		m.hang.Store(false)
		m.drop()
		time.Sleep(2 * time.Second)
		took("d")
		synctest.Wait()
		if !c.Counters().Redis.Up {
			t.Error("redis is down, want up")
		}
		if got := strings.Count(lines.String(), "\n"); got != 2 {
			t.Errorf("got %d lines, want one per outage and one per recovery:\n%s", got, &lines)
		}
	})
}

func TestARedisThatIsDownCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		m.refuse.Store(true)
		s := words(replica(t, m))
		begun := time.Now()
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		if got := time.Since(begun); got > timeout {
			t.Errorf("took %v", got)
		}
	})
}

func TestAnAnswerThatIsCutShortIsAMiss(t *testing.T) {
	t.Parallel()
	for cut := int64(1); cut < 400; cut += 7 {
		synctest.Test(t, func(t *testing.T) {
			m, b := newMemoryRedis(t), &backend{}
			one(t.Context(), words(replica(t, m)), b, "a")
			synctest.Wait()
			m.cut.Store(cut)
			s := words(replica(t, m))
			got := one(t.Context(), s, b, "a")
			if got != "a@0 call" && got != "a@0 redis" {
				t.Errorf("cut after %d bytes: got %q", cut, got)
			}
		})
	}
}

func TestWritesAreDroppedWhenTheQueueIsFull(t *testing.T) {
	t.Parallel()
	r := &remote{queue: make(chan job, 1)}
	r.put(job{})
	r.put(job{})
	if got := r.dropped.Load(); got != 1 {
		t.Errorf("got %d dropped writes, want 1", got)
	}
}

func TestWritesAreOffThePath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{delay: time.Second}
		s := words(replica(t, m))
		load := behind(t.Context(), s, b, "a")
		m.hang.Store(true)
		m.drop()
		begun := time.Now()
		expect(t, <-load, "a@0 call")
		if got := time.Since(begun); got != time.Second {
			t.Errorf("took %v, want the backend's second alone", got)
		}
	})
}

func TestADropReachesOtherReplicasAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		first, second := words(replica(t, m)), words(replica(t, m))
		one(t.Context(), first, b, "a")
		synctest.Wait()
		expect(t, one(t.Context(), second, b, "a"), "a@0 redis")
		b.version = 1
		first.Drop(t.Context(), "a")
		synctest.Wait()
		expect(t, one(t.Context(), second, b, "a"), "a@1 call")
		synctest.Wait()
		expect(t, one(t.Context(), first, b, "a"), "a@1 redis")
	})
}

func TestASlowerFetchOfAnotherReplicaDoesNotRefillAfterADrop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{delay: time.Second}
		first, other := replica(t, m), replica(t, m)
		slow := behind(t.Context(), words(other), b, "a")
		// The replica with the slow fetch receives nothing, so that Redis alone has to refuse.
		other.remote.onInvalidate = func(int64, []digest) {}
		b.set(func(b *backend) { b.version, b.delay = 1, 0 })
		words(first).Drop(t.Context(), "a")
		expect(t, one(t.Context(), words(first), b, "a"), "a@1 call")
		expect(t, <-slow, "a@0 call")
		synctest.Wait()
		expect(t, one(t.Context(), words(replica(t, m)), b, "a"), "a@1 redis")
	})
}

func TestAReplicaThatLostTheChannelClearsItsMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		c := replica(t, m)
		s := words(c)
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		m.drop()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(peek(s, "a")); got != 0 || !c.remote.subscribed.Load() {
			t.Errorf("got %d values in memory, channel there: %v", got, c.remote.subscribed.Load())
		}
	})
}

func TestAChannelThatFallsSilentIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		c := replica(t, m)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !c.remote.subscribed.Load() {
			t.Error("a channel on which nothing happens counts as lost")
		}
	})
}

func TestADropThatRedisMissedIsRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		c := replica(t, m)
		s := words(c)
		one(t.Context(), s, b, "a")
		synctest.Wait()
		m.refuse.Store(true)
		m.drop()
		b.version = 1
		s.Drop(t.Context(), "a")
		expect(t, one(t.Context(), s, b, "a"), "a@1 call")
		if got := c.Counters().Redis.PendingDrops; got != 1 {
			t.Errorf("got %d pending drops, want 1", got)
		}
		s.inner.c.memory.clear()
		m.refuse.Store(false)
		b.version = 2
		// Redis is back with the old value, and not believed.
		time.Sleep(pause + time.Millisecond)
		got := one(t.Context(), s, b, "a")
		expect(t, got, "a@2 call")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := c.Counters().Redis.PendingDrops; got != 0 {
			t.Errorf("got %d pending drops, want none", got)
		}
		if got := one(t.Context(), words(replica(t, m)), b, "a"); strings.Contains(got, "@0") {
			t.Errorf("got %q", got)
		}
	})
}

func TestDroppingATagReachesRedisAndOtherReplicas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		first, second := replica(t, m), replica(t, m)
		tag := words(first).Tag("u1")
		b.shape = func(_ string, f Entry[string]) Entry[string] { f.Tags = []Tag{tag}; return f }
		expect(t, one(t.Context(), words(first), b, "answer"), "answer@0 call")
		synctest.Wait()
		expect(t, one(t.Context(), words(second), b, "answer"), "answer@0 redis")
		words(first).Drop(t.Context(), "u1")
		synctest.Wait()
		expect(t, one(t.Context(), words(second), b, "answer"), "answer@0 call")
		synctest.Wait()
		expect(t, one(t.Context(), words(first), b, "answer"), "answer@0 redis")
	})
}

func TestAnUnreadableRedisURLIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "http://secret@host", "redis://:secret@host:port", "redis://host?secret=1", "://secret", "redis://secret/x?addr=1&nonsense=2",
		"redis://host/secret?master_name=m",
	} {
		o := options()
		o.Redis = &RedisOptions{URL: u}
		c, err := New(o)
		if err == nil {
			_ = c.Close()
			t.Errorf("%q is taken", u)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows the URL", err)
		}
	}
}

func TestEveryKindOfRedisURLMakesACacheWithoutARedis(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"redis://127.0.0.1:1", "rediss://user:password@127.0.0.1:1/2", "redis://127.0.0.1:1?master_name=main&addr=127.0.0.1:2",
		"redis://127.0.0.1:1?addr=127.0.0.1:2",
	} {
		o := options()
		o.Redis = &RedisOptions{URL: u}
		c := open(t, o)
		b := &backend{}
		expect(t, one(context.Background(), words(c), b, "a"), "a@0 call")
		words(c).Drop(context.Background(), "a")
		expect(t, one(context.Background(), words(c), b, "a"), "a@0 call")
	}
}

func TestStoredReturnsValuesOfEitherLevel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		b := &backend{absent: map[string]bool{"gone": true}, shape: func(_ string, f Entry[string]) Entry[string] { f.ETag = `"1"`; return f }}
		first := words(replica(t, m))
		loaded(first, t.Context(), []string{"a", "b", "dropped", "gone"}, b.fetch)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		first.Drop(t.Context(), "dropped")
		want := map[string]string{"a": "a@0", "b": "b@0"}
		facts := new(Facts)
		for name, s := range map[string]*Space[string]{"memory": first, "redis": words(replica(t, m))} {
			got := s.Stored(WithFacts(t.Context(), facts), "a", "b", "dropped", "gone", "never", "")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if n := len(facts.List()); n > 0 {
			t.Errorf("left %d facts", n)
		}
		expectCalls(t, b, 1)
	})
}
