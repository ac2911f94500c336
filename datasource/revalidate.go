package datasource

import (
	"context"
	"errors"

	"github.com/cespare/xxhash/v2"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// validators are the ETags of what is kept, by key: what a backend still has need not be sent again.
type validators map[string]string

func validatorsOf[V any](missing []cache.Wanted[V]) validators {
	kept := validators{}
	for _, w := range missing {
		if w.ETag != "" {
			kept[w.Key] = w.ETag
		}
	}
	return kept
}

// renewing is listening for a read that need not send again what the validator names.
func renewing(ctx context.Context, etag string) (context.Context, reply) {
	ctx, said := listening(ctx)
	return upstream.WithValidator(ctx, etag), said
}

// unchanged makes an answer of the error that says that a page is as it was.
func unchanged[V any](err error, said reply) (*arrived[V], error) {
	if errors.Is(err, upstream.ErrNotModified) {
		return &arrived[V]{reply: said, unchanged: true}, nil
	}
	return nil, err
}

// renewed is what a read gives that may find its value as it was.
func renewed[V any](v V, err error, said reply, tags ...cache.Tag) (cache.Fetched[V], error) {
	switch {
	case errors.Is(err, upstream.ErrNotModified):
		return cache.Fetched[V]{NotModified: true, MaxAge: said.MaxAge(), NoStore: said.NoStore(), ETag: said.ETag()}, nil
	case err != nil:
		return cache.Fetched[V]{}, err
	}
	f := keep(v, said, tags...)
	f.ETag = said.ETag()
	return f, nil
}

// display is a kept page with what it shows.
type display[V any] struct {
	page    *listing[V]
	objects []cache.Wanted[V] // in the order of the page's keys
}

// renewable are the pages whose validators may be sent: everything that they show is kept, and as they showed it. Of an
// object that is gone or was read anew since, "not modified" would say nothing.
func (l *lists[V]) renewable(ctx context.Context, missing []cache.Wanted[*listing[V]]) (validators, map[string]display[V]) {
	var keys []string
	for _, w := range missing {
		if w.ETag != "" {
			keys = append(keys, w.Stale.whole()...)
		}
	}
	kept, shown := validatorsOf(missing), map[string]display[V]{}
	if len(kept) == 0 {
		return kept, shown
	}
	objects := l.objects.Kept(ctx, keys...)
	for _, w := range missing {
		if d, ok := l.display(w.Stale, objects); w.ETag != "" && ok {
			shown[w.Key] = d
		} else {
			delete(kept, w.Key)
		}
	}
	return kept, shown
}

// whole are the keys of the objects that a page shows whole.
func (l *listing[V]) whole() []string {
	var keys []string
	for i, k := range l.Keys {
		if !l.bare(i) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (l *lists[V]) display(page *listing[V], objects map[string]cache.Wanted[V]) (display[V], bool) {
	d := display[V]{page: page}
	if page == nil || len(page.Sums) != len(page.Keys) {
		return d, false
	}
	for i, k := range page.Keys {
		o := objects[k]
		if page.bare(i) {
			o = cache.Wanted[V]{Key: k, Stale: l.bare(k)}
		} else if sum, ok := l.checksum(o.Stale); !o.Kept || !ok || sum != page.Sums[i] {
			return d, false
		}
		d.objects = append(d.objects, o)
	}
	return d, true
}

// renew keeps for another lifetime what a page showed and still shows.
func (l *lists[V]) renew(ctx context.Context, d display[V], said reply) cache.Fetched[*listing[V]] {
	c := &cargo[V]{reply: said, asked: ctx}
	for i, o := range d.objects {
		c.values, c.etags = append(c.values, o.Stale), append(c.etags, o.ETag)
		if !d.page.bare(i) {
			l.put(ctx, o.Key, o.Stale, o.ETag, said)
		}
	}
	return cache.Fetched[*listing[V]]{NotModified: true, MaxAge: said.MaxAge(), NoStore: said.NoStore(), ETag: said.ETag(), Along: c}
}

// sum notes what a page shows; false where an object has no checksum.
func (l *lists[V]) sum(page *arrived[V]) bool {
	page.Sums = make([]uint64, len(page.Keys))
	for i := range page.Keys {
		if page.bare(i) {
			continue
		}
		sum, ok := l.checksum(page.values[i])
		if !ok {
			page.Sums = nil
			return false
		}
		page.Sums[i] = sum
	}
	return true
}

func (l *lists[V]) checksum(v V) (uint64, bool) {
	data, err := l.encode(v)
	return xxhash.Sum64(data), err == nil
}
