// Package syntax reads GraphQL documents by the grammar of the September 2025 edition. The library's own lexer takes
// characters, numbers and strings that the grammar does not have, and refuses some that it has; the result is the
// library's tree, so that its validator and its executors work on it.
package syntax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Scanner reads the tokens of a text one by one, without those that the grammar ignores.
type Scanner struct {
	source *ast.Source
	text   string
	next   int // where the next token is looked for
	pos    position
}

// position is an offset in a text with its line and column. Columns count UTF-16 code units, as the reference
// implementation does.
type position struct{ offset, line, column int }

// NewScanner returns a scanner of a text in UTF-8.
func NewScanner(text string) *Scanner {
	return &Scanner{source: &ast.Source{Input: text}, text: text, pos: position{line: 1, column: 1}}
}

// Next returns the next token. After the last one it returns one of kind lexer.EOF, after an error no more.
func (s *Scanner) Next() (lexer.Token, *gqlerror.Error) {
	s.skipIgnored()
	start := s.next
	kind, value, err := s.read()
	if err != nil {
		return lexer.Token{Kind: lexer.Invalid, Pos: s.position(start)}, s.errorAt(err.offset, err.message)
	}
	token := lexer.Token{Kind: kind, Value: value, Pos: s.position(start)}
	token.Pos.End = s.next
	return token, nil
}

// fault is an error at an offset.
type fault struct {
	offset  int
	message string
}

func (s *Scanner) errorAt(offset int, message string) *gqlerror.Error {
	return errorAt(s.position(offset), message)
}

func errorAt(pos ast.Position, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: "Syntax Error: " + message,
		Locations: []gqlerror.Location{{Line: pos.Line, Column: pos.Column}}}
}

// position returns that of an offset, which is not before one that was asked for.
func (s *Scanner) position(offset int) ast.Position {
	p := &s.pos
	for p.offset < offset {
		r, size := utf8.DecodeRuneInString(s.text[p.offset:])
		p.offset += size
		switch {
		case r == '\n' || r == '\r' && !strings.HasPrefix(s.text[p.offset:], "\n"):
			p.line, p.column = p.line+1, 1
		case r > 0xffff:
			p.column += 2
		default:
			p.column++
		}
	}
	return ast.Position{Start: offset, End: offset, Line: p.line, Column: p.column, Src: s.source}
}

// at returns the byte at an offset, 0 behind the end.
func (s *Scanner) at(offset int) byte {
	if offset < len(s.text) {
		return s.text[offset]
	}
	return 0
}

const byteOrderMark = "\ufeff"

func (s *Scanner) skipIgnored() {
	for s.next < len(s.text) {
		switch c := s.text[s.next]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			s.next++
		case c == '#':
			s.next += lineLength(s.text[s.next:])
		case strings.HasPrefix(s.text[s.next:], byteOrderMark):
			s.next += len(byteOrderMark)
		default:
			return
		}
	}
}

func lineLength(text string) int {
	if n := strings.IndexAny(text, "\r\n"); n >= 0 {
		return n
	}
	return len(text)
}

var punctuators = map[byte]lexer.Type{'!': lexer.Bang, '$': lexer.Dollar, '&': lexer.Amp, '(': lexer.ParenL,
	')': lexer.ParenR, ':': lexer.Colon, '=': lexer.Equals, '@': lexer.At, '[': lexer.BracketL, ']': lexer.BracketR,
	'{': lexer.BraceL, '|': lexer.Pipe, '}': lexer.BraceR}

// read reads the token that begins at s.next.
func (s *Scanner) read() (lexer.Type, string, *fault) {
	if s.next >= len(s.text) {
		return lexer.EOF, "", nil
	}
	c := s.text[s.next]
	if kind := punctuators[c]; kind != lexer.Invalid {
		s.next++
		return kind, "", nil
	}
	switch {
	case strings.HasPrefix(s.text[s.next:], "..."):
		s.next += len("...")
		return lexer.Spread, "", nil
	case isNameStart(c):
		return lexer.Name, s.name(), nil
	case isDigit(c) || c == '-':
		return s.number()
	case strings.HasPrefix(s.text[s.next:], blockQuote):
		value, err := s.blockString()
		return lexer.BlockString, value, err
	case c == '"':
		value, err := s.string()
		return lexer.String, value, err
	}
	return lexer.Invalid, "", &fault{s.next, "Unexpected character: " + s.describe(s.next) + "."}
}

func isNameStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *Scanner) name() string {
	start := s.next
	for isNameStart(s.at(s.next)) || isDigit(s.at(s.next)) {
		s.next++
	}
	return s.text[start:s.next]
}

func (s *Scanner) number() (lexer.Type, string, *fault) {
	start, kind := s.next, lexer.Int
	if s.at(s.next) == '-' {
		s.next++
	}
	if s.at(s.next) == '0' {
		if s.next++; isDigit(s.at(s.next)) {
			return kind, "", &fault{s.next, "A number must not begin with a zero and another digit."}
		}
	} else if err := s.digits(); err != nil {
		return kind, "", err
	}
	if s.at(s.next) == '.' {
		s.next, kind = s.next+1, lexer.Float
		if err := s.digits(); err != nil {
			return kind, "", err
		}
	}
	if s.at(s.next)|0x20 == 'e' {
		s.next, kind = s.next+1, lexer.Float
		if sign := s.at(s.next); sign == '+' || sign == '-' {
			s.next++
		}
		if err := s.digits(); err != nil {
			return kind, "", err
		}
	}
	if c := s.at(s.next); c == '.' || isNameStart(c) {
		return kind, "", &fault{s.next, "A number must not be followed by " + s.describe(s.next) + "."}
	}
	return kind, s.text[start:s.next], nil
}

// digits reads one digit and those that follow.
func (s *Scanner) digits() *fault {
	if !isDigit(s.at(s.next)) {
		return &fault{s.next, "Expected a digit, found " + s.describe(s.next) + "."}
	}
	for isDigit(s.at(s.next)) {
		s.next++
	}
	return nil
}

// describe names the character at an offset.
func (s *Scanner) describe(offset int) string {
	if offset >= len(s.text) {
		return endOfDocument
	}
	r, size := utf8.DecodeRuneInString(s.text[offset:])
	switch {
	case r == utf8.RuneError && size == 1:
		return "a byte that is not UTF-8"
	case unicode.IsPrint(r):
		return `"` + string(r) + `"`
	}
	return fmt.Sprintf("U+%04X", r)
}

const endOfDocument = "end of document"

// NameAfter returns the position of the first name after another one, in the text from a position on; where the other
// one is empty that of the first name. It is nil where there is none.
func NameAfter(p *ast.Position, word string) *ast.Position {
	s := &Scanner{source: p.Src, text: p.Src.Input, next: p.Start, pos: position{p.Start, p.Line, p.Column}}
	for found := word == ""; ; {
		t, err := s.Next()
		switch {
		case err != nil || t.Kind == lexer.EOF:
			return nil
		case t.Kind == lexer.Name && found:
			return &t.Pos
		}
		found = found || t.Kind == lexer.Name && t.Value == word
	}
}
