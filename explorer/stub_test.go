package explorer

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// stub is a server with the explorer's page and canned answers: the page is under test.
type stub struct {
	*httptest.Server
	introspection []byte
	plans         bool
	gone          atomic.Bool
	// key is the required X-API-Key; empty lets all in.
	key string
	// hidden servers answer no introspection.
	hidden bool
	// parts lets each part of an answer but the first go.
	parts chan struct{}

	mu   sync.Mutex
	seen []http.Header
}

// explained are the values of X-Learngraph-Explain of the operations that were run.
func (s *stub) explained() []string {
	var values []string
	for _, h := range s.operations() {
		values = append(values, h.Get("X-Learngraph-Explain"))
	}
	return values
}

// operations are the headers of the operations that were run.
func (s *stub) operations() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func newStub(t *testing.T, plans bool) *stub {
	t.Helper()
	introspection, err := json.Marshal(introspect(loadSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{introspection: introspection, plans: plans, parts: make(chan struct{})}
	page := Handler()
	mux := http.NewServeMux()
	mux.Handle("/{$}", page)
	mux.Handle("/assets/", page)
	mux.HandleFunc("POST /graphql", s.answer)
	mux.HandleFunc("POST /graphql/plan", s.plan)
	mux.HandleFunc("GET /schema.graphqls", s.schema)
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
	if s.refused(w, r) {
		return
	}
	if req.OperationName == "IntrospectionQuery" {
		s.introspect(w)
		return
	}
	if s.gone.Load() {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.seen = append(s.seen, r.Header)
	s.mu.Unlock()
	w.Header().Set("X-Request-Id", "REQUEST1")
	if r.Header.Get("X-Learngraph-Capture") == "1" {
		w.Header().Set("X-Learngraph-Capture", "captured.json")
	}
	if parts, ok := inParts[req.OperationName]; ok {
		s.answerInParts(w, r, parts)
		return
	}
	_, _ = w.Write([]byte(answers[req.OperationName]))
}

func (s *stub) introspect(w http.ResponseWriter) {
	if s.hidden {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":[{"message":"introspection is off","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`))
		return
	}
	_, _ = w.Write(s.introspection)
}

// refused answers a request without the key.
func (s *stub) refused(w http.ResponseWriter, r *http.Request) bool {
	if s.key == "" || r.Header.Get("X-API-Key") == s.key {
		return false
	}
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"errors":[{"message":"a key is needed","extensions":{"code":"UNAUTHENTICATED"}}]}`))
	return true
}

// answerInParts sends parts as the client wants them, each but the first when the test lets it go.
func (s *stub) answerInParts(w http.ResponseWriter, r *http.Request, parts []string) {
	accept := r.Header.Get("Accept")
	events := strings.Contains(accept, "text/event-stream")
	switch {
	case events:
		w.Header().Set("Content-Type", "text/event-stream")
	case strings.Contains(accept, "multipart/mixed;incrementalSpec=v0.2"):
		w.Header().Set("Content-Type", `multipart/mixed; boundary="graphql"; incrementalSpec=v0.2`)
		_, _ = io.WriteString(w, "--graphql")
	}
	for i, part := range parts {
		if i > 0 {
			<-s.parts
		}
		end := ""
		if i == len(parts)-1 {
			end = "--"
		}
		if events {
			_, _ = fmt.Fprintf(w, "event: next\ndata: %s\n\n", part)
		} else {
			_, _ = fmt.Fprintf(w, "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%s\r\n--graphql%s", part, end)
		}
		w.(http.Flusher).Flush()
	}
	if events {
		_, _ = io.WriteString(w, "event: complete\ndata:\n\n")
	}
}

func (s *stub) schema(w http.ResponseWriter, r *http.Request) {
	if s.hidden {
		http.NotFound(w, r)
		return
	}
	if s.refused(w, r) {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "# The schema.\ntype Query {\n  clients: Int\n}\n")
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
	warnings := ""
	if req.OperationName == "ClientsWithTheirUsersLater" {
		warnings = `"warnings":["it can make 20101 backend calls and fails in part after 100: that is OPERATION_CALLS"],`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"data":{"plan":{` + warnings + `"cost":{"requestedQueryCost":17,"actualQueryCost":0},"limit":1000,
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
     {"name":"Jonas Berg","identity":{"id":"SWQy","credentials":null}}]}},
  {"name":"Zürich Health Trust","slug":"zurich-health-trust","courses":{"totalCount":12,"nodes":[]},"users":{"nodes":[]}}]}},
 "extensions":{
  "cost":{"requestedQueryCost":34,"actualQueryCost":17,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":983,"restoreRate":50}},
  "freshness":{"stale":[{"backend":"coassemble","ageSeconds":311,"expiredSeconds":131,"reason":"refreshing"}]},
  "explain":{"callsMade":5,"callsNaive":38,"bytesReceived":1264311,"bytesSent":4127,
   "calls":[
    {"backend":"thoughtindustries","route":"GET /incoming/v2/clients","startMs":0.4,"durationMs":118.2,"status":200,"bytes":1240113,"retries":0,"coalesced":false,"batchSize":1,"waitMs":0,
     "parameters":[{"name":"count","value":"3"},{"name":"query","value":"it's"}],"paths":["clients"]},
    {"backend":"coassemble","route":"GET /v1/headless/users","startMs":139.1,"durationMs":42.7,"status":200,"bytes":18211,"retries":1,"coalesced":true,"batchSize":3,"waitMs":20,
     "parameters":[{"name":"page","value":"0"}],"paths":["clients.nodes.users"]},
    {"backend":"mattr","route":"POST /core/v1/users/search","startMs":182.3,"durationMs":31.9,"status":200,"bytes":4402,"retries":0,"coalesced":false,"batchSize":1,"waitMs":0,
     "parameters":[{"name":"subjectId","digest":"77ab03d912"}],"paths":["clients.nodes.0.users.nodes.0.identity"]},
    {"backend":"mattr","route":"POST /core/v1/users/search","startMs":183.3,"durationMs":29.9,"status":200,"bytes":4402,"retries":0,"coalesced":false,"batchSize":1,"waitMs":0,
     "parameters":[{"name":"subjectId","digest":"0c8d5e6f1a"}],"paths":["clients.nodes.0.users.nodes.1.identity"]},
    {"backend":"mattr","route":"GET /core/v1/users/{userId}/credentials","startMs":215.0,"durationMs":24.5,"status":503,"bytes":585,"retries":2,"coalesced":false,"batchSize":1,"waitMs":0,
     "parameters":[{"name":"userId","value":"id of/Ada"},{"name":"limit","value":"3"}],"paths":[["clients","nodes",0,"users","nodes",0,"identity","credentials"]]}],
   "facts":[
    {"backend":"thoughtindustries","key":"4f1c9a0be2","verdict":"call","atMs":118.9,"ageSeconds":0},
    {"backend":"coassemble","key":"77ab03d912","verdict":"stale","atMs":119.0,"ageSeconds":311,"reason":"refreshing"},
    {"backend":"coassemble","key":"0c8d5e6f1a","verdict":"redis","atMs":121.5,"ageSeconds":12},
    {"backend":"mattr","key":"b2e1f00c44","verdict":"memory","atMs":162.1,"ageSeconds":3},
    {"backend":"mattr","key":"19d3aa7e05","verdict":"call","atMs":239.5,"ageSeconds":0}]}}}`,
	"Totals": `{"data":{"clients":{"totalCount":25,"nodes":[]}}}`,
	"ClientBySlug": `{"data":{"client":null},"errors":[{"message":"the backend did not answer in time","path":["client"],
 "extensions":{"code":"UPSTREAM_TIMEOUT","backend":"thoughtindustries","retryAfter":30}}],
 "extensions":{"explain":{"callsMade":0,"callsNaive":1,"bytesReceived":0,"bytesSent":120,"calls":[],"facts":[]}}}`,
	"Users":      `{"data":{"users":null},"errors":[{"message":"<img src=x onerror=alert(1)>","extensions":{"code":"INTERNAL"}}]}`,
	"RenameUser": `this is no JSON`,
}

// inParts are the answers that come in parts, by the name of the operation.
var inParts = map[string][]string{
	"ClientsWithTheirUsersLater": {
		`{"data":{"clients":{"nodes":[{"name":"Northbridge University"},{"name":"Zürich Health Trust"}]}},
			"pending":[{"id":"0","path":["clients","nodes",0],"label":"users"},{"id":"1","path":["clients","nodes",1],"label":"users"}],"hasNext":true}`,
		`{"pending":[{"id":"2","path":["clients","nodes",0,"users","nodes",0],"label":"identity"}],
			"incremental":[{"id":"0","data":{"users":{"nodes":[{"name":"Ada Okafor"}]}}},{"id":"1","data":{"users":null},"errors":[{"message":"slow","path":["clients","nodes",1,"users"]}]}],
			"completed":[{"id":"0"},{"id":"1"}],"hasNext":true}`,
		`{"incremental":[{"id":"2","data":{"identity":{"id":"SWQx"}}}],"completed":[{"id":"2"}],"hasNext":false,
			"extensions":{"explain":{"callsMade":1,"callsNaive":3,"bytesReceived":1200,"bytesSent":200,"facts":[],"calls":[
			{"backend":"thoughtindustries","route":"GET /incoming/v2/clients","startMs":0.4,"durationMs":1.2,"status":200,"bytes":1200,"retries":0,"coalesced":false,"batchSize":1,"waitMs":0,"paths":["clients"]}]}}}`,
	},
	"Changes": {`{"data":{"userChanged":{"name":"Ada"}}}`, `{"data":{"userChanged":{"name":"Grace"}}}`},
}
