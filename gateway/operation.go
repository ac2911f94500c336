package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/gateway/provenance"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/learngraph/learngraph/gateway/validation"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// constants are the values that all executions of an operation share.
type constants struct {
	digest   [sha256.Size]byte // digest of the document's text and the operation's name
	claims   bool              // the answer can hold personal claims
	delivers bool              // the operation has a @defer or a @stream
	cost     *cost.Constant
}

func constantsOf(doc *documents.Document, op *ast.OperationDefinition, c *cost.Estimator) *constants {
	if known, ok := doc.Memo.Load(op); ok {
		return known.(*constants)
	}
	k := &constants{digest: sha256.Sum256(append(doc.Digest[:], op.Name...)), claims: selection.SelectsClaims(op),
		delivers: selection.Delivers(op), cost: c.Constant(op)}
	known, _ := doc.Memo.LoadOrStore(op, k)
	return known.(*constants)
}

// prepared is an operation that is ready to be executed.
type prepared struct {
	*graphql.OperationContext
	*constants
	onError      engine.OnError
	cacheKeyText string          // see cacheKey
	drops        cache.DropCount // when the operation began
}

// cacheKey identifies a question: the document, the operation, the variables and the error behavior.
func (p *prepared) cacheKey() string {
	if p.cacheKeyText != "" {
		return p.cacheKeyText
	}
	key := p.digest
	if len(p.Variables) > 0 || p.onError != engine.Propagate {
		h := sha256.New()
		h.Write(p.digest[:])
		h.Write([]byte{byte(p.onError)})
		_ = json.NewEncoder(h).Encode(p.Variables)
		h.Sum(key[:0])
	}
	p.cacheKeyText = string(key[:])
	return p.cacheKeyText
}

func (g *Gateway) answer(ctx context.Context, r *http.Request, req *httpapi.Request, parts *parts) *httpapi.Result {
	ctx, began := g.begin(ctx), time.Now()
	f := requestlog.Operation{Caller: auth.FromContext(ctx).Label()}
	out := g.answerOperation(ctx, r, req, parts, &f)
	if out.Rest == nil {
		g.observe(ctx, &f, began, out)
	} else {
		out.Finally(func() { g.observe(ctx, &f, began, out) })
	}
	return out
}

// begin returns the context of an operation whose statistics observe takes.
func (g *Gateway) begin(ctx context.Context) context.Context {
	if g.opts.Begin == nil {
		return ctx
	}
	return g.opts.Begin(ctx)
}

// observe takes the statistics of an operation that was answered.
func (g *Gateway) observe(ctx context.Context, f *requestlog.Operation, began time.Time, out *httpapi.Result) {
	if g.opts.Observe == nil {
		return
	}
	finish(ctx, f, began, out)
	requestlog.Of(ctx).Add(f)
	g.opts.Observe(ctx, *f)
}

func (g *Gateway) answerOperation(ctx context.Context, r *http.Request, req *httpapi.Request, parts *parts,
	f *requestlog.Operation) *httpapi.Result {
	op, refusal := g.prepare(ctx, r.Method, req)
	if refusal != nil {
		return refusal
	}
	f.Name, f.Kind, f.Document = op.Operation.Name, string(op.Operation.Operation), req.TrustedID
	spent, refusal := g.charge(ctx, op, req)
	if refusal != nil {
		return refusal
	}
	if op.Operation.Operation == ast.Subscription {
		return g.subscribe(ctx, op, parts, req, f)
	}
	ctx, cancel := context.WithTimeout(ctx, req.Timeout)
	out := &httpapi.Result{}
	defer func() { out.Finally(cancel) }()
	ctx, used := provenance.With(withDirectives(ctx, r.Header), g.explains(r.Header))
	if parts != nil && parts.x.Protocol != incremental.None && op.delivers && g.divides() {
		parts.cancel = cancel
		parts.run(ctx, op, spent, used, out)
	} else {
		g.run(ctx, op, used, out)
		g.requests.remember(req, op, spent.Estimate)
	}
	if spent.Estimate != nil {
		f.Cost = spent.Estimate.Points
	}
	if out.Rest != nil {
		out.Finally(func() { count(f, used.CallsMade(), out) })
		return out
	}
	calls := used.CallsMade()
	if !out.Sent {
		g.opts.Cost.Settle(ctx, auth.FromContext(ctx), spent, calls, out.Response)
		g.opts.Limits.TrimErrors(out.Response)
		g.addExtensions(ctx, op, used, out)
	}
	count(f, calls, out)
	return out
}

// divides reports whether the schema's engine can divide an answer: one that is captured is whole.
func (g *Gateway) divides() bool {
	_, ok := g.opts.Schema.(*engine.Engine)
	return ok
}

// charge charges the caller for an operation before it runs, and for the document that it registers, or refuses it.
func (g *Gateway) charge(ctx context.Context, op *prepared, req *httpapi.Request) (spent cost.Charge,
	refusal *httpapi.Result) {
	registers := g.sources.Registers(ctx, req)
	if g.opts.Cost.Counted() {
		estimate := g.estimate(op)
		if registers {
			estimate = estimate.WithRegistration(op.RawQuery)
		}
		spent, refusal = g.opts.Cost.Charge(ctx, auth.FromContext(ctx), estimate)
	}
	if registers && refusal == nil {
		g.sources.Register(ctx, op.RawQuery)
	}
	return spent, refusal
}

func (g *Gateway) estimate(op *prepared) *cost.Estimate {
	return g.costs.EstimateConstant(op.OperationContext, op.cost)
}

// prepare makes an operation that is ready to be executed, or returns its errors.
func (g *Gateway) prepare(ctx context.Context, method string, req *httpapi.Request) (*prepared, *httpapi.Result) {
	if err := g.opts.Limits.Check("variables", req.VariablesSize, g.opts.Limits.Variables); err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	text, refusal := g.sources.Text(ctx, req)
	if refusal != nil {
		return nil, refusal
	}
	return g.prepareText(ctx, method, req, text)
}

// prepareText makes an operation of a document's text.
func (g *Gateway) prepareText(ctx context.Context, method string, req *httpapi.Request,
	text string) (*prepared, *httpapi.Result) {
	doc, errs := g.documents.Load(text)
	if len(errs) > 0 {
		return nil, g.refused(errs)
	}
	op, err := documents.SelectOperation(doc.QueryDocument, req.OperationName)
	if err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	if op.Operation == ast.Mutation && method != http.MethodPost {
		return nil, httpapi.Fail(&httpapi.Error{Status: http.StatusMethodNotAllowed, Code: gqlerrors.CodeBadRequest,
			Allow: http.MethodPost, Message: "a mutation must be sent by POST"})
	}
	variables, fault := coerce.Variables(g.opts.Schema.Schema(), op, req.Variables)
	if fault != nil {
		return nil, g.refused(gqlerror.List{gqlerrors.Present(fault)})
	}
	if err := validation.CheckArguments(g.opts.Schema.Schema(), op, variables); err != nil {
		return nil, g.refused(gqlerror.List{err})
	}
	oc := &graphql.OperationContext{
		RawQuery:             sharedText(op, text),
		Variables:            variables,
		OperationName:        req.OperationName,
		Doc:                  doc.QueryDocument,
		Extensions:           req.Extensions,
		Operation:            op,
		DisableIntrospection: !g.opts.Introspection,
		RecoverFunc:          gqlerrors.Recover,
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
			return next(ctx)
		},
	}
	oc.ResolverMiddleware = g.guard.Middleware(ctx, oc, g.auditor)
	onError, _ := engine.ParseOnError(cmp.Or(req.FixedOnError, req.OnError))
	return &prepared{OperationContext: oc, constants: constantsOf(doc, op, g.costs), onError: onError,
		drops: g.opts.Edge.DropCount()}, nil
}

// sharedText is the text of an operation's document as it is kept with it, rather than the request's own copy.
func sharedText(op *ast.OperationDefinition, text string) string {
	if p := op.Position; p != nil && p.Src != nil && p.Src.Input == text {
		return p.Src.Input
	}
	return text
}

func (g *Gateway) refused(errs gqlerror.List) *httpapi.Result {
	out := httpapi.Refuse(errs)
	g.opts.Limits.TrimErrors(out.Response)
	return out
}
