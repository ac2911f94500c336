package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func TestAValueIsFreshThenStaleThenExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		time.Sleep(time.Minute - 1)
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		b.version = 1
		time.Sleep(time.Nanosecond)
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@1 memory")
		expectCalls(t, b, 2)
		time.Sleep(11 * time.Minute)
		expect(t, one(t.Context(), s, b, "a"), "a@1 call")
		expectCalls(t, b, 3)
	})
}

func TestABatchIsOneFetchForWhatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{absent: map[string]bool{"none": true}}
		one(t.Context(), s, b, "a")
		got := loaded(s, t.Context(), []string{"a", "b", "", "c", "b", "none"}, b.fetch)
		if diff := cmp.Diff([][]string{{"a"}, {"b", "c", "none"}}, b.calls); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"", "a", "b", "c", "none"}, keysOf(got)); diff != "" {
			t.Error(diff)
		}
		expect(t, show(got["a"]), "a@0 memory")
		expect(t, show(got["c"]), "c@0 call")
		expect(t, show(got["none"]), "absent call")
		expect(t, show(got[""]), "absent")
	})
}

func TestValuesThatAFetchPutsAreStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		s.Load(t.Context(), []string{"a"}, func(ctx context.Context, _ []Missing) []Answer[string] {
			s.Put(ctx, "extra", Entry[string]{Value: "extra"})
			return []Answer[string]{{Entry: Entry[string]{Value: "a"}, Found: true}}
		})
		expect(t, one(t.Context(), s, b, "extra"), "extra memory")
	})
}

func TestAbsenceIsRememberedBriefly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{absent: map[string]bool{"a": true}}
		expect(t, one(t.Context(), s, b, "a"), "absent call")
		time.Sleep(9 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "absent memory")
		b.absent = nil
		time.Sleep(time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	})
}

func TestJitterOnlyShortensLifetimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cut   float64
		fresh time.Duration
	}{{0, time.Minute}, {0.05, 57 * time.Second}, {maxCut, 54 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			o := options()
			o.cut = func() float64 { return tt.cut }
			s, b := words(open(t, o)), &backend{}
			r := loaded(s, t.Context(), []string{"a"}, b.fetch)["a"]
			if got := time.Until(r.Fact.Fresh); got != tt.fresh {
				t.Errorf("cut %v: fresh for %v, want %v", tt.cut, got, tt.fresh)
			}
		})
	}
}

func TestStaleIsRefreshedOncePerKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		loaded(s, t.Context(), []string{"a", "b"}, b.fetch)
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.delay = time.Second })
		for range 5 {
			expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
			synctest.Wait()
		}
		loaded(s, t.Context(), []string{"a", "b"}, b.fetch)
		synctest.Wait()
		if diff := cmp.Diff([][]string{{"a", "b"}, {"a"}, {"b"}}, b.calls); diff != "" {
			t.Error(diff)
		}
		if got := c.Counters().Refreshes; got != 2 {
			t.Errorf("got %d refreshes, want 2", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
	})
}

func TestARefreshOutlivesItsCallerAndHasADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithCancel(WithDirectives(t.Context(), Directives{}))
		facts := &Facts{}
		ctx = WithFacts(ctx, facts)
		done := make(chan error, 1)
		loaded(s, ctx, []string{"a"}, func(ctx context.Context, _ []Missing) (map[string]Entry[string], map[string]error) {
			if !IsRefresh(ctx) || FactsFrom(ctx) != nil {
				t.Errorf("refresh %v, facts %v", IsRefresh(ctx), FactsFrom(ctx))
			}
			<-ctx.Done()
			done <- ctx.Err()
			return nil, map[string]error{"a": ctx.Err()}
		})

		cancel()
		begun := time.Now()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale failed")
	})
}

var errBudget = errors.New("over the budget")

func classify(err error) Reason {
	switch {
	case errors.Is(err, errBudget):
		return OverBudget
	case errors.Is(err, errRefused):
		return ""
	}
	return Failed
}

var errRefused = errors.New("refused")

func TestStaleIsServedWhenTheBackendFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a failure", errors.New("down"), "a@0 stale failed"},
		{"no budget", errBudget, "a@0 stale budget"},
		{"an error that says something about the request", errRefused, "error: refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := options()
				o.Classify = classify
				s, b := words(open(t, o)), &backend{}
				one(t.Context(), s, b, "a")
				time.Sleep(2 * time.Minute)
				b.err = tt.err
				expect(t, one(WithDirectives(t.Context(), Directives{NoCache: true}), s, b, "a"), tt.want)
			})
		})
	}
}

func TestAnErrorThatHoldsEndsTheStaleValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.Classify = classify
		s, b := words(open(t, o)), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.err = errRefused })
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "error: refused")
	})
}

func TestAfterAFailedRefreshStaleAnswersHaveAReasonAndRetriesAreOneASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.err = errors.New("down") })
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		synctest.Wait()
		for range 10 {
			expect(t, one(t.Context(), s, b, "a"), "a@0 stale failed")
		}
		expectCalls(t, b, 2)
		time.Sleep(time.Second)
		b.set(func(b *backend) { b.err = nil })
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale failed")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		expectCalls(t, b, 3)
		time.Sleep(12 * time.Minute)
		b.set(func(b *backend) { b.err = errors.New("down") })
		expect(t, one(t.Context(), s, b, "a"), "error: down")
	})
}

func TestASlowBackendIsWaitedForNoLongerThanTheSoftBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.delay, b.version = 5*time.Second, 1 })
		begun := time.Now()
		expect(t, one(WithDirectives(t.Context(), Directives{NoCache: true}), s, b, "a"), "a@0 stale slow")
		if got := time.Since(begun); got != 2*time.Second {
			t.Errorf("waited %v, want 2s", got)
		}
		// A key without a stale value is waited for.
		expect(t, one(WithDirectives(t.Context(), Directives{NoCache: true}), s, b, "b"), "b@1 call")
		expect(t, one(t.Context(), s, b, "a"), "a@1 memory")
		expectCalls(t, b, 3)
	})
}

func TestARefreshThatTakesLongIsSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.delay = 5 * time.Second })
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		time.Sleep(3 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale slow")
	})
}

func TestWithoutALifetimeNothingIsStoredButFetchesAreShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.TTL = 0
		s, b := words(open(t, o)), &backend{delay: time.Second}
		results := make(chan string)
		for range 3 {
			go func() { results <- one(t.Context(), s, b, "a") }()
			synctest.Wait()
		}
		got := map[string]int{}
		for range 3 {
			got[<-results]++
		}
		if diff := cmp.Diff(map[string]int{"a@0 call": 1, "a@0 coalesced": 2}, got); diff != "" {
			t.Error(diff)
		}
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		expectCalls(t, b, 2)
	})
}

func TestLifetimesOfTheBackendAreUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		b.shape = func(key string, f Entry[string]) Entry[string] {
			switch key {
			case "short":
				f.MaxAge = 5 * time.Second
			case "none":
				f.NoStore = true
			case "aged":
				f.At = time.Now().Add(-50 * time.Second)
			}
			return f
		}
		loaded(s, t.Context(), []string{"short", "none", "aged"}, b.fetch)
		time.Sleep(4 * time.Second)
		expect(t, one(t.Context(), s, b, "short"), "short@0 memory")
		expect(t, one(t.Context(), s, b, "none"), "none@0 call")
		expect(t, one(t.Context(), s, b, "aged"), "aged@0 memory")
		time.Sleep(6 * time.Second)
		expect(t, one(t.Context(), s, b, "short"), "short@0 stale refreshing")
		expect(t, one(t.Context(), s, b, "aged"), "aged@0 stale refreshing")
	})
}

func TestNoStoreRemovesTheStoredValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.shape = func(_ string, f Entry[string]) Entry[string] { f.NoStore = true; return f }
		expect(t, one(t.Context(), s, b, "a"), "a@0 stale refreshing")
		synctest.Wait()
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	})
}

func TestAnETagRevalidates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		b.shape = func(_ string, f Entry[string]) Entry[string] { f.ETag = `"1"`; return f }
		one(t.Context(), s, b, "a")
		b.shape = func(string, Entry[string]) Entry[string] { return Entry[string]{NotModified: true} }
		time.Sleep(30 * time.Second)
		expect(t, one(WithDirectives(t.Context(), Directives{NoCache: true}), s, b, "a"), "a@0 revalidated")
		want := Missing{Key: "a", ETag: `"1"`}
		if diff := cmp.Diff(want, b.misses[1]); diff != "" {
			t.Error(diff)
		}
		time.Sleep(59 * time.Second)
		expect(t, one(t.Context(), s, b, "a"), "a@0 memory")
		expect(t, one(t.Context(), s, b, "new"), "error: "+errNotModified.Error())
	})
}

func pointer(d time.Duration) *time.Duration { return &d }

func TestCallersGetTheFreshnessTheyAskFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		wants Directives
		age   time.Duration
		want  string
		calls int
	}{
		{"no-cache takes what is younger than a second", Directives{NoCache: true}, time.Second - 1, "a@0 memory", 1},
		{"no-cache fetches what is a second old", Directives{NoCache: true}, time.Second, "a@1 call", 2},
		{"max-age takes what is as old", Directives{MaxAge: pointer(5 * time.Second)}, 5 * time.Second, "a@0 memory", 1},
		{"max-age fetches what is older", Directives{MaxAge: pointer(5 * time.Second)}, 6 * time.Second, "a@1 call", 2},
		{"max-age below a second counts as one", Directives{MaxAge: pointer(0)}, time.Second, "a@0 memory", 1},
		{"max-stale takes stale without a refresh", Directives{MaxStale: pointer(time.Minute)}, 2 * time.Minute, "a@0 stale asked", 1},
		{"max-stale fetches what is staler", Directives{MaxStale: pointer(time.Second)}, 2 * time.Minute, "a@1 call", 2},
		{"max-stale does not reach beyond the bound", Directives{MaxStale: pointer(time.Hour)}, 11 * time.Minute, "a@1 call", 2},
		{"only-if-cached takes fresh", Directives{OnlyIfCached: true}, 0, "a@0 memory", 1},
		{"only-if-cached takes stale without a refresh", Directives{OnlyIfCached: true}, 2 * time.Minute, "a@0 stale asked", 1},
		{"only-if-cached fetches nothing", Directives{OnlyIfCached: true}, 11 * time.Minute, "error: not cached", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, b := words(open(t, options())), &backend{}
				one(t.Context(), s, b, "a")
				b.version = 1
				time.Sleep(tt.age)
				expect(t, one(WithDirectives(t.Context(), tt.wants), s, b, "a"), tt.want)
				synctest.Wait()
				expectCalls(t, b, tt.calls)
			})
		})
	}
}

func TestAMaxStaleThatIsPassedIsNotServedOnFailureEither(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Minute)
		b.err = errors.New("down")
		expect(t, one(WithDirectives(t.Context(), Directives{MaxStale: pointer(time.Second)}), s, b, "a"), "error: down")
	})
}

func TestEveryAnswerLeavesAFact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{absent: map[string]bool{"none": true}}
		one(t.Context(), s, b, "a")
		time.Sleep(5 * time.Second)
		facts := &Facts{}
		ctx := WithFacts(t.Context(), facts)
		loaded(s, ctx, []string{"a"}, b.fetch)
		loaded(s, ctx, []string{"none"}, b.fetch)
		want := []Fact{
			{Kind: "word", Backend: "emulator", Digest: s.inner.digest("a"), Found: true, Verdict: Memory, At: time.Now(), Age: 5 * time.Second, Fresh: time.Now().Add(55 * time.Second)},
			{Kind: "word", Backend: "emulator", Digest: s.inner.digest("none"), Verdict: Called, At: time.Now(), Fresh: time.Now().Add(10 * time.Second)},
		}
		if diff := cmp.Diff(want, facts.List(), cmpopts.IgnoreFields(Fact{}, "Scope")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[Verdict]uint64{Called: 2, Memory: 1}, c.Counters().Verdicts["word"]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNoCacheIsCoalescedAllTheSame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		time.Sleep(2 * time.Second)
		b.set(func(b *backend) { b.delay = time.Second })
		ctx := WithDirectives(t.Context(), Directives{NoCache: true})
		first, second := behind(ctx, s, b, "a"), behind(ctx, s, b, "a")
		expect(t, <-first, "a@0 call")
		expect(t, <-second, "a@0 coalesced")
		expectCalls(t, b, 2)
	})
}

func BenchmarkLoadFromMemory(b *testing.B) {
	c, err := New(options())
	if err != nil {
		b.Fatal(err)
	}
	s, words := words(c), &backend{}
	keys := make([]string, 25)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	loaded(s, b.Context(), keys, words.fetch)
	b.ReportAllocs()
	for b.Loop() {
		loaded(s, b.Context(), keys, words.fetch)
	}
}

func TestFreshByNameReturnsFreshValuesOfMemoryOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{absent: map[string]bool{"none": true}}
		fresh := func(key string) string {
			v, ok := s.Fresh(s.Name(key), time.Now())
			return fmt.Sprint(v, ok)
		}
		expect(t, fresh("a"), "false")
		one(t.Context(), s, b, "a")
		one(t.Context(), s, b, "none")
		expect(t, fresh("a"), "a@0true")
		expect(t, fresh("none"), "false")
		if got := c.Counters().Verdicts["word"][Memory]; got != 1 {
			t.Errorf("%d lookups were counted as answered from memory, want 1", got)
		}
		s.Drop(t.Context(), "a")
		expect(t, fresh("a"), "false")
		one(t.Context(), s, b, "a")
		time.Sleep(time.Minute)
		expect(t, fresh("a"), "false")
		expectCalls(t, b, 3)
	})
}

func TestWithoutATTLNoNameIsFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.TTL = 0
		s, b := words(open(t, o)), &backend{}
		one(t.Context(), s, b, "a")
		if v, ok := s.Fresh(s.Name("a"), time.Now()); ok {
			t.Errorf("got %s, want nothing", v)
		}
	})
}
