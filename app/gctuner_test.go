package app

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheHeapGrowsByAFixedAmountWithinBounds(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 1000, 1 << 20: 1000, 16 << 20: 300, 48 << 20: 100, 96 << 20: 50, 1 << 30: 25} {
		if got := growthFor(live); got != want {
			t.Errorf("%d MiB live: got %d %%, want %d %%", live>>20, got, want)
		}
	}
}

func TestEachCollectionIsNoticed(t *testing.T) {
	t.Parallel()
	notified := make(chan struct{})
	ended := make(chan struct{})
	defer close(ended)
	onGC(func() {
		select {
		case notified <- struct{}{}:
		case <-ended:
		}
	})
	for n := 0; n < 3; {
		// One that began before the next watch was set has no effect, and by itself the next comes after two minutes.
		runtime.GC()
		select {
		case <-notified:
			n++
		default:
			runtime.Gosched()
		}
	}
}

func TestGOGCAndGOMEMLIMITOverrideOurTarget(t *testing.T) {
	const percent = 321
	defer debug.SetGCPercent(debug.SetGCPercent(percent))
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		TuneGC(func(asked string) string { return map[string]string{name: "100"}[asked] })
		if got := debug.SetGCPercent(percent); got != percent {
			t.Errorf("%s is set: got %d %%, want what was set before", name, got)
		}
	}
}
