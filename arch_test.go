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

// allowed is the direction of imports: the packages of ours that a package may import, by prefix where a name ends in /*.
// The commit that adds a line states the reason for the arrow.
var allowed = map[string][]string{
	"":                               {"app", "cli", "config"},
	"app":                            {"live", "admin", "auth", "cache", "capture", "cdn", "config", "datasource", "engine", "explorer", "gateway", "gateway/*", "graph", "graph/*", "inflight", "reload", "resolvers", "sdl", "syntax", "task", "telemetry", "upstream", "upstream/*", "webhook"},
	"cdn":                            {"cache", "task"},
	"cli":                            {"app", "cache", "capture", "config", "gateway", "gateway/*", "graph", "reload", "sdl", "syntax", "task", "telemetry", "upstream", "upstream/*"},
	"config":                         {"auth", "gateway/cost", "cache", "datasource", "reload", "upstream", "upstream/emulator"},
	"admin":                          {"telemetry", "gateway/*", "cache", "upstream"},
	"telemetry":                      {"cdn", "live", "gateway", "gateway/*", "reload", "cache", "inflight", "task", "upstream"},
	"auth":                           {"lru", "reload", "task"},
	"reload":                         {},
	"webhook":                        {"inflight", "task"},
	"gateway":                        {"live", "gateway/*", "auth", "cache", "coerce", "engine", "inflight", "lru", "task", "upstream"},
	"live":                           {"cache", "task"},
	"gateway/access":                 {"gateway/gqlerrors", "gateway/requestid", "gateway/selection", "auth", "coerce", "graph/model", "graph/scalar", "syntax"},
	"gateway/cachecontrol":           {"cache", "footprint", "upstream"},
	"gateway/cost":                   {"gateway/gqlerrors", "gateway/httpapi", "gateway/selection", "graph/scalar", "auth", "cache", "syntax"},
	"gateway/documents":              {"gateway/gqlerrors", "gateway/httpapi", "gateway/limits", "gateway/requestid", "gateway/strictjson", "gateway/validation", "auth", "cache", "engine", "lru", "reload", "syntax"},
	"gateway/gqlerrors":              {"gateway/requestid", "cache", "document", "engine", "graph/scalar", "task", "upstream"},
	"gateway/httpapi":                {"gateway/cachecontrol", "gateway/gqlerrors", "gateway/incremental", "gateway/limits", "gateway/representation", "gateway/requestid", "gateway/responses", "gateway/strictjson", "auth", "engine", "inflight", "upstream"},
	"gateway/incremental":            {"gateway/representation", "engine"},
	"gateway/limits":                 {"gateway/gqlerrors", "syntax"},
	"gateway/middleware":             {"gateway/gqlerrors", "gateway/httpapi", "gateway/requestid", "auth", "task", "upstream"},
	"gateway/provenance":             {"gateway/requestid", "auth", "cache", "loader", "upstream"},
	"gateway/representation":         {},
	"gateway/requestid":              {"auth"},
	"gateway/responses":              {"gateway/cachecontrol", "gateway/representation", "cache", "footprint", "inflight"},
	"gateway/selection":              {"coerce", "graph/scalar", "syntax"},
	"gateway/strictjson":             {},
	"gateway/validation":             {"gateway/gqlerrors", "gateway/selection", "coerce", "graph/scalar", "syntax"},
	"graph":                          {"engine", "graph/model", "graph/scalar", "document", "upstream/*"},
	"bench/stock":                    {},
	"bench":                          {"datasource", "bench/stock", "document", "engine", "graph", "graph/model", "graph/scalar", "gateway", "gateway/*", "resolvers", "cache", "upstream", "upstream/*"},
	"graph/gen":                      {"document"},
	"graph/model":                    {"graph/scalar", "document", "upstream/*"},
	"graph/scalar":                   {},
	"datasource":                     {"loader", "cache", "document", "footprint", "task", "upstream", "upstream/*"},
	"resolvers":                      {"datasource", "auth", "graph", "graph/*", "document", "loader", "task", "upstream", "upstream/*"},
	"engine":                         {"coerce", "document", "loader", "lru", "syntax", "task"},
	"coerce":                         {"graph/scalar"},
	"loader":                         {"task"},
	"lru":                            {},
	"cache":                          {"footprint", "task"},
	"syntax":                         {},
	"task":                           {},
	"document":                       {},
	"sdl":                            {"graph/scalar"},
	"footprint":                      {},
	"explorer":                       {},
	"explorer/browsertest":           {},
	"explorer/pack":                  {},
	"capture":                        {"coerce", "document", "graph/model", "graph/scalar", "upstream", "upstream/*"},
	"upstream":                       {"document", "inflight", "task", "upstream/http1"},
	"upstream/http1":                 {},
	"inflight":                       {},
	"upstream/coassemble":            {"upstream", "document", "footprint"},
	"upstream/mattr":                 {"upstream", "document", "footprint", "task"},
	"upstream/thoughtindustries":     {"upstream", "document", "task"},
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
		for _, imported := range p.Imports {
			if target, ours := local(imported); ours && !permits(arrows, target) {
				t.Errorf("%s must not import %s", name, target)
			}
			if reason, ok := forbidden[imported]; ok && !slices.Contains(exempt[imported], name) {
				t.Errorf("%s must not import %s: %s", name, imported, reason)
			}
		}
	}
}

func permits(arrows []string, target string) bool {
	return slices.ContainsFunc(arrows, func(arrow string) bool {
		ok, err := path.Match(arrow, target)
		return ok && err == nil
	})
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
