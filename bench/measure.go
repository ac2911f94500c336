package main

import (
	"runtime"
	"syscall"
	"time"
)

// cost is the cost of one run of some work.
type cost struct {
	cpu    time.Duration
	allocs float64
}

// processCPU is the CPU time that the process has used.
func processCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// compare measures works in alternating rounds, and returns each one's cost per run in its cheapest round.
func compare(quick bool, works ...func()) []cost {
	rounds, budget := 7, 300*time.Millisecond
	if quick {
		rounds, budget = 1, 0
	}
	best := make([]cost, len(works))
	for range rounds {
		for i, work := range works {
			if c := measure(budget, work); best[i].cpu == 0 || c.cpu < best[i].cpu {
				best[i] = c
			}
		}
	}
	return best
}

func measure(budget time.Duration, work func()) cost {
	work()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, runs := processCPU(), 0
	for runs == 0 || processCPU()-start < budget {
		for range 4 {
			work()
			runs++
		}
	}
	used := processCPU() - start
	runtime.ReadMemStats(&after)
	return cost{cpu: used / time.Duration(runs), allocs: float64(after.Mallocs-before.Mallocs) / float64(runs)}
}

func ratio(a, b cost) float64 { return float64(a.cpu) / float64(b.cpu) }
