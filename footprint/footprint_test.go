package footprint

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// heap is the bytes in use by objects.
func heap() int {
	runtime.GC()
	runtime.GC() // a pool frees its content at the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// expectHeld compares the computed size of many values with their size on the heap.
func expectHeld[T any](t *testing.T, n int, value func(i int) T, stated func(T) int) {
	t.Helper()
	values := make([]T, n)
	before := heap()
	for i := range values {
		values[i] = value(i)
	}
	took, sum := heap()-before, 0
	for _, v := range values {
		sum += stated(v)
	}
	if ratio := float64(sum) / float64(took); ratio < 0.96 || ratio > 1.04 {
		t.Errorf("%T: said to take %d bytes, the heap has %d: %.3f", values, sum, took, ratio)
	}
	runtime.KeepAlive(values)
}

func TestTextsTakeTheirBlocks(t *testing.T) {
	for _, length := range []int{16, 17, 33, 49, 500, 513, 1025, 5000, 32<<10 - 1, 32<<10 + 1, 50_000} {
		expectHeld(t, 4_000_000/(length+200), func(int) string { return strings.Clone(strings.Repeat("x", length)) }, Text)
	}
	if got := Text(""); got != 0 {
		t.Errorf("got %d bytes of an empty text", got)
	}
}

func TestSlicesTakeTheirCapacity(t *testing.T) {
	for _, length := range []int{1, 3, 60, 64, 65, 200, 5000} {
		expectHeld(t, 200_000/(length+20), func(int) []*int { return make([]*int, 0, length) }, Slice)
		expectHeld(t, 200_000/(length+20), func(int) []*int { return append(make([]*int, length), nil) }, Slice)
	}
}

func TestValuesTakeTheirBlocks(t *testing.T) {
	expectHeld(t, 50_000, func(int) *[5]*int { return new([5]*int) }, func(*[5]*int) int { return Of[[5]*int]() })
	expectHeld(t, 10_000, func(int) *[65]*int { return new([65]*int) }, func(*[65]*int) int { return Of[[65]*int]() })
}

func TestMapsTakeTheirSlots(t *testing.T) {
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	for _, entries := range []int{1, 8, 9, 14, 15, 100, 112, 113, 896, 897, 1700, 1900, len(keys)} {
		expectHeld(t, 300_000/(entries+20), func(int) map[string]string {
			m := map[string]string{}
			for _, k := range keys[:entries] {
				m[k] = ""
			}
			return m
		}, Map)
	}
}
