package syntax

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
)

func TestAStringHasTheValueThatTheGrammarGivesIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`""`: "", `"a, # b"`: "a, # b", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\u00E9"`: "éé", `"\uD83D\uDE00"`: "😀", `"\u{1F600}\u{0}\u{0000041}"`: "😀\x00A",
		"\"\x00\x07\x7f\u0085\u2028\ufeff\"": "\x00\x07\x7f\u0085\u2028\ufeff",
		`""""""`:                             "", `"""a"""`: "a", `"""\""" \n \u0041"""`: `""" \n \u0041`, `"""a\\""""""`: `a\"""`, `""" " "" """`: ` " "" `,
		"\"\"\"  a\n    b\n      c\n\"\"\"": "  a\nb\n  c", "\"\"\"\n\n  a\r\n\r b\n \n\"\"\"": " a\n\nb", "\"\"\" \t\n\t\"\"\"": "", "\"\"\"a\n\tb\n  c\"\"\"": "a\nb\n c",
	} {
		token, err := NewScanner(text).Next()
		if err != nil || token.Value != want || token.Pos.End != len(text) {
			t.Errorf("%s: got %q of %d bytes, %v, want %q", text, token.Value, token.Pos.End, err, want)
		}
	}
}

func TestAnErrorHasItsCauseAndLocation(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", longestShown+1)
	for _, test := range []struct{ text, message, at string }{
		{"{ clients { } }", "Expected Name, found }.", "1:13"},
		{"{ clients( ) }", "Expected Name, found ).", "1:12"},
		{"query() { a }", "Expected $, found ).", "1:7"},
		{"{}", "Expected Name, found }.", "1:2"},
		{"{ a", "Expected Name, found end of document.", "1:4"},
		{"# nothing\n", "Unexpected end of document.", "2:1"},
		{"{ a }\n}", "Unexpected }.", "2:1"},
		{"{ a(b: \"secret\" \"x\") }", "Expected Name, found String.", "1:17"},
		{"{ a(b: ) }", "Unexpected ).", "1:8"},
		{"query Q", "Expected {, found end of document.", "1:8"},
		{"{ a } \"d\" { b }", "A description must be followed by a query, mutation, subscription or fragment.", "1:7"},
		{"\"d\" " + long + " { b }", "A description must be followed by a query, mutation, subscription or fragment.", "1:1"},
		{"\"d\" 7", "Unexpected Int.", "1:5"},
		{"nope { a }", `Unexpected Name "nope".`, "1:1"},
		{long, "Unexpected Name.", "1:1"},
		{"type A { a: Int }", `Unexpected Name "type".`, "1:1"},
		{"fragment on on Query { a }", `Unexpected Name "on".`, "1:10"},
		{"fragment F($a: Int = 2) on Query { a }", `Expected "on", found (.`, "1:11"},
		{"query($a: Int = $b) { a }", "A constant value must not contain a variable.", "1:17"},
		{"query($a: Int @d(b: [$c])) { a }", "A constant value must not contain a variable.", "1:22"},
		{"query($a: Int = $) { a }", "Unexpected $.", "1:17"},
		{"{ é }", `Unexpected character: "é".`, "1:3"},
		{"{ \u00a0a }", "Unexpected character: U+00A0.", "1:3"},
		{"{ a(b: 'x') }", `Unexpected character: "'".`, "1:8"},
		{"{ a(b: 1query: 2) }", `A number must not be followed by "q".`, "1:9"},
		{"{ a(b: [0xF1]) }", `A number must not be followed by "x".`, "1:10"},
		{"{ a(b: 1.5.1) }", `A number must not be followed by ".".`, "1:11"},
		{"{ a(b: 01) }", "A number must not begin with a zero and another digit.", "1:9"},
		{"{ a(b: 1.) }", `Expected a digit, found ")".`, "1:10"},
		{"{ a(b: -", "Expected a digit, found end of document.", "1:9"},
		{`{ a(b: "\uD83D") }`, badUnicode, "1:9"}, {`{ a(b: "\uDE00\uD83D") }`, badUnicode, "1:9"}, {`{ a(b: "x\u{D83D}") }`, badUnicode, "1:10"},
		{`{ a(b: "\u{}") }`, badUnicode, "1:9"}, {`{ a(b: "\u{110000}") }`, badUnicode, "1:9"}, {`{ a(b: "\u{000000041}") }`, badUnicode, "1:9"}, {`{ a(b: "\u+041") }`, badUnicode, "1:9"},
		{`{ a(b: "\x") }`, badEscape, "1:9"}, {`{ a(b: "\`, badEscape, "1:9"},
		{"{ a(b: \"x\ny\") }", endlessString, "1:10"}, {`{ a(b: """a"""") }`, endlessString, "1:19"}, {`{ a(b: """a\""" }`, endlessString, "1:18"},
		{"{ # 😀\r\n# b\r\"😀\" %", "Expected Name, found String.", "3:1"},
		{"{ a(b: \"😀é\") %", `Unexpected character: "%".`, "1:15"},
		{"{ a(b: " + strings.Repeat("[", maxNesting) + "1", "The document is nested more than 1000 levels deep.", "1:1007"},
	} {
		doc, err := Parse(test.text)
		if err == nil || doc != nil || err.Message != "Syntax Error: "+test.message || fmt.Sprint(err.Locations) != "["+test.at+"]" {
			t.Errorf("%.80q: got %v, want %s at %s", test.text, err, test.message, test.at)
		}
	}
}

func TestATreeMatchesItsText(t *testing.T) {
	t.Parallel()
	doc, err := Parse("\"of the query\" query Q(\"of a\" $a: [Int!]! = [1] @d) @e {\n  x: f(v: {k: [$a, null, true, red, \"s\"]}) @g { ...F ... on T { y } ... @h { z } }\n}\nfragment F on T { w }")
	if err != nil {
		t.Fatal(err)
	}
	op, f := doc.Operations[0], doc.Operations[0].SelectionSet[0].(*ast.Field)
	v := op.VariableDefinitions[0]
	for _, c := range []struct{ got, want any }{
		{op.Name, "Q"}, {op.Description, "of the query"}, {string(op.Operation), "query"}, {op.Directives[0].Name, "e"},
		{v.Variable, "a"}, {v.Description, "of a"}, {v.Type.String(), "[Int!]!"}, {v.DefaultValue.String(), "[1]"}, {v.Directives[0].Name, "d"},
		{f.Alias, "x"}, {f.Name, "f"}, {f.Arguments[0].Name, "v"}, {f.Arguments[0].Value.String(), `{k:[$a,null,true,red,"s"]}`}, {f.Directives[0].Name, "g"}, {f.Position.Line, 2}, {f.Position.Column, 3},
		{f.SelectionSet[0].(*ast.FragmentSpread).Name, "F"}, {f.SelectionSet[1].(*ast.InlineFragment).TypeCondition, "T"}, {f.SelectionSet[2].(*ast.InlineFragment).Directives[0].Name, "h"},
		{doc.Fragments[0].Name, "F"}, {doc.Fragments[0].TypeCondition, "T"}, {doc.Fragments[0].Position.Line, 4},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"{ a }", `query Q($a: [Int!]! = [1] @d) @e { x: f(v: {k: [$a]}) @g { ...F ... on T { y } } }`, `"""d""" fragment F on T { a(b: "\uD83D\uDE00\u{41}", c: """ \""" """) }`, "{ a(b: -0.1e+5) } # c\r\n\ufeff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := Parse(text)
		switch {
		case err == nil && len(doc.Operations)+len(doc.Fragments) == 0:
			t.Error("a document without definitions is taken")
		case err != nil && (doc != nil || len(err.Locations) != 1 || err.Locations[0].Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1):
			t.Errorf("got %v", err)
		case err != nil || !utf8.ValidString(text):
			return
		}
		for s := NewScanner(text); ; {
			token, err := s.Next()
			if err != nil {
				t.Fatal(err) // Their signatures identify the sender, so that neither the server's name nor an origin matters.
			}
			if token.Kind == lexer.EOF {
				return
			}
		}
	})
}
