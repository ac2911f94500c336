package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// retiredNames are words that no declaration has any more, with the field's term.
var retiredNames = map[string]string{
	"atlas": "path index", "beside": "next to, partial, parallel to", "board": "join", "boarded": "joined",
	"bury": "write tombstones", "diagnosis": "check result", "doubt": "out of sync", "figures": "statistics, metrics",
	"finding": "drift, result", "findings": "drifts, results", "governor": "limiter", "guest": "member", "harmless": "valid", "hear": "receive", "heard": "received", "hears": "receives",
	"heed": "apply", "hopeless": "would miss its deadline", "hurried": "truncated, short deadline", "ill": "failed", "judge": "check",
	"ledger": "sliding log", "lefts": "remaining", "lent": "borrowed", "nobody": "no caller", "patience": "timeout",
	"party": "batch group", "patient": "target", "pump": "dispatch", "question": "topic, query, check",
	"questions": "topics, queries, checks", "said": "sent", "say": "report", "says": "reports", "shelf": "cache",
	"sighting": "entry", "speakable": "identifier name", "stands": "is at, replaces", "tally": "counter", "tell": "notify",
	"tells": "returns, reports", "thaw": "decode", "ticket": "waiter", "told": "notified", "trouble": "error",
	"unsaid": "implicit", "walk": "scan", "walked": "scanned", "wanted": "requested, missing", "whoever": "the caller",
}

// standardUses are uses of retired words that are standard terms: the walk of a tree.
var standardUses = map[string][]string{
	"walk":   {"syntax/", "capture/pseudonyms.go", "cache/memory_test.go", "e2e/content_test.go"},
	"walked": {"syntax/"},
}

// standard reports whether a use of a word is a standard term.
func (d declared) standard(word string) bool {
	return slices.ContainsFunc(standardUses[word], func(path string) bool { return strings.HasPrefix(d.at, path) })
}

// retiredIdioms are phrases that no comment has any more, with the plain ones.
var retiredIdioms = map[string]string{
	`says? (whether|why|how|which|that|who)`: "reports whether, returns why",
	`tells? (whether|why|how|which|apart)`:   "reports whether, distinguishes",
	`(is|are) told`:                          "is called with, receives",
	`nobody|whoever`:                         "no caller, the caller",
	`what is kept`:                           "the cached values",
	`stands? (for|beside|in for)|beside`:     "is, replaces, next to, besides",
	`hears? of`:                              "receives",
	`goes with`:                              "is dropped with",
	`gives (the|a|an|back|what|each|all)`:    "returns",
}

// retiredTexts are phrases that no text for callers, operators or readers has any more, besides those of comments.
var retiredTexts = map[string]string{
	`(can|could) mend`:                    "can correct",
	`cannot be had`:                       "is unavailable",
	`may be there`:                        "may be present",
	`(be|)comes? of`:                      "the action, the outcome",
	`(is|are) left alone`:                 "is not called",
	`at the most`:                         "at most",
	`longest that`:                        "maximum time",
	`wins? over`:                          "overrides",
	`wants? (nothing|to know)`:            "requires",
	`(is|are|was) there twice`:            "is a duplicate",
	`(did|does|do) (not )?.{0,6}its part`: "succeeds, fails",
}

// tired are words that were a house style: each is good English, and too many of them are riddles.
var tired = regexp.MustCompile(`(?i)\b(what (it|is|was|the)|says|said|gives|gave|told|tells|stands|nobody|beside|whoever|hears)\b`)

// nounClause matches a clause in place of a noun. Some are the shortest way to say it, many are riddles.
var nounClause = regexp.MustCompile(`(?i)\b(what|who (asks|accepts|calls))\b`)

// maxNounClauses is the number of lines of comments with a clause in place of a noun outside of tests. It is to shrink.
const maxNounClauses = 5

// declared is one name or comment line of the tree's own Go files.
type declared struct{ at, text string }

// handWritten returns the declared names and the lines of comments of all Go files that are written by hand.
func handWritten(t *testing.T) (names, comments []declared) {
	t.Helper()
	for _, f := range goFiles(t) {
		if f.path == "retired_test.go" || ast.IsGenerated(f.File) {
			continue
		}
		at := func(p token.Pos) string { return f.fset.Position(p).String() }
		for _, id := range declaredIdents(f.File) {
			names = append(names, declared{at(id.Pos()), id.Name})
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				comments = append(comments, declared{at(c.Pos()), strings.TrimPrefix(c.Text, "//")})
			}
		}
	}
	return names, comments
}

// declaredIdents returns the names that a file declares: functions, types, fields, methods, constants and variables,
// with receivers, parameters, results and locals.
func declaredIdents(f *ast.File) (names []*ast.Ident) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.Field:
			names = append(names, n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				names = append(names, idents(n.Lhs...)...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				names = append(names, idents(n.Key, n.Value)...)
			}
		}
		return true
	})
	return names
}

func idents(list ...ast.Expr) (names []*ast.Ident) {
	for _, e := range list {
		if id, ok := e.(*ast.Ident); ok {
			names = append(names, id)
		}
	}
	return names
}

// retiredIn matches a retired word of a name in camel case.
func retiredIn() *regexp.Regexp {
	var lower, upper []string
	for _, word := range slices.Sorted(maps.Keys(retiredNames)) {
		lower, upper = append(lower, word), append(upper, strings.ToUpper(word[:1])+word[1:])
	}
	return regexp.MustCompile(`(?:^(` + strings.Join(lower, "|") + `)|(` + strings.Join(upper, "|") + `))(?:[^a-z]|$)`)
}

func TestNoRetiredNames(t *testing.T) {
	t.Parallel()
	names, _ := handWritten(t)
	retired := retiredIn()
	for _, n := range names {
		if m := retired.FindStringSubmatch(n.text); m != nil {
			word := strings.ToLower(m[1] + m[2])
			if n.standard(word) {
				continue
			}
			t.Errorf("%s: %s has the word %q; the field's term: %s", n.at, n.text, word, retiredNames[word])
		}
	}
	if len(names) < 20_000 {
		t.Errorf("%d names were found", len(names))
	}
}

// idioms compiles phrases with their plain ones.
func idioms(lists ...map[string]string) map[*regexp.Regexp]string {
	retired := map[*regexp.Regexp]string{}
	for _, list := range lists {
		for idiom, plain := range list {
			retired[regexp.MustCompile(`(?i)\b(?:`+idiom+`)\b`)] = plain
		}
	}
	return retired
}

func TestNoRetiredIdioms(t *testing.T) {
	t.Parallel()
	retired := idioms(retiredIdioms)
	_, comments := handWritten(t)
	uses, clauses := 0, 0
	for _, c := range comments {
		for idiom, plain := range retired {
			if found := idiom.FindString(c.text); found != "" {
				t.Errorf("%s: %q; plainly: %s", c.at, found, plain)
			}
		}
		if tired.MatchString(c.text) {
			uses++
		}
		if nounClause.MatchString(c.text) && !strings.Contains(c.at, "_test.go:") {
			clauses++
		}
	}
	if clauses > maxNounClauses {
		t.Errorf("%d lines of comments have a clause in place of a noun, want at most %d", clauses, maxNounClauses)
	}
	if len(comments) < 4000 || uses*100 >= len(comments) {
		t.Errorf("%d of %d lines of comments have a tired word, want under 1 %%", uses, len(comments))
	}
}

// texts returns the lines of the schema, of pages of documentation and of the explorer, and the strings of Go files
// that are no tests: all that callers, operators and readers see.
func texts(t *testing.T) (lines []declared) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		top, _, _ := strings.Cut(path, "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == "testdata" ||
			strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || path == "CHANGELOG.md" || strings.HasSuffix(path, "_test.go"):
			return nil
		case path == "schema.graphqls", top == path || top == "docs", strings.HasPrefix(path, "explorer/src/"):
			if ext := filepath.Ext(path); !slices.Contains([]string{".graphqls", ".md", ".ts", ".tsx", ".css"}, ext) {
				break
			}
			text, err := os.ReadFile(path)
			for i, line := range strings.Split(string(text), "\n") {
				lines = append(lines, declared{fmt.Sprintf("%s:%d", path, i+1), line})
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		literals, err := literals(path)
		lines = append(lines, literals...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// literals returns the strings with words of a Go file that is written by hand.
func literals(path string) (list []declared, err error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(f) {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && strings.Contains(l.Value, " ") {
			list = append(list, declared{fset.Position(l.Pos()).String(), l.Value})
		}
		return true
	})
	return list, nil
}

// TestNoRetiredIdiomsInTexts looks at what callers, operators and readers see: descriptions, messages, pages, the
// explorer.
func TestNoRetiredIdiomsInTexts(t *testing.T) {
	t.Parallel()
	retired, lines := idioms(retiredIdioms, retiredTexts), texts(t)
	for _, line := range lines {
		for idiom, plain := range retired {
			if found := idiom.FindString(line.text); found != "" {
				t.Errorf("%s: %q; plainly: %s", line.at, found, plain)
			}
		}
	}
	if len(lines) < 8000 {
		t.Errorf("%d texts were found", len(lines))
	}
}
