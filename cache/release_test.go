package cache

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Closed caches must not add up, not even those that a test or a caller still refers to by nothing but a stack slot.
func TestClosedCachesAreReleased(t *testing.T) {
	o := options()
	o.Memory = 64 << 20
	use := func() {
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s, b := words(c), &backend{}
		b.shape = func(key string, f Entry[string]) Entry[string] {
			f.Value, f.Tags = strings.Repeat(key, 1<<20), []Tag{s.Tag("all")}
			return f
		}
		for i := range 4 {
			one(t.Context(), s, b, fmt.Sprint(i))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	use()
	before := liveBytes()
	for range 30 {
		use()
	}
	if grown := liveBytes() - before; grown > 8<<20 {
		t.Errorf("30 closed caches of 4 MiB each hold %d MiB", grown>>20)
	}
}

func TestAClosedCacheHoldsNothing(t *testing.T) {
	t.Parallel()
	c, b := open(t, options()), &backend{}
	s := words(c)
	b.shape = func(_ string, f Entry[string]) Entry[string] {
		f.Value, f.Tags = "MARKER", []Tag{s.Tag("all")}
		return f
	}
	one(t.Context(), s, b, "a")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := occurrences(c.memory, "MARKER"); n != 0 {
		t.Errorf("%d occurrences are left in memory", n)
	}
}

// liveBytes is the heap after a full collection. An object that a finalizer or cleanup held is freed at the second.
func liveBytes() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
