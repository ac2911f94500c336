package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/auth"
)

func TestTheReadmeIsShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(readme), "\n"); lines > 120 {
		t.Errorf("README.md has %d lines, want at most 120", lines)
	}
}

// TestTheReadmeNamesWhatIsNeeded holds the README against go.mod and what .ci/run installs.
func TestTheReadmeNamesWhatIsNeeded(t *testing.T) {
	t.Parallel()
	var texts [3]string
	for i, name := range []string{"README.md", "go.mod", ".ci/run"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(raw)
	}
	readme, module, ci := texts[0], texts[1], texts[2]
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(module)
	if version == nil || !strings.Contains(readme, "Go "+version[1]) {
		t.Errorf("the README does not say that it needs Go %v", version)
	}
	named := map[string]string{"redis-server": "Redis", "node": "Node", "chromium": "Chromium", "varnishd": "Varnish",
		"python3": "graphql-core"}
	for _, m := range regexp.MustCompile(`(?m)^install (\S+) `).FindAllStringSubmatch(ci, -1) {
		if name := cmp.Or(named[m[1]], m[1]); !strings.Contains(readme, name) {
			t.Errorf("the README does not say that .ci/run installs %s", name)
		}
	}
}

// TestTheReferenceListsEachCodeAndScope holds the page against the scopes, and its codes against those of the metrics.
func TestTheReferenceListsEachCodeAndScope(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/reference/codes.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := os.ReadFile("telemetry/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(metrics), "knownCodes = nameSet(")
	list, _, _ := strings.Cut(rest, ")\n")
	codes := regexp.MustCompile(`"([A-Z_]+)"`).FindAllStringSubmatch(list, -1)
	if len(codes) == 0 {
		t.Fatal("the metrics know no code")
	}
	for _, code := range codes {
		if !regexp.MustCompile(`(?m)^\|[^|]*\b` + code[1] + `\b`).Match(page) {
			t.Errorf("the table lacks %s", code[1])
		}
	}
	for _, scope := range auth.Scopes {
		if !strings.Contains(string(page), "`"+scope+"`") {
			t.Errorf("the page lacks the scope %s", scope)
		}
	}
}
