package cache

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// pending is a drop that Redis does not know of yet; a later drop of the same key has another number.
type pending struct {
	target target
	number uint64
	due    bool // no attempt is under way
}

// drop puts tombstones in place of the targets and of values that carry their tags, and informs the other replicas.
// A drop that fails is pending. While others are pending it does not wait: the replicas have noticed by then that Redis
// is away.
func (r *remote) drop(ctx context.Context, targets []target) {
	behind := r.dropPending.Load()
	held := r.addPending(targets, behind)
	if !behind {
		r.send(ctx, held)
	}
}

// send drops without regard to the breaker: a read that found Redis slow must not keep other replicas from seeing a
// write.
func (r *remote) send(ctx context.Context, held []pending) (ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), invalidationTimeout)
	defer cancel()
	targets := make([]target, len(held))
	for i, p := range held {
		targets[i] = p.target
	}
	err := r.broadcastDrop(ctx, targets)
	r.dropPending.Store(err != nil)
	r.finishAttempt(held, err == nil)
	if err != nil && !errors.Is(err, redis.ErrClosed) {
		r.errors.Add(1)
		r.reload(ctx)
		if r.breaker.up() {
			r.breaker.leave(false)
		}
		r.logError(err)
	}
	return err == nil
}

func (r *remote) addPending(targets []target, due bool) (held []pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds++
	for _, t := range targets {
		if len(r.pending) >= maxPending {
			for d := range r.pending {
				delete(r.pending, d)
				break
			}
		}
		p := pending{t, r.holds, due}
		r.pending[t.digest] = p
		held = append(held, p)
	}
	return held
}

// finishAttempt ends an attempt. A key that was dropped again meanwhile is another one's.
func (r *remote) finishAttempt(held []pending, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range held {
		if r.pending[p.target.digest].number != p.number {
			continue
		}
		if ok {
			delete(r.pending, p.target.digest)
		} else {
			r.pending[p.target.digest] = pending{p.target, p.number, true}
		}
	}
}

// retryPending sends the drops that failed again, until one fails.
func (r *remote) retryPending(ctx context.Context) {
	for ctx.Err() == nil {
		held := r.due()
		if len(held) == 0 || !r.send(ctx, held) {
			return
		}
	}
}

func (r *remote) due() (held []pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pending {
		if p.due {
			held = append(held, p)
		}
		if len(held) == messageKeys {
			break
		}
	}
	return held
}

// broadcastDrop informs the other replicas even where a node of a Cluster does not answer: they hold values in memory,
// and must not take old ones from Redis before the drop is complete.
func (r *remote) broadcastDrop(ctx context.Context, targets []target) error {
	seq, err := r.erase(ctx, targets)
	if err == nil {
		return r.publish(ctx, seq, targets)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	return errors.Join(err, r.publish(ctx, incomplete, targets))
}

// erase puts tombstones into Redis and returns their sequence number.
func (r *remote) erase(ctx context.Context, targets []target) (seq int64, err error) {
	text, err := r.client.Eval(ctx, clockScript, []string{r.clock()}).Text()
	if outage(err) {
		return 0, err
	}
	// A Redis whose memory is full refuses even the clock. Then the values are deleted without a tombstone.
	seq, _ = strconv.ParseInt(text, 10, 64)
	r.observeSeq(seq)
	keys, err := r.untag(ctx, seq, targets)
	if err != nil {
		return 0, err
	}
	for _, t := range targets {
		if t.value != "" {
			keys = append(keys, t.value)
		}
	}
	return seq, r.writeTombstones(ctx, seq, keys)
}

// untag drops the tags and returns the keys of the values that carry them.
func (r *remote) untag(ctx context.Context, seq int64, targets []target) (keys []string, err error) {
	pipe := r.client.Pipeline()
	cmds := make([]*redis.Cmd, len(targets))
	for i, t := range targets {
		cmds[i] = pipe.Eval(ctx, untagScript, []string{t.tag}, seq, tombstoneLife.Milliseconds())
	}
	if err := execute(ctx, pipe); err != nil {
		return nil, err
	}
	for _, cmd := range cmds {
		members, _ := cmd.StringSlice()
		for _, m := range members {
			if m != "!" {
				keys = append(keys, m)
			}
		}
	}
	return keys, nil
}

func (r *remote) writeTombstones(ctx context.Context, seq int64, keys []string) error {
	pipe := r.client.Pipeline()
	for _, key := range keys {
		d, _ := parseDigest(key[strings.LastIndexByte(key, ':')+1:])
		pipe.Del(ctx, key)
		if seq > 0 {
			pipe.Set(ctx, key, r.seal.seal(d, tombstone(d, seq)), tombstoneLife)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	return execute(ctx, pipe)
}

func tombstone(d digest, seq int64) []byte {
	now := time.Now()
	return (&frame{seq: seq, tombstone: true, created: now, fresh: now, stale: now}).encode(d)
}

// isPending reports whether a value that Redis holds may be from before a drop of its key, of one of its tags or of one
// of its items.
func (r *remote) isPending(d digest, f *frame) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return false
	}
	if _, ok := r.pending[d]; ok {
		return true
	}
	for i := range f.items {
		if _, ok := r.pending[f.items[i].digest]; ok {
			return true
		}
	}
	return slices.ContainsFunc(f.tags, func(t Tag) bool {
		_, ok := r.pending[t.digest()]
		return ok
	})
}
