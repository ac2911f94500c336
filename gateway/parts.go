package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/gateway/provenance"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// heartbeat is the longest time without a byte on an event stream.
const heartbeat = 10 * time.Second

// parts sends the answer to one operation in parts.
type parts struct {
	g       *Gateway
	x       *httpapi.ResponseWriter
	request *http.Request // whose context ends when the caller leaves

	cancel     context.CancelFunc // ends the operation
	op         *prepared
	charge     cost.Charge // until it is settled
	provenance *provenance.Provenance
	out        *httpapi.Result
	merged     *incremental.Answer // the answer so far; nil unless the answer is explained
	errors     int                 // sent so far
}

// run executes the operation. It leaves the answer in out where nothing is left for later, else it has sent the first
// payload when it returns, and out.Rest sends the others.
func (p *parts) run(ctx context.Context, op *prepared, spent cost.Charge, used *provenance.Provenance,
	out *httpapi.Result) {
	p.op, p.charge, p.provenance, p.out = op, spent, used, out
	ctx = p.g.executionContext(ctx, op, out)
	ctx = graphql.WithOperationContext(ctx, op.OperationContext)
	d := p.g.opts.Schema.(*engine.Engine).Deliver(ctx, op.OperationContext,
		engine.Incremental{Format: p.x.Protocol.Format(), Present: p.g.present})
	data, errs := d.Data()
	out.Response = &graphql.Response{Data: data, Errors: errs}
	first := d.First()
	if !first.HasNext {
		p.cancel() // calls for parts that are not delivered end, and no more of them begin
		out.Extend(httpapi.IsFinal, true)
		return
	}
	if used.Explains() {
		p.merged = incremental.NewAnswer(data)
	}
	p.begin(ctx, d, first)
}

// begin sends the first payload, and leaves the others to out.Rest.
func (p *parts) begin(ctx context.Context, d *engine.Delivery, first *engine.Payload) {
	out := p.out
	out.Sent = true
	out.Policy, out.ProxyStatus = p.g.policy(ctx, p.op, p.provenance, out),
		provenance.ProxyStatus(out.Response.Errors, p.provenance.Facts.List())
	w := p.x.Begin(out)
	p.g.opts.Limits.TrimErrors(out.Response)
	p.errors = len(out.Response.Errors)
	if w.Send(p.x.Protocol.First(out.Response.Data, out.Response.Errors, first)) == nil {
		out.Rest = func() { p.rest(ctx, d, w) }
	}
	out.Finally(func() { p.settle(ctx, out.Response) })
	out.Finally(w.Close)
}

// rest sends the later payloads.
func (p *parts) rest(ctx context.Context, d *engine.Delivery, w *httpapi.Parts) {
	var beat *time.Ticker
	var due <-chan time.Time
	if p.x.Protocol == incremental.Events { // the other formats have no comments
		beat = time.NewTicker(heartbeat)
		defer beat.Stop()
		due = beat.C
	}
	for {
		payload := d.Next()
		if payload == nil {
			select {
			case <-d.Events():
			case <-due:
				if w.Send(p.x.Protocol.Beat()) != nil {
					return
				}
			case <-p.request.Context().Done():
				return
			case <-p.g.opts.Draining:
				payload = d.Abort(&gqlerror.Error{Message: "the server is shutting down: this part was not delivered",
					Extensions: map[string]any{"code": gqlerrors.CodeDeadline}})
			}
		}
		if payload == nil {
			continue
		}
		if beat != nil {
			beat.Reset(heartbeat)
		}
		if w.Send(p.frame(ctx, payload)) != nil || !payload.HasNext {
			return
		}
	}
}

// frame returns the frame of a later payload. The last one has the extensions of the whole answer.
func (p *parts) frame(ctx context.Context, payload *engine.Payload) []byte {
	for i := range payload.Incremental {
		payload.Incremental[i].Errors = p.trim(payload.Incremental[i].Errors)
	}
	for i := range payload.Completed {
		payload.Completed[i].Errors = p.trim(payload.Completed[i].Errors)
	}
	if p.merged != nil {
		p.merged.Add(payload)
	}
	if payload.HasNext {
		return p.x.Protocol.Next(payload, nil)
	}
	last := &httpapi.Result{Response: &graphql.Response{Data: p.out.Response.Data, Errors: p.out.Response.Errors}}
	if p.merged != nil {
		last.Response.Data = p.merged.JSON()
	}
	p.settle(ctx, last.Response)
	p.g.addExtensions(ctx, p.op, p.provenance, last)
	p.out.Response.Extensions = last.Response.Extensions // for the statistics of the operation
	return p.x.Protocol.Next(payload, last.Response.Extensions)
}

// settle ends the operation, and charges its caller for the calls that it has made.
func (p *parts) settle(ctx context.Context, resp *graphql.Response) {
	p.cancel()
	p.g.opts.Cost.Settle(ctx, auth.FromContext(ctx), p.charge, p.provenance.CallsMade(), resp)
	p.charge = cost.Charge{}
}

// trim bounds the errors of all payloads together, and keeps them for the statistics of the operation.
func (p *parts) trim(errs gqlerror.List) gqlerror.List {
	if len(errs) == 0 {
		return nil
	}
	left := p.g.opts.Limits
	if left.Errors > 0 {
		left.Errors = max(left.Errors-p.errors, 1)
	}
	resp := &graphql.Response{Errors: errs}
	left.TrimErrors(resp)
	p.errors += len(resp.Errors)
	p.out.Response.Errors = append(p.out.Response.Errors, resp.Errors...)
	return resp.Errors
}
