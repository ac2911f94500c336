package cache

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Directives is how fresh a caller asks answers to be. The zero value asks for nothing.
type Directives struct {
	NoCache      bool           // a kept answer must be less than a second old
	MaxAge       *time.Duration // a kept answer must not be older; less than a second counts as a second
	MaxStale     *time.Duration // stale answers are welcome, up to this long past their freshness and no longer
	OnlyIfCached bool           // nothing is fetched; a value that is not cached is ErrNotCached
	// a value that is not fresh is fetched and waited for; a stale answer is used only where that fails
	Renew bool
}

// Notes is called with the notes of other operations' fetches in which keys of a Load took part, under the Load's
// context.
type Notes func(ctx context.Context, keys []string, notes []any)

// WithNotes has f called for every Load under the context that took part in a fetch which it had not begun. Loads run
// in parallel, so f must be safe for concurrent use.
func WithNotes(ctx context.Context, f Notes) context.Context {
	s := *scopeOf(ctx)
	s.onJoined = f
	return s.in(ctx)
}

// InFetch reports whether Note would leave something.
func InFetch(ctx context.Context) bool { return scopeOf(ctx).log != nil }

// Note leaves something with the fetch that a context belongs to, for all who share it; outside of a fetch it is lost.
func Note(ctx context.Context, note any) {
	if log := scopeOf(ctx).log; log != nil {
		log.add(note)
	}
}

// noteLog holds the notes of one fetch and of the fetches that it waited for.
type noteLog struct {
	mu   sync.Mutex
	list []any
}

func (l *noteLog) add(notes ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, notes...)
}

func (l *noteLog) all() []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// scope is a context with the cache's values. It is not changed once it is used as one.
type scope struct {
	context.Context
	facts      *Facts
	directives Directives
	onJoined   Notes
	log        *noteLog // of the fetch that the context belongs to; nil outside of one
	began      start    // when a backend was asked, if marked
	marked     bool
	refresh    bool
}

type scopeKey struct{}

var noScope scope

func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return s
	}
	return &noScope
}

// in returns a context with a copy of the scope.
func (s scope) in(ctx context.Context) context.Context {
	s.Context = ctx
	return &s
}

func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// fetching returns the scope of a fetch for a caller of this one: without the caller's facts and directives.
func (s scope) fetching(began start, refresh bool, log *noteLog) scope {
	s.facts, s.directives = nil, Directives{}
	s.began, s.marked, s.refresh, s.log = began, true, refresh || s.refresh, log
	return s
}

// WithFacts makes every Load under the context record into f.
func WithFacts(ctx context.Context, f *Facts) context.Context {
	s := *scopeOf(ctx)
	s.facts = f
	return s.in(ctx)
}

// FactsFrom returns the facts of WithFacts, or nil.
func FactsFrom(ctx context.Context) *Facts {
	return scopeOf(ctx).facts
}

// WithDirectives makes every Load under the context follow d.
func WithDirectives(ctx context.Context, d Directives) context.Context {
	s := *scopeOf(ctx)
	s.directives = d
	return s.in(ctx)
}

// DirectivesFrom returns the directives of WithDirectives, or the zero value.
func DirectivesFrom(ctx context.Context) Directives {
	return scopeOf(ctx).directives
}

// IsRefresh reports whether a Fetch runs behind a stale answer. No caller waits for it, so it has low priority.
func IsRefresh(ctx context.Context) bool {
	return scopeOf(ctx).refresh
}
