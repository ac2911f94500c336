package cache

import (
	"fmt"
	"testing"
	"time"
)

// TestWhatIsReservedIsNotThereForEntries fills a cache before, while and after most of its memory is used elsewhere.
func TestWhatIsReservedIsNotThereForEntries(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	c, err := New(Options{TTL: time.Hour, Memory: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	texts := NewSpace(c, SpaceOptions[string]{Kind: "text", Size: func(s string) int { return len(s) }})
	fill := func() int64 {
		for i := range 3000 {
			texts.Put(c.Begin(t.Context()), fmt.Sprint(i), Entry[string]{Value: string(make([]byte, 1000))})
		}
		return c.Counters().MemoryBytes
	}
	within := func(when string, got, least, most int64) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: got %d bytes, want %d to %d", when, got, least, most)
		}
	}
	within("alone", fill(), limit*9/10, limit)
	c.Reserve(limit / 2)
	within("at once", c.Counters().MemoryBytes, limit*8/10, limit)
	within("beside half", fill(), limit*9/10, limit)
	c.Reserve(limit)
	within("beside more than all", fill()-limit*3/2, limit*2/10, limit/minShare)
	c.Reserve(-limit * 3 / 2)
	within("alone again", fill(), limit*9/10, limit)
}
