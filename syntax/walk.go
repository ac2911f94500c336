package syntax

import (
	"iter"

	"github.com/vektah/gqlparser/v2/ast"
)

// Selections returns each selection of a set and of the sets below, those of fragments included, from the top down. The
// selections of a fragment that is spread several times come once.
func Selections(set ast.SelectionSet) iter.Seq[ast.Selection] {
	return func(yield func(ast.Selection) bool) {
		seen := map[*ast.FragmentDefinition]bool{}
		var walk func(ast.SelectionSet) bool
		walk = func(set ast.SelectionSet) bool {
			for _, sel := range set {
				if !yield(sel) || !walk(below(sel, seen)) {
					return false
				}
			}
			return true
		}
		walk(set)
	}
}

// below returns the selection set of a selection, nothing for a spread of a fragment that was seen or does not exist.
func below(sel ast.Selection, seen map[*ast.FragmentDefinition]bool) ast.SelectionSet {
	switch sel := sel.(type) {
	case *ast.Field:
		return sel.SelectionSet
	case *ast.InlineFragment:
		return sel.SelectionSet
	case *ast.FragmentSpread:
		if f := sel.Definition; f != nil && !seen[f] {
			seen[f] = true
			return f.SelectionSet
		}
	}
	return nil
}

// Directives returns the directives of a selection.
func Directives(sel ast.Selection) ast.DirectiveList {
	switch sel := sel.(type) {
	case *ast.Field:
		return sel.Directives
	case *ast.InlineFragment:
		return sel.Directives
	case *ast.FragmentSpread:
		return sel.Directives
	}
	return nil
}
