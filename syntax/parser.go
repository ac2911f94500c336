package syntax

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Parse returns the document of a text in UTF-8, or its first error.
func Parse(text string) (*ast.QueryDocument, *gqlerror.Error) {
	p := &parser{scanner: NewScanner(text)}
	p.advance()
	doc := &ast.QueryDocument{Position: p.position()}
	for {
		p.definition(doc)
		if p.err != nil {
			return nil, p.err
		}
		if p.token.Kind == lexer.EOF {
			return doc, nil
		}
	}
}

// parser reads a document by recursive descent. It always has the token that comes next. After an error that is the end
// of the document, so that nothing is read any more.
type parser struct {
	scanner *Scanner
	token   lexer.Token
	nesting int
	err     *gqlerror.Error
}

// maxNesting bounds the stack: a Go program ends where that is full.
const maxNesting = 1000

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	token, err := p.scanner.Next()
	if err != nil {
		p.stop(err)
		return
	}
	p.token = token
}

func (p *parser) stop(err *gqlerror.Error) {
	if p.err == nil {
		p.err, p.token = err, lexer.Token{Kind: lexer.EOF, Pos: p.token.Pos}
	}
}

func (p *parser) fail(at lexer.Token, format string, args ...any) {
	p.stop(errorAt(at.Pos, fmt.Sprintf(format, args...)))
}

func (p *parser) unexpected(t lexer.Token) { p.fail(t, "Unexpected %s.", describe(t)) }

// longestShown is the longest name in bytes that an error repeats.
const longestShown = 64

// describe names a token without the values of strings and numbers, which may be personal.
func describe(t lexer.Token) string {
	switch {
	case t.Kind == lexer.EOF:
		return endOfDocument
	case t.Kind == lexer.Name && len(t.Value) <= longestShown:
		return t.String()
	}
	return t.Kind.String()
}

// position returns the position of the next token.
func (p *parser) position() *ast.Position {
	pos := p.token.Pos
	return &pos
}

func (p *parser) at(kind lexer.Type) bool { return p.token.Kind == kind && p.err == nil }

func (p *parser) atKeyword(word string) bool { return p.at(lexer.Name) && p.token.Value == word }

// take reads a token of a kind if it is the next one.
func (p *parser) take(kind lexer.Type) bool {
	found := p.at(kind)
	if found {
		p.advance()
	}
	return found
}

// expect reads a token of a kind, which must be the next one.
func (p *parser) expect(kind lexer.Type) string {
	value := p.token.Value
	if !p.take(kind) {
		p.fail(p.token, "Expected %s, found %s.", kind, describe(p.token))
	}
	return value
}

func (p *parser) expectKeyword(word string) {
	if !p.atKeyword(word) {
		p.fail(p.token, `Expected "%s", found %s.`, word, describe(p.token))
	}
	p.advance()
}

// nonEmptyList reads an opening token, one item or more, and a closing token.
func (p *parser) nonEmptyList(open, end lexer.Type, item func()) {
	p.expect(open)
	for p.err == nil {
		item()
		if p.take(end) {
			return
		}
	}
}

// optionalList reads nothing where the opening token is not the next one.
func (p *parser) optionalList(open, end lexer.Type, item func()) {
	if p.at(open) {
		p.nonEmptyList(open, end, item)
	}
}

// anyList reads an opening token, any number of items, and a closing token.
func (p *parser) anyList(open, end lexer.Type, item func()) {
	p.expect(open)
	for p.err == nil && !p.take(end) {
		item()
	}
}

// nested reads a node that may hold others of its kind.
func (p *parser) nested(read func()) {
	if p.nesting++; p.nesting > maxNesting {
		p.fail(p.token, "The document is nested more than %d levels deep.", maxNesting)
	}
	if p.err == nil {
		read()
	}
	p.nesting--
}

func (p *parser) definition(doc *ast.QueryDocument) {
	start := p.token
	description, described := p.description()
	switch {
	case p.atKeyword("query") || p.atKeyword("mutation") || p.atKeyword("subscription"):
		doc.Operations = append(doc.Operations, p.operation(start, description))
	case p.atKeyword("fragment"):
		doc.Fragments = append(doc.Fragments, p.fragment(start, description))
	case p.at(lexer.BraceL) && !described:
		doc.Operations = append(doc.Operations,
			&ast.OperationDefinition{Position: p.position(), Operation: ast.Query, SelectionSet: p.selectionSet()})
	case described && (p.at(lexer.BraceL) || p.at(lexer.Name)):
		p.fail(start, "A description must be followed by a query, mutation, subscription or fragment.")
	default:
		p.unexpected(p.token)
	}
}

func (p *parser) description() (text string, ok bool) {
	text = p.token.Value
	ok = p.take(lexer.String) || p.take(lexer.BlockString)
	if !ok {
		return "", false
	}
	return text, true
}

func (p *parser) operation(start lexer.Token, description string) *ast.OperationDefinition {
	op := &ast.OperationDefinition{Position: &start.Pos, Description: description,
		Operation: ast.Operation(p.expect(lexer.Name))}
	if p.at(lexer.Name) {
		op.Name = p.expect(lexer.Name)
	}
	p.optionalList(lexer.ParenL, lexer.ParenR, func() {
		op.VariableDefinitions = append(op.VariableDefinitions, p.variableDefinition())
	})
	op.Directives = p.directives(false)
	op.SelectionSet = p.selectionSet()
	return op
}

func (p *parser) variableDefinition() *ast.VariableDefinition {
	def := &ast.VariableDefinition{Position: p.position()}
	def.Description, _ = p.description()
	def.Variable = p.variable()
	p.expect(lexer.Colon)
	def.Type = p.typeReference()
	if p.take(lexer.Equals) {
		def.DefaultValue = p.value(true)
	}
	def.Directives = p.directives(true)
	return def
}

func (p *parser) variable() string {
	p.expect(lexer.Dollar)
	return p.expect(lexer.Name)
}

func (p *parser) typeReference() *ast.Type {
	t := &ast.Type{Position: p.position()}
	if p.take(lexer.BracketL) {
		p.nested(func() { t.Elem = p.typeReference() })
		p.expect(lexer.BracketR)
	} else {
		t.NamedType = p.expect(lexer.Name)
	}
	t.NonNull = p.take(lexer.Bang)
	return t
}

func (p *parser) fragment(start lexer.Token, description string) *ast.FragmentDefinition {
	p.expectKeyword("fragment")
	f := &ast.FragmentDefinition{Position: &start.Pos, Description: description, Name: p.fragmentName()}
	p.expectKeyword("on")
	f.TypeCondition = p.expect(lexer.Name)
	f.Directives = p.directives(false)
	f.SelectionSet = p.selectionSet()
	return f
}

func (p *parser) fragmentName() string {
	if p.atKeyword("on") {
		p.unexpected(p.token)
	}
	return p.expect(lexer.Name)
}

func (p *parser) selectionSet() (set ast.SelectionSet) {
	p.nested(func() {
		p.nonEmptyList(lexer.BraceL, lexer.BraceR, func() { set = append(set, p.selection()) })
	})
	return set
}

func (p *parser) selection() ast.Selection {
	if !p.at(lexer.Spread) {
		return p.field()
	}
	position := p.position()
	p.advance()
	if p.at(lexer.Name) && !p.atKeyword("on") {
		return &ast.FragmentSpread{Position: position, Name: p.fragmentName(), Directives: p.directives(false)}
	}
	f := &ast.InlineFragment{Position: position}
	if p.atKeyword("on") {
		p.advance()
		f.TypeCondition = p.expect(lexer.Name)
	}
	f.Directives = p.directives(false)
	f.SelectionSet = p.selectionSet()
	return f
}

func (p *parser) field() *ast.Field {
	f := &ast.Field{Position: p.position(), Name: p.expect(lexer.Name)}
	f.Alias = f.Name
	if p.take(lexer.Colon) {
		f.Name = p.expect(lexer.Name)
	}
	f.Arguments = p.arguments(false)
	f.Directives = p.directives(false)
	if p.at(lexer.BraceL) {
		f.SelectionSet = p.selectionSet()
	}
	return f
}

// arguments reads those of a field or directive. Constant ones have no variables.
func (p *parser) arguments(constant bool) (list ast.ArgumentList) {
	p.optionalList(lexer.ParenL, lexer.ParenR, func() {
		arg := &ast.Argument{Position: p.position(), Name: p.expect(lexer.Name)}
		p.expect(lexer.Colon)
		arg.Value = p.value(constant)
		list = append(list, arg)
	})
	return list
}

func (p *parser) directives(constant bool) (list ast.DirectiveList) {
	for p.at(lexer.At) {
		d := &ast.Directive{Position: p.position()}
		p.advance()
		d.Name = p.expect(lexer.Name)
		d.Arguments = p.arguments(constant)
		list = append(list, d)
	}
	return list
}
