package app

import (
	"runtime"
	"runtime/debug"
	gauges "runtime/metrics"
)

const (
	// garbage is how much the heap grows, in bytes, before it is collected. Go's own rule lets it double: that is many
	// collections while little lives, and a full cache that takes twice its memory.
	garbage = 48 << 20
	// leastGrowth is the percentage by which it grows at least, however much lives: collecting costs what lives, so a fixed
	// amount, or a limit, would have a server under load do little else.
	leastGrowth = 25
	mostGrowth  = 1000
)

// PaceCollector sets after each collection when the next one is, unless GOGC or GOMEMLIMIT say so. A limit of the container
// makes it come earlier where that is needed.
func PaceCollector(getenv func(string) string) {
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
	afterCollections(adjust)
}

// growthFor is the percentage by which a heap may grow.
func growthFor(live uint64) int {
	return int(min(max(garbage*100/max(live, 1), leastGrowth), mostGrowth))
}

// liveHeap is what the last collection left, in bytes.
func liveHeap() uint64 {
	sample := []gauges.Sample{{Name: "/gc/heap/live:bytes"}}
	gauges.Read(sample)
	if sample[0].Value.Kind() != gauges.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// collected is an object that nothing refers to: the runtime tells of its end, and so of a collection.
type collected struct{ do func() }

func afterCollections(do func()) {
	runtime.SetFinalizer(&collected{do}, func(c *collected) {
		c.do()
		afterCollections(c.do)
	})
}
