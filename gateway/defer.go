package gateway

import "github.com/vektah/gqlparser/v2/ast"

// isFinal is the extension by which Relay knows that nothing follows an answer to an operation with @defer; without it
// Relay reads nothing.
const isFinal = "is_final"

// defers reports whether an operation has a @defer. The engine ignores them, so that the answer is whole.
func defers(op *ast.OperationDefinition) bool {
	seen := map[*ast.FragmentDefinition]bool{}
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		for _, sel := range set {
			found := false
			switch sel := sel.(type) {
			case *ast.Field:
				found = within(sel.SelectionSet)
			case *ast.InlineFragment:
				found = sel.Directives.ForName("defer") != nil || within(sel.SelectionSet)
			case *ast.FragmentSpread:
				found = sel.Directives.ForName("defer") != nil
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
