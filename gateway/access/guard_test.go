package access

import (
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/graph"
)

func TestOnlyNullableFieldsLeadToWhatNeedsAScope(t *testing.T) {
	t.Parallel()
	schema := graph.Schema()
	g := NewGuard(schema)
	guarded := 0
	for name, def := range schema.Types {
		if def.Kind != ast.Object {
			continue
		}
		for _, f := range def.Fields {
			needs := g.fields[f]
			guarded += len(needs)
			covered := !slices.ContainsFunc(needs, func(s string) bool { return !slices.Contains(g.types[name], s) })
			if len(needs) > 0 && f.Type.NonNull && !covered {
				t.Errorf("%s.%s is not nullable and needs %v", name, f.Name, needs)
			}
			for _, s := range needs {
				if !slices.Contains(auth.Scopes, s) {
					t.Errorf("%s.%s needs %q, which is no scope", name, f.Name, s)
				}
			}
		}
	}
	if guarded < 40 {
		t.Errorf("the schema names %d scopes on fields: the directive is not read", guarded)
	}
}

func TestNothingOfABackendIsReachedWithoutAScope(t *testing.T) {
	t.Parallel()
	schema := graph.Schema()
	g := NewGuard(schema)
	free := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if free[name] {
			return
		}
		free[name] = true
		for _, f := range schema.Types[name].Fields {
			if len(g.fields[f]) == 0 {
				visit(f.Type.Name())
			}
		}
	}
	visit("Query")
	var got []string
	for name := range free {
		if def := schema.Types[name]; !def.BuiltIn && def.IsCompositeType() {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	// Node has nothing but an id, and which object it is decides.
	if diff := cmp.Diff([]string{"Node", "Query"}, got); diff != "" {
		t.Errorf("types reached without a scope (-want +got):\n%s", diff)
	}
}
