package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// federationDirectives are those that a link to Federation 2.12 can import.
var federationDirectives = []string{"key", "requires", "provides", "external", "shareable", "override", "tag", "inaccessible", "composeDirective",
	"interfaceObject", "authenticated", "requiresScopes", "policy", "context", "fromContext", "cost", "listSize", "cacheTag"}

// service returns what _service shows, and as the document that it is.
func (p *program) service(t *testing.T) (string, *ast.SchemaDocument) {
	t.Helper()
	text := fmt.Sprint(p.post(t, `query { _service { sdl } }`, nil).get(t, "data", "_service", "sdl"))
	doc, err := parser.ParseSchema(&ast.Source{Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return text, doc
}

// appliedIn are the directives that a schema applies, each once.
func appliedIn(doc *ast.SchemaDocument) map[string]bool {
	all := map[string]bool{}
	add := func(list ast.DirectiveList) {
		for _, d := range list {
			all[d.Name] = true
		}
	}
	for _, def := range doc.Definitions {
		add(def.Directives)
		for _, f := range def.Fields {
			add(f.Directives)
			for _, a := range f.Arguments {
				add(a.Directives)
			}
		}
		for _, v := range def.EnumValues {
			add(v.Directives)
		}
	}
	return all
}

// The checks of Apollo's list for subgraphs, under its names, that apply to a schema that others cannot change. Those of
// @requires and @override are of subgraphs that refer to this one: gateways are asked for them.
func TestTheListOfSubgraphsThatIsCheckedByApollo(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, CredentialsPerUser: 1, Linked: true}, Env: federation})
	client := p.backends.Clients()[1]
	user := p.backends.Users(client.Identifier)[0]
	text, doc := p.service(t)

	t.Run("_service", func(t *testing.T) {
		if !strings.Contains(text, "type Query") {
			t.Error("there is no Query")
		}
		for _, def := range doc.Definitions {
			if strings.HasPrefix(def.Name, "_") {
				t.Errorf("%s is of the machinery", def.Name)
			}
		}
	})
	t.Run("@link", func(t *testing.T) {
		if len(doc.SchemaExtension) != 1 || len(doc.SchemaExtension[0].Directives) != 1 {
			t.Fatalf("there is not one link: %v", doc.SchemaExtension)
		}
		link := doc.SchemaExtension[0].Directives[0]
		if url := link.Arguments.ForName("url").Value.Raw; link.Name != "link" || url != "https://specs.apollo.dev/federation/v2.12" {
			t.Errorf("the link is %s to %s", link.Name, url)
		}
		var imports []string
		for _, v := range link.Arguments.ForName("import").Value.Children {
			imports = append(imports, strings.TrimPrefix(v.Value.Raw, "@"))
		}
		applied := appliedIn(doc)
		for _, name := range imports {
			if !slices.Contains(federationDirectives, name) || !applied[name] {
				t.Errorf("@%s is imported, and is not of Federation or not used", name)
			}
		}
		for _, name := range federationDirectives {
			if applied[name] && !slices.Contains(imports, name) {
				t.Errorf("@%s is used and not imported", name)
			}
		}
	})
	t.Run("@composeDirective", func(t *testing.T) {
		// Composition drops directives of our own: none is left that would have to be sent
		for name := range appliedIn(doc) {
			if !slices.Contains(append(federationDirectives, "specifiedBy", "deprecated", "oneOf"), name) {
				t.Errorf("@%s is not of Federation", name)
			}
		}
	})
	t.Run("federated tracing", func(t *testing.T) {
		// The program traces no fields: a request for such a trace gets the same answer as any other.
		for _, query := range []string{`{ __typename }`, `{ users(first: 1) { nodes { name } } }`} {
			plain, asked := p.repeat(t, "POST", query), p.repeat(t, "POST", query, "Apollo-Federation-Include-Trace: ftv1")
			if plain.Code != 200 || asked.Code != 200 || plain.Body.String() != asked.Body.String() {
				t.Errorf("%s: got %s and %s", query, plain.Body, asked.Body)
			}
		}
	})
	t.Run("@key single", func(t *testing.T) {
		if keys := doc.Definitions.ForName("Credential").Directives.ForNames("key"); len(keys) != 1 {
			t.Errorf("Credential has %d keys", len(keys))
		}
		id := credentialIDs(t, p, "", user.IdentityID)[0]
		a := p.entities(t, `{ ... on Credential { id type } }`, rep("Credential", "id", id))
		if len(a.Errors) > 0 || member(entity(a, 0), "id") != id || member(entity(a, 0), "type") == nil {
			t.Errorf("got %s", a.raw)
		}
	})
	t.Run("repeatable @key", func(t *testing.T) {
		var fields []string
		for _, d := range doc.Definitions.ForName("Client").Directives.ForNames("key") {
			fields = append(fields, d.Arguments.ForName("fields").Value.Raw)
		}
		if !slices.Equal(fields, []string{"id", "sourceId", "slug", "sku"}) {
			t.Fatalf("keys are %v", fields)
		}
		found := p.post(t, `query($id: ID!) { client(by: {sourceId: $id}) { id sourceId slug sku } }`, map[string]any{"id": client.ID})
		var reps []any
		for _, f := range fields {
			reps = append(reps, rep("Client", f, found.get(t, "data", "client", f)))
		}
		a := p.entities(t, `{ ... on Client { sourceId name } }`, reps...)
		for i, f := range fields {
			if len(a.Errors) > 0 || member(entity(a, i), "sourceId") != client.ID || member(entity(a, i), "name") == nil {
				t.Errorf("by %s: got %s", f, a.raw)
			}
		}
	})
	t.Run("@shareable", func(t *testing.T) {
		for _, def := range doc.Definitions {
			shared := def.Name == "PageInfo" || strings.HasSuffix(def.Name, "Connection") || strings.HasSuffix(def.Name, "Edge")
			if def.Kind == ast.Object && (def.Directives.ForName("shareable") != nil) != shared {
				t.Errorf("%s is shareable: %v", def.Name, !shared)
			}
		}
		a := p.post(t, `{ users(first: 1) { pageInfo { hasNextPage endCursor } } }`, nil)
		if len(a.Errors) > 0 || a.get(t, "data", "users", "pageInfo", "hasNextPage") == nil {
			t.Errorf("got %s", a.raw)
		}
	})
}

// tagFormat is a format that the router's validation accepts: text, and paths of one step below $args or $key.
var tagFormat = regexp.MustCompile(`^[^{}]*(?:\{\$(args|key)\.([A-Za-z_]\w*)\}[^{}]*)*$`)

// The router takes a tag on root fields that reads arguments of leaf types, and on objects that can be looked up that reads
// fields of each of their keys; it reports an argument that has no value.
func TestCacheTagsAreWhatTheRouterReads(t *testing.T) {
	t.Parallel()
	_, doc := start(t, setup{Env: federation}).service(t)
	leaf := func(name string) bool {
		def := doc.Definitions.ForName(name)
		return def == nil || def.Kind == ast.Scalar || def.Kind == ast.Enum
	}
	seen := 0
	check := func(list ast.DirectiveList, at, namespace string, may func(name string) bool) {
		for _, d := range list.ForNames("cacheTag") {
			seen++
			format := d.Arguments.ForName("format").Value.Raw
			m := tagFormat.FindStringSubmatch(format)
			if m == nil || m[1] != "" && (m[1] != namespace || !may(m[2])) {
				t.Errorf("%s: %s", at, format)
			}
		}
	}
	for _, def := range doc.Definitions {
		keys := def.Directives.ForNames("key")
		check(def.Directives, def.Name, "key", func(name string) bool {
			return len(keys) > 0 && !slices.ContainsFunc(keys, func(k *ast.Directive) bool { return k.Arguments.ForName("fields").Value.Raw != name })
		})
		for _, f := range def.Fields {
			if def.Name != "Query" && f.Directives.ForName("cacheTag") != nil {
				t.Errorf("%s.%s is no root field of reads", def.Name, f.Name)
			}
			check(f.Directives, f.Name, "args", func(name string) bool {
				a := f.Arguments.ForName(name)
				return a != nil && a.Type.NonNull && a.Type.Elem == nil && leaf(a.Type.Name())
			})
		}
	}
	// Each root field and each object has one, and Credential and node have one for each object as well.
	if want := len(doc.Definitions.ForName("Query").Fields) + 5 + 2; seen != want {
		t.Errorf("there are %d tags, not %d", seen, want)
	}
}
