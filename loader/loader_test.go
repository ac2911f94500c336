package loader

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
)

// recorder is a fetch that keeps the batches that it was asked for.
type recorder struct {
	mu      sync.Mutex
	batches [][]string
	delay   time.Duration
	failed  map[string]error
	absent  []string
}

func (r *recorder) fetch(ctx context.Context, keys []string, _ func(string, cache.Result[string])) []cache.Result[string] {
	r.mu.Lock()
	r.batches = append(r.batches, slices.Sorted(slices.Values(keys)))
	r.mu.Unlock()
	select {
	case <-time.After(r.delay):
	case <-ctx.Done():
	}
	results := make([]cache.Result[string], len(keys))
	for i, k := range keys {
		if !slices.Contains(r.absent, k) {
			results[i] = cache.Result[string]{Value: "value of " + k, Found: true}
		}
		results[i].Err = r.failed[k]
	}
	return results
}

func values(results []cache.Result[string]) []string {
	var out []string
	for _, r := range results {
		switch {
		case r.Err != nil:
			out = append(out, "error: "+r.Err.Error())
		case !r.Found:
			out = append(out, "absent")
		default:
			out = append(out, r.Value)
		}
	}
	return out
}

func TestLoader(t *testing.T) {
	t.Parallel()
	t.Run("keys of one call leave as one batch without a timer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{delay: 50 * time.Millisecond}
			l := New(t.Context(), r.fetch)
			start := time.Now()
			got := values(l.Load(t.Context(), []string{"b", "a", "b"}))
			if diff := cmp.Diff([]string{"value of b", "value of a", "value of b"}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([][]string{{"a", "b"}}, r.batches); diff != "" {
				t.Error(diff)
			}
			if waited := time.Since(start); waited != 50*time.Millisecond {
				t.Errorf("took %v, want the fetch's own 50ms", waited)
			}
		})
	})
	t.Run("a key asked for twice is fetched once, in flight and afterwards", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{delay: time.Second}
			l := New(t.Context(), r.fetch)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { l.Load(t.Context(), []string{"a"}) })
			}
			wg.Wait()
			l.Load(t.Context(), []string{"a"})
			if diff := cmp.Diff([][]string{{"a"}}, r.batches); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("each key has its own value, absence or error", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{absent: []string{"b"}, failed: map[string]error{"c": errors.New("broken")}}
			l := New(t.Context(), r.fetch)
			got := values(l.Load(t.Context(), []string{"a", "b", "c"}))
			if diff := cmp.Diff([]string{"value of a", "absent", "error: broken"}, got); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("one caller's cancellation does not fail another's key", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{delay: time.Second}
			l := New(t.Context(), r.fetch)
			short, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("gave up"))
			defer cancel()
			var first []string
			var wg sync.WaitGroup
			wg.Go(func() { first = values(l.Load(short, []string{"a"})) })
			synctest.Wait()
			second := values(l.Load(t.Context(), []string{"a"}))
			wg.Wait()
			if diff := cmp.Diff([]string{"error: gave up"}, first); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"value of a"}, second); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("a panic is an error of each key and shows nothing of its value", func(t *testing.T) {
		t.Parallel()
		l := New(t.Context(), func(context.Context, []string, func(string, cache.Result[string])) []cache.Result[string] {
			panic("secret")
		})
		for _, r := range l.Load(t.Context(), []string{"a", "b"}) {
			var p *task.PanicError
			if !errors.As(r.Err, &p) || p.Value != "secret" || len(p.Stack) == 0 || p.Error() != "panic" {
				t.Errorf("got %v", r.Err)
			}
		}
	})
}

func TestABatchIsFetchedWhereItsCallerWaits(t *testing.T) {
	t.Parallel()
	stack := ""
	l := New(t.Context(), func(_ context.Context, keys []string, _ func(string, cache.Result[string])) []cache.Result[string] {
		stack = string(task.Recovered(nil).Stack)
		return make([]cache.Result[string], len(keys))
	})
	type anything struct{}
	l.Load(context.WithValue(t.Context(), anything{}, 1), []string{"a"})
	if !strings.Contains(stack, "TestABatchIsFetchedWhereItsCallerWaits(") {
		t.Errorf("the batch was fetched in another goroutine:\n%s", stack)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.Load(ctx, []string{"b"})
	if strings.Contains(stack, "TestABatchIsFetchedWhereItsCallerWaits(") {
		t.Errorf("a caller that can leave has to wait for the batch:\n%s", stack)
	}
}

func TestAResultIsDeliveredBeforeItsBatchEnds(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]bool{"a caller that stays": false, "a caller that may leave": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := New(t.Context(), func(_ context.Context, keys []string, deliver func(string, cache.Result[string])) []cache.Result[string] {
					results := make([]cache.Result[string], len(keys))
					deliver(keys[0], cache.Result[string]{Value: "early", Found: true})
					time.Sleep(time.Second)
					for i := range results {
						results[i] = cache.Result[string]{Value: "late", Found: true}
					}
					return results
				})
				ctx := task.WithWork(t.Context(), task.Work{Singly: true})
				if leaves {
					cancellable, cancel := context.WithCancel(ctx)
					defer cancel()
					ctx = cancellable
				}
				start := time.Now()
				go l.Load(ctx, []string{"a", "b"})
				synctest.Wait()
				if got := values(l.Load(ctx, []string{"a"})); got[0] != "early" || time.Since(start) != 0 {
					t.Errorf("got %v after %v", got, time.Since(start))
				}
				if got := values(l.Load(ctx, []string{"b"})); got[0] != "late" {
					t.Errorf("got %v", got)
				}
			})
		})
	}
}
