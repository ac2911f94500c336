package upstream

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACallHasItsParametersByName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		request Request
		want    []Parameter
	}{
		{"none", Request{Route: "/core/v1/users", Path: []string{"core", "v1", "users"}}, nil},
		{"of the path", Request{Route: "/core/v1/users/{userId}/credentials", Path: []string{"core", "v1", "users", "a/b", "credentials"}}, []Parameter{{"userId", "a/b"}}},
		{"of the path behind a prefix", Request{Route: "/core/v1/users/{userId}", Path: []string{"users", "u"}}, []Parameter{{"userId", "u"}}},
		{"of the query", Request{Route: "/list", Path: []string{"list"}, Query: url.Values{"page": {"2"}, "ids": {"a", "b"}}}, []Parameter{{"ids", "a,b"}, {"page", "2"}}},
		{"of the body", Request{Route: "/search", Path: []string{"search"}, Body: map[string]any{"name": "Ada", "claims": map[string]any{"n": 1}}},
			[]Parameter{{"claims", `{"n":1}`}, {"name", "Ada"}}},
		{"a body that is no object", Request{Route: "/search", Path: []string{"search"}, Body: []int{1}}, nil},
	} {
		if diff := cmp.Diff(test.want, test.request.parameters()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
