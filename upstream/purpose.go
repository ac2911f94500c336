package upstream

import (
	"context"
	"slices"
	"sync"
)

// Place is a field of an answer, under one of its parents or under all.
type Place struct {
	// Path leads to the field, with dots and without indexes.
	Path string
	// Parent is the place of the field's parent among its Of parents; negative is all of them.
	Parent, Of int
}

// Claims are the places that wait for each key of one kind of object, in one operation. The zero value is ready; it is safe
// for concurrent use.
type Claims struct {
	mu     sync.Mutex
	places map[string][]Place
}

// Add says that a place waits for a key, or was answered by what came of it before.
func (c *Claims) Add(key string, p Place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.places == nil {
		c.places = map[string][]Place{}
	}
	c.places[key] = append(c.places[key], p)
}

func (c *Claims) knows(keys []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(keys, func(key string) bool { return c.places[key] == nil })
}

// Purpose is what a call is made for, as far as whoever asks can say.
type Purpose struct {
	// BatchSize is how many keys the call is to answer.
	BatchSize int

	claims *Claims // nil where nobody wants to know what calls are for
	keys   []string
}

// NewPurpose is the purpose of a call that is to answer those of the claims that wait for the keys.
func NewPurpose(c *Claims, keys ...string) Purpose { return Purpose{len(keys), c, keys} }

// For narrows the purpose to other keys: to a part of its own, or to those that its own led to, which the same places wait
// for.
func (p Purpose) For(keys ...string) Purpose {
	p.BatchSize = len(keys)
	if p.claims != nil && p.claims.knows(keys) {
		p.keys = keys
	}
	return p
}

// Places are all that the call served so far.
func (p Purpose) Places() []Place {
	if p.claims == nil {
		return nil
	}
	p.claims.mu.Lock()
	defer p.claims.mu.Unlock()
	var places []Place
	for _, key := range p.keys {
		places = append(places, p.claims.places[key]...)
	}
	return places
}

type (
	purposeKey   struct{}
	explainedKey struct{}
)

// WithPurpose gives the calls under the returned context their purpose.
func WithPurpose(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

// WithKeys narrows the purpose of the calls under the returned context to what answers these keys.
func WithKeys(ctx context.Context, keys ...string) context.Context {
	return WithPurpose(ctx, PurposeOf(ctx).For(keys...))
}

// PurposeOf is what the calls under the context are made for, the zero value where that is not known.
func PurposeOf(ctx context.Context) Purpose {
	p, _ := ctx.Value(purposeKey{}).(Purpose)
	return p
}

// WithExplanation says that somebody wants to know what the calls under the context are for.
func WithExplanation(ctx context.Context) context.Context {
	return context.WithValue(ctx, explainedKey{}, true)
}

// IsExplained says whether somebody wants to know what the calls under the context are for.
func IsExplained(ctx context.Context) bool {
	on, _ := ctx.Value(explainedKey{}).(bool)
	return on
}
