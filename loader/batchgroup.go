package loader

import (
	"context"
	"sync"
)

// BatchGroup is a group of callers that begin at one moment. The keys that they load first are one batch of each
// loader, which is fetched once each caller has asked for keys or has none to ask for. No timer is needed: the group
// counts its members.
type BatchGroup struct {
	mu       sync.Mutex
	awaited  int
	complete chan struct{}
}

// NewBatchGroup returns a group of n callers. Each of them must enter, and leave at its end.
func NewBatchGroup(n int) *BatchGroup { return &BatchGroup{awaited: n, complete: make(chan struct{})} }

type memberKey struct{}

// member is one caller of a group, until it has asked or left.
type member struct {
	group *BatchGroup
	once  sync.Once
}

// Enter makes the caller under ctx a member of the group. leave ends that when the caller asks for no more keys; it may
// be called again.
func (g *BatchGroup) Enter(ctx context.Context) (_ context.Context, leave func()) {
	m := &member{group: g}
	return context.WithValue(ctx, memberKey{}, m), func() { m.arrive() }
}

// Leave takes the caller under ctx out of its group before it does something else than loading keys.
func Leave(ctx context.Context) {
	if m, ok := ctx.Value(memberKey{}).(*member); ok {
		m.arrive()
	}
}

// arrive reports whether the group had still waited for the member.
func (m *member) arrive() (awaited bool) {
	m.once.Do(func() {
		awaited = true
		m.group.arrive()
	})
	return awaited
}

func (g *BatchGroup) arrive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.awaited--; g.awaited == 0 {
		close(g.complete)
	}
}

// awaitGroup waits until the group is complete, where this is the caller's first Load.
func awaitGroup(ctx context.Context) {
	m, ok := ctx.Value(memberKey{}).(*member)
	if !ok || !m.arrive() {
		return
	}
	select {
	case <-m.group.complete:
	case <-ctx.Done():
	}
}
