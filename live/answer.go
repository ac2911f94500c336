package live

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/learngraph/learngraph/cache"
)

// Answer is the result of an execution.
type Answer struct {
	// Body is the answer as it is sent. Fingerprint is equal for two answers that differ in nothing that is worth an
	// event.
	Body        []byte
	Fingerprint string
	// Facts are the answer's facts, Tags its dependencies.
	Facts []cache.Fact
	Tags  []cache.Tag
	// Failing is set where a part of the answer is missing or old because a backend fails.
	Failing bool
	// Memo is Ask's own note of its last answer; the package does not look at it.
	Memo any
}

// State is an answer that subscribers get.
type State struct {
	Body []byte
	// Frames are the body as protocols send it. A frame is made once for all subscribers.
	Frames Frames
}

type digest [16]byte

func parseDigest(text string) (d digest, ok bool) {
	if len(text) != 2*len(d) {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(text))
	return d, err == nil
}

// drop is an invalidation, and when it was noticed.
type drop struct {
	digests     []digest
	all, remote bool
	at          time.Time
}

func newDrop(d cache.Invalidation) drop {
	out := drop{all: d.All, remote: d.Remote, at: time.Now()}
	for _, text := range d.Digests {
		if d, ok := parseDigest(text); ok {
			out.digests = append(out.digests, d)
		}
	}
	return out
}

// expiry is until when a fact is fresh.
type expiry struct {
	digest cache.Digest
	fresh  time.Time
	stale  bool // it is known to be old: its backend fails or is busy
}

// basis is the digest of an answer's facts. It does not keep their values alive.
type basis struct {
	depends  []digest // in order
	expiries []expiry
}

func basisOf(a *Answer) basis {
	var b basis
	for _, t := range a.Tags {
		if i := len(t) - 2*len(digest{}); i >= 0 {
			if d, ok := parseDigest(string(t[i:])); ok {
				b.depends = append(b.depends, d)
			}
		}
	}
	slices.SortFunc(b.depends, compareDigests)
	b.depends = slices.Clip(slices.Compact(b.depends))
	for _, f := range a.Facts {
		b.expiries = append(b.expiries, expiry{f.Digest, f.Fresh, f.Reason != ""})
	}
	return b
}

func compareDigests(a, b digest) int { return bytes.Compare(a[:], b[:]) }

// dependsOn reports whether the answer depends on something that was dropped.
func (b *basis) dependsOn(d drop) bool {
	return d.all || slices.ContainsFunc(d.digests, func(dropped digest) bool {
		_, found := slices.BinarySearchFunc(b.depends, dropped, compareDigests)
		return found
	})
}

// names are the claims for an execution at that time: the facts that will be fetched.
func (b *basis) names(now time.Time, dropped []digest) (names []string) {
	for _, e := range b.expiries {
		if !now.Before(e.fresh) && len(names) < maxClaims {
			names = append(names, "fact:"+e.digest.String())
		}
	}
	for _, d := range dropped {
		if len(names) < maxClaims {
			names = append(names, "fact:"+hex.EncodeToString(d[:]))
		}
	}
	return names
}

const (
	// minInterval is the least time between two executions because of facts that are no longer fresh.
	minInterval = time.Second
	// uncachedInterval is when a fact is looked at again that the cache does not keep.
	uncachedInterval = 10 * time.Second
	// A topic whose backend fails is asked again after firstRetry, then less and less often.
	firstRetry, lastRetry = time.Second, 10 * time.Second
	// minPause is the least time between two executions because of drops.
	minPause = 200 * time.Millisecond
	// remoteDropDelay is the head start of the replica that dropped: it may be fetching already.
	remoteDropDelay = 50 * time.Millisecond
	// reconnectDelay is when topics are executed again after drops of other replicas may have been missed: their caches
	// trust their values again by then.
	reconnectDelay = 2500 * time.Millisecond
	// pollInterval is how often a replica looks whether another one has finished its fetch, maxWait for how long.
	pollInterval = 50 * time.Millisecond
	maxWait      = 20 * time.Second
	maxClaims    = 500
)

// next is when the answer has to be looked at again, given that it was asked at that time; the zero time is never.
func (b *basis) next(began, now time.Time, failing bool, failures int) (at time.Time) {
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for _, e := range b.expiries {
		switch {
		case e.fresh.After(now):
			sooner(e.fresh)
		case e.stale:
			failing = true
		default:
			sooner(now.Add(uncachedInterval))
		}
	}
	if failing {
		sooner(now.Add(min(firstRetry<<max(min(failures, 10), 0), lastRetry)))
	}
	if at.IsZero() {
		return at
	}
	if least := began.Add(minInterval); at.Before(least) {
		return least
	}
	return at
}

// jitter is a random part of d.
func jitter(d time.Duration) time.Duration { return time.Duration(rand.Float64() * float64(d)) }
