package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
	"golang.org/x/tools/txtar"
)

// TestCommands runs every file of testdata/commands. A file begins with a sentence about the test. args has an argument in
// each line, env the environment as NAME=value in addition to that of three emulated backends (an empty value removes a
// setting, the word none in the first line all of it). stdout, stderr and exit are golden; a last line … matches any further
// lines. Every other section is a file in the folder $DIR.
func TestCommands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/commands/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no commands", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			playCommand(t, file)
		})
	}
}

func playCommand(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(archive.Comment), ".") {
		t.Fatal("the file has to begin with a sentence of what it shows")
	}
	dir := t.TempDir()
	golden := map[string]string{}
	for _, s := range archive.Files {
		switch s.Name {
		case "args", "env", "stdout", "stderr", "exit":
			golden[s.Name] = string(s.Data)
		default:
			if err := os.WriteFile(filepath.Join(dir, s.Name), s.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	expand := func(text string) []string {
		return strings.FieldsFunc(strings.ReplaceAll(text, "$DIR", dir), func(r rune) bool { return r == '\n' })
	}
	env := emulator.Settings("http://" + backendHost)
	for _, line := range expand(golden["env"]) {
		if line == "none" {
			clear(env)
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	var stdout, stderr bytes.Buffer
	code := runWith(t.Context(), expand(golden["args"]), env, &stdout, &stderr)
	got := map[string]string{"stdout": stdout.String(), "stderr": stderr.String(), "exit": fmt.Sprintln(code)}
	for name, text := range got {
		got[name] = strings.ReplaceAll(text, dir, "$DIR")
	}
	if *update {
		writeGolden(t, file, archive, golden, got)
		return
	}
	for _, name := range []string{"exit", "stderr", "stdout"} {
		if want := golden[name]; !alike(want, got[name]) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(want, got[name]))
		}
	}
	secrets := []string{emulator.APIKey, emulator.Authorization, emulator.ClientSecret, "hidden"}
	for _, secret := range secrets {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("the output shows the secret %q", secret)
		}
	}
}

// alike compares an output with a golden text.
func alike(want, got string) bool {
	if strings.HasSuffix(want, "\n…\n") {
		return strings.HasPrefix(got, strings.TrimSuffix(want, "…\n"))
	}
	return want == got
}

// writeGolden writes outputs into the file of a command; those that end in … stay where they still hold.
func writeGolden(t *testing.T, file string, archive *txtar.Archive, golden, got map[string]string) {
	t.Helper()
	maps.DeleteFunc(got, func(name, text string) bool { return alike(golden[name], text) })
	for name, text := range got {
		found := false
		for i, s := range archive.Files {
			if s.Name == name {
				archive.Files[i].Data, found = []byte(text), true
			}
		}
		if !found {
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
