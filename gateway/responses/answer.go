// Package responses stores whole answers in memory, in every content coding that was asked for.
package responses

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Answer is a whole answer as it is stored: its bytes and its facts.
type Answer struct {
	// WithoutExtensions is the encoded answer without extensions.
	WithoutExtensions Encoding
	data              []byte
	errors            gqlerror.List
	extensions        map[string]any
	facts             []cache.Fact
	at                time.Time
	Policy            cachecontrol.Policy
	// Truncated is set if a part is missing because the caller that began the execution had no more time.
	Truncated bool
	encoded   [representation.NumCodings]atomic.Pointer[Encoding]
	Readers   readers
}

// NewSpace makes the space of whole answers, nil if the cache would neither keep nor share them. They stay in the
// process: a replica makes its own from the shared answer.
func NewSpace(c *cache.Cache, scope string) *cache.Space[*Answer] {
	if c.Idle() {
		return nil
	}
	return cache.NewSpace(c, cache.SpaceOptions[*Answer]{Kind: "answer", Scope: scope, Personal: true, Local: true,
		NoStale: true, Size: (*Answer).Size})
}

const (
	// encodingSize is the size of a form besides its text: the list of its pieces, its length as text, and its digest.
	encodingSize = 200
	// policySize is the size of a policy with its headers.
	policySize = 168
)

// Size returns the bytes of an answer on the heap, with room for its compressed forms.
func (a *Answer) Size() int {
	n := footprint.Of[Answer]() + footprint.Slice(a.WithoutExtensions.Text) + encodingSize + policySize +
		a.Policy.TagsSize() + footprint.Slice(a.facts)
	if a.storesEncodings() {
		n += footprint.Slice(a.WithoutExtensions.Text) + representation.NumCodings*(footprint.Of[Encoding]()+encodingSize)
	}
	return n
}

// Response is one that its receiver may add to.
func (a *Answer) Response() graphql.Response {
	return graphql.Response{Data: a.data, Errors: slices.Clone(a.errors), Extensions: maps.Clone(a.extensions)}
}

// New makes an answer of a response, its facts and its cache policy.
func New(resp *graphql.Response, facts []cache.Fact, allowed cachecontrol.Policy, now time.Time) *Answer {
	const before, after = `{"data":`, `}`
	text := slices.Concat([]byte(before), resp.Data, []byte(after))
	for i := range facts {
		facts[i].Tags = nil // the cache has them, and they would keep those of other values
	}
	return &Answer{WithoutExtensions: newEncoding(text, ""), data: text[len(before) : len(text)-len(after)],
		errors: resp.Errors, extensions: resp.Extensions, facts: facts, at: now, Policy: allowed.Memoized()}
}

// Lifetime is how long every fact stays fresh; 0 where one is not, must not be kept, or none is known.
func Lifetime(facts []cache.Fact, now time.Time) time.Duration {
	left := time.Duration(math.MaxInt64)
	for _, f := range facts {
		if f.NoStore || f.Reason != "" {
			return 0
		}
		left = min(left, f.Fresh.Sub(now))
	}
	if len(facts) == 0 {
		return 0
	}
	return max(left, 0)
}

// CurrentFacts are the facts as they are when the answer is used: older, and kept unless it was made just now.
func (a *Answer) CurrentFacts(verdict cache.Verdict) []cache.Fact {
	facts := slices.Clone(a.facts)
	if verdict == cache.Called {
		return facts
	}
	passed := time.Since(a.at)
	for i := range facts {
		facts[i].Age += passed
		facts[i].Verdict = verdict
	}
	return facts
}
