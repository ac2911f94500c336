package datasource

import (
	"context"
	"errors"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// plan answers keys by the fewest calls: from a scan where one pays, and what that leaves open by single reads, of the
// keys at these places.
func plan[K comparable, V any](ctx context.Context, keys []K, scan func(keys []K) (scanned[K, V], error),
	single func(rest []int) []cache.Answer[V]) []cache.Answer[V] {
	seen, err := scanForRound(ctx, keys, scan)
	if err != nil {
		return slices.Repeat([]cache.Answer[V]{{Err: err}}, len(keys))
	}
	rest := make([]int, 0, len(keys))
	for i, k := range keys {
		if _, ok := seen.answers[k]; !ok && !seen.all {
			rest = append(rest, i)
		}
	}
	if len(rest) == len(keys) {
		return single(rest)
	}
	answers := make([]cache.Answer[V], len(keys))
	for i, k := range keys {
		answers[i] = seen.answers[k]
	}
	for i, a := range single(rest) {
		answers[rest[i]] = a
	}
	return answers
}

// scanned is the result of a scan: of all keys, or of some. The zero value is a scan that was not worth its calls.
type scanned[K comparable, V any] struct {
	answers map[K]cache.Answer[V]
	all     bool
}

// each reads every key on its own, all at once; the limiter bounds the calls.
func each[V any](ctx context.Context, keys []string,
	read func(ctx context.Context, i int) (cache.Entry[V], error)) []cache.Answer[V] {
	answers := make([]cache.Answer[V], len(keys))
	do := func(i int) error {
		f, err := read(upstream.WithKeys(ctx, keys[i]), i)
		switch {
		case err == nil:
			answers[i] = cache.Answer[V]{Entry: f, Found: true}
		case upstream.KindOf(err) == upstream.NotFound:
			err = nil
		}
		return err
	}
	last := len(keys) - 1
	if last > 0 {
		var group task.Group
		defer group.Wait()
		for i := range last {
			group.Go(func() error { return do(i) }, func(err error) { answers[i].Err = err })
		}
	}
	if last >= 0 { // the caller has nothing to do but wait
		answers[last].Err = task.Run(func() error { return do(last) })
	}
	return answers
}

// at returns the elements at these places.
func at[T any](list []T, places []int) []T {
	if len(places) == len(list) {
		return list
	}
	some := make([]T, len(places))
	for i, p := range places {
		some[i] = list[p]
	}
	return some
}

// fetching returns the context of the calls of a fetch. A refresh behind a stale answer has the lowest priority.
func fetching(ctx context.Context) context.Context {
	if cache.IsRefresh(ctx) {
		return upstream.WithPriority(ctx, upstream.Refresh)
	}
	return ctx
}

// scanning returns the context of the calls that answer these keys together.
func scanning(ctx context.Context, keys []string) context.Context {
	return upstream.WithKeys(fetching(ctx), keys...)
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
func eachPage[K comparable, V any](tags func(K) []cache.Tag,
	read func(context.Context, K, upstream.Option) (Page[V], upstream.Meta, error)) cache.FetchPages[K, V] {
	return func(ctx context.Context, missing []cache.Miss[K]) []cache.Answer[*Page[V]] {
		return each(fetching(ctx), textsOf(missing), func(ctx context.Context, i int) (cache.Entry[*Page[V]], error) {
			m := missing[i]
			page, meta, err := read(ctx, m.Key, upstream.IfNoneMatch(m.ETag))
			page.Missing = meta.Partial
			return conditional(&page, meta, err, func(*Page[V]) []cache.Tag { return tags(m.Key) })
		})
	}
}

func textsOf[K comparable](missing []cache.Miss[K]) []string {
	texts := make([]string, len(missing))
	for i := range missing {
		texts[i] = missing[i].Text
	}
	return texts
}

func missingKeys[V any](missing []cache.Missing[V]) []string {
	keys := make([]string, len(missing))
	for i := range missing {
		keys[i] = missing[i].Key
	}
	return keys
}

// results returns the cache's answers as a loader's results.
func results[V any](loaded []cache.Result[V]) []loader.Result[V] {
	list := make([]loader.Result[V], len(loaded))
	for i := range loaded {
		list[i] = loader.Result[V]{Value: loaded[i].Value, Found: loaded[i].Found, Err: loaded[i].Err}
	}
	return list
}

func sameText(key string) string { return key }
