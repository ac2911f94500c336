package cache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestADropSurvivesAShortOutageOfRedis(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		first, second := replica(t, m), replica(t, m)
		one(t.Context(), words(first), b, "a")
		synctest.Wait()
		expect(t, one(t.Context(), words(second), b, "a"), "a@0 redis")
		m.pause()
		expect(t, one(t.Context(), words(first), b, "other"), "other@0 call")
		if first.Counters().Redis.Up {
			t.Error("redis is up though a read ran into its timeout")
		}
		time.AfterFunc(300*time.Millisecond, m.resume)
		b.set(func(b *backend) { b.version = 1 })
		words(first).Drop(t.Context(), "a")
		if got := first.Counters().Redis.PendingDrops; got != 0 {
			t.Errorf("got %d pending drops, want none", got)
		}
		synctest.Wait()
		expect(t, one(t.Context(), words(second), b, "a"), "a@1 call")
	})
}

func TestADropDoesNotFailBecauseReadsHoldTheConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		c := replica(t, m)
		m.pause()
		time.AfterFunc(300*time.Millisecond, m.resume)
		for i := range 200 {
			behind(t.Context(), words(c), b, fmt.Sprint(i))
		}
		time.Sleep(timeout / 2)
		words(c).Drop(t.Context(), "a")
		if got := c.Counters().Redis.PendingDrops; got != 0 {
			t.Errorf("got %d pending drops, want none", got)
		}
	})
}

func TestNoReplicaAnswersFromBeforeAWrite(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{
		"a hiccup": 500 * time.Millisecond, "longer than a drop waits": 1500 * time.Millisecond, "a failover": 6 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m, b := newMemoryRedis(t), &backend{}
				first, second := words(replica(t, m)), words(replica(t, m))
				one(t.Context(), first, b, "a")
				synctest.Wait()
				expect(t, one(t.Context(), second, b, "a"), "a@0 redis")
				m.pause()
				time.AfterFunc(away, m.resume)
				end := time.Now().Add(away + 4*time.Second)
				for version := 1; time.Now().Before(end); version++ {
					b.set(func(b *backend) { b.version = version })
					first.Drop(t.Context(), "a")
					synctest.Wait()
					want := fmt.Sprint("a@", version)
					for range 3 {
						if got := loaded(second, t.Context(), []string{"a"}, b.fetch)["a"].Value; got != want {
							t.Errorf("%v before the end: got %q, want %q", time.Until(end), got, want)
						}
						time.Sleep(70 * time.Millisecond)
					}
				}
				time.Sleep(3 * time.Second)
				one(t.Context(), second, b, "a")
				calls := b.count()
				one(t.Context(), second, b, "a")
				expectCalls(t, b, calls)
			})
		})
	}
}

func TestAReplicaOutOfSyncServesCachedValuesOnFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		s := words(replica(t, m))
		one(t.Context(), s, b, "a")
		m.pause()
		time.Sleep(time.Second)
		if got := peek(s, "a"); len(got) != 0 {
			t.Errorf("got %v from memory", got)
		}
		if _, ok := s.Fresh(s.Name("a"), time.Now()); ok {
			t.Error("memory is said to hold it fresh")
		}
		b.set(func(b *backend) { b.err = errors.New("down") })
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale failed")
		b.set(func(b *backend) { b.err = nil })
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		m.resume()
	})
}

func TestInAnOutageMemoryServesWhatIsYoung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		s := words(replica(t, m))
		m.refuse.Store(true)
		m.drop()
		time.Sleep(12 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		time.Sleep(9 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		time.Sleep(2 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	})
}

func TestAReplicaIsOutOfSyncWhileDropsOfAnotherAreIncomplete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		first, second := replica(t, m), replica(t, m)
		one(t.Context(), words(second), b, "a")
		synctest.Wait()
		if err := first.remote.publish(t.Context(), incomplete, []target{first.target("scope", "word", digest{1})}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, one(t.Context(), words(second), b, "a"), "a@0 call")
		time.Sleep(reconnectGrace)
		expect(t, one(t.Context(), words(second), b, "a"), "a@0 memory")
	})
}

func TestRedisValuesWithATagOfAPendingDropAreIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		c := replica(t, m)
		s := words(c)
		b.shape = func(_ string, f Entry[string]) Entry[string] { f.Tags = []Tag{s.Tag("person")}; return f }
		one(t.Context(), s, b, "answer")
		synctest.Wait()
		c.memory.clear()
		c.remote.addPending([]target{c.target(s.inner.label, "word", s.inner.digest("person"))}, false)
		b.set(func(b *backend) { b.version = 1 })
		expect(t, one(t.Context(), s, b, "answer"), "answer@1 call")
	})
}

func TestCloseSendsPendingDrops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		c := replica(t, m)
		one(t.Context(), words(c), b, "a")
		synctest.Wait()
		m.refuse.Store(true)
		m.drop()
		words(c).Drop(t.Context(), "a")
		m.refuse.Store(false)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		b.set(func(b *backend) { b.version = 1 })
		expect(t, one(t.Context(), words(replica(t, m)), b, "a"), "a@1 call")
	})
}
