package validation

import (
	"fmt"

	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CheckArguments refuses an operation with invalid paging arguments anywhere: a nested field would find out only after
// the calls for its parents were made. Fields that @skip or @include leave out are not looked at. A variable without a
// value is an error of its field.
func CheckArguments(schema *ast.Schema, op *ast.OperationDefinition, variables map[string]any) *gqlerror.Error {
	c := selection.Collector{Schema: schema, Variables: variables}
	for sel := range syntax.Included([]ast.SelectionSet{op.SelectionSet}, true, c.Includes) {
		if f, ok := sel.(*ast.Field); ok && f.Definition != nil {
			if err := checkArgumentsOf(f, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkArgumentsOf(f *ast.Field, c selection.Collector) *gqlerror.Error {
	for _, arg := range f.Arguments {
		def := f.Definition.Arguments.ForName(arg.Name)
		if def == nil || def.Name != "after" && def.Directives.ForName("range") == nil {
			continue
		}
		value, _, err := coerce.Argument(c.Schema, def, f.Arguments, c.Variables)
		if err != nil || value == nil {
			continue
		}
		if message := argumentFault(f, def, value); message != "" {
			fault := gqlerror.ErrorPosf(arg.Position, "%s: %s %s", f.Name, arg.Name, message)
			fault.Extensions = map[string]any{"code": gqlerrors.CodeBadUserInput}
			return fault
		}
	}
	return nil
}

// argumentFault describes the valid values where one is invalid.
func argumentFault(f *ast.Field, def *ast.ArgumentDefinition, value any) string {
	if d := def.Directives.ForName("range"); d != nil {
		n, ok := selection.Number(value)
		least, most := selection.IntArgument(d, "min"), selection.IntArgument(d, "max")
		if ok && (n < least || n > most) {
			return fmt.Sprintf("must be %d to %d", least, most)
		}
	}
	if text, ok := value.(string); ok && def.Name == "after" {
		if err := scalar.CheckCursor(text, f.ObjectDefinition.Name+"."+f.Name); err != nil {
			return err.Error()
		}
	}
	return ""
}
