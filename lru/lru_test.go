package lru_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/lru"
)

const one = 100 + lru.EntryOverhead

func TestTheLeastRecentlyUsedIsEvicted(t *testing.T) {
	t.Parallel()
	c := lru.New[string, int](3*one, nil)
	for _, step := range []struct {
		put, get string
		size     int
		want     string
	}{
		{"a", "", 100, "a"}, {"b", "", 100, "ab"}, {"c", "a", 100, "bca"}, {"d", "", 100, "cad"},
		{"c", "", 100, "adc"}, {"e", "", 3 * 100, "ce"}, {"c", "", 3 * one, "e"},
	} {
		c.Put(step.put, 1, step.size)
		c.Get(step.get)
		if got := strings.Join(c.Keys(), ""); got != step.want {
			t.Errorf("after %q of %d bytes: got %q, want %q", step.put, step.size, got, step.want)
		}
	}
}

func TestAnOwnerEvictsItsOwnValuesFirst(t *testing.T) {
	t.Parallel()
	c := lru.New[string, int](4*one, nil)
	c.MaxPerOwner = 2 * one
	for _, step := range []struct{ owner, put, want string }{
		{"A", "a", "a"}, {"B", "b", "ab"}, {"A", "c", "abc"}, {"A", "d", "bcd"}, {"B", "e", "bcde"}, {"C", "f", "cdef"}, {"B", "g", "defg"},
	} {
		c.PutFor(step.owner, step.put, 1, 100)
		if got := strings.Join(c.Keys(), ""); got != step.want {
			t.Errorf("after %s of %s: got %s, want %s", step.put, step.owner, got, step.want)
		}
	}
	if c.PutFor("A", "h", 1, 2*one); strings.Contains(strings.Join(c.Keys(), ""), "h") {
		t.Error("a value that takes more than its owner may is kept")
	}
}

// TestWhatIsReservedIsWhatIsHeld puts, replaces and removes at random.
func TestWhatIsReservedIsWhatIsHeld(t *testing.T) {
	t.Parallel()
	reserved, rnd := 0, rand.New(rand.NewPCG(1, 2))
	c := lru.New[int, int](20*one, func(by int64) { reserved += int(by) })
	c.MaxPerOwner = 7 * one
	sizes := map[int]int{}
	for range 5_000 {
		key := rnd.IntN(60)
		if rnd.IntN(5) == 0 {
			c.Remove(key)
			continue
		}
		sizes[key] = rnd.IntN(8 * one)
		c.PutFor(fmt.Sprint(rnd.IntN(4)), key, 1, sizes[key])
		held := 0
		for _, k := range c.Keys() {
			held += sizes[k] + lru.EntryOverhead
		}
		if held != c.Bytes() || held != reserved || held > 20*one {
			t.Fatalf("got %d bytes, %d reserved, %d held", c.Bytes(), reserved, held)
		}
	}
	c.Close()
	if c.Put(1, 1, 1); reserved != 0 || c.Bytes() != 0 || len(c.Keys()) != 0 {
		t.Errorf("after Close: %d bytes, %d reserved", c.Bytes(), reserved)
	}
}
