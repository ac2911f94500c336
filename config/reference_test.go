package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	reference       = "../docs/reference/settings.md"
	beginOfSettings = "<!-- The settings, written by go test ./config -update. -->\n"
	endOfSettings   = "<!-- The end of the settings. -->\n"
)

// settingsTable is the reference of all settings.
func settingsTable() string {
	var out strings.Builder
	for _, g := range Groups() {
		fmt.Fprintf(&out, "\n### %s\n\nIn the file: `%s`.\n\n| name | default | meaning |\n|---|---|---|\n", g.Title, g.Name)
		for _, s := range Settings() {
			if s.Group != g.Name {
				continue
			}
			name, fallback := "`"+s.Name+"`", "–"
			if s.Secret {
				name += "†"
			}
			if s.Default != "" {
				fallback = "`" + s.Default + "`"
			}
			fmt.Fprintf(&out, "| %s | %s | %s |\n", name, fallback, strings.ReplaceAll(s.Usage, "|", `\|`))
		}
	}
	return out.String() + "\n"
}

func TestTheReferenceHasTheSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), beginOfSettings)
	table, after, ends := strings.Cut(rest, endOfSettings)
	if !ok || !ends {
		t.Fatal("the reference has no place for the settings")
	}
	if table == settingsTable() {
		return
	}
	if !*update {
		t.Fatal("docs/reference/settings.md has not the settings as they are: run go test ./config -update")
	}
	if err := os.WriteFile(reference, []byte(before+beginOfSettings+settingsTable()+endOfSettings+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A sentence is complete: it begins with a capital and ends with a full stop.
func TestEverySettingHasASentence(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		if s.Usage == "" || s.Usage[0] < 'A' || s.Usage[0] > 'Z' || !strings.HasSuffix(s.Usage, ".") {
			t.Errorf("%s: %q is no sentence", s.Name, s.Usage)
		}
	}
}
