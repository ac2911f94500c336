package e2e

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEachAttackIsHeldByTestsThatExist looks for the tests that the threat model names.
func TestEachAttackIsHeldByTestsThatExist(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		for _, found := range function.FindAllSubmatch(text, -1) {
			tests[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	model, err := fs.ReadFile(root, "docs/explanation/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(model), "| attack | tests |")
	if !ok {
		t.Fatal("there is no table of attacks")
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.TrimSpace(line) == "" {
			continue
		}
		names := named.FindAllStringSubmatch(line, -1)
		if len(names) == 0 && strings.Count(line, "|") > 1 {
			t.Errorf("no test holds %s", line)
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("there is no test %s", name[1])
			}
		}
	}
}
