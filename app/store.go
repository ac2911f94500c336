package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream"
)

// cacheVersion is part of every key in Redis, as the schema's digest is: it is raised when the encoding of values
// changes.
const cacheVersion = "2"

// openCache returns the cache that the settings describe.
func openCache(cfg *config.Config, o Options, log *slog.Logger) (*cache.Cache, error) {
	c := cfg.Cache
	schema := sha256.Sum256([]byte(o.Schema))
	c.Version = cacheVersion + "-" + hex.EncodeToString(schema[:8])
	c.Log = log
	c.Classify = staleReason
	c.Round = o.Traces.Rounds()
	kept, err := cache.New(c)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return kept, nil
}

// staleReason returns the reason for serving a stale answer after a failed call. That a key has become ambiguous is an
// answer, not a failure. A call that the backend rejects for the caller's input is no failure of the backend; a backend
// that keeps all slots busy is slow, whatever its budget; an operation that may make no more calls is over its own
// budget.
func staleReason(err error) cache.Reason {
	if errors.Is(err, upstream.ErrAmbiguous) {
		return ""
	}
	switch upstream.KindOf(err) {
	case upstream.Invalid, upstream.NotConfigured, upstream.Canceled:
		return ""
	case upstream.Deadline:
		return cache.Slow
	case upstream.RateLimited:
		if errors.Is(err, upstream.ErrNoSlot) {
			return cache.Slow
		}
		return cache.OverBudget
	case upstream.LimitExceeded:
		return cache.OverBudget
	}
	return cache.Failed
}

// reservation takes the memory of requests under way from the cache's limit, up to half of it.
type reservation struct {
	cache    *cache.Cache
	inflight *inflight.Load
	max      int64

	mu   sync.Mutex
	held int64
}

func (r *reservation) adjust() {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := min(r.inflight.State().Bytes, r.max)
	r.cache.Reserve(held - r.held)
	r.held = held
}
