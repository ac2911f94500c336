package datasource

import (
	"context"
	"errors"
	"maps"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// answers are a backend's results by key, failures the errors of keys that could not be read. A key in neither does not
// exist.
type (
	answers[K comparable, V any] = map[K]cache.Entry[V]
	failures[K comparable]       = map[K]error
)

// plan answers keys by the fewest calls: from a scan where one pays, and what that leaves open by single reads.
func plan[K comparable, V any](ctx context.Context, keys []K, scan func(keys []K) (scanned[K, V], error),
	single func(rest []K) (map[K]V, failures[K])) (map[K]V, failures[K]) {
	seen, err := scanForRound(ctx, keys, scan)
	switch {
	case err != nil:
		return nil, failAll(keys, err)
	case seen.all:
		return seen.records, seen.failed
	}
	var rest []K
	for _, k := range keys {
		if _, ok := seen.records[k]; !ok {
			rest = append(rest, k)
		}
	}
	read, failed := single(rest)
	maps.Copy(read, seen.records)
	return read, failed
}

// scanned is the result of a scan: of all keys, or of some. The zero value is a scan that was not worth its calls.
type scanned[K comparable, V any] struct {
	records map[K]V
	failed  failures[K]
	all     bool
}

// of returns the scan's results for these keys.
func (s scanned[K, V]) of(keys []K) scanned[K, V] {
	own := scanned[K, V]{map[K]V{}, failures[K]{}, s.all}
	for _, k := range keys {
		if v, ok := s.records[k]; ok {
			own.records[k] = v
		}
		if err := s.failed[k]; err != nil {
			own.failed[k] = err
		}
	}
	return own
}

// each reads every key on its own, all at once; the limiter bounds the calls. A key that is not found is in neither map.
func each[K comparable, V any](ctx context.Context, keys []K, text func(K) string, read func(context.Context, K) (V, error)) (map[K]V, failures[K]) {
	found, failed := make(map[K]V, len(keys)), failures[K]{}
	var group task.Group
	for i, key := range keys {
		var value V
		do := group.Go
		if i == len(keys)-1 {
			do = group.Do // the caller has nothing to do but wait
		}
		do(func() (err error) {
			value, err = read(upstream.WithKeys(ctx, text(key)), key)
			return err
		}, func(err error) {
			switch {
			case err == nil:
				found[key] = value
			case upstream.KindOf(err) != upstream.NotFound:
				failed[key] = err
			}
		})
	}
	group.Wait()
	return found, failed
}

func failAll[K comparable](keys []K, err error) failures[K] {
	failed := make(failures[K], len(keys))
	for _, k := range keys {
		failed[k] = err
	}
	return failed
}

// fetching returns the context of the calls that answer these keys. A refresh behind a stale answer has the lowest
// priority.
func fetching(ctx context.Context, keys ...string) context.Context {
	if cache.IsRefresh(ctx) {
		ctx = upstream.WithPriority(ctx, upstream.Refresh)
	}
	return upstream.WithKeys(ctx, keys...)
}

// entryOf returns the cache entry of a fetched value.
func entryOf[V any](v V, m upstream.Meta, tags ...cache.Tag) cache.Entry[V] {
	return cache.Entry[V]{Value: v, MaxAge: m.MaxAge, NoStore: m.NoStore, ETag: m.ETag, Tags: tags}
}

// conditional returns the cache entry of a conditional read, whose value may be unchanged.
func conditional[V any](v V, m upstream.Meta, err error, tags func(V) []cache.Tag) (cache.Entry[V], error) {
	switch {
	case errors.Is(err, upstream.ErrNotModified):
		return cache.Entry[V]{NotModified: true, MaxAge: m.MaxAge, NoStore: m.NoStore, ETag: m.ETag}, nil
	case err != nil:
		return cache.Entry[V]{}, err
	}
	return entryOf(v, m, tags(v)...), nil
}

// eachPage returns a fetch that reads every page with a call of its own.
func eachPage[K comparable, V any](text func(K) string, tags func(K) []cache.Tag,
	read func(context.Context, K, upstream.Option) (Page[V], upstream.Meta, error)) cache.FetchPages[K, V] {
	return func(ctx context.Context, missing []cache.Miss[K]) (answers[K, *Page[V]], failures[K]) {
		keys, texts, etags := missesOf(missing)
		return each(fetching(ctx, texts...), keys, text, func(ctx context.Context, key K) (cache.Entry[*Page[V]], error) {
			page, meta, err := read(ctx, key, upstream.IfNoneMatch(etags[key]))
			page.Missing = meta.Partial
			return conditional(&page, meta, err, func(*Page[V]) []cache.Tag { return tags(key) })
		})
	}
}

func missesOf[K comparable](missing []cache.Miss[K]) (keys []K, texts []string, etags map[K]string) {
	etags = make(map[K]string, len(missing))
	for _, m := range missing {
		keys, texts, etags[m.Key] = append(keys, m.Key), append(texts, m.Text), m.ETag
	}
	return keys, texts, etags
}

func missingKeys[V any](missing []cache.Missing[V]) (keys []string, etags map[string]string) {
	keys, etags = make([]string, len(missing)), make(map[string]string, len(missing))
	for i, w := range missing {
		keys[i], etags[w.Key] = w.Key, w.ETag
	}
	return keys, etags
}

// unpack turns the results of a space into those of a loader. A key in neither map does not exist.
func unpack[V any](results map[string]cache.Result[V]) (map[string]V, failures[string]) {
	found, failed := make(map[string]V, len(results)), failures[string]{}
	for key, r := range results {
		switch {
		case r.Err != nil:
			failed[key] = r.Err
		case r.Found:
			found[key] = r.Value
		}
	}
	return found, failed
}

func sameText(key string) string { return key }
