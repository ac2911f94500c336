package sdl

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func written(t *testing.T, f Flavor, o Options) string {
	t.Helper()
	schema, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Write(string(schema), f, o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Each flavor is a schema; A flavor that is not for a composition with definitions of its own is whole.
func TestFlavorsAreSchemas(t *testing.T) {
	t.Parallel()
	for _, f := range Flavors {
		text := written(t, f, Options{Lifetime: time.Minute, EachClientLinked: true})
		if _, err := parser.ParseSchema(&ast.Source{Input: text}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if strings.HasPrefix(string(f), "federation") {
			continue
		}
		if _, err := gqlparser.LoadSchema(&ast.Source{Input: text}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestWhatFlavorsDeclare(t *testing.T) {
	t.Parallel()
	linked := Options{Lifetime: 90 * time.Second, EachClientLinked: true}
	for _, test := range []struct {
		flavor  Flavor
		options Options
		want    []string
		not     []string
	}{
		{Plain, linked, []string{`directive @calls(`}, []string{"@key", "@cacheControl", "@semanticNonNull"}},
		{Federation, linked, []string{`federation/v2.12`, `directive @cacheTag (format: String!)`, `@listSize(assumedSize: 100, requireOneSlicingArgument: false)`, `weight: 0`},
			[]string{"@calls", "@scopes", "@range", "@defer", "@stream"}},
		{Federation29, linked, []string{`federation/v2.9`, `@requiresScopes`}, []string{"@cacheTag"}},
		{FederationOpen, linked, []string{`federation/v2.9`}, []string{"@cacheTag", "@requiresScopes", "@authenticated"}},
		{Composite, linked, []string{`@is(field: "{ id } | { sourceId } | { slug } | { sku }")`, `): Client @lookup`, `directive @is(field: FieldSelectionMap!) on ARGUMENT_DEFINITION`}, []string{"@calls", "@link"}},
		{SemanticNullability, linked, []string{`nodes: [Client]! @semanticNonNull(levels: [1])`, `node: User @semanticNonNull`, `directive @semanticNonNull(levels: [Int!]! = [0]) on FIELD_DEFINITION`}, nil},
		{CacheControl, linked, []string{`@cacheControl(maxAge: 90)`, `@cacheControl(inheritMaxAge: true)`}, []string{"maxAge: 60)"}},
	} {
		text := written(t, test.flavor, test.options)
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s", test.flavor, want)
			}
		}
		for _, not := range test.not {
			if strings.Contains(text, not) {
				t.Errorf("%s has %s", test.flavor, not)
			}
		}
	}
	if _, err := Write("", "other", Options{}); err == nil {
		t.Error("another flavor is written")
	}
	linkedBy, by := written(t, SemanticNullability, linked), written(t, SemanticNullability, Options{})
	if strings.Count(linkedBy, "@semanticNonNull") != strings.Count(by, "@semanticNonNull")+1 {
		t.Error("the joins that need not be there are claimed")
	}
}

// An object that others refer to by a key can be looked up by it: with by, or by its id as any object.
func TestEachKeyOfACompositeSchemaHasALookup(t *testing.T) {
	t.Parallel()
	doc, err := parser.ParseSchema(&ast.Source{Input: written(t, Composite, Options{})})
	if err != nil {
		t.Fatal(err)
	}
	lookups := map[string]bool{}
	for _, f := range doc.Definitions.ForName("Query").Fields {
		if f.Directives.ForName("lookup") == nil {
			continue
		}
		if f.Type.NonNull || f.Type.Elem != nil || len(f.Arguments) != 1 {
			t.Errorf("%s is no lookup", f.Name)
		}
		fields := "{ " + f.Arguments[0].Name + " }"
		if is := f.Arguments[0].Directives.ForName("is"); is != nil {
			fields = is.Arguments.ForName("field").Value.Raw
		}
		for key := range strings.SplitSeq(fields, " | ") {
			lookups[f.Type.Name()+" "+key] = true
		}
	}
	for _, def := range doc.Definitions {
		for _, d := range def.Directives.ForNames("key") {
			key := "{ " + d.Arguments.ForName("fields").Value.Raw + " }"
			if !lookups[def.Name+" "+key] && !lookups["Node "+key] {
				t.Errorf("%s has no lookup by %s", def.Name, key)
			}
		}
	}
	if !lookups["Node { id }"] || !lookups["Client { slug }"] {
		t.Errorf("lookups are %v", lookups)
	}
}
