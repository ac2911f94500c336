package gateway

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	// shared are the calls that this operation waited for besides, each with what this operation wanted of it. They are
	// gathered only for who asks what the operation cost.
	shared []upstream.Call
}

func withProvenance(ctx context.Context) (context.Context, *provenance) {
	p := &provenance{began: time.Now()}
	ctx = cache.WithFacts(ctx, &p.facts)
	ctx = loader.WithTally(ctx, &p.asked)
	if explains(ctx) {
		ctx = cache.WithNotes(upstream.WithExplanation(ctx), p.joined)
	}
	return upstream.WithObserver(ctx, p.called), p
}

// called takes a call of the operation's own, and leaves it for those who share the fetch that it is made for.
func (p *provenance) called(ctx context.Context, c upstream.Call) {
	if cache.InFetch(ctx) {
		cache.Note(ctx, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = make([]upstream.Call, 0, 4)
	}
	p.calls = append(p.calls, c)
}

// joined takes the calls of a fetch that some keys waited for.
func (p *provenance) joined(ctx context.Context, keys []string, notes []any) {
	wanted := upstream.PurposeOf(ctx).For(keys...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, note := range notes {
		if c, ok := note.(upstream.Call); ok {
			wanted.BatchSize = c.BatchSize
			c.Purpose = wanted
			p.shared = append(p.shared, c)
		}
	}
}

func (p *provenance) made() []upstream.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *provenance) waitedFor() []upstream.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.shared)
}

// staleFact is one line of extensions.freshness.
type staleFact struct {
	Backend    string `json:"backend"`
	AgeSeconds int    `json:"ageSeconds"`
	// ExpiredSeconds is how long ago the fact was fresh for the last time; 0 where a caller asked for a fresher one.
	ExpiredSeconds int          `json:"expiredSeconds"`
	Reason         cache.Reason `json:"reason"`
}

// freshness lists the stale facts, the oldest of each backend and reason. It is empty exactly when all facts are fresh.
func freshness(facts []cache.Fact) []staleFact {
	var list []staleFact
	for _, f := range facts {
		if f.Reason == "" {
			continue
		}
		s := staleFact{f.Backend, wholeSeconds(f.Age), wholeSeconds(max(f.At.Sub(f.Fresh), 0)), f.Reason}
		i := slices.IndexFunc(list, func(o staleFact) bool { return o.Backend == s.Backend && o.Reason == s.Reason })
		if i < 0 {
			list = append(list, s)
		} else {
			list[i].AgeSeconds = max(list[i].AgeSeconds, s.AgeSeconds)
			list[i].ExpiredSeconds = max(list[i].ExpiredSeconds, s.ExpiredSeconds)
		}
	}
	return list
}

func wholeSeconds(d time.Duration) int { return int(d / time.Second) }

// cachePolicy is what the facts of an answer allow its receivers. The zero value allows nothing.
type cachePolicy struct {
	// keep says that the answer may be kept at all, shared that it may be kept for others.
	keep, shared bool
	// private is set for an answer to a caller who is bound to clients.
	private bool
	// born is when the backend said the oldest fact, fresh until when the least fresh one is.
	born, fresh time.Time
	// said are the headers of the last answer that had any, for those of the same second; nil remembers none.
	said *atomic.Pointer[ageHeaders]
}

// ageHeaders are the values of Age and Cache-Control at an age and with a time left, both in seconds.
type ageHeaders struct {
	age, left        int
	ageText, control []string
}

// boundPolicy is that of answers to callers who are bound to clients: which records the cache holds, and since when, may
// tell of those of others.
var boundPolicy = cachePolicy{private: true}

// remembering is a policy for an answer that is sent again and again.
func (p cachePolicy) remembering() cachePolicy {
	p.said = &atomic.Pointer[ageHeaders]{}
	return p
}

// policy takes the least fresh fact for all, whose ages are those of now. What holds no fact has no lifetime that anyone
// knows.
func policy(facts []cache.Fact, publicCatalog bool, now time.Time) cachePolicy {
	if len(facts) == 0 {
		return cachePolicy{}
	}
	p := cachePolicy{keep: true, shared: publicCatalog, born: now, fresh: facts[0].Fresh}
	for _, f := range facts {
		p.keep = p.keep && !f.NoStore
		p.shared = p.shared && f.Backend == string(upstream.ThoughtIndustries)
		if born := now.Add(-f.Age); born.Before(p.born) {
			p.born = born
		}
		if f.Fresh.Before(p.fresh) {
			p.fresh = f.Fresh
		}
	}
	return p
}

// write says it in headers, as it is now.
func (p cachePolicy) write(h http.Header, now time.Time) {
	switch {
	case p.private:
		h["Cache-Control"] = valuePrivateNoStore
		return
	case !p.keep:
		h["Cache-Control"] = valueNoStore
		return
	}
	said := p.ageHeaders(wholeSeconds(now.Sub(p.born)), wholeSeconds(max(p.fresh.Sub(now), 0)))
	h["Age"], h["Cache-Control"] = said.ageText, said.control
}

// ageHeaders are those of an age and a time left, which are mostly those of the answer before.
func (p cachePolicy) ageHeaders(age, left int) *ageHeaders {
	if p.said == nil {
		return p.newAgeHeaders(age, left)
	}
	last := p.said.Load()
	if last == nil || last.age != age || last.left != left {
		last = p.newAgeHeaders(age, left)
		p.said.Store(last)
	}
	return last
}

func (p cachePolicy) newAgeHeaders(age, left int) *ageHeaders {
	who := "private"
	if p.shared {
		who = "public"
	}
	// A cache adds Age to what it is told, so the lifetime counts from when the backend spoke (RFC 9111, section 4.2).
	lifetime := strconv.Itoa(left + age)
	if left == 0 {
		// Without a lifetime, as with CACHE_TTL=0, an answer may be kept to save its bytes, by its ETag, and not be used
		// without asking; a cache may take max-age=0 alone for leave to use it when we cannot be reached.
		lifetime = "0, no-cache"
	}
	return &ageHeaders{age, left, []string{strconv.Itoa(age)}, []string{who + ", max-age=" + lifetime}}
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
