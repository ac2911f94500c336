package gateway

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

// repeats know requests by the digest of their bytes, so that one that comes again and whose answer is kept need not be
// read, coerced and estimated again. A nil *repeats knows none. No variables are kept: they hold personal data.
type repeats struct {
	kept *lru.Cache[[sha256.Size]byte, *repeat]
}

// keptRepeats bounds their memory, in bytes, where no other bound is set.
const keptRepeats = 8 << 20

// repeatSize is about what a repeat takes beside its document's text, which may be kept with the document as well.
const repeatSize = 1 << 10

// longestRepeated is the longest document, in bytes, whose requests are known: a text stays with them when its document is
// no longer kept.
const longestRepeated = 16 << 10

// repeat is what is the same whenever a request for a query comes again.
type repeat struct {
	req      request // without its variables
	text     string  // of the document
	name     string  // of the operation
	estimate *Cost   // without its fields; nil where costs are not counted
	question string  // what names the answer, beside the caller's scope
	last     atomic.Pointer[callersAnswer]
}

// callersAnswer is the name of the answer for one caller.
type callersAnswer struct {
	who  *auth.Caller
	name cache.Name
}

// newRepeats is nil where nothing is answered from what is kept, or where each request has to be looked at.
func newRepeats(opts Options) *repeats {
	if opts.Answers == nil || opts.Trusted.logs() {
		return nil
	}
	return &repeats{lru.New[[sha256.Size]byte, *repeat](opts.share(16, keptRepeats), opts.Reserve)}
}

// remember keeps what a request turned out to mean.
func (rs *repeats) remember(req *request, op *prepared, s *spent) {
	if rs == nil || req.raw.empty() || len(op.RawQuery) > longestRepeated || !isQuery(op) {
		return
	}
	again := &repeat{question: op.questionKey(), text: documentText(op.OperationContext), name: op.Operation.Name}
	again.req.documentID, again.req.OperationName = req.documentID, req.OperationName
	again.req.onError, again.req.fixedOnError = req.onError, req.fixedOnError
	if req.Query != "" {
		again.req.Query = again.text
	}
	if p, _ := req.persisted(); p != nil {
		again.req.Extensions = map[string]any{"persistedQuery": map[string]any{"sha256Hash": p.hash}}
	}
	if s != nil {
		again.estimate = &Cost{Points: s.estimate.Points - s.estimate.Registration, Calls: s.estimate.Calls}
	}
	rs.kept.Put(req.sum, again, repeatSize+len(again.text))
}

// documentText is the text of an operation's document as it is kept with it, rather than a copy.
func documentText(op *graphql.OperationContext) string {
	if p := op.Operation.Position; p != nil && p.Src != nil && p.Src.Input == op.RawQuery {
		return p.Src.Input
	}
	return op.RawQuery
}

// repeated answers a request that came before with the whole answer that is kept, where memory has it fresh and the
// request's headers ask for nothing else. Otherwise it is nil, nothing was done, and the request is one like any other.
func (g *Gateway) repeated(ctx context.Context, h http.Header, sum [sha256.Size]byte) *reply {
	if g.repeats == nil || wantsOtherwise(h) {
		return nil
	}
	again, ok := g.repeats.kept.Get(sum)
	if !ok {
		return nil
	}
	req := again.req
	if text, refusal := g.text(ctx, &req); refusal != nil || text != again.text || req.fixedOnError != again.req.fixedOnError {
		return nil // the trusted documents have changed
	}
	if g.registers(ctx, &req) {
		return nil // which is charged
	}
	a, ok := g.opts.Answers.Fresh(again.answer(ctx, g.opts.Answers))
	if !ok {
		return nil
	}
	return g.observed(ctx, func(ctx context.Context, f *Figures) *reply {
		f.Name, f.Kind, f.Document, f.Cache = again.name, string(ast.Query), req.trusted, cacheHit
		return g.answerWith(ctx, a, again.estimate, f)
	})
}

// wantsOtherwise says whether headers may ask for more than the answer, for another freshness or for less time.
func wantsOtherwise(h http.Header) bool {
	return h["Cache-Control"] != nil || h[headerTimeout] != nil || h["X-Learngraph-Explain"] != nil
}

// answer is the name of the answer for the caller of ctx, who mostly is the one who asked last.
func (again *repeat) answer(ctx context.Context, answers *cache.Space[*Answer]) cache.Name {
	who := auth.FromContext(ctx)
	last := again.last.Load()
	if last == nil || last.who != who {
		last = &callersAnswer{who, answers.Name(again.question + who.Scope())}
		again.last.Store(last)
	}
	return last.name
}

// answerWith answers with what is kept, and charges for it as for any operation that makes no calls.
func (g *Gateway) answerWith(ctx context.Context, a *Answer, estimate *Cost, f *Figures) *reply {
	out := &reply{resp: a.response(), kept: a, policy: a.policy}
	if estimate == nil {
		return out
	}
	s, refusal := g.charge(ctx, estimate)
	if refusal != nil {
		return refusal
	}
	f.Cost = estimate.Points
	g.settle(ctx, s, 0, out.resp)
	return out
}
