package engine

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/task"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Incremental asks for an answer in parts.
type Incremental struct {
	Format Format
	// Present makes the errors that the parts have.
	Present graphql.ErrorPresenterFunc
}

// Delivery is an operation whose answer is delivered in parts. The first part is there when [Engine.Deliver] returns.
// It is for one goroutine. Calls under way end with the context of the operation.
type Delivery struct {
	engine *Engine
	op     *graphql.OperationContext
	opts   Incremental
	ctx    context.Context
	// onError is the operation's error behavior, which later parts need when the buffer may be another answer's.
	onError OnError

	mu      sync.Mutex
	changed sync.Cond // the activity of a later part
	quiet   sync.Cond // the first part is
	first   activity
	live    []*branch // whose calls were started
	events  chan struct{}

	// Of the goroutine that takes payloads.
	data          []byte
	errs          gqlerror.List
	branches      []*branch // found by writing, not written yet
	pending       []*group  // announced, not completed
	streams       []*stream // the same
	ids           int
	size          int // bytes written
	held          int // of memory
	max           int
	reserveMemory func(bytes int) error
}

// activity is how many resolvers run for a part, and how many of these wait for a backend.
type activity struct {
	running, waiting int
	over             bool // its calls are back

	cohort         *cohort // nil for most parts
	busy, inCohort bool    // as counted by the cohort, and whether it waits for the others
}

// quiet reports whether the part has nothing to do until a backend answers.
func (a *activity) quiet() bool { return a.over || a.running > 0 && a.running == a.waiting }

// group is the part that one @defer delivers for one object.
type group struct {
	path     []step
	label    *string
	parent   *group
	id       string // once it is announced
	known    bool   // and not completed
	units    []*unit
	children []*group
}

// stream is the parts that one @stream delivers for one list.
type stream struct {
	path  []step
	label *string
	id    string
	units []*unit // in the order of the list
	next  int     // of units, not delivered yet
}

// Payload is one part of an answer, or several that were ready at the same time.
type Payload struct {
	Pending     []Pending
	Incremental []Increment
	Completed   []Completed
	HasNext     bool
}

// Pending announces a @defer or a @stream.
type Pending struct {
	ID    string
	Path  ast.Path
	Label *string
}

// Increment is the data of an object, or elements of a list. Path is that of the object, or of the first element.
type Increment struct {
	ID      string
	SubPath ast.Path
	Path    ast.Path
	Label   *string
	Data    []byte
	Items   [][]byte // nil for an object
	Errors  gqlerror.List
}

// Completed ends a pending result. With Errors it ended because a non-null field in it failed.
type Completed struct {
	ID     string
	Path   ast.Path
	Label  *string
	List   bool // it was a @stream
	Errors gqlerror.List

	failed bool
}

// Deliver executes the operation up to its first part. Where nothing else is left by then, or the engine works in
// order, the answer is whole.
func (e *Engine) Deliver(ctx context.Context, op *graphql.OperationContext, opts Incremental) *Delivery {
	if e.InOrder {
		opts.Format = Whole
	}
	d := &Delivery{engine: e, op: op, opts: opts, ctx: ctx, events: make(chan struct{}, 1)}
	if target := bufferOf(ctx); target != nil {
		d.onError = target.OnError
	}
	d.changed.L, d.quiet.L = &d.mu, &d.mu
	d.execute(d.reporting(ctx))
	return d
}

func (d *Delivery) execute(ctx context.Context) {
	x := d.engine.execution(ctx, d.op)
	x.onError, x.delivery, x.activity, x.inOrder = d.onError, d, &d.first, d.engine.InOrder
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(ctx, x.recovered(p))
			d.data, d.errs = []byte("null"), graphql.GetErrors(ctx)
			d.endFirst() // calls of later parts may be waiting for it
			return       // x may be in any state
		}
		x.release()
	}()
	x.prepare(d.engine.plan(d.op, d.opts.Format))
	x.call()
	x.allWritten = d.awaitQuiet()
	if x.allWritten && x.plan.overlaps {
		x = d.unite(x)
	}
	d.finishFirst(x)
}

// unite returns an execution of the whole operation in place of one whose parts overlap: a field that several parts
// have is written once. All calls are back, and none is made again.
func (d *Delivery) unite(x *execution) *execution {
	made := &madeCalls{calls: map[madeKey][]*call{}}
	made.add(x, "")
	d.errs = append(d.errs, made.errs...)
	y := d.execution(d.ctx, d.engine.plan(d.op, Whole))
	y.activity, y.watch, y.made, y.allWritten = x.activity, nil, made, true
	y.call()
	y.made = nil
	x.free()
	x.release()
	return y
}

// finishFirst writes the first part.
func (d *Delivery) finishFirst(x *execution) {
	target := bufferOf(d.ctx)
	if target != nil {
		x.buf, x.max, x.reserve = target.Bytes[:0], target.Max, target.Reserve
		d.max, d.reserveMemory = target.Max, target.Reserve
	}
	x.finish()
	if d.data = x.buf; target != nil {
		target.Bytes = x.buf
	}
	d.size, d.held = len(x.buf), cap(x.buf)
	d.errs = append(graphql.GetErrors(x.ctx), d.errs...)
	if x.allWritten {
		x.free()
		return
	}
	d.add(x.branches)
	groups, streams := d.integrate(x.records)
	d.pending, d.streams = groups, streams
}

// add takes over the branches of an execution, which writing has found.
func (d *Delivery) add(branches []*branch) {
	for _, b := range branches {
		switch {
		case b == nil:
		case b.part.singly:
			d.branches = append(d.branches, b.elements...)
		default:
			d.branches = append(d.branches, b)
		}
	}
}

// awaitQuiet waits until no branch can go on before a backend answers, and reports whether all of them have ended well.
func (d *Delivery) awaitQuiet() bool {
	d.endFirst()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awaitBackends()
	return !slices.ContainsFunc(d.live, func(b *branch) bool { return !b.activity.over || b.failure != nil })
}

// endFirst records that the first part makes no more calls.
func (d *Delivery) endFirst() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.first.over = true
	d.signal(&d.first)
}

// awaitBackends waits until every branch waits for a backend or is over.
func (d *Delivery) awaitBackends() {
	for i := 0; i < len(d.live); i++ {
		b := d.live[i]
		for !b.activity.over && b.activity.waiting == 0 {
			d.changed.Wait()
		}
	}
}

// enterCall counts a call of a resolver until leave is called. A call of a later part yields first: it does not start
// before the calls of the first part that could start have.
func (x *execution) enterCall(ctx context.Context) (_ context.Context, leave func()) {
	d, a := x.delivery, x.activity
	d.mu.Lock()
	defer d.mu.Unlock()
	for a != &d.first && !d.first.quiet() {
		d.quiet.Wait()
	}
	a.running++
	waits, over := false, false // goroutines that the call left running change nothing
	set := func(waiting bool) {
		if waiting != waits && !over {
			waits = waiting
			a.waiting += map[bool]int{true: 1, false: -1}[waiting]
			a.updateCohort()
			d.signal(a)
		}
	}
	ctx = task.WithWork(ctx, task.Work{Later: a != &d.first, Singly: x.cohort != nil, Waits: func(waiting bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		set(waiting)
	}})
	return ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		set(false)
		over = true
		a.running--
		d.signal(a)
	}
}

// signal wakes the goroutines that wait for the activity: calls of later parts for that of the first, the goroutine
// that takes payloads for that of the others.
func (d *Delivery) signal(a *activity) {
	if a != &d.first {
		d.changed.Signal()
	} else if a.quiet() {
		d.quiet.Broadcast()
	}
}

// busy counts the goroutine of the first part while it prepares calls.
func (x *execution) busy(by int) {
	if x.delivery == nil || x.activity != &x.delivery.first {
		return
	}
	x.delivery.mu.Lock()
	defer x.delivery.mu.Unlock()
	x.activity.running += by
	x.delivery.signal(x.activity)
}

func (d *Delivery) notify() {
	select {
	case d.events <- struct{}{}:
	default:
	}
}

// Data returns the first part.
func (d *Delivery) Data() ([]byte, gqlerror.List) { return d.data, d.errs }

// First returns the first payload's announcements. Where it has no next, the answer is whole.
func (d *Delivery) First() *Payload {
	p := &Payload{HasNext: d.hasNext()}
	d.announce(p, d.pending, d.streams)
	return p
}

func (d *Delivery) hasNext() bool { return len(d.pending)+len(d.streams) > 0 }

// Events has a value when Next may have a payload after it had none.
func (d *Delivery) Events() <-chan struct{} { return d.events }

// Next returns a payload of all that is ready, nil where nothing is.
func (d *Delivery) Next() *Payload {
	p := &Payload{}
	d.mu.Lock()
	d.awaitBackends() // parts that arrive together are one payload
	d.mu.Unlock()
	for d.writeReady() {
		d.complete(p)
	}
	d.complete(p)
	if d.onError == Abort {
		d.abortFailed(p)
	}
	if len(p.Incremental)+len(p.Completed) == 0 {
		return nil
	}
	p.HasNext = d.hasNext()
	return p
}

// abortFailed ends all that is announced where a part failed. Parts that failed for that reason have no error of their
// own.
func (d *Delivery) abortFailed(p *Payload) {
	i := slices.IndexFunc(p.Completed, func(c Completed) bool { return len(c.Errors) > 0 })
	if i < 0 {
		return
	}
	first := p.Completed[i].Errors[:1:1]
	for i := range p.Completed {
		if c := &p.Completed[i]; c.failed && len(c.Errors) == 0 {
			c.Errors = first
		}
	}
	p.Completed = append(p.Completed, d.Abort(first[0]).Completed...)
}

// Abort ends all that is announced with an error, at the path of each where it has none.
func (d *Delivery) Abort(err *gqlerror.Error) *Payload {
	p := &Payload{}
	end := func(id string, path ast.Path, label *string, list bool) {
		at := *err
		if at.Path == nil {
			at.Path = path
		}
		p.Completed = append(p.Completed,
			Completed{ID: id, Path: path, Label: label, List: list, Errors: gqlerror.List{&at}, failed: true})
	}
	for _, g := range d.pending {
		end(g.id, pathOf(g.path), g.label, false)
	}
	for _, s := range d.streams {
		end(s.id, pathOf(s.path), s.label, true)
	}
	d.pending, d.streams = nil, nil
	return p
}

// writeReady writes a branch whose calls are back, and reports whether there was one.
func (d *Delivery) writeReady() bool {
	i := slices.IndexFunc(d.branches, func(b *branch) bool { return len(b.units) == 0 || d.ready(b) })
	if i < 0 {
		return false
	}
	b := d.branches[i]
	d.branches = slices.Delete(d.branches, i, i+1)
	if len(b.units) > 0 {
		d.write(b)
	}
	return true
}

func (d *Delivery) ready(b *branch) bool {
	if !b.launched {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return b.activity.over
}

// integrate takes over the records of the writer, and returns the groups and streams that depend on no other group.
func (d *Delivery) integrate(records []record) (groups []*group, streams []*stream) {
	for _, r := range records {
		switch {
		case r.group != nil:
			g := r.group
			if g.parent == nil {
				groups = append(groups, g)
			} else if g.parent.known {
				g.parent.children = append(g.parent.children, g)
			} else {
				continue
			}
			g.known = true
		case r.unit.stream != nil:
			streams = append(streams, r.unit.stream)
		default:
			d.integrateUnit(r.unit)
		}
	}
	return nonEmpty(groups, nil), streams
}

// integrateUnit adds a deferred object to its groups, and the records in it where it is written.
func (d *Delivery) integrateUnit(u *unit) {
	u.integrated = true
	for _, g := range u.groups {
		if g.known {
			g.units = append(g.units, u)
		}
	}
	if u.written {
		_, u.streams = d.integrate(u.records)
	}
}

// nonEmpty leaves out groups that deliver nothing, in favour of those that depend on them.
func nonEmpty(groups, list []*group) []*group {
	for _, g := range groups {
		if len(g.units) > 0 {
			list = append(list, g)
			continue
		}
		g.known = false
		list = nonEmpty(g.children, list)
	}
	return list
}

func (d *Delivery) announce(p *Payload, groups []*group, streams []*stream) {
	for _, g := range groups {
		g.id = d.nextID()
		p.Pending = append(p.Pending, Pending{g.id, pathOf(g.path), g.label})
	}
	for _, s := range streams {
		s.id = d.nextID()
		p.Pending = append(p.Pending, Pending{s.id, pathOf(s.path), s.label})
	}
}

func (d *Delivery) nextID() string {
	d.ids++
	return strconv.Itoa(d.ids - 1)
}

// complete moves written parts of pending results into the payload, until none is left.
func (d *Delivery) complete(p *Payload) {
	for moved := true; moved; {
		moved = false
		for _, g := range slices.Clone(d.pending) {
			if slices.ContainsFunc(g.units, func(u *unit) bool { return u.failed }) {
				d.fail(p, g)
			} else if !slices.ContainsFunc(g.units, func(u *unit) bool { return !u.written }) {
				d.succeed(p, g)
			} else {
				continue
			}
			moved = true
		}
		for _, s := range slices.Clone(d.streams) {
			if s.units[s.next].written {
				d.advance(p, s)
				moved = true
			}
		}
	}
}

// succeed delivers a group, and announces the parts that depended on it.
func (d *Delivery) succeed(p *Payload, g *group) {
	var found []*stream
	for _, u := range slices.Clone(g.units) {
		p.Incremental = append(p.Incremental, increment(g, u))
		found = append(found, u.streams...)
		for _, other := range u.groups {
			other.units = slices.DeleteFunc(other.units, func(o *unit) bool { return o == u })
		}
	}
	p.Completed = append(p.Completed, Completed{ID: g.id, Path: pathOf(g.path), Label: g.label})
	g.known = false
	d.pending = slices.DeleteFunc(d.pending, func(o *group) bool { return o == g })
	groups := nonEmpty(g.children, nil)
	d.announce(p, groups, found)
	d.pending, d.streams = append(d.pending, groups...), append(d.streams, found...)
}

// increment is a unit as a group delivers it: under the longest path that is announced for it.
func increment(g *group, u *unit) Increment {
	best := g
	for _, other := range u.groups {
		if other.known && other.id != "" && len(other.path) > len(best.path) {
			best = other
		}
	}
	return Increment{ID: best.id, SubPath: pathOf(u.path[len(best.path):]), Path: pathOf(u.path), Label: g.label,
		Data: u.data, Errors: u.errs}
}

// fail ends a group, and the parts that depend on it.
func (d *Delivery) fail(p *Payload, g *group) {
	i := slices.IndexFunc(g.units, func(u *unit) bool { return u.failed })
	p.Completed = append(p.Completed, Completed{ID: g.id, Path: pathOf(g.path), Label: g.label,
		Errors: g.units[i].errs, failed: true})
	d.pending = slices.DeleteFunc(d.pending, func(o *group) bool { return o == g })
	g.forget()
}

func (g *group) forget() {
	g.known = false
	for _, child := range g.children {
		child.forget()
	}
}

// advance delivers the next elements of a stream, as far as they are written.
func (d *Delivery) advance(p *Payload, s *stream) {
	inc := Increment{ID: s.id, Path: append(pathOf(s.path), ast.PathIndex(s.units[s.next].first)), Label: s.label}
	var rest gqlerror.List
	failed := false
	var groups []*group
	var streams []*stream
	for ; s.next < len(s.units) && s.units[s.next].written && !failed; s.next++ {
		u := s.units[s.next]
		items, ending := u.divideErrors()
		inc.Items, inc.Errors = append(inc.Items, u.items...), append(inc.Errors, items...)
		rest, failed = ending, u.failed
		g, f := d.integrate(u.records)
		groups, streams = append(groups, g...), append(streams, f...)
	}
	if len(inc.Items) > 0 {
		p.Incremental = append(p.Incremental, inc)
	}
	if failed || s.next == len(s.units) {
		p.Completed = append(p.Completed,
			Completed{ID: s.id, Path: pathOf(s.path), Label: s.label, List: true, Errors: rest, failed: failed})
		d.streams = slices.DeleteFunc(d.streams, func(o *stream) bool { return o == s })
	}
	d.announce(p, groups, streams)
	d.pending, d.streams = append(d.pending, groups...), append(d.streams, streams...)
}

// divideErrors returns the errors of the elements that are delivered, and those that end the list.
func (u *unit) divideErrors() (items, rest gqlerror.List) {
	if !u.failed {
		return u.errs, nil
	}
	for _, err := range u.errs {
		if at := len(u.path); len(err.Path) > at {
			if i, ok := err.Path[at].(ast.PathIndex); ok && int(i) < u.first+len(u.items) {
				items = append(items, err)
				continue
			}
		}
		rest = append(rest, err)
	}
	return items, rest
}

func pathOf(steps []step) ast.Path {
	path := make(ast.Path, len(steps))
	for i, s := range steps {
		if s.key != "" {
			path[i] = ast.PathName(s.key)
		} else {
			path[i] = ast.PathIndex(s.index)
		}
	}
	return path
}

// remaining is how large the rest of the answer may be; 0 is any size.
func (d *Delivery) remaining() int {
	if d.max <= 0 {
		return 0
	}
	return max(d.max-d.size, 1)
}

// reserve reserves memory for a later part in addition to that of the earlier ones.
func (d *Delivery) reserve(bytes int) error {
	if d.reserveMemory == nil {
		return nil
	}
	return d.reserveMemory(d.held + bytes)
}
