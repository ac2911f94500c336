package syntax

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

func TestSelectionsWalksEachFragmentOnce(t *testing.T) {
	t.Parallel()
	doc, err := Parse(`{ a { b ...F } ... on T { c ...F } ...G ...Missing } fragment F on T { d ...G } fragment G on T { e ...F }`)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range doc.Fragments {
		linkSpreads(doc, f.SelectionSet)
	}
	linkSpreads(doc, doc.Operations[0].SelectionSet)
	walked := func(until string) string {
		var names []string
		for sel := range Selections(doc.Operations[0].SelectionSet) {
			switch sel := sel.(type) {
			case *ast.Field:
				names = append(names, sel.Name)
			case *ast.InlineFragment:
				names = append(names, "on "+sel.TypeCondition)
			case *ast.FragmentSpread:
				names = append(names, "..."+sel.Name)
			}
			if names[len(names)-1] == until {
				break
			}
		}
		return strings.Join(names, " ")
	}
	if got, want := walked(""), "a b ...F d ...G e ...F on T c ...F ...G ...Missing"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := walked("d"), "a b ...F d"; got != want {
		t.Errorf("a loop that ends early: got %s, want %s", got, want)
	}
}

// linkSpreads does what validation does.
func linkSpreads(doc *ast.QueryDocument, set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			linkSpreads(doc, sel.SelectionSet)
		case *ast.InlineFragment:
			linkSpreads(doc, sel.SelectionSet)
		case *ast.FragmentSpread:
			sel.Definition = doc.Fragments.ForName(sel.Name)
		}
	}
}
