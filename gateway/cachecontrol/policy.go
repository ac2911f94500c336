// Package cachecontrol reads the Cache-Control of requests and writes the Cache-Control and Age of responses (RFC 9111).
package cachecontrol

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// The values of Cache-Control that most answers have. An answer that shares them allocates none; adding to one makes a copy.
var (
	NoStore        = []string{"no-store"}
	privateNoStore = []string{"private, no-store"}
)

// Policy is the cache policy of an answer, derived from its facts. The zero value allows nothing.
type Policy struct {
	// Storable is set if the answer may be stored at all, shared if it may be stored for others.
	Storable, public bool
	// private is set for an answer to a caller who is bound to clients.
	private bool
	// oldest is when the backend sent the oldest fact, fresh until when the least fresh one is.
	oldest, freshUntil time.Time
	// last are the headers of the last answer that had any, for those of the same second; nil remembers none.
	last *atomic.Pointer[ageHeaders]
}

// ageHeaders are the values of Age and Cache-Control at an age and with a time left, both in seconds.
type ageHeaders struct {
	age, left        int
	ageText, control []string
}

// PrivateNoStore is the policy for callers who are bound to clients: which records the cache holds, and since when, may
// reveal those of others.
var PrivateNoStore = Policy{private: true}

// Memoized is a policy for an answer that is sent again and again.
func (p Policy) Memoized() Policy {
	p.last = &atomic.Pointer[ageHeaders]{}
	return p
}

// FromFacts takes the least fresh fact for all, whose ages are those of now. What holds no fact has no lifetime that anyone
// knows.
func FromFacts(facts []cache.Fact, publicCatalog bool, now time.Time) Policy {
	if len(facts) == 0 {
		return Policy{}
	}
	p := Policy{Storable: true, public: publicCatalog, oldest: now, freshUntil: facts[0].Fresh}
	for _, f := range facts {
		p.Storable = p.Storable && !f.NoStore
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

// WriteHeaders writes the policy's headers, as of now.
func (p Policy) WriteHeaders(h http.Header, now time.Time) {
	switch {
	case p.private:
		h["Cache-Control"] = privateNoStore
		return
	case !p.Storable:
		h["Cache-Control"] = NoStore
		return
	}
	said := p.ageHeaders(int(now.Sub(p.oldest)/time.Second), int(max(p.freshUntil.Sub(now), 0)/time.Second))
	h["Age"], h["Cache-Control"] = said.ageText, said.control
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
	who := "private"
	if p.public {
		who = "public"
	}
	// A cache subtracts Age from the lifetime, which therefore counts from the backend's answer (RFC 9111, section 4.2).
	lifetime := strconv.Itoa(left + age)
	if left == 0 {
		// Without a lifetime, as with CACHE_TTL=0, an answer may be kept to save its bytes, by its ETag, and not be used
		// without asking; a cache may take max-age=0 alone for leave to use it when we cannot be reached.
		lifetime = "0, no-cache"
	}
	return &ageHeaders{age, left, []string{strconv.Itoa(age)}, []string{who + ", max-age=" + lifetime}}
}
