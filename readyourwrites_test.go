package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestAWriteShowsInEveryListAtOnceWhateverTheListIsMadeOf(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, warm, again string }{
		{"a whole answer whose objects came with the list", `{ users(first: 5) { nodes { sourceId name } } }`, `{ users(first: 5) { nodes { sourceId name } } }`},
		{"a list that was kept a moment ago", `{ users(first: 5) { nodes { sourceId name } } }`, `{ users(first: 5) { nodes { name sourceId } } }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
			user := p.post(t, test.warm, nil).get(t, "data", "users", "nodes", 1, "sourceId")
			written := p.post(t, `mutation($u: UserBy!) { updateUser(input: { by: $u, name: "Renamed" }) { userErrors { code } } }`, map[string]any{"u": map[string]any{"sourceId": user}})
			if refused := written.get(t, "data", "updateUser", "userErrors"); !cmp.Equal(refused, []any{}) {
				t.Fatalf("the write was refused: %v %v", refused, written.Errors)
			}
			if got := p.post(t, test.again, nil).get(t, "data", "users", "nodes", 1, "name"); got != "Renamed" {
				t.Errorf("the list shows %v, want Renamed", got)
			}
			if got := p.post(t, `query($u: UserBy!) { user(by: $u) { name } }`, map[string]any{"u": map[string]any{"sourceId": user}}).get(t, "data", "user", "name"); got != "Renamed" {
				t.Errorf("the user shows %v, want Renamed", got)
			}
		})
	}
}

// TestAnIdentityIsReadAgainAfterItIsWritten asks for it and its join in the mutation's own answer, which the backend's
// answer to the write does not show in full.
func TestAnIdentityIsReadAgainAfterItIsWritten(t *testing.T) {
	t.Parallel()
	for name, drops := range map[string]bool{"the provider survives": false, "the provider does not": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 2, Linked: true, ProviderInList: true, DropProviderOnPut: drops},
				Env: map[string]string{"CACHE_TTL": "1h"}})
			user := p.backends.Users(p.backends.Clients()[0].Identifier)[0]
			const fields = `{ claims user { sourceId } }`
			p.post(t, `query($id: ID!) { identity(by: {sourceId: $id}) `+fields+` }`, map[string]any{"id": user.IdentityID})
			p.backends.Reset()
			a := p.post(t, `mutation($id: ID!) { w: updateIdentity(input: {by: {sourceId: $id}, claims: {n: 1}}) { identity `+fields+` userErrors { code } } }`,
				map[string]any{"id": user.IdentityID})
			var want any = map[string]any{"sourceId": user.Identifier}
			if drops {
				want = nil
			}
			if diff := cmp.Diff(want, a.get(t, "data", "w", "identity", "user")); diff != "" || len(a.Errors) > 0 {
				t.Errorf("the join (-want +got):\n%s\n%s", diff, a.raw)
			}
			if diff := cmp.Diff([]string{"GET /core/v1/users/{id} 1", "PUT /core/v1/users/{id} 1"}, p.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}
