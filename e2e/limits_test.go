package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// several joins what part makes of 0 to n-1.
func several(n int, part func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(part(i) + " ")
	}
	return b.String()
}

// ofUser takes turns among the fields of a user, so that none is asked for too often.
func ofUser(i int) string {
	return []string{"id", "sourceId", "clientIdentifier", "name", "avatar", "metadata", "testMode", "created", "updated", "__typename"}[i%10]
}

// leaves are n fields of a type that need no arguments and no selection.
func leaves(t *testing.T, name string, n int) string {
	t.Helper()
	schema := graph.Schema()
	var fields []string
	for _, f := range schema.Types[name].Fields {
		if !schema.Types[f.Type.Name()].IsCompositeType() && len(f.Arguments) == 0 && !strings.HasPrefix(f.Name, "__") {
			fields = append(fields, f.Name)
		}
	}
	if len(fields) < n {
		t.Fatalf("%s has %d leaves, want %d", name, len(fields), n)
	}
	return strings.Join(fields[:n], " ")
}

// requestOf is a request with so many bytes of variables.
func requestOf(query string, variables int) string {
	text, _ := json.Marshal(query)
	if variables == 0 {
		return fmt.Sprintf(`{"query":%s}`, text)
	}
	const frame = len(`{"a":""}`)
	return fmt.Sprintf(`{"query":%s,"variables":{"a":"%s"}}`, text, strings.Repeat("x", variables-frame))
}

func (p *program) sendBody(t *testing.T, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return p.send(r)
}

// The program with its defaults accepts a request at a limit, and refuses one more before any call.
func TestTheProgramTakesEachLimitAndRefusesOneMore(t *testing.T) {
	t.Parallel()
	users := func(selection string) string { return "{ users(first: 1) { nodes { " + selection + "} } }" }
	query := func(make func(n int) string) func(int) string {
		return func(n int) string { return requestOf(make(n), 0) }
	}
	const short = `{"query":"{ __typename }"}`
	claims := func(n int) string {
		return "{identities(filter:{claims:{a:[" + strings.Repeat("1 ", n-20) + "]}}){__typename}}"
	}
	course, path := leaves(t, "Course", 85), leaves(t, "LearningPath", 8)
	tests := []struct {
		name    string
		allowed int
		body    func(n int) string
	}{
		{"body", 1 << 20, func(n int) string { return short + strings.Repeat(" ", n-len(short)) }},
		{"variables", 256 << 10, func(n int) string { return requestOf("{ __typename }", n) }},
		{"tokens", 5000, query(claims)},
		{"nesting", 40, query(func(n int) string {
			return strings.Repeat("{...", n-1) + "{__typename}" + strings.Repeat("}", n-1)
		})},
		{"aliases", 100, query(func(n int) string {
			return users(several(n, func(i int) string { return fmt.Sprintf("a%d: %s", i, ofUser(i)) }))
		})},
		{"directives", 100, query(func(n int) string {
			both := several(n/2, func(i int) string { return fmt.Sprintf("a%d: %s @include(if: true) @skip(if: false)", i, ofUser(i)) })
			return users(both + several(n%2, func(int) string { return "name @skip(if: false)" }))
		})},
		{"fragments", 100, query(func(n int) string {
			return users(several(n, func(i int) string { return fmt.Sprintf("...F%d", i) })) +
				several(n, func(i int) string { return fmt.Sprintf("fragment F%d on User { %s }", i, ofUser(i)) })
		})},
		{"spreads", 200, query(func(n int) string {
			return users(several(n, func(i int) string { return "... { " + ofUser(i) + " }" }))
		})},
		{"depth", 20, func(n int) string { return deepQuery(n) }},
		{"rootFields", 50, query(func(n int) string {
			return "{ " + several(n, func(i int) string { return fmt.Sprintf("a%d: __typename", i) }) + "}"
		})},
		{"selections", 5000, query(func(n int) string {
			// 50 times the root field, nodes, two lists, their nodes, the spread and 93 leaves.
			return "{ " + several(50, func(i int) string {
				return fmt.Sprintf("a%d: clients(first: 1) { nodes { courses(first: 1) { nodes { ...F } } learningPaths(first: 1) { nodes { %s } } } }", i, path)
			}) + "} fragment F on Course { " + course + strings.Repeat(" id", n-5000) + " }"
		})},
		// 63 fields of one name are 1953 pairs, 64 are 2016.
		{"overlaps", 2000, query(func(n int) string { return users(strings.Repeat("name ", 63+n-2000)) })},
		{"batch", 10, func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(short+",", n), ",") + "]" }},
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 1}, Env: map[string]string{"MAX_COST": "0"}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			below := p.sendBody(t, "/graphql", test.body(test.allowed))
			if text := below.Body.String(); below.Code != 200 || strings.Contains(text, `"errors"`) {
				t.Errorf("at the limit: got %d %.300s", below.Code, text)
			}
			p.backends.Reset()
			w := p.sendBody(t, "/graphql", test.body(test.allowed+1))
			if test.name == "batch" { // an error for each operation
				w = firstOfBatch(t, w, test.allowed+1)
			}
			a := readAnswer(t, w)
			if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "LIMIT_EXCEEDED" || a.Data != nil {
				t.Fatalf("above the limit: got %.300s", a.raw)
			}
			got := a.Errors[0].Extensions["limit"]
			if member(got, "name") != test.name || fmt.Sprint(member(got, "allowed")) != fmt.Sprint(test.allowed) {
				t.Errorf("above the limit: got %v, want %s of %d", got, test.name, test.allowed)
			}
			reached, _ := member(got, "reached").(json.Number)
			if n, _ := reached.Int64(); n <= int64(test.allowed) || n > int64(test.allowed)+16 {
				t.Errorf("above the limit: reached %d", n)
			}
			if calls := p.calls(); len(calls) > 0 {
				t.Errorf("the backends were called: %v", calls)
			}
		})
	}
}

func TestAnOperationMayCostAsMuchAsAllowed(t *testing.T) {
	t.Parallel()
	const query = "{ clients { nodes { users { nodes { name } } } } }"
	world := emulator.Options{Clients: 1, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 1}
	plan := readAnswer(t, start(t, setup{Emulator: world}).sendBody(t, "/graphql/plan", requestOf(query, 0)))
	cost, _ := plan.get(t, "data", "plan", "cost", "requestedQueryCost").(json.Number)
	exact, err := cost.Int64()
	if err != nil || exact < 100 {
		t.Fatalf("got %s", plan.raw)
	}
	for most, allowed := range map[int64]bool{exact: true, exact - 1: false} {
		p := start(t, setup{Emulator: world, Env: map[string]string{"MAX_COST": fmt.Sprint(most)}})
		a := p.post(t, query, nil)
		if allowed != (len(a.Errors) == 0) {
			t.Errorf("MAX_COST=%d: got %.300s", most, a.raw)
		}
		if allowed {
			continue
		}
		limit := a.Errors[0].Extensions["limit"]
		if a.Errors[0].Extensions["code"] != "LIMIT_EXCEEDED" || fmt.Sprint(member(limit, "reached")) != fmt.Sprint(exact) || fmt.Sprint(member(limit, "allowed")) != fmt.Sprint(most) {
			t.Errorf("MAX_COST=%d: got %s", most, a.raw)
		}
		if calls := p.calls(); len(calls) > 0 {
			t.Errorf("MAX_COST=%d: the backends were called: %v", most, calls)
		}
	}
}

// Errors of fields are bounded as well: in number, and where they are long, in bytes.
func TestAnAnswerHoldsAsManyErrorsAsAllowed(t *testing.T) {
	t.Parallel()
	const most, mostBytes = 100, 48 << 10
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, CoursesPerClient: -1, LearningPathsPerClient: -1, UsersPerClient: 60},
		Env: map[string]string{"AUTH": "keys", "API_KEYS_FILE": keysFile(t, map[string]map[string]any{"users": {"scopes": []string{"users:read"}}})}})
	// Each user is an error, whose path has the name.
	failing := func(name string, n int) string {
		return fmt.Sprintf("{ users(first: %d) { nodes { %s: identity { id } } } more: users(first: %d) { nodes { %[2]s: identity { id } } } }", n/2, name, n-n/2)
	}
	last := func(a *answer) any { return member(a.Errors[len(a.Errors)-1].Extensions["limit"], "name") }
	if a := p.asKey(t, "users", failing("a", most)); len(a.Errors) != most || last(a) != nil {
		t.Errorf("at the limit: got %d errors, the last of %v", len(a.Errors), last(a))
	}
	if a := p.asKey(t, "users", failing("a", most+1)); len(a.Errors) != most+1 || last(a) != "errors" {
		t.Errorf("above the limit: got %d errors, the last of %v", len(a.Errors), last(a))
	}
	const n = 64
	var frame struct{ Errors []json.RawMessage }
	if err := json.Unmarshal(p.asKey(t, "users", failing("a", n)).raw, &frame); err != nil || len(frame.Errors) != n {
		t.Fatalf("got %d errors, %v", len(frame.Errors), err)
	}
	size := 0
	for _, e := range frame.Errors {
		size += len(e)
	}
	exact := 1 + (mostBytes-size)/n
	if a := p.asKey(t, "users", failing(strings.Repeat("a", exact), n)); len(a.Errors) != n || last(a) != nil {
		t.Errorf("at the limit of bytes: got %d errors, the last of %v", len(a.Errors), last(a))
	}
	if a := p.asKey(t, "users", failing(strings.Repeat("a", exact+1), n)); len(a.Errors) != n || last(a) != "errorBytes" {
		t.Errorf("above the limit of bytes: got %d errors, the last of %v", len(a.Errors), last(a))
	}
}

// firstOfBatch returns the first of n answers to a batch.
func firstOfBatch(t *testing.T, w *httptest.ResponseRecorder, n int) *httptest.ResponseRecorder {
	t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != n {
		t.Fatalf("got %d answers, want %d: %v", len(all), n, err)
	}
	w.Body = bytes.NewBuffer(all[0])
	return w
}
