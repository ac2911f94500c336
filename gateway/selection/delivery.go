package selection

import (
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// DeliveryDirective returns the @stream of a field or the @defer of a fragment.
func DeliveryDirective(sel ast.Selection) *ast.Directive {
	name := "defer"
	if _, ok := sel.(*ast.Field); ok {
		name = "stream"
	}
	return syntax.Directives(sel).ForName(name)
}

// Delivers reports whether an operation has a @defer or a @stream.
func Delivers(op *ast.OperationDefinition) bool {
	for sel := range syntax.Selections(op.SelectionSet) {
		if DeliveryDirective(sel) != nil {
			return true
		}
	}
	return false
}
