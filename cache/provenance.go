package cache

import (
	"slices"
	"sync"
	"time"
)

// Verdict is where an answer came from.
type Verdict string

// The verdicts of a fact.
const (
	Memory      Verdict = "memory"      // fresh, from this process
	Redis       Verdict = "redis"       // fresh, from the Redis that replicas share
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
	Digest   Digest        // of the key
	Personal bool          // the space holds personal data
	Found    bool          // false where the fact is an absence
	Verdict  Verdict       // where the value came from
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
	tags = append(append(tags, newTag(f.Scope, f.Digest)), f.Tags...)
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
