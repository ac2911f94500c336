package main

import (
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
