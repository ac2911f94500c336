package datasource

import (
	"context"
	"sync"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
)

// fetchSingly loads each key on its own and delivers each result as soon as it is there. Whether one scan takes the
// place of their single reads is decided for all of them together, once each has been looked for in the cache.
func fetchSingly[K comparable, V any](ctx context.Context, keys []K, fetch fetchFunc[K, V],
	deliver func(K, cache.Result[V])) []cache.Result[V] {
	results := make([]cache.Result[V], len(keys))
	together := newRound(len(keys))
	var group task.Group
	for i, key := range keys {
		group.Go(func() error {
			ctx, leave := together.join(ctx)
			defer leave()
			results[i] = fetch(ctx, []K{key})[0]
			return nil
		}, func(err error) {
			if err != nil {
				results[i].Err = err
			}
			if !together.isAnswered() {
				deliver(key, results[i])
			}
		})
	}
	group.Wait()
	return results
}

// round is a decision for all single loads of one batch: whether a scan answers them.
type round struct {
	mu       sync.Mutex
	awaited  int // loads that may still have a key to ask for
	keys     []any
	complete chan struct{}
	decide   sync.Once
	seen     any // by the scan
	err      error
	answered bool // by the scan alone: the results come together
}

func newRound(n int) *round { return &round{awaited: n, complete: make(chan struct{})} }

type roundKey struct{}

// roundMember is the place of one load in a round.
type roundMember struct {
	round *round
	once  sync.Once
}

// join adds a load to the round. It has no key to ask for once it is left, or waits for another operation's read.
func (r *round) join(ctx context.Context) (_ context.Context, leave func()) {
	s := &roundMember{round: r}
	leave = func() { s.take(nil) }
	outer := ctx
	ctx = task.WithWork(ctx, task.Work{Later: task.IsLater(ctx), Waits: func(waiting bool) {
		if waiting {
			leave()
			task.Waiting(outer)
		}
	}})
	return context.WithValue(ctx, roundKey{}, s), leave
}

// take reports whether the round had still waited for the load, which asks for these keys.
func (s *roundMember) take(keys []any) (awaited bool) {
	s.once.Do(func() {
		awaited = true
		r := s.round
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys = append(r.keys, keys...)
		if r.awaited--; r.awaited == 0 {
			close(r.complete)
		}
	})
	return awaited
}

// scanForRound calls scan for the keys of all loads of a round, once, where ctx belongs to one.
func scanForRound[K comparable, V any](ctx context.Context, keys []K,
	scan func([]K) (scanned[K, V], error)) (scanned[K, V], error) {
	s, _ := ctx.Value(roundKey{}).(*roundMember)
	if s == nil {
		return scan(keys)
	}
	asked := make([]any, len(keys))
	for i, k := range keys {
		asked[i] = k
	}
	if !s.take(asked) {
		return scan(keys)
	}
	r := s.round
	select {
	case <-r.complete:
	case <-ctx.Done():
		return scanned[K, V]{}, ctx.Err()
	}
	r.decide.Do(func() {
		all := make([]K, len(r.keys))
		for i, k := range r.keys {
			all[i] = k.(K)
		}
		seen, err := scan(all)
		r.seen, r.err = seen, err
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answered = seen.all || err != nil
	})
	return r.seen.(scanned[K, V]), r.err
}

// isAnswered reports whether a scan answered all keys, so that their results come together.
func (r *round) isAnswered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answered
}
