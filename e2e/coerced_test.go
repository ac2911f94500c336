package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// nullCase is an operation with a null, through a variable, at a place that must not be null.
type nullCase struct {
	name, query string
	variables   map[string]any
	// names is the error's message, at its path.
	names, path string
	// data is the answer's, calls are the backend calls that other fields make.
	data  string
	calls int
}

var nullCases = []nullCase{
	{"a condition", `query($v: Boolean = true) { clients(first: 1) { totalCount @include(if: $v) } }`, vars("v", nil),
		"@include.if must not be null", "clients", `{"clients":null}`, 0},
	{"a condition of a fragment", `query($v: Boolean = true) { users(first: 1) { ...F @skip(if: $v) } } fragment F on UserConnection { nodes { id } }`, vars("v", nil),
		"@skip.if must not be null", "users", `{"users":null}`, 0},
	{"a condition of an inline fragment", `query($v: Boolean = true) { clients(first: 1) { nodes { ... @include(if: $v) { name } } } embedClients(first: 1) { nodes { sourceId } } }`, vars("v", nil),
		"@include.if must not be null", "clients", ``, 1},
	{"a condition at the root", `query($v: Boolean = true) { clients(first: 1) { totalCount } ... @include(if: $v) { users { nodes { id } } } }`, vars("v", nil),
		"@include.if must not be null", "", `null`, 0},
	{"a condition of a write", `mutation($v: Boolean = true) { updateUser(input: {by: {sourceId: "a"}, name: "x"}) @skip(if: $v) { userErrors { code } } }`, vars("v", nil),
		"@skip.if must not be null", "", `null`, 0},
	{"a condition below a write", `mutation($v: Boolean = true) { updateUser(input: {by: {sourceId: "a"}, name: "x"}) { user { name @include(if: $v) } } }`, vars("v", nil),
		"@include.if must not be null", "updateUser", `{"updateUser":null}`, 0},
	{"a condition of introspection", `query($v: Boolean = true) { __schema { types { name @include(if: $v) } } }`, vars("v", nil),
		"@include.if must not be null", "__schema", `null`, 0},
	{"a condition that is not looked at", `query($v: Boolean = true) { clients(first: 1) @skip(if: true) { totalCount @include(if: $v) } __typename }`, vars("v", nil),
		"", "", `{"__typename":"Query"}`, 0},
	{"a whole input", `mutation($i: UpdateUserInput = {by: {sourceId: "a"}, name: "x"}) { updateUser(input: $i) { userErrors { code } } }`, vars("i", nil),
		"input must not be null", "updateUser", `{"updateUser":null}`, 0},
	{"a whole list", `query($i: [ID!] = ["a"]) { nodes(ids: $i) { id } embedClients(first: 1) { nodes { sourceId } } }`, vars("i", nil),
		"ids must not be null", "nodes", ``, 1},
	{"a key", `query($by: UserBy = {sourceId: "a"}) { user(by: $by) { id } }`, vars("by", nil), "by must not be null", "user", `{"user":null}`, 0},
	{"a name of a type", `query($n: String = "User") { __type(name: $n) { name } }`, vars("n", nil), "name must not be null", "__type", `{"__type":null}`, 0},
	{"an element of a list", `query($s: ID = "x") { nodes(ids: ["a", $s]) { id } }`, vars("s", nil), "ids[1] must not be null", "nodes", `{"nodes":null}`, 0},
	{"an element of a list of enums", `query($s: Status = published) { clients(first: 1) { nodes { courses(status: [$s]) { totalCount } } } }`, vars("s", nil),
		"status[0] must not be null", "clients.nodes.0.courses", `{"clients":{"nodes":[{"courses":null}]}}`, 1},
	{"a member", `mutation($a: UserCoursesAction = delete) { deleteUser(input: {by: {sourceId: "a"}, action: $a}) { userErrors { code } } }`, vars("a", nil),
		"input.action must not be null", "deleteUser", `{"deleteUser":null}`, 0},
	{"a member of free JSON", `mutation($m: JSON = {}) { updateEmbedClient(input: {by: {sourceId: "a"}, metadata: $m}) { userErrors { code } } }`, vars("m", nil),
		"input.metadata must not be null", "updateEmbedClient", `{"updateEmbedClient":null}`, 0},
}

func TestANullInANonNullPositionIsAnErrorOfItsField(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"ALLOW_DELETES": "true", "INTROSPECTION": "true"}})
	for _, test := range nullCases {
		t.Run(test.name, func(t *testing.T) {
			p.backends.Reset()
			a := p.post(t, test.query, test.variables)
			checkNull(t, test, a)
			if data := dataOf(t, a); test.data != "" && data != test.data {
				t.Errorf("got %s, want %s", data, test.data)
			}
			if got := p.backends.Calls(); len(got) != test.calls {
				t.Errorf("got %v, want %d calls", p.calls(), test.calls)
			}
		})
	}
}

// checkNull wants the one error of a null, if there is to be one.
func checkNull(t *testing.T, test nullCase, a *answer) {
	t.Helper()
	if test.names == "" {
		if len(a.Errors) > 0 {
			t.Errorf("got errors %v", a.Errors)
		}
		return
	}
	want := strings.TrimSpace(test.path + " BAD_USER_INPUT")
	if diff := cmp.Diff([]string{want}, a.failures()); diff != "" {
		t.Fatalf("errors (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(a.Errors[0].Message, test.names) {
		t.Errorf("got message %q, want it to begin with %q", a.Errors[0].Message, test.names)
	}
}

func dataOf(t *testing.T, a *answer) string {
	t.Helper()
	var parts struct{ Data json.RawMessage }
	if err := json.Unmarshal(a.raw, &parts); err != nil {
		t.Fatal(err)
	}
	return string(parts.Data)
}

func TestThePlanHasNoCallForAFieldWithANullArgument(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"ALLOW_DELETES": "true", "INTROSPECTION": "true"}})
	for _, test := range nullCases {
		t.Run(test.name, func(t *testing.T) {
			body, err := json.Marshal(vars("query", test.query, "variables", test.variables))
			if err != nil {
				t.Fatal(err)
			}
			a := readAnswer(t, p.sendBody(t, "/graphql/plan", string(body)))
			test.path = strings.ReplaceAll(test.path, ".0", "")
			checkNull(t, test, a)
			if got := a.get(t, "data", "plan", "fields"); len(got.([]any)) != test.calls {
				t.Errorf("got %v, want %d calls", got, test.calls)
			}
		})
	}
	if len(p.backends.Calls()) > 0 {
		t.Errorf("the backends were called: %v", p.calls())
	}
}

func TestFreeJSONReachesTheBackendAsItIsWritten(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
	const identity = "e0000000-0000-4000-8000-000000000000" // the body is read before it is looked for
	for _, value := range []string{
		"9007199254740993.0", "0.12345678901234567890123", "1e-400", "99999999999999999999", "1e999", "-0", "-0.0", "1E+2", "9223372036854775808",
		"[]", "{}", "[[]]", "[null]", `[{"b":[]}]`, `""`, "true", "null", strings.Repeat("9", 400),
	} {
		literal := strings.ReplaceAll(value, `"b":`, "b:")
		for name, send := range map[string]func(field string) *answer{
			"literal": func(field string) *answer {
				return p.post(t, "mutation { "+strings.Replace(field, "$v", literal, 1)+" }", nil)
			},
			"default": func(field string) *answer { return p.post(t, "mutation($v: JSON = "+literal+") { "+field+" }", nil) },
			"variable": func(field string) *answer {
				return p.post(t, "mutation($v: JSON) { "+field+" }", vars("v", json.RawMessage(value)))
			},
			"whole": func(field string) *answer {
				return p.post(t, "mutation($w: JSON!) { "+strings.Replace(field, "{a: $v}", "$w", 1)+" }", vars("w", json.RawMessage(`{"a":`+value+`}`)))
			},
		} {
			for member, field := range map[string]string{
				"metadata": `f: updateUser(input: {by: {sourceId: ` + strconv.Quote(user) + `}, metadata: {a: $v}}) { userErrors { code } }`,
				"claims":   `f: updateIdentity(input: {by: {sourceId: ` + strconv.Quote(identity) + `}, claims: {a: $v}}) { userErrors { code } }`,
			} {
				p.backends.Reset()
				a := send(field)
				want := strconv.Quote(member) + `:{"a":` + value + `}`
				sent := ""
				for _, call := range p.backends.Calls() {
					sent += string(call.Body)
				}
				if len(a.Errors) > 0 || !strings.Contains(sent, want) {
					t.Errorf("%s %s: sent %q, want %s, errors %v", name, member, sent, want, a.Errors)
				}
			}
		}
	}
}

func TestAnIDMayBeAnyWholeNumber(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, id := range []string{"9223372036854775808", "-9223372036854775809", strings.Repeat("7", 100)} {
		for name, a := range map[string]*answer{
			"literal":  p.post(t, `{ user(by: {sourceId: `+id+`}) { id } }`, nil),
			"default":  p.post(t, `query($id: ID! = `+id+`) { user(by: {sourceId: $id}) { id } }`, nil),
			"variable": p.post(t, `query($id: ID!) { user(by: {sourceId: $id}) { id } }`, vars("id", json.Number(id))),
		} {
			if len(a.Errors) > 0 {
				t.Errorf("%s %s: got errors %v", name, id, a.Errors)
			}
		}
	}
	asked := 0
	for _, call := range p.backends.Calls() {
		if strings.Contains(call.Path, "9223372036854775808") {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("the number was asked for %d times, want 3", asked)
	}
}

func TestALiteralOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"ALLOW_DELETES": "true"}})
	for _, query := range []string{
		`{ node(id: {}) { id } }`, `{ nodes(ids: {}) { id } }`, `{ nodes(ids: [{}]) { id } }`, `{ clients(first: {}) { totalCount } }`,
		`{ clients @skip(if: {}) { totalCount } }`, `{ clients @include(if: {}) { totalCount } }`, `{ clients(query: {a: 1}) { totalCount } }`,
		`{ clients { nodes { courses(status: {}) { totalCount } } } }`, `{ clients { nodes { courses(kind: [{}]) { totalCount } } } }`,
		`mutation { deleteUser(input: {by: {sourceId: "a"}, action: {}}) { userErrors { code } } }`,
		`query($n: Int = {}) { clients(first: $n) { totalCount } }`, `query($s: [Status!] = {}) { clients { nodes { courses(status: $s) { totalCount } } } }`,
		`{ clients(first: 2147483648) @skip(if: true) { totalCount } }`, `{ clients { ...F @skip(if: true) } } fragment F on ClientConnection { nodes { users(first: -2147483649) { nodes { id } } } }`,
		`query A { clients(first: 99999999999) { totalCount } } query B { __typename }`, `query($n: Int = 2147483648) { clients(first: $n) { totalCount } }`,
	} {
		body, err := json.Marshal(vars("query", query, "operationName", map[bool]any{true: "B"}[strings.Contains(query, "query B")]))
		if err != nil {
			t.Fatal(err)
		}
		if a := readAnswer(t, p.sendBody(t, "/graphql", string(body))); len(a.Errors) == 0 || a.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
			t.Errorf("%s: got %s", query, a.raw)
		}
	}
	if len(p.backends.Calls()) > 0 {
		t.Errorf("the backends were called: %v", p.calls())
	}
}
