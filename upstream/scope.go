package upstream

import (
	"context"
	"sync/atomic"
)

// scope is a context with this package's values. It is not changed once it is used as one.
type scope struct {
	context.Context
	caller        string
	priority      Priority
	quota         *operationQuota // nil bounds nothing
	observe       observer        // nil observes nothing
	begun         *atomic.Int64   // counts exchanges as they begin; nil counts none
	purpose       Purpose
	explanation   *Explanation // nil where the operation is not explained
	shortDeadline bool
	attempt       int // how often the call was sent before
}

type scopeKey struct{}

var noScope scope

func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return s
	}
	return &noScope
}

// withScope returns a context with a changed copy of its scope.
func withScope(ctx context.Context, change func(*scope)) context.Context {
	s := *scopeOf(ctx)
	change(&s)
	s.Context = ctx
	return &s
}

func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}
