package cache

import (
	"context"
	"strconv"
	"sync"
	"time"
)

const (
	// claimLife is how long the claims of a replica that was killed keep others waiting, and claimRenewal how often one
	// that lives renews them.
	claimLife    = time.Second
	claimRenewal = 300 * time.Millisecond
)

// Claim takes names for this process, so that one of several replicas does a work; ok is false where another one has
// any of them. Claims of one process do not exclude each other: fetches at the same time are coalesced anyway. release
// returns the names, once the values that this process has fetched so far are in Redis, where the others find them.
// Without Redis, and while it fails, each process claims for itself.
func (c *Cache) Claim(ctx context.Context, names []string) (release func(), ok bool) {
	r := c.remote
	if r == nil || len(names) == 0 {
		return func() {}, true
	}
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = r.prefix + "{claim}:" + label(name) // in one slot of a Cluster
	}
	holder := r.origin + "." + strconv.FormatUint(r.claims.Add(1), 36)
	taken, err := r.claim(ctx, keys, holder)
	if err != nil {
		return func() {}, true
	}
	if !taken {
		return nil, false
	}
	return r.holdClaim(ctx, keys, holder), true
}

// holdClaim renews a claim until it is given back.
func (r *remote) holdClaim(ctx context.Context, keys []string, holder string) (release func()) {
	ctx = context.WithoutCancel(ctx)
	var mu sync.Mutex
	held := true
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(claimRenewal, func() {
		mu.Lock()
		defer mu.Unlock()
		if held {
			_, _ = r.claim(ctx, keys, holder) // where that fails the next one may not, and others find Redis away too
			timer.Reset(claimRenewal)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		if !held {
			return
		}
		held = false
		giveBack := func(ctx context.Context) { _, _ = r.script(ctx, unclaimScript, keys, 2, holder) }
		if !r.tryEnqueue(job{after: giveBack}) {
			giveBack(ctx)
		}
	}
}

func (r *remote) claim(ctx context.Context, keys []string, holder string) (taken bool, err error) {
	numbers, err := r.script(ctx, claimScript, keys, 2, holder, claimLife.Milliseconds(), r.origin+".")
	return numbers[0] == 1, err
}
