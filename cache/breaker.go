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
func (g *breaker) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.down {
		return true
	}
	if g.probing || time.Now().Before(g.retry) {
		return false
	}
	g.probing = true
	return true
}

func (g *breaker) leave(ok bool) {
	g.mu.Lock()
	was := g.down
	switch {
	case !ok:
		g.down, g.probing, g.retry = true, false, time.Now().Add(pause)
	case g.down && !g.probing:
		// It entered before the failure of another; only a probe counts.
	default:
		g.down, g.probing = false, false
	}
	now := g.down
	g.mu.Unlock()
	if was != now {
		g.changed(!now)
	}
}

func (g *breaker) up() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.down
}
