// Package limits bounds requests, documents and answers before and after they are executed.
package limits

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Limits bound one request before any resolver runs, and the errors in its answer. 0 is no limit, but for Body, Depth
// and Selections: the last two bound the measuring itself, and 0 is their default.
type Limits struct {
	// Body is the size of a request's body, in bytes.
	Body int64
	// Upload is the time that the body may take.
	Upload time.Duration
	// Variables is the size of an operation's variables as they are sent, in bytes.
	Variables int

	// Tokens is the number of lexical tokens of a document, without its commas and comments.
	Tokens int
	// Aliases, Directives and Fragments are the numbers of these in a document.
	Aliases, Directives, Fragments int
	// Spreads are the fragments used in a document, inline ones too.
	Spreads int

	// Depth is the number of fields on the longest way from the root to a leaf.
	Depth int
	// RootFields are the fields of an operation's root with fragments written out.
	RootFields int
	// Selections are the fields of an operation with fragments written out, each as often as it is spread.
	Selections int
	// Overlaps are the pairs of fields that one answer's field is merged of.
	Overlaps int

	// Answer is the size of an answer's data, in bytes; past it the data is null.
	Answer int
	// Errors and ErrorBytes bound the errors of an answer. Errors above the limit are counted and left out.
	Errors, ErrorBytes int
}

// Default admit the queries of query editors, introspection included, and every scalar of a client with its courses.
func Default() Limits {
	return Limits{Body: 1 << 20, Upload: 10 * time.Second, Variables: 256 << 10,
		Tokens: 5000, Aliases: 100, Directives: 100, Fragments: 100, Spreads: 200,
		Depth: 20, RootFields: 50, Selections: 5000, Overlaps: 2000,
		Answer: 32 << 20, Errors: 100, ErrorBytes: 48 << 10}
}

// WithDefaults returns the limits with the defaults of those that must not be 0.
func (l Limits) WithDefaults() Limits {
	l.Depth = cmp.Or(l.Depth, Default().Depth)
	l.Selections = cmp.Or(l.Selections, Default().Selections)
	return l
}

// Check returns the error of a limit that was passed, nil otherwise; 0 allows any number.
func (l Limits) Check(name string, reached, allowed int) *gqlerror.Error {
	if allowed == 0 || reached <= allowed {
		return nil
	}
	return gqlerrors.OverLimit(fmt.Sprintf("the limit on %s is %d", name, allowed),
		gqlerrors.Limit{Name: name, Reached: int64(reached), Allowed: int64(allowed)})
}

// CheckText reads a document's text once token by token, before it is parsed. Nesting is bounded here too,
// since the time that validation takes grows with it.
func (l Limits) CheckText(text string) *gqlerror.Error {
	m := measure(text, l.Tokens)
	for _, bound := range []struct {
		name             string
		reached, allowed int
	}{
		{"tokens", m.tokens, l.Tokens},
		{"nesting", m.nesting, 2 * l.Depth},
		{"aliases", m.aliases, l.Aliases},
		{"directives", m.directives, l.Directives},
		{"fragments", m.fragments, l.Fragments},
		{"spreads", m.spreads, l.Spreads},
	} {
		if err := l.Check(bound.name, bound.reached, bound.allowed); err != nil {
			return err
		}
	}
	return nil
}

// Tokens returns the number of tokens of a text, or one more than most.
func Tokens(text string, most int) int { return measure(text, most).tokens }

// measurement is the counts of a text that need no parsing.
type measurement struct {
	tokens, nesting, aliases, directives, fragments, spreads int

	braces, parens int
}

// measure counts up to one more token than enough. An invalid token ends the count; the parser will report it.
func measure(text string, enough int) measurement {
	scanner := syntax.NewScanner(text)
	var m measurement
	for enough == 0 || m.tokens <= enough {
		t, err := scanner.Next()
		if err != nil || t.Kind == lexer.EOF {
			break
		}
		m.count(t)
	}
	return m
}

func (m *measurement) count(t lexer.Token) {
	m.tokens++
	switch t.Kind {
	case lexer.BraceL:
		m.braces++
		m.nesting = max(m.nesting, m.braces)
	case lexer.BraceR:
		m.braces--
	case lexer.ParenL:
		m.parens++
	case lexer.ParenR:
		m.parens--
	case lexer.Colon:
		if m.parens == 0 {
			m.aliases++
		}
	case lexer.At:
		m.directives++
	case lexer.Spread:
		m.spreads++
	case lexer.Name:
		if m.braces == 0 && t.Value == "fragment" {
			m.fragments++
		}
	}
}

// introspectionLists are the fields of __Type that multiply an answer when they nest.
var introspectionLists = map[string]bool{"fields": true, "inputFields": true, "interfaces": true, "possibleTypes": true}

// introspectionNesting is how often they may: query editors ask for the fields of each type, and no deeper.
const introspectionNesting = 1

// CheckDocument measures every operation of a parsed document with its fragments written out. It needs no schema, and
// so comes before the validator, one of whose rules compares fields pair by pair.
func (l Limits) CheckDocument(doc *ast.QueryDocument) *gqlerror.Error {
	for _, op := range doc.Operations {
		m := &selectionMeasure{limits: l, fragments: doc.Fragments, spreading: map[string]bool{}}
		m.selections([]ast.SelectionSet{op.SelectionSet}, 1, -1)
		if m.err != nil {
			return m.err
		}
	}
	return nil
}

// selectionMeasure walks an operation level by level as it will be merged. It stops at the first bound that is passed,
// which bounds its own work too.
type selectionMeasure struct {
	limits    Limits
	fragments ast.FragmentDefinitionList
	spreading map[string]bool
	fields    int
	overlaps  int
	err       *gqlerror.Error
}

// merged are the fields of one response key.
type merged struct {
	names []string
	below []ast.SelectionSet
	count int
}

// selections measures a selection set. lists is the nesting of introspection's lists so far, -1 outside.
func (m *selectionMeasure) selections(sets []ast.SelectionSet, depth, lists int) {
	var order []*merged
	keys := map[string]*merged{}
	for _, set := range sets {
		m.collect(set, keys, &order)
	}
	m.check("depth", depth, m.limits.Depth)
	if depth == 1 {
		m.check("rootFields", len(order), m.limits.RootFields)
	}
	for _, f := range order {
		if m.err != nil {
			return
		}
		if len(f.below) > 0 {
			m.selections(f.below, depth+1, m.listsBelow(f.names, lists))
		}
	}
}

// listsBelow is the nesting of introspection's lists below a field.
func (m *selectionMeasure) listsBelow(names []string, lists int) int {
	for _, name := range names {
		switch {
		case name == "__schema" || name == "__type":
			return max(lists, 0)
		case lists >= 0 && introspectionLists[name]:
			m.check("introspection", lists+1, introspectionNesting)
			return lists + 1
		}
	}
	return lists
}

func (m *selectionMeasure) check(name string, reached, allowed int) {
	if m.err == nil {
		m.err = m.limits.Check(name, reached, allowed)
	}
}

func (m *selectionMeasure) collect(set ast.SelectionSet, keys map[string]*merged, order *[]*merged) {
	for _, sel := range set {
		if m.err != nil {
			return
		}
		m.fields++
		m.check("selections", m.fields, m.limits.Selections)
		switch sel := sel.(type) {
		case *ast.Field:
			m.merge(sel, keys, order)
		case *ast.InlineFragment:
			m.collect(sel.SelectionSet, keys, order)
		case *ast.FragmentSpread:
			// A fragment within itself is the validator's to refuse, an unknown one too.
			if f := m.fragments.ForName(sel.Name); f != nil && !m.spreading[sel.Name] {
				m.spreading[sel.Name] = true
				m.collect(f.SelectionSet, keys, order)
				delete(m.spreading, sel.Name)
			}
		}
	}
}

func (m *selectionMeasure) merge(f *ast.Field, keys map[string]*merged, order *[]*merged) {
	key := f.Alias
	if key == "" {
		key = f.Name
	}
	known := keys[key]
	if known == nil {
		known = &merged{}
		keys[key] = known
		*order = append(*order, known)
	}
	m.overlaps += known.count
	known.count++
	m.check("overlaps", m.overlaps, m.limits.Overlaps)
	known.names = append(known.names, f.Name)
	if len(f.SelectionSet) > 0 {
		known.below = append(known.below, f.SelectionSet)
	}
}

// TrimErrors keeps the first errors of an answer within the limits and counts the others.
func (l Limits) TrimErrors(resp *graphql.Response) {
	size := 0
	for i, err := range resp.Errors {
		name, allowed, reached := "errors", l.Errors, len(resp.Errors)
		if l.ErrorBytes > 0 {
			text, _ := json.Marshal(err)
			size += len(text)
			if size > l.ErrorBytes {
				name, allowed, reached = "errorBytes", l.ErrorBytes, size
			}
		}
		if allowed > 0 && (name == "errorBytes" || i == allowed) {
			resp.Errors = append(resp.Errors[:i:i],
				gqlerrors.OverLimit(fmt.Sprintf("further errors omitted: %d", len(resp.Errors)-i),
					gqlerrors.Limit{Name: name, Reached: int64(reached), Allowed: int64(allowed)}))
			return
		}
	}
}
