package documents

import (
	"strings"
	"testing"

	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
)

func TestDeferAndStreamAreValidated(t *testing.T) {
	t.Parallel()
	checker := New(graph.Schema(), limits.Limits{Depth: 1 << 20, Selections: 1 << 30}, true, 1<<20, nil)
	for text, want := range map[string]string{
		`{ clients { nodes @stream { name ... @defer(label: "a") { slug } } } }`:                                                                  "",
		`query($v: String) { clients { ... @defer(label: $v) { totalCount } } }`:                                                                  "static string",
		`query($v: String) { clients { nodes @stream(label: $v) { name } } }`:                                                                     "static string",
		`{ clients { ... @defer(label: "a") { totalCount } nodes @stream(label: "a") { name } } }`:                                                "is used by another",
		`{ clients { ...F @defer(label: "a") } } fragment F on ClientConnection { ... @defer(label: "a") { totalCount } }`:                        "is used by another",
		`query A { clients { ...F } } query B { clients { ...F } } fragment F on ClientConnection { ... @defer(label: "a") { totalCount } }`:      "",
		`{ clients @stream { totalCount } }`:                                                                                                      "non-list field",
		`{ clients { totalCount @stream } }`:                                                                                                      "non-list field",
		`{ nodes(ids: ["a"]) @stream { id } }`:                                                                                                    "",
		`mutation { ... @defer { deleteUser(input: {by: {id: "a"}, action: ignore}) { deletedId } } }`:                                            "root of a mutation",
		`mutation { ...F } fragment F on Mutation { ... @defer(if: false) { deleteUser(input: {by: {id: "a"}, action: ignore}) { deletedId } } }`: "root of a mutation",
		`mutation { deleteUser(input: {by: {id: "a"}, action: ignore}) { ... @defer { deletedId } userErrors @stream { code } } }`:                "",
		`{ clients { nodes @stream { name } nodes { slug } } }`:                                                                                   "differ in",
		`{ clients { nodes @stream(initialCount: 1) { name } ... { nodes @stream(initialCount: 2) { slug } } } }`:                                 "differ in",
		`{ clients { nodes @stream(initialCount: 1) { name } ... { nodes @stream(initialCount: 1) { slug } } } }`:                                 "",
		`{ node(id: "a") { ... on Client { courses { nodes @stream { title } } } ... on Client { courses { nodes { slug } } } } }`:                "differ in",
		`{ clients { nodes { name @defer } } }`:                                                                                                   "may not be used on FIELD",
		`{ clients { ... @stream { totalCount } } }`:                                                                                              "may not be used on INLINE_FRAGMENT",
		`{ clients { ... @defer(if: null) { totalCount } } }`:                                                                                     "Expected",
		`{ clients { nodes @stream(initialCount: "x") { name } } }`:                                                                               "Int",
	} {
		_, errs := checker.Read(text)
		if (want == "") != (len(errs) == 0) || !strings.Contains(errs.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %q", text, errs, want)
		}
	}
}
