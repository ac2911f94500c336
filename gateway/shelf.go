package gateway

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// shelf keeps values by name up to a number of bytes in all, and forgets what was not used for longest. It is safe for
// concurrent use.
type shelf[K comparable, V any] struct {
	mu         sync.Mutex
	values     *simplelru.LRU[K, sized[V]]
	size, most int
	reserve    func(by int64)
	// mostOf bounds the bytes of one owner, 0 none; owned are those of each.
	mostOf int
	owned  map[string]int
}

type sized[V any] struct {
	value V
	size  int
	owner string
}

// shelfOverhead is about what a kept value takes beside its own bytes and its name's.
const shelfOverhead = 256

// newShelf returns a shelf of at most so many bytes. reserve, which may be nil, is told by how much they change.
func newShelf[K comparable, V any](most int, reserve func(by int64)) *shelf[K, V] {
	if reserve == nil {
		reserve = func(int64) {}
	}
	s := &shelf[K, V]{most: most, reserve: reserve, owned: map[string]int{}}
	// The list never evicts by number: each value takes at least the overhead.
	s.values, _ = simplelru.NewLRU(most/shelfOverhead+1, func(_ K, v sized[V]) { s.left(v) })
	return s
}

func (s *shelf[K, V]) get(name K) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values.Get(name)
	return v.value, ok
}

// left counts a value that is no longer kept.
func (s *shelf[K, V]) left(v sized[V]) {
	s.size -= v.size
	if s.owned[v.owner] -= v.size; s.owned[v.owner] == 0 {
		delete(s.owned, v.owner)
	}
}

// put keeps a value of this size in bytes, unless it takes more than all values may.
func (s *shelf[K, V]) put(name K, value V, size int) { s.putFor("", name, value, size) }

// putFor keeps a value that counts into what its owner may take.
func (s *shelf[K, V]) putFor(owner string, name K, value V, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size += shelfOverhead; size > s.most || s.mostOf > 0 && size > s.mostOf {
		return
	}
	before := s.size
	s.values.Remove(name)
	if s.mostOf > 0 {
		s.makeRoomOf(owner, size)
	}
	s.values.Add(name, sized[V]{value, size, owner})
	s.owned[owner] += size
	for s.size += size; s.size > s.most; {
		s.values.RemoveOldest()
	}
	s.reserve(int64(s.size - before))
}

// makeRoomOf forgets what an owner has not used for longest.
func (s *shelf[K, V]) makeRoomOf(owner string, size int) {
	if s.owned[owner]+size <= s.mostOf {
		return
	}
	for _, name := range s.values.Keys() { // the oldest first
		if v, _ := s.values.Peek(name); v.owner != owner {
			continue
		}
		if s.values.Remove(name); s.owned[owner]+size <= s.mostOf {
			return
		}
	}
}

// close forgets all values, and keeps none any more.
func (s *shelf[K, V]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.size
	s.values.Purge()
	s.size, s.most = 0, 0
	s.reserve(int64(-before))
}
