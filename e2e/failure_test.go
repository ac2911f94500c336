package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// TestABackendThatFailsTakesOnlyItsOwnFields lets each backend fail in every way there is; faults that hang need fake
// time.
func TestABackendThatFailsTakesOnlyItsOwnFields(t *testing.T) {
	t.Parallel()
	faults := []struct {
		name  string
		fault emulator.Fault
		code  string
	}{
		{"401", emulator.Fault{Status: 401}, "UPSTREAM_REJECTED"},
		{"403", emulator.Fault{Status: 403}, "UPSTREAM_REJECTED"},
		{"408", emulator.Fault{Status: 408}, "UPSTREAM_UNAVAILABLE"},
		{"409", emulator.Fault{Status: 409}, "UPSTREAM_REJECTED"},
		{"429", emulator.Fault{Status: 429, RetryAfter: "3600"}, "UPSTREAM_RATE_LIMITED"},
		{"500", emulator.Fault{Status: 500}, "UPSTREAM_UNAVAILABLE"},
		{"502", emulator.Fault{Status: 502}, "UPSTREAM_UNAVAILABLE"},
		{"504", emulator.Fault{Status: 504}, "UPSTREAM_UNAVAILABLE"},
		{"503 with a body that is no JSON", emulator.Fault{Status: 503, Body: "<h1>sorry</h1>", ContentType: "text/html"}, "UPSTREAM_UNAVAILABLE"},
		{"a connection that breaks", emulator.Fault{Kind: emulator.FaultReset}, "UPSTREAM_UNAVAILABLE"},
		{"no headers", emulator.Fault{Kind: emulator.FaultHangHeaders}, "UPSTREAM_TIMEOUT"},
		{"half a body", emulator.Fault{Kind: emulator.FaultHangBody}, "UPSTREAM_TIMEOUT"},
		{"a slow body", emulator.Fault{Kind: emulator.FaultSlowDrip}, "UPSTREAM_TIMEOUT"},
		{"a body cut off", emulator.Fault{Kind: emulator.FaultTruncated}, "UPSTREAM_UNAVAILABLE"},
		{"half of the JSON", emulator.Fault{Kind: emulator.FaultInvalidJSON}, "UPSTREAM_CONTRACT"},
		{"a web page", emulator.Fault{Kind: emulator.FaultHTML}, "UPSTREAM_CONTRACT"},
		{"nothing", emulator.Fault{Kind: emulator.FaultEmpty}, "UPSTREAM_CONTRACT"},
		{"a redirect to another host", emulator.Fault{Kind: emulator.FaultRedirect}, "UPSTREAM_CONTRACT"},
		{"errors beside status 200", emulator.Fault{Kind: emulator.FaultErrors200}, "UPSTREAM_REJECTED"},
	}
	backends := []struct {
		backend emulator.Backend
		paths   []string
	}{
		{emulator.ThoughtIndustries, []string{"clients", "embedClients.nodes.0.client"}},
		{emulator.Coassemble, []string{"clients.nodes.0.embed", "clients.nodes.0.users", "embedClients", "users"}},
		{emulator.MATTR, []string{"identities", "users.nodes.0.credentials", "users.nodes.0.identity"}},
	}
	const query = `{
		clients { nodes { name embed { userCount } users { nodes { name } } } }
		embedClients { nodes { sourceId client { name } } }
		users { nodes { name identity { sourceId } credentials { nodes { type } } } }
		identities { nodes { sourceId } }
	}`
	for _, b := range backends {
		for _, f := range faults {
			t.Run(string(b.backend)+" answers with "+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: 1,
						LearningPathsPerClient: -1, CredentialsPerUser: 1, Linked: true},
						Env: map[string]string{"THOUGHTINDUSTRIES_TIMEOUT": "2s", "COASSEMBLE_TIMEOUT": "2s", "MATTR_TIMEOUT": "2s", "OPERATION_TIMEOUT": "30s"}})
					p.backends.SetFault(string(b.backend), f.fault)
					a := p.post(t, query, nil)
					var want []string
					for _, path := range b.paths {
						want = append(want, path+" "+f.code+" "+string(b.backend))
					}
					if diff := cmp.Diff(want, a.failures()); diff != "" {
						t.Errorf("errors (-want +got):\n%s", diff)
					}
					if a.Data == nil || a.status != 200 {
						t.Errorf("got status %d and no data: a failing backend must not fail the operation", a.status)
					}
				})
			})
		}
	}
}

// A backend answers so where its base URL or path prefix is not the right one.
func TestAMissingListIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true}})
	p.backends.SetFault("", emulator.Fault{Status: 404})
	a := p.post(t, `{
		clients { nodes { name } } embedClients { nodes { sourceId } } users { nodes { name } } of: users(clientIdentifier: "nobody") { nodes { name } }
		identities { nodes { sourceId } } found: identities(filter: {authenticationProvider: {subjectId: "a"}}) { nodes { sourceId } }
		client(by: {sourceId: "nobody"}) { name } embedClient(by: {sourceId: "nobody"}) { metadata } user(by: {sourceId: "nobody"}) { name }
	}`, nil)
	want := []string{
		"client UPSTREAM_REJECTED thoughtindustries", "clients UPSTREAM_REJECTED thoughtindustries", "embedClients UPSTREAM_REJECTED coassemble",
		"found UPSTREAM_REJECTED mattr", "identities UPSTREAM_REJECTED mattr", "users UPSTREAM_REJECTED coassemble",
	}
	if diff := cmp.Diff(want, a.failures()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestAHugeAnswerOfABackendEndsAtTheConfiguredSize(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}, Env: map[string]string{"UPSTREAM_MAX_BODY": "1MiB"}})
	p.backends.SetFault("", emulator.Fault{Kind: emulator.FaultHuge})
	a := p.post(t, `{ clients { nodes { name } } users { nodes { name } } }`, nil)
	want := []string{"clients UPSTREAM_CONTRACT thoughtindustries", "users UPSTREAM_CONTRACT coassemble"}
	if diff := cmp.Diff(want, a.failures()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// TestAnOperationsLimitsAffectOnlyLaterCalls asks for more than one operation may call or receive.
func TestAnOperationsLimitsAffectOnlyLaterCalls(t *testing.T) {
	t.Parallel()
	const query = `{ clients { nodes { name embed { userCount } } } }`
	tests := map[string]struct {
		env   map[string]string
		calls int
		want  []string
		limit string
	}{
		"enough calls":    {map[string]string{"OPERATION_CALLS": "2"}, 2, []string{}, ""},
		"one call":        {map[string]string{"OPERATION_CALLS": "1"}, 1, []string{"clients.nodes.0.embed LIMIT_EXCEEDED coassemble"}, "upstreamCalls 2 1"},
		"a hundred bytes": {map[string]string{"OPERATION_BYTES": "100B"}, 1, []string{"clients LIMIT_EXCEEDED thoughtindustries"}, "upstreamBytes "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}, Env: test.env})
			a := p.post(t, query, nil)
			if diff := cmp.Diff(test.want, a.failures()); diff != "" {
				t.Errorf("errors (-want +got):\n%s\n%s", diff, a.raw)
			}
			if got := len(p.backends.Calls()); got != test.calls {
				t.Errorf("got %d calls, want %d", got, test.calls)
			}
			for _, e := range a.Errors {
				limit, _ := e.Extensions["limit"].(map[string]any)
				if got := fmt.Sprint(limit["name"], " ", limit["reached"], " ", limit["allowed"]); !strings.HasPrefix(got, test.limit) {
					t.Errorf("got limit %q, want %q", got, test.limit)
				}
			}
		})
	}
}

// TestAValueThatBreaksTheSchemaIsCountedByItsPath lets each backend send values of other kinds than it promises.
func TestAValueThatBreaksTheSchemaIsCountedByItsPath(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	for route, body := range map[string]string{
		"thoughtindustries": `{"data": {"Clients": {"pageInfo": {"total": 1, "hasMore": false}, "clients": [
			{"id": "1", "courses": [{"id": "a", "priceInCents": "a-secret-price"}, {"id": "b", "priceInCents": "another"}], "languages": [7]}]}}}`,
		"GET /v1/headless/users": `[{"identifier": "u", "name": {"first": "a-secret-name"}}]`,
		"GET /core/v1/users":     `{"data": [{"id": "i", "authenticationProvider": {"subjectId": 5}}]}`,
	} {
		p.backends.SetFault(route, emulator.Fault{Status: 200, Body: body})
	}
	const query = `{
		clients { nodes { courses { nodes { sourceId price: priceInCents } } languages } }
		users { nodes { sourceId name } }
		identities { nodes { sourceId authenticationProvider { subjectId } } }
	}`
	for range 2 {
		want := []string{
			"clients.nodes.0.courses.nodes.0.price UPSTREAM_CONTRACT thoughtindustries",
			"clients.nodes.0.courses.nodes.1.price UPSTREAM_CONTRACT thoughtindustries",
			"clients.nodes.0.languages.0 UPSTREAM_CONTRACT thoughtindustries",
			"identities.nodes.0.authenticationProvider.subjectId UPSTREAM_CONTRACT mattr",
			"users.nodes.0.name UPSTREAM_CONTRACT coassemble",
		}
		if diff := cmp.Diff(want, p.post(t, query, nil).failures()); diff != "" {
			t.Fatalf("errors (-want +got):\n%s", diff)
		}
	}
	got := p.operateJSON(t, "/contract")
	counts := map[string]any{}
	for _, f := range got["findings"].([]any) {
		f := f.(map[string]any)
		path := fmt.Sprint(f["backend"], " ", f["path"], " ", f["kind"])
		counts[path] = f["count"]
		if n := strings.Count(p.logged.String(), `"path":"`+fmt.Sprint(f["path"])+`"`); n != 1 {
			t.Errorf("%s: got %d lines in the log, want one", path, n)
		}
	}
	want := map[string]any{
		"thoughtindustries Course.priceInCents mismatch": 4.0, "thoughtindustries Client.languages[] mismatch": 2.0,
		"coassemble User.name mismatch": 2.0, "mattr AuthenticationProvider.subjectId mismatch": 2.0,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("/contract (-want +got):\n%s", diff)
	}
	for _, value := range []string{"a-secret", "another"} {
		if strings.Contains(p.logged.String(), value) {
			t.Errorf("the log shows the value %q", value)
		}
	}
}

func TestAFailingTokenEndpointIsMATTRsFailure(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1}})
	p.backends.SetFault("/oauth/token", emulator.Fault{Status: 401})
	a := p.post(t, `{ clients { nodes { name } } identities { nodes { sourceId } } }`, nil)
	if diff := cmp.Diff([]string{"identities UPSTREAM_REJECTED mattr"}, a.failures()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestAnExpiredTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
	p.post(t, `{ identities { nodes { sourceId } } }`, nil)
	p.backends.SetFault("mattr", emulator.Fault{Kind: emulator.FaultExpiredToken})
	p.backends.Reset()
	a := p.post(t, `{ users { nodes { identity { sourceId } } } }`, nil)
	if len(a.Errors) > 0 {
		t.Errorf("got errors %v", a.failures())
	}
	if slices.Contains(p.calls(), "POST /oauth/token 1") {
		return
	}
	t.Errorf("got calls %v, want one for a token", p.calls())
}

func TestASharedExecutionHasADeadlinePerCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{Emulator: emulator.Options{Clients: 1, Linked: true}})
		p.backends.SetFault("coassemble", emulator.Fault{Kind: emulator.FaultHangHeaders, Times: 1})
		const query = `{ users { nodes { name } } }`
		var first, second *answer
		var wg sync.WaitGroup
		wg.Go(func() {
			first = readAnswer(t, p.repeat(t, http.MethodPost, query, "X-Learngraph-Timeout: 1s"))
		})
		synctest.Wait()
		wg.Go(func() {
			second = readAnswer(t, p.repeat(t, http.MethodPost, query, "X-Learngraph-Timeout: 5s"))
		})
		wg.Wait()
		if len(first.Errors) != 1 || first.Errors[0].Extensions["code"] != "DEADLINE_EXCEEDED" {
			t.Errorf("who has a second got %s", first.raw)
		}
		if len(second.Errors) > 0 || second.get(t, "data", "users", "nodes") == nil {
			t.Errorf("who has five seconds got %s", second.raw)
		}
		if diff := cmp.Diff([]string{"GET /v1/headless/users 2"}, p.calls()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestAPartialAnswerIsSentAndNotStored(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	id := p.backends.Users(p.backends.Clients()[0].Identifier)[0].IdentityID
	p.backends.SetFault("thoughtindustries", emulator.Fault{Status: 200, Body: `{"errors":[{"message":"a-secret"}],
		"data":{"Clients":{"pageInfo":{"total":1,"hasMore":false},"clients":[{"id":"1","slug":"one","name":"One"}]}}}`})
	p.backends.SetFault("GET /core/v1/users", emulator.Fault{Status: 200, Body: `{"data":[{"id":"` + id + `"}],"errors":["a-secret"]}`})
	for query, want := range map[string]string{
		`{ clients { nodes { name } } }`:         `"nodes":[{"name":"One"}]|clients UPSTREAM_REJECTED thoughtindustries`,
		`{ client(by: {slug: "one"}) { name } }`: `"client":{"name":"One"}|client UPSTREAM_REJECTED thoughtindustries`,
		`{ client(by: {slug: "two"}) { name } }`: `"client":null|client UPSTREAM_REJECTED thoughtindustries`,
		`{ nodes(ids: ["` + scalar.EncodeID(scalar.ClientNode, "1") + `"]) { ... on Client { name } } }`: `"nodes":[{"name":"One"}]|nodes.0 UPSTREAM_REJECTED thoughtindustries`,
		`{ identities { nodes { sourceId } } }`:                                                          `"nodes":[{"sourceId":"` + id + `"}]|identities UPSTREAM_REJECTED mattr`,
	} {
		for range 2 {
			p.backends.Reset()
			a := p.post(t, query, nil)
			data, failure, _ := strings.Cut(want, "|")
			if !strings.Contains(string(a.raw), data) || len(a.Errors) != 1 || a.failures()[0] != failure {
				t.Errorf("%s: got %s, %v", query, a.raw, a.failures())
			}
			if len(p.calls()) == 0 {
				t.Errorf("%s: an answer with errors beside data is stored", query)
			}
		}
	}
	if strings.Contains(p.logged.String(), "a-secret") {
		t.Error("the log shows the body")
	}
	contract := p.operateJSON(t, "/contract")
	if text := fmt.Sprint(contract["findings"]); !strings.Contains(text, "Clients.errors") {
		t.Errorf("the contract watch does not count it: %s", text)
	}
}
