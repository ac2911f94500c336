package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/vektah/gqlparser/v2/ast"
)

// call is one call of a resolver: all the fields of a level with the same binding and equal arguments.
type call struct {
	fields  []*Field
	args    map[string]any
	waiting int // fields whose parents are not known yet
	parents []Parent
	group   *loader.BatchGroup // of the calls of the class that go out at once; nil where it is alone

	values []any
	errs   []error // per parent, or nil
	err    error   // of all parents
}

// outcome is a call's result for one of its fields.
type outcome struct {
	*call
	at []int32 // of each of the field's parents the place among the call's; nil where they are the same
}

// parentIndex is the field's parent i among the call's.
func (o *outcome) parentIndex(i int) int {
	if o.at != nil {
		return int(o.at[i])
	}
	return i
}

// item returns the call's result for the field's parent i.
func (o *outcome) item(i int) (any, error) {
	if o.call == nil || o.values == nil && o.err == nil {
		return nil, errAborted // it was not made
	}
	if o.err != nil {
		return nil, o.err
	}
	i = o.parentIndex(i)
	if o.errs != nil && o.errs[i] != nil && !isPartial(o.errs[i]) {
		return nil, o.errs[i]
	}
	return o.values[i], nil
}

// partialErrorAt returns the error that accompanies the result for the field's parent i, if there is one.
func (o *outcome) partialErrorAt(i int) error {
	if o.err != nil || o.errs == nil {
		return nil
	}
	if err := o.errs[o.parentIndex(i)]; err != nil && isPartial(err) {
		return err
	}
	return nil
}

// isPartial reports whether an error accompanies a value, as the error of a list does that lacks some of its nodes.
// Such an error has a method IsPartial.
func isPartial(err error) bool {
	var partial interface{ IsPartial() }
	return errors.As(err, &partial)
}

// run makes the calls of a segment. A call starts as soon as all its parents are known, and the fields below it
// continue as soon as it is back. Only the goroutine that calls run reads values and touches x.
func (x *execution) run(fields []*Field) {
	ready := x.groupIntoCalls(fields)
	running := 0
	var back chan *call // nil where one call after the other is made
	defer func() {
		for ; running > 0; running-- {
			c := <-back
			c.err = errAborted // another call ended the operation
		}
	}()
	for {
		x.awaitCohort(ready)
		if running == 0 && (len(ready) == 1 || x.inOrder && len(ready) > 0) {
			c := ready[0]
			ready = slices.Delete(ready, 0, 1)
			x.busy(-1)
			x.invoke(c)
			x.busy(1)
			ready = x.complete(c, ready)
			if x.aborts(c) {
				return
			}
			continue
		}
		x.groupCalls(ready)
		if back == nil && len(ready) > 0 {
			back = make(chan *call, 1)
		}
		for _, c := range ready {
			running++
			x.invokeAside(c, back)
		}
		ready = ready[:0]
		if running == 0 {
			return
		}
		x.busy(-1)
		c := <-back
		x.busy(1)
		running--
		if ready = x.complete(c, ready); x.aborts(c) {
			return
		}
	}
}

// invokeAside calls the resolver in a goroutine of its own, which then sends the call back.
func (x *execution) invokeAside(c *call, back chan<- *call) {
	task.Go(func() error {
		x.invoke(c)
		return nil
	}, func(err error) {
		if err != nil {
			c.err = err
		}
		back <- c
	})
}

// groupCalls joins the calls of one class, which differ in their arguments, into groups: their loads are one batch.
func (x *execution) groupCalls(ready []*call) {
	if len(ready) < 2 || x.cohort != nil || x.plan.classes == x.plan.calls {
		return
	}
	joinByClass(ready)
}

// groupIntoCalls joins the fields to calls, and returns those that can go out.
func (x *execution) groupIntoCalls(fields []*Field) (ready []*call) {
	calls := make([]call, 0, len(fields))
	for i, f := range fields {
		args, err := x.arguments(f)
		var c *call
		if err == nil {
			c = x.sameArguments(calls, f, args)
		}
		if c == nil {
			calls = append(calls, call{fields: fields[i : i+1 : i+1], args: args, err: err})
			c = &calls[len(calls)-1]
		} else {
			c.fields = append(c.fields, f)
		}
		if f.caller != nil {
			c.waiting++
		}
		x.outcomes[f.slot].call = c
	}
	for i := range calls {
		if calls[i].waiting == 0 {
			ready = x.start(&calls[i], ready)
		}
	}
	return ready
}

func (x *execution) sameArguments(calls []call, f *Field, args map[string]any) *call {
	if x.plan.classes == x.plan.calls {
		return nil
	}
	for i := range calls {
		if calls[i].fields[0].class == f.class && calls[i].err == nil && reflect.DeepEqual(calls[i].args, args) {
			return &calls[i]
		}
	}
	return nil
}

// arguments decodes the field's arguments.
func (x *execution) arguments(f *Field) (map[string]any, error) {
	if f.static {
		return f.args, f.argsErr
	}
	return x.plan.arguments(x.ctx, f, x.op)
}

// start gathers the parents of a call. One without parents is settled at once.
func (x *execution) start(c *call, ready []*call) []*call {
	x.dedupeParents(c)
	if len(c.parents) == 0 {
		return x.complete(c, ready)
	}
	return append(ready, c)
}

// dedupeParents joins the parents of all fields; one that is there twice is asked for once.
func (x *execution) dedupeParents(c *call) {
	if first := x.parents(c.fields[0]); len(c.fields) == 1 && len(first) <= 1 {
		c.parents = first
		return
	}
	total := 0
	for _, f := range c.fields {
		total += len(x.parents(f))
	}
	c.parents = make([]Parent, 0, total)
	seen := make(map[Parent]int32, total)
	at := make([]int32, total)
	for _, f := range c.fields {
		parents := x.parents(f)
		x.outcomes[f.slot].at, at = at[:len(parents):len(parents)], at[len(parents):]
		for i, p := range parents {
			n, ok := seen[p]
			if !ok {
				n = int32(len(c.parents))
				seen[p] = n
				c.parents = append(c.parents, p)
			}
			x.outcomes[f.slot].at[i] = n
		}
	}
}

func (x *execution) parents(f *Field) []Parent { return x.columns[f.selection.slot].parents }

// invoke calls the resolver. It runs in parallel with other calls and touches nothing but c.
func (x *execution) invoke(c *call) {
	if x.recall(c) {
		return
	}
	ctx := x.ctx
	if c.group != nil {
		var leave func()
		ctx, leave = c.group.Enter(ctx)
		defer leave()
	}
	if x.delivery != nil {
		var leave func()
		ctx, leave = x.enterCall(ctx)
		defer leave()
	}
	if c.err != nil {
		c.err = &argumentError{c.err}
		return
	}
	if c.err = ctx.Err(); c.err != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			c.err = x.recovered(p)
		}
	}()
	ctx = x.resolverContext(ctx, c)
	if x.watch != nil {
		var done func()
		ctx, done = x.watch(ctx, c.fields[0].Object, c.fields[0].Name, len(c.parents))
		defer done()
	}
	if x.op.ResolverMiddleware == nil {
		c.accept(c.fields[0].binding.Resolve(ctx, c.parents, c.args))
		return
	}
	var values []any
	result, err := x.op.ResolverMiddleware(ctx, func(ctx context.Context) (any, error) {
		var err error
		values, err = c.fields[0].binding.Resolve(ctx, c.parents, c.args)
		if c.fields[0].root && len(values) == 1 {
			return values[0], err
		}
		return values, err
	})
	if c.fields[0].root && err == nil {
		values = []any{result}
	}
	c.accept(values, err)
}

// accept checks that the resolver returned a result or an error per parent.
func (c *call) accept(values []any, err error) {
	batch, ok := err.(graphql.BatchErrors)
	if err != nil && !ok {
		c.err = err
		return
	}
	f := c.fields[0]
	if len(values) != len(c.parents) {
		c.err = fmt.Errorf("batch resolver %s.%s returned %d results for %d parents", f.Object, f.Name, len(values),
			len(c.parents))
		return
	}
	c.values = values
	if ok {
		if c.errs = batch.Errors(); len(c.errs) != len(c.parents) {
			c.err = fmt.Errorf("batch resolver %s.%s returned %d errors for %d parents", f.Object, f.Name, len(c.errs),
				len(c.parents))
		}
	}
}

// resolverContext makes gqlgen's field context for the resolver, as far as one call for many parents has such a thing:
// the path is the plan's, without indices, and the selections are those of all fields of the call.
func (x *execution) resolverContext(ctx context.Context, c *call) context.Context {
	f := c.fields[0]
	field := f.collected()
	if len(c.fields) > 1 {
		field.Selections = append(ast.SelectionSet(nil), field.Selections...)
		for _, other := range c.fields[1:] {
			field.Selections = append(field.Selections, other.merged...)
		}
	}
	fc := &graphql.FieldContext{Object: f.Object, Field: field, Args: c.args, IsMethod: true, IsResolver: true}
	ctx = graphql.WithFieldContext(ctx, fc)
	fc.Parent = f.parent
	return ctx
}

// complete collects the parents below a call that is back, and starts the calls that waited for them.
func (x *execution) complete(c *call, ready []*call) []*call {
	for _, f := range c.fields {
		if len(f.Next) == 0 && len(f.below) == 0 {
			continue
		}
		o := &x.outcomes[f.slot]
		for i := range x.parents(f) {
			if v, err := o.item(i); err == nil {
				x.collect(f, f.Type, v)
			}
		}
		x.launch(f.below)
		for _, next := range f.Next {
			n := x.outcomes[next.slot].call
			if n.waiting--; n.waiting == 0 {
				ready = x.start(n, ready)
			}
		}
	}
	return ready
}
