package e2e

import (
	"bytes"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/sdl"
	"github.com/learngraph/learngraph/upstream/emulator"
)

var federationFolder = filepath.Join("testdata", "federation")

// subgraphs are the flavors that compositions of Federation read.
var subgraphs = []sdl.Flavor{sdl.Federation, sdl.Federation29, sdl.FederationOpen}

// flavors writes the schema in some flavors into a folder.
func flavors(t *testing.T, list ...sdl.Flavor) string {
	t.Helper()
	files := map[string]string{}
	for _, f := range list {
		var out, failed bytes.Buffer
		if code := runWith(t.Context(), []string{"schema", "-flavor", string(f)}, nil, &out, &failed); code != 0 {
			t.Fatalf("%s: %s", f, failed.String())
		}
		files[string(f)+".graphqls"] = out.String()
	}
	dir, err := filepath.Abs(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The schema composes with that of a second subgraph.
func TestTheSubgraphComposes(t *testing.T) {
	t.Parallel()
	needNodeIn(t, federationFolder)
	runScriptIn(t, federationFolder, 8, "node", "compose.mjs", flavors(t, subgraphs...))
}

// Gateways answer what crosses from one subgraph to the other and back: each lookup of an entity is one call.
func TestGatewaysRunInFrontOfTheSubgraph(t *testing.T) {
	t.Parallel()
	needNodeIn(t, federationFolder)
	dir := flavors(t, subgraphs...)
	// Apollo's gateway has no subscriptions.
	for gateway, queries := range map[string]int{"apollo": 5, "hive": 6} {
		p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, Linked: true}, Env: federation})
		server := httptest.NewServer(p.Handler)
		defer server.Close()
		client := p.backends.Clients()[1]
		runScriptIn(t, federationFolder, queries, "node", "gateways.mjs", gateway, server.URL+"/graphql", filepath.Join(dir, "federation-open.graphqls"),
			p.backends.Users(client.Identifier)[1].Identifier, client.ID)
		// A user for each question and one more on the way back; the first looks for a client too, which takes two searches.
		if diff := cmp.Diff(map[string]int{"coassemble": queries + 1, "thoughtindustries": 2}, p.made()); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", gateway, diff)
		}
	}
}
