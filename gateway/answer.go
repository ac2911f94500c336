package gateway

import (
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Answer is a whole answer as it is kept: what was sent, and what it was made of.
type Answer struct {
	// plain is the answer as it is sent where there is nothing to say beside the data.
	plain      form
	data       []byte
	errors     gqlerror.List
	extensions map[string]any
	facts      []cache.Fact
	at         time.Time
	policy     cachePolicy
	// hurried says that something is missing because whoever began the execution had no more time.
	hurried bool
	packed  [packedForms]atomic.Pointer[form]
	readers readers
}

// NewAnswers makes the space of whole answers, nil if the cache would neither keep nor share them. They stay in the
// process: a replica makes its own from what is shared.
func NewAnswers(c *cache.Cache, scope string) *cache.Space[*Answer] {
	if c.Idle() {
		return nil
	}
	return cache.NewSpace(c, cache.SpaceOptions[*Answer]{Kind: "answer", Scope: scope, Personal: true, Local: true, NoStale: true,
		Size: (*Answer).size})
}

const (
	// formSize is what a form holds beside its text: the list of its pieces, its length as text, and what makes and keeps
	// its sum.
	formSize = 200
	// policySize is what a policy holds that remembers its headers.
	policySize = 168
)

// size leaves room for the packed forms, of which none is kept that is too large for it.
func (a *Answer) size() int {
	n := footprint.Of[Answer]() + footprint.Slice(a.plain.text) + formSize + policySize + footprint.Slice(a.facts)
	if a.packs() {
		n += footprint.Slice(a.plain.text) + packedForms*(footprint.Of[form]()+formSize)
	}
	for _, f := range a.facts {
		n += footprint.Text(f.Digest)
	}
	return n
}

// run answers an operation: from a whole answer that is kept and still as fresh as executing would make it, together
// with whoever executes the same, or by executing it. Who has more time than the one whose execution was shared does not
// run out of time with them.
func (g *Gateway) run(ctx context.Context, op *prepared, used *provenance, out *reply) context.Context {
	if g.opts.Answers == nil || !repeatable(ctx, op) {
		return g.execute(ctx, op.OperationContext, out)
	}
	key := answerKey(ctx, op)
	r := g.loadAnswer(ctx, op, key)
	for r.Err == nil && r.Value.hurried && r.Fact.Verdict == cache.Coalesced && ctx.Err() == nil {
		r = g.loadAnswer(ctx, op, key)
	}
	if r.Err != nil {
		err := present(g.opts.Log)(ctx, &upstream.Error{Kind: upstream.KindOf(r.Err), Err: r.Err})
		out.resp = &graphql.Response{Data: []byte("null"), Errors: gqlerror.List{err}}
		return ctx
	}
	used.facts.Add(r.Value.factsNow(r.Fact.Verdict)...)
	out.resp, out.kept = r.Value.response(), r.Value
	return ctx
}

func (g *Gateway) loadAnswer(ctx context.Context, op *prepared, key string) cache.Result[*Answer] {
	fetch := func(ctx context.Context, _ []cache.Wanted[*Answer]) (map[string]cache.Fetched[*Answer], map[string]error) {
		return map[string]cache.Fetched[*Answer]{key: g.fetchAnswer(ctx, op)}, nil
	}
	return g.opts.Answers.Load(cache.WithFacts(ctx, new(cache.Facts)), []string{key}, fetch)[key]
}

// response is one that its receiver may add to.
func (a *Answer) response() *graphql.Response {
	return &graphql.Response{Data: a.data, Errors: slices.Clone(a.errors), Extensions: maps.Clone(a.extensions)}
}

// repeatable reports whether our own memory may store the answer for callers of the same scope: it writes nothing, and its
// caller wants no other freshness and no explain view.
func repeatable(ctx context.Context, op *prepared) bool {
	return isQuery(op) && cache.WantsFrom(ctx) == (cache.Wants{}) && !explains(ctx)
}

func isQuery(op *prepared) bool { return op.Operation.Operation == ast.Query }

// receiversMayStore reports whether HTTP caches may store the answer. None may store personal claims; our own memory may,
// within their lifetime, since writes and purges remove them from there.
func receiversMayStore(op *prepared) bool {
	return isQuery(op) && !op.claims
}

// answerKey names what decides about an answer: the question, and what the caller may see.
func answerKey(ctx context.Context, op *prepared) string {
	return op.questionKey() + auth.FromContext(ctx).Scope()
}

// fetchAnswer executes the operation for all who wait for it.
func (g *Gateway) fetchAnswer(ctx context.Context, op *prepared) cache.Fetched[*Answer] {
	// The calls are known to who began the execution, whose context this is part of.
	used, out := new(cache.Facts), &reply{}
	g.execute(cache.WithFacts(ctx, used), op.OperationContext, out)
	a := newAnswer(out.resp, used.List(), g.opts.PublicCatalog)
	if !receiversMayStore(op) {
		a.policy = cachePolicy{}
	}
	a.hurried = len(a.errors) > 0 && outOfTime(ctx)
	if out.free != nil {
		out.free()
	}
	// The tags also of what is not kept: nobody who asks after a write may take an answer from before it.
	f := cache.Fetched[*Answer]{Value: a, NoStore: true, Tags: used.Tags()}
	if left := lifetime(a.facts, a.at); left > 0 && len(a.errors) == 0 {
		f.NoStore, f.MaxAge = false, left
	}
	return f
}

// outOfTime goes by the clock too: what was called on a context may end at its deadline before the context does.
func outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

func newAnswer(resp *graphql.Response, facts []cache.Fact, publicCatalog bool) *Answer {
	const before, after = `{"data":`, `}`
	text := slices.Concat([]byte(before), resp.Data, []byte(after))
	now := time.Now()
	extensions := resp.Extensions
	if len(extensions) == 0 {
		extensions = nil // the executor makes an empty map, which each use would copy
	}
	for i := range facts {
		facts[i].Tags = nil // the cache has them, and they would keep those of other values
	}
	return &Answer{plain: newForm(text, ""), data: text[len(before) : len(text)-len(after)], errors: resp.Errors, extensions: extensions,
		facts: facts, at: now, policy: policy(facts, publicCatalog, now).remembering()}
}

// lifetime is how long every fact stays fresh; 0 where one is not, must not be kept, or none is known.
func lifetime(facts []cache.Fact, now time.Time) time.Duration {
	left := time.Duration(math.MaxInt64)
	for _, f := range facts {
		if f.NoStore || f.Reason != "" {
			return 0
		}
		left = min(left, f.Fresh.Sub(now))
	}
	if len(facts) == 0 {
		return 0
	}
	return max(left, 0)
}

// factsNow are the facts as they are when the answer is used: older, and kept unless it was made just now.
func (a *Answer) factsNow(verdict cache.Verdict) []cache.Fact {
	facts := slices.Clone(a.facts)
	if verdict == cache.Called {
		return facts
	}
	passed := time.Since(a.at)
	for i := range facts {
		facts[i].Age += passed
		facts[i].Verdict = verdict
	}
	return facts
}

type explainKey struct{}

func explains(ctx context.Context) bool {
	on, _ := ctx.Value(explainKey{}).(bool)
	return on
}

// asked gives the context what the caller asks of an answer beside its data.
func (g *Gateway) asked(ctx context.Context, h http.Header) context.Context {
	if wants, ok := wantsOf(h); ok {
		ctx = cache.WithWants(ctx, wants)
	}
	if g.opts.Explain && h.Get("X-Learngraph-Explain") == "1" {
		ctx = context.WithValue(ctx, explainKey{}, true)
	}
	return ctx
}

// describe derives from what was used what is said of the answer: freshness, the explain view and the cache headers.
func (g *Gateway) describe(ctx context.Context, op *prepared, used *provenance, out *reply) {
	facts := used.facts.List()
	if stale := freshness(facts); len(stale) > 0 {
		out.extend("freshness", map[string]any{"stale": stale})
	}
	if explains(ctx) {
		// What answers this once is not kept for who asks without the header.
		out.extend("explain", used.explain(out.resp.Data, g.parametersFor(ctx)))
		return
	}
	if receiversMayStore(op) && len(out.resp.Errors) == 0 {
		out.policy = policy(facts, g.opts.PublicCatalog, time.Now())
	}
}

// extend adds a member to the answer's extensions.
func (r *reply) extend(name string, value any) {
	if r.resp.Extensions == nil {
		r.resp.Extensions = map[string]any{}
	}
	r.resp.Extensions[name] = value
}
