package gateway

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/ast"
)

// provenance is what one operation used: the facts, and the calls that were made for them. Cache headers, freshness and
// the explain view are derived from it.
type provenance struct {
	began time.Time
	facts cache.Facts
	// asked is how often a key was asked for, which is what a server without batches and a cache would call.
	asked loader.Tally

	mu    sync.Mutex
	calls []upstream.Call
}

func withProvenance(ctx context.Context) (context.Context, *provenance) {
	p := &provenance{began: time.Now()}
	ctx = cache.WithFacts(ctx, &p.facts)
	ctx = loader.WithTally(ctx, &p.asked)
	return upstream.WithObserver(ctx, p.called), p
}

func (p *provenance) called(c upstream.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
}

func (p *provenance) made() []upstream.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// staleFact is one line of extensions.freshness.
type staleFact struct {
	Backend    string       `json:"backend"`
	AgeSeconds int          `json:"ageSeconds"`
	Reason     cache.Reason `json:"reason"`
}

// freshness lists the stale facts, the oldest of each backend and reason. It is empty exactly when all facts are fresh.
func freshness(facts []cache.Fact) []staleFact {
	var list []staleFact
	for _, f := range facts {
		if f.Reason == "" {
			continue
		}
		s := staleFact{f.Backend, wholeSeconds(f.Age), f.Reason}
		i := slices.IndexFunc(list, func(o staleFact) bool { return o.Backend == s.Backend && o.Reason == s.Reason })
		if i < 0 {
			list = append(list, s)
		} else {
			list[i].AgeSeconds = max(list[i].AgeSeconds, s.AgeSeconds)
		}
	}
	return list
}

func wholeSeconds(d time.Duration) int { return int(d / time.Second) }

// cachePolicy is what the facts of an answer allow its receivers.
type cachePolicy struct {
	// keep says that the answer may be kept at all, shared that it may be kept for others.
	keep, shared bool
	maxAge, age  time.Duration
}

// policy takes the least fresh fact for all. What holds no fact has no lifetime that anyone knows.
func policy(facts []cache.Fact, publicCatalog bool, now time.Time) cachePolicy {
	p := cachePolicy{keep: len(facts) > 0, shared: publicCatalog, maxAge: math.MaxInt64}
	for _, f := range facts {
		p.keep = p.keep && !f.NoStore
		p.shared = p.shared && f.Backend == string(upstream.ThoughtIndustries)
		p.age = max(p.age, f.Age)
		p.maxAge = min(p.maxAge, max(f.Fresh.Sub(now), 0))
	}
	return p
}

func (p cachePolicy) write(h http.Header) {
	if !p.keep {
		return
	}
	who := "private"
	if p.shared {
		who = "public"
	}
	// A cache adds Age to what it is told, so the lifetime counts from when the backend spoke (RFC 9111, section 4.2).
	h.Set("Cache-Control", who+", max-age="+strconv.Itoa(wholeSeconds(p.maxAge)+wholeSeconds(p.age)))
	h.Set("Age", strconv.Itoa(wholeSeconds(p.age)))
}

// selectsField says whether the operation reads a field of this name anywhere.
func selectsField(set ast.SelectionSet, name string, seen map[*ast.FragmentDefinition]bool) bool {
	return slices.ContainsFunc(set, func(sel ast.Selection) bool {
		switch sel := sel.(type) {
		case *ast.Field:
			return sel.Name == name || selectsField(sel.SelectionSet, name, seen)
		case *ast.InlineFragment:
			return selectsField(sel.SelectionSet, name, seen)
		case *ast.FragmentSpread:
			if seen[sel.Definition] {
				return false
			}
			seen[sel.Definition] = true
			return selectsField(sel.Definition.SelectionSet, name, seen)
		}
		return false
	})
}

// selectsClaims says whether the answer can hold personal claims, which nothing between may keep.
func selectsClaims(op *ast.OperationDefinition) bool {
	return selectsField(op.SelectionSet, "claims", map[*ast.FragmentDefinition]bool{})
}
