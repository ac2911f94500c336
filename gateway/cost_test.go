package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
)

// planOf asks for the plan of an operation.
func planOf(t *testing.T, query, variables string) *cost.Estimate {
	t.Helper()
	w := &world{}
	got := send(t, w.gateway(nil).PlanHandler(), "POST", "/graphql/plan", queryBody(query, variables))
	var out struct {
		Data   struct{ Plan planned }
		Errors []any
	}
	if err := json.Unmarshal(got.Body.Bytes(), &out); err != nil || len(out.Errors) > 0 {
		t.Fatalf("got %s, %v", got.Body, err)
	}
	if len(w.asked) > 0 {
		t.Errorf("the plan asked %v", w.asked)
	}
	return &cost.Estimate{Points: out.Data.Plan.Cost.Requested, Calls: out.Data.Plan.Calls, Fields: out.Data.Plan.Fields}
}

func TestThePlanCountsTheMostCallsOfEachBackend(t *testing.T) {
	t.Parallel()
	user, client := scalar.EncodeID(scalar.UserNode, "u"), scalar.EncodeID(scalar.ClientNode, "c")
	const ti, co, ma = "thoughtindustries", "coassemble", "mattr"
	for _, test := range []struct {
		name, query, variables string
		points                 int64
		calls                  map[string]int64
	}{
		{"nothing", "{ __typename }", "", 0, map[string]int64{}},
		// 1 call; the connection, 10 nodes.
		{"a list", "{ clients(first: 10) { nodes { name } } }", "", 111, map[string]int64{ti: 1}},
		{"its default length", "{ clients { nodes { name } } }", "", 126, map[string]int64{ti: 1}},
		{"nodes and edges", "{ clients(first: 10) { nodes { name } edges { node { name } } } }", "", 131, map[string]int64{ti: 1}},
		{"no page information", "{ clients(first: 10) { totalCount pageInfo { hasNextPage } } }", "", 101, map[string]int64{ti: 1}},
		{"a later page", `query($a: String) { clients(first: 10, after: $a) { totalCount } }`, `{"a":"` + scalar.Cursor{List: "Query.clients", Offset: 5}.Encode() + `"}`, 201, map[string]int64{ti: 2}},
		{"a length in a variable", "query($n: Int) { clients(first: $n) { nodes { name } } }", `{"n":3}`, 104, map[string]int64{ti: 1}},
		{"below a list", "{ clients(first: 10) { nodes { users(first: 2) { nodes { name credentials(first: 5) { nodes { type } } } } } } }", "",
			// clients 1+10, users 10+20, credentials 20+100; calls 1, 10, 20 × 2; pages in vain 10, 20.
			161 + 81*100, map[string]int64{ti: 1, co: 20, ma: 60}},
		{"a lookup that all objects share", "{ users(first: 10) { nodes { client { name } } } }", "", 21 + 61*100, map[string]int64{co: 1, ti: 60}},
		{"a lookup of more objects than are searched for", "{ embedClients(first: 100) { nodes { client { name } } } users(first: 100) { nodes { client { name } } } }", "", 402 + 152*100, map[string]int64{co: 2, ti: 150}},
		{"content that names clients", "{ clients(first: 1) { nodes { licenses { client { name } } } } }", "", 22 + 151*100, map[string]int64{ti: 151}},
		{"one field in two fragments", "{ clients(first: 10) { ...A ...B } } fragment A on ClientConnection { nodes { embed { sourceId } } } fragment B on ClientConnection { nodes { embed { userCount } } }", "",
			21 + 21*100, map[string]int64{ti: 1, co: 20}},
		{"what is left out", "query($no: Boolean!) { clients(first: 10) { nodes { users @include(if: $no) { nodes { name } } embed @skip(if: true) { sourceId } name } } }", `{"no":false}`, 111, map[string]int64{ti: 1}},
		{"an object by its global id", fmt.Sprintf("{ node(id: %q) { id } }", user), "", 101, map[string]int64{co: 1}},
		{"objects by their global ids", fmt.Sprintf("{ nodes(ids: [%q, %q, %q]) { ... on User { identity { sourceId } } } }", user, user, client), "",
			// 3 nodes, an identity for each of 2 users; 2 pages in vain of users and of identities.
			5 + 59*100, map[string]int64{co: 4, ti: 51, ma: 4}},
		{"a plain list", "{ clients(first: 1) { nodes { licenses { name } } } }", "", 112, map[string]int64{ti: 1}},
		{"a write", `mutation { updateUser(input: {by: {sourceId: "x"}, name: "y"}) { user { name } userErrors { code } } }`, "", 12 + 300, map[string]int64{co: 3}},
		{"introspection", "{ __schema { types { name } } }", "", int64(1 + len((&world{}).gateway(nil).opts.Schema.Schema().Types)), map[string]int64{}},
		{"introspection by two names", "{ a: __schema { queryType { name } } b: __schema { directives { name } } }", "", int64(3 + len((&world{}).gateway(nil).opts.Schema.Schema().Directives)), map[string]int64{}},
		{"one type", `{ __type(name: "Client") { name ofType { name } } }`, "", 2, map[string]int64{}},
		{"a page whose length is null", "{ users(first: null) { nodes { sourceId } } }", "", 126, map[string]int64{co: 1}},
		{"a page whose length is a null variable", "query($n: Int) { users(first: $n) { nodes { identity { id } } } }", `{"n": null}`, 51 + 51*100, map[string]int64{co: 1, ma: 50}},
		{"a part whose length is null", "{ clients(first: 2) { nodes { courses(first: null) { nodes { title } } } } }", "", 155, map[string]int64{ti: 1}},
		{"two aliases", "{ a: user(by: {sourceId: \"a\"}) { name } b: user(by: {sourceId: \"b\"}) { name } }", "", 402, map[string]int64{co: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := planOf(t, test.query, test.variables)
			if diff := cmp.Diff(test.calls, got.Calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if got.Points != test.points {
				t.Errorf("got %d points, want %d", got.Points, test.points)
			}
		})
	}
}

func TestThePlanNamesTheFieldsThatCall(t *testing.T) {
	t.Parallel()
	got := planOf(t, "{ c: clients(first: 3) { edges { node { users(first: 2) { nodes { identity { id } } } } } } }", "")
	want := []cost.FieldCalls{
		{Path: "c", Backend: "thoughtindustries", Calls: 1},
		{Path: "c.edges.node.users", Backend: "coassemble", Calls: 6},
		{Path: "c.edges.node.users.nodes.identity", Backend: "mattr", Calls: 12}}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestThePlanIsRequestedByPOST(t *testing.T) {
	t.Parallel()
	w := send(t, (&world{}).gateway(nil).PlanHandler(), "GET", "/graphql/plan?query={__typename}", "")
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("got %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	refused := send(t, (&world{}).gateway(nil).PlanHandler(), "POST", "/graphql/plan", queryBody("{ nonsense }", ""))
	if read(t, refused).code() != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("got %s", refused.Body)
	}
}

func TestAnEstimateNeverOverflows(t *testing.T) {
	t.Parallel()
	query := "name"
	for range 5 {
		query = "client { users(first: 100) { nodes { " + query + " } } }"
	}
	got := planOf(t, "{ users(first: 100) { nodes { "+query+" } } }", "")
	if got.Points <= 0 || got.Calls["coassemble"] <= 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAnOperationMayCostItsLimitAndNoMore(t *testing.T) {
	t.Parallel()
	const query = "{ users(first: 10) { nodes { sourceId } } }" // 111 points
	for max, want := range map[int64]string{111: "", 110: "LIMIT_EXCEEDED", 0: ""} {
		w := &world{}
		a := read(t, post(t, w.gateway(func(o *Options) { o.Cost.Max = max }), query, ""))
		if a.code() != want || (len(w.asked) == 0) != (want != "") {
			t.Errorf("at most %d: got %q, asked %v", max, a.code(), w.asked)
		}
		if want != "" {
			if diff := cmp.Diff(&gqlerrors.Limit{Name: "cost", Reached: 111, Allowed: 110}, a.Errors[0].Extensions.Limit); diff != "" {
				t.Errorf("limit (-want +got):\n%s", diff)
			}
		}
	}
}

type noContent struct{}

func (noContent) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
}

// callsOf returns work for a resolver that makes *n calls.
func callsOf(t *testing.T, n *int) func(context.Context) {
	t.Helper()
	backend, err := upstream.New(upstream.Options{Backend: upstream.Coassemble, BaseURL: "https://backend.example", Transport: noContent{}})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) {
		for range *n {
			if _, err := backend.Do(ctx, upstream.Request{Method: http.MethodGet, Route: "/users"}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestACallersPointsComeBackWithTimeAndWithWhatWasNotNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, err := cache.New(cache.Options{Memory: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		who := &auth.Caller{Name: "app", Scopes: auth.Scopes}
		w := &world{}
		made := 1
		w.work = callsOf(t, &made)
		g := w.gateway(func(o *Options) {
			o.Authenticate = as(who)
			o.Cost = cost.Options{Bucket: cache.NewBucket(kept, "test", "points"), Points: 200, Restore: 10}
		})
		const query = "{ users(first: 10) { nodes { sourceId } } }" // 111 points
		ask := func(wantCode, wantCost string, wantRetry string) {
			t.Helper()
			got := post(t, g, query, "")
			a := read(t, got)
			if a.code() != wantCode || got.Header().Get("Retry-After") != wantRetry {
				t.Errorf("got %d %s, Retry-After %q", got.Code, got.Body, got.Header().Get("Retry-After"))
			}
			if diff := cmp.Diff(wantCost, string(a.Extensions["cost"])); diff != "" {
				t.Errorf("cost (-want +got):\n%s", diff)
			}
		}
		cost := func(actual, left int) string {
			return fmt.Sprintf(`{"requestedQueryCost":111,"actualQueryCost":%d,"throttleStatus":{"maximumAvailable":200,"currentlyAvailable":%d,"restoreRate":10}}`, actual, left)
		}
		ask("", cost(111, 89), "")
		ask("RATE_LIMITED", cost(0, 89), "3") // 22 more are needed, at 10 a second
		time.Sleep(2 * time.Second)
		ask("RATE_LIMITED", cost(0, 109), "1")
		time.Sleep(200 * time.Millisecond)
		made = 0
		ask("", cost(11, 100), "")
		if len(w.asked) != 2 {
			t.Errorf("asked %v", w.asked)
		}
		large := post(t, g, "{ users(first: 100) { nodes { sourceId } } }", "") // more than a full bucket
		a := read(t, large)
		if a.code() != "RATE_LIMITED" || large.Header().Get("Retry-After") != "" || !strings.Contains(large.Body.String(), "the caller's full bucket has 200: waiting does not help") ||
			!strings.Contains(large.Body.String(), `"limit":{"name":"points"`) {
			t.Errorf("got %d %s, Retry-After %q", large.Code, large.Body, large.Header().Get("Retry-After"))
		}
		if post(t, g, query, "").Code != 429 {
			t.Error("the status of what is over the rate is 429")
		}
		who.Points = 1000 // the caller's own
		if a := read(t, post(t, g, query, "")); !strings.Contains(string(a.Extensions["cost"]), `"maximumAvailable":1000`) {
			t.Errorf("got %s", a.Extensions["cost"])
		}
	})
}

func TestMeasuringRefusesNothingAndReports(t *testing.T) {
	t.Parallel()
	g := (&world{}).gateway(func(o *Options) { o.Cost = cost.Options{Max: 1, Measure: true} })
	a := read(t, post(t, g, "{ users(first: 10) { nodes { sourceId } } }", ""))
	if diff := cmp.Diff(`{"requestedQueryCost":111,"actualQueryCost":11}`, string(a.Extensions["cost"])); diff != "" || a.code() != "" {
		t.Errorf("got %q (-want +got):\n%s", a.code(), diff)
	}
}
