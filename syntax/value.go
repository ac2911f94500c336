package syntax

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
)

var literals = map[lexer.Type]ast.ValueKind{lexer.Int: ast.IntValue, lexer.Float: ast.FloatValue,
	lexer.String: ast.StringValue, lexer.BlockString: ast.BlockValue}

// value reads a value. A constant one has no variables.
func (p *parser) value(constant bool) *ast.Value {
	v := &ast.Value{Position: p.position(), Raw: p.token.Value}
	kind, literal := literals[p.token.Kind]
	switch {
	case literal:
		v.Kind = kind
		p.advance()
	case p.at(lexer.Name):
		v.Kind = kindOfName(v.Raw)
		p.advance()
	case p.at(lexer.Dollar) && constant:
		p.constantVariable()
	case p.at(lexer.Dollar):
		v.Kind, v.Raw = ast.Variable, p.variable()
	case p.at(lexer.BracketL):
		v.Kind = ast.ListValue
		p.nested(func() { v.Children = p.list(constant) })
	case p.at(lexer.BraceL):
		v.Kind = ast.ObjectValue
		p.nested(func() { v.Children = p.object(constant) })
	default:
		p.unexpected(p.token)
	}
	return v
}

// constantVariable reports a variable in a constant value, or another error of it.
func (p *parser) constantVariable() {
	dollar := p.token
	p.advance()
	if p.at(lexer.Name) {
		p.fail(dollar, "A constant value must not contain a variable.")
	} else {
		p.unexpected(dollar)
	}
}

func kindOfName(word string) ast.ValueKind {
	switch word {
	case "true", "false":
		return ast.BooleanValue
	case "null":
		return ast.NullValue
	}
	return ast.EnumValue
}

func (p *parser) list(constant bool) (children ast.ChildValueList) {
	p.anyList(lexer.BracketL, lexer.BracketR, func() {
		children = append(children, &ast.ChildValue{Value: p.value(constant)})
	})
	return children
}

func (p *parser) object(constant bool) (children ast.ChildValueList) {
	p.anyList(lexer.BraceL, lexer.BraceR, func() {
		child := &ast.ChildValue{Position: p.position(), Name: p.expect(lexer.Name)}
		p.expect(lexer.Colon)
		child.Value = p.value(constant)
		children = append(children, child)
	})
	return children
}
