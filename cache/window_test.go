package cache

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var rates = []Rate{{2, time.Second}, {3, time.Minute}}

// offsets reserves n starts and returns them relative to now.
func offsets(w *Window, n int) (list []time.Duration) {
	now := time.Now()
	for range n {
		start, _, _ := w.Reserve(context.Background(), time.Time{})
		list = append(list, start.Sub(now).Round(time.Millisecond))
	}
	return list
}

var want = []time.Duration{0, 0, time.Second, time.Minute, time.Minute, time.Minute + time.Second}

// aloneAndShared runs a test on a window of one process, and on one that is in Redis.
func aloneAndShared(t *testing.T, test func(t *testing.T, w *Window)) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := open(t, options())
				if shared {
					c = replica(t, newMemoryRedis(t))
				}
				test(t, NewWindow(c, "backend", rates))
			})
		})
	}
}

func TestAWindowBooksTheEarliestStartThatEveryRateAllows(t *testing.T) {
	aloneAndShared(t, func(t *testing.T, w *Window) {
		if got := offsets(w, 6); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAStartThatIsFreeAtOnceIsNeverTooLate(t *testing.T) {
	aloneAndShared(t, func(t *testing.T, w *Window) {
		asked := time.Now().Add(-time.Microsecond)
		for n, want := range []bool{true, true, false} {
			if _, _, ok := w.Reserve(t.Context(), asked); ok != want {
				t.Errorf("start %d: ok = %v, want %v", n, ok, want)
			}
		}
	})
}

func TestReplicasShareAWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := NewWindow(replica(t, m), "backend", rates), NewWindow(replica(t, m), "backend", rates)
		var got []time.Duration
		for range 3 {
			got = append(got, offsets(first, 1)...)
			got = append(got, offsets(second, 1)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAWindowRefusesAStartAfterTheLatestAndTakesBackWhatIsReleased(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := open(t, options())
				if shared {
					c = replica(t, newMemoryRedis(t))
				}
				w := NewWindow(c, "backend", []Rate{{1, time.Minute}})
				_, settle, ok := w.Reserve(t.Context(), time.Now())
				if !ok {
					t.Fatal("the first start is refused")
				}
				start, _, ok := w.Reserve(t.Context(), time.Now().Add(30*time.Second))
				if ok || time.Until(start).Round(time.Millisecond) != time.Minute {
					t.Errorf("got %v, %v; want a refusal until a minute", time.Until(start), ok)
				}
				if _, _, ok := w.Reserve(t.Context(), time.Now().Add(-1)); ok {
					t.Error("a start in the past is booked")
				}
				settle(time.Time{})
				settle(time.Time{})
				if _, _, ok := w.Reserve(t.Context(), time.Now()); !ok {
					t.Error("a start that was given back is not there")
				}
			})
		})
	}
}

func TestAWindowWithoutRatesIsNoLimit(t *testing.T) {
	t.Parallel()
	w := NewWindow(open(t, options()), "backend", nil)
	if _, settle, ok := w.Reserve(t.Context(), time.Now()); !ok || settle == nil {
		t.Error("refused")
	}
}

func TestAWindowGoesOnAloneAndTellsRedisLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		limit := []Rate{{3, time.Hour}}
		first, second := NewWindow(replica(t, m), "backend", limit), NewWindow(replica(t, m), "backend", limit)
		offsets(first, 1)
		m.refuse.Store(true)
		m.drop()
		if got, want := offsets(first, 2), []time.Duration{0, 0}; !slices.Equal(got, want) {
			t.Errorf("alone: got %v, want %v", got, want)
		}
		m.refuse.Store(false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if _, _, ok := first.Reserve(t.Context(), time.Now().Add(time.Minute)); ok {
			t.Error("the first replica books more than it may")
		}
		if _, _, ok := second.Reserve(t.Context(), time.Now().Add(time.Minute)); ok {
			t.Error("the second replica does not know what the first booked alone")
		}
	})
}

func TestAStartThatCameLaterCountsFromThenForEveryReplica(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first := NewWindow(open(t, options()), "backend", []Rate{{2, time.Minute}})
				second := first
				if shared {
					m := newMemoryRedis(t)
					first = NewWindow(replica(t, m), "backend", []Rate{{2, time.Minute}})
					second = NewWindow(replica(t, m), "backend", []Rate{{2, time.Minute}})
				}
				_, settle, _ := first.Reserve(t.Context(), time.Time{})
				time.Sleep(10 * time.Second)
				settle(time.Now())
				settle(time.Now().Add(time.Hour))
				if got, want := offsets(first, 1), []time.Duration{0}; !slices.Equal(got, want) {
					t.Errorf("the second start: got %v, want %v", got, want)
				}
				if got, want := offsets(second, 1), []time.Duration{time.Minute}; !slices.Equal(got, want) {
					t.Errorf("the third start: got %v, want %v", got, want)
				}
			})
		})
	}
}

func TestAWindowOutlivesARedisThatForgetsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		limit := []Rate{{3, time.Hour}}
		first, second := NewWindow(replica(t, m), "backend", limit), NewWindow(replica(t, m), "backend", limit)
		offsets(first, 3)
		m.FlushAll()
		if got, want := offsets(first, 1), []time.Duration{time.Hour}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, _, ok := second.Reserve(t.Context(), time.Now().Add(time.Minute)); ok {
			t.Error("the second replica does not know what the first booked before")
		}
	})
}

func TestABucketGivesPointsAndFillsUpAgain(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := open(t, options())
				if shared {
					c = replica(t, newMemoryRedis(t))
				}
				b, limit := NewBucket(c, "scope", "points"), Limit{Capacity: 100, Restore: 10}
				for i, tt := range []struct {
					after time.Duration
					who   string
					n     int
					want  Taken
				}{
					{0, "a", 70, Taken{OK: true, Left: 30}},
					{0, "a", 50, Taken{Left: 30, Wait: 2 * time.Second}},
					{0, "b", 50, Taken{OK: true, Left: 50}},
					{time.Second, "a", 40, Taken{OK: true, Left: 0}},
					{0, "a", 101, Taken{Left: 0, Wait: -1}},
					{0, "a", -30, Taken{OK: true, Left: 30}},
					{time.Hour, "a", 0, Taken{OK: true, Left: 100}},
					{0, "a", -30, Taken{OK: true, Left: 100}},
				} {
					time.Sleep(tt.after)
					got := b.Take(t.Context(), tt.who, limit, tt.n)
					if got.Wait > 0 {
						got.Wait = got.Wait.Round(10 * time.Millisecond)
					}
					if got != tt.want {
						t.Errorf("step %d: got %+v, want %+v", i, got, tt.want)
					}
				}
			})
		})
	}
}

func TestBucketsOfManyCallersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := NewBucket(open(t, options()), "scope", "points")
		for i := range maxCallers + 100 {
			b.Take(t.Context(), string(rune('a'+i%26))+time.Duration(i).String(), Limit{Capacity: 10, Restore: 0.001}, 1)
		}
		if got := len(b.alone); got > maxCallers {
			t.Errorf("got %d buckets", got)
		}
	})
}
