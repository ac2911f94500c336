package selection

import (
	"slices"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

// selectsField reports whether the operation reads a field of this name anywhere.
func selectsField(set ast.SelectionSet, name string, seen map[*ast.FragmentDefinition]bool) bool {
	return slices.ContainsFunc(set, func(sel ast.Selection) bool {
		switch sel := sel.(type) {
		case *ast.Field:
			return sel.Name == name || selectsField(sel.SelectionSet, name, seen)
		case *ast.InlineFragment:
			return selectsField(sel.SelectionSet, name, seen)
		case *ast.FragmentSpread:
			if seen[sel.Definition] {
				return false
			}
			seen[sel.Definition] = true
			return selectsField(sel.Definition.SelectionSet, name, seen)
		}
		return false
	})
}

// SelectsClaims reports whether the answer can hold personal claims, which nothing between may keep.
func SelectsClaims(op *ast.OperationDefinition) bool {
	return selectsField(op.SelectionSet, "claims", map[*ast.FragmentDefinition]bool{})
}

// CountNodeTypes counts the types that the global ids in the arguments id and ids name.
func CountNodeTypes(args map[string]any) map[string]int {
	counts := map[string]int{}
	count := func(v any) {
		if text, ok := v.(string); ok {
			if t, _, err := scalar.DecodeID(text); err == nil {
				counts[string(t)]++
			}
		}
	}
	count(args["id"])
	count(args["ids"]) // one is a list of one
	list, _ := args["ids"].([]any)
	for _, item := range list {
		count(item)
	}
	return counts
}

// Representations are those of the argument representations that name an object; nil where the argument is not given.
func Representations(args map[string]any) []scalar.Representation {
	given, ok := args["representations"]
	if !ok {
		return nil
	}
	list, ok := given.([]any)
	if !ok {
		list = []any{given} // one is a list of one
	}
	named := []scalar.Representation{}
	for _, item := range list {
		if r, err := scalar.ReadRepresentation(item); err == nil {
			named = append(named, r)
		}
	}
	return named
}
