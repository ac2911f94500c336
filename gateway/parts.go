package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/inflight"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// heartbeat is the longest time without a byte on an event stream.
const heartbeat = 10 * time.Second

// parts sends the answer to one operation in parts.
type parts struct {
	g        *Gateway
	x        *exchange
	protocol incremental.Protocol
	request  context.Context // ends when the caller leaves

	op     *prepared
	spent  *spent
	used   *provenance
	out    *reply
	whole  *incremental.Answer // what was sent so far; nil unless the answer is explained
	errors int                 // sent so far
}

// inParts returns what sends the answer in parts, nil where it is not to be divided.
func (g *Gateway) inParts(x *exchange, r *http.Request) *parts {
	if x.head {
		return nil
	}
	p := incremental.Negotiate(r.Header["Accept"])
	if p == incremental.None {
		return nil
	}
	return &parts{g: g, x: x, protocol: p, request: r.Context()}
}

// run executes the operation. It leaves the answer in out where nothing is left for later, else it has sent all of it when
// it returns.
func (p *parts) run(ctx context.Context, op *prepared, spent *spent, used *provenance, out *reply) {
	p.op, p.spent, p.used, p.out = op, spent, used, out
	if p.g.opts.Operation != nil {
		ctx = p.g.opts.Operation(ctx)
	}
	buffer := engine.GetBuffer()
	buffer.Max = p.g.opts.Limits.Answer
	out.wrote = op.Operation.Operation == ast.Mutation
	out.free = p.g.count(buffer, out.wrote)
	ctx = engine.WithBuffer(graphql.WithOperationContext(ctx, op.OperationContext), buffer)
	d := p.g.opts.Schema.(*engine.Engine).Deliver(ctx, op.OperationContext, engine.Incremental{Format: p.protocol.Format(), Present: p.g.present})
	data, errs := d.Data()
	out.resp = &graphql.Response{Data: data, Errors: errs}
	first := d.First()
	if !first.HasNext {
		out.extend(isFinal, true)
		return
	}
	if explains(ctx) {
		p.whole = incremental.NewAnswer(data)
	}
	p.send(ctx, d, first)
}

// send sends all payloads.
func (p *parts) send(ctx context.Context, d *engine.Delivery, first *engine.Payload) {
	out := p.out
	out.sent = true
	h := p.x.setHeaders(cachePolicy{})
	setSecurityHeaders(h)
	w, finish := p.writer()
	defer finish()
	p.g.opts.Limits.trim(out.resp)
	p.errors = len(out.resp.Errors)
	if p.write(w, p.protocol.First(out.resp.Data, out.resp.Errors, first), false) != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		payload := d.Next()
		if payload == nil {
			select {
			case <-d.Events():
			case <-beat.C:
				if w.Beat() != nil {
					return
				}
			case <-p.request.Done():
				return
			case <-p.g.opts.Draining:
				payload = d.Abort(&gqlerror.Error{Message: "the server shuts down: this was not delivered", Extensions: map[string]any{"code": codeDeadline}})
			}
		}
		if payload == nil {
			continue
		}
		beat.Reset(heartbeat)
		if p.write(w, p.payload(ctx, payload), !payload.HasNext) != nil || !payload.HasNext {
			return
		}
	}
}

// payload returns a later payload as it is sent. The last one has what is said of the whole answer.
func (p *parts) payload(ctx context.Context, payload *engine.Payload) []byte {
	for i := range payload.Incremental {
		payload.Incremental[i].Errors = p.trim(payload.Incremental[i].Errors)
	}
	for i := range payload.Completed {
		payload.Completed[i].Errors = p.trim(payload.Completed[i].Errors)
	}
	if p.whole != nil {
		p.whole.Add(payload)
	}
	if payload.HasNext {
		return p.protocol.Next(payload, nil)
	}
	last := &reply{resp: &graphql.Response{Data: p.out.resp.Data, Errors: p.out.resp.Errors}}
	if p.whole != nil {
		last.resp.Data = p.whole.JSON()
	}
	p.g.settle(ctx, p.spent, p.g.callsMade(p.used), last.resp)
	p.g.describe(ctx, p.op, p.used, last)
	return p.protocol.Next(payload, last.resp.Extensions)
}

// trim bounds the errors of all payloads together, and keeps them for the figures of the operation.
func (p *parts) trim(errs gqlerror.List) gqlerror.List {
	if len(errs) == 0 {
		return nil
	}
	limits := p.g.opts.Limits
	if limits.Errors > 0 {
		limits.Errors = max(limits.Errors-p.errors, 1)
	}
	resp := &graphql.Response{Errors: errs}
	limits.trim(resp)
	p.errors += len(resp.Errors)
	p.out.resp.Errors = append(p.out.resp.Errors, resp.Errors...)
	return resp.Errors
}

// writer begins the answer.
func (p *parts) writer() (w *incremental.Writer, finish func()) {
	coding := p.x.codings.best
	if coding == "" || p.x.compressAbove <= 0 && !p.x.codings.must {
		return incremental.NewWriter(p.x.w, p.protocol, nil), func() {}
	}
	c, _ := coderOf(coding, nil)
	packed := c.pool.Get().(resetter)
	packed.Reset(p.x.w)
	p.x.w.Header()["Content-Encoding"] = []string{coding}
	return incremental.NewWriter(p.x.w, p.protocol, packed), func() {
		_ = packed.Close()
		packed.Reset(nil)
		c.pool.Put(packed)
	}
}

// write sends a payload. A reader who takes it too slowly is cut off, as of any answer.
func (p *parts) write(w *incremental.Writer, payload []byte, last bool) error {
	within := slowStart + time.Duration(len(payload))*time.Second/leastRate
	_ = http.NewResponseController(p.x.w).SetWriteDeadline(time.Now().Add(within))
	err := w.Send(payload, last)
	if err != nil && isTimeout(err) && len(payload) > inflight.Small {
		p.x.load.CutOff()
	}
	return err
}
