package cache

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/paging"
)

// Page is a part of a backend's list.
type Page[V any] = paging.Page[V]

// Item is a record that a page shows.
type Item struct {
	digest  digest // of its own key; zero where it has none
	deleted atomic.Bool
}

func newItems(digests []digest) []Item {
	if len(digests) == 0 {
		return nil
	}
	items := make([]Item, len(digests))
	for i, d := range digests {
		items[i].digest = d
	}
	return items
}

// tagsOf returns the tags of the items' own keys.
func tagsOf(label string, items []Item) []Tag {
	tags := make([]Tag, 0, len(items))
	for i := range items {
		if d := items[i].digest; d != (digest{}) {
			tags = append(tags, newTag(label, d))
		}
	}
	return tags
}

// CollectionOptions describe the pages of one kind of record.
type CollectionOptions[K comparable, V any] struct {
	// Pages are the options of the pages' space; its encoding and size are those of one item.
	Pages SpaceOptions[V]
	// Text is the name of a page in Redis and in facts.
	Text func(K) string
	// Items are the records by their own keys; nil where they have none.
	Items *Space[V]
	// Key returns an item's own key, and whether the list shows nothing but that. A page with an item that has no key is
	// not stored. A nil Key is that of records without keys of their own.
	Key func(V) (key string, stub bool)
	// Tags are the tags of an item besides its own key; nil is nothing.
	Tags func(V) []Tag
	// Filed is called with each item that a page brings or renews; nil is not called.
	Filed func(context.Context, Entry[V])
}

// Collection is the pages of a list. A page holds its items; each is stored under its own key as well. A drop of an
// item does not drop the pages that show it, which may be all that there is when the backend is down, but a Load
// fetches them again. It is safe for concurrent use.
type Collection[K comparable, V any] struct {
	o     CollectionOptions[K, V]
	pages *Space[*Page[V]]
	// tagged is set once a page came with an ETag.
	tagged atomic.Bool
}

// NewCollection makes a collection of c.
func NewCollection[K comparable, V any](c *Cache, o CollectionOptions[K, V]) *Collection[K, V] {
	p := o.Pages
	col := &Collection[K, V]{o: o, pages: NewSpace(c, SpaceOptions[*Page[V]]{
		Kind: p.Kind, Backend: p.Backend, Scope: p.Scope, Personal: p.Personal,
		Encode: func(page *Page[V]) ([]byte, error) { return encodePage(page, p.Encode) },
		Decode: func(data []byte) (*Page[V], error) { return decodePage(data, p.Decode) },
		Size:   func(page *Page[V]) int { return pageSize(page, p.Size) },
	})}
	if o.Items != nil {
		col.pages.inner.renewable, col.pages.inner.without = col.renewable, without[V]
	}
	return col
}

func without[V any](page any, item int) any {
	p := *as[*Page[V]](page)
	p.Items = slices.Clone(p.Items)
	var none V
	p.Items[item] = none
	return &p
}

// FetchPages asks the backend for the missing ones of the pages of a Load and returns an answer for each, in their
// order. The ETag of one is empty where the backend may have more items than are cached.
type FetchPages[K comparable, V any] func(ctx context.Context, keys []K, missing []Missing) []Answer[*Page[V]]

// Load returns the pages of the keys, as Space.Load returns values.
func (c *Collection[K, V]) Load(ctx context.Context, keys []K, fetch FetchPages[K, V]) []Result[Page[V]] {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = c.o.Text(k)
	}
	l := c.pages.inner.load(ctx, texts, func(ctx context.Context, began start, misses []missingKey) []outcome {
		return c.pages.outcomes(began, misses, c.fetch(ctx, misses, keys, fetch))
	})
	results := make([]Result[Page[V]], len(keys))
	for i := range results {
		o, fact := l.outcome(i)
		r := Result[Page[V]]{Fact: fact}
		r.Value, r.Err = c.visiblePage(o)
		r.Found = r.Err == nil && o.rec != nil && o.rec.found
		results[i] = r
	}
	return results
}

// Cached returns a page and the moment that it is of, if it is fresh and lacks nothing.
func (c *Collection[K, V]) Cached(ctx context.Context, key K) (Page[V], Entry[*Page[V]], bool) {
	text := c.o.Text(key)
	if !c.pages.inner.mayHold(text) {
		return Page[V]{}, Entry[*Page[V]]{}, false
	}
	o, _ := c.pages.inner.load(onlyFresh(ctx), []string{text}, nil).outcome(0)
	page, err := c.visiblePage(o)
	if err != nil || o.rec == nil || !o.rec.found || page.Missing != nil {
		return page, Entry[*Page[V]]{}, false
	}
	return page, Entry[*Page[V]]{Value: &page, At: o.rec.at}, true
}

// Put stores a page and its items. The context is one that Space.Put takes.
func (c *Collection[K, V]) Put(ctx context.Context, key K, f Entry[*Page[V]]) {
	c.pages.Put(ctx, c.o.Text(key), c.file(ctx, f.Value, f))
}

func (c *Collection[K, V]) fetch(ctx context.Context, misses []missingKey, keys []K,
	fetch FetchPages[K, V]) []Answer[*Page[V]] {
	pages := fetch(ctx, keys, c.pages.inner.missing(misses))
	for i := range pages {
		a := &pages[i]
		page := a.Value
		if kept := misses[i].stored; a.NotModified && kept != nil && kept.found {
			page = as[*Page[V]](kept.value)
		}
		if a.Found {
			a.Entry = c.file(ctx, page, a.Entry)
		}
	}
	return pages
}

// file stores the items of a page that arrived or was renewed, and returns the entry of the page itself. A page that
// was made of stored ones has a time, and its items are stored already.
func (c *Collection[K, V]) file(ctx context.Context, page *Page[V], f Entry[*Page[V]]) Entry[*Page[V]] {
	if page == nil {
		return f
	}
	f = c.index(page, f)
	if c.o.Items == nil || !f.At.IsZero() {
		return f
	}
	for i, v := range page.Items {
		if f.items[i] == (digest{}) {
			continue
		}
		item := Entry[V]{Value: v, MaxAge: f.MaxAge, NoStore: f.NoStore, Tags: c.tags(v)}
		c.o.Items.put(ctx, f.items[i], item)
		if c.o.Filed != nil {
			c.o.Filed(ctx, item)
		}
	}
	return f
}

// index notes which items a page shows.
func (c *Collection[K, V]) index(page *Page[V], f Entry[*Page[V]]) Entry[*Page[V]] {
	if c.o.Key == nil {
		return f
	}
	f.items = make([]digest, len(page.Items))
	for i, v := range page.Items {
		key, stub := c.o.Key(v)
		f.NoStore = f.NoStore || key == ""
		if key != "" && !stub && c.o.Items != nil {
			f.items[i] = c.o.Items.inner.digest(key)
		}
	}
	return f
}

func (c *Collection[K, V]) tags(v V) []Tag {
	if c.o.Tags == nil {
		return nil
	}
	return c.o.Tags(v)
}

// Revisit reads a page that a fetch of something else needs, such as one of a full scan. Where backends send ETags it
// stores the part of the page that keep returns under the text, so that the page need not be sent again; a nil keep is
// all of it, a nil page nothing. The items are for the caller to store.
func (c *Collection[K, V]) Revisit(ctx context.Context, text string, tags []Tag, keep func(*Page[V]) *Page[V],
	read func(ctx context.Context, etag string) (Entry[*Page[V]], error)) (Entry[*Page[V]], error) {
	var stored *record
	if c.tagged.Load() {
		stored = c.pages.inner.storedRecords(ctx, []string{text})[text]
	}
	etag := ""
	if stored != nil && stored.found && c.renewable(stored) {
		etag = stored.etag
	}
	f, err := read(ctx, etag)
	if err != nil {
		return f, err
	}
	if f.NotModified {
		f.Value, f.NotModified, f.ETag = as[*Page[V]](stored.value), false, cmp.Or(f.ETag, etag)
	}
	if f.ETag == "" {
		return f, nil
	}
	c.tagged.Store(true)
	page := f
	if keep != nil {
		page.Value = keep(f.Value)
	}
	if page.Value != nil {
		page = c.index(page.Value, page)
		page.Tags = tags
		c.pages.Put(ctx, text, page)
	}
	return f, nil
}

// renewable reports whether a stored page shows every item as it is stored under its own key.
func (c *Collection[K, V]) renewable(r *record) bool {
	page := as[*Page[V]](r.value)
	for i := range r.items {
		item := &r.items[i]
		if item.deleted.Load() {
			return false
		}
		if own := c.pages.inner.c.newerRecord(r, item); own != nil &&
			!(own.found && c.same(as[V](own.value), page.Items[i])) {
			return false
		}
	}
	return true
}

func (c *Collection[K, V]) same(a, b V) bool {
	x, errX := c.o.Pages.Encode(a)
	y, errY := c.o.Pages.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// newerRecord returns the record of an item's own key if it is younger than the page; of an item that is gone, any.
func (c *Cache) newerRecord(r *record, item *Item) *record {
	if item.digest == (digest{}) {
		return nil
	}
	own := c.memory.get(item.digest)
	if own == nil || !item.deleted.Load() && !own.at.After(r.at) {
		return nil
	}
	return own
}

// changed reports whether an item of a stored page was read or made unknown since.
func (c *Collection[K, V]) changed(r *record) bool {
	for i := range r.items {
		if r.items[i].deleted.Load() || c.pages.inner.c.newerRecord(r, &r.items[i]) != nil {
			return true
		}
	}
	return false
}

// incomplete reports whether a page shows an item that a write made unknown.
func (c *Cache) incomplete(r *record) bool {
	for i := range r.items {
		if item := &r.items[i]; item.deleted.Load() && c.newerRecord(r, item) == nil {
			return true
		}
	}
	return false
}

// visiblePage returns the page of an outcome. Of a stored page items that were read since are shown as they are now,
// and those that are gone are not shown.
func (c *Collection[K, V]) visiblePage(o *outcome) (Page[V], error) {
	if o.err != nil || o.rec == nil || !o.rec.found {
		return Page[V]{}, o.err
	}
	page := *as[*Page[V]](o.rec.value)
	if o.verdict == Called || o.verdict == Coalesced || o.verdict == Revalidated || !c.changed(o.rec) {
		return page, nil
	}
	var items []V
	left := 0
	for i := range o.rec.items {
		own, gone := c.pages.inner.c.newerRecord(o.rec, &o.rec.items[i]), o.rec.items[i].deleted.Load()
		if own == nil && !gone {
			items, left = append(items, page.Items[i]), left+1
			continue
		}
		var v V
		switch {
		case own == nil:
			page.Missing = cmp.Or(o.cause, ErrNotCached)
		case !own.found:
			continue
		default:
			v, left = as[V](own.value), left+1
		}
		items = append(items, v)
	}
	if page.Missing != nil && left == 0 {
		return Page[V]{}, page.Missing
	}
	page.Items = items
	return page, nil
}

// pageHead precedes the items of a page in Redis: it is the page with their number in their place.
type pageHead[V any] struct {
	Items int
	*Page[V]
}

// encodePage writes a head and the items, each after its length: the text of an item stays as it is.
func encodePage[V any](p *Page[V], encode func(V) ([]byte, error)) ([]byte, error) {
	head, err := json.Marshal(pageHead[V]{len(p.Items), p})
	if err != nil {
		return nil, err
	}
	b := appendString(nil, string(head))
	for _, v := range p.Items {
		data, err := encode(v)
		if err != nil {
			return nil, err
		}
		b = append(binary.AppendUvarint(b, uint64(len(data))), data...)
	}
	return b, nil
}

func decodePage[V any](data []byte, decode func([]byte) (V, error)) (*Page[V], error) {
	text, rest, ok := cutBytes(data)
	p := new(Page[V])
	head := pageHead[V]{Page: p}
	if !ok || json.Unmarshal(text, &head) != nil || head.Items < 0 || head.Items > len(rest) {
		return nil, errFrame
	}
	p.Items = make([]V, head.Items)
	for i := range p.Items {
		if text, rest, ok = cutBytes(rest); !ok {
			return nil, errFrame
		}
		var err error
		if p.Items[i], err = decode(text); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func pageSize[V any](p *Page[V], item func(V) int) int {
	n := footprint.Of[Page[V]]() + footprint.Slice(p.Items) + footprint.Text(p.Next) + footprint.Slice(p.Extra)
	if p.Total != nil {
		n += footprint.Of[int]()
	}
	for _, v := range p.Items {
		n += item(v)
	}
	for _, e := range p.Extra {
		n += footprint.Slice(e)
	}
	return n
}
