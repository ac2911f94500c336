package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// echoTypes are the types of the arguments whose values are compared; "= x" is a default.
var echoTypes = []string{
	"Int", "Int!", "Int = 3", "Int! = 3", "Float", "Float!", "String", "String!", "Boolean", "Boolean! = true", "ID", "ID!", "Color", "Color! = red",
	"JSON", "JSON!", "JSON = {a: [], b: 1.50}", "By", "By!", "Box", "Box! = {need: true}", "[Int]", "[Int!]", "[Int!]!", "[[Int!]]", "[[Int]!]!",
	"[ID!]", "[Color!]", "[Color] = green", "[String]", "[By!]", "[Box]", "[JSON]", "[JSON!]",
}

const echoTypesSDL = `
	scalar JSON
	enum Color { red green }
	input By @oneOf { id: ID name: String color: Color list: [Int!] }
	input Box { by: By size: Int! = 3 label: String = "none" colors: [Color!] deep: [[Int]] free: JSON need: Boolean! inner: Box ratio: Float }
	type Echo { args: JSON }
`

// echoSchema has a field per type, f0, f1 and so on, that answers with the values of its argument.
func echoSchema() string {
	var b strings.Builder
	b.WriteString(echoTypesSDL + "type Query {\n")
	for i, t := range echoTypes {
		fmt.Fprintf(&b, "f%d(a: %s): Echo\n", i, t)
	}
	return b.String() + "}"
}

func newEcho() *engine.Engine {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: echoSchema()})
	args := &engine.Binding{Kind: engine.Read, Append: func(_ context.Context, dst []byte, parent any) ([]byte, error) {
		text, err := json.Marshal(*parent.(*map[string]any))
		return append(dst, text...), err
	}}
	query := map[string]*engine.Binding{}
	for _, f := range schema.Query.Fields {
		query[f.Name] = &engine.Binding{Kind: engine.Resolve,
			Args: func(_ context.Context, _ *graphql.OperationContext, raw map[string]any) (map[string]any, error) {
				return raw, nil
			},
			Resolve: func(_ context.Context, _ []engine.Parent, args map[string]any) ([]any, error) {
				return []any{&args}, nil
			}}
	}
	return engine.New(&engine.Schema{Definition: schema, Objects: map[string]*engine.Object{
		"Query": {Name: "Query", Fields: query}, "Echo": {Name: "Echo", Fields: map[string]*engine.Binding{"args": args}},
	}})
}

// literals are values in the form of documents.
var literals = []string{
	"1", "-1", "0", "-0", "2147483647", "2147483648", "-2147483648", "-2147483649", "9007199254740993", "99999999999999999999", "1.0", "1.5", "-0.0", "1e3", "1E400",
	`""`, `"a"`, `"red"`, `"1"`, `"""block"""`, "true", "false", "null", "red", "blue", "[]", "[1]", "[null]", "[1, null, 2]", "[1.0]", `["a"]`, "[red]", "[red, blue]",
	"[[]]", "[[1], 2]", "[[1, null]]", "[null, [1]]", "[[[1]]]", "{}", "[{}]", "{id: 1}", "{id: null}", `{id: "a", name: "b"}`, "{name: 3}", "{color: red}", "{list: 1}",
	"{list: [1, null]}", "{need: true}", "{need: null}", "{need: true, size: null}", "{need: true, size: 2147483648}", "{need: true, by: {}}", "{need: true, by: {id: 7}}",
	"{need: true, unknown: 1}", "{need: true, inner: {need: false, colors: red}}", "{need: true, inner: {}}", "{need: true, free: {a: [], b: 1.50, c: {}, d: red}}",
	"{need: true, deep: [1, [2, null], null]}", "{need: true, ratio: 1}", "{need: true, ratio: 1e999}", `{need: true, label: null}`, "[{need: true}, {need: true, size: 1}]",
	"[{id: 1}, {name: \"x\"}]", "[{id: 1}, null]",
}

// values are values in the form of requests.
var values = []string{
	"1", "-1", "0", "2147483647", "2147483648", "-2147483649", "1.0", "1.5", "1e3", "1e400", `""`, `"a"`, `"red"`, `"1"`, "true", "false", "null", `"blue"`, "[]", "[1]", "[null]",
	"[1, null, 2]", "[1.0]", `["a"]`, `["red"]`, `["red", "blue"]`, "[[]]", "[[1], 2]", "[[1, null]]", "[null, [1]]", "[[[1]]]", "{}", "[{}]", `{"id": 1}`, `{"id": null}`, `{"id": 1.5}`,
	`{"id": "a", "name": "b"}`, `{"id": "a", "name": null}`, `{"name": 3}`, `{"color": "red"}`, `{"list": 1}`, `{"list": [1, null]}`, `{"need": true}`, `{"need": null}`,
	`{"need": true, "size": null}`, `{"need": true, "by": {}}`, `{"need": true, "by": {"id": 7}}`, `{"need": true, "unknown": 1}`,
	`{"need": true, "inner": {"need": false, "colors": "red"}}`, `{"need": true, "free": {"a": [], "b": 1.50, "c": {}, "d": null}}`, `{"need": true, "deep": [1, [2, null], null]}`,
	`{"need": true, "ratio": 1}`, `{"need": true, "label": null}`, `[{"need": true}, {"need": true, "size": 1}]`, `[{"id": 1}, {"name": "x"}]`, `[{"id": 1}, null]`,
}

// places are positions of a variable inside a value.
var places = []string{
	"$v", "[$v]", "[1, $v]", "[[$v]]", "[red, $v]", "{id: $v}", "{name: $v}", "{color: $v}", "{list: $v}", "{list: [$v]}", "{id: 1, name: $v}", "{need: $v}", "{need: true, size: $v}",
	"{need: true, label: $v}", "{need: true, by: $v}", "{need: true, by: {id: $v}}", "{need: true, colors: [$v]}", "{need: true, deep: [$v]}", "{need: true, deep: [[$v, 1]]}",
	"{need: true, free: $v}", "{need: true, free: {a: $v, b: [$v, {c: $v}]}}", "{need: true, inner: {need: true, size: $v}}", "{a: $v}", "{a: [$v], b: {}}", "{need: true, inner: $v}",
}

// standing are the variables in those positions: their types, with defaults, and values that fit.
var standing = []struct{ declared, value string }{
	{"Int", "7"}, {"Int!", "7"}, {"Int = 8", "7"}, {"Int = null", "7"}, {"Boolean", "true"}, {"Boolean!", "false"}, {"Boolean = true", "false"}, {"ID", `"x"`}, {"ID!", "12"}, {`ID = "y"`, `"x"`},
	{"String = \"z\"", `"x"`}, {"String!", `"x"`}, {"Color", `"red"`}, {"Color = green", `"red"`}, {"Color!", `"red"`}, {"Float = 1.5", "2.5"}, {"JSON", `{"k": [1.50]}`}, {"JSON = {}", "[]"}, {"[Int]", "[1, null]"},
	{"[Int!] = [1]", "[2]"}, {"[Int!]!", "3"}, {"By", `{"id": 1}`}, {"By = {id: 1}", `{"name": "n"}`}, {"By!", `{"id": 1}`}, {"Box = {need: true}", `{"need": false}`}, {"[Color!] = red", `["green"]`},
}

type echoRequest struct {
	Query     string                     `json:"query"`
	Variables map[string]json.RawMessage `json:"variables,omitempty"`
}

func given(value string) map[string]json.RawMessage {
	if value == "" {
		return nil
	}
	return map[string]json.RawMessage{"v": json.RawMessage(value)}
}

// sampled is how many of the requests with a variable inside a value there are to each that is compared; 1 compares them
// all. It is coprime to the lengths of the lists that they are made of, so that each element of one meets all of another.
const sampled = 7

func echoRequests() []echoRequest {
	var list []echoRequest
	nested := 0
	add := func(query, value string) { list = append(list, echoRequest{query, given(value)}) }
	for i, t := range echoTypes {
		declared, _, _ := strings.Cut(t, " = ")
		add(fmt.Sprintf("{ f%d { args } }", i), "")
		for _, literal := range literals {
			add(fmt.Sprintf("{ f%d(a: %s) { args } }", i, literal), "")
			add(fmt.Sprintf("{ f%d(a: %s) @skip(if: true) { args } ...F } fragment F on Query { f0 { args } }", i, literal), "")
			add(fmt.Sprintf("query($v: %s = %s) { f%d(a: $v) { args } }", declared, literal, i), "")
		}
		for _, value := range append(slices.Clone(values), "") {
			add(fmt.Sprintf("query($v: %s) { f%d(a: $v) { args } }", t, i), value)
		}
		for _, place := range places {
			for _, s := range standing {
				for _, value := range []string{"", "null", s.value} {
					if nested++; nested%sampled == 0 && !referenceErrs(t, place, s.declared) {
						add(fmt.Sprintf("query($v: %s) { f%d(a: %s) { args } }", s.declared, i, place), value)
					}
				}
			}
		}
	}
	return append(list, conditionRequests()...)
}

// referenceErrs reports whether a variable is in a position where graphql-js does not follow the specification: in a list
// of free JSON, whose elements it takes to have the list's type, and in a @oneOf object at a position that is not null,
// where it allows variables that may be null.
func referenceErrs(t, place, declared string) bool {
	if strings.HasPrefix(t, "JSON") && strings.HasPrefix(place, "[") || strings.HasPrefix(t, "[JSON") && strings.HasPrefix(place, "[[") {
		return !strings.HasPrefix(declared, "JSON")
	}
	declared, _, _ = strings.Cut(declared, " = ")
	return strings.Contains(t, "By!") && strings.HasPrefix(place, "{") && !strings.HasSuffix(declared, "!")
}

func conditionRequests() []echoRequest {
	var list []echoRequest
	for _, directive := range []string{"@skip", "@include"} {
		for _, document := range []string{"{ f0 %s { args } f1(a: 1) { args } }", "{ f0 { args %s } f1(a: 1) { args } }", "{ ... %s { f0 { args } } f1(a: 1) { args } }",
			"{ ...F %s f1(a: 1) { args } } fragment F on Query { f0 { args } }", "{ f0 { ... %s { args } x: args } }",
			"{ f1(a: 1) @skip(if: true) { args %s } f0 { args } }", "{ f0 %s { args } f0 { x: args } }"} {
			for _, literal := range literals {
				list = append(list, echoRequest{Query: fmt.Sprintf(document, directive+"(if: "+literal+")")})
			}
			for _, s := range standing {
				for _, value := range []string{"", "null", s.value} {
					list = append(list, echoRequest{"query($v: " + s.declared + ") " + fmt.Sprintf(document, directive+"(if: $v)"), given(value)})
				}
			}
		}
	}
	return list
}

// echoed is what becomes of a request.
type echoed struct {
	Invalid bool            `json:"invalid"`
	Data    json.RawMessage `json:"data"`
	Errors  []struct {
		Path       []any  `json:"path"`
		Message    string `json:"message"`
		Extensions struct{ Code string }
	} `json:"errors"`
}

// outcome is the part of an answer in which equal requests do not differ: numbers are equal by value, messages differ.
func (e echoed) outcome(t *testing.T) string {
	t.Helper()
	switch {
	case e.Invalid || len(e.Errors) > 0 && e.Errors[0].Extensions.Code == gqlerrors.CodeValidationFailed:
		return "the document is not valid"
	case e.Data == nil && len(e.Errors) > 0:
		return "the variables are refused"
	}
	var data any
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatalf("%s: %v", e.Data, err)
	}
	text, err := json.Marshal(withoutSignedZero(data))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, err := range e.Errors {
		paths = append(paths, fmt.Sprint(err.Path))
	}
	slices.Sort(paths)
	return string(text) + " " + strings.Join(paths, " ")
}

// withoutSignedZero makes the zero of both the same: JavaScript writes no sign.
func withoutSignedZero(v any) any {
	switch v := v.(type) {
	case float64:
		return v + 0
	case []any:
		for i := range v {
			v[i] = withoutSignedZero(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withoutSignedZero(v[name])
		}
	}
	return v
}

// reference asks graphql-js.
func reference(t *testing.T, requests []echoRequest) []echoed {
	t.Helper()
	var answers []echoed
	runReference(t, "execute.mjs", map[string]any{"schema": echoSchema(), "requests": requests}, &answers)
	if len(answers) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(answers), len(requests))
	}
	return answers
}

// runReference runs a script of the folder that has graphql-js. Where that is not installed the test is skipped, but not
// in CI.
func runReference(t *testing.T, script string, input, output any) {
	t.Helper()
	dir := filepath.Join("..", "e2e", "testdata", "graphqljs")
	_, missing := os.Stat(filepath.Join(dir, "node_modules", "graphql"))
	node, err := exec.LookPath("node")
	if missing != nil || err != nil {
		message := "graphql-js is not compared with: it needs node, and npm ci in e2e/testdata/graphqljs"
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, script)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(text), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, output); err != nil {
		t.Fatal(err)
	}
}

// beyondDouble are numbers of which the reference makes infinity, which no answer can show.
func beyondDouble(r echoRequest) bool {
	return strings.Contains(r.Query, "1E400") || strings.Contains(r.Query, "1e999") || strings.Contains(string(r.Variables["v"]), "1e400")
}

func TestInputIsCoercedAsTheReferenceDoes(t *testing.T) {
	t.Parallel()
	requests := slices.DeleteFunc(echoRequests(), beyondDouble)
	want := reference(t, requests)
	g := New(Options{Schema: newEcho(), Limits: limits.Default(), Timeout: time.Hour, Log: slog.New(slog.DiscardHandler)})
	differences := 0
	for i, r := range requests {
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got echoed
		if err := json.Unmarshal(send(t, g, http.MethodPost, "/graphql", string(body)).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if want[i].outcome(t) != got.outcome(t) {
			if differences++; differences <= 20 {
				t.Errorf("%s\n  want %s %v\n  got %s %v", body, want[i].outcome(t), want[i].Errors, got.outcome(t), got.Errors)
			}
		}
	}
	if differences > 0 {
		t.Errorf("%d of %d requests are answered otherwise", differences, len(requests))
	}
}
