package cache

import (
	"context"
	"sync"
	"time"
)

// maxOnce bounds the keys that a process remembers by itself.
const maxOnce = 1 << 16

// Once remembers keys for a time, for all replicas through Redis, per process while Redis is away. It is safe for
// concurrent use.
type Once struct {
	remote *remote
	hasher *hasher
	name   string
	prefix string
	life   time.Duration

	mu    sync.Mutex
	until map[digest]time.Time
	order []digest // of until, the oldest first
}

// NewOnce returns a memory of that name. Keys are in Redis as digests that are keyed by scope.
func NewOnce(c *Cache, scope, name string, life time.Duration) *Once {
	o := &Once{remote: c.remote, hasher: newHasher(scope), name: name, life: life, until: map[digest]time.Time{}}
	if c.remote != nil {
		o.prefix = c.remote.prefix + label(scope) + ":once:"
	}
	return o
}

// First remembers a key, and reports whether it was not remembered yet.
func (o *Once) First(ctx context.Context, key string) bool {
	d := o.hasher.digest(o.name, key)
	if !o.firstHere(d) {
		return false
	}
	if o.remote == nil {
		return true
	}
	first, err := o.remote.setFirst(ctx, o.prefix+d.String(), o.life)
	return first || err != nil
}

func (o *Once) firstHere(d digest) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for len(o.order) > 0 && (len(o.order) >= maxOnce || !now.Before(o.until[o.order[0]])) {
		delete(o.until, o.order[0])
		o.order = o.order[1:]
	}
	if _, ok := o.until[d]; ok {
		return false
	}
	o.until[d] = now.Add(o.life)
	o.order = append(o.order, d)
	return true
}

// setFirst sets a key that is not there, and reports whether it was not.
func (r *remote) setFirst(ctx context.Context, key string, life time.Duration) (first bool, err error) {
	err = r.round(ctx, func(ctx context.Context) (err error) {
		first, err = r.client.SetNX(ctx, key, 1, life).Result()
		return err
	})
	return first, err
}
