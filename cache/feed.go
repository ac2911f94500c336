package cache

import "slices"

// Invalidation is a removal of cached values by a write, a purge or a backend's webhook.
type Invalidation struct {
	// Digests are those of the keys and tags, 32 hex digits each: what follows the colon of a Tag, and Fact.Digest.
	Digests []string
	// All is set where drops of other replicas may have been missed, so that anything may be untrue.
	All bool
	// Remote is set for a drop that another replica made and has already handed to its own watchers.
	Remote bool
}

// Watch has f called with every later drop, local or of another replica, until stop is called. A local drop is reported
// when the other replicas know of it, or Redis has had its time. f runs on the goroutine of the writer or of the listener,
// so it must not wait; calls may come at the same time.
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
