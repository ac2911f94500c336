package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

type resolvers struct{ graph.ResolverRoot }

func (resolvers) Query() graph.QueryResolver { return query{} }

// query answers the one field of the example.
type query struct{ graph.QueryResolver }

func (query) User(context.Context, model.UserBy) (*coassemble.User, error) {
	u := new(coassemble.User)
	return u, u.UnmarshalJSON([]byte(`{"identifier": "u1", "name": "Ada"}`))
}

// A gateway serves a schema over HTTP. It validates and bounds requests before it executes them.
func Example() {
	g := gateway.New(gateway.Options{
		Schema:  graph.NewEngine(graph.Config{Resolvers: resolvers{}}),
		Limits:  limits.Default(),
		Timeout: time.Second,
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	for _, query := range []string{`{ user(by: {sourceId: \"u1\"}) { name } }`, `{ users(first: 1000) { nodes { name } } }`} {
		r := httptest.NewRequest("POST", "/graphql", strings.NewReader(`{"query": "`+query+`"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"data":{"user":{"name":"Ada"}}}
	// 200 {"errors":[{"message":"users: first must be 1 to 100","locations":[{"line":1,"column":9}],"extensions":{"code":"BAD_USER_INPUT"}}]}
}
