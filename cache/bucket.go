package cache

import (
	"context"
	"math"
	"sync"
	"time"
)

// maxCallers bounds the buckets that a process keeps by itself.
const maxCallers = 10_000

// Limit is the size of a bucket of points and how many points come back per second.
type Limit struct {
	Capacity int
	Restore  float64
}

// Taken is the state of a bucket after Take.
type Taken struct {
	OK   bool
	Left int           // whole points in the bucket
	Wait time.Duration // where not OK: until the points are there; negative if they never are
}

// Bucket holds points for each caller, shared by replicas through Redis, per process while Redis is away. It is safe
// for concurrent use.
type Bucket struct {
	remote *remote
	hasher *hasher
	name   string
	prefix string

	mu    sync.Mutex
	local map[string]level
}

// level is the content of a bucket at a time.
type level struct {
	points float64
	at     time.Time
	full   time.Time // when it has filled up again, and so need not be remembered
}

// NewBucket makes the buckets of that name, one for each caller. Callers are in Redis as digests that are keyed by
// scope.
func NewBucket(c *Cache, scope, name string) *Bucket {
	b := &Bucket{remote: c.remote, hasher: newHasher(scope), name: name, local: map[string]level{}}
	if c.remote != nil {
		b.prefix = c.remote.prefix + label(scope) + ":points:"
	}
	return b
}

// Take takes n points out of the caller's bucket, or none if there are fewer. A negative n returns points.
func (b *Bucket) Take(ctx context.Context, caller string, limit Limit, n int) Taken {
	key := b.hasher.digest(b.name, caller).String()
	if b.remote != nil {
		if points, ok, err := b.remote.take(ctx, b.prefix+key, limit, n); err == nil {
			return limit.taken(points, n, ok)
		}
	}
	return b.takeLocal(key, limit, n)
}

func (b *Bucket) takeLocal(key string, limit Limit, n int) Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	capacity := float64(limit.Capacity)
	points := capacity
	if l, ok := b.local[key]; ok {
		points = min(capacity, l.points+now.Sub(l.at).Seconds()*limit.Restore)
	}
	ok := float64(n) <= points
	if ok {
		points = min(capacity, points-float64(n))
	}
	b.evict(now)
	b.local[key] = level{points, now, now.Add(limit.until(points, capacity))}
	return limit.taken(points, n, ok)
}

// evict forgets buckets that are full again, or else any.
func (b *Bucket) evict(now time.Time) {
	if len(b.local) < maxCallers {
		return
	}
	for key, l := range b.local {
		if now.After(l.full) {
			delete(b.local, key)
		}
	}
	for key := range b.local {
		if len(b.local) < maxCallers {
			return
		}
		delete(b.local, key)
	}
}

func (l Limit) taken(points float64, n int, ok bool) Taken {
	t := Taken{OK: ok, Left: int(points)}
	if !ok {
		t.Wait = -1
		if n <= l.Capacity && l.Restore > 0 {
			t.Wait = l.until(points, float64(n))
		}
	}
	return t
}

// until is how long it takes to get from some points to more, rounded up to a millisecond.
func (l Limit) until(points, more float64) time.Duration {
	if l.Restore <= 0 {
		return 24 * time.Hour
	}
	seconds := max(0, more-points) / l.Restore
	return time.Duration(min(math.Ceil(seconds*1000), float64(24*time.Hour/time.Millisecond))) * time.Millisecond
}
