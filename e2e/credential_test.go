package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func credentialIDs(t *testing.T, p *program, key, identity string) []string {
	t.Helper()
	a := p.asKey(t, key, fmt.Sprintf(`{ identity(by: {sourceId: %q}) { credentials { nodes { id } } } }`, identity))
	nodes, _ := a.get(t, "data", "identity", "credentials", "nodes").([]any)
	var ids []string
	for _, n := range nodes {
		ids = append(ids, fmt.Sprint(member(n, "id")))
	}
	return ids
}

// A credential is found among those of its identity: those of one identity are one call.
func TestACredentialIsReadByItsID(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 2, CredentialsPerUser: 3, Linked: true}})
	users := p.backends.Users(p.backends.Clients()[0].Identifier)
	first, second := credentialIDs(t, p, "", users[0].IdentityID), credentialIDs(t, p, "", users[1].IdentityID)
	gone := scalar.EncodeID(scalar.CredentialNode, scalar.CredentialKey(users[0].IdentityID, "3fa85f64-5717-4562-b3fc-2c963f66afa6"))
	of := scalar.EncodeID(scalar.CredentialNode, scalar.CredentialKey("3fa85f64-5717-4562-b3fc-2c963f66afa6", "c"))
	p.backends.Reset()
	a := p.post(t, `query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Credential { type sourceId } } }`,
		map[string]any{"ids": []string{first[2], second[0], gone, first[0], of, first[2]}})
	var got []string
	for _, n := range a.Data["nodes"].([]any) {
		got = append(got, fmt.Sprint(member(n, "id")))
	}
	if diff := cmp.Diff([]string{first[2], second[0], "<nil>", first[0], "<nil>", first[2]}, got); diff != "" || len(a.Errors) > 0 {
		t.Errorf("%v (-want +got):\n%s", a.failures(), diff)
	}
	if calls := p.callsOf("GET /core/v1/users/{userId}/credentials"); calls != 3 {
		t.Errorf("got %d calls for three identities", calls)
	}
	for _, key := range []string{"", "x", "1:", "36:abc", "0:abc", "+1:ab", "01:ab", users[0].IdentityID, "2:..x", "1:Ab"} {
		a := p.post(t, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": scalar.EncodeID(scalar.CredentialNode, key)})
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
			t.Errorf("%q: got %s", key, a.raw)
		}
	}
}

// A bound caller reads the credentials of its own users alone, and needs the scope for identities.
func TestACredentialOfAnotherIsNotFound(t *testing.T) {
	t.Parallel()
	for _, shown := range []bool{true, false} {
		options := emulator.Options{Clients: 2, UsersPerClient: 2, CredentialsPerUser: 2, Linked: true, CoursesPerClient: -1, ProviderInList: shown}
		world := emulator.New(options)
		defer world.Close()
		mine, other := world.Clients()[0], world.Clients()[1]
		scopes := []string{"identities:read", "users:read"}
		p := start(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "CACHE_TTL": "60s",
			"API_KEYS_FILE": keysFile(t, map[string]map[string]any{"whole-key": {"scopes": scopes}, "users-key": {"scopes": []string{"users:read"}},
				"bound-key": {"scopes": scopes, "clients": []string{mine.Identifier}}})}})
		own := credentialIDs(t, p, "whole-key", world.Users(mine.Identifier)[0].IdentityID)[0]
		foreign := credentialIDs(t, p, "whole-key", world.Users(other.Identifier)[0].IdentityID)[0]
		query := fmt.Sprintf(`{ a: node(id: %q) { id ... on Credential { type } } b: node(id: %q) { id ... on Credential { type } } }`, own, foreign)
		a := p.asKey(t, "bound-key", query)
		if member(a.Data["a"], "id") != own || a.Data["b"] != nil || len(a.Errors) > 0 {
			t.Errorf("the provider is shown: %v: got %s", shown, a.raw)
		}
		a = p.asKey(t, "users-key", query)
		if !strings.Contains(string(a.raw), "identities:read") || a.Data["a"] != nil {
			t.Errorf("without the scope: got %s", a.raw)
		}
	}
}
