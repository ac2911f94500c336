package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// claims looks in answers for what may not be null.
type claims struct {
	schema *ast.Schema
	met    map[string]bool
	nulls  []string // claimed fields that are null without an error
	errors map[string]bool
}

func newClaims(t *testing.T) *claims {
	t.Helper()
	var out, failed bytes.Buffer
	if code := runWith(t.Context(), []string{"schema", "-flavor", "semantic-nullability"}, nil, &out, &failed); code != 0 {
		t.Fatal(failed.String())
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: out.String()})
	if err != nil {
		t.Fatal(err)
	}
	return &claims{schema: schema, met: map[string]bool{}}
}

func (c *claims) check(t *testing.T, query string, a *answer) {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(c.schema, query, nil)
	if len(errs) > 0 {
		t.Fatalf("%v: %s", errs, query)
	}
	c.errors = map[string]bool{}
	for _, e := range a.Errors {
		c.errors[fmt.Sprint(e.Path...)] = true
	}
	if a.Data != nil {
		c.object(a.Data, "Query", doc.Operations[0].SelectionSet, nil)
	}
}

func (c *claims) object(o map[string]any, name string, set ast.SelectionSet, path []any) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.InlineFragment:
			c.fragment(o, name, sel.TypeCondition, sel.SelectionSet, path)
		case *ast.FragmentSpread:
			c.fragment(o, name, sel.Definition.TypeCondition, sel.Definition.SelectionSet, path)
		case *ast.Field:
			if f := c.schema.Types[name].Fields.ForName(sel.Name); f != nil {
				c.field(o[sel.Alias], name+"."+f.Name, f, sel.SelectionSet, append(path[:len(path):len(path)], sel.Alias))
			}
		}
	}
}

func (c *claims) fragment(o map[string]any, name, condition string, set ast.SelectionSet, path []any) {
	if condition == name || c.schema.Types[condition].IsAbstractType() {
		c.object(o, name, set, path)
	}
}

func (c *claims) field(v any, at string, f *ast.FieldDefinition, set ast.SelectionSet, path []any) {
	var level string
	if d := f.Directives.ForName("semanticNonNull"); d != nil {
		if level = "0"; d.Arguments.ForName("levels") != nil {
			level = d.Arguments.ForName("levels").Value.Children[0].Value.Raw
		}
		c.met[at] = true
	}
	c.value(v, at, level, f.Type, set, path)
}

func (c *claims) value(v any, at, level string, typ *ast.Type, set ast.SelectionSet, path []any) {
	if v == nil && level == "0" && !c.failed(path) {
		c.nulls = append(c.nulls, fmt.Sprint(at, " at ", path))
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			c.value(e, at, strings.NewReplacer("0", "", "1", "0").Replace(level), typ.Elem, set, append(path[:len(path):len(path)], i))
		}
	case map[string]any:
		if len(set) > 0 {
			c.object(v, fmt.Sprint(v["__typename"]), set, path)
		}
	}
}

// failed reports whether an error explains the null at a path: at the path, or at the list that has it.
func (c *claims) failed(path []any) bool {
	for n := len(path); n > 0; n-- {
		if c.errors[fmt.Sprint(path[:n]...)] {
			return true
		}
	}
	return false
}

// With all backends well no field that is claimed is null, with faults only with an error. The faults are those that no
// call repeats.
func TestClaimedFieldsAreNullOnlyWithErrors(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		faults, names := n%2 == 1, n > 1
		t.Run(fmt.Sprintf("faults %v, names alone %v", faults, names), func(t *testing.T) {
			t.Parallel()
			tryClaims(t, emulator.Options{Clients: 5, UsersPerClient: 3, CredentialsPerUser: 2, Linked: true, ProviderInList: true,
				StringLists: names}, faults, nullabilityOperations/4)
		})
	}
}

// tryClaims tries what the schema claims with random operations.
func tryClaims(t *testing.T, o emulator.Options, faults bool, operations int) {
	t.Helper()
	c := newClaims(t)
	// Compression of the pages would take half of the time.
	p := start(t, setup{Emulator: o, Env: map[string]string{"MAX_COST": "100000000", "OPERATION_CALLS": "100000",
		"THOUGHTINDUSTRIES_GZIP": "false", "COASSEMBLE_GZIP": "false", "MATTR_GZIP": "false"}})
	p.answers.discard = true
	rng := rand.New(rand.NewPCG(7, 7))
	queries := newQuerist(p.backends, rng)
	for range operations {
		if faults {
			p.backends.ClearFaults()
			p.backends.SetFault(pick(rng, "mattr", "coassemble", "thoughtindustries"),
				emulator.Fault{Status: pick(rng, 400, 403, 404, 404), Probability: 0.5})
		}
		query := queries.query()
		a := p.post(t, query, nil)
		if c.check(t, query, a); len(c.nulls) > 0 {
			t.Fatalf("%v of %s\n%v", c.nulls, query, a.failures())
		}
		p.backends.Reset()
	}
	if len(c.met) < 15 {
		t.Errorf("only %v were met", c.met)
	}
}
