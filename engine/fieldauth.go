package engine

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// fieldAuth is the decision of the operation's field middleware on one field of the plan.
type fieldAuth struct {
	asked bool
	err   error
}

// refusal asks the middleware once about the field and returns its error. The middleware sees no values, since there
// are many; those of a call it sees when the call is made.
func (x *execution) refusal(f *Field) error {
	if x.op.ResolverMiddleware == nil || f.Kind == Constant || f.Kind == Resolve {
		return nil
	}
	g := &x.auths[f.id]
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

// permits reports whether the field may be read, and records its error where not.
func (x *execution) permits(f *Field) bool {
	if err := x.refusal(f); err != nil {
		return x.fail(f, err)
	}
	return true
}
