package validation

import (
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CheckSubscriptions returns where a subscription of the document has more than one root field, or one that variables
// decide about (GraphQL specification, 5.2.4.1). The rule of gqlparser counts names, which two fields with aliases
// share.
func CheckSubscriptions(doc *ast.QueryDocument) (errs gqlerror.List) {
	for _, op := range doc.Operations {
		if op.Operation == ast.Subscription {
			errs = append(errs, checkRootFields(op)...)
		}
	}
	return errs
}

func checkRootFields(op *ast.OperationDefinition) (errs gqlerror.List) {
	names := map[string]bool{}
	for sel := range syntax.Level(op.SelectionSet) {
		for _, d := range syntax.Directives(sel) {
			if d.Name == "skip" || d.Name == "include" {
				errs = append(errs, gqlerror.ErrorPosf(d.Position, "The root field of a subscription must not depend on @%s.",
					d.Name))
			}
		}
		if f, ok := sel.(*ast.Field); ok {
			names[f.Alias] = true
			if len(names) == 2 {
				errs = append(errs, gqlerror.ErrorPosf(f.Position, "A subscription must select one root field."))
			}
		}
	}
	return errs
}
