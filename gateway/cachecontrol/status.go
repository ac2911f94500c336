package cachecontrol

import (
	"strconv"

	"github.com/learngraph/learngraph/cache"
)

// Served is how our own cache took part in an answer, the more of the backends it needed the higher.
type Served uint8

// The ways of serving an answer.
const (
	Bypassed Served = iota // nothing was looked up
	Hit                    // all of it was kept and fresh
	HitStale               // all of it was kept, some of it no longer fresh
	Renewed                // a backend confirmed the stored value with 304
	Missed                 // a backend was called
	Demanded               // a backend was called because the caller wanted it
	Written                // it is that of a mutation
)

// handled are the values of Cache-Status for each (RFC 9211, section 2).
var handled = [...]string{
	Bypassed: "fwd=bypass", Hit: "hit", HitStale: "hit", Renewed: "fwd=stale; fwd-status=304", Missed: "fwd=miss",
	Demanded: "fwd=request", Written: "fwd=method",
}

// cacheName is how Cache-Status and Proxy-Status name this program.
const cacheName = "Learngraph"

// withheld is the status of answers to callers who are bound to clients: the content of the cache may reveal records of
// others.
var withheld = []string{cacheName + "; detail=withheld"}

// without are the statuses without a lifetime, which need no text of their own.
var without = func() (values [len(handled)][]string) {
	for i, text := range handled {
		values[i] = []string{cacheName + "; " + text}
	}
	return values
}()

// servedBy returns how facts were served, and why where they are stale.
func servedBy(facts []cache.Fact) (how Served, detail cache.Reason) {
	how = Hit
	for _, f := range facts {
		switch {
		case f.Verdict == cache.Called || f.Verdict == cache.Coalesced:
			how = max(how, Missed)
		case f.Verdict == cache.Revalidated:
			how = max(how, Renewed)
		case f.Verdict == cache.Stale:
			how = max(how, HitStale)
		}
		if f.Reason != "" && detail == "" {
			detail = f.Reason
		}
	}
	return how, detail
}

// status is the value of Cache-Status with so many seconds left.
func (p Policy) status(left int) []string {
	if p.freshUntil.IsZero() {
		return without[p.Served]
	}
	text := cacheName + "; " + handled[p.Served] + "; ttl=" + strconv.Itoa(left)
	if p.Detail != "" {
		text += "; detail=stale:" + string(p.Detail)
	}
	return []string{text}
}

// Worst is the policy of several answers that are sent as one: no receiver may keep it.
func Worst(policies ...Policy) (all Policy) {
	for _, p := range policies {
		all.Served = max(all.Served, p.Served)
		if all.Detail == "" {
			all.Detail = p.Detail
		}
		if !p.freshUntil.IsZero() && (all.freshUntil.IsZero() || p.freshUntil.Before(all.freshUntil)) {
			all.freshUntil = p.freshUntil
		}
	}
	return all
}
