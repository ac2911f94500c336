package cache

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var rates = []SharedRate{{2, time.Second}, {3, time.Minute}}

// take leases one start after the other, n times, and returns how many there were.
func take(w *Window, n int) (got int) {
	for range n {
		starts, _, _ := w.Lease(context.Background(), 1)
		got += starts
	}
	return got
}

// aloneAndShared runs a test on windows of one process, and on windows of two replicas.
func aloneAndShared(t *testing.T, rates []SharedRate, test func(t *testing.T, first, second *Window)) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if !shared {
					w := NewWindow(open(t, options()), "backend", rates, 1)
					test(t, w, w)
					return
				}
				m := newMemoryRedis(t)
				test(t, NewWindow(replica(t, m), "backend", rates, 1), NewWindow(replica(t, m), "backend", rates, 1))
			})
		})
	}
}

func TestAWindowLeasesWhatEveryRateAllows(t *testing.T) {
	aloneAndShared(t, rates, func(t *testing.T, first, second *Window) {
		var got []time.Duration
		begin := time.Now()
		for len(got) < 6 {
			w := []*Window{first, second}[len(got)%2]
			starts, until, _ := w.Lease(t.Context(), 1)
			if starts == 0 {
				time.Sleep(time.Until(until))
				continue
			}
			got = append(got, time.Since(begin).Truncate(10*time.Millisecond))
		}
		// A lease counts until its life, a twentieth of a second, is over.
		later := time.Second + 50*time.Millisecond
		want := []time.Duration{0, 0, later, time.Minute + 50*time.Millisecond, time.Minute + 50*time.Millisecond, time.Minute + later + 50*time.Millisecond}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAWindowNeverHoldsMoreThanItsRates(t *testing.T) {
	limits := []SharedRate{{20, time.Second}, {50, 10 * time.Second}}
	aloneAndShared(t, limits, func(t *testing.T, first, second *Window) {
		random := rand.New(rand.NewPCG(1, 2))
		var counts []time.Time // when each start counts
		for i := range 3000 {
			w := []*Window{first, second}[i%2]
			starts, until, settle := w.Lease(t.Context(), 1+random.IntN(4))
			for range starts {
				at := time.Now()
				switch random.IntN(4) {
				case 0:
					settle(1, time.Time{})
					continue
				case 1:
					at = until.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
					settle(1, at)
				}
				counts = append(counts, at)
			}
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		}
		slices.SortFunc(counts, time.Time.Compare)
		if len(counts) < 300 {
			t.Errorf("got %d starts only", len(counts))
		}
		for _, r := range limits {
			for i := range counts {
				// A start that was up to three seconds late is reported with the next lease.
				if j := i + r.Count + 8; j < len(counts) && counts[j].Sub(counts[i]) < r.Per {
					t.Fatalf("more than %d starts within %v", r.Count+8, r.Per)
				}
			}
		}
	})
}

func TestWhatIsGivenBackIsThereForOthers(t *testing.T) {
	aloneAndShared(t, []SharedRate{{5, time.Minute}}, func(t *testing.T, first, second *Window) {
		starts, _, settle := first.Lease(t.Context(), 5)
		if starts != 5 || take(second, 1) != 0 {
			t.Fatalf("got %d starts", starts)
		}
		settle(3, time.Time{})
		if got := take(second, 9); got != 3 {
			t.Errorf("got %d of the three that were given back", got)
		}
	})
}

func TestAStartThatCameLaterCountsFromThenForEveryReplica(t *testing.T) {
	aloneAndShared(t, []SharedRate{{2, time.Minute}}, func(t *testing.T, first, second *Window) {
		_, _, settle := first.Lease(t.Context(), 1)
		time.Sleep(10 * time.Second)
		settle(1, time.Now())
		if got := take(first, 1); got != 1 {
			t.Error("no second start")
		}
		time.Sleep(52 * time.Second) // a minute after the first was leased
		if got := take(second, 1); got != 0 {
			t.Error("the first start does not count from when it came")
		}
		time.Sleep(10 * time.Second)
		if got := take(second, 2); got != 2 {
			t.Errorf("got %d starts, want 2", got)
		}
	})
}

func TestAWindowWithoutRatesIsNoLimit(t *testing.T) {
	t.Parallel()
	w := NewWindow(open(t, options()), "backend", nil, 1)
	if starts, _, settle := w.Lease(t.Context(), 7); starts != 7 || settle == nil {
		t.Error("refused")
	}
}

func TestAWindowWorksWithoutRedisAndReportsLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		limit := []SharedRate{{3, time.Hour}}
		first, second := NewWindow(replica(t, m), "backend", limit, 1), NewWindow(replica(t, m), "backend", limit, 1)
		take(first, 1)
		m.refuse.Store(true)
		m.drop()
		if got := take(first, 5); got != 2 {
			t.Errorf("alone: got %d, want the 2 that are left", got)
		}
		m.refuse.Store(false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if take(first, 1) != 0 {
			t.Error("the first replica leases more than it may")
		}
		first.move("", 0, time.Time{})
		if _, _, err := first.leaseShared(t.Context(), "", 0); err != nil {
			t.Fatal(err)
		}
		if take(second, 1) != 0 {
			t.Error("the second replica does not know what the first leased alone")
		}
	})
}

func TestAWindowOutlivesARedisThatForgetsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		limit := []SharedRate{{3, time.Hour}}
		first, second := NewWindow(replica(t, m), "backend", limit, 1), NewWindow(replica(t, m), "backend", limit, 1)
		take(first, 2)
		m.FlushAll()
		if got := take(first, 5); got != 1 {
			t.Errorf("got %d, want 1", got)
		}
		if take(second, 1) != 0 {
			t.Error("the second replica does not know what the first leased before")
		}
	})
}

// Three replicas spend no more than the budget together while Redis is away, nor after it came back empty.
func TestWithoutRedisAReplicaHasItsShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		limit := []SharedRate{{50, time.Minute}, {90, time.Hour}}
		var windows []*Window
		for range 3 {
			windows = append(windows, NewWindow(replica(t, m), "backend", limit, 3))
		}
		all := func(n int) (got int) {
			for range n {
				for _, w := range windows {
					got += take(w, 1)
				}
			}
			return got
		}
		m.refuse.Store(true)
		m.drop()
		if got := all(60); got != 48 {
			t.Errorf("away: got %d starts, want 3 times 16", got)
		}
		m.refuse.Store(false)
		m.FlushAll()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := all(60); got != 0 {
			t.Errorf("back and empty: got %d starts more in the same minute", got)
		}
		time.Sleep(time.Minute)
		if got := all(60); got != 42 {
			t.Errorf("a minute later: got %d starts, want what is left of the hour", got)
		}
	})
}

// What one replica took beyond its share is not there for the others while Redis is away.
func TestWithoutRedisReplicasShareWhatWasLeft(t *testing.T) {
	for name, tt := range map[string]struct{ first, second, want int }{
		"one took nearly all": {190, 1, 4}, // its own share is used up
		"one took most":       {150, 10, 20},
		"both took little":    {20, 21, 158},
		"both took the same":  {100, 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := newMemoryRedis(t)
				limit := []SharedRate{{200, time.Hour}}
				first, second := NewWindow(replica(t, m), "backend", limit, 2), NewWindow(replica(t, m), "backend", limit, 2)
				take(first, tt.first)
				take(second, tt.second)
				take(first, 1)
				m.refuse.Store(true)
				m.drop()
				got := 0
				for range 300 {
					got += take(first, 1) + take(second, 1)
				}
				if got != tt.want {
					t.Errorf("got %d starts, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestABucketGrantsPointsAndRefills(t *testing.T) {
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
		if got := len(b.local); got > maxCallers {
			t.Errorf("got %d buckets", got)
		}
	})
}
