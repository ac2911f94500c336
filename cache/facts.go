package cache

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Verdict is where an answer came from.
type Verdict string

// The verdicts of a fact.
const (
	Memory      Verdict = "memory"      // fresh, from this process
	Redis       Verdict = "redis"       // fresh, from what replicas share
	Stale       Verdict = "stale"       // stored and past its freshness, with a reason
	Revalidated Verdict = "revalidated" // the backend confirmed the stored value with 304
	Called      Verdict = "call"        // fetched for this operation
	Coalesced   Verdict = "coalesced"   // fetched by another operation that was already asking
)

// Reason is why a stale answer was used; a fresh one has none.
type Reason string

// The reasons for a stale answer.
const (
	Refreshing Reason = "refreshing" // a refresh runs behind
	Failed     Reason = "failed"     // the backend fails
	OverBudget Reason = "budget"     // the backend's budget, or the operation's, is used up
	Slow       Reason = "slow"       // the backend takes longer than Options.Slow, or than there is time
	Requested  Reason = "asked"      // the caller accepts stale answers
)

// Fact is the provenance of one key of one Load.
type Fact struct {
	Kind     string        // the space's kind
	Backend  string        // the space's backend
	Scope    string        // identifies the space's scope
	Digest   string        // keyed digest of the key, 32 hex digits, safe to show
	Personal bool          // the space holds personal data
	Found    bool          // false where the fact is an absence
	Verdict  Verdict       //
	Reason   Reason        // not empty exactly when the answer is stale, or older than the caller asked for
	At       time.Time     // when it was found
	Age      time.Duration // since the backend sent it
	Fresh    time.Time     // until when it is fresh; not after now when stale or not kept at all
	NoStore  bool          // the backend forbids keeping it
	Tags     []Tag         // tags of the value besides its own key
	Items    []Item        // the records that a page shows, which it depends on too
}

// DependsOn returns every tag whose drop invalidates an answer made of this fact.
func (f Fact) DependsOn() []Tag {
	tags := make([]Tag, 0, 1+len(f.Tags)+len(f.Items))
	tags = append(append(tags, Tag(f.Scope+":"+f.Digest)), f.Tags...)
	return append(tags, tagsOf(f.Scope, f.Items)...)
}

// Facts gathers the facts of one operation. The zero value is ready; it is safe for concurrent use.
type Facts struct {
	mu   sync.Mutex
	list []Fact
	tags []Tag
}

// DependOn records tags of an answer besides those of its facts, for example of objects that a list brought and that
// were not asked for by key.
func (f *Facts) DependOn(tags ...Tag) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tags = append(f.tags, tags...)
}

// Tags returns every tag whose drop invalidates an answer made of the facts, sorted and without duplicates.
func (f *Facts) Tags() []Tag {
	f.mu.Lock()
	defer f.mu.Unlock()
	tags := slices.Clone(f.tags)
	for _, fact := range f.list {
		tags = append(tags, fact.DependsOn()...)
	}
	slices.Sort(tags)
	return slices.Clone(slices.Compact(tags)) // it is kept: no longer than it need be
}

// Add records facts: those of an answer that was stored whole, for example. Loads record their own.
func (f *Facts) Add(facts ...Fact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.list == nil {
		f.list = slices.Clip(facts)
		return
	}
	f.list = append(f.list, facts...)
}

// List returns the facts so far, in the order of recording. They must not be changed.
func (f *Facts) List() []Fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clip(f.list)
}

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

// scope holds the cache's values of a context. It is not changed once a context has it.
type scope struct {
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
	return context.WithValue(ctx, scopeKey{}, &s)
}

// fetching returns the scope of a fetch for a caller of this one: without what belongs to the caller's own answer.
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

// FactsFrom is what WithFacts put into the context, or nil.
func FactsFrom(ctx context.Context) *Facts {
	return scopeOf(ctx).facts
}

// WithDirectives makes every Load under the context serve what w asks for.
func WithDirectives(ctx context.Context, w Directives) context.Context {
	s := *scopeOf(ctx)
	s.directives = w
	return s.in(ctx)
}

// DirectivesFrom is what WithWants put into the context, or the zero value.
func DirectivesFrom(ctx context.Context) Directives {
	return scopeOf(ctx).directives
}

// IsRefresh reports whether a Fetch runs behind a stale answer. No caller waits for it, so it has low priority.
func IsRefresh(ctx context.Context) bool {
	return scopeOf(ctx).refresh
}
