package datasource

import (
	"context"

	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
)

type parentsKey struct{}

// parents are the places of those parents of a field that ask for the keys of a Load, one for each key, among all.
type parents struct {
	indices []int
	of      int
}

// WithParents returns a context under which a Load attributes each key to one of a field's parents: places are theirs
// among all of them. It does nothing unless the operation is explained.
func WithParents(ctx context.Context, places []int, of int) context.Context {
	if upstream.ExplanationOf(ctx) == nil {
		return ctx
	}
	return context.WithValue(ctx, parentsKey{}, parents{places, of})
}

// fieldPath is the field that asks for the nth key of a Load, and under which parent.
func (p parents) fieldPath(path string, n, keys int) upstream.FieldPath {
	if len(p.indices) != keys {
		return upstream.FieldPath{Path: path, Parent: -1}
	}
	return upstream.FieldPath{Path: path, Parent: p.indices[n], Of: p.of}
}

// attributed makes the calls of a loader carry the fields that they are for, where the operation is explained. text
// returns the name of a key in the cache.
func attributed[K comparable, V any](o *Operation, text func(K) string, l *loader.Loader[K, V]) *loader.Loader[K, V] {
	s, explanation := o.source, upstream.ExplanationOf(o)
	if explanation == nil && s.Within == nil {
		return l
	}
	claims := new(upstream.Attribution)
	return l.Traced(func(operation, caller context.Context, keys []K) context.Context {
		if s.Within != nil {
			operation = s.Within(operation, caller)
		}
		if explanation == nil {
			return operation
		}
		explanation.Count(len(keys))
		asked, _ := caller.Value(parentsKey{}).(parents)
		path, texts := s.Field(caller), make([]string, len(keys))
		for i, k := range keys {
			texts[i] = text(k)
			claims.Add(texts[i], asked.fieldPath(path, i, len(keys)))
		}
		return upstream.WithPurpose(operation, upstream.NewPurpose(claims, texts...))
	})
}

// withListPurpose returns the context of a read of a page that no batch waits for.
func (s *Source) withListPurpose(ctx context.Context) context.Context {
	loader.Leave(ctx)
	explanation := upstream.ExplanationOf(ctx)
	if explanation == nil {
		return ctx
	}
	explanation.Count(1)
	claims := new(upstream.Attribution)
	claims.Add("", upstream.FieldPath{Path: s.Field(ctx), Parent: -1})
	return upstream.WithPurpose(ctx, upstream.NewPurpose(claims, ""))
}
