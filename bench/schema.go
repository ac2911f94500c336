package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/vektah/gqlparser/v2/ast"
)

// memory is a resolver root over data in memory. Every edge waits before it answers.
type memory struct {
	graph.ResolverRoot // no benchmark asks for these

	clients     *model.ClientConnection
	users       *model.UserConnection
	credentials *model.CredentialConnection
	load        func(context.Context) (*model.ClientConnection, error) // instead of clients
	wait        time.Duration
}

type (
	query struct {
		graph.QueryResolver
		m *memory
	}
	clientEdges struct {
		graph.ClientResolver
		m *memory
	}
	userEdges struct {
		graph.UserResolver
		m *memory
	}
)

func (m *memory) Query() graph.QueryResolver   { return query{m: m} }
func (m *memory) Client() graph.ClientResolver { return clientEdges{m: m} }
func (m *memory) User() graph.UserResolver     { return userEdges{m: m} }

func (m *memory) pause(ctx context.Context) {
	if m.wait == 0 {
		return
	}
	timer := time.NewTimer(m.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (q query) Clients(ctx context.Context, _ *int, _, _, _ *string) (*model.ClientConnection, error) {
	q.m.pause(ctx)
	if q.m.load != nil {
		return q.m.load(ctx)
	}
	return q.m.clients, nil
}

func (q query) Client(ctx context.Context, _ model.ClientBy) (*model.Client, error) {
	q.m.pause(ctx)
	return q.m.clients.Nodes[0], nil
}

func (c clientEdges) Users(ctx context.Context, objs []*model.Client, _ *int,
	_ *string) ([]*model.UserConnection, error) {
	c.m.pause(ctx)
	out := make([]*model.UserConnection, len(objs))
	for i := range out {
		out[i] = c.m.users
	}
	return out, nil
}

func (u userEdges) ID(_ context.Context, obj *coassemble.User) (string, error) {
	return scalar.EncodeID(scalar.UserNode, obj.Key), nil
}

func (u userEdges) Credentials(ctx context.Context, objs []*coassemble.User, _ *int,
	_ *string) ([]*model.CredentialConnection, error) {
	u.m.pause(ctx)
	out := make([]*model.CredentialConnection, len(objs))
	for i := range out {
		out[i] = u.m.credentials
	}
	return out, nil
}

const (
	clientCount = 25
	courseCount = 20
)

// newMemory makes 25 clients with 20 courses each, and as many users.
func newMemory() (*memory, error) {
	m := &memory{clients: &model.ClientConnection{PageInfo: &model.PageInfo{}},
		users:       &model.UserConnection{PageInfo: &model.PageInfo{}},
		credentials: &model.CredentialConnection{PageInfo: &model.PageInfo{}}}
	for i := range clientCount {
		d, err := document.Parse([]byte(clientText(i)), model.Shapes.Client)
		if err != nil {
			return nil, err
		}
		c := &model.Client{Object: d.Root()}
		m.clients.Nodes = append(m.clients.Nodes, c)
		m.clients.Edges = append(m.clients.Edges, &model.ClientEdge{Node: c})
	}
	for i := range courseCount {
		u := new(coassemble.User)
		text := fmt.Sprintf(
			`{"identifier":"user-%d-3fa85f64-5717","clientIdentifier":"client-1","name":"Ingrid Lindström %d","avatar":"https://cdn.example.com/avatars/%d.png","created":"2024-03-01T10:00:00.000Z","updated":"2024-05-01T10:00:00.000Z"}`, i, i, i)
		if err := json.Unmarshal([]byte(text), u); err != nil {
			return nil, err
		}
		m.users.Nodes = append(m.users.Nodes, u)
	}
	c := new(mattr.Credential)
	if err := json.Unmarshal([]byte(`{"id":"c-1","type":"CourseCredential","status":"valid"}`), c); err != nil {
		return nil, err
	}
	m.credentials.Nodes = []*model.Credential{{Credential: c, Identity: "i-1"}}
	return m, nil
}

func clientText(i int) string {
	var courses []string
	for j := range courseCount {
		courses = append(courses,
			fmt.Sprintf(
				`{"id":"%08d-5717-4562-b3fc-2c963f66afa6","title":"Workplace Safety Essentials, part %d","slug":"workplace-safety-essentials-%d","status":"published","priceInCents":%d,"updatedAt":"2024-03-01T10:00:00.000Z","kind":"microCourse","sku":"SKU-%d","language":"en","rating":5}`,
				i*1000+j, j, j, 100*j, j))
	}
	return fmt.Sprintf(
		`{"id":"%08d-0000-4562-b3fc-2c963f66afa6","name":"Northbridge University %d","slug":"northbridge-%d","sku":"N-%d","createdAt":"2024-03-01T10:00:00.000Z","courses":[%s]}`,
		i, i, i, i, strings.Join(courses, ","))
}

const (
	// leavesQuery has 2 + 20*6 leaves per client: 3,050 in all, 100 KB.
	leavesQuery = `{ clients { nodes { name slug courses(first: 20) { nodes { sourceId title slug status priceInCents updatedAt } } } } }`
	usersQuery  = `{ clients { nodes { name slug users { nodes { sourceId name avatar clientIdentifier created updated } } } } }`
	smallQuery  = `{ client(by: { id: "x" }) { id name slug sku createdAt } }`
	levelsQuery = `{ clients { nodes { name users { nodes { name credentials { nodes { type } } } } } } }`
)

// parsed keeps parsed documents.
type parsed struct{ byText sync.Map }

func (p *parsed) Get(_ context.Context, text string) (*ast.QueryDocument, bool) {
	v, ok := p.byText.Load(text)
	if !ok {
		return nil, false
	}
	return v.(*ast.QueryDocument), true
}

func (p *parsed) Add(_ context.Context, text string, doc *ast.QueryDocument) {
	p.byText.Store(text, doc)
}

// server executes requests as a gqlgen handler does, with a cache of parsed documents.
type server struct{ *executor.Executor }

func newServer(es graphql.ExecutableSchema) server {
	s := server{executor.New(es)}
	s.SetQueryCache(&parsed{})
	return s
}

func (s server) execute(ctx context.Context, query string) *graphql.Response {
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := s.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if len(errs) > 0 {
		return &graphql.Response{Errors: errs}
	}
	respond, ctx := s.DispatchOperation(ctx, op)
	return respond(ctx)
}

// must stops a benchmark whose answer is wrong: its numbers would mean nothing.
func must(resp *graphql.Response) {
	if len(resp.Errors) > 0 {
		panic(resp.Errors)
	}
}

// stockHTTP answers a POST as gqlgen's own transport does: the response is encoded, which scans its data again.
type stockHTTP struct{ server }

func (s stockHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var params graphql.RawParams
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&params); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	text, err := json.Marshal(s.execute(r.Context(), params.Query))
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text)
}

// ServeHTTP answers a POST with the engine's bytes as they are.
func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var params struct{ Query string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&params); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	b := engine.GetBuffer()
	defer b.Free()
	resp := s.execute(engine.WithBuffer(r.Context(), b), params.Query)
	if len(resp.Errors) > 0 {
		http.Error(w, resp.Errors.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", fmt.Sprint(len(resp.Data)+len(`{"data":}`)))
	_, _ = w.Write([]byte(`{"data":`))
	_, _ = w.Write(resp.Data)
	_, _ = w.Write([]byte(`}`))
}
