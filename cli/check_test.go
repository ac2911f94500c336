package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schemaText is the public contract.
var schemaText = func() string {
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		panic(err)
	}
	return string(text)
}()

// runCommand runs a command of the program.
func runCommand(name string, args []string, stdout, stderr io.Writer) int {
	return Run(context.Background(), Program{Schema: schemaText, Args: append([]string{name}, args...), Getenv: func(string) string { return "" },
		Stdout: stdout, Stderr: stderr})
}

// folder writes files into a folder of its own.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheckHoldsDocumentsAgainstSchemaAndBudgets(t *testing.T) {
	t.Parallel()
	const page, broken = `{"a1":"query Page($n: Int) { clients(first: $n) { nodes { name embed { userCount } } } }"}`, `{"b1":"query Broken { nonsense }"}`
	const line = "a1 Page: cost 20301, calls 201 (coassemble 200, thoughtindustries 1)\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		code  int
		want  string
	}{
		{"no budgets", map[string]string{"m.json": page}, 0, line + "1 document checked, 0 failed\n"},
		{"within its budget by id", map[string]string{"m.json": page, "budgets.json": `{"a1":{"cost":20301,"calls":201}}`}, 0, line + "1 document checked, 0 failed\n"},
		{"over its cost by name", map[string]string{"m.json": page, "budgets.json": `{"Page":{"cost":20300}}`}, 1, line + "  FAIL costs 20301 points, and its budget is 20300\n1 document checked, 1 failed\n"},
		{"over its calls", map[string]string{"m.json": page, "budgets.json": `{"Page":{"calls":200}}`}, 1, line + "  FAIL makes 201 backend calls, and its budget is 200\n1 document checked, 1 failed\n"},
		{"an invalid document", map[string]string{"m.json": broken}, 1, "b1: invalid\n  FAIL line 1, column 16: Cannot query field \"nonsense\" on type \"Query\".\n"},
		{"a budget for nothing", map[string]string{"m.json": page, "budgets.json": `{"Pgae":{}}`}, 2, ""},
		{"budgets that cannot be read", map[string]string{"m.json": page, "budgets.json": `{"Page":{"price":1}}`}, 2, ""},
		{"a manifest that cannot be read", map[string]string{"m.json": `[]`}, 2, ""},
		{"nothing to check", map[string]string{"m.json": "{}"}, 2, ""},
	} {
		dir := folder(t, test.files)
		for _, manifest := range []string{dir, filepath.Join(dir, "m.json")} {
			var stdout, stderr bytes.Buffer
			code := runCommand("check", []string{"-manifest", manifest}, &stdout, &stderr)
			got := stdout.String()
			if i := strings.Index(got, " Did you mean"); i >= 0 {
				got = got[:i] + "\n"
			}
			if diff := cmp.Diff(test.want, got); diff != "" || code != test.code {
				t.Errorf("%s: got %d %s, want %d (-want +got):\n%s", test.name, code, stderr.String(), test.code, diff)
			}
		}
	}
}

func TestCheckNamesAnErrorInJSONAsItDoesInText(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"m.json": `{"a":"{"}`})
	for _, format := range []string{"-json=false", "-json"} {
		var stdout, stderr bytes.Buffer
		if code := runCommand("check", []string{"-manifest", dir, format}, &stdout, &stderr); code != ExitFailed || !strings.Contains(stdout.String(), "found end of document") {
			t.Errorf("%s: got %d %s%s", format, code, stdout.String(), stderr.String())
		}
	}
}

func TestCheckNamesTheSameBudgetEachTime(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"m.json": `{"a":"{__typename}"}`, "budgets.json": `{"z":{},"y":{},"x":{},"w":{},"v":{}}`})
	var stdout, stderr bytes.Buffer
	if runCommand("check", []string{"-manifest", dir}, &stdout, &stderr); !strings.Contains(stderr.String(), `names "v"`) {
		t.Errorf("got %s", stderr.String())
	}
}

func TestCheckListsWhatBreaksClients(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, old, now, want string }{
		{"nothing", "", "", ""},
		{"a field", "  testMode: Boolean\n", "  testMode: Boolean\n  legacy: String\n", "BREAKING User.legacy: the field is gone\n"},
		{"a type", "scalar JSON", "scalar Old\nscalar JSON", "BREAKING Old: the type is gone\n"},
		{"a type of a field", "  testMode: Boolean\n", "  testMode: Boolean!\n", "BREAKING User.testMode: the field's type was Boolean! and is Boolean\n"},
		{"a type that says less", "  code: String!\n", "  code: String\n", ""},
		{"an enum value", "  ignore\n", "  ignore\n  archive\n", "BREAKING UserCoursesAction.archive: the value is gone\n"},
		{"an input field", "  reallocateTo: String\n", "  reallocateTo: String\n  why: String\n", "BREAKING DeleteUserInput.why: the field is gone\n"},
		{"an input field that must be given", "  confirm: String!\n", "  confirm: String\n", "BREAKING DeleteEmbedClientInput.confirm: the field's type was String and is String!\n"},
		{"a new input field that must be given", "  \"\"\"The client's `sourceId` again, as a guard against a wrong key.\"\"\"\n  confirm: String!\n", "", "BREAKING DeleteEmbedClientInput: the field confirm is new and required\n"},
		{"an argument", "    sort: String\n", "    sort: String\n    order: String\n", "BREAKING Query.clients.order: the argument is gone\n"},
		{"an interface", "type AuthenticationProvider {\n", "type AuthenticationProvider implements Node {\n  id: ID!\n", "BREAKING AuthenticationProvider: the type is no longer related to Node\nBREAKING AuthenticationProvider.id: the field is gone\n"},
	} {
		if !strings.Contains(schemaText, test.old) {
			t.Fatalf("%s: the schema has no %q", test.name, test.old)
		}
		dir := folder(t, map[string]string{"old.graphqls": strings.Replace(schemaText, test.old, test.now, 1)})
		var stdout, stderr bytes.Buffer
		code := runCommand("check", []string{"-against", filepath.Join(dir, "old.graphqls")}, &stdout, &stderr)
		want := test.want + fmt.Sprintf("schemas compared, breaking changes: %d\n", strings.Count(test.want, "BREAKING"))
		if diff := cmp.Diff(want, stdout.String()); diff != "" || (code == 1) != (test.want != "") {
			t.Errorf("%s: got %d %s (-want +got):\n%s", test.name, code, stderr.String(), diff)
		}
	}
}

func TestCheckListsOnlyWhatADocumentUses(t *testing.T) {
	t.Parallel()
	old := strings.Replace(schemaText, "  testMode: Boolean\n", "  testMode: Boolean\n  legacy: String\n  unused: String\n", 1)
	dir := folder(t, map[string]string{"old.graphqls": old, "m.json": `{"a":"{ users { nodes { name } } }"}`,
		"n.json": `{"b":"{ users { nodes { ...F } } } fragment F on User { legacy }"}`})
	for manifest, want := range map[string][]breakingChange{
		"m.json": nil,
		"n.json": {{Documents: []string{"b"}}},
	} {
		var stdout, stderr bytes.Buffer
		code := runCommand("check", []string{"-json", "-against", filepath.Join(dir, "old.graphqls"), "-manifest", filepath.Join(dir, manifest)}, &stdout, &stderr)
		var got checkResult
		if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
			t.Fatal(err, stderr.String())
		}
		for i := range want {
			want[i].At, want[i].Message = "User.legacy", "the field is gone"
		}
		if diff := cmp.Diff(want, got.Breaking); diff != "" || (code == 0) != (want == nil) {
			t.Errorf("%s: got %d (-want +got):\n%s", manifest, code, diff)
		}
	}
}

func TestCheckNeedsItsArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-nonsense"}, {"-manifest", "x", "more"}, {"-manifest", "does-not-exist"}, {"-against", "does-not-exist"}} {
		if code := runCommand("check", args, &bytes.Buffer{}, &bytes.Buffer{}); code != 2 {
			t.Errorf("%q: got %d, want 2", args, code)
		}
	}
}

func TestCheckSeparatesProgressFromResult(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"m.json": `{"a1":"{ clients { totalCount } }","a2":"{ users { nodes { name } } }"}`, "old.graphqls": schemaText})
	var stdout, stderr bytes.Buffer
	code := runCommand("check", []string{"-json", "-manifest", filepath.Join(dir, "m.json"), "-against", filepath.Join(dir, "old.graphqls")}, &stdout, &stderr)
	if code != ExitOK || !json.Valid(stdout.Bytes()) {
		t.Errorf("got exit code %d and\n%s", code, &stdout)
	}
	want := "checking documents (1 of 2)\nchecking documents (2 of 2)\ncomparing the schemas\n"
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestCheckComparesDocumentsWithTheLimitsOfTheServer(t *testing.T) {
	t.Parallel()
	const everyone = `query Everyone { clients(first: 100) { nodes { users(first: 100) { nodes { name credentials { nodes { type } } } } } } }`
	dir := folder(t, map[string]string{"everyone.graphql": everyone, "small.gql": "{ __typename }"})
	for _, test := range []struct {
		args []string
		code int
		want []string
	}{
		{nil, ExitFailed, []string{"everyone.graphql Everyone", "and is refused by the server: MAX_COST is 1000000", "WARN can make", "(OPERATION_CALLS)", "2 documents checked, 1 failed"}},
		{[]string{"-max-cost", "0"}, ExitOK, []string{"WARN can make", "2 documents checked, 0 failed"}},
		{[]string{"-cost-mode", "measure", "-operation-calls", "1000000"}, ExitOK, []string{"2 documents checked, 0 failed"}},
	} {
		var stdout, stderr bytes.Buffer
		code := runCommand("check", append([]string{"-manifest", dir}, test.args...), &stdout, &stderr)
		if code != test.code {
			t.Errorf("%v: got %d, want %d\n%s%s", test.args, code, test.code, &stdout, &stderr)
		}
		for _, want := range test.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v: %q is missing in\n%s", test.args, want, &stdout)
			}
		}
		if len(test.want) == 1 && strings.Contains(stdout.String(), "WARN") {
			t.Errorf("%v: got a warning\n%s", test.args, &stdout)
		}
	}
}
