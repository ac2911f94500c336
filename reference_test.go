package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/gateway/limits"
)

// rows returns the first cells of a page's tables, and the whole page.
func rows(t *testing.T, page string) (names []string, text string) {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(raw), -1) {
		names = append(names, m[1])
	}
	return names, string(raw)
}

// sources returns the text of all files that are no tests below folders.
func sources(t *testing.T, folders ...string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(name string, _ os.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestTheReferenceListsEachMetric holds the page against the names, helps and labels of the code.
func TestTheReferenceListsEachMetric(t *testing.T) {
	t.Parallel()
	code := sources(t, "telemetry")
	var want []string
	for _, m := range regexp.MustCompile(`(?:m\.counter|m\.histogram|out\.gauge|out\.total)\("(\w+)",\s+"([^"]+)"((?:,\n|[^\n])*)`).FindAllStringSubmatch(code, -1) {
		var labels []string
		for _, l := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		want = append(want, fmt.Sprintf("| `learngraph_%s` | %s | %s |", m[1], strings.Join(labels, ", "), m[2]))
	}
	want = append(want, "| `learngraph_operation_backend_calls` |  | Backend calls per operation, retries included. |")
	names, page := rows(t, "docs/reference/metrics.md")
	for _, row := range want {
		if !strings.Contains(page, row+"\n") {
			t.Errorf("docs/reference/metrics.md lacks\n%s", row)
		}
	}
	if len(names) != len(want) {
		t.Errorf("docs/reference/metrics.md has %d metrics, want %d", len(names), len(want))
	}
}

// TestTheReferenceListsEachLimit holds the page against the limits that no setting changes.
func TestTheReferenceListsEachLimit(t *testing.T) {
	t.Parallel()
	names, page := rows(t, "docs/reference/limits.md")
	v := reflect.ValueOf(limits.Default())
	for i := range v.NumField() {
		value := fmt.Sprint(v.Field(i).Interface())
		if d, ok := v.Field(i).Interface().(time.Duration); ok {
			value = fmt.Sprint(d.Milliseconds())
		}
		name := strings.ToLower(v.Type().Field(i).Name[:1]) + v.Type().Field(i).Name[1:]
		if name == "upload" {
			name = "uploadMs"
		}
		if !strings.Contains(page, "\n| `"+name+"` | "+value+" |") {
			t.Errorf("docs/reference/limits.md lacks %s with %s", name, value)
		}
	}
	code := sources(t, "gateway", "upstream", "inflight")
	for _, name := range names {
		if !strings.Contains(code, `"`+name+`"`) {
			t.Errorf("docs/reference/limits.md: no error has the limit %s", name)
		}
	}
}

// TestTheReferenceListsEachHeader holds the page against the headers of ours that the code reads or writes.
func TestTheReferenceListsEachHeader(t *testing.T) {
	t.Parallel()
	names, _ := rows(t, "docs/reference/headers.md")
	code := sources(t, "gateway", "app", "auth", "capture")
	for _, m := range regexp.MustCompile(`"(X-(?:Learngraph|Request|API|Forwarded|Accel)-[A-Za-z-]+)"`).FindAllStringSubmatch(code, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("docs/reference/headers.md lacks %s", m[1])
		}
	}
	for _, name := range names {
		if !strings.Contains(code, `"`+name+`"`) {
			t.Errorf("docs/reference/headers.md: the code has no header %s", name)
		}
	}
}
