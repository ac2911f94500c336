package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	word      = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	camelCase = regexp.MustCompile(`^(?:[a-z][a-z0-9]*|[A-Z][a-z0-9]+)(?:[A-Z][a-z0-9]*)+$`)
	// described matches a doc comment that begins with the name of something.
	described = regexp.MustCompile(`^([A-Za-z_]\w*) (?:is|are|has|returns|reports)\b`)
)

// properNames are words in camel case that name products, and declarations of others: of the specification, of graphql-js
// and of Go's runtime.
var properNames = []string{"OpenAPI", "JavaScript", "CustomResourceDefinition", "CompleteValue", "ResolveFieldValue",
	"ExecuteSelectionSet", "ExecuteField", "legacyExecuteIncrementally", "experimentalExecuteIncrementally", "maxSmallSize",
	"AnswersAs"}

// foreign is a file whose comments name declarations of Apollo's clients, whose parsers it repeats.
const foreign = "e2e/appleparsers_test.go"

// goFile is a parsed file of the tree.
type goFile struct {
	*ast.File
	path string
	fset *token.FileSet
}

// goFiles parses all Go files of the tree.
func goFiles(t *testing.T) (files []goFile) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, goFile{f, path, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// knownWords returns the identifiers of the files, the words of their strings, and those of the schema.
func knownWords(t *testing.T, files []goFile) map[string]bool {
	t.Helper()
	schema, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, w := range append(word.FindAllString(string(schema), -1), properNames...) {
		known[w] = true
	}
	for _, f := range files {
		ast.Inspect(f.File, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				known[n.Name] = true
			case *ast.BasicLit:
				for _, w := range word.FindAllString(n.Value, -1) {
					known[w] = true
				}
			}
			return true
		})
	}
	return known
}

// TestCommentsNameIdentifiersThatExist finds names that a rename left in comments.
func TestCommentsNameIdentifiersThatExist(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	known, named := knownWords(t, files), 0
	for _, f := range files {
		if ast.IsGenerated(f.File) || f.path == foreign {
			continue
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				for _, w := range word.FindAllString(c.Text, -1) {
					if !camelCase.MatchString(w) {
						continue
					}
					if named++; !known[w] {
						t.Errorf("%s: there is no %s", f.fset.Position(c.Pos()), w)
					}
				}
			}
		}
	}
	if named < 1000 {
		t.Errorf("%d names were found", named)
	}
}

// TestADocCommentBeginsWithItsOwnName finds comments above the wrong declaration.
func TestADocCommentBeginsWithItsOwnName(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if ast.IsGenerated(f.File) {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !strings.HasPrefix(d.Name.Name, "Test") { // whose comments are about behaviour
					f.checkDoc(t, d.Doc, d.Name)
				}
			case *ast.GenDecl:
				if len(d.Specs) != 1 || d.Tok != token.TYPE {
					continue
				}
				f.checkDoc(t, d.Doc, d.Specs[0].(*ast.TypeSpec).Name)
			}
		}
	}
}

// checkDoc checks that the doc comment of a declaration does not begin with another name.
func (f goFile) checkDoc(t *testing.T, doc *ast.CommentGroup, name *ast.Ident) {
	t.Helper()
	text := doc.Text()
	first := word.FindString(text)
	if m := described.FindStringSubmatch(text); m == nil && !(camelCase.MatchString(first) && strings.HasPrefix(text, first)) {
		return
	}
	if first != name.Name && !slices.Contains(properNames, first) {
		t.Errorf("%s: the comment of %s begins with %s", f.fset.Position(name.Pos()), name.Name, first)
	}
}
