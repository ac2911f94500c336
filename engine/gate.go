package engine

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// gate is what the operation's field middleware said of one field of the plan.
type gate struct {
	asked bool
	err   error
}

// gate asks the middleware once whether the field may be read. It cannot see the values, of which there are many; those of
// a call it sees when the call is made.
func (x *execution) gate(f *Field) error {
	if x.op.ResolverMiddleware == nil || f.Kind == Constant || f.Kind == Resolve {
		return nil
	}
	g := &x.gates[f.id]
	if !g.asked {
		g.asked, g.err = true, x.ask(f)
	}
	return g.err
}

func (x *execution) ask(f *Field) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = x.recovered(p)
		}
	}()
	fc := &graphql.FieldContext{Object: f.Object, Field: f.collected(), Args: f.args, IsMethod: true}
	if f.Kind == Page {
		fc.Args = x.pageArgs(f).args
	}
	ctx := graphql.WithFieldContext(x.ctx, fc)
	fc.Parent = f.parent
	_, err = x.op.ResolverMiddleware(ctx, func(context.Context) (any, error) { return nil, nil })
	return err
}

// passes notes the error of a field that may not be read.
func (x *execution) passes(f *Field) bool {
	if err := x.gate(f); err != nil {
		return x.fail(f, err)
	}
	return true
}
