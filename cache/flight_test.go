package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/task"
)

// behind runs one in a goroutine that has come to rest when behind returns.
func behind(ctx context.Context, s *Space[string], b *backend, key string) <-chan string {
	c := make(chan string, 1)
	go func() { c <- one(ctx, s, b, key) }()
	synctest.Wait()
	return c
}

func TestALeadersCancellationDoesNotFailItsFollowers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{delay: time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		leader := behind(ctx, s, b, "a")
		follower := behind(t.Context(), s, b, "a")
		cancel()
		expect(t, <-leader, "error: context canceled")
		expect(t, <-follower, "a@0 coalesced")
		expectCalls(t, b, 1)
	})
}

func TestAFetchEndsWithItsLastWaiter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{delay: time.Hour}
		ctx, cancel := context.WithCancel(t.Context())
		first, second := behind(ctx, s, b, "a"), behind(ctx, s, b, "a")
		begun := time.Now()
		cancel()
		<-first
		<-second
		b.set(func(b *backend) { b.delay = 0 })
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		if got := time.Since(begun); got != 0 {
			t.Errorf("took %v", got)
		}
	})
}

func TestAHungLeaderDoesNotCaptureLaterCallersBeyondItsDeadline(t *testing.T) {
	t.Parallel()
	for name, obeys := range map[string]bool{"a fetch that obeys its context": true, "a fetch that does not": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, b := words(open(t, options())), &backend{}
				release := make(chan struct{})
				hung := func(ctx context.Context, _ []Missing) (map[string]Entry[string], map[string]error) {
					done := ctx.Done()
					if !obeys {
						done = nil
					}
					select {
					case <-done:
					case <-release:
					}
					return nil, map[string]error{"a": ctx.Err()}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				leader := make(chan error, 1)
				go func() { leader <- loaded(s, ctx, []string{"a"}, hung)["a"].Err }()
				synctest.Wait()
				begun := time.Now()
				expect(t, one(t.Context(), s, b, "a"), "a@0 call")
				if got := time.Since(begun); got > time.Second+deadlineGrace {
					t.Errorf("took %v", got)
				}
				if err := <-leader; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the deadline", err)
				}
				close(release)
			})
		})
	}
}

func TestAnswersThatAreThereAtTheDeadlineCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := words(open(t, options()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got := loaded(s, ctx, []string{"a", "b"}, func(ctx context.Context, _ []Missing) (map[string]Entry[string], map[string]error) {
			<-ctx.Done()
			return map[string]Entry[string]{"a": {Value: "a"}}, map[string]error{"b": errors.New("timeout")}
		})

		expect(t, show(got["a"]), "a call")
		expect(t, show(got["b"]), "error: timeout")
	})
}

func TestABatchJoinsWhatIsInFlightAndFetchesTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{delay: time.Second}
		behind(t.Context(), s, b, "a")
		got := loaded(s, t.Context(), []string{"a", "b"}, b.fetch)
		expect(t, show(got["a"]), "a@0 coalesced")
		expect(t, show(got["b"]), "b@0 call")
		if diff := cmp.Diff([][]string{{"a"}, {"b"}}, b.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWithoutCoalescingEveryLoadFetches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.Coalesce = false
		s, b := words(open(t, o)), &backend{delay: time.Second}
		first, second := behind(t.Context(), s, b, "a"), behind(t.Context(), s, b, "a")
		expect(t, <-first, "a@0 call")
		expect(t, <-second, "a@0 call")
		expectCalls(t, b, 2)
	})
}

func TestScopesShareNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, b := open(t, options()), &backend{}
		o := SpaceOptions[string]{Kind: "word", Scope: "one", Size: func(s string) int { return len(s) }}
		first := NewSpace(c, o)
		o.Scope = "two"
		second := NewSpace(c, o)
		expect(t, one(t.Context(), first, b, "a"), "a@0 call")
		expect(t, one(t.Context(), second, b, "a"), "a@0 call")
		if first.Digest("a") == second.Digest("a") {
			t.Error("digests of two scopes are equal")
		}
	})
}

func TestAReadThatBeganBeforeADropFillsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{delay: time.Second}
		before := behind(t.Context(), s, b, "a")
		b.set(func(b *backend) { b.version = 1 })
		s.Drop(t.Context(), "a")
		after := behind(t.Context(), s, b, "a")
		expect(t, <-before, "a@0 call")
		expect(t, <-after, "a@1 call")
		expect(t, one(t.Context(), s, b, "a"), "a@1 memory")
		expectCalls(t, b, 2)
	})
}

func TestAPutCountsFromItsMark(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		begun := c.Begin(t.Context())
		s.Put(t.Context(), "unmarked", Entry[string]{Value: "x"})
		s.Put(begun, "a", Entry[string]{Value: "old"})
		s.Drop(t.Context(), "a")
		s.Put(begun, "a", Entry[string]{Value: "old"})
		s.Put(begun, "b", Entry[string]{Value: "b"})
		expect(t, one(t.Context(), s, b, "unmarked"), "unmarked@0 call")
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
		expect(t, one(t.Context(), s, b, "b"), "b memory")
	})
}

func TestAFetchMayPutIntoOtherSpaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		lists := NewSpace(c, SpaceOptions[[]string]{Kind: "list", Scope: "scope", Size: func(l []string) int { return len(l) }})
		load := func(drop bool) {
			loaded(lists, t.Context(), []string{"all"}, func(ctx context.Context, _ []Missing) (map[string]Entry[[]string], map[string]error) {
				if drop {
					s.Drop(ctx, "a")
				}
				s.Put(ctx, "a", Entry[string]{Value: "listed"})
				return map[string]Entry[[]string]{"all": {Value: []string{"a"}}}, nil
			})

		}
		load(false)
		expect(t, one(t.Context(), s, b, "a"), "listed memory")
		lists.Drop(t.Context(), "all")
		load(true)
		expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	})
}

func TestAPanicIsTheErrorOfItsKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := words(open(t, options()))
		for name, fail := range map[string]func(){"panic": func() { panic("secret") }, "end": runtime.Goexit} {
			got := loaded(s, t.Context(), []string{"a"}, func(context.Context, []Missing) (map[string]Entry[string], map[string]error) {
				fail()
				return nil, nil
			})["a"].Err
			var p *task.PanicError
			if got == nil || errors.As(got, &p) != (name == "panic") || p != nil && p.Error() != "panic" {
				t.Errorf("%s: got %v", name, got)
			}
		}
	})
}

func TestCloseEndsFetchesAndLaterLoadsFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		one(t.Context(), s, b, "kept")
		time.Sleep(2 * time.Minute)
		b.set(func(b *backend) { b.delay = time.Hour })
		expect(t, one(t.Context(), s, b, "kept"), "kept@0 stale refreshing")
		begun := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if got := time.Since(begun); got != 0 {
			t.Errorf("took %v", got)
		}
		expect(t, one(t.Context(), s, b, "a"), "error: cache is closed")
	})
}

func TestNoLoadJoinsAFlightOlderThanADropOfItsTag(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{delay: time.Second}
		b.shape = func(_ string, f Entry[string]) Entry[string] {
			f.Tags = []Tag{NewTagger("scope").Tag("all")}
			return f
		}
		before := behind(t.Context(), s, b, "a")
		b.set(func(b *backend) { b.version = 1 })
		c.DropTags(t.Context(), NewTagger("scope").Tag("all"))
		after := behind(t.Context(), s, b, "a")
		expect(t, <-before, "a@0 call")
		expect(t, <-after, "a@1 call")
		expect(t, one(t.Context(), s, b, "a"), "a@1 memory")
		expectCalls(t, b, 2)
	})
}

func TestNotesOfAFetchReachAllItsWaiters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		inner, outer := words(c), NewSpace(c, SpaceOptions[string]{Kind: "sentence", Scope: "scope", Local: true, Size: func(s string) int { return len(s) }})
		fetchInner := func(ctx context.Context, missing []Missing) (map[string]Entry[string], map[string]error) {
			time.Sleep(time.Second)
			Note(ctx, "asked for "+missing[0].Key)
			return map[string]Entry[string]{missing[0].Key: {Value: "v"}}, nil
		}
		fetchOuter := func(ctx context.Context, missing []Missing) (map[string]Entry[string], map[string]error) {
			r := loaded(inner, ctx, []string{"word"}, fetchInner)["word"]
			return map[string]Entry[string]{missing[0].Key: {Value: r.Value, NoStore: true}}, nil
		}
		listen := func(name string, received *[]string) context.Context {
			return WithNotes(t.Context(), func(_ context.Context, keys []string, notes []any) {
				*received = append(*received, fmt.Sprint(name, " ", keys, " ", notes))
			})
		}
		var began, joined, parallel []string
		var wg sync.WaitGroup
		wg.Go(func() { loaded(outer, listen("began", &began), []string{"a"}, fetchOuter) })
		synctest.Wait()
		wg.Go(func() { loaded(outer, listen("joined", &joined), []string{"a"}, fetchOuter) })
		wg.Go(func() { loaded(outer, listen("beside", &parallel), []string{"b"}, fetchOuter) })
		wg.Wait()
		if len(began) > 0 {
			t.Errorf("who began the fetch was told %v", began)
		}
		if diff := cmp.Diff([]string{"joined [a] [asked for word]"}, joined); diff != "" {
			t.Error(diff)
		}
		// Its own fetch waited for the fetch of another.
		if diff := cmp.Diff([]string{"beside [word] [asked for word]"}, parallel); diff != "" {
			t.Error(diff)
		}
		Note(t.Context(), "outside of a fetch")
	})
}
