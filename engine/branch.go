package engine

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/task"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// branch is the execution of a part, for all objects or lists that have it at one place of the plan. Its calls run in a
// goroutine of their own, so that no other part waits for them; it is written by the goroutine that takes payloads.
type branch struct {
	part     *part
	x        *execution         // from when its calls start, or it is written
	collect  []func(*execution) // collects the parents of its calls, one function per object or list
	units    []*unit            // in the order in which collect has them
	activity activity
	failure  error // a panic of its goroutine
	launched bool

	elements []*branch // in place of all else, one for each element of a part that is delivered singly
	visited  int       // of elements, by writing
}

// unit is one deferred object, or the later elements of one list.
type unit struct {
	path      []step
	scope     *enclosure
	discarded bool // it is below a null

	object  func(*execution, *Selection) bool  // writes the object
	element func(*execution, *Field, int) bool // writes an element of the list
	first   int                                // element
	count   int                                // of elements, those of the first part included
	records []record                           // in it, once it is written
	data    []byte                             // of the object
	items   [][]byte                           // of the list
	errs    gqlerror.List
	failed  bool // a null passed its bounds
	written bool

	groups     []*group  // that deliver the object
	integrated bool      // the groups know it
	streams    []*stream // in the object
	stream     *stream   // that delivers the list
}

// enclosure are the groups of the @defers around a place.
type enclosure struct {
	deferral *deferral
	group    *group
	outer    *enclosure
}

// of returns the group of a @defer, nil for none.
func (e *enclosure) of(d *deferral) *group {
	for ; e != nil; e = e.outer {
		if e.deferral == d {
			return e.group
		}
	}
	return nil
}

// record is a part that the writer left for later: a group that begins, or a unit.
type record struct {
	group *group
	unit  *unit
}

func (x *execution) branch(p *part) *branch {
	b := x.branches[p.slot]
	if b == nil {
		b = &branch{part: p}
		x.branches[p.slot] = b
	}
	return b
}

// initialCount is how many elements of a streamed list the first part has.
func (x *execution) initialCount(f *Field) (int, error) {
	d := f.Source.Directives.ForName("stream")
	definition := x.schema.Directives["stream"]
	if definition == nil {
		return 0, nil
	}
	v, _, err := coerce.Argument(x.schema, definition.Arguments.ForName("initialCount"), d.Arguments, x.op.Variables)
	if err != nil {
		return 0, &argumentError{err}
	}
	n, err := graphql.UnmarshalInt(v)
	if err != nil || n < 0 {
		return 0, &argumentError{errNegative}
	}
	return n, nil
}

var errNegative = coerce.Input("must not be negative", "@stream", "initialCount")

// collectElements visits the first elements of a list, and leaves the others to their branch.
func (x *execution) collectElements(f *Field, n int, visit func(x *execution, f *Field, i int)) {
	first, err := x.initialCount(f)
	if err != nil {
		return
	}
	for i := range min(n, first) {
		visit(x, f, i)
	}
	if n <= first {
		return
	}
	b := x.branch(f.stream)
	if f.stream.singly {
		for i := first; i < n; i++ {
			element := func(y *execution) { visit(y, f.stream.plan.element, i) }
			b.elements = append(b.elements, &branch{part: f.stream, collect: []func(*execution){element}})
		}
		return
	}
	b.collect = append(b.collect, func(y *execution) {
		for i := first; i < n; i++ {
			visit(y, b.part.plan.element, i)
		}
	})
}

// launch starts the calls of branches whose parents are known.
func (x *execution) launch(parts []*part) {
	for _, p := range parts {
		if b := x.branches[p.slot]; b != nil && !b.launched {
			x.delivery.run(b, x.cohort)
		}
	}
}

// run makes the calls of a branch, or of each of its elements. outer is the cohort of the branch around it.
func (d *Delivery) run(b *branch, outer *cohort) {
	b.launched = true
	if !b.part.singly && outer == nil {
		d.begin(b)
		return
	}
	branches := []*branch{b}
	if b.part.singly {
		branches = b.elements
	}
	d.mu.Lock()
	c := outer.of(b.part)
	for _, e := range branches {
		e.launched, e.activity.cohort = true, c
		e.activity.updateCohort()
	}
	d.mu.Unlock()
	for _, e := range branches {
		d.begin(e)
	}
}

// begin makes the calls of a branch in a goroutine of its own.
func (d *Delivery) begin(b *branch) {
	d.mu.Lock()
	d.live = append(d.live, b)
	d.mu.Unlock()
	b.x = d.execution(d.ctx, b.part.plan)
	b.x.activity, b.x.cohort = &b.activity, b.activity.cohort
	task.Go(func() error {
		for _, collect := range b.collect {
			collect(b.x)
		}
		b.x.launch(b.part.plan.ready)
		for _, segment := range b.part.plan.segments {
			b.x.run(segment)
		}
		return nil
	}, func(err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		b.failure, b.activity.over = err, true
		b.activity.updateCohort()
		d.signal(&b.activity)
		d.notify()
	})
}

// execution returns one for a plan of the operation, with errors of its own.
func (d *Delivery) execution(ctx context.Context, p *Plan) *execution {
	x := d.engine.execution(d.reporting(ctx), d.op)
	x.onError, x.delivery = d.onError, d
	x.prepare(p)
	return x
}

// reporting returns a context with errors of its own.
func (d *Delivery) reporting(ctx context.Context) context.Context {
	return graphql.WithResponseContext(ctx, d.opts.Present, func(ctx context.Context, p any) error {
		return graphql.DefaultRecover(ctx, p)
	})
}

// writeSplit writes an object whose parts are delivered apart. field writes one of its fields, object all that another
// selection has of it.
func (x *execution) writeSplit(s *Selection, row int, field func(x *execution, f *Field, row int) bool,
	object func(*execution, *Selection) bool) bool {
	if x.allWritten {
		return x.writeAll(s, row, field)
	}
	outer := x.scope
	for _, d := range s.split.deferrals {
		g := &group{path: x.pathCopy(), label: d.label, parent: x.scope.of(d.parent)}
		x.scope = &enclosure{d, g, x.scope}
		x.records = append(x.records, record{group: g})
	}
	for _, p := range s.split.parts {
		u := &unit{path: x.pathCopy(), scope: x.scope, object: object}
		for _, d := range p.usages {
			u.groups = append(u.groups, x.scope.of(d))
		}
		x.leave(p, u)
	}
	ok := true
	x.buf = append(x.buf, '{')
	for _, f := range s.Fields {
		if x.full() {
			return false
		}
		x.buf = append(x.buf, f.prefix...)
		ok = x.writeMember(f, func() bool { return field(x, f, row) }) && ok
	}
	x.buf = append(x.buf, '}')
	x.scope = outer
	return ok
}

// writeMember writes the value of a field behind its name.
func (x *execution) writeMember(f *Field, value func() bool) bool {
	start, mark := len(x.buf), len(x.records)
	x.path = append(x.path, step{key: f.Key})
	ok := x.permits(f) && value() || x.retract(f.Type, start, mark)
	x.path = x.path[:len(x.path)-1]
	return ok
}

// leave leaves a unit to the branch of its part.
func (x *execution) leave(p *part, u *unit) {
	b := x.branch(p)
	b.units = append(b.units, u)
	x.records = append(x.records, record{unit: u})
}

// writeAll writes an object with all its parts, in the order in which the operation selects its fields.
func (x *execution) writeAll(s *Selection, row int, field func(x *execution, f *Field, row int) bool) bool {
	rows := make([]int, len(s.split.parts))
	for i, p := range s.split.parts {
		rows[i] = x.forBranch(x.branch(p)).row(p.plan.Root)
	}
	ok := true
	x.buf = append(x.buf, '{')
	for i, piece := range s.split.order {
		if x.full() {
			return false
		}
		if i > 0 {
			x.buf = append(x.buf, ',')
		}
		x.buf = append(x.buf, piece.field.name()...)
		y, r := x, row
		for j, p := range s.split.parts {
			if p == piece.part {
				y, r = x.forBranch(x.branch(p)), rows[j]
			}
		}
		ok = x.with(y, func() bool { return y.writeMember(piece.field, func() bool { return field(y, piece.field, r) }) }) &&
			ok
	}
	x.buf = append(x.buf, '}')
	return ok
}

// name is the response key without the comma in front.
func (f *Field) name() []byte {
	if f.prefix[0] == ',' {
		return f.prefix[1:]
	}
	return f.prefix
}

// forBranch returns the execution of a branch, which is written into the answer of x.
func (x *execution) forBranch(b *branch) *execution {
	if b.x == nil {
		b.x = x.delivery.execution(x.ctx, b.part.plan)
	}
	if !b.x.allWritten {
		b.x.allWritten = true
		x.delivery.errs = append(x.delivery.errs, graphql.GetErrors(b.x.ctx)...) // of resolvers
	}
	return b.x
}

// free releases the executions of the parts that were written into the answer of x.
func (x *execution) free() {
	for _, b := range x.branches {
		if b != nil {
			b.free()
		}
	}
}

func (b *branch) free() {
	for _, e := range b.elements {
		e.free()
	}
	if b.x != nil {
		b.x.free()
		b.x.path = nil // which it shares with the one that it was lent to
		b.x.release()
	}
}

// with lets y write where x writes.
func (x *execution) with(y *execution, write func() bool) bool {
	if x == y {
		return write()
	}
	y.output, y.ctx = x.output, x.ctx
	ok := write()
	x.output = y.output
	return ok
}

// streamElements writes the first elements of a list, and leaves the others to their branch.
func (x *execution) streamElements(f *Field, n int, element func(x *execution, f *Field, i int) bool) bool {
	first, err := x.initialCount(f)
	if err != nil {
		return x.fail(f, err)
	}
	if x.allWritten {
		return x.elements(f.Type, n, func(i int) bool {
			if i < first {
				return element(x, f, i)
			}
			y := x.forBranch(x.elementBranch(f.stream))
			return x.with(y, func() bool { return element(y, f.stream.plan.element, i) })
		})
	}
	if n > first {
		x.leaveElements(f, first, n, element)
	}
	return x.elements(f.Type, min(n, first), func(i int) bool { return element(x, f, i) })
}

// leaveElements leaves the elements of a list from the first to the one before n to their branches.
func (x *execution) leaveElements(f *Field, first, n int, element func(x *execution, f *Field, i int) bool) {
	s := &stream{path: x.pathCopy(), label: f.stream.label}
	for i := first; i < n; i++ {
		u := &unit{path: s.path, scope: x.scope, element: element, first: i, count: n, stream: s}
		if f.stream.singly {
			u.count = i + 1
		}
		i = u.count - 1
		b := x.elementBranch(f.stream)
		b.units = append(b.units, u)
		s.units = append(s.units, u)
	}
	x.records = append(x.records, record{unit: s.units[0]})
}

// elementBranch returns the branch of the next element that writing meets, or that of all elements.
func (x *execution) elementBranch(p *part) *branch {
	b := x.branch(p)
	if !p.singly {
		return b
	}
	b.visited++
	return b.elements[b.visited-1]
}

func (x *execution) pathCopy() []step { return append([]step(nil), x.path...) }

// write writes the units of a branch whose calls are back.
func (d *Delivery) write(b *branch) {
	if b.x == nil {
		b.x = d.execution(d.ctx, b.part.plan)
	}
	x := b.x
	b.x = nil
	x.max, x.reserve = d.remaining(), d.reserve
	early := graphql.GetErrors(x.ctx) // of resolvers
	for _, u := range b.units {
		x.ctx = d.reporting(d.ctx)
		x.records, x.scope = nil, u.scope
		x.path = append(x.path[:0], u.path...)
		d.writeUnit(x, b, u)
		u.errs = append(early, graphql.GetErrors(x.ctx)...)
		u.records, early = x.records, nil
		if u.discarded || u.failed && u.stream == nil {
			u.records = truncateRecords(u.records, 0)
		}
		if u.written = true; u.integrated {
			_, u.streams = d.integrate(u.records)
		}
	}
	d.size += len(x.buf)
	d.held += cap(x.buf)
	d.add(x.branches)
	x.release()
}

func (d *Delivery) writeUnit(x *execution, b *branch, u *unit) {
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(x.ctx, x.recovered(p))
			u.failed = true
		}
	}()
	if b.failure != nil {
		graphql.AddError(x.ctx, b.failure)
		u.failed = true
		return
	}
	if u.object != nil {
		start := len(x.buf)
		u.failed = !u.object(x, b.part.plan.Root) || x.isOverLimit() || x.stopped
		u.data = x.buf[start:len(x.buf):len(x.buf)]
		return
	}
	f := b.part.plan.element
	for i := u.first; i < u.count; i++ {
		start, mark := len(x.buf), len(x.records)
		x.path = append(x.path[:len(u.path)], step{index: i})
		ok := u.element(x, f, i) || x.retract(f.Type.Elem, start, mark)
		if u.failed = u.failed || !ok || x.isOverLimit(); u.failed {
			x.records = truncateRecords(x.records, mark)
		} else {
			u.items = append(u.items, x.buf[start:len(x.buf):len(x.buf)])
		}
	}
}

// truncateRecords returns the records up to mark; the parts of those behind it are not delivered.
func truncateRecords(records []record, mark int) []record {
	for _, r := range records[mark:] {
		if r.unit != nil {
			r.unit.discard()
		}
	}
	return records[:mark]
}

func (u *unit) discard() {
	u.discarded = true
	if u.stream != nil {
		for _, other := range u.stream.units {
			other.discarded = true
		}
	}
}

// isOverLimit reports whether the answer is larger than it may be, and records that.
func (x *execution) isOverLimit() bool {
	if x.full(); !x.overflows() {
		return x.stopped
	}
	if x.memoryError != nil {
		graphql.AddError(x.ctx, x.memoryError)
	} else {
		graphql.AddError(x.ctx, &SizeError{x.reached, x.max})
	}
	return true
}
