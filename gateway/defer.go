package gateway

import "github.com/vektah/gqlparser/v2/ast"

// isFinal is the extension by which Relay knows that nothing follows an answer to an operation with @defer or @stream; without
// it Relay reads nothing.
const isFinal = "is_final"

// delivers reports whether an operation has a @defer or a @stream.
func delivers(op *ast.OperationDefinition) bool {
	seen := map[*ast.FragmentDefinition]bool{}
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		for _, sel := range set {
			found := deliveryDirective(sel) != nil
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
