package cache

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestOneReplicaHasAClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{}
		first, second := replica(t, m), replica(t, m)
		release, ok := first.Claim(t.Context(), []string{"a", "b"})
		if !ok {
			t.Fatal("a free claim was refused")
		}
		if _, ok := second.Claim(t.Context(), []string{"b", "c"}); ok {
			t.Error("two replicas have one claim")
		}
		other, ok := second.Claim(t.Context(), []string{"c"})
		if !ok {
			t.Error("a refused claim took a part of its names")
		}
		other()
		time.Sleep(5 * claimLife)
		if _, ok := second.Claim(t.Context(), []string{"a"}); ok {
			t.Error("a claim ended while it was held")
		}
		one(t.Context(), words(first), b, "a")
		release()
		synctest.Wait()
		if _, ok := second.Claim(t.Context(), []string{"a", "b"}); !ok {
			t.Error("a claim that was given back is not free")
		}
		expect(t, one(t.Context(), words(second), b, "a"), "a@0 redis")
	})
}

func TestClaimsOfOneProcessDoNotExcludeEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := replica(t, m), replica(t, m)
		var held []func()
		for _, names := range [][]string{{"a", "b"}, {"b", "c"}, {"a", "b", "c"}} {
			release, ok := first.Claim(t.Context(), names)
			if !ok {
				t.Fatalf("%q are refused to the process that has them", names)
			}
			held = append(held, release)
		}
		for i, release := range held {
			for _, name := range []string{"b", "c"} {
				if other, ok := second.Claim(t.Context(), []string{name}); ok {
					t.Errorf("%s is free while %d claims hold it", name, len(held)-i)
					other()
				}
			}
			release()
			synctest.Wait()
		}
		if _, ok := second.Claim(t.Context(), []string{"a", "b", "c"}); !ok {
			t.Error("names that were given back are not free")
		}
	})
}

func TestAClaimOfAReplicaThatWasKilledEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := replica(t, m), replica(t, m)
		key := first.remote.prefix + "{claim}:" + label("a")
		if _, err := first.remote.claim(t.Context(), []string{key}, "killed"); err != nil {
			t.Fatal(err)
		}
		if _, ok := second.Claim(t.Context(), []string{"a"}); ok {
			t.Error("the claim of another replica was taken")
		}
		m.FastForward(claimLife)
		if _, ok := second.Claim(t.Context(), []string{"a"}); !ok {
			t.Error("a claim outlived its replica")
		}
	})
}

func TestWithoutRedisEachProcessClaims(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := replica(t, m), replica(t, m)
		m.refuse.Store(true)
		m.drop()
		for _, c := range []*Cache{open(t, options()), first, second} {
			if release, ok := c.Claim(t.Context(), []string{"a"}); !ok {
				t.Error("refused")
			} else {
				release()
			}
		}
	})
}

func TestARenewalWaitsAndFallsBackOnWhatIsStale(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &backend{}
		c := open(t, options())
		s := words(c)
		ctx := WithDirectives(t.Context(), Directives{Renew: true})
		expect(t, one(ctx, s, b, "a"), "a@0 call")
		expect(t, one(ctx, s, b, "a"), "a@0 memory")
		time.Sleep(time.Minute)
		b.set(func(b *backend) { b.version, b.delay = 1, 5*time.Second })
		expect(t, one(ctx, s, b, "a"), "a@1 call")
		time.Sleep(time.Minute)
		b.set(func(b *backend) { b.err = errRedis })
		expect(t, one(ctx, s, b, "a"), "a@1 stale failed")
	})
}
