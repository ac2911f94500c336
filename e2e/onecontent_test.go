package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// wholeFragments are a fragment per Node with all its fields: content to a depth, and of other Nodes their ids.
func wholeFragments(s *ast.Schema, without ...string) string {
	var b strings.Builder
	for _, def := range s.GetPossibleTypes(s.Types["Node"]) {
		fmt.Fprintf(&b, "fragment %s on %[1]s { __typename %s }\n", def.Name, wholeSelection(s, def, 2, without))
	}
	return b.String()
}

func wholeSelection(s *ast.Schema, def *ast.Definition, depth int, without []string) string {
	var b strings.Builder
	for _, f := range def.Fields {
		target := s.Types[f.Type.Name()]
		switch {
		case slices.Contains(without, def.Name+"."+f.Name):
		case !target.IsCompositeType():
			fmt.Fprintf(&b, "%s ", f.Name)
		case slices.Contains(target.Interfaces, "Node"):
			fmt.Fprintf(&b, "%s { id } ", f.Name)
		case strings.HasSuffix(target.Name, "Connection"):
			node := s.Types[strings.TrimSuffix(target.Name, "Connection")]
			selection := "id"
			if !slices.Contains(node.Interfaces, "Node") {
				selection = wholeSelection(s, node, depth-1, without)
			}
			fmt.Fprintf(&b, "%s(first: 100) { nodes { %s } edges { cursor } pageInfo { hasNextPage endCursor } } ", f.Name, selection)
		case depth > 0:
			fmt.Fprintf(&b, "%s { __typename %s} ", f.Name, wholeSelection(s, target, depth-1, without))
		}
	}
	return b.String()
}

// contents are what each Node showed on every route, by its id.
type contents struct {
	texts  map[string]map[string][]string // of an id: the places that show each text
	routes map[string]int                 // by type
}

// add takes an answer apart.
func (c *contents) add(place string, v any) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			c.add(fmt.Sprint(place, ".", i), e)
		}
	case map[string]any:
		if id, ok := v["id"].(string); ok && v["__typename"] != nil && len(v) > 2 {
			whole := maps.Clone(v)
			for name := range whole {
				if strings.HasPrefix(name, "to_") { // the routes further on
					delete(whole, name)
				}
			}
			text, _ := json.Marshal(whole)
			if c.texts[id] == nil {
				c.texts[id] = map[string][]string{}
			}
			c.texts[id][string(text)] = append(c.texts[id][string(text)], place)
			c.routes[fmt.Sprint(v["__typename"])]++
		}
		for name, e := range v {
			c.add(place+"."+name, e)
		}
	}
}

// check finds the ids with more than one content.
func (c *contents) check(t *testing.T) {
	t.Helper()
	for id, texts := range c.texts {
		if len(texts) < 2 {
			continue
		}
		typ, key, _ := scalar.DecodeID(id)
		var shown []map[string]any
		for _, text := range slices.Sorted(maps.Keys(texts)) {
			var v map[string]any
			_ = json.Unmarshal([]byte(text), &v)
			shown = append(shown, v)
			t.Errorf("%s %q at %.300v", typ, key, texts[text])
		}
		for name, v := range shown[0] {
			if a, b := fmt.Sprint(v), fmt.Sprint(shown[1][name]); a != b {
				t.Errorf("%s.%s: %.300s / %.300s", typ, name, a, b)
			}
		}
	}
}

// One object has one content on every path: clients keep objects by id, and merge their copies.
func TestEveryFieldOfANodeIsTheSameOnEveryRoute(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options emulator.Options
		env     map[string]string
		without []string
	}{
		"cold":                              {options: emulator.Options{ProviderInList: true, NamesOthers: true}},
		"from what is kept":                 {options: emulator.Options{ProviderInList: true, NamesOthers: true}, env: map[string]string{"CACHE_TTL": "60s"}},
		"lists of names alone":              {options: emulator.Options{ProviderInList: true, StringLists: true}},
		"joined by slug and id":             {options: emulator.Options{ProviderInList: true, LinkClient: "slug", LinkUser: "id"}, env: map[string]string{"LINK_CLIENT": "slug", "LINK_USER": "id"}},
		"sign-ins that only a search shows": {without: []string{"Identity.authenticationProvider", "Identity.user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := test.options
			o.Clients, o.UsersPerClient, o.CredentialsPerUser, o.CoursesPerClient, o.LearningPathsPerClient, o.Linked = 3, 2, 2, 3, 2, true
			env := map[string]string{"MAX_COST": "0"}
			maps.Copy(env, test.env)
			p := start(t, setup{Emulator: o, Env: env})
			fragments := wholeFragments(gqlparser.MustLoadSchema(&ast.Source{Input: schemaText()}), test.without...)
			c := &contents{texts: map[string]map[string][]string{}, routes: map[string]int{}}
			ask := func(place, query string, variables map[string]any) map[string]any {
				for _, n := range []string{"Client", "EmbedClient", "User", "Identity", "Credential"} {
					if strings.Contains(query, "..."+n+" ") {
						i := strings.Index(fragments, "fragment "+n+" ")
						query += "\n" + fragments[i:i+strings.Index(fragments[i:], "\n")]
					}
				}
				a := p.post(t, query, variables)
				if len(a.Errors) > 0 {
					t.Fatalf("%s: got %v", place, a.failures())
				}
				c.add(place, a.Data)
				return a.Data
			}
			client := p.backends.Clients()[0]
			user := p.backends.Users(client.Identifier)[0]
			kept := p.post(t, fmt.Sprintf(`{ embedClient(by: {sourceId: %q}) { metadata } identity(by: {sourceId: %q}) { claims } }`, client.Identifier, user.IdentityID), nil)
			ask("embedClient's write", `mutation($i: UpdateEmbedClientInput!) { updateEmbedClient(input: $i) { embedClient { ...EmbedClient } } }`,
				map[string]any{"i": map[string]any{"by": map[string]any{"sourceId": client.Identifier}, "metadata": kept.get(t, "data", "embedClient", "metadata")}})
			ask("user's write", `mutation($i: UpdateUserInput!) { updateUser(input: $i) { user { ...User } } }`,
				map[string]any{"i": map[string]any{"by": map[string]any{"sourceId": user.Identifier}, "name": "A new name"}})
			ask("identity's write", `mutation($i: UpdateIdentityInput!) { updateIdentity(input: $i) { identity { ...Identity } } }`,
				map[string]any{"i": map[string]any{"by": map[string]any{"sourceId": user.IdentityID}, "claims": kept.get(t, "data", "identity", "claims")}})
			for place, query := range map[string]string{
				"clients":         `{ clients { nodes { ...Client } edges { node { ...Client } } } search: clients(query: "e") { nodes { ...Client } } }`,
				"embedClients":    `{ embedClients { nodes { ...EmbedClient to_client: client { ...Client } } edges { node { ...EmbedClient } } } }`,
				"users":           `{ users(first: 100) { nodes { ...User to_client: client { ...Client } to_embed: embedClient { ...EmbedClient } to_identity: identity { ...Identity } } edges { node { ...User } } } }`,
				"credentials":     `{ users(first: 100) { nodes { credentials { nodes { ...Credential } edges { node { ...Credential } } } identity { credentials { nodes { ...Credential } } } } } }`,
				"identities":      `{ identities(first: 100) { nodes { ...Identity } edges { node { ...Identity } } } }`,
				"back edges":      `{ clients { nodes { embed { ...EmbedClient } users { nodes { ...User to_identity: identity { ...Identity } } edges { node { ...User } } } } } identities { nodes { user { ...User } } } }`,
				"licenses":        `{ clients { nodes { licenses { client { ...Client } } primaryLicense { client { ...Client } } } } }`,
				"nested licenses": `{ clients { nodes { licenses { parentLicense { client { ...Client } } childLicenses { client { ...Client } } } } } }`,
				"paths":           `{ clients { nodes { learningPaths { nodes { client { ...Client } } edges { node { prerequisiteLearningPaths { client { ...Client } } } } } } } }`,
				"by key": fmt.Sprintf(`{ a: client(by: {sourceId: %q}) { ...Client } b: client(by: {slug: %q}) { ...Client } c: embedClient(by: {sourceId: %q}) { ...EmbedClient } d: user(by: {sourceId: %q}) { ...User } e: identity(by: {sourceId: %q}) { ...Identity } }`,
					client.ID, client.Slug, client.Identifier, user.Identifier, user.IdentityID),
				"a filter": fmt.Sprintf(`{ identities(filter: {authenticationProvider: {subjectId: %q}}) { nodes { ...Identity } } users(clientIdentifier: %q) { nodes { ...User } } }`, user.Identifier, client.Identifier),
			} {
				ask(place, query, nil)
			}
			ids := slices.Sorted(maps.Keys(c.texts))
			ask("nodes", `query($ids: [ID!]!) { nodes(ids: $ids) { ...Client ...EmbedClient ...User ...Identity ...Credential } }`, map[string]any{"ids": ids})
			for _, id := range ids {
				ask("node", `query($id: ID!) { node(id: $id) { ...Client ...EmbedClient ...User ...Identity ...Credential } }`, map[string]any{"id": id})
				if typ, _, _ := scalar.DecodeID(id); typ != scalar.CredentialNode {
					field := strings.ToLower(string(typ[:1])) + string(typ[1:])
					ask("by id", fmt.Sprintf(`query($id: ID!) { %s(by: {id: $id}) { ...%s } }`, field, typ), map[string]any{"id": id})
				}
			}
			c.check(t)
			for typ, least := range map[string]int{"Client": 50, "EmbedClient": 20, "User": 40, "Identity": 40, "Credential": 30} {
				if c.routes[typ] < least {
					t.Errorf("%s was shown %d times, want at least %d: %v", typ, c.routes[typ], least, c.routes)
				}
			}
		})
	}
}
