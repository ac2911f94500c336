package selection

import "github.com/vektah/gqlparser/v2/ast"

// DeliveryDirective returns the @stream of a field or the @defer of a fragment.
func DeliveryDirective(sel ast.Selection) *ast.Directive {
	switch sel := sel.(type) {
	case *ast.Field:
		return sel.Directives.ForName("stream")
	case *ast.InlineFragment:
		return sel.Directives.ForName("defer")
	case *ast.FragmentSpread:
		return sel.Directives.ForName("defer")
	}
	return nil
}

// Delivers reports whether an operation has a @defer or a @stream.
func Delivers(op *ast.OperationDefinition) bool {
	seen := map[*ast.FragmentDefinition]bool{}
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		for _, sel := range set {
			found := DeliveryDirective(sel) != nil
			switch sel := sel.(type) {
			case *ast.Field:
				found = found || within(sel.SelectionSet)
			case *ast.InlineFragment:
				found = found || within(sel.SelectionSet)
			case *ast.FragmentSpread:
				if !found && !seen[sel.Definition] {
					seen[sel.Definition] = true
					found = within(sel.Definition.SelectionSet)
				}
			}
			if found {
				return true
			}
		}
		return false
	}
	return within(op.SelectionSet)
}
