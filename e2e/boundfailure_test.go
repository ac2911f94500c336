package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// failingCalls is a way to the backends on which calls fail: the one numbered first, the later ones to the same path, and where
// rest is set all later ones.
type failingCalls struct {
	next  http.RoundTripper
	first int
	rest  bool
	how   func(*http.Request) (*http.Response, error)

	mu   sync.Mutex
	made int
	path string
}

func (f *failingCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.fails(r) {
		return f.how(r)
	}
	return f.next.RoundTrip(r)
}

func (f *failingCalls) fails(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.made
	f.made++
	if n == f.first {
		f.path = r.URL.Path
	}
	return n >= f.first && (f.rest || r.URL.Path == f.path)
}

func unavailable(r *http.Request) (*http.Response, error) {
	return respond(r, http.StatusServiceUnavailable, `{"message":"down"}`), nil
}

// respond makes a backend's response to r.
func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func reset(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// boundOperations is an operation for each field of Query and Mutation, over a caller's own records and those of others.
func boundOperations(own, other emulator.ClientRef, user, foreign emulator.UserRef) map[string][]string {
	const identity = `{ id sourceId claims authenticationProvider { subjectId } user { sourceId client { name } } credentials { nodes { type } } }`
	const person = `{ id sourceId name metadata client { name } embedClient { sourceId } identity ` + identity + ` credentials { nodes { type } } }`
	const embed = `{ sourceId metadata client { name } users { nodes ` + person + ` } }`
	const client = `{ name licenses { name } courses { nodes { title } } embed ` + embed + ` users { nodes ` + person + ` } }`
	ops := map[string][]string{
		"clients":      {`{ clients { nodes ` + client + ` } }`, `{ clients(query: "a") { nodes { name } } }`},
		"embedClients": {`{ embedClients { nodes ` + embed + ` } }`},
		"users":        {`{ users { nodes ` + person + ` } }`},
		"identities":   {`{ identities { nodes ` + identity + ` } }`, `{ identities(filter: {claims: {}}) { nodes ` + identity + ` } }`},
	}
	add := func(field, format string, args ...any) {
		ops[field] = append(ops[field], fmt.Sprintf(format, args...))
	}
	for _, c := range []emulator.ClientRef{own, other} {
		add("client", `{ a: client(by: {slug: %q}) %s b: client(by: {sourceId: %q}) { name } }`, c.Slug, client, c.ID)
		add("embedClient", `{ embedClient(by: {sourceId: %q}) %s }`, c.Identifier, embed)
		add("updateEmbedClient", `mutation { updateEmbedClient(input: {by: {sourceId: %q}, metadata: {a: 1}}) { userErrors { code } embedClient %s } }`, c.Identifier, embed)
		add("deleteEmbedClient", `mutation { deleteEmbedClient(input: {by: {sourceId: %q}, confirm: %q}) { userErrors { code } deletedId } }`, c.Identifier, c.Identifier)
	}
	for _, u := range []emulator.UserRef{user, foreign} {
		add("user", `{ user(by: {sourceId: %q}) %s }`, u.Identifier, person)
		add("identity", `{ identity(by: {sourceId: %q}) %s }`, u.IdentityID, identity)
		add("node", `{ node(id: %q) { id ... on Identity %s } }`, scalar.EncodeID(scalar.IdentityNode, u.IdentityID), identity)
		add("nodes", `{ nodes(ids: [%q, %q, %q]) { id ... on Identity %s ... on User %s ... on Client { name } } }`, scalar.EncodeID(scalar.IdentityNode, u.IdentityID),
			scalar.EncodeID(scalar.UserNode, u.Identifier), scalar.EncodeID(scalar.ClientNode, own.ID), identity, person)
		add("updateUser", `mutation { updateUser(input: {by: {sourceId: %q}, name: "n"}) { userErrors { code } user %s } }`, u.Identifier, person)
		add("deleteUser", `mutation { deleteUser(input: {by: {sourceId: %q}, action: ignore}) { userErrors { code } deletedId } }`, u.Identifier)
		add("updateIdentity", `mutation { updateIdentity(input: {by: {sourceId: %q}, claims: {a: 1}}) { userErrors { code } identity %s } }`, u.IdentityID, identity)
		add("deleteIdentity", `mutation { deleteIdentity(input: {by: {sourceId: %q}}) { userErrors { code } deletedId } }`, u.IdentityID)
	}
	return ops
}

// A call that fails is an error with a code of its own for a caller who is bound to clients, whichever call it is.
func TestNoFailingCallIsWorseForABoundCaller(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 2, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: -1, UsersPerClient: 2, CredentialsPerUser: 1}
	catalogue := emulator.New(options)
	own, other := catalogue.Clients()[0], catalogue.Clients()[1]
	ops := boundOperations(own, other, catalogue.Users(own.Identifier)[0], catalogue.Users(other.Identifier)[0])
	catalogue.Close()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: schemaText()})
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		for _, f := range root.Fields {
			if ops[f.Name] == nil && !strings.HasPrefix(f.Name, "__") {
				t.Errorf("no operation for %s.%s", root.Name, f.Name)
			}
		}
	}
	keys := keysFile(t, map[string]map[string]any{"bound-key": {"clients": []string{own.Identifier},
		"scopes": []string{"clients:read", "users:read", "identities:read", "claims:read", "clients:write", "users:write", "identities:write", "delete"}}})
	ask := func(t *testing.T, op, timeout string, f *failingCalls) {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, setup{Emulator: options, Wrap: func(next http.RoundTripper) http.RoundTripper { f.next = next; return f },
				Env: map[string]string{"AUTH": "keys", "ALLOW_DELETES": "true", "API_KEYS_FILE": keys, "OPERATION_TIMEOUT": "3s"}})
			a := p.withShortDeadlineKey(t, "bound-key", timeout, op)
			for _, failure := range a.failures() {
				if strings.Contains(failure, "INTERNAL") {
					t.Errorf("call %d fails: %s: got %s", f.first, op, a.raw)
				}
			}
			if log := p.logged.String(); strings.Contains(log, "goroutine ") {
				t.Errorf("call %d fails: %s: panic: %.2000s", f.first, op, log)
			}
			time.Sleep(time.Minute)
		})
	}
	for name, list := range ops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range list {
				calm := &failingCalls{first: 1 << 30}
				ask(t, op, "", calm)
				for n := range calm.made {
					for _, how := range []func(*http.Request) (*http.Response, error){unavailable, reset, hang} {
						ask(t, op, "", &failingCalls{first: n, how: how})
						ask(t, op, "", &failingCalls{first: n, how: how, rest: true})
					}
					ask(t, op, "40ms", &failingCalls{first: n, how: hang})
				}
			}
		})
	}
}
