package coerce

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

var inputs = gqlparser.MustLoadSchema(&ast.Source{Input: `
	directive @oneOf on INPUT_OBJECT
	scalar JSON
	enum Color { red green }
	input By @oneOf { id: ID name: String }
	input Box { by: By! size: Int = 3 colors: [Color!] free: JSON }
	type Query { f(i: Int, f: Float, s: String, b: Boolean, id: ID, c: Color, list: [Int!], box: Box, free: JSON): Int }
`})

func variablesOf(t *testing.T, declaration, values string) (map[string]any, string) {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: "query(" + declaration + ") { __typename }"})
	if err != nil {
		t.Fatal(err)
	}
	var given map[string]any
	dec := json.NewDecoder(strings.NewReader(values))
	dec.UseNumber()
	if err := dec.Decode(&given); err != nil {
		t.Fatal(err)
	}
	got, refusal := Variables(inputs, doc.Operations[0], given)
	if refusal != nil {
		return nil, refusal.Error()
	}
	return got, ""
}

func TestVariablesGetTheirTypesValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		declaration, given string
		want               map[string]any
	}{
		{"$i: Int", `{"i": 5}`, map[string]any{"i": int64(5)}},
		{"$i: Int", `{"i": 5.0}`, map[string]any{"i": int64(5)}},
		{"$i: Int", `{"i": 5e1}`, map[string]any{"i": int64(50)}},
		{"$i: Int = 7", `{}`, map[string]any{"i": int64(7)}},
		{"$i: Int = 7", `{"i": null}`, map[string]any{"i": nil}},
		{"$i: Int", `{}`, map[string]any{}},
		{"$i: Int", `{"other": 1}`, map[string]any{}},
		{"$f: Float", `{"f": 1}`, map[string]any{"f": json.Number("1")}},
		{"$id: ID", `{"id": 12345678901234567890}`, map[string]any{"id": "12345678901234567890"}},
		{"$list: [Int!]", `{"list": 1}`, map[string]any{"list": []any{int64(1)}}},
		{"$box: Box", `{"box": {"by": {"name": "x"}}}`, map[string]any{"box": map[string]any{"by": map[string]any{"name": "x"}, "size": int64(3)}}},
		{"$free: JSON", `{"free": {"n": 1.50}}`, map[string]any{"free": map[string]any{"n": json.Number("1.50")}}},
	} {
		got, message := variablesOf(t, test.declaration, test.given)
		if diff := cmp.Diff(test.want, got); diff != "" || message != "" {
			t.Errorf("%s %s: %s (-want +got):\n%s", test.declaration, test.given, message, diff)
		}
	}
}

func TestAWrongVariableIsNamedWithoutItsValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ declaration, given, names string }{
		{"$i: Int!", `{}`, "variables.i must be given"},
		{"$i: Int!", `{"i": null}`, "variables.i must not be null"},
		{"$i: Int", `{"i": "secret"}`, "variables.i must be a whole number"},
		{"$i: Int", `{"i": 2147483648}`, "variables.i must be a whole number"},
		{"$i: Int", `{"i": 1e999999999}`, "variables.i must be a whole number"},
		{"$f: Float", `{"f": "secret"}`, "variables.f must be a number"},
		{"$s: String", `{"s": 7}`, "variables.s must be a string"},
		{"$b: Boolean", `{"b": "secret"}`, "variables.b must be true or false"},
		{"$id: ID", `{"id": 1.5}`, "variables.id must be a string or a whole number"},
		{"$c: Color", `{"c": "secret"}`, "variables.c must be a value of Color"},
		{"$list: [Int!]", `{"list": [1, null]}`, "variables.list[1] must not be null"},
		{"$box: Box", `{"box": 7}`, "variables.box must be an object"},
		{"$box: Box", `{"box": {}}`, "variables.box.by must be given"},
		{"$box: Box", `{"box": {"by": {"id": "a", "name": "secret"}}}`, "variables.box.by must have exactly one of id, name"},
		{"$box: Box", `{"box": {"by": {}}}`, "variables.box.by must have exactly one"},
		{"$box: Box", `{"box": {"by": {"id": null}}}`, "variables.box.by must have exactly one"},
		{"$box: Box", `{"box": {"by": {"id": "a"}, "secret": 1}}`, "variables.box has a field that is not in Box"},
	} {
		_, message := variablesOf(t, test.declaration, test.given)
		if !strings.HasPrefix(message, test.names) || strings.Contains(message, "secret") {
			t.Errorf("%s %s: got %q, want %q", test.declaration, test.given, message, test.names)
		}
	}
}
