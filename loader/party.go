package loader

import (
	"context"
	"sync"
)

// Party are callers that begin at one moment. The keys that they load first leave together, as one batch of each loader,
// once each of them has asked for keys or has none to ask for. No clock takes part: who is late is known by name.
type Party struct {
	mu       sync.Mutex
	awaited  int
	complete chan struct{}
}

// NewParty makes a party of n callers. Each of them must join, and leave at its end.
func NewParty(n int) *Party { return &Party{awaited: n, complete: make(chan struct{})} }

type guestKey struct{}

// guest is one caller of a party, until it has asked or left.
type guest struct {
	party *Party
	once  sync.Once
}

// Join makes the caller under ctx a part of the party. leave says that it asks for no more keys; it may be called again.
func (p *Party) Join(ctx context.Context) (_ context.Context, leave func()) {
	g := &guest{party: p}
	return context.WithValue(ctx, guestKey{}, g), func() { g.arrive() }
}

// Alone says that the caller under ctx is busy with something else than keys, for which no party is to wait.
func Alone(ctx context.Context) {
	if g, ok := ctx.Value(guestKey{}).(*guest); ok {
		g.arrive()
	}
}

// arrive says whether the party had still waited for the guest.
func (g *guest) arrive() (awaited bool) {
	g.once.Do(func() {
		awaited = true
		g.party.arrive()
	})
	return awaited
}

func (p *Party) arrive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.awaited--; p.awaited == 0 {
		close(p.complete)
	}
}

// awaitParty waits until the party is complete, where this is the caller's first Load.
func awaitParty(ctx context.Context) {
	g, ok := ctx.Value(guestKey{}).(*guest)
	if !ok || !g.arrive() {
		return
	}
	select {
	case <-g.party.complete:
	case <-ctx.Done():
	}
}
