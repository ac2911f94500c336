// Package lru keeps values up to a number of bytes and evicts the least recently used.
package lru

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache keeps values by key up to a number of bytes in all, and evicts the least recently used. It is safe for
// concurrent use.
type Cache[K comparable, V any] struct {
	// MaxPerOwner bounds the bytes of one owner, 0 for no bound. Set it before the first use.
	MaxPerOwner int

	mu        sync.Mutex
	values    *simplelru.LRU[K, entry[V]]
	size, max int
	reserve   func(by int64)
	owned     map[string]int // bytes by owner
}

type entry[V any] struct {
	value V
	size  int
	owner string
}

// EntryOverhead is the approximate size of an entry besides its value and its key, in bytes.
const EntryOverhead = 256

// New returns a cache of at most maxBytes. reserve, which may be nil, is called with each change of the bytes that it
// holds.
func New[K comparable, V any](maxBytes int, reserve func(by int64)) *Cache[K, V] {
	if reserve == nil {
		reserve = func(int64) {}
	}
	c := &Cache[K, V]{max: maxBytes, reserve: reserve, owned: map[string]int{}}
	// The list never evicts by number: each entry takes at least the overhead.
	c.values, _ = simplelru.NewLRU(maxBytes/EntryOverhead+1, func(_ K, e entry[V]) { c.removed(e) })
	return c
}

// Get returns the value of a key and makes it the most recently used.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.values.Get(key)
	return e.value, ok
}

// Keys returns the keys, the least recently used first.
func (c *Cache[K, V]) Keys() []K {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values.Keys()
}

// Bytes returns how many bytes the entries take.
func (c *Cache[K, V]) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

func (c *Cache[K, V]) removed(e entry[V]) {
	c.size -= e.size
	if c.owned[e.owner] -= e.size; c.owned[e.owner] == 0 {
		delete(c.owned, e.owner)
	}
}

// Put replaces the value of a key by one of size bytes. One that takes more than all values may is not kept.
func (c *Cache[K, V]) Put(key K, value V, size int) { c.PutFor("", key, value, size) }

// PutFor is Put, and counts the value towards the bound of its owner.
func (c *Cache[K, V]) PutFor(owner string, key K, value V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.size
	defer func() { c.reserve(int64(c.size - before)) }()
	c.values.Remove(key)
	if size += EntryOverhead; size > c.max || c.MaxPerOwner > 0 && size > c.MaxPerOwner {
		return
	}
	if c.MaxPerOwner > 0 {
		c.evictOwner(owner, size)
	}
	c.values.Add(key, entry[V]{value, size, owner})
	c.owned[owner] += size
	for c.size += size; c.size > c.max; {
		c.values.RemoveOldest()
	}
}

// evictOwner makes room for size bytes more of an owner.
func (c *Cache[K, V]) evictOwner(owner string, size int) {
	if c.owned[owner]+size <= c.MaxPerOwner {
		return
	}
	for _, key := range c.values.Keys() { // the oldest first
		if e, _ := c.values.Peek(key); e.owner != owner {
			continue
		}
		if c.values.Remove(key); c.owned[owner]+size <= c.MaxPerOwner {
			return
		}
	}
}

// Remove removes the value of a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.size
	c.values.Remove(key)
	c.reserve(int64(c.size - before))
}

// Close removes all values. None is kept from then on.
func (c *Cache[K, V]) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.size
	c.values.Purge()
	c.size, c.max = 0, 0
	c.reserve(int64(-before))
}
