package e2e

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// liveHeapNow is the bytes in use by objects.
func liveHeapNow() int64 {
	runtime.GC()
	runtime.GC() // a pool frees its content at the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// distinctDocument is a document that differs from all others, with that many fields.
func distinctDocument(n, fields int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "query Q%d { clients(first: 1) { nodes { id", n)
	for i := range min(fields, 90) {
		fmt.Fprintf(&text, " a%d_%d: name", n, i)
	}
	for range max(fields-90, 0) {
		text.WriteString(" name slug sku")
	}
	return text.String() + " } } }"
}

// TestMemoryCountsDocumentsAndPlans compares the counted size of distinct documents with their size on the heap. It is
// not parallel: others would allocate meanwhile.
func TestMemoryCountsDocumentsAndPlans(t *testing.T) {
	for name, fields := range map[string]int{"short": 2, "of many fields": 80, "of many that are one": 115} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"CACHE_TTL": "1h"}})
		ask := func(n int) {
			if a := p.post(t, distinctDocument(n, fields), nil); len(a.Errors) > 0 {
				t.Fatal(a.failures())
			}
		}
		ask(1_000_000)
		p.answers.text.Reset()
		p.logged.text.Reset()
		counted, live := p.Cache.Counters().MemoryBytes, liveHeapNow()
		const n = 200
		for i := range n {
			ask(i)
			p.answers.text.Reset()
			p.logged.text.Reset()
		}
		counted, live = p.Cache.Counters().MemoryBytes-counted, liveHeapNow()-live
		if ratio := float64(counted) / float64(live); ratio < 0.95 || ratio > 2.5 {
			t.Errorf("%s: counted %d bytes for each, the heap holds %d: %.3f", name, counted/n, live/n, ratio)
		}
	}
}
