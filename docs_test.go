package main

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/config"
)

var (
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^([a-z/]+)\.(?:\w+\.)*(\w+)$`)
	filePath   = regexp.MustCompile(`^[\w.*][\w.*/-]*(?:/|\.(?:go|md|yml|json|graphqls|mod)|/[\w.*-]+)$`)
)

// TestDocumentationNamesWhatExists looks for the files, packages and functions that pages name in backquotes.
func TestDocumentationNamesWhatExists(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"docs/explanation/architecture.md", "docs/reference/glossary.md", "CONTRIBUTING.md"} {
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
		if named == 0 {
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
	if strings.HasPrefix(text, "./") || !filePath.MatchString(text) {
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
