package cache

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// drops gathers the arguments of a cache's watcher.
type drops struct {
	mu   sync.Mutex
	list []Invalidation
}

func (d *drops) add(dropped Invalidation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, dropped)
}

// take returns what came since the last call.
func (d *drops) take() []Invalidation {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list
	d.list = nil
	return list
}

func TestWatchersSeeDropsOfBothReplicas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := replica(t, m), replica(t, m)
		var here, there drops
		stop := first.Watch(here.add)
		second.Watch(there.add)
		words(first).Drop(t.Context(), "a", "b")
		synctest.Wait()
		want := []string{words(first).Digest("a"), words(first).Digest("b")}
		for _, got := range []struct {
			list   []Invalidation
			remote bool
		}{{here.take(), false}, {there.take(), true}} {
			if len(got.list) != 1 || got.list[0].Remote != got.remote || got.list[0].All || !slices.Equal(got.list[0].Digests, want) {
				t.Errorf("got %+v, want one drop of %v, remote %t", got.list, want, got.remote)
			}
		}
		tag := NewTagger("scope").Tag("all")
		second.DropTags(t.Context(), tag)
		synctest.Wait()
		if got := here.take(); len(got) != 1 || !got[0].Remote || string(tag) != label("scope")+":"+got[0].Digests[0] {
			t.Errorf("got %+v, want the drop of %s", got, tag)
		}
		stop()
		words(first).Drop(t.Context(), "a")
		if got := here.take(); got != nil {
			t.Errorf("a watcher that has stopped got %+v", got)
		}
	})
}

func TestWatchersLearnOfPossiblyMissedDrops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		c := replica(t, m)
		var seen drops
		c.Watch(seen.add)
		m.drop()
		time.Sleep(5 * time.Second)
		if got := seen.take(); len(got) != 1 || !got[0].All {
			t.Errorf("got %+v, want one of everything", got)
		}
	})
}

func TestWatchersOfAProcessWithoutRedisSeeItsDrops(t *testing.T) {
	t.Parallel()
	c := open(t, options())
	var seen drops
	c.Watch(seen.add)
	words(c).Drop(t.Context(), "a")
	if got := seen.take(); len(got) != 1 || got[0].Remote || len(got[0].Digests) != 1 {
		t.Errorf("got %+v", got)
	}
}
