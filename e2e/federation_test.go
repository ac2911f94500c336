package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

var federation = map[string]string{"FEDERATION": "true"}

func rep(object, field string, key any) map[string]any {
	return map[string]any{"__typename": object, field: key}
}

func (p *program) entities(t *testing.T, selection string, reps ...any) *answer {
	t.Helper()
	p.backends.Reset()
	return p.post(t, `query($r: [_Any!]!) { _entities(representations: $r) `+selection+` }`, map[string]any{"r": reps})
}

func entity(a *answer, i int) any { return member(a.Data["_entities"], i) }

// Without the setting nothing of it is in the schema.
func TestASubgraphIsServedWhereItIsConfigured(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		p := start(t, setup{Env: map[string]string{"FEDERATION": fmt.Sprint(on), "INTROSPECTION": "true"}})
		for _, query := range []string{`{ _service { sdl } }`, `{ _entities(representations: []) { __typename } }`} {
			if a := p.post(t, query, nil); on != (len(a.Errors) == 0) {
				t.Errorf("federation %v: %s: got %v", on, query, a.failures())
			}
		}
		a := p.post(t, `{ __schema { types { name } queryType { fields { name } } } __type(name: "_Entity") { name } }`, nil)
		for _, name := range []string{`"_Any"`, `"_Entity"`, `"_Service"`, `"_service"`, `"_entities"`} {
			if strings.Contains(string(a.raw), name) != on {
				t.Errorf("federation %v: introspection and %s: %s", on, name, a.raw)
			}
		}
	}
}

// _service answers with introspection off too, and no other introspection does.
func TestTheServiceHasItsSchemaWithoutIntrospection(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Env: map[string]string{"FEDERATION": "true", "INTROSPECTION": "false"}})
	a := p.post(t, `query SubgraphIntrospectQuery { _service { sdl } }`, nil)
	sdl := fmt.Sprint(a.get(t, "data", "_service", "sdl"))
	for _, want := range []string{
		`extend schema @link(url: "https://specs.apollo.dev/federation/v2.12", import: [`,
		`type Client implements Node @key(fields: "id") @key(fields: "sourceId") @key(fields: "slug") @key(fields: "sku")`,
		`type User implements Node @key(fields: "id") @key(fields: "sourceId")`,
		`type Credential implements Node @key(fields: "id") @cacheTag`, `type PageInfo @cost(weight: 0) @shareable`,
		`@requiresScopes(scopes: [["clients:write","delete"]])`, `@cacheTag(format: "node-{$args.id}")`,
	} {
		if !strings.Contains(sdl, want) {
			t.Errorf("the schema lacks %s", want)
		}
	}
	for _, ours := range []string{"@calls", "@scopes", "@range", "_service", "_entities", "_Any"} {
		if strings.Contains(sdl, ours) {
			t.Errorf("the schema has %s", ours)
		}
	}
	gateway := p.post(t, `query __ApolloGetServiceDefinition__ { _service { sdl } }`, nil)
	if text := fmt.Sprint(gateway.get(t, "data", "_service", "sdl")); strings.Contains(text, "cacheTag") || strings.Contains(text, "requiresScopes") || !strings.Contains(text, "federation/v2.9") {
		t.Error("Apollo's gateway gets directives that it refuses")
	}
	if a := p.post(t, `{ __type(name: "User") { name } }`, nil); len(a.Errors) != 1 {
		t.Errorf("introspection: got %s", a.raw)
	}
}

// Each key leads to its object, in the order asked; what does not exist is null without an error.
func TestEntitiesAreFoundByEachKey(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, CredentialsPerUser: 1, Linked: true, ProviderInList: true}, Env: federation})
	client := p.backends.Clients()[1]
	user := p.backends.Users(client.Identifier)[1]
	found := p.post(t, `query($c: ID!, $u: ID!) { client(by: {sourceId: $c}) { id slug sku } user(by: {sourceId: $u}) { id identity { id sourceId } credentials { nodes { id type } } } }`,
		map[string]any{"c": client.ID, "u": user.Identifier})
	text := func(path ...any) string { return fmt.Sprint(found.get(t, append([]any{"data"}, path...)...)) }
	reps := []any{
		rep("User", "sourceId", user.Identifier), rep("Client", "slug", text("client", "slug")), rep("Client", "sku", text("client", "sku")),
		rep("Client", "id", text("client", "id")), rep("Client", "sourceId", client.ID), rep("EmbedClient", "sourceId", client.Identifier),
		rep("User", "id", text("user", "id")), rep("Identity", "id", text("user", "identity", "id")), rep("Identity", "sourceId", text("user", "identity", "sourceId")),
		rep("Credential", "id", text("user", "credentials", "nodes", 0, "id")), rep("User", "sourceId", "nobody"), rep("Client", "slug", "nothing"),
		rep("EmbedClient", "id", scalar.EncodeID(scalar.EmbedClientNode, client.Identifier)), rep("User", "sourceId", user.Identifier),
	}
	a := p.entities(t, `{ __typename ... on Client { id slug name } ... on User { id name } ... on EmbedClient { sourceId userCount } ... on Identity { id claims } ... on Credential { id type } }`, reps...)
	if len(a.Errors) > 0 {
		t.Fatalf("got %s", a.raw)
	}
	clientID, userID, identityID := text("client", "id"), text("user", "id"), text("user", "identity", "id")
	want := []string{"User " + userID, "Client " + clientID, "Client " + clientID, "Client " + clientID, "Client " + clientID, "EmbedClient <nil>",
		"User " + userID, "Identity " + identityID, "Identity " + identityID, "Credential " + text("user", "credentials", "nodes", 0, "id"), "<nil> <nil>", "<nil> <nil>",
		"EmbedClient <nil>", "User " + userID}
	var got []string
	for i := range reps {
		got = append(got, fmt.Sprint(member(entity(a, i), "__typename"), " ", member(entity(a, i), "id")))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, a.raw)
	}
}

// An invalid representation is bad input at its position, and the others are answered.
func TestAMalformedRepresentationIsBadInputAtItsPlace(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1}, Env: federation})
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0]
	good := rep("User", "sourceId", user.Identifier)
	for _, bad := range []any{
		"User", 5, true, []any{good}, map[string]any{}, map[string]any{"sourceId": "x"}, rep("Course", "sourceId", "x"), rep("Nothing", "id", "x"),
		map[string]any{"__typename": "User"}, rep("User", "slug", "x"), rep("User", "sourceId", nil), rep("User", "sourceId", ""), rep("User", "sourceId", 1.5),
		rep("User", "sourceId", map[string]any{"a": 1}), rep("User", "id", "x"), rep("User", "id", scalar.EncodeID(scalar.ClientNode, "x")),
		rep("Credential", "sourceId", "x"), rep("User", "sourceId", ".."), map[string]any{"__typename": 1, "id": "x"},
	} {
		a := p.entities(t, `{ ... on User { name } }`, good, bad, good)
		if diff := cmp.Diff([]string{"_entities.1 BAD_USER_INPUT"}, a.failures()); diff != "" || entity(a, 0) == nil || entity(a, 1) != nil || entity(a, 2) == nil {
			t.Errorf("%v: got %s", bad, a.raw)
		}
	}
	a := p.post(t, `query($k: ID!) { a: _entities(representations: {__typename: "User", sourceId: $k}) { ... on User { name } } b: _entities(representations: [{__typename: "User"}]) { __typename } }`,
		map[string]any{"k": user.Identifier})
	if diff := cmp.Diff([]string{"b.0 BAD_USER_INPUT"}, a.failures()); diff != "" || member(member(a.Data["a"], 0), "name") == nil {
		t.Errorf("literals: got %s", a.raw)
	}
	for _, reps := range []any{[]any{nil}, nil} {
		a := p.post(t, `query($r: [_Any!]!) { _entities(representations: $r) { __typename } }`, map[string]any{"r": reps})
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
			t.Errorf("null: got %s", a.raw)
		}
	}
	many := make([]any, 101)
	for i := range many {
		many[i] = good
	}
	if a := p.entities(t, `{ __typename }`, many...); len(a.Errors) != 1 || a.Errors[0].String() != "_entities BAD_USER_INPUT" {
		t.Errorf("101: got %s", a.raw)
	}
}

// Fields that follow from the key cost no call, whether the object exists or not; every other field does.
func TestKeyFieldsAloneCostNoCall(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CredentialsPerUser: 1, Linked: true}, Env: federation})
	const uuid = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
	credential := scalar.EncodeID(scalar.CredentialNode, scalar.CredentialKey(uuid, "c"))
	free := []struct {
		object, field, key, selection, want string
	}{
		{"User", "sourceId", "u", `... on User { __typename id sourceId }`, scalar.EncodeID(scalar.UserNode, "u")},
		{"User", "id", scalar.EncodeID(scalar.UserNode, "u"), `... on Node { id }`, scalar.EncodeID(scalar.UserNode, "u")},
		{"Client", "sourceId", "c", `... on Client { id sourceId }`, scalar.EncodeID(scalar.ClientNode, "c")},
		{"Client", "slug", "acme", `... on Client { id: slug }`, "acme"},
		{"Client", "sku", "A-1", `...F`, "A-1"},
		{"EmbedClient", "sourceId", "e", `... on EmbedClient { id sourceId }`, scalar.EncodeID(scalar.EmbedClientNode, "e")},
		{"Identity", "sourceId", uuid, `... on Identity { id sourceId }`, scalar.EncodeID(scalar.IdentityNode, uuid)},
		{"Credential", "id", credential, `... on Credential { id sourceId }`, credential},
		{"User", "sourceId", "u", `... on User { id name @skip(if: true) } ... on Client { name }`, scalar.EncodeID(scalar.UserNode, "u")},
	}
	for _, test := range free {
		p.backends.Reset()
		query := `query($r: [_Any!]!) { _entities(representations: $r) { ` + test.selection + ` } }`
		if test.selection == "...F" {
			query += ` fragment F on Client { id: sku }`
		}
		a := p.post(t, query, map[string]any{"r": []any{rep(test.object, test.field, test.key)}})
		if got := fmt.Sprint(member(entity(a, 0), "id")); got != test.want || len(a.Errors) > 0 || len(p.backends.Calls()) > 0 {
			t.Errorf("%s by %s: got %s and %v", test.object, test.field, a.raw, p.calls())
		}
		literal := fmt.Sprintf(`{__typename: %q, %s: %q}`, test.object, test.field, test.key)
		planned := strings.NewReplacer("($r: [_Any!]!)", "", "$r", literal).Replace(query)
		if calls := p.callsPlanned(t, planned); len(calls) > 0 {
			t.Errorf("%s by %s: planned %v", test.object, test.field, calls)
		}
	}
	for _, selection := range []string{`... on Client { slug id }`, `... on Client { slug sku }`, `... on Client { slug users { nodes { id } } }`} {
		if p.entities(t, `{ `+selection+` }`, rep("Client", "slug", "acme")); len(p.backends.Calls()) == 0 {
			t.Errorf("%s: no call", selection)
		}
	}
}

// 100 users that representations name cost the calls that 100 users of a list cost, with all that is below them.
func TestAHundredEntitiesCostWhatAListCosts(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 25, UsersPerClient: 4, CredentialsPerUser: 1, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, ProviderInList: true}
	p := start(t, setup{Emulator: options, Env: map[string]string{"FEDERATION": "true", "MAX_COST": "1000000"}})
	var reps []any
	for _, c := range p.backends.Clients() {
		for i, u := range p.backends.Users(c.Identifier) {
			if i%2 == 0 {
				reps = append(reps, rep("User", "sourceId", u.Identifier))
			} else {
				reps = append(reps, rep("User", "id", scalar.EncodeID(scalar.UserNode, u.Identifier)))
			}
		}
	}
	const below = `{ name identity { sourceId } credentials { nodes { type } } embedClient { userCount } client { name } }`
	if a := p.post(t, `{ users(first: 100) { nodes `+below+` } }`, nil); len(a.Errors) > 0 {
		t.Fatal(a.failures())
	}
	list := p.made()
	if a := p.entities(t, `{ ... on User `+below+` }`, reps...); len(a.Errors) > 0 || len(reps) != 100 {
		t.Fatal(a.failures())
	}
	if diff := cmp.Diff(list, p.made()); diff != "" {
		t.Errorf("calls (-list +entities):\n%s", diff)
	}
}

// Scopes are checked at each position, and no backend is called for records that the caller may not read. A bound caller
// sees its own records alone, whatever is selected.
func TestEntitiesKeepToScopesAndClients(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, UsersPerClient: 2, CredentialsPerUser: 1, Linked: true, CoursesPerClient: -1, ProviderInList: true}
	world := emulator.New(options)
	defer world.Close()
	mine, other := world.Clients()[0], world.Clients()[1]
	all := []string{"clients:read", "users:read", "identities:read", "claims:read"}
	p := start(t, setup{Emulator: options, Env: map[string]string{"FEDERATION": "true", "AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"whole-key": {"scopes": all}, "users-key": {"scopes": []string{"users:read"}}, "bound-key": {"scopes": all, "clients": []string{mine.Identifier}}})}})
	reps := func(c emulator.ClientRef) string {
		u := world.Users(c.Identifier)[0]
		return fmt.Sprintf(`{__typename: "User", sourceId: %q}, {__typename: "Client", sourceId: %q}, {__typename: "EmbedClient", sourceId: %q}, {__typename: "Identity", sourceId: %q},
			{__typename: "Credential", id: %q}`, u.Identifier, c.ID, c.Identifier, u.IdentityID, credentialIDs(t, p, "whole-key", u.IdentityID)[0])
	}
	for _, selection := range []string{`__typename`, `... on Node { id }`, `... on User { name } ... on Client { name } ... on EmbedClient { userCount } ... on Identity { claims } ... on Credential { type }`} {
		query := fmt.Sprintf(`{ _entities(representations: [%s, %s]) { %s } }`, reps(mine), reps(other), selection)
		p.backends.Reset()
		a := p.asKey(t, "users-key", query)
		var want []string
		for _, i := range []int{1, 2, 3, 4, 6, 7, 8, 9} {
			want = append(want, fmt.Sprintf("_entities.%d FORBIDDEN", i))
		}
		calls := strings.Join(p.calls(), " ")
		if diff := cmp.Diff(want, a.failures()); diff != "" || entity(a, 0) == nil || entity(a, 5) == nil || strings.Contains(calls, "clients") || strings.Contains(calls, "core") {
			t.Errorf("%s: without scopes: calls %s: %s", selection, calls, a.raw)
		}
		a = p.asKey(t, "bound-key", query)
		for i := range 10 {
			if (entity(a, i) == nil) != (i >= 5) || len(a.Errors) > 0 {
				t.Errorf("%s: bound: %d of %s", selection, i, a.raw)
			}
		}
	}
}

// A backend that fails is an error at each place of its objects, and the others are answered.
func TestAFailedBackendIsAnErrorAtItsEntities(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true}, Env: federation})
	c := p.backends.Clients()[0]
	u := p.backends.Users(c.Identifier)[0]
	p.backends.SetFault("mattr", emulator.Fault{Status: 500})
	a := p.entities(t, `{ ... on User { name } ... on Identity { claims } }`, rep("Identity", "sourceId", u.IdentityID), rep("User", "sourceId", u.Identifier))
	if diff := cmp.Diff([]string{"_entities.0 UPSTREAM_UNAVAILABLE mattr"}, a.failures()); diff != "" || entity(a, 1) == nil {
		t.Errorf("got %s", a.raw)
	}
}

// Explain and plan show the same for representations as for the same objects by nodes.
func TestEntitiesAreExplainedAsNodes(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 25, UsersPerClient: 4, CredentialsPerUser: 1, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, ProviderInList: true}
	p := start(t, setup{Emulator: options, Env: map[string]string{"FEDERATION": "true", "MAX_COST": "1000000", "EXPLAIN": "true"}})
	var ids, reps []string
	for _, c := range p.backends.Clients() {
		for _, u := range p.backends.Users(c.Identifier) {
			ids = append(ids, fmt.Sprintf("%q", scalar.EncodeID(scalar.UserNode, u.Identifier)))
			reps = append(reps, fmt.Sprintf(`{__typename: "User", sourceId: %q}`, u.Identifier))
		}
	}
	for _, below := range []string{`name`, `name identity { sourceId } credentials { nodes { type } }`} {
		nodes := fmt.Sprintf(`{ nodes(ids: [%s]) { ... on User { %s } } }`, strings.Join(ids, ", "), below)
		entities := fmt.Sprintf(`{ _entities(representations: [%s]) { ... on User { %s } } }`, strings.Join(reps, ", "), below)
		byNode, byKey := p.explain(t, nodes), p.explain(t, entities)
		if diff := cmp.Diff(byNode.exchanges(), byKey.exchanges()); diff != "" || byNode.CallsMade != byKey.CallsMade {
			t.Errorf("%s: calls (-nodes +_entities):\n%s", below, diff)
		}
		for _, c := range byKey.Calls {
			for _, path := range c.Paths {
				if !strings.HasPrefix(path, "_entities") {
					t.Errorf("%s: %s %s serves %s", below, c.Backend, c.Route, path)
				}
			}
		}
		if diff := cmp.Diff(p.callsPlanned(t, nodes), p.callsPlanned(t, entities)); diff != "" {
			t.Errorf("%s: plan (-nodes +_entities):\n%s", below, diff)
		}
	}
}
