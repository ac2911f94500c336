package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheErrorNamesTheDeadline(t *testing.T) {
	t.Parallel()
	slow := transport(func(r *http.Request) (*http.Response, error) {
		resp := respond(200, "")
		body, w := io.Pipe()
		context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
		resp.Body, resp.ContentLength = body, -1
		return resp, nil
	})
	tests := map[string]struct {
		operation time.Duration // 0: it has no deadline
		cancel    time.Duration // 0: it is not cancelled
		want      Kind
		after     time.Duration
	}{
		"the call's own":       {0, 0, Timeout, 10 * time.Second},
		"the call's own first": {15 * time.Second, 0, Timeout, 10 * time.Second},
		"the operation's":      {3 * time.Second, 0, Deadline, 3 * time.Second},
		"the caller left":      {15 * time.Second, 2 * time.Second, Canceled, 2 * time.Second},
	}
	for name, tt := range tests {
		for where, hanging := range map[string]transport{"before headers": hang, "in the body": slow} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newClient(t, Options{Transport: hanging, Timeout: 10 * time.Second})
					for _, req := range []Request{get, put} {
						ctx, cancel := context.WithCancel(t.Context())
						if tt.operation > 0 {
							ctx, cancel = context.WithTimeout(t.Context(), tt.operation)
						}
						if tt.cancel > 0 {
							time.AfterFunc(tt.cancel, cancel)
						}
						start := time.Now()
						_, err := c.Do(ctx, req)
						want := tt.want
						if req.Write {
							want = OutcomeUnknown
						}
						if KindOf(err) != want || time.Since(start) != tt.after {
							t.Errorf("%s: got %v after %v, want %v after %v", req.Method, err, time.Since(start), want, tt.after)
						}
						if tt.want == Canceled && !errors.Is(err, context.Canceled) {
							t.Errorf("the cause is lost: %v", err)
						}
						cancel()
					}
					if _, counted := c.LastOutcome(); tt.want == Canceled && counted {
						t.Error("a cancelled call counts")
					}
				})
			})
		}
	}
}

func TestWaitingForASlotIsNotTheCallsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		c := newClient(t, Options{Concurrency: 5, Timeout: time.Second, Transport: transport(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(900 * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
			return respond(200, "{}"), nil
		})})
		start := time.Now()
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if _, err := c.Do(t.Context(), get); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if most != 5 || time.Since(start) != 3600*time.Millisecond {
			t.Errorf("got %d at once and %v, want 5 and 3.6s", most, time.Since(start))
		}
	})
}

func TestASlotThatDoesNotComeIsTheOperationsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Concurrency: 1, Timeout: time.Minute, Transport: transport(hang)})
		background, stop := context.WithCancel(t.Context())
		go func() { _, _ = c.Do(background, get) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Do(ctx, get)
		if KindOf(err) != Deadline || time.Since(start) != 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		stop()
	})
}

func TestTheBudgetHoldsInEveryWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts []time.Time
		rates := []Rate{{20, time.Second}, {100, 10 * time.Second}}
		c := newClient(t, Options{Concurrency: 300, Rates: rates, Transport: transport(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			starts = append(starts, time.Now())
			return respond(200, "{}"), nil
		})})
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 300 {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%7 == 0 {
					time.AfterFunc(time.Duration(i)*10*time.Millisecond, cancel)
				}
				_, _ = c.Do(ctx, get)
			})
		}
		group.Wait()
		slices.SortFunc(starts, time.Time.Compare)
		checkWindows(t, starts, rates)
		// 257 calls without a cancellation, 95 in ten seconds: the last ones start in the third window.
		if got := time.Since(begin); got < 20*time.Second || got > 31*time.Second {
			t.Errorf("took %v", got)
		}
	})
}

// roundTrip is a shared budget that is far away. It has everything, a share at a time.
type roundTrip struct{ asked atomic.Int64 }

func (r *roundTrip) Lease(_ context.Context, n int) (int, time.Time, func(int, time.Time)) {
	r.asked.Add(1)
	time.Sleep(20 * time.Millisecond)
	return n, time.Now().Add(time.Second), func(int, time.Time) {}
}

func TestTheBudgetHoldsWhereCallsReachTheBackendLate(t *testing.T) {
	t.Parallel()
	rates := []Rate{{20, time.Second}, {100, 10 * time.Second}}
	for name, budget := range map[string]Budget{"a budget of our own": nil, "a shared budget": &roundTrip{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var arrivals []time.Time
				random := rand.New(rand.NewPCG(3, 4))
				c := newClient(t, Options{Concurrency: 30, Rates: rates, Budget: budget, Timeout: time.Second, Retries: -1, Transport: transport(func(*http.Request) (*http.Response, error) {
					mu.Lock()
					way, back, lost := random.IntN(300), random.IntN(300), random.IntN(10) == 0
					mu.Unlock()
					time.Sleep(time.Duration(way) * time.Millisecond)
					mu.Lock()
					arrivals = append(arrivals, time.Now())
					mu.Unlock()
					time.Sleep(time.Duration(back) * time.Millisecond)
					if lost {
						return nil, io.ErrUnexpectedEOF
					}
					return respond(200, "{}"), nil
				})})
				begin := time.Now()
				var group sync.WaitGroup
				for range 200 {
					group.Go(func() { _, _ = c.Do(t.Context(), get) })
				}
				group.Wait()
				checkWindows(t, arrivals, rates)
				// 95 in ten seconds and the time of the calls themselves.
				if got := time.Since(begin); got < 20*time.Second || got > 27*time.Second {
					t.Errorf("%d calls took %v", len(arrivals), got)
				}
			})
		})
	}
}

// checkWindows fails where one window of a rate holds more starts than we use of it.
func checkWindows(t *testing.T, starts []time.Time, rates []Rate) {
	t.Helper()
	for _, r := range rates {
		for i := range starts {
			if j := i + r.Usable(); j < len(starts) && starts[j].Sub(starts[i]) < r.Per {
				t.Fatalf("%d starts within %v, want at least %v", r.Usable()+1, starts[j].Sub(starts[i]), r.Per)
			}
		}
	}
}

func TestFivePercentAreHeldBack(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]int{1: 1, 2: 1, 10: 9, 60: 57, 100: 95, 1000: 950} {
		if got := (Rate{count, time.Minute}).Usable(); got != want {
			t.Errorf("%d: got %d, want %d", count, got, want)
		}
	}
}

func TestAnEmptyBudgetIsWaitedForWithinTheDeadlineElseRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := newClient(t, Options{Rates: []Rate{{2, time.Minute}}, Transport: transport(func(*http.Request) (*http.Response, error) {
			calls++
			return respond(200, "{}"), nil
		})})
		do := func(deadline time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			start := time.Now()
			_, err := c.Do(ctx, get)
			return time.Since(start), err
		}
		if _, err := do(time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for range 3 {
			took, err := do(49 * time.Second)
			var e *Error
			if !errors.As(err, &e) || e.Kind != RateLimited || !e.Local || e.RetryAfter != 50*time.Second || took != 0 {
				t.Fatalf("got %v (%+v) after %v, want a refusal at once", err, e, took)
			}
		}
		if o, _ := c.LastOutcome(); !o.OK() {
			t.Error("our own refusal counts against the backend")
		}
		if took, err := do(50 * time.Second); err != nil || took != 50*time.Second {
			t.Errorf("got %v after %v, want success after 50s", err, took)
		}
		if calls != 2 {
			t.Errorf("got %d calls, want 2", calls)
		}
	})
}

func TestACallWhoseCallerHasLeftTakesNoStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		s := &script{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, "{}"), nil }}
		c := newClient(t, Options{Rates: []Rate{{1, time.Hour}}, Transport: s})
		for want, ctx := range map[Kind]context.Context{Canceled: left, Deadline: late} {
			for _, req := range []Request{get, put} {
				if _, err := c.Do(ctx, req); KindOf(err) != want {
					t.Errorf("%s: got %v, want %v", req.Method, err, want)
				}
			}
		}
		if s.calls() != 0 {
			t.Errorf("got %d calls, want none", s.calls())
		}
		begun := time.Now()
		if _, err := c.Do(t.Context(), get); err != nil || time.Since(begun) != 0 {
			t.Errorf("got %v after %v of one who is there", err, time.Since(begun))
		}
	})
}

func TestAReservationWhoseCallerLeavesIsReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Rates: []Rate{{1, time.Minute}}, Transport: always(200, "{}")})
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Do(ctx, get); KindOf(err) != Canceled {
			t.Fatalf("got %v", err)
		}
		start := time.Now()
		if _, err := c.Do(t.Context(), get); err != nil || time.Since(start) != 59*time.Second {
			t.Errorf("got %v after %v, want 59s", err, time.Since(start))
		}
	})
}

func TestParseRates(t *testing.T) {
	t.Parallel()
	good := map[string][]Rate{
		"0": nil, " 0 ": nil, "60/1m": {{60, time.Minute}},
		"60/1m,1000/1h": {{60, time.Minute}, {1000, time.Hour}}, "100/2s, 5/500ms": {{100, 2 * time.Second}, {5, 500 * time.Millisecond}},
	}
	for s, want := range good {
		got, err := ParseRates(s)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", s, err, diff)
		}
	}
	for _, s := range []string{"", "60", "60/", "/1m", "x/1m", "0/1m", "-1/1m", "60/0s", "60/-1m", "60/m", "60/1m,", "1000001/1h", "99999999999999999999/1h"} {
		if got, err := ParseRates(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

func FuzzParseRates(f *testing.F) {
	for _, s := range []string{"0", "60/1m,1000/1h", "1/1ns", "", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rates, err := ParseRates(s)
		if err != nil {
			return
		}
		var text string
		for i, r := range rates {
			if r.Count < 1 || r.Per <= 0 || r.Usable() < 1 {
				t.Fatalf("%q gave %+v", s, r)
			}
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf("%d/%v", r.Count, r.Per)
		}
		if len(rates) == 0 {
			return
		}
		again, err := ParseRates(text)
		if diff := cmp.Diff(rates, again); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	})
}
