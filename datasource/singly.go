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
	r := newRound(len(keys))
	var group task.Group
	for i, key := range keys {
		group.Go(func() error {
			ctx, m := r.join(ctx)
			defer m.leave()
			results[i] = fetch(ctx, []K{key}, m)[0]
			return nil
		}, func(err error) {
			if err != nil {
				results[i].Err = err
			}
			if !r.isAnswered() {
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

// roundMember is the place of one load in a round.
type roundMember struct {
	round *round
	once  sync.Once
}

// join adds a load to the round. It has no key to ask for once it is left, or waits for another operation's read.
func (r *round) join(ctx context.Context) (context.Context, *roundMember) {
	m := &roundMember{round: r}
	return task.WithWork(ctx, task.Work{Later: task.IsLater(ctx), Waits: func(waiting bool) {
		if waiting {
			m.leave()
			task.Waiting(ctx)
		}
	}}), m
}

func (m *roundMember) leave() { m.take(nil) }

// take reports whether the round had still waited for the load, which asks for these keys.
func (m *roundMember) take(keys []any) (awaited bool) {
	m.once.Do(func() {
		awaited = true
		r := m.round
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys = append(r.keys, keys...)
		if r.awaited--; r.awaited == 0 {
			close(r.complete)
		}
	})
	return awaited
}

// scanTogether calls scan for the keys of all loads of m's round, once; a nil m has no others.
func scanTogether[K comparable, V any](ctx context.Context, keys []K, m *roundMember,
	scan func([]K) (scanned[K, V], error)) (scanned[K, V], error) {
	if m == nil {
		return scan(keys)
	}
	asked := make([]any, len(keys))
	for i, k := range keys {
		asked[i] = k
	}
	if !m.take(asked) {
		return scan(keys)
	}
	r := m.round
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
