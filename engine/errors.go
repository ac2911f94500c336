package engine

import (
	"errors"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// argumentError is an argument that could not be decoded. Its place is the field's: gqlgen's decoders know only the
// argument's own name.
type argumentError struct{ error }

func (e *argumentError) Unwrap() error { return e.error }

// FieldError names the schema position of a field's error: the object type and the field, followed by [] for each list
// that the value was an element of. It holds no value and no place in the answer.
type FieldError struct {
	Object, Field string
	Err           error
}

func (e *FieldError) Error() string { return e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// fail notes the error of the field, or of an element of it, that is written now. It returns false, as the writer of a
// failed value does.
func (x *execution) fail(f *Field, err error) bool {
	if x.onError == Abort {
		if errors.Is(err, errAborted) || x.stopped {
			return false
		}
		x.stopped = true
	}
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

// located wraps err with the path and the location. A GraphQL error from a resolver keeps its message and extensions,
// and its own path where it has one.
func (x *execution) located(f *Field, err error) *gqlerror.Error {
	out := &gqlerror.Error{Err: &FieldError{f.Object, f.Name + x.lists(), err}, Message: err.Error()}
	var own *gqlerror.Error
	if errors.As(err, &own) && own != nil {
		out.Message, out.Extensions, out.Rule = own.Message, own.Extensions, own.Rule
		out.Path, out.Locations = own.Path, own.Locations
	}
	var argument *argumentError
	if out.Path == nil || errors.As(err, &argument) {
		out.Path = pathOf(x.path)
	}
	if pos := f.Source.Position; out.Locations == nil && pos != nil && pos.Line > 0 {
		out.Locations = []gqlerror.Location{{Line: pos.Line, Column: pos.Column}}
	}
	return out
}

// lists is [] for each list that the value which is written now is an element of.
func (x *execution) lists() string {
	n := 0
	for n < len(x.path) && x.path[len(x.path)-1-n].key == "" {
		n++
	}
	return strings.Repeat("[]", n)
}

// recovered makes the error of a panic.
func (x *execution) recovered(p any) error {
	if x.op.RecoverFunc != nil {
		return x.op.RecoverFunc(x.ctx, p)
	}
	return graphql.DefaultRecover(x.ctx, p)
}
