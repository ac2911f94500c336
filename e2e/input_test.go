package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestBadInputIsNamedAndMakesNoCall(t *testing.T) {
	t.Parallel()
	const validation, input = "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"
	clientCursor := scalar.Cursor{List: "Query.clients", Bound: []string{"", ""}, Offset: 3}.Encode()
	tampered := []byte(clientCursor)
	tampered[len(tampered)/2] ^= 1
	userID := scalar.EncodeID(scalar.UserNode, "someone")
	tests := []struct {
		name, query string
		variables   map[string]any
		code, names string
	}{
		{"an unknown field", `{ clients { nodes { secretKey } } }`, nil, validation, "secretKey"},
		{"an unknown argument", `{ clients(last: 1) { totalCount } }`, nil, validation, "last"},
		{"a literal of a wrong type", `{ clients(first: "ten") { totalCount } }`, nil, validation, "Int"},
		{"a variable of a wrong type", `query($n: Int) { clients(first: $n) { totalCount } }`, vars("n", "ten"), input, "n"},
		{"a variable with a fraction", `query($n: Int) { clients(first: $n) { totalCount } }`, vars("n", 1.5), input, "n"},
		{"a variable over 32 bits", `query($n: Int) { clients(first: $n) { totalCount } }`, vars("n", 1<<40), input, "n"},
		{"a variable that is missing", `query($id: ID!) { node(id: $id) { id } }`, nil, input, "id"},
		{"a variable that is null", `query($id: ID!) { node(id: $id) { id } }`, vars("id", nil), input, "id"},
		{"an undeclared variable", `{ node(id: $id) { id } }`, vars("id", userID), validation, "id"},
		{"a variable of another type than its place", `query($n: String) { clients(first: $n) { totalCount } }`, vars("n", "1"), validation, "n"},
		{"an unknown enum value", `{ clients { nodes { courses(status: [finished]) { totalCount } } } }`, nil, validation, "finished"},
		{"an unknown enum value in a variable", `query($s: [Status!]) { clients { nodes { courses(status: $s) { totalCount } } } }`, vars("s", []string{"finished"}), input, "s"},
		{"an unknown input field", `{ client(by: {name: "x"}) { id } }`, nil, validation, "name"},
		{"an unknown input field in a variable", `query($by: ClientBy!) { client(by: $by) { id } }`, vars("by", vars("name", "x")), input, "by"},

		{"first too small", `{ clients(first: 0) { totalCount } }`, nil, input, "first must be 1 to 100"},
		{"first negative", `{ users(first: -1) { nodes { id } } }`, nil, input, "first must be 1 to 100"},
		{"first too large", `{ embedClients(first: 101) { nodes { id } } }`, nil, input, "first must be 1 to 100"},
		{"first too large in a variable", `query($n: Int) { identities(first: $n) { nodes { id } } }`, vars("n", 101), input, "first must be 1 to 100"},
		{"first too large by a variable's default", `query($n: Int = 101) { identities(first: $n) { nodes { id } } }`, nil, input, "first must be 1 to 100"},
		{"first too large deep inside", `{ clients { nodes { users { nodes { credentials(first: 1000) { nodes { id } } } } } } }`, nil, input, "first must be 1 to 100"},
		{"first too large in a fragment", `{ clients { nodes { ...F } } } fragment F on Client { courses(first: 101) { totalCount } }`, nil, input, "first must be 0 to 100"},
		{"first of courses negative", `{ clients { nodes { courses(first: -1) { totalCount } } } }`, nil, input, "first must be 0 to 100"},

		{"a search that no address holds", `query($q: String) { clients(query: $q) { totalCount } }`, vars("q", strings.Repeat("é", 513)), input, "query must be at most 1024 bytes"},
		{"a sort that no address holds", `query($q: String) { clients(sort: $q) { totalCount } }`, vars("q", strings.Repeat("n", 1025)), input, "sort must be at most 1024 bytes"},

		{"a cursor that is none", `{ clients(after: "abc") { totalCount } }`, nil, input, "after is not a cursor"},
		{"an empty cursor", `{ clients(after: "") { totalCount } }`, nil, input, "after is not a cursor"},
		{"a cursor of another list", fmt.Sprintf(`{ embedClients(after: %q) { nodes { id } } }`, clientCursor), nil, input, "after is a cursor of another list"},
		{"a cursor of another list deep inside", fmt.Sprintf(`{ clients { nodes { users(after: %q) { nodes { id } } } } }`, clientCursor), nil, input, "after is a cursor of another list"},
		{"a cursor of other arguments", fmt.Sprintf(`{ clients(sort: "name", after: %q) { totalCount } }`, clientCursor), nil, input, "after is a cursor of another list"},
		{"a tampered cursor", `query($c: String) { clients(after: $c) { totalCount } }`, vars("c", string(tampered)), input, "after is"},
		{"a cursor cut short", `query($c: String) { clients(after: $c) { totalCount } }`, vars("c", clientCursor[:len(clientCursor)-3]), input, "after is"},

		{"a global id that is none", `{ node(id: "abc") { id } }`, nil, input, "id is not a global id"},
		{"an empty global id", `{ node(id: "") { id } }`, nil, input, "id is not a global id"},
		{"a number for a global id", `{ node(id: 7) { id } }`, nil, input, "id is not a global id"},
		{"more than a hundred ids", `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, vars("ids", repeat(userID, 101)), input, "ids must be at most 100"},
		{"the id of another type", fmt.Sprintf(`{ client(by: {id: %q}) { id } }`, userID), nil, input, "by.id is the id of a User, not of a Client"},
		{"the id of another type in a variable", `query($by: IdentityBy!) { identity(by: $by) { id } }`, vars("by", vars("id", userID)), input, "by.id is the id of a User"},

		{"two keys", `{ client(by: {slug: "a", sku: "b"}) { id } }`, nil, validation, "ClientBy"},
		{"no key", `{ client(by: {}) { id } }`, nil, validation, "ClientBy"},
		{"a null key", `{ client(by: {slug: null}) { id } }`, nil, validation, "ClientBy"},
		{"two keys in a variable", `query($by: ClientBy!) { client(by: $by) { id } }`, vars("by", vars("slug", "a", "sku", "b")), input, "by must have exactly one of id, sourceId, slug, sku"},
		{"no key in a variable", `query($by: UserBy!) { user(by: $by) { id } }`, vars("by", vars()), input, "by must have exactly one of id, sourceId"},
		{"a null key in a variable", `query($by: UserBy!) { user(by: $by) { id } }`, vars("by", vars("id", nil)), input, "by must have exactly one"},
		{"a key beside a null one in a variable", `query($by: UserBy!) { user(by: $by) { id } }`, vars("by", vars("id", nil, "sourceId", "a")), input, "by must have exactly one"},
		{"two keys nested in a variable", `mutation($input: UpdateUserInput!) { updateUser(input: $input) { userErrors { code } } }`,
			vars("input", vars("by", vars("id", userID, "sourceId", "a"), "name", "x")), input, "by must have exactly one"},

		{"claims that are no object", `{ identities(filter: {claims: "x"}) { nodes { id } } }`, nil, input, "filter.claims must be a JSON object"},
		{"claims that are null", `{ identities(filter: {claims: null}) { nodes { id } } }`, nil, input, "filter.claims must be a JSON object"},
		{"a sign-in that is null", `{ identities(filter: {authenticationProvider: null}) { nodes { id } } }`, nil, input, "filter.authenticationProvider"},
		{"an empty sign-in", `{ identities(filter: {authenticationProvider: {}}) { nodes { id } } }`, nil, input, "filter.authenticationProvider"},
		{"an empty clientIdentifier", `{ users(clientIdentifier: "") { nodes { id } } }`, nil, input, "clientIdentifier must not be empty"},
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := p.post(t, test.query, test.variables)
			if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != test.code {
				t.Fatalf("got errors %v, want one %s:\n%s", a.failures(), test.code, a.raw)
			}
			if !strings.Contains(a.Errors[0].Message, test.names) {
				t.Errorf("got message %q, want it to say %q", a.Errors[0].Message, test.names)
			}
			if len(a.Errors[0].Path) == 0 && a.Data != nil {
				t.Errorf("got data %v beside a refusal of the whole operation", a.Data)
			}
		})
	}
	if calls := p.calls(); len(calls) > 0 {
		t.Errorf("the backends were called: %v", calls)
	}
}

func vars(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func repeat(text string, times int) []string {
	list := make([]string, times)
	for i := range list {
		list[i] = text
	}
	return list
}

// badIdentifiers name nothing that could exist; all else is the customer's own and is escaped.
var badIdentifiers = map[string]string{
	"empty":          "",
	"too long":       strings.Repeat("x", 513),
	"control":        "a\x01b",
	"newline":        "a\nb",
	"delete":         "a\x7fb",
	"dot":            ".",
	"dots":           "..",
	"dots inside":    "a/../b",
	"dots at an end": "a/..",
}

func TestAnIdentifierThatNamesNothingMakesNoCall(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"ALLOW_DELETES": "true"}})
	reads := []struct{ query, argument string }{
		{`query($id: ID!) { f: user(by: {sourceId: $id}) { id } }`, "by.sourceId"},
		{`query($id: ID!) { f: embedClient(by: {sourceId: $id}) { id } }`, "by.sourceId"},
		{`query($id: ID!) { f: identity(by: {sourceId: $id}) { id } }`, "by.sourceId"},
		{`query($id: ID!) { f: client(by: {sourceId: $id}) { id } }`, "by.sourceId"},
		{`query($id: String!) { f: client(by: {slug: $id}) { id } }`, "by.slug"},
		{`query($id: String!) { f: client(by: {sku: $id}) { id } }`, "by.sku"},
		{`query($id: String!) { f: users(clientIdentifier: $id) { nodes { id } } }`, "clientIdentifier"},
	}
	writes := []struct{ query, argument string }{
		{`mutation($id: ID!) { f: updateUser(input: {by: {sourceId: $id}, name: "x"}) { userErrors { code message path } } }`, "by.sourceId"},
		{`mutation($id: String!) { f: updateUser(input: {by: {sourceId: "x"}, clientIdentifier: $id}) { userErrors { code message path } } }`, "clientIdentifier"},
		{`mutation($id: ID!) { f: deleteUser(input: {by: {sourceId: $id}, action: ignore}) { userErrors { code message path } } }`, "by.sourceId"},
		{`mutation($id: String!) { f: deleteUser(input: {by: {sourceId: "x"}, action: reallocate, reallocateTo: $id}) { userErrors { code message path } } }`, "reallocateTo"},
		{`mutation($id: ID!) { f: updateEmbedClient(input: {by: {sourceId: $id}, metadata: {}}) { userErrors { code message path } } }`, "by.sourceId"},
		{`mutation($id: ID!) { f: deleteEmbedClient(input: {by: {sourceId: $id}, confirm: "x"}) { userErrors { code message path } } }`, "by.sourceId"},
		{`mutation($id: ID!) { f: updateIdentity(input: {by: {sourceId: $id}, claims: {}}) { userErrors { code message path } } }`, "by.sourceId"},
		{`mutation($id: ID!) { f: deleteIdentity(input: {by: {sourceId: $id}}) { userErrors { code message path } } }`, "by.sourceId"},
	}
	for name, id := range badIdentifiers {
		for _, read := range reads {
			a := p.post(t, read.query, vars("id", id))
			if diff := cmp.Diff([]string{"f BAD_USER_INPUT"}, a.failures()); diff != "" {
				t.Errorf("%s in %s: errors (-want +got):\n%s", name, read.query, diff)
			} else if !strings.HasPrefix(a.Errors[0].Message, read.argument+" must ") {
				t.Errorf("%s in %s: got message %q, want it to begin with %s", name, read.query, a.Errors[0].Message, read.argument)
			}
		}
		for _, write := range writes {
			a := p.post(t, write.query, vars("id", id))
			refusal := a.get(t, "data", "f", "userErrors", 0)
			if len(a.Errors) > 0 || member(refusal, "code") != "BAD_USER_INPUT" {
				t.Errorf("%s in %s: got %s", name, write.query, a.raw)
				continue
			}
			var path []any
			for element := range strings.SplitSeq("input."+write.argument, ".") {
				path = append(path, element)
			}
			if diff := cmp.Diff(path, member(refusal, "path")); diff != "" {
				t.Errorf("%s in %s: path (-want +got):\n%s", name, write.query, diff)
			}
		}
		if id == "" {
			continue
		}
		a := p.post(t, `query($id: ID!) { f: node(id: $id) { id } }`, vars("id", scalar.EncodeID(scalar.UserNode, id)))
		if diff := cmp.Diff([]string{"f BAD_USER_INPUT"}, a.failures()); diff != "" {
			t.Errorf("%s in a global id: errors (-want +got):\n%s", name, diff)
		}
	}
	if calls := p.calls(); len(calls) > 0 {
		t.Errorf("the backends were called: %v", calls)
	}
}

func TestAnIdentifierMayHoldAnythingElse(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, id := range []string{"a b", "a/b", "a%2Fb", "a?b=c#d", "...", "a..b", "..a/b", "ü|ß", "\u200b", `a"b\c`, strings.Repeat("x", 512), "a;b&c=d", "+", "%"} {
		p.backends.Reset()
		a := p.post(t, `query($id: ID!) { user(by: {sourceId: $id}) { id } }`, vars("id", id))
		if len(a.Errors) > 0 || a.Data["user"] != nil {
			t.Errorf("%q: got %s, want null without an error", id, a.raw)
		}
		if diff := cmp.Diff([]string{"GET /v1/headless/user/{identifier} 1"}, p.calls()); diff != "" {
			t.Errorf("%q: calls (-want +got):\n%s", id, diff)
		}
	}
}

func TestMetadataThatIsNoObjectMakesNoCall(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for _, value := range []any{nil, "text", 1, true, []any{}, []any{map[string]any{}}} {
		for _, query := range []string{
			`mutation($v: JSON) { f: updateUser(input: {by: {sourceId: "x"}, metadata: $v}) { userErrors { code message } } }`,
			`mutation($v: JSON!) { f: updateEmbedClient(input: {by: {sourceId: "x"}, metadata: $v}) { userErrors { code message } } }`,
			`mutation($v: JSON!) { f: updateIdentity(input: {by: {sourceId: "x"}, claims: $v}) { userErrors { code message } } }`,
		} {
			a := p.post(t, query, vars("v", value))
			switch {
			case value == nil && strings.Contains(query, "JSON!"):
				if diff := cmp.Diff([]string{"BAD_USER_INPUT"}, a.failures()); diff != "" {
					t.Errorf("null in %s: errors (-want +got):\n%s", query, diff)
				}
			case a.get(t, "data", "f", "userErrors", 0, "code") != "BAD_USER_INPUT":
				t.Errorf("%v in %s: got %s", value, query, a.raw)
			}
		}
	}
	if calls := p.calls(); len(calls) > 0 {
		t.Errorf("the backends were called: %v", calls)
	}
}

func TestAFieldThatIsLeftOutIsNotLookedAt(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: 1}})
	a := p.post(t, `query($no: Boolean = false) { clients { totalCount } users(first: 1000) @include(if: $no) { nodes { id } } ... @skip(if: true) { identities(after: "abc") { nodes { id } } } }`, nil)
	if len(a.Errors) > 0 {
		t.Errorf("got errors %v", a.failures())
	}
	if diff := cmp.Diff(listOnly, p.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// TestBackendErrorsOfInputNameTheArgument lets MATTR refuse a write in its own words.
func TestBackendErrorsOfInputNameTheArgument(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		details string
		want    map[string]any
	}{
		"a malformed id": {`[{"value": "a-value", "msg": "Invalid value", "param": "id", "location": "params"}]`,
			map[string]any{"message": "by is not accepted by the backend", "path": []any{"input", "by"}}},
		"a claim": {`[{"value": "a-value", "msg": "Invalid value", "param": "claims.email", "location": "body"}]`,
			map[string]any{"message": "claims.email is not accepted by the backend", "path": []any{"input", "claims", "email"}}},
		"no argument": {`[{"value": "a-value", "msg": "Too much", "location": "body"}]`,
			map[string]any{"message": "the backend does not accept this input", "path": []any{"input"}}},
		"no words": {`[{"value": "a-value", "param": "claims"}]`,
			map[string]any{"message": "claims is not accepted by the backend", "path": []any{"input", "claims"}}},
		"nothing": {`[]`, map[string]any{"message": "the backend does not accept this input", "path": []any{"input"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
			p.backends.SetFault("PUT /core/v1/users/{id}", emulator.Fault{Status: 400, Body: `{"code": "BadRequest", "message": "Validation Error", "details": ` + test.details + `}`})
			a := p.post(t, `mutation { w: updateIdentity(input: {by: {sourceId: "a-key"}, claims: {}}) { userErrors { code message path } } }`, nil)
			test.want["code"] = "BAD_USER_INPUT"
			if diff := cmp.Diff([]any{test.want}, a.get(t, "data", "w", "userErrors")); diff != "" || len(a.Errors) > 0 {
				t.Errorf("(-want +got):\n%s\n%s", diff, a.raw)
			}
			if strings.Contains(string(a.raw), "a-value") {
				t.Error("the answer shows the value")
			}
		})
	}
}
