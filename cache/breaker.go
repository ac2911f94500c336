package cache

import (
	"sync"
	"time"
)

// pause is how long Redis is left alone after a failure.
const pause = time.Second

// breaker refuses calls to something that just failed, and after a pause admits one at a time until it answers again.
type breaker struct {
	mu      sync.Mutex
	down    bool
	probing bool
	retry   time.Time
	changed func(up bool) // called once per outage and once per recovery
}

// enter reports whether to try; if so, leave must follow.
func (b *breaker) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.down {
		return true
	}
	if b.probing || time.Now().Before(b.retry) {
		return false
	}
	b.probing = true
	return true
}

func (b *breaker) leave(ok bool) {
	b.mu.Lock()
	was := b.down
	switch {
	case !ok:
		b.down, b.probing, b.retry = true, false, time.Now().Add(pause)
	case b.down && !b.probing:
		// It entered before the failure of another; only a probe counts.
	default:
		b.down, b.probing = false, false
	}
	now := b.down
	b.mu.Unlock()
	if was != now {
		b.changed(!now)
	}
}

func (b *breaker) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.down
}
