package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// studio is a program that captures into a folder of its own, and the values that no file may show.
type studio struct {
	*program
	dir string

	mu       sync.Mutex
	personal map[string]bool
}

func startStudio(t *testing.T, s setup) *studio {
	t.Helper()
	st := &studio{dir: t.TempDir(), personal: map[string]bool{}}
	env := map[string]string{"EXPLAIN": "true", "CAPTURE_DIR": st.dir, "ALLOW_DELETES": "true", "COST_MODE": "off",
		"COASSEMBLE_GZIP": "false", "MATTR_GZIP": "false"}
	maps.Copy(env, s.Env)
	s.Env = env
	inner := s.Wrap
	s.Wrap = func(next http.RoundTripper) http.RoundTripper {
		if inner != nil {
			next = inner(next)
		}
		return listener{st, next}
	}
	st.program = start(t, s)
	for _, c := range st.backends.Clients() {
		for _, v := range []string{c.ID, c.Slug, c.SKU, c.Name, c.Identifier} {
			st.note(v)
		}
	}
	t.Cleanup(func() { st.searchForPersons(t) })
	return st
}

// listener notes every text of a person in answers of Coassemble and MATTR.
type listener struct {
	*studio
	next http.RoundTripper
}

func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil || strings.Contains(r.URL.Path, "/incoming/") || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	var v any
	if json.Unmarshal(body, &v) == nil {
		l.listen("", v)
	}
	return resp, nil
}

// failing ends a body as it ended, with EOF where that was well.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func (s *studio) listen(member string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			s.listen(name, e)
		}
	case []any:
		for _, e := range v {
			s.listen(member, e)
		}
	case string:
		if !slices.Contains(capture.CatalogueMembers, member) && !slices.Contains([]string{"issuedDate", "validFrom", "validUntil", "token_type"}, member) {
			s.note(v)
		}
	}
}

var day = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// note remembers a value that differs from any pseudonym, which a short one may not, and a day neither: there are so few
// that somebody's pseudonym may be the birthday of somebody else.
func (s *studio) note(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(v) > 6 && !day.MatchString(v) {
		s.personal[v] = true
	}
}

// searchForPersons fails the test if a file shows a value of somebody's, a secret or where a backend is.
func (s *studio) searchForPersons(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		t.Error(err)
	}
	if len(s.personal) == 0 {
		t.Error("nothing was heard of anyone")
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		for v := range s.personal {
			if bytes.Contains(text, []byte(jsonText(v))) {
				t.Errorf("a capture shows %q", v)
			}
		}
		for _, v := range append(s.backends.Secrets(), backendHost, "mail.example", "oauth2|") {
			if bytes.Contains(text, []byte(jsonText(v))) {
				t.Errorf("a capture shows %q", v)
			}
		}
	}
}

// ask runs an operation with more headers, and returns its answer and the path of its capture, empty where it has none.
func (s *studio) ask(t *testing.T, query string, variables map[string]any, header map[string]string) (*answer, string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Learngraph-Capture", "1")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := s.send(r)
	name := w.Header().Get("X-Learngraph-Capture")
	if name != "" {
		name = filepath.Join(s.dir, name)
	}
	return readAnswer(t, w), name
}

// readCapture reads the file of a capture.
func readCapture(name string) (*capture.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return capture.Read(file)
}

// reproduced fails the test unless the capture is there and replays the same.
func reproduced(t *testing.T, name, query string) *capture.File {
	t.Helper()
	if name == "" {
		t.Fatalf("there is no capture of %s", query)
	}
	f, err := readCapture(name)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"replay", name}, func(string) string { return "" }, &stdout, &stderr)
	if code != cli.ExitOK || len(f.Differs) > 0 {
		t.Errorf("got exit code %d of %s: %s%s", code, query, &stdout, &stderr)
	}
	return f
}

// ailments are ways in which a backend fails that a capture shows whole.
var ailments = []emulator.Fault{
	{Kind: emulator.FaultStatus, Status: http.StatusServiceUnavailable}, {Kind: emulator.FaultStatus, Status: http.StatusServiceUnavailable, Times: 1},
	{Kind: emulator.FaultStatus, Status: http.StatusTooManyRequests, RetryAfter: "2", Times: 1}, {Kind: emulator.FaultStatus, Status: http.StatusBadRequest},
	{Kind: emulator.FaultReset}, {Kind: emulator.FaultTruncated}, {Kind: emulator.FaultHTML}, {Kind: emulator.FaultEmpty}, {Kind: emulator.FaultInvalidJSON},
	{Kind: emulator.FaultErrors200}, {Kind: emulator.FaultHangHeaders}, {Kind: emulator.FaultHangBody},
	{Kind: emulator.FaultRedirect}, {Kind: emulator.FaultExpiredToken},
}

// links are ways in which the backends are joined.
var links = []struct{ client, user, provider string }{
	{"id", "subjectId", ""}, {"slug", "id", ""}, {"sku", "claims.staffNumber", ""}, {"id", "subjectId", emulator.ProviderID}, {"id", "claims.staff-number", ""},
}

func TestWhatIsCapturedReplaysTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				link := links[seed%uint64(len(links))]
				s := startStudio(t, setup{Env: map[string]string{"LINK_CLIENT": link.client, "LINK_USER": link.user, "LINK_USER_PROVIDER": link.provider},
					Emulator: emulator.Options{Clients: 4, UsersPerClient: 2, CoursesPerClient: 1, LearningPathsPerClient: 1, Seed: seed,
						LinkClient: link.client, LinkUser: link.user, ProviderInList: seed%2 == 0, ShowProviderID: seed%3 == 0, StringLists: seed == 5}})
				q := newQuerist(s.backends, rand.New(rand.NewPCG(seed, 1)))
				for n := range 12 {
					query := q.query()
					if n%4 == 3 {
						query = q.write(n).mutation
					}
					_, name := s.ask(t, query, nil, nil)
					reproduced(t, name, query)
				}
			})
		})
	}
}

func TestACaptureOfAFailureReplaysTheSame(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"/incoming/v2/clients", "/v1/headless/users", "/core/v1/users/{userId}/credentials", "PUT /v1/headless/user/{identifier}"} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for i, fault := range ailments {
					s := startStudio(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, CoursesPerClient: 1, Linked: true}})
					user := s.backends.Users(s.backends.Clients()[0].Identifier)[0].Identifier
					s.backends.SetFault(route, fault)
					query := `{ clients(first: 1) { nodes { name users(first: 1) { nodes { name credentials { nodes { type } } } } } } }`
					if strings.HasPrefix(route, "PUT") {
						query = fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: "Somebody Else"}) { user { name } userErrors { code message } } }`, user)
					}
					a, name := s.ask(t, query, nil, nil)
					f := reproduced(t, name, fmt.Sprint(query, " with fault ", i))
					if recorded := readResult(t, f); fault.Times == 0 && !cmp.Equal(a.failures(), recorded.failures()) {
						t.Errorf("fault %d: the answer has the errors %v, the capture %v", i, a.failures(), recorded.failures())
					}
				}
			})
		})
	}
}

func TestACaptureListsDifferencesOfItsReplay(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Env: map[string]string{"COASSEMBLE_RATE": "1/1h"}, Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: -1}})
	// A refusal by the budget is no call, so that the file has no answer to it.
	a, name := s.ask(t, `{ embedClients { nodes { sourceId } } users { nodes { name } } }`, nil, nil)
	if diff := cmp.Diff([]string{"users UPSTREAM_RATE_LIMITED coassemble"}, a.failures()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	f, err := readCapture(name)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(f.Differs, "errors[0].extensions.code") || !slices.Contains(f.Differs, "additional coassemble GET /v1/headless/users") {
		t.Errorf("the file says that it differs at %v", f.Differs)
	}
}

func readResult(t *testing.T, f *capture.File) *answer {
	t.Helper()
	a := &answer{}
	if err := json.Unmarshal(f.Result.Body, a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestIdsAndCursorsLeadToTheSamePseudonyms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startStudio(t, setup{Emulator: emulator.Options{Clients: 3, UsersPerClient: 3, CoursesPerClient: 3, Linked: true}})
		client := s.backends.Clients()[0]
		user := s.backends.Users(client.Identifier)[0]
		filter := map[string]any{"authenticationProvider": map[string]any{"subjectId": user.Identifier}}
		first := s.post(t, `query ($id: ID!, $filter: IdentityFilter) {
			clients(first: 1, query: "e") { pageInfo { endCursor } }
			users(first: 1) { pageInfo { endCursor } }
			mine: users(first: 1, clientIdentifier: "`+client.Identifier+`") { pageInfo { endCursor } }
			all: identities(first: 1) { pageInfo { endCursor } }
			identities(first: 1, filter: $filter) { pageInfo { endCursor } }
			client(by: {id: $id}) { users(first: 1) { pageInfo { endCursor } } courses(first: 1, status: [published]) { pageInfo { endCursor } } }
			user(by: {sourceId: "`+user.Identifier+`"}) { credentials(first: 1) { pageInfo { endCursor } } } }`,
			map[string]any{"id": scalar.EncodeID(scalar.ClientNode, client.ID), "filter": filter})
		after := func(path ...any) any {
			return first.get(t, slices.Concat([]any{"data"}, path, []any{"pageInfo", "endCursor"})...)
		}
		a, name := s.ask(t, fmt.Sprintf(`query ($id: ID!, $filter: IdentityFilter, $courses: String, $user: String) {
			clients(first: 1, query: "e", after: %q) { nodes { sourceId } }
			users(first: 1, after: $user) { nodes { sourceId } }
			mine: users(first: 1, clientIdentifier: %q, after: %q) { nodes { sourceId } }
			all: identities(first: 1, after: %q) { nodes { sourceId } }
			identities(first: 1, filter: $filter, after: %q) { nodes { sourceId } }
			client(by: {id: $id}) { users(first: 1, after: %q) { nodes { sourceId } } courses(first: 1, status: [published], after: $courses) { nodes { sourceId } } }
			user(by: {sourceId: %q}) { credentials(first: 1, after: %q) { nodes { id } } }
			node(id: %q) { ... on User { sourceId } }
			other: users(clientIdentifier: %[2]q, after: $user) { nodes { sourceId } } }`,
			after("clients"), client.Identifier, after("mine"), after("all"), after("identities"), after("client", "users"), user.Identifier,
			after("user", "credentials"), scalar.EncodeID(scalar.UserNode, user.Identifier)),
			map[string]any{"id": scalar.EncodeID(scalar.ClientNode, client.ID), "filter": filter, "courses": after("client", "courses"), "user": after("users")}, nil)
		if diff := cmp.Diff([]string{"other BAD_USER_INPUT"}, a.failures()); diff != "" {
			t.Fatalf("the operation itself (-want +got):\n%s", diff)
		}
		recorded := readResult(t, reproduced(t, name, "the second pages"))
		if diff := cmp.Diff(a.failures(), recorded.failures()); diff != "" {
			t.Errorf("the replay's errors (-want +got):\n%s", diff)
		}
		for _, path := range [][]any{{"clients"}, {"users"}, {"mine"}, {"all"}, {"client", "users"}, {"client", "courses"}, {"user", "credentials"}} {
			if recorded.get(t, slices.Concat([]any{"data"}, path, []any{"nodes", 0})...) == nil {
				t.Errorf("%v has no second page", path)
			}
		}
		if recorded.get(t, "data", "node", "sourceId") == nil {
			t.Error("the node is not found under its pseudonym")
		}
	})
}

func TestWhoMayCapture(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		body   string
		scopes []string
		want   bool
	}{
		{"with the scope", `{"query":"{ embedClients { nodes { sourceId } } }"}`, []string{"explain", "users:read"}, true},
		{"with the scope and nothing else", `{"query":"{ embedClients { nodes { sourceId } } }"}`, []string{"explain"}, true},
		{"without the scope", `{"query":"{ embedClients { nodes { sourceId } } }"}`, []string{"users:read"}, false},
		{"a batch", `[{"query":"{ __typename }"},{"query":"{ a: __typename }"}]`, []string{"explain"}, false},
		{"a document that is refused", `{"query":"{ nonsense }"}`, []string{"explain"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startStudio(t, setup{Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{"key": {"scopes": test.scopes}})},
				Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, CoursesPerClient: -1}})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Learngraph-Capture", "1")
			r.Header.Set("X-API-Key", "key")
			name := s.send(r).Header().Get("X-Learngraph-Capture")
			files, err := os.ReadDir(s.dir)
			if err != nil || (name != "") != test.want || (len(files) == 1) != test.want {
				t.Fatalf("got the file %q of %v", name, files)
			}
			if !test.want {
				return
			}
			f := reproduced(t, filepath.Join(s.dir, name), test.body)
			if diff := cmp.Diff(test.scopes, f.Caller.Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got the mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestACapturedWriteShowsAtOnce(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Env: map[string]string{"CACHE_TTL": "1h"}, Emulator: emulator.Options{Clients: 1, UsersPerClient: 2, CoursesPerClient: -1}})
	user := s.backends.Users(s.backends.Clients()[0].Identifier)[0].Identifier
	query := fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user)
	s.post(t, query, nil)
	_, name := s.ask(t, `mutation ($name: String) { updateUser(input: {by: {sourceId: "`+user+`"}, name: $name}) { user { name } } }`, map[string]any{"name": "Somebody Else"}, nil)
	f := reproduced(t, name, "the write")
	if got := s.post(t, query, nil).get(t, "data", "user", "name"); got != "Somebody Else" {
		t.Errorf("after the write others read %v", got)
	}
	sent, shown := f.Calls[0].Body, readResult(t, f).get(t, "data", "updateUser", "user", "name")
	if want := fmt.Sprintf(`{"name":%q}`, shown); compactJSON(t, sent) != want {
		t.Errorf("the capture sent %s and shows %v", sent, shown)
	}
}

func TestAVariableWithinFreeJSONIsReplacedWhateverItsType(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: -1}})
	user := s.backends.Users(s.backends.Clients()[0].Identifier)[0].Identifier
	_, name := s.ask(t, `mutation ($user: ID!, $number: Int, $room: Int = 904172836) {
		updateUser(input: {by: {sourceId: $user}, metadata: {number: $number, room: $room, flags: [{big: BIGGEST, ratio: 0.25}]}}) { user { metadata } } }`,
		map[string]any{"user": user, "number": 735092164}, nil)
	f := reproduced(t, name, "the write")
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"735092164", "904172836", "BIGGEST"} {
		if bytes.Contains(text, []byte(own)) {
			t.Errorf("the capture shows %s", own)
		}
	}
}

func compactJSON(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestACapturedOperationTakesNothingFromTheCache(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Env: map[string]string{"CACHE_TTL": "1h"}, Emulator: emulator.Options{Clients: 1, CoursesPerClient: 1}})
	const query = `{ clients { nodes { name } } }`
	plain := s.post(t, query, nil)
	s.backends.Reset()
	a, name := s.ask(t, query, nil, map[string]string{"X-Learngraph-Explain": "1", "Accept-Encoding": "gzip"})
	if diff := cmp.Diff([]string{"GET /incoming/v2/clients 1"}, s.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(plain.Data, a.Data); diff != "" || a.Extensions["explain"] == nil {
		t.Errorf("the captured answer differs (-want +got):\n%s", diff)
	}
	if f := reproduced(t, name, query); bytes.Contains(f.Result.Body, []byte("explain")) {
		t.Error("the capture holds measurements")
	}
}

func TestACaptureHoldsWhatItsCallerWasAllowed(t *testing.T) {
	t.Parallel()
	options := emulator.Options{Clients: 3, UsersPerClient: 1, CoursesPerClient: -1, Linked: true}
	mine := emulator.New(options).Clients()[1].Identifier
	s := startStudio(t, setup{Emulator: options, Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{
		"key": {"scopes": []string{"clients:read", "users:read", "identities:read", "explain"}, "clients": []string{mine}}})}})
	const query = `{ clients { nodes { sourceId users { nodes { name identity { claims } } } } } }`
	a, name := s.ask(t, query, nil, map[string]string{"X-API-Key": "key"})
	f := reproduced(t, name, query)
	recorded := readResult(t, f)
	if diff := cmp.Diff(a.failures(), recorded.failures()); diff != "" || len(a.failures()) == 0 {
		t.Errorf("what is forbidden (-want +got):\n%s", diff)
	}
	if nodes := recorded.get(t, "data", "clients", "nodes").([]any); len(nodes) != 1 || len(f.Caller.Clients) != 1 || member(nodes[0], "sourceId") != f.Caller.Clients[0] {
		t.Errorf("a caller who is bound to %v sees %v", f.Caller.Clients, nodes)
	}
}

func TestACaptureHoldsTheTextOfADocumentThatCameByItsHash(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: -1}})
	const query = `{ clients { totalCount } }`
	persisted := map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": fmt.Sprintf("%x", sha256.Sum256([]byte(query)))}}
	extensions, err := json.Marshal(persisted)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{query, ""} {
		values := url.Values{"extensions": {string(extensions)}}
		if text != "" {
			values.Set("query", text)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?"+values.Encode(), nil)
		r.Header.Set("X-Learngraph-Capture", "1")
		name := s.send(r).Header().Get("X-Learngraph-Capture")
		f := reproduced(t, filepath.Join(s.dir, name), query)
		if got := strings.Join(strings.Fields(strings.Join(f.Request.Document, " ")), " "); got != "query { clients { totalCount } }" {
			t.Errorf("got the document %q", got)
		}
	}
}

func TestAFullFolderTakesNoMore(t *testing.T) {
	t.Parallel()
	s := startStudio(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: -1}})
	for n := range 1000 {
		if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprint("old-", n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if a, name := s.ask(t, `{ clients { totalCount } }`, nil, nil); name != "" || a.get(t, "data", "clients", "totalCount") == nil {
			t.Errorf("got the capture %q and the answer %s", name, a.raw)
		}
	}
	if n := strings.Count(s.logged.String(), "CAPTURE_DIR is full"); n != 1 {
		t.Errorf("the log says so %d times, want once", n)
	}
}
