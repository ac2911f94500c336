package syntax

import (
	"iter"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Selections returns each selection of the sets and of the sets below, those of fragments included, from the top down.
// The selections of a fragment that is spread several times come once.
func Selections(sets ...ast.SelectionSet) iter.Seq[ast.Selection] {
	return walk(walker{deep: true}, sets)
}

// Level returns the selections of the sets and of the fragments in them, without those below fields.
func Level(sets ...ast.SelectionSet) iter.Seq[ast.Selection] { return walk(walker{}, sets) }

// Included returns the Selections of the sets, or their Level unless deep is set, without those that includes refuses
// and those below them.
func Included(sets []ast.SelectionSet, deep bool, includes func(ast.Selection) bool) iter.Seq[ast.Selection] {
	return walk(walker{deep: deep, includes: includes}, sets)
}

func walk(w walker, sets []ast.SelectionSet) iter.Seq[ast.Selection] {
	return func(yield func(ast.Selection) bool) {
		w := w // each walk sees its own fragments
		w.yield = yield
		for _, set := range sets {
			if !w.visit(set) {
				return
			}
		}
	}
}

type walker struct {
	deep     bool                     // below fields too
	includes func(ast.Selection) bool // nil includes all
	seen     map[*ast.FragmentDefinition]bool
	yield    func(ast.Selection) bool
}

func (w *walker) visit(set ast.SelectionSet) bool {
	for _, sel := range set {
		if w.includes != nil && !w.includes(sel) {
			continue
		}
		if !w.yield(sel) || !w.visit(w.below(sel)) {
			return false
		}
	}
	return true
}

// below returns the selection set of a selection, nothing for a spread of a fragment that was seen or does not exist.
func (w *walker) below(sel ast.Selection) ast.SelectionSet {
	switch sel := sel.(type) {
	case *ast.Field:
		if w.deep {
			return sel.SelectionSet
		}
	case *ast.InlineFragment:
		return sel.SelectionSet
	case *ast.FragmentSpread:
		if f := sel.Definition; f != nil && !w.seen[f] {
			if w.seen == nil {
				w.seen = map[*ast.FragmentDefinition]bool{}
			}
			w.seen[f] = true
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

// TypeCondition returns the type condition of a fragment, which may be empty, as that of a field is.
func TypeCondition(sel ast.Selection) string {
	switch sel := sel.(type) {
	case *ast.InlineFragment:
		return sel.TypeCondition
	case *ast.FragmentSpread:
		return sel.Definition.TypeCondition
	}
	return ""
}

// Applies reports whether a fragment with a type condition, which may be empty, selects from an object type.
func Applies(schema *ast.Schema, condition, object string) bool {
	return condition == "" || condition == object ||
		slices.ContainsFunc(schema.PossibleTypes[condition], func(d *ast.Definition) bool { return d.Name == object })
}
