package resolvers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// userErrors are the mistakes that the caller of a mutation can correct. Any other failure stays an error.
func userErrors(err error) ([]*model.UserError, error) {
	none := []*model.UserError{}
	var input *scalar.InputError
	var refused *upstream.Error
	switch {
	case err == nil:
		return none, nil
	case errors.As(err, &input):
		return []*model.UserError{{Code: "BAD_USER_INPUT", Message: input.Error(), Path: inputPath(input.Path...)}}, nil
	case !errors.As(err, &refused):
		return none, err
	}
	switch {
	case refused.Kind == upstream.NotFound:
		return []*model.UserError{{Code: "NOT_FOUND", Message: "the record that by names does not exist",
			Path: inputPath("by")}}, nil
	case refused.Kind == upstream.Rejected && refused.Status == http.StatusForbidden &&
		refused.Backend == upstream.Coassemble:
		return []*model.UserError{{Code: "PLAN_REQUIRED",
			Message: "the Coassemble plan of this server does not include this operation"}}, nil
	case refused.Kind == upstream.Invalid:
		return refusedInput(refused), nil
	}
	return none, err
}

// refusedInput names the parts of the input that the backend does not accept.
func refusedInput(err *upstream.Error) []*model.UserError {
	if len(err.Details) == 0 {
		return []*model.UserError{{Code: "BAD_USER_INPUT", Message: "the backend does not accept this input",
			Path: inputPath()}}
	}
	list := make([]*model.UserError, len(err.Details))
	for i, d := range err.Details {
		path := inputPath(strings.Split(d.Param, ".")...)
		if d.Location == "params" {
			path = inputPath("by")
		}
		message := "the backend does not accept this input"
		if len(path) > 1 {
			message = strings.Join(path[1:], ".") + " is not accepted by the backend"
		}
		list[i] = &model.UserError{Code: "BAD_USER_INPUT", Message: message, Path: path}
	}
	return list
}

// inputPath leads from the mutation's argument on.
func inputPath(path ...string) []string {
	if len(path) > 0 && path[0] == "input" {
		return path
	}
	full := []string{"input"}
	for _, p := range path {
		if p != "" {
			full = append(full, p)
		}
	}
	return full
}

// deletedID is the id of the deleted record, null where there is none.
func deletedID(t scalar.NodeType, key string, err error) *string {
	if err != nil {
		return nil
	}
	id := scalar.EncodeID(t, key)
	return &id
}

// withUserErrors returns a payload with the mistakes that its caller can correct, or null with any other error.
func withUserErrors[T any](payload *T, list *[]*model.UserError, err error) (*T, error) {
	if *list, err = userErrors(err); err != nil {
		return nil, err
	}
	return payload, nil
}

// reread reads an object after it was written. Where that fails the payload stays, with the object null and an error in
// its place: a failed payload would mean that the write failed.
func reread[V any](ctx context.Context, l *loader.Loader[string, V], key, field string) V {
	v, err := load(ctx, l, key)
	addFieldError(ctx, field, err)
	return v
}

// addFieldError adds an error of a field below the one that is being resolved; nil adds none.
func addFieldError(ctx context.Context, field string, err error) {
	if err != nil {
		path := append(slices.Clone(graphql.GetPath(ctx)), ast.PathName(field))
		graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path})
	}
}
