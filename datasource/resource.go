package datasource

import (
	"context"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// resource is a kind of record that its backend reads by key and lists.
type resource[V any] struct {
	items *cache.Space[V]
	pages *cache.Collection[PageKey, V]
	// fetch reads each page with a call of its own.
	fetch cache.FetchPages[PageKey, V]
	// list is the tag of values that depend on the whole list.
	list cache.Tag
	tags func(V) []cache.Tag
	scan scanner[V]
	// single reads one record.
	single func(ctx context.Context, key string, options ...upstream.Option) (V, upstream.Meta, error)
	// normal returns the form of a key in which two that the backend takes for one are equal.
	normal func(key string) string
	// requestedOnly is set if of a scan only those records are stored that somebody asked for.
	requestedOnly bool
}

// load returns records by key.
func (r *resource[V]) load(ctx context.Context, keys []string, together *roundMember) []cache.Result[V] {
	return r.items.Load(ctx, keys, r.read(together))
}

// read returns a fetch that reads records singly, or by the pages of the whole list where those are fewer.
func (r *resource[V]) read(together *roundMember) cache.Fetch[V] {
	return func(ctx context.Context, missing []cache.Missing) []cache.Answer[V] {
		keys := missingKeys(missing)
		answers, rest := plan(ctx, keys, together, func(keys []string) (scanned[string, V], error) {
			return r.scanFor(ctx, keys)
		})
		eachOf(fetching(ctx), keys, rest, answers, func(ctx context.Context, i int) (cache.Entry[V], error) {
			m := &missing[i]
			v, meta, err := r.single(ctx, m.Key, upstream.IfNoneMatch(m.ETag))
			return conditional(v, meta, err, r.tags)
		})
		return answers
	}
}

// scanFor reads the pages of the whole list until they have shown the keys.
func (r *resource[V]) scanFor(ctx context.Context, keys []string) (seen scanned[string, V], err error) {
	if r.scan.size.bound(len(keys)) == 0 {
		return seen, nil
	}
	s, left := r.scan, r.remainingAfter(keys)
	s.worthReading = func(page []V) bool { return left(page) > 0 }
	result, err := s.scan(scanning(ctx, keys), len(keys))
	if result == nil || err != nil {
		return seen, err
	}
	return scanned[string, V]{r.selectKeys(ctx, result, keys), result.done}, nil
}

// remainingAfter returns a count of the keys that no page has shown so far.
func (r *resource[V]) remainingAfter(keys []string) func(page []V) int {
	open := make(map[string]bool, len(keys))
	for _, k := range keys {
		open[r.normal(k)] = true
	}
	return func(page []V) int {
		for _, item := range page {
			key, _ := r.scan.key(item)
			delete(open, r.normal(key))
		}
		return len(open)
	}
}

// selectKeys returns the records of a scan that were asked for by key, and stores the others.
func (r *resource[V]) selectKeys(ctx context.Context, s *scan[V], keys []string) map[string]cache.Answer[V] {
	asked := make(map[string]string, len(keys))
	for _, k := range keys {
		asked[r.normal(k)] = k
	}
	found := make(map[string]cache.Answer[V], len(keys))
	for _, item := range s.items {
		key, stub := r.scan.key(item)
		if key == "" || stub {
			continue
		}
		if k, ok := asked[r.normal(key)]; ok {
			found[k] = cache.Answer[V]{Entry: entryOf(item, s.meta, r.tags(item)...), Found: true}
		} else if !r.requestedOnly {
			r.items.Put(ctx, key, entryOf(item, s.meta, r.tags(item)...))
		}
	}
	return found
}

// revisit reads a page of a scan, again only if the backend has another.
func revisit[V any](ctx context.Context, pages *cache.Collection[PageKey, V], list cache.Tag, cursor string,
	keep func(*Page[V]) *Page[V],
	read func(upstream.Option) (Page[V], upstream.Meta, error)) (scannedPage[V], error) {
	var meta upstream.Meta
	f, err := pages.Revisit(ctx, "scan:"+cursor, []cache.Tag{list}, keep,
		func(_ context.Context, etag string) (cache.Entry[*Page[V]], error) {
			page, m, err := read(upstream.IfNoneMatch(etag))
			meta = m
			return conditional(&page, m, err, func(*Page[V]) []cache.Tag { return nil })
		})
	return scannedPage[V]{f.Value, meta}, err
}

// pageTags are the tags of the list and of these items.
func (r *resource[V]) pageTags(items []V) []cache.Tag {
	tags := append(make([]cache.Tag, 0, 1+len(items)), r.list)
	for _, v := range items {
		key, _ := r.scan.key(v)
		tags = append(tags, r.items.Tag(key))
	}
	return tags
}

// pageOf returns one page of a list that no batch waits for.
func pageOf[V any](ctx context.Context, pages *cache.Collection[PageKey, V], key PageKey,
	fetch cache.FetchPages[PageKey, V]) (Page[V], error) {
	return readOnce(ctx, pageRead{pages, key}, func() (Page[V], error) {
		r := pages.Load(ctx, []PageKey{key}, fetch)[0]
		return r.Value, r.Err
	})
}

// configured returns a fetch, or one that refuses every key where the backend is not configured.
func configured[K comparable, V any](s *Source, b upstream.Backend, fetch fetchFunc[K, V]) fetchFunc[K, V] {
	err := s.Configured(b)
	if err == nil {
		return fetch
	}
	return func(_ context.Context, keys []K, _ *roundMember) []cache.Result[V] {
		return slices.Repeat([]cache.Result[V]{{Err: err}}, len(keys))
	}
}

// Configured returns the error of a read of the first of the backends that this server does not have, nil where it has
// all.
func (s *Source) Configured(backends ...upstream.Backend) error {
	for _, b := range backends {
		if !s.has(b) {
			return &upstream.Error{Backend: b, Kind: upstream.NotConfigured}
		}
	}
	return nil
}

func (s *Source) has(b upstream.Backend) bool {
	switch b {
	case upstream.ThoughtIndustries:
		return s.ThoughtIndustries != nil
	case upstream.Coassemble:
		return s.Coassemble != nil
	}
	return s.MATTR != nil
}
