package upstream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// FieldPath is a field of an answer, under one of its parents or under all.
type FieldPath struct {
	// Path leads to the field, with dots and without indexes.
	Path string
	// Parent is the place of the field's parent among its Of parents; negative is all of them.
	Parent, Of int
}

// Attribution has the fields that wait for each key of one kind of object, in one operation. The zero value is ready;
// it is safe for concurrent use.
type Attribution struct {
	mu     sync.Mutex
	fields map[string][]FieldPath
}

// Add records that a field waits for a key, or was answered by an earlier fetch of it.
func (a *Attribution) Add(key string, p FieldPath) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fields == nil {
		a.fields = map[string][]FieldPath{}
	}
	a.fields[key] = append(a.fields[key], p)
}

func (a *Attribution) contains(keys []string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !slices.ContainsFunc(keys, func(key string) bool { return a.fields[key] == nil })
}

// Purpose is the keys that a call answers, and the fields that wait for them.
type Purpose struct {
	// BatchSize is how many keys the call is to answer, 0 for one key of an operation that is not explained.
	BatchSize int

	attribution *Attribution // nil where the operation is not explained
	keys        []string
}

// NewPurpose is the purpose of a call that is to answer the fields of a that wait for the keys.
func NewPurpose(a *Attribution, keys ...string) Purpose { return Purpose{len(keys), a, keys} }

// For narrows the purpose to other keys: to a part of its own, or to those that its own led to, which the same places
// wait for.
func (p Purpose) For(keys ...string) Purpose {
	p.BatchSize = len(keys)
	if p.attribution != nil && p.attribution.contains(keys) {
		p.keys = keys
	}
	return p
}

// Fields are all that the call served so far.
func (p Purpose) Fields() []FieldPath {
	if p.attribution == nil {
		return nil
	}
	p.attribution.mu.Lock()
	defer p.attribution.mu.Unlock()
	var places []FieldPath
	for _, key := range p.keys {
		places = append(places, p.attribution.fields[key]...)
	}
	return places
}

// WithPurpose sets the purpose of the calls under the returned context.
func WithPurpose(ctx context.Context, p Purpose) context.Context {
	return withScope(ctx, func(s *scope) { s.purpose = p })
}

// WithKeys narrows the purpose of the calls under the returned context to the fields of these keys. A call that answers
// one key needs no purpose where the operation is not explained.
func WithKeys(ctx context.Context, keys ...string) context.Context {
	s := scopeOf(ctx)
	if len(keys) == max(s.purpose.BatchSize, 1) && s.explanation == nil {
		return ctx
	}
	return WithPurpose(ctx, s.purpose.For(slices.Clone(keys)...))
}

// PurposeOf is the purpose of the calls under the context, the zero value where that is not known.
func PurposeOf(ctx context.Context) Purpose { return scopeOf(ctx).purpose }

// Explanation counts the keys that an operation asks for, each time that it does: the calls of a server that neither
// joins nor keeps anything.
type Explanation struct{ keys atomic.Int64 }

// WithExplanation makes the calls under the context record the fields that they serve, and its reads count into e.
func WithExplanation(ctx context.Context, e *Explanation) context.Context {
	return withScope(ctx, func(s *scope) { s.explanation = e })
}

// ExplanationOf returns the explanation that the calls under the context are for, nil where they need not record the
// fields that they serve.
func ExplanationOf(ctx context.Context) *Explanation { return scopeOf(ctx).explanation }

// Count adds keys that are asked for.
func (e *Explanation) Count(keys int) { e.keys.Add(int64(keys)) }

// Keys is the count so far.
func (e *Explanation) Keys() int64 { return e.keys.Load() }
