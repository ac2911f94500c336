package gateway

import (
	"fmt"
	"testing"

	"github.com/learngraph/learngraph/graph/scalar"
)

// TestAConstantCostIsThatOfEachExecution plans each document with several variables on one gateway, which may know its cost
// from before, and on a new one, which cannot.
func TestAConstantCostIsThatOfEachExecution(t *testing.T) {
	t.Parallel()
	user, client := scalar.EncodeID(scalar.UserNode, "u"), scalar.EncodeID(scalar.ClientNode, "c")
	after := scalar.Cursor{List: "Query.clients", Offset: 5}.Encode()
	for _, test := range []struct {
		query     string
		fixed     bool
		variables []string
	}{
		{"{ clients { nodes { name users { nodes { name } } } } }", true, []string{"", ""}},
		{"query($u: ID!) { user(by: {sourceId: $u}) { name identity { sourceId } } }", true, []string{`{"u":"a"}`, `{"u":"b"}`}},
		{"query($q: String) { clients(query: $q) { nodes { name } } }", true, []string{`{"q":"a"}`, `{"q":null}`, `{"q":"b"}`, `{}`}},
		{"query($n: Int) { clients(first: $n) { nodes { name } } }", false, []string{`{"n":3}`, `{"n":30}`, `{"n":null}`, `{}`}},
		{"query($n: Int) { clients { nodes { ...U } } } fragment U on Client { users(first: $n) { nodes { name } } }", false, []string{`{"n":3}`, `{"n":30}`}},
		{"query($a: String) { clients(first: 10, after: $a) { totalCount } }", false, []string{`{}`, fmt.Sprintf(`{"a":%q}`, after), `{"a":null}`}},
		{"query($on: Boolean!) { clients { nodes { name users @include(if: $on) { nodes { name } } } } }", false, []string{`{"on":true}`, `{"on":false}`}},
		{"query($id: ID!) { node(id: $id) { ... on User { identity { sourceId } } ... on Client { name } } }", false,
			[]string{fmt.Sprintf(`{"id":%q}`, user), fmt.Sprintf(`{"id":%q}`, client)}},
		{"query($ids: [ID!]!) { nodes(ids: $ids) { id } }", false, []string{fmt.Sprintf(`{"ids":[%q]}`, user), fmt.Sprintf(`{"ids":[%q,%q]}`, user, client)}},
	} {
		w := &world{}
		known := w.gateway(nil)
		for range 2 {
			for _, variables := range test.variables {
				body := queryBody(test.query, variables)
				got := send(t, known.PlanHandler(), "POST", "/graphql/plan", body).Body.String()
				if want := send(t, w.gateway(nil).PlanHandler(), "POST", "/graphql/plan", body).Body.String(); got != want {
					t.Errorf("%s with %s: got %s, want %s", test.query, variables, got, want)
				}
			}
		}
		doc, errs := known.documents.Load(test.query)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if k := constantsOf(doc, doc.Operations[0], known.costs).cost; (k.Known() != nil) != test.fixed {
			t.Errorf("%s: known %v, want %v", test.query, !test.fixed, test.fixed)
		}
	}
}
