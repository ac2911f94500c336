package cache

import "slices"

// Invalidation is a removal of cached values by a write, a purge or a backend's webhook.
type Invalidation struct {
	// Digests are those of the keys and tags, 32 hex digits each: the part of a Tag after the colon, and Fact.Digest.
	Digests []string
	// All is set where drops of other replicas may have been missed, so that anything may be untrue.
	All bool
	// Remote is set for a drop that another replica made and has already handed to its own watchers.
	Remote bool
}

// DropCount is how many drops this process knew of at some time, those of other replicas included.
type DropCount uint64

// DropCount returns the count of now.
func (c *Cache) DropCount() DropCount { return DropCount(c.memory.now()) }

// DroppedSince reports whether one of the tags was dropped since that count. Some tags share a mark, so that it may be
// true of one that was not.
func (c *Cache) DroppedSince(count DropCount, tags []Tag) bool {
	c.memory.mu.RLock()
	defer c.memory.mu.RUnlock()
	return len(tags) > 0 && c.memory.invalidated(uint64(count), tags[0].digest(), tags)
}

// Watch has f called with every later drop, local or of another replica, until stop is called. A local drop is reported
// when the other replicas know of it, or Redis has had its time. f runs on the goroutine of the writer or of the
// listener, so it must not wait; calls may come at the same time.
func (c *Cache) Watch(f func(Invalidation)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &watcher{f}
	c.watchers = append(slices.Clip(c.watchers), w)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers = slices.DeleteFunc(slices.Clone(c.watchers), func(o *watcher) bool { return o == w })
	}
}

type watcher struct{ notify func(Invalidation) }

func (c *Cache) notifyWatchers(ds []digest, d Invalidation) {
	c.mu.Lock()
	watchers := c.watchers
	c.mu.Unlock()
	if len(watchers) == 0 {
		return
	}
	d.Digests = make([]string, len(ds))
	for i := range ds {
		d.Digests[i] = ds[i].String()
	}
	for _, w := range watchers {
		w.notify(d)
	}
}
