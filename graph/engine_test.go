package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// small is a resolver root of two clients with two users each, whose edges a test may replace. It counts calls.
type small struct {
	graph.ResolverRoot

	clients []*model.Client
	users   []*coassemble.User

	clientUsers func(ctx context.Context, objs []*model.Client) ([]*model.UserConnection, error)
	userClient  func(ctx context.Context, objs []*coassemble.User) ([]*model.Client, error)
	update      func(ctx context.Context, id string) error
	wait        time.Duration

	mu    sync.Mutex
	calls []string
}

type (
	smallQuery struct {
		graph.QueryResolver
		s *small
	}
	smallMutation struct {
		graph.MutationResolver
		s *small
	}
	smallClient struct{ s *small }
	smallUser   struct {
		graph.UserResolver
		s *small
	}
)

func (s *small) Query() graph.QueryResolver       { return smallQuery{s: s} }
func (s *small) Mutation() graph.MutationResolver { return smallMutation{s: s} }
func (s *small) Client() graph.ClientResolver     { return smallClient{s: s} }
func (s *small) User() graph.UserResolver         { return smallUser{s: s} }
func (s *small) License() graph.LicenseResolver   { return smallLicense{s} }

func newSmall(t *testing.T) *small {
	t.Helper()
	s := &small{}
	for i := range 2 {
		d, err := document.Parse(fmt.Appendf(nil, `{"id":"c%d","name":"Client %d","courses":[],"licenses":[{"id":"l","client":{"id":"c%d"}}]}`, i, i, i), model.Shapes.Client)
		if err != nil {
			t.Fatal(err)
		}
		s.clients = append(s.clients, &model.Client{Object: d.Root()})
		u := new(coassemble.User)
		if err := json.Unmarshal(fmt.Appendf(nil, `{"identifier":"u%d","name":"User %d"}`, i, i), u); err != nil {
			t.Fatal(err)
		}
		s.users = append(s.users, u)
	}
	s.clientUsers = func(_ context.Context, objs []*model.Client) ([]*model.UserConnection, error) {
		out := make([]*model.UserConnection, len(objs))
		for i := range out {
			out[i] = s.page()
		}
		return out, nil
	}
	s.userClient = func(_ context.Context, objs []*coassemble.User) ([]*model.Client, error) {
		out := make([]*model.Client, len(objs))
		for i := range out {
			out[i] = s.clients[0]
		}
		return out, nil
	}
	return s
}

func (s *small) page() *model.UserConnection {
	conn := &model.UserConnection{Nodes: s.users, PageInfo: &model.PageInfo{}}
	for _, u := range s.users {
		conn.Edges = append(conn.Edges, &model.UserEdge{Cursor: "x", Node: u})
	}
	return conn
}

// called notes a call and waits as long as a backend takes.
func (s *small) called(field string, parents int) {
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprintf("%s(%d)", field, parents))
	s.mu.Unlock()
	if s.wait > 0 {
		time.Sleep(s.wait)
	}
}

func (q smallQuery) Clients(context.Context, *int, *string, *string, *string) (*model.ClientConnection, error) {
	q.s.called("clients", 1)
	conn := &model.ClientConnection{Nodes: q.s.clients, PageInfo: &model.PageInfo{}}
	for _, c := range q.s.clients {
		conn.Edges = append(conn.Edges, &model.ClientEdge{Cursor: "x", Node: c})
	}
	return conn, nil
}

func (q smallQuery) Nodes(_ context.Context, ids []string) ([]model.Node, error) {
	q.s.called("nodes", len(ids))
	return []model.Node{q.s.clients[0], q.s.users[0], nil, q.s.clients[1]}, nil
}

func (q smallQuery) Client(context.Context, model.ClientBy) (*model.Client, error) {
	panic("a secret of the resolver")
}

func (m smallMutation) UpdateEmbedClient(ctx context.Context, input model.UpdateEmbedClientInput) (*model.UpdateEmbedClientPayload, error) {
	m.s.called("update", 1)
	id := input.By.ID.Value()
	return &model.UpdateEmbedClientPayload{}, m.s.update(ctx, *id)
}

func (m smallMutation) UpdateUser(context.Context, model.UpdateUserInput) (*model.UpdateUserPayload, error) {
	m.s.called("updateUser", 1)
	return &model.UpdateUserPayload{User: m.s.users[0]}, nil
}

func (c smallClient) Embed(_ context.Context, objs []*model.Client) ([]*coassemble.EmbedClient, error) {
	c.s.called("embed", len(objs))
	return make([]*coassemble.EmbedClient, len(objs)), nil
}

func (c smallClient) Users(ctx context.Context, objs []*model.Client, _ *int, _ *string) ([]*model.UserConnection, error) {
	c.s.called("Client.users", len(objs))
	return c.s.clientUsers(ctx, objs)
}

type smallLicense struct{ s *small }

func (l smallLicense) Client(_ context.Context, objs []*model.License) ([]*model.Client, error) {
	l.s.called("License.client", len(objs))
	out := make([]*model.Client, len(objs))
	for i, o := range objs {
		out[i] = &model.Client{Object: o.Document().Root()}
	}
	return out, nil
}

func (u smallUser) Client(ctx context.Context, objs []*coassemble.User) ([]*model.Client, error) {
	u.s.called("User.client", len(objs))
	return u.s.userClient(ctx, objs)
}

func (u smallUser) Identity(_ context.Context, objs []*coassemble.User) ([]*mattr.Identity, error) {
	u.s.called("User.identity", len(objs))
	return make([]*mattr.Identity, len(objs)), nil
}

func (s *small) run(t testing.TB, query string, variables map[string]any) *graphql.Response {
	t.Helper()
	loaded, err := load(operation{query, variables})
	if err != nil {
		t.Fatal(err)
	}
	return execute(t.Context(), graph.NewEngine(graph.Config{Resolvers: s}), loaded)
}

func TestEachLevelIsOneCallPerFieldAndArguments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		want        []string
	}{
		{
			"through nodes", `{ clients { nodes { users { nodes { client { name } } } } } }`,
			[]string{"clients(1)", "Client.users(2)", "User.client(2)"},
		},
		{
			"through edges, nodes and aliases at once, and each parent once",
			`{ clients { edges { node { users { edges { node { client { name } } } } } } nodes { again: users { nodes { c: client { id } } } users { nodes { name } } } } }`,
			[]string{"clients(1)", "Client.users(2)", "User.client(2)"},
		},
		{
			"with equal arguments written in different ways",
			`query($n: Int) { clients { nodes { a: users { pageInfo { hasNextPage } } b: users(first: 25) { pageInfo { hasNextPage } } c: users(first: $n) { pageInfo { hasNextPage } } } } }`,
			[]string{"clients(1)", "Client.users(2)"},
		},
		{
			"with other arguments twice",
			`{ clients { nodes { a: users(first: 1) { pageInfo { hasNextPage } } b: users(first: 2) { pageInfo { hasNextPage } } } } }`,
			[]string{"Client.users(2)", "Client.users(2)", "clients(1)"},
		},
		{
			"through fragments and interfaces",
			`{ nodes(ids: ["a", "b", "c", "d"]) { ... on Client { ...F } ... on Node { ... on Client { users { nodes { name } } } ... on User { client { name } } } } } fragment F on Client { users { nodes { sourceId } } }`,
			[]string{"Client.users(2)", "User.client(1)", "nodes(4)"},
		},
		{
			"through the content of documents",
			`{ clients { nodes { licenses { client { users { nodes { name } } } } users { nodes { name } } } } }`,
			[]string{"Client.users(2)", "Client.users(2)", "License.client(2)", "clients(1)"},
		},
		{
			"at the root under two aliases", `{ a: clients { nodes { name } } b: clients { nodes { id } } }`,
			[]string{"clients(1)"},
		},
		{
			"not for what is skipped", `query($no: Boolean = false) { clients { nodes { users @include(if: $no) { nodes { name } } name @skip(if: $no) } } }`,
			[]string{"clients(1)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t)
			resp := s.run(t, tt.query, map[string]any{"n": 25})
			if len(resp.Errors) > 0 {
				t.Fatal(resp.Errors)
			}
			got := slices.Sorted(slices.Values(s.calls))
			if diff := cmp.Diff(slices.Sorted(slices.Values(tt.want)), got); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThreeLevelsTakeThreeRoundTrips(t *testing.T) {
	t.Parallel()
	const query = `{ clients { nodes { users { nodes { client { name } identity { claims } } } } edges { node { embed { id } } } } }`
	for _, atOnce := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var wg sync.WaitGroup
			for range atOnce {
				s := newSmall(t)
				s.wait = 10 * time.Millisecond
				wg.Go(func() {
					s.run(t, query, nil)
					want := []string{"Client.users(2)", "User.client(2)", "User.identity(2)", "clients(1)", "embed(2)"}
					if diff := cmp.Diff(want, slices.Sorted(slices.Values(s.calls))); diff != "" {
						t.Errorf("calls (-want +got):\n%s", diff)
					}
				})
			}
			wg.Wait()
			if got := time.Since(start); got != 30*time.Millisecond {
				t.Errorf("%d operations took %v, want 30ms", atOnce, got)
			}
		})
	}
}

func TestFailuresOfACallAreErrorsAtEachItem(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	const query = "{ clients { nodes {\n  users { nodes { name } } name } } }"
	tests := []struct {
		name  string
		users func(context.Context, []*model.Client) ([]*model.UserConnection, error)
		want  []string
	}{
		{
			"an error", func(context.Context, []*model.Client) ([]*model.UserConnection, error) { return nil, cause },
			[]string{"the cause at clients.nodes[0].users", "the cause at clients.nodes[1].users"},
		},
		{
			"an error of one item", func(context.Context, []*model.Client) ([]*model.UserConnection, error) {
				return make([]*model.UserConnection, 2), graphql.BatchErrorList{nil, cause}
			},
			[]string{"the cause at clients.nodes[1].users"},
		},
		{
			"a result too few", func(context.Context, []*model.Client) ([]*model.UserConnection, error) {
				return make([]*model.UserConnection, 1), nil
			},
			[]string{
				"batch resolver Client.users returned 1 results for 2 parents at clients.nodes[0].users",
				"batch resolver Client.users returned 1 results for 2 parents at clients.nodes[1].users",
			},
		},
		{
			"an error too many", func(context.Context, []*model.Client) ([]*model.UserConnection, error) {
				return make([]*model.UserConnection, 2), graphql.BatchErrorList{nil, nil, cause}
			},
			[]string{
				"batch resolver Client.users returned 3 errors for 2 parents at clients.nodes[0].users",
				"batch resolver Client.users returned 3 errors for 2 parents at clients.nodes[1].users",
			},
		},
		{
			"a panic", func(context.Context, []*model.Client) ([]*model.UserConnection, error) { panic("a secret") },
			[]string{"a panic at clients.nodes[0].users", "a panic at clients.nodes[1].users"},
		},
		{
			"a GraphQL error with extensions", func(context.Context, []*model.Client) ([]*model.UserConnection, error) {
				e := &gqlerror.Error{Message: "shown", Err: cause, Extensions: map[string]any{"code": "X"}}
				return make([]*model.UserConnection, 2), graphql.BatchErrorList{e, fmt.Errorf("wrapped: %w", e)}
			},
			[]string{"shown at clients.nodes[0].users", "shown at clients.nodes[1].users"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t)
			s.clientUsers = tt.users
			resp := s.run(t, query, nil)
			var got []string
			for _, e := range resp.Errors {
				got = append(got, e.Message+" at "+e.Path.String())
				if diff := cmp.Diff([]gqlerror.Location{{Line: 2, Column: 3}}, e.Locations); diff != "" {
					t.Errorf("locations (-want +got):\n%s", diff)
				}
				if e.Message == "the cause" && !errors.Is(e, cause) {
					t.Error("the cause is lost")
				}
				if e.Message == "shown" && e.Extensions["code"] != "X" {
					t.Error("the extensions are lost")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if want := `{"clients":{"nodes":[{"users":null,"name":"Client 0"},{"users":null,"name":"Client 1"}]}}`; tt.name != "an error of one item" && string(resp.Data) != want {
				t.Errorf("data %s, want %s", resp.Data, want)
			}
		})
	}
}

func TestPanicAtTheRootIsOneErrorAtItsPath(t *testing.T) {
	t.Parallel()
	resp := newSmall(t).run(t, `{ x: client(by: { id: "a" }) { name } clients { nodes { name } } }`, nil)
	if want := `{"x":null,"clients":{"nodes":[{"name":"Client 0"},{"name":"Client 1"}]}}`; string(resp.Data) != want {
		t.Errorf("data %s, want %s", resp.Data, want)
	}
	if len(resp.Errors) != 1 || resp.Errors[0].Path.String() != "x" || strings.Contains(resp.Errors[0].Error(), "secret") {
		t.Errorf("errors %v, want one at x without the panic's value", resp.Errors)
	}
}

func TestMutationsRunOneAfterTheOtherWithAllThatIsBelowThem(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	s.update = func(context.Context, string) error { return nil }
	s.run(t, `mutation {
		a: updateUser(input: { by: { id: "1" }, name: "n" }) { user { client { users { nodes { name } } } } }
		b: updateUser(input: { by: { id: "1" }, name: "n" }) { user { client { name } } }
		c: updateEmbedClient(input: { by: { id: "2" }, metadata: 1 }) { userErrors { code } }
	}`, nil)
	want := []string{"updateUser(1)", "User.client(1)", "Client.users(1)", "updateUser(1)", "User.client(1)", "update(1)"}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestResolverSeesItsPositionAndSelections(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	var path string
	var selected []string
	inner := s.clientUsers
	s.clientUsers = func(ctx context.Context, objs []*model.Client) ([]*model.UserConnection, error) {
		fc := graphql.GetFieldContext(ctx)
		path = fmt.Sprint(fc.Object, " ", fc.Path(), " ", *fc.Args["first"].(*int))
		selected = graphql.CollectAllFields(ctx)
		return inner(ctx, objs)
	}
	s.run(t, `{ clients { nodes { users(first: 7) { nodes { name } } } edges { node { x: users(first: 7) { pageInfo { hasNextPage } } } } } }`, nil)
	if want := "Client clients.nodes.users 7"; path != want {
		t.Errorf("place %q, want %q", path, want)
	}
	if diff := cmp.Diff([]string{"nodes", "pageInfo"}, selected); diff != "" {
		t.Errorf("selected (-want +got):\n%s", diff)
	}
}

func TestEndedContextMakesNoFurtherCalls(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	ctx, cancel := context.WithCancel(t.Context())
	inner := s.clientUsers
	s.clientUsers = func(ctx context.Context, objs []*model.Client) ([]*model.UserConnection, error) {
		cancel()
		return inner(ctx, objs)
	}
	loaded, err := load(operation{query: `{ clients { nodes { users { nodes { name client { name } } } } } }`})
	if err != nil {
		t.Fatal(err)
	}
	resp := execute(ctx, graph.NewEngine(graph.Config{Resolvers: s}), loaded)
	if diff := cmp.Diff([]string{"clients(1)", "Client.users(2)"}, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if len(resp.Errors) != 4 || !errors.Is(resp.Errors[0], context.Canceled) {
		t.Errorf("errors %v, want the context's at each of the four", resp.Errors)
	}
}

func TestAnswerIsWrittenIntoTheGivenBuffer(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	loaded, err := load(operation{query: `{ clients { nodes { name } } }`})
	if err != nil {
		t.Fatal(err)
	}
	es := graph.NewEngine(graph.Config{Resolvers: s})
	b := &engine.Buffer{Bytes: make([]byte, 5, 1024)}
	resp := execute(engine.WithBuffer(t.Context(), b), es, loaded)
	if want := `{"clients":{"nodes":[{"name":"Client 0"},{"name":"Client 1"}]}}`; string(resp.Data) != want || string(b.Bytes) != want {
		t.Errorf("data %s, buffer %s, want %s", resp.Data, b.Bytes, want)
	}
	if cap(b.Bytes) != 1024 || &b.Bytes[0] != &resp.Data[0] {
		t.Error("the answer is not in the buffer")
	}
}

func TestPlanNamesTheCallsWithTheirLevels(t *testing.T) {
	t.Parallel()
	loaded, err := load(operation{query: `query($n: Int) { clients { nodes { name users(first: $n) { nodes { client { name } } } embed { id } } } node(id: "x") { ... on User { identity { id } } } }`,
		variables: map[string]any{"n": 3}})
	if err != nil {
		t.Fatal(err)
	}
	plan := graph.NewEngine(graph.Config{Resolvers: newSmall(t)}).Plan(loaded)
	var got []string
	for f := range plan.Calls {
		got = append(got, fmt.Sprint(f.Level, " ", f.Object, ".", f.Name, " ", f.Source.ArgumentMap(loaded.Variables)))
	}
	want := []string{
		"1 Query.clients map[first:25]", "1 Query.node map[id:x]", "2 Client.users map[first:3]", "2 Client.embed map[]",
		"2 User.identity map[]", "3 User.client map[]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestIntrospectionIsAnswered(t *testing.T) {
	t.Parallel()
	const query = `{ __schema { queryType { name } } t: __type(name: "Node") { kind } __typename }`
	s := newSmall(t)
	resp := s.run(t, query, nil)
	if want := `{"__schema":{"queryType":{"name":"Query"}},"t":{"kind":"INTERFACE"},"__typename":"Query"}`; string(resp.Data) != want {
		t.Errorf("data %s, want %s", resp.Data, want)
	}
}

func TestFieldMiddlewareRefusesFieldsAndSeesTheResultsOfRoots(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, refuse string
		data                string
		calls, errs         []string
	}{
		{
			"a member", `{ clients { nodes { id name } } }`, "Client.name",
			`{"clients":{"nodes":[{"id":"MUNsaWVudDpjMA","name":null},{"id":"MUNsaWVudDpjMQ","name":null}]}}`,
			[]string{"clients(1)"},
			[]string{"clients.nodes[0].name", "clients.nodes[1].name"},
		},
		{
			"a call", `{ clients { nodes { users { nodes { name } } } } }`, "Client.users",
			`{"clients":{"nodes":[{"users":null},{"users":null}]}}`,
			[]string{"clients(1)"},
			[]string{"clients.nodes[0].users", "clients.nodes[1].users"},
		},
		{
			"what leads to a call", `{ clients { nodes { licenses { client { users { nodes { name } } } } } } }`, "License.client",
			`{"clients":{"nodes":[{"licenses":[{"client":null}]},{"licenses":[{"client":null}]}]}}`,
			[]string{"clients(1)"},
			[]string{"clients.nodes[0].licenses[0].client", "clients.nodes[1].licenses[0].client"},
		},
		{
			"a root", `{ clients { nodes { name } } }`, "Query.clients", `{"clients":null}`, nil, []string{"clients"},
		},
		{
			"a part of a page", `{ clients { nodes { courses { totalCount } } } }`, "CourseConnection.totalCount",
			`{"clients":{"nodes":[{"courses":null},{"courses":null}]}}`,
			[]string{"clients(1)"},
			[]string{"clients.nodes[0].courses.totalCount", "clients.nodes[1].courses.totalCount"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t)
			loaded, err := load(operation{query: tt.query})
			if err != nil {
				t.Fatal(err)
			}
			var roots []any
			loaded.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
				fc := graphql.GetFieldContext(ctx)
				if fc.Object+"."+fc.Field.Name == tt.refuse {
					return nil, errRefused
				}
				result, err := next(ctx)
				if fc.Object == "Query" {
					roots = append(roots, result)
				}
				return result, err
			}
			resp := execute(t.Context(), graph.NewEngine(graph.Config{Resolvers: s}), loaded)
			var errs []string
			for _, e := range resp.Errors {
				errs = append(errs, e.Path.String())
			}
			if string(resp.Data) != tt.data {
				t.Errorf("data %s, want %s", resp.Data, tt.data)
			}
			if diff := cmp.Diff(tt.errs, errs); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.calls, s.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if len(tt.calls) > 0 {
				if _, ok := roots[0].(*model.ClientConnection); !ok {
					t.Errorf("the middleware sees %T as the root's result", roots[0])
				}
			}
		})
	}
}
