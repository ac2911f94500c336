package engine

import (
	"errors"
	"reflect"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// madeCalls are the calls that an operation in parts has made, for the execution of the whole operation, which makes
// none of them again.
type madeCalls struct {
	calls map[madeKey][]*call
	errs  gqlerror.List // that resolvers added to their context
}

// madeKey is the resolver of a call and, in a mutation, the response key of the write that it follows: a value read
// after one write may differ from the same value read after the next.
type madeKey struct {
	binding *Binding
	write   string
}

// result is the place of a result in a call.
type result struct {
	*call
	at int
}

// add adds the calls of an execution and of its branches, which follow a write unless they are those of the operation.
func (m *madeCalls) add(x *execution, write string) {
	for _, err := range graphql.GetErrors(x.ctx) {
		m.addError(err)
	}
	for _, segment := range x.plan.segments {
		for _, f := range segment {
			key := write
			if key == "" {
				key = f.write(x.op.Operation)
			}
			if made := x.outcomes[f.slot].call; wasMade(made) {
				at := madeKey{f.binding, key}
				m.calls[at] = append(m.calls[at], made)
			}
			m.addParts(x, f.below, key)
		}
	}
	m.addParts(x, x.plan.ready, write)
}

func wasMade(c *call) bool {
	return c != nil && (c.values != nil || c.err != nil && !errors.Is(c.err, errAborted))
}

func (m *madeCalls) addParts(x *execution, parts []*part, write string) {
	for _, p := range parts {
		if b := x.branches[p.slot]; b != nil {
			m.addBranch(b, write)
		}
	}
}

func (m *madeCalls) addBranch(b *branch, write string) {
	if b.x != nil {
		m.add(b.x, write)
	}
	for _, e := range b.elements {
		m.addBranch(e, write)
	}
}

// addError adds an error. Parts that have a field in common have its error as well.
func (m *madeCalls) addError(err *gqlerror.Error) {
	same := func(e *gqlerror.Error) bool { return e.Message == err.Message && reflect.DeepEqual(e.Path, err.Path) }
	if !slices.ContainsFunc(m.errs, same) {
		m.errs = append(m.errs, err)
	}
}

// write returns the response key of the write that a call is or follows, "" in a query.
func (f *Field) write(op *ast.OperationDefinition) string {
	if op.Operation != ast.Mutation {
		return ""
	}
	for f.caller != nil {
		f = f.caller
	}
	return f.Key
}

// recall takes over the results of calls that were made for the same parents, and reports whether there are all of
// them. A write is not made again.
func (x *execution) recall(c *call) bool {
	if x.made == nil || c.err != nil {
		return false
	}
	first := c.fields[0]
	isWrite := first.root && x.op.Operation.Operation == ast.Mutation
	results := map[Parent]result{}
	for _, made := range x.made.calls[madeKey{first.binding, first.write(x.op.Operation)}] {
		if isWrite || reflect.DeepEqual(made.args, c.args) {
			for i, p := range made.parents {
				results[p] = result{made, i}
			}
		}
	}
	values, errs := make([]any, len(c.parents)), []error(nil)
	for i, p := range c.parents {
		r, ok := results[p]
		if !ok {
			c.err = map[bool]error{true: errAborted}[isWrite]
			return isWrite
		}
		var err error
		if values[i], err = r.get(); err != nil {
			errs = append(errs, make([]error, len(c.parents)-len(errs))...)
			errs[i] = err
		}
	}
	c.values, c.errs = values, errs
	return true
}

func (r result) get() (v any, err error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.errs != nil {
		err = r.errs[r.at]
	}
	return r.values[r.at], err
}
