package access

import (
	"context"
	"log/slog"
	"reflect"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

// Auditor logs the effects of mutations. A nil auditor logs nothing.
type Auditor struct {
	schema *ast.Schema
	// digest returns a keyed digest of an identifier, which may be logged.
	digest func(string) string
	log    *slog.Logger
}

// NewAuditor returns an auditor. digest makes of an identifier a keyed digest, which may be logged.
func NewAuditor(schema *ast.Schema, digest func(string) string, log *slog.Logger) *Auditor {
	return &Auditor{schema, digest, log}
}

// audit logs the effect of a field of a mutation: the caller, the object as a keyed digest, and the outcome.
func (a *Auditor) audit(ctx context.Context, field *ast.Field, variables map[string]any, result any, err error) {
	object, key := mutated(a.schema, field, variables)
	digest := ""
	if key != "" {
		digest = a.digest(object + ":" + key)
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "mutation", slog.String("requestId", requestlog.ID(ctx)),
		slog.String("caller", auth.FromContext(ctx).Name), slog.String("field", field.Name),
		slog.String("type", object), slog.String("object", digest), slog.String("outcome", outcomeOf(result, err)))
}

// mutated is the type and the key of the object that a mutation is about. The type is in the field's name, the key in
// input.by, as it is or in a global id.
func mutated(schema *ast.Schema, field *ast.Field, variables map[string]any) (object, key string) {
	for _, verb := range []string{"update", "delete"} {
		if name, ok := strings.CutPrefix(field.Name, verb); ok {
			object = name
		}
	}
	args, _ := coerce.Arguments(schema, field.Definition.Arguments, field.Arguments, variables)
	input, _ := args["input"].(map[string]any)
	by, _ := input["by"].(map[string]any)
	if key, ok := by["sourceId"].(string); ok {
		return object, key
	}
	id, _ := by["id"].(string)
	if _, key, err := scalar.DecodeID(id); err == nil {
		return object, key
	}
	return object, ""
}

// outcomeOf is "done", or the code of the error that prevented the write.
func outcomeOf(result any, err error) string {
	if err != nil {
		_, extensions := gqlerrors.Describe(err)
		code, _ := extensions["code"].(string)
		return code
	}
	if column, ok := result.([]any); ok && len(column) == 1 { // of an engine that calls resolvers for many parents
		result = column[0]
	}
	if payload := reflect.Indirect(reflect.ValueOf(result)); payload.Kind() == reflect.Struct {
		if errs := payload.FieldByName("UserErrors"); errs.IsValid() && errs.Len() > 0 {
			return errs.Index(0).Interface().(*model.UserError).Code
		}
	}
	return "done"
}
