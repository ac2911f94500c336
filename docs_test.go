package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/config"
)

var (
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^([a-z/]+)\.(?:\w+\.)*(\w+)$`)
	importPath = regexp.MustCompile(`^(?:net/http|github\.com/)`)
	filePath   = regexp.MustCompile(`^[\w.*][\w.*/-]*(?:/|\.(?:go|md|yml|json|graphqls|mod)|/[\w.*-]+)$`)
)

// TestDocumentationNamesWhatExists looks for the files, packages and functions that pages name in backquotes.
func TestDocumentationNamesWhatExists(t *testing.T) {
	t.Parallel()
	decisions, err := filepath.Glob("docs/explanation/decisions/*.md")
	if err != nil || len(decisions) == 0 {
		t.Fatalf("%d decisions, %v", len(decisions), err)
	}
	pages := []string{"docs/explanation/architecture.md", "docs/reference/glossary.md", "CONTRIBUTING.md"}
	for _, page := range append(pages, decisions...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			if exists, isName := naming(t, m[1]); isName {
				named++
				if !exists {
					t.Errorf("%s: there is no %s", page, m[1])
				}
			}
		}
		if named == 0 && !slices.Contains(decisions, page) {
			t.Errorf("%s names nothing", page)
		}
	}
}

// naming reports whether a text names a file, a package or a declaration, and whether that exists.
func naming(t *testing.T, text string) (exists, isName bool) {
	t.Helper()
	if m := identifier.FindStringSubmatch(text); m != nil {
		if info, err := os.Stat(m[1]); err == nil && info.IsDir() {
			return declares(t, m[1], m[2]), true
		}
	}
	if strings.HasPrefix(text, "./") || !filePath.MatchString(text) || importPath.MatchString(text) {
		return false, false
	}
	found, err := fs.Glob(os.DirFS("."), strings.TrimSuffix(text, "/"))
	return err == nil && len(found) > 0, true
}

// declares reports whether the package in a folder declares a name.
func declares(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), path.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type |\t)` + name + `\b`)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.HasSuffix(file, "_test.go") && declaration.Match(text)
	})
}

func TestEachPageOfDocumentationIsLinkedFromTheReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"CONTRIBUTING.md", "SECURITY.md"}
	err = fs.WalkDir(os.DirFS("."), "docs", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			pages = append(pages, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if !strings.Contains(string(readme), "]("+page+")") {
			t.Errorf("README.md does not link to %s", page)
		}
	}
}

// TestTheReadmeNamesSettingsAsTheyAre holds the table of the readme against the list of settings.
func TestTheReadmeNamesSettingsAsTheyAre(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, s := range config.Settings() {
		defaults[s.Name] = "–"
		if s.Default != "" {
			defaults[s.Name] = "`" + s.Default + "`"
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z][A-Z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(readme), -1)
	if len(rows) == 0 {
		t.Fatal("README.md has no table of settings")
	}
	for _, row := range rows {
		if want, ok := defaults[row[1]]; !ok || row[2] != want {
			t.Errorf("README.md: the default of %s is %s, want %q", row[1], row[2], want)
		}
	}
}

// TestTheArchitectureNamesEachPackageAndGoroutine looks for packages and starts of goroutines that the page lacks.
func TestTheArchitectureNamesEachPackageAndGoroutine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/explanation/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	tree, goroutines, found := strings.Cut(string(page), "## Goroutines")
	if !found {
		t.Fatal("there is no table of goroutines")
	}
	starts := regexp.MustCompile(`\btask\.Go\(|\.Go\(func|running\.Go\(`)
	for _, f := range goFiles(t) {
		folder := path.Dir(f.path)
		// Programs that serve measurements and tests are part of their folder's row.
		if strings.HasSuffix(f.path, "_test.go") || folder == "." || isTool(folder) {
			continue
		}
		if !strings.Contains(tree, "`"+folder+"/`") {
			t.Errorf("the architecture does not name %s", folder)
		}
		text, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if starts.Match(text) && !strings.HasPrefix(f.path, "task/") && !strings.Contains(goroutines, "`"+f.path+"`") {
			t.Errorf("the table of goroutines lacks %s", f.path)
		}
	}
}

// isTool reports whether a folder has a program or an emulator of a tool, which is no part of the architecture.
func isTool(folder string) bool {
	top, _, _ := strings.Cut(folder, "/")
	return slices.Contains([]string{"bench", "ops", "e2e", "examples", "explorer"}, top) ||
		strings.HasPrefix(folder, "upstream/emulator")
}
