// Package cachecontrol reads the Cache-Control of requests and writes the caching headers of responses: Cache-Control
// and Age (RFC 9111), CDN-Cache-Control (RFC 9213) with the tags of the answer, and Cache-Status (RFC 9211).
package cachecontrol

import (
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
)

// The values of Cache-Control that most answers have. An answer that shares them allocates none; adding to one makes a
// copy.
var (
	NoStore        = []string{"no-store"}
	privateNoStore = []string{"private, no-store"}
)

var cdnCacheControl = http.CanonicalHeaderKey("CDN-Cache-Control")

// Policy is the cache policy of an answer, derived from its facts. The zero value allows nothing.
type Policy struct {
	// Cacheable is set if the answer may be stored at all, shared if it may be stored for others.
	Cacheable, public bool
	// private is set for an answer to a caller who is bound to clients.
	private bool
	// oldest is when the backend sent the oldest fact, fresh until when the least fresh one is; the zero time without
	// facts.
	oldest, freshUntil time.Time
	// Served is the part of our own cache in the answer, Detail is why it is stale.
	Served Served
	Detail cache.Reason
	// edge is the policy for shared caches; nil where they get none of their own.
	edge *Edge
	tags []string // the value of the header that edge names
	// last are the headers of the last answer that had any, for those of the same second; nil remembers none.
	last *atomic.Pointer[ageHeaders]
}

// ageHeaders are the values of headers at an age and with a time left, both in seconds.
type ageHeaders struct {
	age, left                     int
	ageText, control, cdn, status []string
}

// Edge is the header for shared caches that can be purged.
type Edge struct {
	// TagHeader is the name of the header for tags as http.Header has it, Tags makes its value.
	TagHeader string
	Tags      func([]cache.Tag) string
	// Cache holds the values of answers.
	Cache *cache.Cache
	// BrowserTTL is the longest that a browser may use an answer, which nothing can purge from there.
	BrowserTTL time.Duration
}

// PrivateNoStore is the policy for callers who are bound to clients: which records the cache holds, and since when, may
// reveal those of others.
var PrivateNoStore = Policy{private: true}

// FromFacts takes the least fresh fact for all, whose ages are those of now. An answer without a fact has no known
// lifetime.
func FromFacts(facts []cache.Fact, publicCatalog bool, now time.Time) Policy {
	if len(facts) == 0 {
		return Policy{}
	}
	p := Policy{Cacheable: true, public: publicCatalog, oldest: now, freshUntil: facts[0].Fresh}
	p.Served, p.Detail = servedBy(facts)
	for _, f := range facts {
		p.Cacheable = p.Cacheable && !f.NoStore
		p.public = p.public && f.Backend == string(upstream.ThoughtIndustries)
		if born := now.Add(-f.Age); born.Before(p.oldest) {
			p.oldest = born
		}
		if f.Fresh.Before(p.freshUntil) {
			p.freshUntil = f.Fresh
		}
	}
	return p
}

// Public reports whether a shared cache may keep the answer.
func (p Policy) Public() bool { return p.Cacheable && p.public && !p.private }

// DropCount returns the count of drops at the begin of an answer.
func (e *Edge) DropCount() cache.DropCount {
	if e == nil {
		return 0
	}
	return e.Cache.DropCount()
}

// Tagged is the policy of an answer that depends on these tags and was begun at that count of drops. Values dropped
// since then may be purged from shared caches before the answer reaches them; they must not store it, for it would stay
// there.
func (p Policy) Tagged(e *Edge, began cache.DropCount, tags func() []cache.Tag) Policy {
	if e == nil || !p.Public() {
		return p
	}
	list := tags()
	p.edge, p.tags = e, []string{e.Tags(list)}
	return p.Unless(e.Cache.DroppedSince(began, list))
}

// TaggedLike is the policy of an answer that was made of another one.
func (p Policy) TaggedLike(o Policy) Policy {
	if p.Public() {
		p.edge, p.tags = o.edge, o.tags
	}
	return p.Unless(!o.Cacheable)
}

// TagsSize is the bytes that the tags take on the heap.
func (p Policy) TagsSize() int {
	if p.tags == nil {
		return 0
	}
	return footprint.Slice(p.tags) + footprint.Text(p.tags[0])
}

// Unless is the policy of an answer that no receiver may keep, where that is so.
func (p Policy) Unless(forbidden bool) Policy {
	p.Cacheable = p.Cacheable && !forbidden
	return p
}

// Memoized is the policy of an answer that our own cache keeps: it is sent again and again.
func (p Policy) Memoized() Policy {
	p.Served, p.Detail = Hit, ""
	p.last = &atomic.Pointer[ageHeaders]{}
	return p
}

// WriteHeaders writes the headers as they are now.
func (p Policy) WriteHeaders(h http.Header, now time.Time) {
	if p.private {
		h["Cache-Control"], h["Cache-Status"] = privateNoStore, withheld
		return
	}
	sent := p.ageHeaders(int(now.Sub(p.oldest)/time.Second), p.left(now))
	h["Cache-Status"] = sent.status
	if !p.Cacheable {
		h["Cache-Control"] = NoStore
		return
	}
	h["Age"], h["Cache-Control"] = sent.ageText, sent.control
	if sent.cdn != nil {
		h[cdnCacheControl] = sent.cdn
	}
	if p.edge != nil {
		h[p.edge.TagHeader] = p.tags
	}
}

// left is for how many seconds the answer is fresh: none where it was not kept at all, less where it is stale.
func (p Policy) left(now time.Time) int {
	left := p.freshUntil.Sub(now)
	if p.Detail == "" {
		return int(max(left, 0) / time.Second)
	}
	return int(math.Floor(left.Seconds()))
}

// ageHeaders are those of an age and a time left, which are mostly those of the answer before.
func (p Policy) ageHeaders(age, left int) *ageHeaders {
	if p.last == nil {
		return p.newAgeHeaders(age, left)
	}
	last := p.last.Load()
	if last == nil || last.age != age || last.left != left {
		last = p.newAgeHeaders(age, left)
		p.last.Store(last)
	}
	return last
}

func (p Policy) newAgeHeaders(age, left int) *ageHeaders {
	a := &ageHeaders{age: age, left: left, status: p.status(left)}
	if !p.Cacheable {
		return a
	}
	a.ageText = []string{strconv.Itoa(age)}
	if !p.public {
		a.control = []string{"private, " + lifetime(age, left)}
		return a
	}
	a.cdn = []string{"public, " + lifetime(age, left)}
	a.control = a.cdn
	if p.edge == nil || left <= 0 {
		return a
	}
	if most := int(p.edge.BrowserTTL / time.Second); most < left {
		own := "max-age=" + strconv.Itoa(most+age)
		if most == 0 {
			own = "max-age=0, must-revalidate"
		}
		// A shared cache that does not know CDN-Cache-Control has s-maxage.
		a.control = []string{"public, " + own + ", s-maxage=" + strconv.Itoa(left+age)}
	}
	return a
}

// lifetime returns how long an answer may be used that was made so long ago. A cache subtracts Age from max-age, which
// therefore counts from the backend's answer (RFC 9111, section 4.2).
func lifetime(age, left int) string {
	if left <= 0 {
		// Without a lifetime, as with CACHE_TTL=0, an answer may be kept to save its bytes, by its ETag, and not be used
		// without asking; a cache may take max-age=0 alone for leave to use it when we cannot be reached.
		return "max-age=0, no-cache"
	}
	return "max-age=" + strconv.Itoa(left+age)
}
