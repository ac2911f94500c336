// Package gateway is GraphQL over HTTP in front of an executable schema: it reads requests, authenticates the caller,
// keeps documents, refuses operations past a limit before any resolver runs, and writes answers. It knows kinds of
// backend errors, no backend.
package gateway

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/access"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Options are the settings and dependencies of a gateway. A zero value is off, but for Schema, Limits, Timeout and Log.
type Options struct {
	Schema graphql.ExecutableSchema
	Limits limits.Limits
	// Timeout bounds one operation. A caller may ask for less in X-Learngraph-Timeout.
	Timeout time.Duration
	// Introspection allows __schema, __type and suggestions in errors.
	Introspection bool
	// Operation prepares the context of one operation, for example with its loaders.
	Operation func(context.Context) context.Context
	Log       *slog.Logger

	// BatchLimit is how many operations one request may hold; 0 takes no arrays.
	BatchLimit int
	// CompressAbove is the size in bytes above which answers are compressed where the request accepts a coding.
	CompressAbove int
	// Persisted keeps the texts of automatic persisted queries.
	Persisted documents.Store
	// Trusted are the documents that the frontends were built with.
	Trusted *documents.Trusted
	// Cost bounds the points of one operation and of one caller.
	Cost cost.Options
	// MaxCalls is how many backend calls one operation may make. Plans warn of more; 0 is any number.
	MaxCalls int
	// Authenticate identifies the caller; nil takes anyone.
	Authenticate func(*http.Request) (*auth.Caller, error)
	// Digest returns a keyed digest of an identifier, safe to log. It is needed for the audit log.
	Digest func(string) string
	// Begin prepares the context of each operation, Observe is called at its end, under that context.
	Begin   func(context.Context) context.Context
	Observe func(context.Context, requestlog.Operation)
	// Mismatch is called for each value that breaks the schema, with its type and field: never with the value.
	Mismatch func(backend upstream.Backend, object, field string)
	// Answers keeps whole answers; nil executes every operation.
	Answers *cache.Space[*responses.Answer]
	// Memory bounds the documents, their plans and the cached requests together with the cache, in bytes, and Reserve is
	// called with each change of their size. Zero is bounds of their own.
	Memory  int64
	Reserve func(by int64)
	// Inflight bounds the requests under way and their memory.
	Inflight *inflight.Load
	// Draining is closed when answers that are sent in parts have to end; nil never is.
	Draining <-chan struct{}
	// Closing is closed when subscribers have to go to another replica; nil never is.
	Closing <-chan struct{}
	// Subscriptions are the bounds of subscriptions, and the cache whose drops they follow; without a cache there are
	// none.
	Subscriptions live.Options
	// Explain allows callers to see the calls and facts of an operation.
	Explain bool
	// PublicCatalog is set if shared caches may store answers that come from Thought Industries alone.
	PublicCatalog bool
	// Edge is the additional header of such answers for those caches; nil is nothing.
	Edge *cachecontrol.Edge
}

// Gateway answers GraphQL requests. It is an http.Handler for one path.
type Gateway struct {
	opts      Options
	sources   *documents.Sources
	documents *documents.Cache
	costs     *cost.Estimator
	guard     *access.Guard
	auditor   *access.Auditor
	present   graphql.ErrorPresenterFunc
	requests  *requestCache
	answers   operationHandler
	hub       *live.Hub // nil has no room for any subscription
}

// New makes the gateway of a schema.
func New(opts Options) *Gateway {
	opts.Limits = opts.Limits.WithDefaults()
	schema := opts.Schema.Schema()
	g := &Gateway{opts: opts, sources: documents.NewSources(opts.Trusted, opts.Persisted, opts.Log),
		documents: documents.New(schema, opts.Limits, opts.Introspection, opts.memoryShare(4, documents.DefaultMemory),
			opts.Reserve),
		costs: cost.NewEstimator(schema), guard: access.NewGuard(schema),
		requests: newRequestCache(opts),
		present:  gqlerrors.WatchMismatches(opts.Mismatch, gqlerrors.Presenter(opts.Log))}
	if opts.Digest != nil {
		g.auditor = access.NewAuditor(schema, opts.Digest, opts.Log)
	}
	if opts.Subscriptions.Cache != nil {
		g.hub = live.New(opts.Subscriptions)
	}
	g.answers = operationHandler{methods: allowedMethods, usage: "use GET or POST", execute: g.answer,
		cached: g.answerFromCache}
	return g
}

// memoryShare is a part of the memory, as its divisor, or most where that is less or no memory is set.
func (o *Options) memoryShare(divisor int64, most int) int {
	if o.Memory <= 0 {
		return most
	}
	return int(min(o.Memory/divisor, int64(most)))
}

// Close frees the reserved memory. Requests after that are read anew each time.
func (g *Gateway) Close() {
	g.hub.Close()
	g.documents.Close()
	if g.requests != nil {
		g.requests.requests.Close()
	}
	if e, ok := g.opts.Schema.(*engine.Engine); ok {
		e.Forget()
	}
	g.sources.Close()
}

// Subscriptions returns the counters of subscriptions.
func (g *Gateway) Subscriptions() live.Counters { return g.hub.Counters() }

var _ http.Handler = (*Gateway)(nil)

// The methods of the two paths.
var (
	allowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}
	plannedMethods = []string{http.MethodPost, http.MethodOptions}
)

// ServeHTTP answers one request. A request whose answer no media type can carry gets 406 before it is read.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.serve(w, r, g.answers) }

// PlanHandler answers POST /graphql/plan: the same requests as the gateway itself, and in data the cost of the
// operation and the most backend calls that it would make, by backend and by field. It makes none.
func (g *Gateway) PlanHandler() http.Handler {
	plans := operationHandler{methods: plannedMethods, usage: "use POST", execute: g.plan}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, plans) })
}

// operationHandler makes the answer to one operation.
type operationHandler struct {
	methods []string
	usage   string // the message for other methods
	execute func(context.Context, *http.Request, *httpapi.Request, *parts) *httpapi.Result
	// cached answers a request that came before, or returns nil; it may be nil.
	cached func(*http.Request, *auth.Caller, [sha256.Size]byte) *httpapi.Result
}

// serve answers a request, or refuses it before it is read.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, h operationHandler) {
	x := httpapi.NewResponseWriter(w, r)
	switch {
	case r.Method == http.MethodOptions:
		httpapi.WriteAllow(w, strings.Join(h.methods, ", "))
	case !slices.Contains(h.methods, r.Method):
		x.Fail(&httpapi.Error{Status: http.StatusMethodNotAllowed, Code: gqlerrors.CodeBadRequest,
			Allow: strings.Join(h.methods, ", "), Message: h.usage})
	case x.Negotiate(r, g.opts.CompressAbove) && x.Enter(r, g.opts.Inflight):
		httpapi.SendRest(w, g.serveEntered(x, r, h))
	}
}

// serveEntered answers a request that is counted until its answer is sent. It returns the sender of the rest of an
// answer in parts, nil where nothing is left.
func (g *Gateway) serveEntered(x *httpapi.ResponseWriter, r *http.Request, h operationHandler) (rest func()) {
	defer func() {
		if rest == nil {
			x.Leave()
		}
	}()
	out, fault := g.handle(x, r, h)
	switch {
	case fault != nil:
		x.Fail(fault)
	case out != nil:
		x.Send(out)
		if out.Rest != nil {
			out.Finally(x.Leave)
		}
		return out.Rest
	}
	return nil
}

// handle reads a request and executes its operations. It returns the answer to a single one, and sends that to a batch.
func (g *Gateway) handle(x *httpapi.ResponseWriter, r *http.Request, h operationHandler) (*httpapi.Result,
	*httpapi.Error) {
	who, r, fault := g.authenticate(r)
	if fault != nil {
		return nil, fault
	}
	x.PrivateOnly = who.Bound
	raw, fault := httpapi.Read(x, r, g.opts.Limits)
	if fault != nil {
		return nil, fault
	}
	digest := raw.Digest()
	if h.cached != nil {
		if out := h.cached(r, who, digest); out != nil {
			return out, nil
		}
	}
	requests, fault := httpapi.Parse(x, raw, g.opts.BatchLimit)
	if fault != nil {
		return nil, fault
	}
	ctx, timeout, fault := g.timeout(auth.NewContext(r.Context(), who), r.Header)
	if fault != nil {
		return nil, fault
	}
	for _, req := range requests.List {
		req.Timeout = timeout
	}
	if requests.Batch {
		x.SendBatch(g.executeBatch(ctx, r, requests.List, h))
		return nil, nil
	}
	requests.List[0].Digest = digest
	return h.execute(ctx, r, requests.List[0], &parts{g: g, x: x, request: r}), nil
}

// executeBatch executes the operations of a batch in parallel.
func (g *Gateway) executeBatch(ctx context.Context, r *http.Request, list []*httpapi.Request,
	h operationHandler) []*httpapi.Result {
	replies := make([]*httpapi.Result, len(list))
	var group task.Group
	for i, req := range list {
		group.Go(func() error {
			replies[i] = h.execute(ctx, r, req, nil)
			return nil
		}, func(err error) {
			if err != nil {
				replies[i] = httpapi.Refuse(gqlerror.List{gqlerrors.Presenter(g.opts.Log)(ctx, err)})
			}
		})
	}
	group.Wait()
	return replies
}

// authenticate returns the caller of a request, and the request without headers that the caller may not use.
func (g *Gateway) authenticate(r *http.Request) (who *auth.Caller, allowed *http.Request, fault *httpapi.Error) {
	who = auth.AllowAll
	if g.opts.Authenticate != nil {
		c, err := g.opts.Authenticate(r)
		requestlog.Of(r.Context()).By(c, err)
		if err != nil {
			return nil, nil, httpapi.Unauthenticated(err)
		}
		who = c
	}
	// The calls of an operation, and whether the cache holds a record, would reveal records of others to a bound caller.
	if !who.Has(auth.Explain) || who.Bound {
		r = withoutHeader(r, "X-Learngraph-Explain")
	}
	if !who.Has(auth.Fresh) || who.Bound && cachecontrol.OnlyIfCached(r.Header) {
		r = withoutHeader(r, "Cache-Control")
	}
	return who, r, nil
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

// timeout returns the time that an operation may take: the server's, or the caller's where that is less.
func (g *Gateway) timeout(ctx context.Context, h http.Header) (context.Context, time.Duration, *httpapi.Error) {
	timeout := g.opts.Timeout
	if text := strings.Join(h[headerTimeout], ","); text != "" {
		asked, err := time.ParseDuration(text)
		if err != nil || asked <= 0 {
			return nil, 0, httpapi.BadRequest(headerTimeout + " must be a duration above zero, such as 3s")
		}
		if asked < timeout {
			timeout, ctx = asked, upstream.WithShortDeadline(ctx)
		}
	}
	return ctx, timeout, nil
}
