package gateway

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/provenance"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// run answers an operation from a stored whole answer that is as fresh as executing would make it, from an execution of
// the same under way, or by executing it. A caller with more time than the one whose execution it shared tries again.
func (g *Gateway) run(ctx context.Context, op *prepared, used *provenance.Provenance, out *httpapi.Result) {
	if g.opts.Answers == nil || used.Explains() || !repeatable(ctx, op) {
		g.execute(ctx, op, out)
		return
	}
	key := answerKey(ctx, op)
	loaded := g.loadAnswer(ctx, op, key)
	for loaded.Err == nil && loaded.Value.Truncated && loaded.Fact.Verdict == cache.Coalesced && ctx.Err() == nil {
		loaded = g.loadAnswer(ctx, op, key)
	}
	if loaded.Err != nil {
		err := gqlerrors.Presenter(g.opts.Log)(ctx, &upstream.Error{Kind: upstream.KindOf(loaded.Err), Err: loaded.Err})
		out.Response = &graphql.Response{Data: []byte("null"), Errors: gqlerror.List{err}}
		return
	}
	used.Facts.Add(loaded.Value.CurrentFacts(loaded.Fact.Verdict)...)
	resp := loaded.Value.Response()
	out.Response, out.Stored = &resp, loaded.Value
}

func (g *Gateway) loadAnswer(ctx context.Context, op *prepared, key string) cache.Result[*responses.Answer] {
	fetch := func(ctx context.Context, _ []cache.Missing) []cache.Answer[*responses.Answer] {
		return []cache.Answer[*responses.Answer]{{Entry: g.fetchAnswer(ctx, op), Found: true}}
	}
	return g.opts.Answers.Load(cache.WithFacts(ctx, new(cache.Facts)), []string{key}, fetch)[0]
}

// repeatable reports whether our own memory may store the answer for callers of the same scope, where it is not
// explained: it writes nothing, and its caller wants no other freshness.
func repeatable(ctx context.Context, op *prepared) bool {
	return isQuery(op) && cache.DirectivesFrom(ctx) == (cache.Directives{})
}

func isQuery(op *prepared) bool { return op.Operation.Operation == ast.Query }

// receiversMayStore reports whether HTTP caches may store the answer. None may store personal claims; our own memory
// may, within their lifetime, since writes and purges remove them from there.
func receiversMayStore(op *prepared) bool {
	return isQuery(op) && !op.claims
}

// answerKey is the key of an answer: the question and the caller's scope.
func answerKey(ctx context.Context, op *prepared) string {
	return op.cacheKey() + auth.FromContext(ctx).Scope()
}

// fetchAnswer executes the operation for all who wait for it.
func (g *Gateway) fetchAnswer(ctx context.Context, op *prepared) cache.Entry[*responses.Answer] {
	// The calls are known to who began the execution, whose context this is part of.
	used, out := new(cache.Facts), &httpapi.Result{}
	g.execute(cache.WithFacts(ctx, used), op, out)
	now, facts := time.Now(), slices.Clone(used.List()) // kept: no longer than it need be
	allowed := cachecontrol.FromFacts(facts, g.opts.PublicCatalog, now).Unless(!receiversMayStore(op)).
		Tagged(g.opts.Edge, op.drops, used.Tags)
	a := responses.New(out.Response, facts, allowed, now)
	a.Truncated = len(out.Response.Errors) > 0 && outOfTime(ctx)
	if out.Free != nil {
		out.Free()
	}
	// An answer that is not stored has its tags too: a caller after a write must not get one from before it.
	f := cache.Entry[*responses.Answer]{Value: a, NoStore: true, Tags: used.Tags()}
	if left := responses.Lifetime(facts, now); left > 0 && len(out.Response.Errors) == 0 {
		f.NoStore, f.MaxAge = false, left
	}
	return f
}

// outOfTime uses the clock too: a call on a context may end at its deadline before the context does.
func outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// withDirectives adds the caller's cache directives to the context.
func withDirectives(ctx context.Context, h http.Header) context.Context {
	if wants, ok := cachecontrol.Requested(h); ok {
		ctx = cache.WithDirectives(ctx, wants)
	}
	return ctx
}

// explains reports whether a caller may have the operation explained and wants it.
func (g *Gateway) explains(h http.Header) bool {
	return g.opts.Explain && h.Get("X-Learngraph-Explain") == "1"
}

// addExtensions derives the extensions and headers of the answer from its facts and calls: freshness, the explain view,
// and the headers about caches and backends.
func (g *Gateway) addExtensions(ctx context.Context, op *prepared, used *provenance.Provenance, out *httpapi.Result) {
	facts := used.Facts.List()
	out.Policy, out.ProxyStatus = g.policy(ctx, op, used, out), provenance.ProxyStatus(out.Response.Errors, facts)
	if stale := provenance.StaleFacts(facts); len(stale) > 0 {
		out.Extend("freshness", map[string]any{"stale": stale})
	}
	if used.Explains() {
		// An explained answer is not stored, since callers without the header must not get it.
		out.Extend("explain", used.Explain(out.Response.Data, provenance.Parameters(ctx, g.opts.Digest)))
	}
}

// policy is the cache policy of the answer, and how it was served.
func (g *Gateway) policy(ctx context.Context, op *prepared, used *provenance.Provenance,
	out *httpapi.Result) cachecontrol.Policy {
	if op.Operation.Operation == ast.Mutation {
		return cachecontrol.Policy{Served: cachecontrol.Written}
	}
	forbidden := !receiversMayStore(op) || len(out.Response.Errors) > 0 || used.Explains()
	p := cachecontrol.FromFacts(used.Facts.List(), g.opts.PublicCatalog, time.Now()).Unless(forbidden)
	if wants := cache.DirectivesFrom(ctx); p.Served == cachecontrol.Missed && (wants.NoCache || wants.MaxAge != nil) {
		p.Served = cachecontrol.Demanded
	}
	if out.Stored != nil {
		return p.TaggedLike(out.Stored.Policy)
	}
	return p.Tagged(g.opts.Edge, op.drops, used.Facts.Tags)
}

// execute fills in the response.
func (g *Gateway) execute(ctx context.Context, op *prepared, out *httpapi.Result) {
	ctx = g.executionContext(ctx, op, out)
	ctx = graphql.WithOperationContext(ctx, op.OperationContext)
	ctx = graphql.WithResponseContext(ctx, g.present, gqlerrors.Recover)
	out.Response = g.respond(ctx)
	if op.delivers {
		out.Extend(httpapi.IsFinal, true)
	}
}

// respond returns the response of an operation, as gqlgen's executor does where it has no extensions. An operation
// whose time is over has its error alone.
func (g *Gateway) respond(ctx context.Context) *graphql.Response {
	respond := g.opts.Schema.Exec(ctx)
	if ctx.Err() != nil {
		return &graphql.Response{Data: []byte("null"),
			Errors: gqlerror.List{gqlerrors.Presenter(g.opts.Log)(ctx, context.Cause(ctx))}}
	}
	resp := respond(ctx)
	resp.Errors = append(resp.Errors, graphql.GetErrors(ctx)...)
	return resp
}

// executionContext returns the context of an operation, with the buffer of its answer.
func (g *Gateway) executionContext(ctx context.Context, op *prepared, out *httpapi.Result) context.Context {
	if g.opts.Operation != nil {
		ctx = g.opts.Operation(ctx)
	}
	buffer := engine.GetBuffer()
	buffer.Max, buffer.OnError = g.opts.Limits.Answer, op.onError
	out.Mutation = op.Operation.Operation == ast.Mutation
	out.Free = g.countBuffer(buffer, out.Mutation)
	return engine.WithBuffer(ctx, buffer)
}

// countBuffer reserves memory for an answer and returns its release.
func (g *Gateway) countBuffer(buffer *engine.Buffer, must bool) (free func()) {
	if g.opts.Inflight == nil {
		return buffer.Free
	}
	held := g.opts.Inflight.Hold()
	held.Must = must
	buffer.Reserve = func(size int) error {
		if size <= inflight.Small || held.Resize(int64(size)) {
			return nil
		}
		state := g.opts.Inflight.State()
		return &upstream.Error{Kind: upstream.LimitExceeded, Local: true, RetryAfter: httpapi.WaitForMemory,
			Err: httpapi.ErrOverMemory, Limit: &upstream.Limit{Name: upstream.LimitInflight, Reached: state.Bytes,
				Allowed: state.MaxBytes}}
	}
	return func() {
		buffer.Free()
		held.Free()
	}
}
