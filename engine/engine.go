package engine

import (
	"cmp"
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

// Engine executes operations. It is a graphql.ExecutableSchema, safe for concurrent use.
type Engine struct {
	// InOrder makes one call of a resolver after the other, in an order that depends on the operation alone, so that a run
	// can be repeated. Set it before the first operation.
	InOrder bool

	// Watch is called before each call of a resolver; the call is made under the context that it returns, and the function
	// that it returns is called after. Calls run in parallel. nil is not called.
	Watch Watch

	// MaxPlans is about how many bytes plans may take, 0 for DefaultPlans; Reserve, which may be nil, is called with each
	// change of their size. Set both before the first operation.
	MaxPlans int64
	Reserve  func(by int64)

	schema *Schema
	plans  func() *plans
}

// Watch gets the field of the schema, as its object and its name, and how many parents the call is for.
type Watch func(ctx context.Context, object, field string, parents int) (context.Context, func())

var _ graphql.ExecutableSchema = (*Engine)(nil)

// New returns the engine of a schema.
func New(schema *Schema) *Engine {
	e := &Engine{schema: schema}
	e.plans = sync.OnceValue(func() *plans {
		return lru.New[planned, *variants](int(cmp.Or(e.MaxPlans, DefaultPlans)), e.Reserve)
	})
	return e
}

// Schema returns the definition of the schema.
func (e *Engine) Schema() *ast.Schema { return e.schema.Definition }

// Complexity knows no field: the gateway estimates costs by the directives of the schema.
func (e *Engine) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

// Forget frees the memory of all plans. None is kept from then on.
func (e *Engine) Forget() { e.plans().Close() }

// Exec returns a handler that executes the operation of ctx once: of a subscription that is one event.
func (e *Engine) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return &graphql.Response{Data: e.execute(ctx, op)}
	}
}

// execution is the state of one operation. It is used again, so that its memory is allocated once.
type execution struct {
	ctx     context.Context
	op      *graphql.OperationContext
	schema  *ast.Schema
	plan    *Plan
	watch   Watch
	inOrder bool

	columns     []column    // by the slots of selections
	outcomes    []outcome   // by the slots of calls
	pages       []pageArgs  // by the slots of pages
	auths       []fieldAuth // by the numbers of fields
	onError     OnError
	cancelCalls context.CancelFunc // ends the calls under way; nil where they end with the operation
	aborted     bool               // a call ended the operation

	output
	stack   []any   // elements of the lists that are being walked
	visible []int32 // places of the elements on the pages that are being walked
	scratch []byte

	// Of an answer that is delivered in parts.
	delivery   *Delivery
	activity   *activity
	cohort     *cohort    // of its branch
	branches   []*branch  // by the slots of parts
	allWritten bool       // it turned out that nothing is left for later
	made       *madeCalls // of the same operation in parts; nil for any other
	scope      *enclosure
	records    []record
}

// output is where an answer is written.
type output struct {
	buf           []byte
	max           int                   // of buf; 0 is any
	reached       int                   // by buf where that is past max, else 0
	reserve       func(bytes int) error // nil is any
	reserveMemory int                   // the capacity of buf that there is room for
	memoryError   error
	stopped       bool // an error ended the operation
	path          []step
}

var executions = sync.Pool{New: func() any { return new(execution) }}

// execution returns one for an operation.
func (e *Engine) execution(ctx context.Context, op *graphql.OperationContext) *execution {
	x := executions.Get().(*execution)
	x.ctx, x.op, x.schema, x.watch = ctx, op, e.schema.Definition, e.Watch
	return x
}

func (e *Engine) execute(ctx context.Context, op *graphql.OperationContext) (data []byte) {
	x := e.execution(ctx, op)
	x.inOrder = e.InOrder
	target := bufferOf(ctx)
	if target != nil {
		x.onError = target.OnError
	}
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(ctx, x.recovered(p))
			data = []byte("null")
			return // x may be in any state
		}
		x.release()
	}()
	x.prepare(e.Plan(op))
	if target != nil {
		x.buf, x.max, x.reserve = target.Bytes[:0], target.Max, target.Reserve
	} else {
		x.buf = make([]byte, 0, x.plan.latest.Load()+64)
	}
	x.call()
	x.finish()
	x.plan.latest.Store(int64(len(x.buf)))
	if target != nil {
		target.Bytes = x.buf
	}
	return x.buf
}

// call makes the calls.
func (x *execution) call() {
	if x.plan.err != nil {
		return
	}
	if x.onError == Abort {
		ctx := x.ctx
		x.ctx, x.cancelCalls = context.WithCancel(ctx)
		defer func() { x.cancelCalls(); x.ctx = ctx }()
	}
	x.busy(1)
	x.enter(x.plan.Root, Parent{})
	x.launch(x.plan.ready)
	for _, segment := range x.plan.segments {
		if !x.aborted {
			x.run(segment)
		}
	}
}

// finish writes the answer.
func (x *execution) finish() {
	if err := x.plan.err; err != nil {
		graphql.AddError(x.ctx, err)
		x.buf = append(x.buf, "null"...)
		return
	}
	if ok := x.write(x.plan.Root, Parent{}); x.isOverLimit() || !ok {
		x.buf = append(x.buf[:0], "null"...)
		x.records = truncateRecords(x.records, 0)
	}
}

// full reports whether the answer is larger than it may be, or than there is room for. Once it is, nothing that follows
// is written.
func (x *execution) full() bool {
	if x.reserve != nil && cap(x.buf) > x.reserveMemory {
		x.reserveMemory = cap(x.buf)
		if err := x.reserve(x.reserveMemory); err != nil && x.reached == 0 {
			x.memoryError, x.reached = err, len(x.buf)
		}
	}
	if x.max > 0 && x.reached == 0 && len(x.buf) > x.max {
		x.reached = len(x.buf)
	}
	return x.overflows() || x.stopped
}

func (x *execution) overflows() bool {
	return x.reached > 0 || x.memoryError != nil
}

func (x *execution) prepare(p *Plan) {
	x.plan = p
	x.columns = resized(x.columns, p.selections)
	x.outcomes = resized(x.outcomes, p.calls)
	x.pages = resized(x.pages, p.pages)
	x.auths = resized(x.auths, p.fields)
	x.branches = resized(x.branches, p.parts)
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// maxPooledElements is the longest list of an execution, in elements, whose memory is kept for the next operation.
const maxPooledElements = 1024

// release clears the operation's values, and keeps the memory.
func (x *execution) release() {
	for i := range x.columns {
		x.columns[i] = column{parents: reset(x.columns[i].parents)}
	}
	clear(x.outcomes)
	clear(x.pages)
	clear(x.auths)
	clear(x.branches)
	*x = execution{columns: x.columns, outcomes: x.outcomes, pages: x.pages, auths: x.auths, branches: x.branches,
		scratch: x.scratch, output: output{path: x.path[:0]}, stack: reset(x.stack), visible: reset(x.visible)}
	executions.Put(x)
}

// reset forgets all elements of s, and its memory where that is large.
func reset[T any](s []T) []T {
	if cap(s) > maxPooledElements {
		return nil
	}
	clear(s[:cap(s)])
	return s[:0]
}
