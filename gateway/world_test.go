package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// world is the schema over resolvers that answer without backends, and count their calls.
type world struct {
	graph.ResolverRoot

	mu    sync.Mutex
	asked []string
	log   bytes.Buffer
	// users is how many users a list has.
	users int
	// fail is the error of a mutation.
	fail error
	// userErrors are the mistakes that the caller of a mutation can correct.
	userErrors []*model.UserError
	// work is done inside each resolver.
	work func(context.Context)
}

func (w *world) note(ctx context.Context, name string) {
	w.mu.Lock()
	w.asked = append(w.asked, name)
	w.mu.Unlock()
	if w.work != nil {
		w.work(ctx)
	}
}

// Write makes the world its own log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) Query() graph.QueryResolver       { return worldQuery{nil, w} }
func (w *world) Mutation() graph.MutationResolver { return worldMutation{nil, w} }
func (w *world) User() graph.UserResolver         { return worldUser{nil, w} }
func (w *world) Identity() graph.IdentityResolver { return worldIdentity{nil, w} }

type worldQuery struct {
	graph.QueryResolver
	w *world
}

func (q worldQuery) Users(ctx context.Context, first *int, _, _ *string) (*model.UserConnection, error) {
	q.w.note(ctx, "users")
	c := &model.UserConnection{PageInfo: &model.PageInfo{}, Edges: []*model.UserEdge{}}
	for i := range min(q.w.users, *first) {
		c.Nodes = append(c.Nodes, &coassemble.User{Record: upstream.Record{Key: fmt.Sprint("user", i)}})
	}
	return c, nil
}

func (q worldQuery) User(ctx context.Context, _ model.UserBy) (*coassemble.User, error) {
	q.w.note(ctx, "user")
	return &coassemble.User{Record: upstream.Record{Key: "user0"}}, nil
}

func (q worldQuery) Clients(ctx context.Context, _ *int, _, _, _ *string) (*model.ClientConnection, error) {
	q.w.note(ctx, "clients")
	return nil, &upstream.Error{Backend: upstream.ThoughtIndustries, Kind: upstream.Unavailable}
}

func (q worldQuery) Identities(ctx context.Context, _ *int, _ *string, _ *model.IdentityFilter) (*model.IdentityConnection, error) {
	q.w.note(ctx, "identities")
	return &model.IdentityConnection{PageInfo: &model.PageInfo{}, Edges: []*model.IdentityEdge{},
		Nodes: []*mattr.Identity{{Record: upstream.Record{Key: "identity0"}}}}, nil
}

func (q worldQuery) Node(ctx context.Context, id string) (model.Node, error) {
	q.w.note(ctx, "node")
	return &coassemble.User{Record: upstream.Record{Key: "user0"}}, nil
}

func (q worldQuery) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	q.w.note(ctx, "nodes")
	return make([]model.Node, len(ids)), nil
}

type worldUser struct {
	graph.UserResolver
	w *world
}

func (u worldUser) ID(_ context.Context, obj *coassemble.User) (string, error) {
	return scalar.EncodeID(scalar.UserNode, obj.Key), nil
}

func (u worldUser) Identity(ctx context.Context, obj []*coassemble.User) ([]*mattr.Identity, error) {
	u.w.note(ctx, "identity")
	list := make([]*mattr.Identity, len(obj))
	for i := range list {
		list[i] = &mattr.Identity{Record: upstream.Record{Key: "identity0"}}
	}
	return list, nil
}

type worldIdentity struct {
	graph.IdentityResolver
	w *world
}

type worldMutation struct {
	graph.MutationResolver
	w *world
}

func (m worldMutation) UpdateUser(ctx context.Context, _ model.UpdateUserInput) (*model.UpdateUserPayload, error) {
	m.w.note(ctx, "updateUser")
	if m.w.fail != nil {
		return nil, m.w.fail
	}
	errs := m.w.userErrors
	if errs == nil {
		errs = []*model.UserError{}
	}
	return &model.UpdateUserPayload{UserErrors: errs}, nil
}

// gateway serves the world. change may alter the options.
func (w *world) gateway(change func(*Options)) *Gateway {
	opts := Options{Schema: graph.NewEngine(graph.Config{Resolvers: w}), Limits: limits.Default(),
		Timeout: 5 * time.Second, Introspection: true, Log: slog.New(slog.NewTextHandler(w, nil)),
		BatchLimit: 10, CompressAbove: representation.DefaultCompressAbove}
	if change != nil {
		change(&opts)
	}
	return New(opts)
}

// as is an authenticator that knows one caller.
func as(c *auth.Caller) func(*http.Request) (*auth.Caller, error) {
	return func(*http.Request) (*auth.Caller, error) { return c, nil }
}

// Send sends a handler one request; header is NAME, VALUE and so on.
func send(t testing.TB, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, reader)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post sends a document and its variables, which are JSON or nothing.
func post(t testing.TB, h http.Handler, query, variables string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, h, http.MethodPost, "/graphql", queryBody(query, variables), header...)
}

func queryBody(query, variables string) string {
	body := `{"query":` + quoted(query)
	if variables != "" {
		body += `,"variables":` + variables
	}
	return body + "}"
}

func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// answer is a GraphQL response as tests read it.
type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code       string
			Limit      *gqlerrors.Limit
			RetryAfter int
		}
	}
	Extensions map[string]json.RawMessage
}

func read(t testing.TB, w *httptest.ResponseRecorder) *answer {
	t.Helper()
	a := &answer{}
	if err := json.Unmarshal(w.Body.Bytes(), a); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
	}
	return a
}

// code is that of the first error, "" without one.
func (a *answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}
