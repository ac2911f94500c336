package gateway

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// shelf keeps values by name up to a number of bytes in all, and forgets what was not used for longest. It is safe for
// concurrent use.
type shelf[V any] struct {
	mu         sync.Mutex
	values     *simplelru.LRU[string, sized[V]]
	size, most int
}

type sized[V any] struct {
	value V
	size  int
}

// shelfOverhead is about what a kept value takes beside its own bytes and its name's.
const shelfOverhead = 256

func newShelf[V any](most int) *shelf[V] {
	s := &shelf[V]{most: most}
	// The list never evicts by number: each value takes at least the overhead.
	s.values, _ = simplelru.NewLRU(most/shelfOverhead+1, func(_ string, v sized[V]) { s.size -= v.size })
	return s
}

func (s *shelf[V]) get(name string) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values.Get(name)
	return v.value, ok
}

// put keeps a value of this size in bytes, unless it takes more than all values may.
func (s *shelf[V]) put(name string, value V, size int) {
	if size += shelfOverhead; size > s.most {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values.Remove(name)
	s.values.Add(name, sized[V]{value, size})
	for s.size += size; s.size > s.most; {
		s.values.RemoveOldest()
	}
}
