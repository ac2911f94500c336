package app

import (
	"runtime"
	"runtime/debug"
	gauges "runtime/metrics"
)

const (
	// heapAllowance is how much the heap grows, in bytes, before it is collected. Go's own rule lets it double: that is
	// many collections while little lives, and a full cache that takes twice its memory.
	heapAllowance = 48 << 20
	// minGrowth is the percentage by which it grows at least, however large it is: a collection costs as much as the live
	// part, so a fixed amount, or a limit, would have a server under load do little else.
	minGrowth = 25
	maxGrowth = 1000
)

// TuneGC sets the target of the next collection after each one, unless GOGC or GOMEMLIMIT is set. A limit of the
// container makes it come earlier where that is needed.
func TuneGC(getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	growth := 0
	adjust := func() {
		if next := growthFor(liveHeap()); next != growth {
			growth = next
			debug.SetGCPercent(growth)
		}
	}
	adjust()
	onGC(adjust)
}

// growthFor returns the percentage by which a heap of this size may grow before it is collected.
func growthFor(live uint64) int {
	return int(min(max(heapAllowance*100/max(live, 1), minGrowth), maxGrowth))
}

// liveHeap is the size of the heap after the last collection, in bytes.
func liveHeap() uint64 {
	sample := []gauges.Sample{{Name: "/gc/heap/live:bytes"}}
	gauges.Read(sample)
	if sample[0].Value.Kind() != gauges.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// gcSentinel is an unreferenced object whose finalizer runs at each collection.
type gcSentinel struct{ do func() }

func onGC(do func()) {
	runtime.SetFinalizer(&gcSentinel{do}, func(c *gcSentinel) {
		c.do()
		onGC(c.do)
	})
}
