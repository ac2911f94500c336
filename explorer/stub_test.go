package explorer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// stub is a server with the explorer's page and canned answers: the page is what is tested.
type stub struct {
	*httptest.Server
	introspection []byte
	plans         bool
	gone          atomic.Bool

	mu       sync.Mutex
	explains []string
}

func newStub(t *testing.T, plans bool) *stub {
	t.Helper()
	introspection, err := json.Marshal(introspect(loadSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{introspection: introspection, plans: plans}
	page := Handler()
	mux := http.NewServeMux()
	mux.Handle("/{$}", page)
	mux.Handle("/assets/", page)
	mux.HandleFunc("POST /graphql", s.answer)
	mux.HandleFunc("POST /graphql/plan", s.plan)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

type request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

func (s *stub) answer(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, `{"errors":[{"message":"the body is not JSON"}]}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	if req.OperationName == "IntrospectionQuery" {
		_, _ = w.Write(s.introspection)
		return
	}
	if s.gone.Load() {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.explains = append(s.explains, r.Header.Get("X-Learngraph-Explain"))
	s.mu.Unlock()
	_, _ = w.Write([]byte(answers[req.OperationName]))
}

func (s *stub) plan(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || !strings.Contains(req.Query, "{") {
		http.Error(w, "no operation", http.StatusBadRequest)
		return
	}
	if !s.plans {
		http.Error(w, "there is nothing at this path", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"data":{"plan":{"cost":{"requestedQueryCost":17,"actualQueryCost":0},"limit":1000,
		"calls":{"thoughtindustries":1,"coassemble":3,"mattr":30},
		"fields":[{"path":"clients","backend":"thoughtindustries","calls":1},{"path":"clients.nodes.users","backend":"coassemble","calls":3},
			{"path":"clients.nodes.users.nodes.identity","backend":"mattr","calls":30}]}}}`))
}

// answers by the name of the operation.
var answers = map[string]string{
	"ClientsWithUsers": `{"data":{"clients":{"nodes":[
  {"name":"Northbridge University","slug":"northbridge-university","courses":{"totalCount":20,"nodes":[{"title":"Lab safety","slug":"lab-safety"}]},
   "users":{"nodes":[
     {"name":"Ada Okafor","identity":{"id":"SWQx","credentials":{"nodes":[{"type":"CourseCredential","status":null,"validUntil":null}]}}},
     {"name":"Jonas Berg","identity":null}]}},
  {"name":"Zürich Health Trust","slug":"zurich-health-trust","courses":{"totalCount":12,"nodes":[]},"users":{"nodes":[]}}]}},
 "extensions":{
  "cost":{"requestedQueryCost":34,"actualQueryCost":17,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":983,"restoreRate":50}},
  "freshness":{"stale":[{"backend":"coassemble","ageSeconds":131,"reason":"refreshing"}]},
  "explain":{"callsMade":4,"callsNaive":38,"bytesReceived":1264311,"bytesSent":4127,
   "calls":[
    {"backend":"thoughtindustries","route":"GET /incoming/v2/clients","startMs":0.4,"durationMs":118.2,"status":200,"bytes":1240113,"retries":0,"coalesced":false,"batchSize":1,"paths":["clients"]},
    {"backend":"coassemble","route":"GET /v1/headless/users","startMs":119.1,"durationMs":42.7,"status":200,"bytes":18211,"retries":1,"coalesced":true,"batchSize":3,"paths":["clients.nodes.users"]},
    {"backend":"mattr","route":"POST /core/v1/users/search","startMs":162.3,"durationMs":31.9,"status":200,"bytes":4402,"retries":0,"coalesced":false,"batchSize":2,"paths":["clients.nodes.0.users.nodes.0.identity"]},
    {"backend":"mattr","route":"GET /core/v1/users/{id}/credentials","startMs":195.0,"durationMs":24.5,"status":503,"bytes":585,"retries":2,"coalesced":false,"batchSize":1,"paths":[["clients","nodes",0,"users","nodes",0,"identity","credentials"]]}],
   "facts":[
    {"backend":"thoughtindustries","key":"4f1c9a0be2","verdict":"call","atMs":118.9,"ageSeconds":0},
    {"backend":"coassemble","key":"77ab03d912","verdict":"stale","atMs":119.0,"ageSeconds":131,"reason":"refreshing"},
    {"backend":"coassemble","key":"0c8d5e6f1a","verdict":"redis","atMs":121.5,"ageSeconds":12},
    {"backend":"mattr","key":"b2e1f00c44","verdict":"memory","atMs":162.1,"ageSeconds":3},
    {"backend":"mattr","key":"19d3aa7e05","verdict":"call","atMs":219.6,"ageSeconds":0}]}}}`,
	"Totals": `{"data":{"clients":{"totalCount":25,"nodes":[]}}}`,
	"ClientBySlug": `{"data":{"client":null},"errors":[{"message":"the backend did not answer in time","path":["client"],
 "extensions":{"code":"UPSTREAM_TIMEOUT","backend":"thoughtindustries","retryAfter":30}}],
 "extensions":{"explain":{"callsMade":0,"callsNaive":1,"bytesReceived":0,"bytesSent":120,"calls":[],"facts":[]}}}`,
	"Users":      `{"data":{"users":null},"errors":[{"message":"<img src=x onerror=alert(1)>","extensions":{"code":"INTERNAL"}}]}`,
	"RenameUser": `this is no JSON`,
}
