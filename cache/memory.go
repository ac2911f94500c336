package cache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// overhead is what an entry costs in bytes beside its value: the entry, its record and the library's node.
const overhead = 400

// record is what is known about one key. It does not change but for its trouble.
type record struct {
	value any
	found bool // false is an absence
	etag  string
	tags  []Tag
	at    time.Time // when the backend said it
	fresh time.Time // until when it is fresh
	stale time.Time // until when it may be served at all
	size  int       // of value, in bytes

	trouble atomic.Pointer[trouble]
}

// trouble is why a record was not refreshed, and when to try again.
type trouble struct {
	reason Reason
	retry  time.Time
}

// entry is what the library holds. It keeps removed entries in its buffers for a while, so erasing empties the entry.
type entry struct {
	key digest
	rec atomic.Pointer[record]
}

// memory is the level in the process, and the knowledge of what was dropped when.
type memory struct {
	limit   int64
	entries *otter.Cache[digest, *entry] // nil where nothing is kept

	// mu makes "was it dropped since? if not, fill" one step against a drop.
	mu    sync.RWMutex
	drops uint64       // how many so far: the clock of marks
	marks [4096]uint64 // the last drop that hit each digest; some share a mark, which refuses a fill too many at worst
	floor uint64       // the last drop of everything

	tagMu  sync.Mutex
	tagged map[digest]map[*entry]struct{} // as large as what the entries carry, so bounded with them
}

func newMemory(limit int64) (*memory, error) {
	m := &memory{limit: limit, tagged: map[digest]map[*entry]struct{}{}}
	if limit <= 0 {
		return m, nil
	}
	entries, err := otter.New(&otter.Options[digest, *entry]{
		MaximumWeight:    uint64(limit),
		Weigher:          func(_ digest, e *entry) uint32 { return e.weight() },
		OnAtomicDeletion: func(e otter.DeletionEvent[digest, *entry]) { m.erase(e.Value) },
		// In the caller's goroutine: there is nothing to wait for when the cache is closed.
		Executor: func(f func()) { f() },
		Logger:   &otter.NoopLogger{},
	})
	m.entries = entries
	return m, err
}

func (e *entry) weight() uint32 {
	r := e.rec.Load()
	if r == nil {
		return overhead
	}
	return uint32(min(r.cost(), math.MaxUint32))
}

func (r *record) cost() int64 {
	return int64(overhead) + int64(r.size) + int64(len(r.etag)) + int64(len(r.tags))*128
}

// now is the moment that a later fill compares with the drops.
func (m *memory) now() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.drops
}

func (m *memory) get(d digest) *record {
	if m.entries == nil {
		return nil
	}
	e, ok := m.entries.GetIfPresent(d)
	if !ok {
		return nil
	}
	return e.rec.Load()
}

// fill keeps what a backend was asked for at start, unless it was dropped since. It reports whether it was not: the
// record may have been too large or too old to keep all the same.
func (m *memory) fill(start uint64, d digest, r *record) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dropped(start, d, r.tags) {
		return false
	}
	if m.entries == nil {
		return true
	}
	if r.cost() > m.limit/4 {
		m.entries.Invalidate(d)
		return true
	}
	if old := m.get(d); old != nil && old.at.After(r.at) {
		return true
	}
	e := &entry{key: d}
	e.rec.Store(r)
	m.index(e, r.tags)
	m.entries.Set(d, e)
	return true
}

// remove takes out what was kept before start.
func (m *memory) remove(start uint64, d digest) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.entries != nil && !m.dropped(start, d, nil) {
		m.entries.Invalidate(d)
	}
}

// droppedSince reports whether a value that a backend was asked for at start was dropped, by its key or by a tag.
func (m *memory) droppedSince(start uint64, d digest, tags []Tag) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.dropped(start, d, tags)
}

func (m *memory) dropped(start uint64, d digest, tags []Tag) bool {
	if m.floor > start || m.marks[d.mark()] > start {
		return true
	}
	for _, t := range tags {
		if m.marks[t.digest().mark()] > start {
			return true
		}
	}
	return false
}

// drop erases the keys and what carries their tags, and refuses what was asked for before.
func (m *memory) drop(ds []digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drops++
	for _, d := range ds {
		m.marks[d.mark()] = m.drops
		if m.entries == nil {
			continue
		}
		m.entries.Invalidate(d)
		for _, key := range m.carriers(d) {
			m.entries.Invalidate(key)
		}
	}
}

// clear erases everything.
func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drops++
	m.floor = m.drops
	if m.entries != nil {
		m.entries.InvalidateAll()
	}
}

func (m *memory) index(e *entry, tags []Tag) {
	if len(tags) == 0 {
		return
	}
	m.tagMu.Lock()
	defer m.tagMu.Unlock()
	for _, t := range tags {
		d := t.digest()
		if m.tagged[d] == nil {
			m.tagged[d] = map[*entry]struct{}{}
		}
		m.tagged[d][e] = struct{}{}
	}
}

func (m *memory) carriers(tag digest) []digest {
	m.tagMu.Lock()
	defer m.tagMu.Unlock()
	var keys []digest
	for e := range m.tagged[tag] {
		keys = append(keys, e.key)
	}
	return keys
}

// erase empties an entry that the library let go, for whatever reason.
func (m *memory) erase(e *entry) {
	r := e.rec.Swap(nil)
	if r == nil || len(r.tags) == 0 {
		return
	}
	m.tagMu.Lock()
	defer m.tagMu.Unlock()
	for _, t := range r.tags {
		d := t.digest()
		delete(m.tagged[d], e)
		if len(m.tagged[d]) == 0 {
			delete(m.tagged, d)
		}
	}
}

func (m *memory) usage() (bytes int64, entries int) {
	if m.entries == nil {
		return 0, 0
	}
	return int64(m.entries.WeightedSize()), m.entries.EstimatedSize()
}
