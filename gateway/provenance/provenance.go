// Package provenance records the facts and the backend calls of one operation, and describes them to its caller.
package provenance

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// Provenance is the sources of one operation: the facts, and the calls that were made for them. Cache headers,
// freshness and the explain view are derived from it.
type Provenance struct {
	began time.Time
	Facts cache.Facts
	// explanation is nil where the caller does not want the cost of the operation.
	explanation *upstream.Explanation

	begun atomic.Int64 // calls
	mu    sync.Mutex
	calls []upstream.Call // that have ended
	// shared are the calls that this operation waited for besides, each with this operation's purpose for it. They are
	// gathered only where the cost of the operation is requested.
	shared []upstream.Call
}

// With returns a context that records the facts and calls of an operation, which is explained if explain is set.
func With(ctx context.Context, explain bool) (context.Context, *Provenance) {
	p := &Provenance{began: time.Now()}
	ctx = cache.WithFacts(ctx, &p.Facts)
	if explain {
		p.explanation = new(upstream.Explanation)
		ctx = cache.WithNotes(upstream.WithExplanation(ctx, p.explanation), p.addShared)
	}
	return upstream.WithObserver(ctx, &p.begun, p.addCall), p
}

// Explains reports whether the operation is explained.
func (p *Provenance) Explains() bool { return p.explanation != nil }

// addCall takes a call of the operation's own, and leaves it for those who share the fetch that it is made for.
func (p *Provenance) addCall(ctx context.Context, c upstream.Call) {
	if cache.InFetch(ctx) {
		cache.Note(ctx, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = make([]upstream.Call, 0, 2)
	}
	p.calls = append(p.calls, c)
}

// addShared takes the calls of a fetch that some keys waited for.
func (p *Provenance) addShared(ctx context.Context, keys []string, notes []any) {
	requested := upstream.PurposeOf(ctx).For(keys...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, note := range notes {
		if c, ok := note.(upstream.Call); ok {
			requested.BatchSize = max(c.BatchSize, 1)
			c.Purpose = requested
			p.shared = append(p.shared, c)
		}
	}
}

// CallsMade returns how many calls the operation has begun. Those that were given up count.
func (p *Provenance) CallsMade() int64 { return p.begun.Load() }

// ended returns the operation's own calls that have ended, and those of others that it waited for.
func (p *Provenance) ended() (own, shared []upstream.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.calls), slices.Clip(p.shared)
}

// Staleness is one line of extensions.freshness.
type Staleness struct {
	Backend    string `json:"backend"`
	AgeSeconds int    `json:"ageSeconds"`
	// ExpiredSeconds is how long ago the fact was fresh for the last time; 0 where a caller asked for a fresher one.
	ExpiredSeconds int          `json:"expiredSeconds"`
	Reason         cache.Reason `json:"reason"`
}

// StaleFacts lists the stale facts, the oldest of each backend and reason. It is empty exactly when all facts are
// fresh.
func StaleFacts(facts []cache.Fact) []Staleness {
	var list []Staleness
	for _, f := range facts {
		if f.Reason == "" {
			continue
		}
		s := Staleness{f.Backend, wholeSeconds(f.Age), wholeSeconds(max(f.At.Sub(f.Fresh), 0)), f.Reason}
		i := slices.IndexFunc(list, func(o Staleness) bool { return o.Backend == s.Backend && o.Reason == s.Reason })
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
