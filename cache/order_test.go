package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// versions is a backend whose keys have versions, each read when the fetch begins and answered a while later.
type versions struct {
	mu sync.Mutex
	of map[string]int
}

func (v *versions) read(key string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of[key]
}

func (v *versions) write(key string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.of[key]++
	return v.of[key]
}

func (v *versions) fetch(ctx context.Context, missing []Missing) (map[string]Entry[string], map[string]error) {
	found, failed := map[string]Entry[string]{}, map[string]error{}
	for _, w := range missing {
		found[w.Key] = Entry[string]{Value: fmt.Sprint(w.Key, "@", v.read(w.Key))}
	}
	select {
	case <-ctx.Done():
		for _, w := range missing {
			failed[w.Key] = ctx.Err()
		}
	case <-time.After(time.Duration(rand.IntN(50)) * time.Millisecond):
	}
	return found, failed
}

func TestNoLoadThatBeginsAfterADropSeesWhatWasBefore(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "two replicas": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &versions{of: map[string]int{}}
				caches := []*Cache{open(t, options())}
				if shared {
					m := newMemoryRedis(t)
					caches = []*Cache{replica(t, m), replica(t, m)}
				}
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() { readYourWrites(t, words(caches[i%len(caches)]), v) })
				}
				wg.Wait()
			})
		})
	}
}

// readYourWrites writes, drops and reads a few keys that others write too.
func readYourWrites(t *testing.T, s *Space[string], v *versions) {
	for range 200 {
		key := string(rune('a' + rand.IntN(4)))
		least := 0
		if rand.IntN(4) == 0 {
			least = v.write(key)
			s.Drop(t.Context(), key)
		}
		r := loaded(s, t.Context(), []string{key}, v.fetch)[key]
		_, number, _ := strings.Cut(r.Value, "@")
		if got, err := strconv.Atoi(number); err != nil || got < least {
			t.Errorf("got %q, %v; want version %d at least", r.Value, r.Err, least)
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
}
