package gateway

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"golang.org/x/tools/txtar"
)

// grammarSeeds are documents with a part of the grammar each, besides those of the scenarios.
var grammarSeeds = []string{
	`{ clients(first: 1, query: "x") { totalCount } }`,
	`query Q($a: Int = 2, $b: [ID!]! = ["1", "2"], $c: ClientBy) { users(first: $a) { nodes { id } } nodes(ids: $b) { id } client(by: $c) { name } }`,
	`{ a: clients { nodes { ...C @include(if: true) } } b: clients { nodes { ...C } } } fragment C on Client { name courses(first: 1, status: [draft]) { nodes { title } } }`,
	`mutation M($m: JSON) { updateUser(input: {by: {sourceId: "u"}, metadata: {a: [1, -2.5e3, {}], b: $m}}) { user { ... on User { id } } userErrors { code } } }`,
	`{ node(id: "a") { id ... on Client @skip(if: false) { name } ... { __typename } ... @defer(label: "l") { id } } }`,
	"{ clients(query: \"\"\"\n    one\n      two\n\n    three \\\"\"\" four\n  \"\"\") { totalCount } }",
	`{ clients(query: "\u00e9\u{1F600}\uD83D\uDE00\n\t\"\\\/ é😀") { totalCount } }`,
	`"""about""" query Described("of a" $a: Int) { users(first: $a) { nodes { id } } } "f" fragment F on User { id }`,
	`query A { clients { totalCount } } query B { clients { totalCount } }`,
	`{ identities(filter: {claims: {a: null, b: true, c: red, d: 0.5, e: [[1], []]}}) { nodes { claims } } }`,
	`query($i: UpdateUserInput!) { __typename __schema { types { name } } __type(name: "User") { fields(includeDeprecated: true) { name } } }`,
	"# a comment\n{ clients { nodes { # another\r\n name, slug,, sku } } }\r# the last",
	`{ user(by: {sourceId: 7}) { name: name client { name } ...U } } fragment U on User { identity { ...I } } fragment I on Identity { user { name } }`,
	`{ users(first: 3) { nodes { id } } users(first: 3) { nodes { name } } }`,
	`query($t: Boolean!, $f: Boolean = false) { clients @include(if: $t) @skip(if: $f) { totalCount } }`,
	`subscription { clients { totalCount } }`,
	`mutation { deleteUser(input: {by: {id: "x"}, action: delete}) { deletedId } }`,
}

// grammarTokens are inserted by mutations: all kinds of tokens, and invalid ones.
var grammarTokens = []string{"{", "}", "(", ")", "[", "]", ":", "=", "!", "$", "@", "...", "|", "&", ",", "on", "fragment", "query", "mutation", "true", "false", "null", "red", "draft",
	"$a", "$b", "$zz", "@skip(if: true)", "@include(if: $a)", "@defer", "@nope", "@skip", "...C", "...U", "... on Client { name }", "fragment G on Query { __typename }", "{ __typename }",
	"0", "-0", "1", "-1", "01", "00", "1.", "1.5", ".5", "1e3", "1E+", "-", "0xF1", "1query", "1.5a", "1_", "2147483648", "9007199254740993.0", "1e-400", "99999999999999999999",
	`""`, `"a"`, `"`, `"""`, `""""""`, `"""a"""`, `"""a""""`, `"""a""""b"`, `"""\""""""`, `"""  a` + "\n" + `  b"""`, `"\u0041"`, `"\uD83D"`, `"\uDE00"`, `"\uD83D\uDE00"`, `"\u{1F600}"`,
	`"\u{}"`, `"\u{110000}"`, `"\u{D83D}"`, `"\u{000041}"`, `"\u{0000000041}"`, `"\x"`, `"\u00g0"`, "\"a\nb\"", "\"\x00\x07\"", "\"\u0085\u2028\"", "\u00a0", "\ufeff", "\x00", "é", "😀", "'", "%", "`", "\\", "..", "....",
	"#", "# c\n", "\n", "\r", "\r\n", "\t", "{}", "[]", "[[]]", "[null]", "{a: 1}", "{id: 1}", "{id: \"1\", slug: \"x\"}", "{id: null}", "__typename", "id", "name", "nodes", "first", "Client", "User", "Int", "type", "extend", "\"d\"",
	"($a: Int)", "($a: Int = 1, $a: Int)", "(first: 1)", "(if: true)", "[$a]", "x: name", "name: id"}

var grammarToken = regexp.MustCompile(`"""(?s:.*?)"""|"(?:\\.|[^"\\\n])*"|[_0-9A-Za-z]+|\.\.\.|\s+|.`)

// mutant changes a document in one place or two: half of the mutants in a way that mostly leaves it one.
func mutant(r *rand.Rand, seed string) string {
	tokens := grammarToken.FindAllString(seed, -1)
	change := mutateTokens
	if r.IntN(2) == 0 {
		change = mutateMeaning
	}
	for range 1 + r.IntN(2) {
		if len(tokens) > 0 {
			tokens = change(r, tokens)
		}
	}
	return strings.Join(tokens, "")
}

// mutateTokens changes tokens without regard to the grammar.
func mutateTokens(r *rand.Rand, tokens []string) []string {
	at, other := r.IntN(len(tokens)), r.IntN(len(tokens))
	switch r.IntN(7) {
	case 0:
		return slices.Delete(tokens, at, at+1)
	case 1:
		return slices.Insert(tokens, at, tokens[other])
	case 2:
		tokens[at], tokens[other] = tokens[other], tokens[at]
	case 3:
		tokens[at] = mutantBytes(r, tokens[at])
	case 4:
		return slices.Insert(tokens, at, pick(r, grammarTokens))
	case 5:
		tokens[at] = tokens[other]
	default:
		tokens[at] = pick(r, grammarTokens)
	}
	return tokens
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// mutateMeaning puts in place of a token one like it, or adds what may stand there.
func mutateMeaning(r *rand.Rand, tokens []string) []string {
	at := r.IntN(len(tokens))
	switch t := tokens[at]; {
	case t == "{":
		return slices.Insert(tokens, at+1, " "+pick(r, selectionsAdded)+" ")
	case t == ")" || t == "}":
		return slices.Insert(tokens, at+1, " "+pick(r, directivesAdded))
	case t == ":":
		return slices.Insert(tokens, at+1, " "+pick(r, valuesAdded)+" x: ")
	case t[0] == '"' || t[0] >= '0' && t[0] <= '9':
		tokens[at] = pick(r, valuesAdded)
	case strings.TrimSpace(t) == "":
		tokens[at] = pick(r, []string{" ", ",", "\ufeff", "\t", "\r\n", "\r", "\n", "# ünd 😀\n", "# \x00\x07\n"})
	case t[0] >= 'A':
		words := grammarToken.FindAllString(strings.Join(grammarSeeds, " "), -1)
		for {
			if tokens[at] = pick(r, words); tokens[at][0] >= 'A' && tokens[at][0] <= 'z' {
				break
			}
		}
	default:
		return append(tokens, " "+pick(r, definitionsAdded))
	}
	return tokens
}

var (
	selectionsAdded = []string{"__typename", "id", "x: __typename", "id: name", "...C", "...U", "...G", "... on Client { name }", "... on Node { id }", "... { id }", "... @include(if: $f) { id }",
		"users { nodes { id } }", "users(first: 2) { nodes { name } }", "clients(first: -1) { totalCount }", "clients(first: $a, first: 2) { totalCount }", "clients", "node(id: 1) { id }",
		"node { id }", "nodes(ids: [1, \"2\", $a]) { id }", "client(by: {id: 1, id: 2}) { name }", "client(by: {}) { name }", "client(by: $c) { name }", "user(by: {sourceId: $b}) { name }",
		"name { id }", "nope", "nodes { nope }", "... on Nope { id }", "... on Status { id }", "__schema { types { name } }", "a: users { nodes { id } } a: clients { totalCount }"}
	directivesAdded = []string{"@skip(if: true)", "@include(if: $f)", "@skip(if: $a)", "@skip", "@nope", "@skip(if: true) @skip(if: false)", "@include(if: true, x: 1)", "@deprecated", "@defer"}
	valuesAdded     = []string{"0", "-1", "1.5", "1e3", "2147483648", "99999999999999999999", "9007199254740993.0", "1e-400", `""`, `"a"`, `"\u{1F600}"`, `"\uD83D\uDE00 \n"`, `"""b"""`,
		"\"\"\"  one\n    two\n   three \\\"\"\" \n\n\"\"\"", "\"\x07 \u0085\"", "true", "null", "draft", "nope", "[]", "[1]", "[[1, null]]", "{}", "{id: 1}", "{id: 1, slug: null}", "{a: {b: [1.50]}}", "$a", "$b", "$c", "$f",
		"$zz", "[$a]", "{id: $a}"}
	definitionsAdded = []string{"fragment G on Query { __typename }", "fragment C on Client { id }", "query A { __typename }", "{ __typename }", "query B($f: Boolean!) { __typename @skip(if: $f) }",
		"fragment U on User { name }", "fragment G on Query { ...G }", "query($v: Nope) { __typename }", "query B($a: Client, $a: Int) { users(first: $a) { nodes { id } } }",
		`"d" query D("v" $a: Int @nope) { users(first: $a) { nodes { id } } }`}
)

// mutantBytes changes bytes without regard to tokens.
func mutantBytes(r *rand.Rand, token string) string {
	const bytes = "\"\\ \n\r{}()[]:$@!.u01e-+_#a\x00"
	at := r.IntN(len(token) + 1)
	c := string(bytes[r.IntN(len(bytes))])
	if at == len(token) || r.IntN(2) == 0 {
		return token[:at] + c + token[at:]
	}
	return token[:at] + c + token[at+1:]
}

// scenarioDocuments are those of the scenarios.
func scenarioDocuments(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../e2e/testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios: ", err)
	}
	var list []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".graphql") && !strings.Contains(string(f.Data), "<<") {
				list = append(list, string(f.Data))
			}
		}
	}
	return list
}

// grammarDocuments are the seeds and their mutants, the same in each run.
func grammarDocuments(t *testing.T, mutants int) []string {
	t.Helper()
	introspection, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	scenarios := append(scenarioDocuments(t), string(introspection))
	list := slices.Concat(grammarSeeds, scenarios)
	seen := map[string]bool{}
	for _, text := range list {
		seen[text] = true
	}
	r := rand.New(rand.NewPCG(20250903, 16))
	for mutants > 0 {
		seeds := grammarSeeds
		if r.IntN(4) == 0 {
			seeds = scenarios
		}
		text := mutant(r, seeds[r.IntN(len(seeds))])
		if utf8.ValidString(text) && !seen[text] {
			seen[text] = true
			list, mutants = append(list, text), mutants-1
		}
	}
	return list
}

// judged is what the reference makes of a document.
type judged struct {
	Syntax *gqlerror.Error   `json:"syntax"`
	Errors []*gqlerror.Error `json:"errors"`
	Values []string          `json:"values"`
}

// askReference returns the reference's results for documents.
func askReference(t *testing.T, documents []string) []judged {
	t.Helper()
	sdl, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	var answers []judged
	runReference(t, "validate.mjs", map[string]any{"schema": string(sdl), "documents": documents}, &answers)
	if len(answers) != len(documents) {
		t.Fatalf("%d answers to %d documents", len(answers), len(documents))
	}
	return answers
}

// strictHere reports whether a document is refused by what the reference leaves to its executor, subscriptions, or does
// not check: a variable that may be null where an object takes exactly one key.
func strictHere(errs gqlerror.List) bool {
	return !slices.ContainsFunc(errs, func(err *gqlerror.Error) bool {
		return !strings.Contains(err.Message, `operation type "subscription"`) && !strings.Contains(err.Message, "must be non-nullable to be used for OneOf")
	})
}

// oneOfPlaces reports whether an error stands where the reference has one. That of a selection on a leaf stands at its
// field, of whose selection the library does not keep the place.
func oneOfPlaces(errs gqlerror.List, want []*gqlerror.Error) bool {
	return slices.ContainsFunc(want, func(w *gqlerror.Error) bool {
		return strings.Contains(w.Message, "must not have a selection") || slices.ContainsFunc(errs, func(err *gqlerror.Error) bool {
			return slices.ContainsFunc(err.Locations, func(l gqlerror.Location) bool { return slices.Contains(w.Locations, l) })
		})
	})
}

// typeSystem begins a definition that the reference can parse, to refuse it as not executable.
var typeSystem = regexp.MustCompile(`\b(schema|scalar|type|interface|union|enum|input|directive|extend)\b`)

func TestDocumentsAreReadAsTheReferenceDoes(t *testing.T) {
	t.Parallel()
	texts := grammarDocuments(t, 12000)
	want := askReference(t, texts)
	checker := documents.New(graph.Schema(), limits.Limits{Depth: 1 << 20, Selections: 1 << 30}, true, 1<<20, nil)
	accepted, refused, malformed := 0, 0, 0
	for i, text := range texts {
		_, errs := checker.Read(text)
		switch w := want[i]; {
		case w.Syntax != nil:
			malformed++
			if len(errs) != 1 || errs[0].Extensions["code"] != gqlerrors.CodeParseFailed {
				t.Errorf("%q\n  want %s\n  got %v", text, w.Syntax.Message, errs)
			} else if !slices.Equal(errs[0].Locations, w.Syntax.Locations) && !typeSystem.MatchString(text) {
				t.Errorf("%q\n  want %s at %v\n  got %v at %v", text, w.Syntax.Message, w.Syntax.Locations, errs[0].Message, errs[0].Locations)
			}
		case len(w.Errors) > 0:
			if refused++; len(errs) == 0 {
				t.Errorf("%q\n  is taken, want %v", text, w.Errors)
			} else if !oneOfPlaces(errs, w.Errors) && !strictHere(errs[:1]) {
				t.Errorf("%q\n  got %v\n  want %v", text, errs, w.Errors)
			}
		default:
			if accepted++; len(errs) > 0 && !strictHere(errs) {
				t.Errorf("%q\n  got %v, want it to be taken", text, errs)
			} else if got := stringsAndNumbers(t, text); !slices.Equal(got, w.Values) {
				t.Errorf("%q\n  got values %q, want %q", text, got, w.Values)
			}
		}
	}
	t.Logf("%d accepted, %d refused, %d malformed", accepted, refused, malformed)
}

// stringsAndNumbers are the values of a document's literals, in its order.
func stringsAndNumbers(t *testing.T, text string) []string {
	t.Helper()
	list := []string{}
	for scanner := syntax.NewScanner(text); ; {
		token, err := scanner.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch token.Kind {
		case lexer.Int, lexer.Float, lexer.String, lexer.BlockString:
			list = append(list, token.Value)
		case lexer.EOF:
			return list
		}
	}
}

// TestOneGrammarOverHTTP has what is no document, by the place of its error, and what is one, by the value that
// arrives.
func TestOneGrammarOverHTTP(t *testing.T) {
	t.Parallel()
	g := New(Options{Schema: newEcho(), Limits: limits.Default(), Timeout: time.Hour, Log: slog.New(slog.DiscardHandler)})
	text := slices.Index(echoTypes, "String")
	document := func(value string) string { return fmt.Sprintf("{ f%d(a: %s) { args } }", text, value) }
	for query, want := range map[string]gqlerror.Location{
		document(`"\uD83D"`): {Line: 1, Column: 10}, document(`"\uDE00"`): {Line: 1, Column: 10}, document(`"\u{D800}"`): {Line: 1, Column: 10},
		"{ f0(a: 1a: 2) { args } }": {Line: 1, Column: 10}, "{ f1(a: 0xF1) { args } }": {Line: 1, Column: 10}, "{ f0(a: 1.5e3_) { args } }": {Line: 1, Column: 14},
		document(`"""a""""`): {Line: 1, Column: 29}, document(`"""""""`): {Line: 1, Column: 28}, document(`"""a"""\n"`): {Line: 1, Column: 16},
		"fragment F($a: Int = 2) on Query { f0 { args } } { ...F }": {Line: 1, Column: 11},
		"query($a: Int = 1 @skip(if: $a)) { f0 { args } }":          {Line: 1, Column: 29},
		"{ f0 { } }": {Line: 1, Column: 8}, "{ }": {Line: 1, Column: 3}, "{ f0\n  (a: ?)\n}": {Line: 2, Column: 7},
	} {
		var got struct{ Errors gqlerror.List }
		if err := json.Unmarshal(send(t, g, http.MethodPost, "/graphql", `{"query":`+quoted(query)+`}`).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != gqlerrors.CodeParseFailed || !slices.Equal(got.Errors[0].Locations, []gqlerror.Location{want}) {
			t.Errorf("%s: got %v, want it refused at %v", query, got.Errors, want)
		}
	}
	for value, want := range map[string]string{
		`"\uD83D\uDE00"`: "😀", `"\u{1F600}"`: "😀", "\"\x07\x7f\"": "\x07\x7f", `"""a\""""""`: `a"""`,
		"\"\"\"  first\n    second\n      third\"\"\"": "  first\nsecond\n  third", "# \x07\n\"a\"": "a", "\"\"\"\x00\"\"\"": "\x00",
	} {
		got := send(t, g, http.MethodPost, "/graphql", `{"query":`+quoted(document(value))+`}`).Body.String()
		if !strings.Contains(got, `{"args":{"a":`+quoted(want)+`}}`) {
			t.Errorf("%q: got %s, want %q", value, got, want)
		}
	}
	list := slices.Index(echoTypes, "[String]")
	got := send(t, g, http.MethodPost, "/graphql", `{"query":`+quoted(fmt.Sprintf(`{ f%d(a: ["""a""""b"]) { args } }`, list))+`}`).Body.String()
	if !strings.Contains(got, `{"args":{"a":["a","b"]}}`) {
		t.Errorf("two strings in a row: got %s", got)
	}
}

func TestAnErrorOfAFragmentComesOnce(t *testing.T) {
	t.Parallel()
	checker := documents.New(graph.Schema(), limits.Default(), true, 1<<20, nil)
	for _, query := range []string{
		"query A { users { nodes { ...F } } } query B { users { nodes { ...F ...F } } } fragment F on User { nope }",
		"{ users { nodes { ...F } } } fragment F on User { ...G } fragment G on User { client { nope } }",
		"{ users { nodes { ...F } } } fragment F on User { name @nope }",
	} {
		if _, errs := checker.Read(query); len(errs) != 1 {
			t.Errorf("%s: got %v, want one error", query, errs)
		}
	}
}

func TestAnErrorOfANameHasItsLocation(t *testing.T) {
	t.Parallel()
	for _, introspection := range []bool{true, false} {
		checker := documents.New(graph.Schema(), limits.Default(), introspection, 1<<20, nil)
		for query, want := range map[string]string{
			"{ users(frist: 1) { nodes { id } } }":                                                    "[[1:9]]",
			"{ users { nodes { id @skip(if: true, fi: 1) } } }":                                       "[[1:38]]",
			"query($a: [Nope!]!) { users { nodes { id @skip(if: $a) } } }":                            "[[1:12] [1:52]]",
			"query($é: Int) { users { nodes { id } } }":                                               "[[1:8]]",
			"{ users { nodes { ...\n  F } } }":                                                        "[[2:3]]",
			"{ node(id: 1) { ... on Nope { id } } }":                                                  "[[1:24]]",
			"{ node(id: 1) { ...on } } fragment on on Nope { id }":                                    "[[1:23]]",
			"{ node(id: 1) { ...F } } fragment F on # F\n Nope { id }":                                "[[2:2]]",
			"{ node(id: 1) { ...F } } fragment F on Node { id } \"d\" fragment F on Node { id }":      "[[1:35 1:65]]",
			"query users { users { nodes { id } } } \"query\" query users { users { nodes { id } } }": "[[1:7 1:54]]",
			"query($a: [User]) { users { nodes { id @include(if: $a) } } }":                           "[[1:11] [1:53]]",
		} {
			_, errs := checker.Read(query)
			var places [][]gqlerror.Location
			for _, err := range errs {
				places = append(places, err.Locations)
			}
			slices.SortFunc(places, func(a, b []gqlerror.Location) int { return a[0].Column - b[0].Column })
			if got := fmt.Sprint(places); got != want {
				t.Errorf("%s: got %v at %s, want %s", query, errs, got, want)
			}
		}
	}
}
