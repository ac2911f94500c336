package cache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/footprint"
	"github.com/maypok86/otter/v2"
)

// The cost of an entry in bytes besides its value, its tags and its validator.
var overhead = footprint.Of[record]() + footprint.Of[entry]() + libraryNode + libraryTable + librarySketch

const (
	// libraryNode is otter's node: the key of 16 bytes, four words, the weight and two states.
	libraryNode = 64
	// libraryTable is an entry's part of otter's hash table, whose buckets of 64 bytes have five places: three
	// eighths to three quarters of them are taken.
	libraryTable = 64 * 2 / 5
	// librarySketch is its part of the table of frequencies: a word for each entry, up to the next power of two.
	librarySketch = 12
	// tagSlot is the place of a tag in the index, a digest and a pointer where 7/16 to 7/8 of the slots are taken.
	tagSlot = (1 + 16 + 8) * 3 / 2
)

// record is the value, or the absence, of one key. It does not change but for its refresh error.
type record struct {
	value any
	found bool // false is an absence
	etag  string
	tags  []Tag
	items []Item // of a page
	// without returns a page's value without one of its items.
	without func(page any, item int) any
	at      time.Time // when the backend sent it
	fresh   time.Time // until when it is fresh
	stale   time.Time // until when it may be served at all
	size    int       // of value, in bytes

	refreshError atomic.Pointer[refreshError]
}

// withoutItem returns the record of a page without one of its items. Nothing of the item stays in memory.
func (r *record) withoutItem(item int) *record {
	r.items[item].deleted.Store(true)
	return &record{value: r.without(r.value, item), found: true, tags: r.tags, items: r.items, without: r.without,
		at: r.at, fresh: r.fresh, stale: r.stale, size: r.size}
}

// refreshError is why a record was not refreshed, and when to try again.
type refreshError struct {
	reason Reason
	retry  time.Time
}

// entry is the library's value. It keeps removed entries in its buffers for a while, so erasing empties the entry.
type entry struct {
	key   digest
	rec   atomic.Pointer[record]
	links []link // one per tag and item of the record
}

// link is an entry's place in the list of those that carry a tag, or that show the item of that digest.
type link struct {
	entry      *entry
	item       int // the place among the record's items; negative is a tag
	prev, next *link
}

// memory is the level in the process, with the times of recent drops.
type memory struct {
	limit   int64
	reserve sync.Mutex
	taken   atomic.Int64                 // by reservations; changes under reserve
	entries *otter.Cache[digest, *entry] // nil where nothing is kept

	// mu makes "was it dropped since? if not, fill" one step against a drop.
	mu      sync.RWMutex
	dropSeq uint64       // how many so far: the clock of marks
	marks   [4096]uint64 // the last drop that hit each digest; some share a mark, which refuses a fill too many at worst
	floor   uint64       // the last drop of everything

	tags *tagIndex
}

// tagIndex finds the entries that carry a tag. It must not refer to the library's cache: that has a cleanup function
// whose argument refers to the index, and a cleanup's argument keeps its referents alive.
type tagIndex struct {
	mu     sync.Mutex
	tagged map[digest]*link // the first of those that carry a tag
}

func newMemory(limit int64) (*memory, error) {
	tags := &tagIndex{tagged: map[digest]*link{}}
	m := &memory{limit: limit, tags: tags}
	if limit <= 0 {
		return m, nil
	}
	entries, err := otter.New(&otter.Options[digest, *entry]{
		MaximumWeight:    uint64(limit),
		Weigher:          func(_ digest, e *entry) uint32 { return e.weight() },
		OnAtomicDeletion: func(e otter.DeletionEvent[digest, *entry]) { tags.erase(e.Value) },
		// In the caller's goroutine: there is nothing to wait for when the cache is closed.
		Executor: func(f func()) { f() },
		Logger:   &otter.NoopLogger{},
	})
	m.entries = entries
	return m, err
}

// minShare is the part of the limit, as its divisor, that entries have whatever is kept elsewhere.
const minShare = 4

// take leaves so many bytes fewer for entries.
func (m *memory) take(by int64) {
	m.reserve.Lock()
	defer m.reserve.Unlock()
	taken := m.taken.Add(by)
	if m.entries != nil {
		m.entries.SetMaximum(uint64(max(m.limit-taken, m.limit/minShare)))
	}
}

func (e *entry) weight() uint32 {
	r := e.rec.Load()
	if r == nil {
		return uint32(overhead)
	}
	return uint32(min(r.cost(), math.MaxUint32))
}

// cost is the heap size of the record, in bytes. Where records share a tag's text, each counts it, since each may be
// the last to hold it.
func (r *record) cost() int64 {
	n := overhead + r.size + footprint.Text(r.etag) + footprint.Slice(r.tags) + footprint.Slice(r.items) +
		footprint.Array[link](len(r.tags)+len(r.items)) + len(r.items)*tagSlot
	for _, t := range r.tags {
		n += footprint.Text(string(t)) + tagSlot
	}
	return int64(n)
}

// now is the moment that a later fill compares with the drops.
func (m *memory) now() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.dropSeq
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

// fill stores a value whose fetch began at start, unless it was dropped since. It reports whether it was not: the
// record may have been too large or too old to keep all the same.
func (m *memory) fill(start uint64, d digest, r *record) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.invalidated(start, d, r.tags) {
		return false
	}
	for i := range r.items {
		if m.itemInvalidated(start, &r.items[i]) {
			r = r.withoutItem(i)
		}
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
	m.tags.add(e, r)
	m.entries.Set(d, e)
	return true
}

// remove deletes a value that was stored before start.
func (m *memory) remove(start uint64, d digest) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.entries != nil && !m.invalidated(start, d, nil) {
		m.entries.Invalidate(d)
	}
}

// invalidatedSince reports whether a value that a backend was asked for at start was dropped, by its key or by a tag,
// or one of the items that it shows.
func (m *memory) invalidatedSince(start uint64, d digest, r *record) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.invalidated(start, d, r.tags) {
		return true
	}
	for i := range r.items {
		if m.itemInvalidated(start, &r.items[i]) {
			return true
		}
	}
	return false
}

func (m *memory) itemInvalidated(start uint64, item *Item) bool {
	return item.digest != (digest{}) && m.marks[item.digest.mark()] > start
}

func (m *memory) invalidated(start uint64, d digest, tags []Tag) bool {
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

// invalidate erases the keys and the values that carry their tags, and refuses fills that began before.
func (m *memory) invalidate(ds []digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropSeq++
	for _, d := range ds {
		m.marks[d.mark()] = m.dropSeq
		if m.entries == nil {
			continue
		}
		m.entries.Invalidate(d)
		for _, l := range m.tags.taggedBy(d) {
			if r := l.entry.rec.Load(); l.item >= 0 && r != nil {
				l.entry.rec.CompareAndSwap(r, r.withoutItem(l.item))
				continue
			}
			m.entries.Invalidate(l.entry.key)
		}
	}
}

// clear erases everything.
func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropSeq++
	m.floor = m.dropSeq
	if m.entries != nil {
		m.entries.InvalidateAll()
	}
}

// close releases the stored values. Later lookups find nothing.
func (m *memory) close() {
	m.clear()
	if m.entries != nil {
		m.entries.CleanUp() // the library's buffers still hold removed entries
		m.entries.StopAllGoroutines()
	}
}

func (x *tagIndex) add(e *entry, r *record) {
	if len(r.tags)+len(r.items) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e.links = make([]link, len(r.tags)+len(r.items))
	for i, t := range r.tags {
		x.link(&e.links[i], e, -1, t.digest())
	}
	for i := range r.items {
		if d := r.items[i].digest; d != (digest{}) {
			x.link(&e.links[len(r.tags)+i], e, i, d)
		}
	}
}

func (x *tagIndex) link(l *link, e *entry, item int, d digest) {
	l.entry, l.item, l.next = e, item, x.tagged[d]
	if l.next != nil {
		l.next.prev = l
	}
	x.tagged[d] = l
}

// taggedBy returns the links of a digest, as copies: the entries may go meanwhile.
func (x *tagIndex) taggedBy(d digest) []link {
	x.mu.Lock()
	defer x.mu.Unlock()
	var links []link
	for l := x.tagged[d]; l != nil; l = l.next {
		links = append(links, *l)
	}
	return links
}

// erase empties an entry that the library let go, for whatever reason.
func (x *tagIndex) erase(e *entry) {
	r := e.rec.Swap(nil)
	if r == nil || len(r.tags)+len(r.items) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, t := range r.tags {
		x.unlink(&e.links[i], t.digest())
	}
	for i := range r.items {
		if d := r.items[i].digest; d != (digest{}) {
			x.unlink(&e.links[len(r.tags)+i], d)
		}
	}
	e.links = nil // its neighbours must not live as long as the library holds the entry
}

// unlink takes an entry out of those that carry a tag.
func (x *tagIndex) unlink(l *link, tag digest) {
	if l.next != nil {
		l.next.prev = l.prev
	}
	switch {
	case l.prev != nil:
		l.prev.next = l.next
	case l.next != nil:
		x.tagged[tag] = l.next
	default:
		delete(x.tagged, tag)
	}
}

func (m *memory) usage() (bytes int64, entries int) {
	taken := m.taken.Load()
	if m.entries == nil {
		return taken, 0
	}
	return taken + int64(m.entries.WeightedSize()), m.entries.EstimatedSize()
}
