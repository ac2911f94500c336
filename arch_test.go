package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/learngraph/learngraph"

// allowed is the direction of imports: the packages of ours that a package imports. The commit that adds an arrow states
// its reason, and one that is not used any more goes.
var allowed = map[string][]string{
	"":                               {"app", "cli", "config"},
	"app":                            {"admin", "auth", "cache", "capture", "cdn", "config", "datasource", "explorer", "gateway", "gateway/access", "gateway/cachecontrol", "gateway/cost", "gateway/documents", "gateway/limits", "gateway/middleware", "gateway/representation", "gateway/requestlog", "gateway/responses", "graph", "graph/model", "inflight", "live", "reload", "resolvers", "sdl", "syntax", "task", "telemetry", "upstream", "upstream/coassemble", "upstream/mattr", "upstream/thoughtindustries", "webhook"},
	"cdn":                            {"cache", "task"},
	"cli":                            {"app", "cache", "capture", "config", "gateway", "gateway/documents", "gateway/limits", "graph", "reload", "sdl", "syntax", "task", "telemetry", "upstream", "upstream/coassemble", "upstream/emulator", "upstream/mattr"},
	"config":                         {"auth", "cache", "datasource", "reload", "upstream", "upstream/emulator"},
	"admin":                          {"cache", "gateway/middleware", "telemetry", "upstream"},
	"telemetry":                      {"cache", "cdn", "gateway/middleware", "gateway/requestlog", "inflight", "live", "reload", "task", "upstream"},
	"auth":                           {"lru", "reload", "task"},
	"reload":                         {},
	"webhook":                        {"inflight", "task"},
	"gateway":                        {"auth", "cache", "coerce", "engine", "gateway/access", "gateway/cachecontrol", "gateway/cost", "gateway/documents", "gateway/gqlerrors", "gateway/httpapi", "gateway/incremental", "gateway/limits", "gateway/provenance", "gateway/requestlog", "gateway/responses", "gateway/selection", "gateway/validation", "inflight", "live", "lru", "task", "upstream"},
	"live":                           {"cache", "task"},
	"gateway/access":                 {"auth", "coerce", "gateway/gqlerrors", "gateway/requestlog", "gateway/selection", "graph/model", "graph/scalar", "syntax"},
	"gateway/cachecontrol":           {"cache", "footprint", "upstream"},
	"gateway/cost":                   {"auth", "cache", "gateway/gqlerrors", "gateway/httpapi", "gateway/selection", "graph/scalar", "syntax"},
	"gateway/documents":              {"auth", "cache", "engine", "gateway/gqlerrors", "gateway/httpapi", "gateway/limits", "gateway/requestlog", "gateway/strictjson", "gateway/validation", "lru", "reload", "syntax"},
	"gateway/gqlerrors":              {"cache", "document", "engine", "gateway/requestlog", "graph/scalar", "task", "upstream"},
	"gateway/httpapi":                {"auth", "engine", "gateway/cachecontrol", "gateway/gqlerrors", "gateway/incremental", "gateway/limits", "gateway/representation", "gateway/requestlog", "gateway/responses", "gateway/strictjson", "inflight", "upstream"},
	"gateway/incremental":            {"engine", "gateway/representation"},
	"gateway/limits":                 {"gateway/gqlerrors", "syntax"},
	"gateway/middleware":             {"auth", "gateway/gqlerrors", "gateway/httpapi", "gateway/requestlog", "task", "upstream"},
	"gateway/provenance":             {"auth", "cache", "gateway/requestlog", "upstream"},
	"gateway/representation":         {},
	"gateway/requestlog":             {"auth"},
	"gateway/responses":              {"cache", "footprint", "gateway/cachecontrol", "gateway/representation", "inflight"},
	"gateway/selection":              {"coerce", "graph/scalar", "syntax"},
	"gateway/strictjson":             {"document"},
	"gateway/validation":             {"coerce", "gateway/gqlerrors", "gateway/selection", "graph/scalar", "syntax"},
	"graph":                          {"document", "engine", "graph/model", "graph/scalar", "upstream/coassemble", "upstream/mattr"},
	"bench/stock":                    {},
	"bench":                          {"bench/stock", "cache", "datasource", "document", "engine", "gateway", "gateway/cost", "gateway/limits", "gateway/responses", "graph", "graph/model", "graph/scalar", "resolvers", "upstream", "upstream/coassemble", "upstream/emulator", "upstream/http1", "upstream/mattr", "upstream/thoughtindustries"},
	"graph/gen":                      {},
	"graph/model":                    {"document", "graph/scalar", "upstream/coassemble", "upstream/mattr"},
	"graph/scalar":                   {},
	"datasource":                     {"cache", "document", "footprint", "loader", "paging", "task", "upstream", "upstream/coassemble", "upstream/mattr", "upstream/thoughtindustries"},
	"resolvers":                      {"auth", "datasource", "document", "graph", "graph/model", "graph/scalar", "loader", "task", "upstream", "upstream/coassemble", "upstream/mattr", "upstream/thoughtindustries"},
	"engine":                         {"coerce", "document", "loader", "lru", "syntax", "task"},
	"coerce":                         {"graph/scalar"},
	"loader":                         {"cache", "task"},
	"lru":                            {},
	"cache":                          {"footprint", "paging", "task"},
	"syntax":                         {},
	"task":                           {},
	"document":                       {},
	"sdl":                            {"graph/scalar"},
	"footprint":                      {},
	"paging":                         {},
	"explorer":                       {"gateway/representation"},
	"explorer/browsertest":           {},
	"explorer/pack":                  {},
	"capture":                        {"coerce", "document", "graph/model", "graph/scalar", "syntax", "upstream", "upstream/coassemble", "upstream/http1", "upstream/mattr", "upstream/thoughtindustries"},
	"upstream":                       {"document", "footprint", "inflight", "paging", "task", "upstream/http1"},
	"upstream/http1":                 {},
	"inflight":                       {},
	"upstream/coassemble":            {"document", "paging", "upstream"},
	"upstream/mattr":                 {"document", "paging", "task", "upstream"},
	"upstream/thoughtindustries":     {"document", "paging", "task", "upstream"},
	"upstream/emulator":              {"upstream/http1"},
	"upstream/emulator/cmd/emulator": {"upstream/emulator"},
}

// forbidden modules, with the reason.
var forbidden = map[string]string{
	"github.com/99designs/gqlgen/graphql/playground": "it loads scripts from another host",
	"github.com/redis/go-redis/v9":                   "only the cache's Redis file knows Redis",
	"golang.org/x/sync/errgroup":                     "a panic in one of its goroutines ends the process; use task",
}

// exempt names who may import a forbidden module after all.
var exempt = map[string][]string{
	"github.com/redis/go-redis/v9": {"cache"},
	"golang.org/x/sync/errgroup":   {"upstream/emulator", "bench"},
}

type goPackage struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			list = append(list, p)
		}
	}
}

func local(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name, _ := local(p.ImportPath)
		arrows, known := allowed[name]
		if !known {
			t.Errorf("package %s has no place in the architecture", name)
			continue
		}
		for _, arrow := range arrows {
			if !slices.Contains(p.Imports, path.Join(module, arrow)) {
				t.Errorf("%s may import %s, and does not", name, arrow)
			}
		}
		for _, imported := range p.Imports {
			if target, ours := local(imported); ours && !slices.Contains(arrows, target) {
				t.Errorf("%s must not import %s", name, target)
			}
			if reason, ok := forbidden[imported]; ok && !slices.Contains(exempt[imported], name) {
				t.Errorf("%s must not import %s: %s", name, imported, reason)
			}
		}
	}
}

// TestOnlyDatasourceCallsBackends: above it the kinds of their errors, their limits and who called are known, and no
// client of theirs.
func TestOnlyDatasourceCallsBackends(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name, _ := local(p.ImportPath)
		if area, _, _ := strings.Cut(name, "/"); !slices.Contains([]string{"gateway", "resolvers", "engine"}, area) {
			continue
		}
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			if callsBackend(n) {
				t.Errorf("%s: ask datasource", fset.Position(n.Pos()))
			}
		})
	}
}

// callsBackend reports whether a node is such as upstream.Request or r.Coassemble.User.
func callsBackend(n ast.Node) bool {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch of := selector.X.(type) {
	case *ast.Ident:
		return of.Name == "upstream" && slices.Contains([]string{"Client", "New", "Options", "Request"}, selector.Sel.Name)
	case *ast.SelectorExpr:
		return slices.Contains([]string{"ThoughtIndustries", "Coassemble", "MATTR"}, of.Sel.Name)
	}
	return false
}

func TestEveryPackageHasOneDocComment(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		documented := 0
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				documented++
			}
		}
		if documented != 1 {
			t.Errorf("%s has %d package comments, want 1", p.ImportPath, documented)
		}
	}
}

// TestOnlyMainReadsTheEnvironment: every other package gets its values from the settings, which are one list. Tools that are
// no part of the program read their own.
func TestOnlyMainReadsTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		switch name, _ := local(p.ImportPath); name {
		case "", "config", "bench", "graph/gen", "explorer/browsertest", "upstream/emulator/cmd/emulator":
			continue
		}
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return
			}
			of, ok := selector.X.(*ast.Ident)
			if ok && of.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, selector.Sel.Name) {
				t.Errorf("%s: only main and config read the environment", fset.Position(n.Pos()))
			}
		})
	}
}

// inspect visits the syntax of a package without its tests.
func inspect(t *testing.T, p goPackage, visit func(*token.FileSet, ast.Node)) {
	t.Helper()
	for _, file := range p.GoFiles {
		if strings.HasPrefix(file, "generated") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			visit(fset, n)
			return true
		})
	}
}

// TestGoroutinesAreStartedByTask keeps a panic in a goroutine from ending the process. Go of a task.Group has two arguments;
// that of sync.WaitGroup has one.
func TestGoroutinesAreStartedByTask(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		switch name, _ := local(p.ImportPath); name {
		case "task", "bench", "upstream/emulator", "upstream/emulator/cmd/emulator", "explorer/browsertest":
			continue
		}
		inspect(t, p, func(fset *token.FileSet, n ast.Node) {
			if startsGoroutine(n) {
				t.Errorf("%s: start goroutines with package task", fset.Position(n.Pos()))
			}
		})
	}
}

func startsGoroutine(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		return ok && method.Sel.Name == "Go" && len(n.Args) == 1
	}
	return false
}
