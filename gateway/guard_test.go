package gateway

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
)

func TestAFieldWithoutItsScopeIsNullBeforeAnyCall(t *testing.T) {
	t.Parallel()
	user, identity := scalar.EncodeID(scalar.UserNode, "u"), scalar.EncodeID(scalar.IdentityNode, "i")
	const update = `mutation { updateUser(input: {by: {sourceId: "x"}, name: "y"}) { userErrors { code } } }`
	for _, test := range []struct {
		name, scopes, query, variables string
		want                           string // of the errors: path and scope
		asked                          string
	}{
		{"the scope", "users:read", "{ users { nodes { sourceId } } }", "", "", "users"},
		{"no scope", "", "{ users { nodes { sourceId } } }", "", "users users:read", ""},
		{"another scope", "clients:read", "{ users { nodes { sourceId } } }", "", "users users:read", ""},
		{"an alias", "", "{ a: users { nodes { sourceId } } }", "", "a users:read", ""},
		{"a fragment", "", "{ ...F } fragment F on Query { ... { users { nodes { sourceId } } } }", "", "users users:read", ""},
		{"a nested field", "users:read", "{ users(first: 1) { nodes { sourceId identity { sourceId } } } }", "", "users.nodes.0.identity identities:read", "users"},
		{"a node of the scope's type", "users:read", fmt.Sprintf("{ node(id: %q) { id } }", user), "", "", "node"},
		{"a node of another type", "users:read", fmt.Sprintf("{ node(id: %q) { id } }", identity), "", "node identities:read", ""},
		{"a node in a variable", "users:read", "query($id: ID!) { node(id: $id) { __typename } }", `{"id":"` + identity + `"}`, "node identities:read", ""},
		{"nodes of two types", "users:read", fmt.Sprintf("{ nodes(ids: [%q, %q]) { id } }", user, identity), "", "nodes identities:read", ""},
		{"one node for nodes", "users:read", fmt.Sprintf("{ nodes(ids: %q) { id } }", identity), "", "nodes identities:read", ""},
		{"a search without claims", "identities:read", "{ identities(filter: {authenticationProvider: {subjectId: \"x\"}}) { nodes { sourceId } } }", "", "", "identities"},
		{"a search by claims", "identities:read", "{ identities(filter: {claims: {a: 1}}) { nodes { sourceId } } }", "", "identities claims:read", ""},
		{"a search by claims in a variable", "identities:read", "query($f: IdentityFilter) { identities(filter: $f) { nodes { sourceId } } }", `{"f":{"claims":{"a":1}}}`, "identities claims:read", ""},
		{"a search by claims with the scope", "identities:read claims:read", "{ identities(filter: {claims: {a: 1}}) { nodes { sourceId } } }", "", "", "identities"},
		{"claims", "identities:read", "{ identities { nodes { sourceId claims } } }", "", "identities.nodes.0.claims claims:read", "identities"},
		{"a write", "users:write", update, "", "", "updateUser"},
		{"a write with the scope to read", "users:read", update, "", "updateUser users:write", ""},
		{"a delete with the scope to write", "users:write", `mutation { deleteUser(input: {by: {sourceId: "x"}, action: ignore}) { deletedId } }`, "", "deleteUser delete", ""},
		{"a delete with the scope to delete", "delete", `mutation { deleteUser(input: {by: {sourceId: "x"}, action: ignore}) { deletedId } }`, "", "deleteUser users:write", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := &world{users: 1}
			g := w.gateway(func(o *Options) {
				o.Authenticate = as(&auth.Caller{Name: "app", Scopes: strings.Fields(test.scopes)})
			})
			got := post(t, g, test.query, test.variables)
			var errs []string
			for _, e := range read(t, got).Errors {
				if e.Extensions.Code != "FORBIDDEN" {
					t.Errorf("got %s", got.Body)
				}
				path := strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Path), " ", "."), "[]")
				errs = append(errs, path+" "+strings.TrimPrefix(e.Message, "the caller lacks the scope "))
			}
			if diff := cmp.Diff(test.want, strings.Join(errs, ", ")); diff != "" {
				t.Errorf("errors (-want +got):\n%s\n%s", diff, got.Body)
			}
			if diff := cmp.Diff(test.asked, strings.Join(w.asked, " ")); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeadersThatNeedAScopeAreIgnoredWithoutIt(t *testing.T) {
	t.Parallel()
	for scopes, want := range map[string]string{"": " ", "fresh": "no-cache ", "explain": " 1", "fresh explain": "no-cache 1"} {
		g := (&world{}).gateway(func(o *Options) {
			o.Authenticate = as(&auth.Caller{Scopes: strings.Fields(scopes)})
		})
		req := httptest.NewRequestWithContext(t.Context(), "GET", "/graphql", nil)
		req.Header.Set("Cache-Control", "no-cache")
		req.Header.Set("X-Learngraph-Explain", "1")
		_, admitted, fault := g.authenticate(req)
		if fault != nil {
			t.Fatal(fault)
		}
		if got := admitted.Header.Get("Cache-Control") + " " + admitted.Header.Get("X-Learngraph-Explain"); got != want {
			t.Errorf("%q: got %q, want %q", scopes, got, want)
		}
	}
}

func TestEveryMutationIsLoggedWithoutItsSubject(t *testing.T) {
	t.Parallel()
	id := scalar.EncodeID(scalar.UserNode, "secret-user")
	for _, test := range []struct {
		name, scopes, by string
		fail             error
		mend             []*model.UserError
		want             string
	}{
		{"done", "users:write", `sourceId: "secret-user"`, nil, nil, "outcome=done"},
		{"by global id", "users:write", fmt.Sprintf("id: %q", id), nil, nil, "outcome=done"},
		{"mendable", "users:write", `sourceId: "secret-user"`, nil, []*model.UserError{{Code: "NOT_FOUND"}}, "outcome=NOT_FOUND"},
		{"failed", "users:write", `sourceId: "secret-user"`, &upstream.Error{Backend: upstream.Coassemble, Kind: upstream.OutcomeUnknown}, nil, "outcome=WRITE_OUTCOME_UNKNOWN"},
		{"forbidden", "users:read", `sourceId: "secret-user"`, nil, nil, "outcome=FORBIDDEN"},
	} {
		w := &world{fail: test.fail, userErrors: test.mend}
		g := w.gateway(func(o *Options) {
			o.Authenticate = as(&auth.Caller{Name: "app", Scopes: strings.Fields(test.scopes)})
			o.Digest = func(text string) string { return "digest-of-" + fmt.Sprint(len(text)) }
		})
		post(t, middleware.AccessLog(slog.New(slog.DiscardHandler), nil, nil, g), `mutation { x: updateUser(input: {by: {`+test.by+`}, name: "y"}) { userErrors { code } } }`, "", "X-Request-Id", "r1")
		got := w.logged()
		for _, want := range []string{"msg=mutation", "requestId=r1", "caller=app", "field=updateUser", "type=User", "object=digest-of-16", test.want} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %s in it", test.name, got, want)
			}
		}
		if strings.Count(got, "msg=mutation") != 1 || strings.Contains(got, "secret") {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
}
