package gateway

import "github.com/vektah/gqlparser/v2/ast"

// dropDefer takes @defer out of a document: the executor would leave the fields out of the answer and send them in one
// of its own, which no transport here does.
func dropDefer(doc *ast.QueryDocument) {
	for _, op := range doc.Operations {
		dropDeferIn(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		dropDeferIn(f.SelectionSet)
	}
}

func dropDeferIn(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			dropDeferIn(sel.SelectionSet)
		case *ast.InlineFragment:
			sel.Directives = withoutDefer(sel.Directives)
			dropDeferIn(sel.SelectionSet)
		case *ast.FragmentSpread:
			sel.Directives = withoutDefer(sel.Directives)
		}
	}
}

func withoutDefer(list ast.DirectiveList) ast.DirectiveList {
	var kept ast.DirectiveList
	for _, d := range list {
		if d.Name != "defer" {
			kept = append(kept, d)
		}
	}
	return kept
}
