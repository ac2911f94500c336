package engine

import (
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// argumentError is an argument that could not be decoded. Its place is the field's: gqlgen's decoders know only the
// argument's own name.
type argumentError struct{ error }

func (e *argumentError) Unwrap() error { return e.error }

// fail notes the error of the field, or of an element of it, that is written now. It returns false, which is what the
// writer of a failed value returns.
func (x *execution) fail(f *Field, err error) bool {
	if list, ok := err.(gqlerror.List); ok {
		for _, e := range list {
			if e != nil {
				graphql.AddError(x.ctx, x.located(f, e))
			}
		}
		return false
	}
	graphql.AddError(x.ctx, x.located(f, err))
	return false
}

// located wraps err with the path and the location. What a resolver gave as a GraphQL error keeps its message and
// extensions, and its own path where it has one.
func (x *execution) located(f *Field, err error) *gqlerror.Error {
	out := &gqlerror.Error{Err: err, Message: err.Error()}
	var own *gqlerror.Error
	if errors.As(err, &own) && own != nil {
		out.Message, out.Extensions, out.Rule = own.Message, own.Extensions, own.Rule
		out.Path, out.Locations = own.Path, own.Locations
	}
	var argument *argumentError
	if out.Path == nil || errors.As(err, &argument) {
		out.Path = x.responsePath()
	}
	if pos := f.Source.Position; out.Locations == nil && pos != nil && pos.Line > 0 {
		out.Locations = []gqlerror.Location{{Line: pos.Line, Column: pos.Column}}
	}
	return out
}

func (x *execution) responsePath() ast.Path {
	path := make(ast.Path, len(x.path))
	for i, s := range x.path {
		if s.key != "" {
			path[i] = ast.PathName(s.key)
		} else {
			path[i] = ast.PathIndex(s.index)
		}
	}
	return path
}

// recovered makes the error of a panic.
func (x *execution) recovered(p any) error {
	if x.op.RecoverFunc != nil {
		return x.op.RecoverFunc(x.ctx, p)
	}
	return graphql.DefaultRecover(x.ctx, p)
}
