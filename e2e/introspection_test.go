package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// What does not apply to the kind of a type is null, and what does is there.
func TestAFieldOfATypeIsNullWhereItsKindHasNone(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": "true"}})
	for name, want := range map[string]string{
		"ClientBy": "INPUT_OBJECT inputFields isOneOf", "UpdateUserInput": "INPUT_OBJECT inputFields isOneOf", "Client": "OBJECT fields interfaces",
		"UserError": "OBJECT fields interfaces", "Node": "INTERFACE fields interfaces possibleTypes", "Status": "ENUM enumValues", "String": "SCALAR",
		"Date": "SCALAR specifiedByURL", "JSON": "SCALAR specifiedByURL", "__Type": "OBJECT fields interfaces",
	} {
		a := p.post(t, fmt.Sprintf(`{ __type(name: %q) { kind specifiedByURL fields(includeDeprecated: true) { name } interfaces { name } possibleTypes { name }
			enumValues { name } inputFields { name } ofType { name } isOneOf } }`, name), nil)
		typ, _ := a.Data["__type"].(map[string]any)
		got := []string{}
		for field, v := range typ {
			if v != nil && field != "kind" {
				got = append(got, field)
			}
		}
		slices.Sort(got)
		if text := strings.TrimSpace(fmt.Sprint(typ["kind"], " ", strings.Join(got, " "))); text != want {
			t.Errorf("%s: got %s, want %s", name, text, want)
		}
	}
	for name, want := range map[string]any{"ClientBy": true, "UpdateUserInput": false} {
		a := p.post(t, fmt.Sprintf(`{ __type(name: %q) { isOneOf } }`, name), nil)
		if got := a.get(t, "data", "__type", "isOneOf"); got != want {
			t.Errorf("%s.isOneOf: got %v, want %v", name, got, want)
		}
	}
	a := p.post(t, `{ __schema { types { kind isOneOf fields { type { kind isOneOf ofType { isOneOf kind } } args { type { isOneOf kind } } } } } }`, nil)
	if wrapped := strings.Count(string(a.raw), `"kind":"NON_NULL","isOneOf":null`); wrapped == 0 || strings.Contains(string(a.raw), `"kind":"NON_NULL","isOneOf":false`) {
		t.Errorf("a type that is no definition: got isOneOf null %d times", wrapped)
	}
}

// Nothing is announced that the edition of September 2025 does not have, or that the server does not do.
func TestTheDirectivesThatAreAnnounced(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"INTROSPECTION": "true"}})
	a := p.post(t, `{ __schema { directives { name isRepeatable locations } } l: __type(name: "__DirectiveLocation") { enumValues { name } } }`, nil)
	directives, _ := a.get(t, "data", "__schema", "directives").([]any)
	var names []string
	for _, d := range directives {
		d, _ := d.(map[string]any)
		names = append(names, fmt.Sprint(d["name"]))
		if repeatable := d["name"] == "calls"; d["isRepeatable"] != repeatable {
			t.Errorf("%s: got isRepeatable %v", d["name"], d["isRepeatable"])
		}
	}
	want := []string{"calls", "cost", "defer", "deprecated", "include", "listSize", "oneOf", "range", "scopes", "skip", "specifiedBy", "stream"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("directives (-want +got):\n%s", diff)
	}
	if strings.Contains(string(a.raw), "DIRECTIVE_DEFINITION") {
		t.Errorf("a location that the edition does not have: %s", a.raw)
	}
}
