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
