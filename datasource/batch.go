package datasource

import (
	"context"
	"errors"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// scanned is the result of a scan: of all keys, or of some. The zero value is a scan that was not worth its calls.
type scanned[K comparable, V any] struct {
	answers map[K]cache.Answer[V]
	all     bool
}

// plan answers keys from a scan where one pays. rest are the places of those that it leaves open, for single reads.
func plan[K comparable, V any](ctx context.Context, keys []K, together *roundMember,
	scan func(keys []K) (scanned[K, V], error)) (answers []cache.Answer[V], rest []int) {
	seen, err := scanTogether(ctx, keys, together, scan)
	if err != nil {
		return slices.Repeat([]cache.Answer[V]{{Err: err}}, len(keys)), nil
	}
	answers = make([]cache.Answer[V], len(keys))
	for i, k := range keys {
		a, ok := seen.answers[k]
		if answers[i] = a; !ok && !seen.all {
			rest = append(rest, i)
		}
	}
	return answers, rest
}

// each reads every key on its own.
func each[V any](ctx context.Context, keys []string,
	read func(ctx context.Context, i int) (cache.Entry[V], error)) []cache.Answer[V] {
	answers, places := make([]cache.Answer[V], len(keys)), make([]int, len(keys))
	for i := range places {
		places[i] = i
	}
	eachOf(ctx, keys, places, answers, read)
	return answers
}

// eachOf reads the keys at these places on their own, all at once, into the answers; the limiter bounds the calls.
func eachOf[V any](ctx context.Context, keys []string, places []int, answers []cache.Answer[V],
	read func(ctx context.Context, i int) (cache.Entry[V], error)) {
	if len(keys) == 1 && len(places) == 1 { // a panic is no other key's error
		f, err := read(upstream.WithKeys(ctx, keys[0]), 0)
		answers[0] = answerOf(f, err)
		return
	}
	var group task.Group
	defer group.Wait()
	for n, i := range places {
		work := func() error {
			f, err := read(upstream.WithKeys(ctx, keys[i]), i)
			answers[i] = answerOf(f, err)
			return nil
		}
		panicked := func(err error) {
			if err != nil {
				answers[i] = cache.Answer[V]{Err: err}
			}
		}
		if n == len(places)-1 {
			group.Do(work, panicked) // the caller has nothing to do but wait
		} else {
			group.Go(work, panicked)
		}
	}
}

// answerOf returns the answer for a key that was read on its own.
func answerOf[V any](f cache.Entry[V], err error) cache.Answer[V] {
	switch {
	case err == nil:
		return cache.Answer[V]{Entry: f, Found: true}
	case upstream.KindOf(err) == upstream.NotFound:
		return cache.Answer[V]{}
	}
	return cache.Answer[V]{Err: err}
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
func eachPage[V any](tags func(PageKey) []cache.Tag,
	read func(context.Context, PageKey, upstream.Option) (Page[V], upstream.Meta, error)) cache.FetchPages[PageKey, V] {
	return func(ctx context.Context, keys []PageKey, missing []cache.Missing) []cache.Answer[*Page[V]] {
		return each(fetching(ctx), missingKeys(missing), func(ctx context.Context, i int) (cache.Entry[*Page[V]], error) {
			k := keys[missing[i].Place]
			page, meta, err := read(ctx, k, upstream.IfNoneMatch(missing[i].ETag))
			page.Missing = meta.Partial
			return conditional(&page, meta, err, func(*Page[V]) []cache.Tag { return tags(k) })
		})
	}
}

func missingKeys(missing []cache.Missing) []string {
	keys := make([]string, len(missing))
	for i := range missing {
		keys[i] = missing[i].Key
	}
	return keys
}

func sameText(key string) string { return key }
