package datasource

import (
	"context"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// scan is a list that was read page by page from its start.
type scan[V any] struct {
	items []V
	meta  upstream.Meta
	pages int
	// done is set if no more follow.
	done bool
	// unusable is set if the list shows keys alone, so that it cannot answer who belongs where, or if a page brought
	// nothing new. Either ends the scan.
	unusable bool
}

// scanSize is how many pages a whole list was known to have, 0 while no scan has ended.
type scanSize struct{ pages atomic.Int64 }

const (
	// maxScanPages bounds the pages of one scan.
	maxScanPages = 50
	// unusableSize is the size of a list that is of no use.
	unusableSize = 1 << 30
)

// bound is how many pages of the list may be read where the other way takes n calls: as many as that at the most, so
// that not knowing the size costs twice the cheapest way at most. It is 0 where the list is known to be longer.
func (s *scanSize) bound(n int) int {
	n = min(n, maxScanPages)
	if n < 2 || int(s.pages.Load()) > n {
		return 0
	}
	return n
}

// learn records the size that a scan found, or that the list is longer than the pages read. Such a list is taken for
// twice as long: all scans that read in vain then have less than twice the pages of the longest.
func (s *scanSize) learn(pages int, done, unusable bool) {
	switch {
	case unusable:
		pages = unusableSize
	case !done:
		pages *= 2
	}
	s.pages.Store(int64(pages))
}

// scanner reads a whole list where that takes no more calls than single reads.
type scanner[V any] struct {
	size *scanSize
	key  func(V) (key string, stub bool)
	// read reads the page that a cursor leads to; the first has none.
	read func(ctx context.Context, cursor string) (scannedPage[V], error)
	// worthReading reports after a page whether the rest of the scan is worth its calls; nil is always so.
	worthReading func(page []V) bool
	// flights are the scans under way, each shared by all who wait for it.
	flights *cache.Space[*scan[V]]
	// seen are the tags of a scan's records. A caller that comes after one of them was dropped scans again.
	seen func(items []V) []cache.Tag
}

// scan returns the list, or as much of it as n calls bring; nil is a scan that does not pay.
func (s scanner[V]) scan(ctx context.Context, n int) (*scan[V], error) {
	bound := s.size.bound(n)
	if bound == 0 {
		return nil, nil
	}
	result, err := coalesce(ctx, s.flights, "scan", func(result *scan[V]) []cache.Tag { return s.seen(result.items) },
		func(ctx context.Context) (*scan[V], error) { return s.readPages(ctx, bound) })
	if err == nil && !(result.pages < bound && !result.done && !result.unusable) {
		s.size.learn(result.pages, result.done, result.unusable)
	}
	return result, err
}

func (s scanner[V]) readPages(ctx context.Context, bound int) (*scan[V], error) {
	result, cursor := new(scan[V]), ""
	var metas []upstream.Meta
	keys, asked := map[string]bool{}, map[string]bool{}
	for result.pages < bound && !result.done && !result.unusable {
		asked[cursor] = true
		page, err := s.readPage(ctx, cursor)
		if err != nil {
			return nil, err
		}
		result.pages++
		metas = append(metas, page.meta)
		before := len(keys)
		for _, item := range page.Items {
			key, stub := s.key(item)
			result.unusable = result.unusable || stub
			keys[key] = true
		}
		cursor, result.done = page.Next, page.Next == ""
		if result.unusable = result.unusable || len(page.Items) > 0 && len(keys) == before; result.unusable {
			result.done = false
			break
		}
		result.items = append(result.items, page.Items...)
		result.unusable = !result.done && asked[cursor]
		if !result.done && s.worthReading != nil && !s.worthReading(page.Items) {
			break
		}
	}
	result.meta = upstream.MergeMeta(metas...)
	result.meta.ETag = "" // of a page, not of its items
	return result, nil
}

// scannedPage is a page of a scan, and the cache headers of its answer.
type scannedPage[V any] struct {
	*Page[V]
	meta upstream.Meta
}

// readPage reads the page that a cursor leads to, which an earlier scan of the operation may have read.
func (s scanner[V]) readPage(ctx context.Context, cursor string) (scannedPage[V], error) {
	return readOnce(ctx, pageRead{s.flights, cursor}, func() (scannedPage[V], error) { return s.read(ctx, cursor) })
}

// flights returns a space that shares values only while they are fetched. It stores nothing.
func flights[W any](c *cache.Cache, kind string, o spaceOptions) *cache.Space[W] {
	return cache.NewSpace(c, cache.SpaceOptions[W]{Kind: kind, Backend: string(o.backend), Scope: o.scope,
		Personal: o.personal, Local: true, NoStale: true, Size: func(W) int { return 0 }})
}

// coalesce runs do unless another caller is running it under the key; then it waits for that one. seen are the tags of
// the result. A caller that comes after one of them was dropped does it again.
func coalesce[W any](ctx context.Context, space *cache.Space[W], key string, seen func(W) []cache.Tag,
	do func(context.Context) (W, error)) (W, error) {
	r := space.Load(ctx, []string{key}, func(ctx context.Context, _ []cache.Missing) []cache.Answer[W] {
		s, err := do(ctx)
		if err != nil {
			return []cache.Answer[W]{{Err: err}}
		}
		return []cache.Answer[W]{{Entry: cache.Entry[W]{Value: s, NoStore: true, Tags: seen(s)}, Found: true}}
	})[0]
	return r.Value, r.Err
}
