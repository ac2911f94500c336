package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCallersTakeTurnsAndWritesGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starts{begin: time.Now(), took: time.Second}
		c := newClient(t, Options{Transport: s, Concurrency: 1})
		var group sync.WaitGroup
		do := func(caller string, req Request, n int) {
			for i := range n {
				group.Go(func() {
					ctx := t.Context()
					if caller != "" {
						ctx = WithOperation(ctx, caller, 0, 0)
					}
					_, _ = c.Do(ctx, named(req, fmt.Sprint(caller, i)))
				})
				synctest.Wait()
			}
		}
		do("a", get, 5)
		do("b", get, 2)
		do("", get, 2) // without a name they are one caller
		write := put
		write.Path = []string{"w"}
		do("a", write, 1)
		group.Wait()
		var order []string
		for _, at := range s.list {
			order = append(order, at[:2])
		}
		if diff := cmp.Diff([]string{"a0", "a0", "a1", "b0", "0=", "a2", "b1", "1=", "a3", "a4"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// After any sequence of calls, ahead is never less than the number served before, and each has the order of service.
func TestTheFairQueueKeepsItsCounts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var q fairQueue
		var list []*waiter
		for range random.IntN(60) {
			w := &waiter{caller: fmt.Sprint(random.IntN(5) * random.IntN(3))}
			switch {
			case random.IntN(5) == 0 && len(list) > 0:
				i := random.IntN(len(list))
				q.remove(list[i])
				list = slices.Delete(list, i, i+1)
			case random.IntN(5) == 0 && len(list) > 0:
				served := q.pop()
				list = slices.DeleteFunc(list, func(w *waiter) bool { return w == served })
			}
			q.push(w)
			list = append(list, w)
		}
		last := &waiter{caller: "1"}
		ahead := q.ahead(last.caller)
		q.push(last)
		var order []*waiter
		q.each(func(w *waiter) { order = append(order, w) })
		if len(order) != len(list)+1 || q.n != len(order) {
			t.Fatalf("visited %d of %d, counted %d", len(order), len(list)+1, q.n)
		}
		for i, want := range order {
			got := q.pop()
			if got != want {
				t.Fatalf("call %d of the order is not the one that is served", i)
			}
			if got == last && i > ahead {
				t.Fatalf("%d calls were ahead, not %d", i, ahead)
			}
		}
		if q.n != 0 || len(q.deeper) != 0 || len(q.lines) != 0 || q.turns.Len() != 0 {
			t.Fatal("something is left")
		}
	}
}

// A refusal at once must be right: had the call waited, it would not have started in time.
func TestTheEstimateIsNeverTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := []Rate{{7, time.Second}, {20, 5 * time.Second}}
		c := newClient(t, Options{Transport: always(200, "{}"), Rates: rates, Concurrency: 100})
		var group sync.WaitGroup
		begin := time.Now()
		for i := range 60 {
			c.limiter.mu.Lock()
			want := c.limiter.start(time.Now(), c.limiter.waiting())
			c.limiter.mu.Unlock()
			group.Go(func() {
				if _, err := c.Do(t.Context(), get); err != nil || time.Now().Before(want) {
					t.Errorf("call %d started after %v, estimated after %v: %v", i, time.Since(begin), want.Sub(begin), err)
				}
			})
			synctest.Wait()
		}
		group.Wait()
	})
}

// far is a shared budget behind a network: everything, in leases.
type far struct{ distance time.Duration }

func (f far) Lease(_ context.Context, n int) (int, time.Time, func(int, time.Time)) {
	time.Sleep(f.distance)
	return n, time.Now().Add(time.Second), func(int, time.Time) {}
}

func TestASharedBudgetFarAwayDoesNotCapTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const distance = 20 * time.Millisecond
		c := newClient(t, Options{Concurrency: 100, Rates: []Rate{{100_000, time.Minute}}, Budget: far{distance}, Transport: transport(func(*http.Request) (*http.Response, error) {
			time.Sleep(distance)
			return respond(200, "{}"), nil
		})})
		begin, calls := time.Now(), 5000
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				for range calls / 100 {
					_, _ = c.Do(t.Context(), get)
				}
			})
		}
		group.Wait()
		if rate := float64(calls) / time.Since(begin).Seconds(); rate < 20/distance.Seconds() {
			t.Errorf("%.0f calls a second, want 20 in a round trip", rate)
		}
	})
}

// A call costs the same however many wait: each iteration lets one go and one come.
func BenchmarkLimiter(b *testing.B) {
	for _, waiting := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			l := newLimiter(1, []Rate{{maxCount, time.Millisecond}}, nil)
			held, err := l.acquire(b.Context(), Read, "first")
			if err != nil {
				b.Fatal(err)
			}
			callers := []string{"a", "b", "c", "d", "e", "f", "g"}
			come := func(i int) {
				now := time.Now()
				l.mu.Lock()
				defer l.mu.Unlock()
				if _, err := l.enter(Read, callers[i%len(callers)], now.Add(time.Hour), now); err != nil {
					b.Fatal(err)
				}
			}
			for i := range waiting {
				come(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				next := l.queues[Read].turns.Front().Value.(*line).first
				held.release(nil, time.Time{}, time.Microsecond, 0)
				<-next.ready
				held = next.permit
				come(i)
			}
		})
	}
}
