// Package gateway is GraphQL over HTTP in front of an executable schema: it reads requests, knows who asks, keeps
// documents, refuses what passes a limit before any resolver runs, and writes answers. It knows kinds of backend errors,
// no backend.
package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Options say what a gateway serves and how. What is zero is off, but for Schema, Limits, Timeout and Log.
type Options struct {
	Schema graphql.ExecutableSchema
	Limits Limits
	// Timeout bounds one operation. A caller may ask for less in X-Learngraph-Timeout.
	Timeout time.Duration
	// Introspection allows __schema, __type and suggestions in errors.
	Introspection bool
	// Operation prepares the context of one operation, for example with its loaders.
	Operation func(context.Context) context.Context
	Log       *slog.Logger

	// BatchLimit is how many operations one request may hold; 0 takes no arrays.
	BatchLimit int
	// CompressAbove is the size in bytes above which answers are compressed for who accepts it.
	CompressAbove int
	// Persisted keeps the texts of automatic persisted queries.
	Persisted DocumentStore
	// Trusted are the documents that the frontends were built with.
	Trusted *Trusted
	// Cost bounds what one operation and one caller may spend.
	Cost CostOptions
	// MaxCalls is how many backend calls one operation may make. Plans warn of more; 0 is any number.
	MaxCalls int
	// Calls tells for /graphql/plan the most backend calls of each field; nil estimates them from the schema's @calls.
	Calls Planner
	// Authenticate says who asks; nil takes anyone.
	Authenticate func(*http.Request) (*auth.Caller, error)
	// Digest makes of an identifier what may stand in a log: a keyed digest. It is needed for the audit log.
	Digest func(string) string
	// Begin prepares the context of each operation, Observe is told of it at its end, under that context.
	Begin   func(context.Context) context.Context
	Observe func(context.Context, Figures)
	// Mismatch is told of each value that breaks the schema, by its type and field: never of the value.
	Mismatch func(backend upstream.Backend, object, field string)
	// Answers keeps whole answers; nil executes every operation.
	Answers *cache.Space[*Answer]
	// Memory bounds what documents, their plans and the requests that are known take together with the cache, in bytes, and
	// Reserve is told by how much that changes. Zero is bounds of their own.
	Memory  int64
	Reserve func(by int64)
	// Inflight bounds the requests under way and what they hold.
	Inflight *inflight.Load
	// Draining is closed when answers that are sent in parts have to end; nil never is.
	Draining <-chan struct{}
	// Explain allows callers to see what an operation used.
	Explain bool
	// PublicCatalog says that what Thought Industries alone answers may be kept by shared caches.
	PublicCatalog bool
}

// The values that the options have unless they are set otherwise.
const (
	DefaultBatchLimit    = 10
	DefaultCompressAbove = 1 << 10
)

// Gateway answers GraphQL requests. It is an http.Handler for one path.
type Gateway struct {
	opts      Options
	exec      *executor.Executor
	documents *documents
	costs     *costs
	guard     *Guard
	repeats   *repeats
	answers   answerer
	// callsMade is how many backend calls an operation made.
	callsMade func(*provenance) int64
	present   graphql.ErrorPresenterFunc
}

// New makes the gateway of a schema.
func New(opts Options) *Gateway {
	opts.Limits = opts.Limits.withDefaults()
	schema := opts.Schema.Schema()
	g := &Gateway{opts: opts, exec: executor.New(opts.Schema), documents: newDocuments(schema, opts.Limits, opts.Introspection, opts.share(4, keptDocuments), opts.Reserve),
		costs: newCosts(schema), guard: NewGuard(schema),
		callsMade: func(used *provenance) int64 { return int64(len(used.made())) }}
	if g.opts.Calls == nil {
		g.repeats = newRepeats(opts)
	}
	g.answers = answerer{one: g.answer, repeated: g.repeated}
	g.present = watch(opts.Mismatch, present(opts.Log))
	g.exec.SetErrorPresenter(g.present)
	g.exec.SetRecoverFunc(recovered)
	return g
}

// share is a part of the memory, as its divisor, or most where that is less or no memory is set.
func (o *Options) share(divisor int64, most int) int {
	if o.Memory <= 0 {
		return most
	}
	return int(min(o.Memory/divisor, int64(most)))
}

// Close gives back the memory that is reserved. What is served after that is read anew each time.
func (g *Gateway) Close() {
	g.documents.kept.Close()
	if g.repeats != nil {
		g.repeats.kept.Close()
	}
	if e, ok := g.opts.Schema.(*engine.Engine); ok {
		e.Forget()
	}
	if c, ok := g.opts.Persisted.(interface{ Close() }); ok {
		c.Close()
	}
}

var _ http.Handler = (*Gateway)(nil)

// errorBehaviors are the values of onError.
var errorBehaviors = map[string]engine.OnError{"": engine.Propagate, "PROPAGATE": engine.Propagate, "NULL": engine.Null, "ABORT": engine.Abort}

const allowedMethods = "GET, HEAD, POST, OPTIONS"

// ServeHTTP answers one request. A request whose answer no media type can carry gets 406 before it is read.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.serve(w, r, g.answers)
}

// answerer makes the answer to one operation.
type answerer struct {
	one func(context.Context, *http.Request, *request) *reply
	// repeated answers a request that came before, or gives nil; it may be nil.
	repeated func(context.Context, http.Header, [sha256.Size]byte) *reply
}

// reply is the answer to one operation before it has a media type.
type reply struct {
	// fault is set where the answer's status does not depend on the media type.
	fault *requestError
	// refused says that nothing was executed.
	refused bool
	// again is set where a client sends its request again with the text of the document, which some do on status 200 alone.
	again bool
	resp  *graphql.Response
	// policy is what the answer to a single operation allows its receivers.
	policy cachePolicy
	// kept is the whole answer that resp was made from; nil where there is none.
	kept *Answer
	// free lets others use the memory of resp.Data; nil where there is nothing to do.
	free func()
	// holding is set while the answer that is kept is counted for this reply.
	holding bool
	// wrote is set for a mutation, whose answer is sent whatever room there is.
	wrote bool
	// sent is set where the answer was sent in parts.
	sent bool
}

func fail(fault *requestError) *reply { return &reply{fault: fault, resp: fault.response()} }

// refuseEach refuses each operation of a batch for the same fault: clients match answers with operations by their place.
func refuseEach(list []*request, fault *requestError) []*reply {
	replies := make([]*reply, len(list))
	for i := range replies {
		replies[i] = fail(fault)
	}
	return replies
}

func refuse(errs gqlerror.List) *reply {
	return &reply{refused: true, resp: &graphql.Response{Errors: errs}}
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, answer answerer) {
	x := &exchange{w: w, head: r.Method == http.MethodHead, media: mediaJSON, compressAbove: g.opts.CompressAbove, load: g.opts.Inflight, visit: visitOf(r.Context())}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		match := r.Header.Get("If-None-Match")
		x.kept = &match
	case http.MethodPost:
	case http.MethodOptions:
		tellMethods(w, allowedMethods)
		return
	default:
		x.fail(&requestError{status: http.StatusMethodNotAllowed, code: codeBadRequest, allow: allowedMethods, message: "use GET or POST"})
		return
	}
	inParts := g.inParts(x, r)
	if x.media = negotiate(r.Header); x.media == "" {
		x.media = mediaJSON
		if inParts == nil {
			x.fail(&requestError{status: http.StatusNotAcceptable, code: codeBadRequest,
				message: "Accept must allow " + mediaResponse + " or " + mediaJSON})
			return
		}
	}
	x.codings = negotiateCoding(r.Header)
	if !x.load.Enter() {
		x.refuseUnread(r)
		return
	}
	defer x.load.Leave()
	defer x.letGo()
	ctx, r, fault := g.admit(r)
	if fault != nil {
		x.fail(fault)
		return
	}
	x.bound = auth.FromContext(ctx).Bound
	raw, fault := g.readRaw(x, r)
	if fault != nil {
		x.fail(fault)
		return
	}
	sum := raw.sum()
	if answer.repeated != nil {
		if out := answer.repeated(ctx, r.Header, sum); out != nil {
			x.send(out)
			return
		}
	}
	if !x.holdDecoded(raw) {
		x.fail(overloaded(x.load))
		return
	}
	all, fault := g.readRequests(raw)
	if fault != nil && all != nil && all.batch {
		x.sendBatch(refuseEach(all.list, fault))
		return
	}
	if fault != nil {
		x.fail(fault)
		return
	}
	ctx, cancel, fault := g.deadline(ctx, r.Header)
	if fault != nil {
		x.fail(fault)
		return
	}
	defer cancel()
	if !all.batch {
		all.list[0].raw, all.list[0].sum, all.list[0].parts = raw, sum, inParts
		x.send(answer.one(graphql.StartOperationTrace(ctx), r, all.list[0]))
		return
	}
	replies := make([]*reply, len(all.list))
	var group task.Group
	for i, req := range all.list {
		ctx := graphql.StartOperationTrace(ctx)
		group.Go(func() error {
			replies[i] = answer.one(ctx, r, req)
			return nil
		}, func(err error) {
			if err != nil {
				replies[i] = refuse(gqlerror.List{present(g.opts.Log)(ctx, err)})
			}
		})
	}
	group.Wait()
	x.sendBatch(replies)
}

func tellMethods(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	w.WriteHeader(http.StatusNoContent)
}

// admit finds out who asks, which the context tells, and takes the headers away that the caller may not use.
func (g *Gateway) admit(r *http.Request) (context.Context, *http.Request, *requestError) {
	who := auth.Anyone
	if g.opts.Authenticate != nil {
		c, err := g.opts.Authenticate(r)
		visitOf(r.Context()).by(c, err)
		if err != nil {
			return nil, nil, unauthenticated(err)
		}
		who = c
	}
	// The calls of an operation, and whether the cache knows a record, would tell a bound caller of records of others.
	if !who.Has(auth.Explain) || who.Bound {
		r = withoutHeader(r, "X-Learngraph-Explain")
	}
	if !who.Has(auth.Fresh) || who.Bound && onlyIfCached(r.Header) {
		r = withoutHeader(r, "Cache-Control")
	}
	return auth.NewContext(r.Context(), who), r, nil
}

// unauthenticated is how a request is refused whose caller is not known.
func unauthenticated(err error) *requestError {
	var unavailable *auth.UnavailableError
	if errors.As(err, &unavailable) {
		return &requestError{status: http.StatusServiceUnavailable, code: kinds[upstream.Unavailable].code, message: err.Error(),
			retryAfter: wholeSeconds(unavailable.RetryAfter + time.Second - 1)}
	}
	return &requestError{status: http.StatusUnauthorized, code: codeUnauthenticated, message: err.Error(), challenge: true}
}

// withoutHeader is the request without a header; the request itself stays as it is.
func withoutHeader(r *http.Request, name string) *http.Request {
	if r.Header.Values(name) == nil {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del(name)
	return r
}

const headerTimeout = "X-Learngraph-Timeout"

// deadline bounds the operation by the server's timeout, or by the caller's where that is less.
func (g *Gateway) deadline(ctx context.Context, h http.Header) (context.Context, context.CancelFunc, *requestError) {
	timeout := g.opts.Timeout
	if text := strings.Join(h.Values(headerTimeout), ","); text != "" {
		asked, err := time.ParseDuration(text)
		if err != nil || asked <= 0 {
			return nil, nil, badRequest(headerTimeout + " must be a duration above zero, such as 3s")
		}
		if asked < timeout {
			timeout, ctx = asked, upstream.WithHurry(ctx)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

func (g *Gateway) answer(ctx context.Context, r *http.Request, req *request) *reply {
	return g.observed(ctx, func(ctx context.Context, f *Figures) *reply { return g.answerOperation(ctx, r, req, f) })
}

// observed has the figures of an operation taken while it is answered.
func (g *Gateway) observed(ctx context.Context, answer func(context.Context, *Figures) *reply) *reply {
	if g.opts.Begin != nil {
		ctx = g.opts.Begin(ctx)
	}
	var f Figures
	began := time.Now()
	out := answer(ctx, &f)
	if g.opts.Observe != nil {
		f.finish(ctx, began, out)
		visitOf(ctx).operated(&f)
		g.opts.Observe(ctx, f)
	}
	return out
}

func (g *Gateway) answerOperation(ctx context.Context, r *http.Request, req *request, f *Figures) *reply {
	op, refusal := g.prepare(ctx, r.Method, req)
	if refusal != nil {
		return refusal
	}
	f.Name, f.Kind, f.Document = op.Operation.Name, string(op.Operation.Operation), req.trusted
	registers := g.registers(ctx, req)
	spent, refusal := g.spend(ctx, op, registers)
	if refusal != nil {
		return refusal
	}
	if registers {
		g.opts.Persisted.Put(ctx, hashOf(op.RawQuery), op.RawQuery)
	}
	out := &reply{}
	ctx, used := withProvenance(engine.WithOnError(g.asked(ctx, r.Header), op.onError))
	if req.parts != nil && delivers(op.Operation) {
		req.parts.run(ctx, op, spent, used, out)
	} else {
		g.run(ctx, op, used, out)
		g.repeats.remember(req, op, spent)
	}
	f.Calls = g.callsMade(used)
	if spent != nil {
		f.Cost = spent.estimate.Points
	}
	if out.sent {
		return out
	}
	g.settle(ctx, spent, f.Calls, out.resp)
	g.opts.Limits.trim(out.resp)
	g.describe(ctx, op, used, out)
	switch {
	case out.resp.Extensions["freshness"] != nil:
		f.Cache = cacheStale
	case f.Calls > 0:
		f.Cache = cacheMiss
	default:
		f.Cache = cacheHit
	}
	return out
}

// prepare makes an operation that is ready to be executed, or says why there is none.
func (g *Gateway) prepare(ctx context.Context, method string, req *request) (*prepared, *reply) {
	if err := g.opts.Limits.check("variables", req.variablesSize, g.opts.Limits.Variables); err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	text, refusal := g.text(ctx, req)
	if refusal != nil {
		return nil, refusal
	}
	doc, errs := g.documents.load(text)
	if len(errs) > 0 {
		return nil, g.refused(errs)
	}
	op, err := operation(doc.QueryDocument, req.OperationName)
	if err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	if op.Operation == ast.Mutation && method != http.MethodPost {
		return nil, fail(&requestError{status: http.StatusMethodNotAllowed, code: codeBadRequest, allow: http.MethodPost,
			message: "a mutation must be sent by POST"})
	}
	variables, fault := coerce.Variables(g.opts.Schema.Schema(), op, req.Variables)
	if fault != nil {
		return nil, g.refused(gqlerror.List{presented(fault)})
	}
	if err := checkArguments(g.opts.Schema.Schema(), op, variables); err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	oc := &graphql.OperationContext{
		RawQuery:             text,
		Variables:            variables,
		OperationName:        req.OperationName,
		Doc:                  doc.QueryDocument,
		Extensions:           req.Extensions,
		Operation:            op,
		DisableIntrospection: !g.opts.Introspection,
		RecoverFunc:          recovered,
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
			return next(ctx)
		},
	}
	oc.ResolverMiddleware = g.middleware(ctx, oc)
	return &prepared{OperationContext: oc, constants: doc.constantsOf(op, g.costs), onError: errorBehaviors[cmp.Or(req.fixedOnError, req.onError)]}, nil
}

func (g *Gateway) refused(errs gqlerror.List) *reply {
	out := refuse(errs)
	g.opts.Limits.trim(out.resp)
	return out
}

// execute fills in the response, and returns the context that the operation ran under.
func (g *Gateway) execute(ctx context.Context, op *graphql.OperationContext, out *reply) context.Context {
	if g.opts.Operation != nil {
		ctx = g.opts.Operation(ctx)
	}
	buffer := engine.GetBuffer()
	buffer.Max = g.opts.Limits.Answer
	out.wrote = op.Operation.Operation == ast.Mutation
	out.free = g.count(buffer, out.wrote)
	respond, ctx := g.exec.DispatchOperation(engine.WithBuffer(ctx, buffer), op)
	if out.resp = respond(ctx); out.resp == nil {
		// gqlgen gives no response at all once the context has ended.
		out.resp = &graphql.Response{Data: []byte("null"), Errors: gqlerror.List{present(g.opts.Log)(ctx, context.Cause(ctx))}}
	}
	if delivers(op.Operation) {
		out.extend(isFinal, true)
	}
	return ctx
}

func recovered(_ context.Context, p any) error { return task.Recovered(p) }

// asPanic returns the text of a panic for the log.
func asPanic(err error) (string, bool) {
	var p *task.PanicError
	if !errors.As(err, &p) {
		return "", false
	}
	return fmt.Sprintf("%v\n%s", p.Value, p.Stack), true
}

// response is how a fault looks as a GraphQL response.
func (e *requestError) response() *graphql.Response {
	extensions := map[string]any{"code": e.code}
	if e.limit != nil {
		extensions["limit"] = *e.limit
	}
	if e.retryAfter > 0 {
		extensions["retryAfter"] = e.retryAfter
	}
	return &graphql.Response{Errors: gqlerror.List{{Message: e.message, Extensions: extensions}}}
}

// setHeaders says in the answer's headers what a fault means to HTTP.
func (e *requestError) setHeaders(h http.Header) {
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.codings != "" {
		h.Set("Accept-Encoding", e.codings)
	}
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.challenge {
		h.Set("WWW-Authenticate", `Bearer realm="learngraph"`)
	}
}
