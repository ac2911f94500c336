package main

import (
	"os"
	"strings"
	"testing"

	"github.com/Khan/genqlient/graphql"
	"github.com/learngraph/learngraph/examples/go-client/learngraph"
)

// demo returns a client for a server that was started with -demo.
func demo(t *testing.T) graphql.Client {
	t.Helper()
	url := os.Getenv("LEARNGRAPH_URL")
	if url == "" {
		t.Skip("LEARNGRAPH_URL is not set: examples/run starts a server and sets it")
	}
	return newClient(url, "")
}

func TestTheReportHasClientsOfTheSearchAndTheirUsers(t *testing.T) {
	var out strings.Builder
	if err := report(t.Context(), &out, demo(t), "northbridge"); err != nil {
		t.Fatal(err)
	}
	const want = `Northbridge University: 270 of 280 seats, license until 15 August 2027
  Patrick John Evans, Nursing
`
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "\nNorthbridge Airways: ") {
		t.Errorf("got %s", got)
	}
}

func TestEveryPageIsRead(t *testing.T) {
	seen := map[string]bool{}
	for c, err := range clients(t.Context(), demo(t), "") {
		if err != nil {
			t.Fatal(err)
		}
		seen[c.Id] = true
	}
	if len(seen) <= 2*pageSize {
		t.Errorf("got %d clients, want more than two pages", len(seen))
	}
}

func TestAUserIsRenamed(t *testing.T) {
	ctx, client := t.Context(), demo(t)
	for c, err := range clients(ctx, client, "takahashi") {
		if err != nil {
			t.Fatal(err)
		}
		for u, err := range users(ctx, client, c.Id) {
			if err != nil {
				t.Fatal(err)
			}
			if mistakes, err := renameUser(ctx, client, u, "Grace Hopper"); err != nil || len(mistakes) > 0 {
				t.Fatalf("got %v, %v", mistakes, err)
			}
			for changed := range users(ctx, client, c.Id) {
				if changed.Id == u.Id && (or(changed.Name, "unnamed") != "Grace Hopper" || department(changed.Metadata) != department(u.Metadata)) {
					t.Errorf("got %s, %s", or(changed.Name, "unnamed"), *changed.Metadata)
				}
			}
			return
		}
	}
	t.Fatal("there is no user")
}

func TestAMistakeIsAUserError(t *testing.T) {
	mistakes, err := renameUser(t.Context(), demo(t), &learngraph.User{Id: "MVVzZXI6bm9ib2R5"}, "Grace Hopper")
	if err != nil {
		t.Fatal(err)
	}
	if len(mistakes) != 1 || mistakes[0].Code != "NOT_FOUND" || strings.Join(mistakes[0].Path, ".") != "input.by" {
		t.Errorf("got %+v", mistakes)
	}
}
