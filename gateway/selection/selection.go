package selection

import (
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// SelectsClaims reports whether the answer can hold personal claims, which nothing between may keep.
func SelectsClaims(op *ast.OperationDefinition) bool {
	for sel := range syntax.Selections(op.SelectionSet) {
		if f, ok := sel.(*ast.Field); ok && f.Name == "claims" {
			return true
		}
	}
	return false
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
