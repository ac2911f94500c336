package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// TestCaptures replays every file of testdata/captures: the capture of an operation that went wrong is put there once it
// goes right. With -update the results become those of now.
func TestCaptures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/captures/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no captures", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { replayTestdata(t, name) })
		})
	}
}

func replayTestdata(t *testing.T, name string) {
	f, err := readCapture(name)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		now, err := app.Replay(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		f.Result = now.Result
		var text bytes.Buffer
		if err := f.Write(&text); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"replay", name}, func(string) string { return "" }, &stdout, &stderr)
	if code != cli.ExitOK || len(f.Differs) > 0 {
		t.Errorf("got exit code %d: %s%s", code, &stdout, &stderr)
	}
}

// captured returns the path of a capture of one page of clients with their users, and its text.
func captured(t *testing.T) (name string, text []byte) {
	t.Helper()
	s := startStudio(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, CoursesPerClient: -1, Linked: true}})
	_, name = s.ask(t, `{ clients { nodes { name users { nodes { name } } } } }`, nil, nil)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return name, text
}

func TestReplayListsDifferences(t *testing.T) {
	t.Parallel()
	name, text := captured(t)
	f, err := readCapture(name)
	if err != nil {
		t.Fatal(err)
	}
	shown := readResult(t, f).get(t, "data", "clients", "nodes", 0, "name").(string)
	last := strings.LastIndex(string(text), jsonText(shown))
	renamed := string(text[:last]) + "Another" + string(text[last+len(jsonText(shown)):])
	dropped := strings.Replace(string(text), `"path": "/v1/headless/users"`, `"path": "/v1/headless/clients"`, 1)
	tests := []struct {
		name, text string
		args       []string
		code       int
		want       []string
	}{
		{"nothing", string(text), nil, cli.ExitOK, []string{"same "}},
		{"a value", renamed, nil, cli.ExitFailed,
			[]string{"differs ", "data.clients.nodes[0].name: recorded ", `"Another"`}},
		{"a call", dropped, nil, cli.ExitFailed,
			[]string{"not called: coassemble GET", "called and not recorded: coassemble GET /v1/headless/users (1)", "data.clients.nodes[0].users: recorded {", "now null"}},
		{"as JSON", dropped, []string{"-json"}, cli.ExitFailed, []string{`"ok": false`, `"additional": [`, `"path": "data.clients.nodes[0].users"`}},
		{"not a capture", "{}", nil, cli.ExitUsage, nil},
		{"a later version", `{"version": 2}`, nil, cli.ExitUsage, nil},
		{"a secret setting", strings.Replace(string(text), `"LINK_CLIENT"`, `"REDIS_URL"`, 1), nil, cli.ExitOK, []string{"same "}},
		{"a broken setting", strings.Replace(string(text), `"LINK_CLIENT": "id"`, `"LINK_CLIENT": "name"`, 1), nil, cli.ExitUsage, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "capture.json")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(append([]string{"replay"}, test.args...), file), func(string) string { return "" }, &stdout, &stderr)
			if code != test.code {
				t.Errorf("got exit code %d, want %d: %s%s", code, test.code, &stdout, &stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the output lacks %q:\n%s", want, &stdout)
				}
			}
		})
	}
}

func TestReplayWritesTheCallsAsAnHTTPArchive(t *testing.T) {
	t.Parallel()
	name, _ := captured(t)
	har := filepath.Join(t.TempDir(), "calls.har")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"replay", "-har", har, name}, func(string) string { return "" }, &stdout, &stderr); code != cli.ExitOK {
		t.Fatalf("got exit code %d: %s", code, &stderr)
	}
	text, err := os.ReadFile(har)
	if err != nil {
		t.Fatal(err)
	}
	var archive struct {
		Log struct {
			Version string
			Entries []struct {
				Request  struct{ Method, URL string }
				Response struct{ Content struct{ Text string } }
			}
		}
	}
	if err := json.Unmarshal(text, &archive); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range archive.Log.Entries {
		got = append(got, e.Request.Method+" "+e.Request.URL)
		if !json.Valid([]byte(e.Response.Content.Text)) {
			t.Errorf("%s has no JSON", e.Request.URL)
		}
	}
	want := []string{"GET https://thoughtindustries.invalid/incoming/v2/clients?count=25&page=1", "GET https://coassemble.invalid/v1/headless/users?length=100&page=0"}
	if diff := cmp.Diff(want, got); diff != "" || archive.Log.Version != "1.2" {
		t.Errorf("version %s, calls (-want +got):\n%s", archive.Log.Version, diff)
	}
	if strings.Contains(string(text), `"Authorization"`) || strings.Contains(string(text), "Bearer") {
		t.Error("the archive shows a credential's header")
	}
}

func TestReplayNeedsFiles(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-har", "x.har", "a", "b"}, {"-nonsense"}, {"testdata/no-such-file"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"replay"}, args...), func(string) string { return "" }, &stdout, &stderr); code != cli.ExitUsage || stderr.Len() == 0 {
			t.Errorf("%q: got exit code %d: %s", args, code, &stderr)
		}
	}
}
