package gateway

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

// requestCache finds requests by the digest of their bytes, so that one that comes again and whose answer is cached
// need not be read, coerced and estimated again. A nil *requestCache holds none. No variables are kept: they hold
// personal data.
type requestCache struct {
	requests *lru.Cache[[sha256.Size]byte, *cachedRequest]
}

// defaultRequestCache bounds their memory, in bytes, where no other bound is set.
const defaultRequestCache = 8 << 20

// cachedRequestSize is the approximate size of an entry besides its document's text, which may be kept with the
// document as well.
const cachedRequestSize = 1 << 10

// maxCachedDocument is the longest document, in bytes, whose requests are known: a text stays with them when its
// document is no longer kept.
const maxCachedDocument = 16 << 10

// cachedRequest is the constant part of all repetitions of a request for a query.
type cachedRequest struct {
	req      httpapi.Request // without its variables
	text     string          // of the document
	name     string          // of the operation
	estimate *cost.Estimate  // without its fields; nil where costs are not counted
	cacheKey string          // identifies the answer, together with the caller's scope
	last     atomic.Pointer[callersAnswer]
}

// callersAnswer is the name of the answer for one caller.
type callersAnswer struct {
	who  *auth.Caller
	name cache.Name
}

// newRequestCache returns nil where whole answers are not stored, or where the use of each document is logged.
func newRequestCache(opts Options) *requestCache {
	if opts.Answers == nil || opts.Trusted.Logs() {
		return nil
	}
	return &requestCache{lru.New[[sha256.Size]byte, *cachedRequest](opts.memoryShare(16, defaultRequestCache),
		opts.Reserve)}
}

// remember caches the parsed form of a request.
func (rs *requestCache) remember(req *httpapi.Request, op *prepared, charged *cost.Estimate) {
	if rs == nil || req.Digest == [sha256.Size]byte{} || len(op.RawQuery) > maxCachedDocument || !isQuery(op) {
		return
	}
	again := &cachedRequest{cacheKey: op.cacheKey(), text: op.RawQuery, name: op.Operation.Name}
	again.req.DocumentID, again.req.OperationName = req.DocumentID, req.OperationName
	again.req.OnError, again.req.FixedOnError = req.OnError, req.FixedOnError
	if req.Query != "" {
		again.req.Query = again.text
	}
	if p, _ := req.Persisted(); p != nil {
		again.req.Extensions = map[string]any{"persistedQuery": map[string]any{"sha256Hash": p.Hash}}
	}
	if charged != nil {
		again.estimate = &cost.Estimate{Points: charged.Points - charged.Registration, Calls: charged.Calls}
	}
	rs.requests.Put(req.Digest, again, cachedRequestSize+len(again.text))
}

// answerFromCache answers a request that came before with the whole answer that is kept, where memory has it fresh and
// the request's headers ask for nothing else. Otherwise it is nil, nothing was done, and the request is one like any
// other.
func (g *Gateway) answerFromCache(r *http.Request, who *auth.Caller, sum [sha256.Size]byte) *httpapi.Result {
	if g.requests == nil || hasOverrides(r.Header) {
		return nil
	}
	again, ok := g.requests.requests.Get(sum)
	if !ok {
		return nil
	}
	ctx, req := r.Context(), again.req
	if text, refusal := g.sources.Text(ctx, &req); refusal != nil || text != again.text ||
		req.FixedOnError != again.req.FixedOnError {
		return nil // the trusted documents have changed
	}
	if g.sources.Registers(ctx, &req) {
		return nil // which is charged
	}
	began := time.Now()
	a, ok := g.opts.Answers.Fresh(again.answerName(who, g.opts.Answers), began)
	if !ok {
		return nil
	}
	ctx = g.begin(ctx)
	f := requestlog.Operation{Caller: who.Label(), Name: again.name, Kind: string(ast.Query), Document: req.TrustedID,
		Cache: cacheHit}
	out := g.answerWith(ctx, who, a, again.estimate, &f)
	g.observe(ctx, &f, began, out)
	return out
}

// hasOverrides reports whether headers may ask for more than the answer, for another freshness or for less time.
func hasOverrides(h http.Header) bool {
	return h["Cache-Control"] != nil || h[headerTimeout] != nil || h["X-Learngraph-Explain"] != nil
}

// answerName is the name of the answer for a caller, who mostly is the one who asked last.
func (again *cachedRequest) answerName(who *auth.Caller, answers *cache.Space[*responses.Answer]) cache.Name {
	last := again.last.Load()
	if last == nil || last.who != who {
		last = &callersAnswer{who, answers.Name(again.cacheKey + who.Scope())}
		again.last.Store(last)
	}
	return last.name
}

// answerWith returns a stored answer, and charges for it as for any operation that makes no calls.
func (g *Gateway) answerWith(ctx context.Context, who *auth.Caller, a *responses.Answer, estimate *cost.Estimate,
	f *requestlog.Operation) *httpapi.Result {
	out := httpapi.FromStored(a)
	if estimate == nil {
		return out
	}
	s, refusal := g.opts.Cost.Charge(ctx, who, estimate)
	if refusal != nil {
		return refusal
	}
	f.Cost = estimate.Points
	g.opts.Cost.Settle(ctx, who, s, 0, out.Response)
	return out
}
