package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/vektah/gqlparser/v2/ast"
)

// TestCachingChangesNoAnswer goes on for equivalenceFor with the seeds from equivalenceFrom, whatever fails.
var (
	equivalenceFor  = flag.Duration("equivalence", 0, "go on with further seeds for so long")
	equivalenceFrom = flag.Uint64("equivalence-from", 100, "the first of the further seeds")
)

// querist writes random queries over the schema that ask for records of a catalogue.
type querist struct {
	schema    *ast.Schema
	rng       *rand.Rand
	clients   []emulator.ClientRef
	users     []emulator.UserRef
	fragments []string
	budget    int // fields that may still be written
}

func newQuerist(e *emulator.Emulator, rng *rand.Rand) *querist {
	q := &querist{schema: graph.Schema(), rng: rng, clients: e.Clients()}
	for _, c := range q.clients {
		q.users = append(q.users, e.Users(c.Identifier)...)
	}
	return q
}

func (q *querist) chance(n int) bool { return q.rng.IntN(n) == 0 }

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

func (q *querist) client() emulator.ClientRef { return pick(q.rng, q.clients...) }
func (q *querist) user() emulator.UserRef     { return pick(q.rng, q.users...) }

func (q *querist) query() string {
	q.budget, q.fragments = 40, nil
	return "query " + q.selection("Query", "", 0) + strings.Join(q.fragments, "")
}

// selection asks for a few fields of a type. The prefix keeps response keys of an interface's types apart.
func (q *querist) selection(name, prefix string, depth int) string {
	def := q.schema.Types[name]
	var b strings.Builder
	b.WriteString("{ __typename ")
	for range 1 + q.rng.IntN(4) {
		switch {
		case def.Kind == ast.Interface:
			possible := pick(q.rng, q.schema.PossibleTypes[name]...).Name
			b.WriteString("... on " + possible + " " + q.selection(possible, strings.ToLower(possible)+"_", depth+1))
		case depth > 0 && q.chance(10):
			fragment := fmt.Sprint("F", len(q.fragments))
			q.fragments = append(q.fragments, "")
			i := len(q.fragments) - 1
			q.fragments[i] = " fragment " + fragment + " on " + name + " " + q.selection(name, prefix, depth+1)
			b.WriteString("..." + fragment)
		default:
			b.WriteString(q.field(def, prefix, depth))
		}
		b.WriteByte(' ')
	}
	return b.String() + "}"
}

func (q *querist) field(def *ast.Definition, prefix string, depth int) string {
	f := pick(q.rng, def.Fields...)
	// A client has hundreds of fields of its own; those that lead elsewhere exercise the cache.
	for range 40 {
		if strings.HasPrefix(f.Name, "__") || q.chance(2) && f.Directives.ForName("calls") == nil {
			f = pick(q.rng, def.Fields...)
		}
	}
	composite := q.schema.Types[f.Type.Name()].IsCompositeType()
	if q.budget--; strings.HasPrefix(f.Name, "__") || composite && (q.budget < 0 || depth > 7) {
		return "__typename"
	}
	text, args := f.Name, q.arguments(f)
	if args != "" {
		h := fnv.New32()
		_, _ = h.Write([]byte(args))
		text = fmt.Sprintf("%s%s_%x: %s(%s)", prefix, f.Name, h.Sum32(), f.Name, args)
	} else if prefix != "" {
		text = prefix + f.Name + ": " + f.Name
	}
	if composite {
		text += " " + q.selection(f.Type.Name(), "", depth+1)
	}
	return text
}

func (q *querist) arguments(f *ast.FieldDefinition) string {
	var args []string
	for _, a := range f.Arguments {
		if !a.Type.NonNull && !q.chance(3) {
			continue
		}
		if value := q.argument(a); value != "" {
			args = append(args, a.Name+": "+value)
		}
	}
	return strings.Join(args, ", ")
}

func (q *querist) argument(a *ast.ArgumentDefinition) string {
	quoted := func(s string) string { return fmt.Sprintf("%q", s) }
	switch a.Name {
	case "first":
		return pick(q.rng, "1", "2", "3", "100")
	case "clientIdentifier":
		return quoted(q.client().Identifier)
	case "query":
		return quoted(q.client().Name)
	case "sort":
		return `"name"`
	case "id":
		return quoted(q.id())
	case "ids":
		return fmt.Sprintf("[%q, %q, %q]", q.id(), q.id(), q.id())
	case "filter":
		return fmt.Sprintf("{authenticationProvider: {subjectId: %q}}", q.user().Identifier)
	case "status":
		return pick(q.rng, "[published]", "[draft]")
	}
	switch a.Type.Name() {
	case "ClientBy":
		c := q.client()
		return pick(q.rng, "{sourceId: "+quoted(c.ID)+"}", "{slug: "+quoted(c.Slug)+"}", `{sku: "none"}`)
	case "EmbedClientBy":
		return pick(q.rng, "{sourceId: "+quoted(q.client().Identifier)+"}", `{sourceId: "none"}`)
	case "UserBy":
		return "{sourceId: " + quoted(q.user().Identifier) + "}"
	case "IdentityBy":
		return "{sourceId: " + quoted(q.user().IdentityID) + "}"
	}
	return ""
}

func (q *querist) id() string {
	switch c, u := q.client(), q.user(); q.rng.IntN(4) {
	case 0:
		return scalar.EncodeID(scalar.ClientNode, c.ID)
	case 1:
		return scalar.EncodeID(scalar.EmbedClientNode, c.Identifier)
	case 2:
		return scalar.EncodeID(scalar.UserNode, u.Identifier)
	default:
		return scalar.EncodeID(scalar.IdentityNode, u.IdentityID)
	}
}

// Fields of written records, as they are read back.
const (
	userFields     = `sourceId clientIdentifier name avatar metadata updated`
	embedFields    = `sourceId metadata userCount updated`
	identityFields = `sourceId claims`
)

// write is a random mutation w of one record, the backend that it goes to, and how to read the record; payload is where
// the mutation's answer has the same fields, if it has any.
type write struct {
	backend        emulator.Backend
	mutation, read string
	payload        string
	// views read the record and whatever lists it, on all routes.
	views string
}

func (q *querist) write(n int) write {
	c, u := q.client(), q.user()
	views := fmt.Sprintf(`{ user(by: {sourceId: %q}) { %s client { name } identity { sourceId } } users { nodes { %[2]s } } mine: users(clientIdentifier: %[3]q) { nodes { sourceId name } }
		embedClient(by: {sourceId: %[3]q}) { %[4]s users { nodes { sourceId name } } } embedClients { nodes { %[4]s } }
		clients { nodes { sourceId embed { metadata } users { nodes { name metadata identity { sourceId } } } } }
		identity(by: {sourceId: %[5]q}) { %[6]s user { name } credentials { nodes { id } } } identities { nodes { %[6]s user { sourceId name } } } }`,
		u.Identifier, userFields, c.Identifier, embedFields, u.IdentityID, identityFields)
	user := func(input string) write {
		return write{backend: emulator.Coassemble, payload: "user", views: views, read: fmt.Sprintf(`{ r: user(by: {sourceId: %q}) { %s } }`, u.Identifier, userFields),
			mutation: fmt.Sprintf(`mutation { w: updateUser(input: {by: {sourceId: %q}, %s}) { user { %s } userErrors { code } } }`, u.Identifier, input, userFields)}
	}
	switch q.rng.IntN(16) {
	case 0:
		return write{backend: emulator.Coassemble, views: views, mutation: fmt.Sprintf(`mutation { w: deleteUser(input: {by: {sourceId: %q}, action: ignore}) { deletedId userErrors { code } } }`, u.Identifier)}
	case 1:
		return write{backend: emulator.MATTR, views: views, mutation: fmt.Sprintf(`mutation { w: deleteIdentity(input: {by: {sourceId: %q}}) { deletedId userErrors { code } } }`, u.IdentityID)}
	case 2:
		if q.chance(3) {
			return write{backend: emulator.Coassemble, views: views, mutation: fmt.Sprintf(`mutation { w: deleteEmbedClient(input: {by: {sourceId: %q}, confirm: %[1]q}) { deletedId userErrors { code } } }`, c.Identifier)}
		}
		fallthrough
	case 3, 4, 5:
		return write{backend: emulator.Coassemble, views: views, payload: "embedClient", read: fmt.Sprintf(`{ r: embedClient(by: {sourceId: %q}) { %s } }`, c.Identifier, embedFields),
			mutation: fmt.Sprintf(`mutation { w: updateEmbedClient(input: {by: {sourceId: %q}, metadata: {n: %d}}) { embedClient { %s } userErrors { code } } }`, c.Identifier, n, embedFields)}
	case 6, 7, 8:
		provider := ""
		if q.chance(3) {
			provider = fmt.Sprintf(`, authenticationProvider: {providerId: %q, subjectId: %q}`, emulator.ProviderID, q.user().Identifier)
		}
		return write{backend: emulator.MATTR, views: views, payload: "identity", read: fmt.Sprintf(`{ r: identity(by: {sourceId: %q}) { %s } }`, u.IdentityID, identityFields),
			mutation: fmt.Sprintf(`mutation { w: updateIdentity(input: {by: {sourceId: %q}, claims: {n: %d}%s}) { identity { %s } userErrors { code } } }`, u.IdentityID, n, provider, identityFields)}
	case 9, 10, 11:
		return user(fmt.Sprintf("clientIdentifier: %q", c.Identifier))
	case 12:
		return user(fmt.Sprintf("metadata: {n: %d}", n))
	}
	return user(fmt.Sprintf("name: \"name %d\"", n))
}

// sibling starts a second program with the same backends.
func (p *program) sibling(t *testing.T, env map[string]string) *program {
	t.Helper()
	other := start(t, setup{Emulator: emulator.Options{Clients: -1}, Env: env,
		Wrap: func(http.RoundTripper) http.RoundTripper { return p.backends.Transport() }})
	other.backends.Close()
	other.backends = p.backends
	return other
}

// equivalence are programs over the same backends: with cache and coalescing, without, and one without faults, which is
// the reference.
type equivalence struct {
	*testing.T
	*querist
	cached, plain, truth *program
	// fault is what ails a backend, nil for nothing.
	fault   *emulator.Fault
	ailing  emulator.Backend
	foreign bool // A nil member is not sent.
	asked   []string
	stale   int
}

const (
	equivalenceTTL = time.Minute
	// convalescence is longer than a circuit stays open once the backend is well.
	convalescence = 40 * time.Second
)

func (e *equivalence) step(n int) {
	switch e.rng.IntN(16) {
	case 0:
		time.Sleep(time.Duration(1+e.rng.IntN(90)) * time.Second)
	case 1:
		e.changeWeather()
	case 2, 3, 4:
		e.writeAndRead(e.write(n))
	case 5:
		if e.foreign {
			e.healthy(func() { e.truth.post(e.T, e.write(n).mutation, nil) })
			time.Sleep(equivalenceTTL + time.Second)
		}
	case 6:
		e.turnPages()
	default:
		query := e.query()
		if len(e.asked) > 0 && e.chance(3) {
			query = pick(e.rng, e.asked...)
		}
		e.asked = append(e.asked, query)
		e.read(query, nil)
	}
	synctest.Wait()
}

func (e *equivalence) changeWeather() {
	if e.fault != nil {
		e.fault = nil
		e.backends().ClearFaults()
		time.Sleep(convalescence)
		return
	}
	e.ailing = pick(e.rng, emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR)
	e.fault = pick(e.rng, &emulator.Fault{Status: 503}, &emulator.Fault{Kind: emulator.FaultReset}, &emulator.Fault{Kind: emulator.FaultTruncated}, &emulator.Fault{Kind: emulator.FaultHTML})
	e.backends().SetFault(string(e.ailing), *e.fault)
}

func (e *equivalence) backends() *emulator.Emulator { return e.truth.backends }

// healthy does something while no backend fails.
func (e *equivalence) healthy(do func()) {
	e.backends().ClearFaults()
	do()
	if e.fault != nil {
		e.backends().SetFault(string(e.ailing), *e.fault)
	}
}

// writeAndRead writes through the program with the cache, sometimes so that the answer or the write is lost.
func (e *equivalence) writeAndRead(w write) {
	if e.chance(2) {
		e.read(w.views, nil)
	}
	lost := e.fault == nil && e.chance(5)
	if lost {
		e.backends().SetFault(string(w.backend), emulator.Fault{Kind: emulator.FaultReset, Applied: e.chance(2)})
	}
	a := e.cached.post(e.T, w.mutation, nil)
	if lost {
		e.backends().ClearFaults()
	}
	if got := member(member(a.Data, "w"), w.payload); got != nil {
		var want any
		e.healthy(func() { want = e.truth.post(e.T, w.read, nil).Data["r"] })
		if diff := cmp.Diff(want, got); diff != "" {
			e.Errorf("%s shows another state than a read (-read +shown):\n%s", w.mutation, diff)
		}
	}
	e.read(w.views, nil)
}

// turnPages asks for a further page of a list.
func (e *equivalence) turnPages() {
	list := pick(e.rng, "clients(first: 2, after: $after)", "embedClients(first: 2, after: $after)", "users(first: 3, after: $after)",
		fmt.Sprintf("users(first: 1, after: $after, clientIdentifier: %q)", e.client().Identifier), "identities(first: 3, after: $after)")
	query := "query($after: String) { " + list + " { nodes { sourceId } edges { cursor } pageInfo { endCursor hasNextPage hasPreviousPage } } }"
	name, _, _ := strings.Cut(list, "(")
	var cursor any
	e.healthy(func() { cursor = e.truth.post(e.T, query, nil).get(e.T, "data", name, "pageInfo", "endCursor") })
	e.read(query, map[string]any{"after": cursor})
}

// read compares one answer with the truth. While a backend fails, a field that fails without a cache may fail.
func (e *equivalence) read(query string, variables map[string]any) {
	var want *answer
	e.healthy(func() { want = e.truth.post(e.T, query, variables) })
	got := e.cached.post(e.T, query, variables)
	if got.Extensions["freshness"] != nil {
		e.stale++
		if e.foreign && e.fault != nil {
			return
		}
		if e.foreign {
			// A stale value is refreshed behind the first answer that shows it.
			synctest.Wait()
			got = e.cached.post(e.T, query, variables)
			if got.Extensions["freshness"] != nil {
				return // the refresh had lower priority, and the answer shows that
			}
		}
	}
	if e.fault == nil {
		if diff := cmp.Diff(want.failures(), got.failures()); diff != "" {
			e.Errorf("%s %v: errors (-without +with a cache):\n%s", query, variables, diff)
		}
		e.compare(query, want, got, nil)
		return
	}
	plain := e.plain.post(e.T, query, variables)
	for _, f := range got.Errors {
		if !e.heldBack(f) && !slices.ContainsFunc(plain.Errors, func(p answerError) bool { return related(p.Path, f.Path) }) {
			e.Errorf("%s %v: %s fails alone with a cache", query, variables, f)
		}
	}
	e.compare(query, want, got, got.Errors)
}

// heldBack reports whether an error is that of a call which an open circuit held back and which might have succeeded: one
// that is answered with 404 would not, however its body is cut. The program without a cache makes other calls, and its
// circuits open at other times.
func (e *equivalence) heldBack(f answerError) bool {
	return e.fault.Kind == emulator.FaultTruncated && f.Extensions["retryAfter"] != nil && f.Extensions["backend"] == string(e.ailing)
}

func (e *equivalence) compare(query string, want, got *answer, errors []answerError) {
	path, ok := excused(want.Data, got.Data, nil, errors)
	if ok {
		return
	}
	at := append([]any{"data"}, path...)
	e.Errorf("%s: the answer differs at %v: want %v, got %v", query, path, want.get(e.T, at...), got.get(e.T, at...))
}

// exactLists are the response keys of lists whose backend reports their length.
var exactLists = regexp.MustCompile(`(^|_)(clients|courses|learningPaths)(_[0-9a-f]+)?$`)

// hasExactEnd reports whether hasNextPage is exact in the pageInfo at path.
func hasExactEnd(path []any) bool {
	return len(path) > 1 && exactLists.MatchString(fmt.Sprint(path[len(path)-2]))
}

// related reports whether one path leads through the other.
func related(a, b []any) bool {
	for i := range min(len(a), len(b)) {
		if fmt.Sprint(a[i]) != fmt.Sprint(b[i]) {
			return false
		}
	}
	return true
}

// excused reports whether got is want but for nulls that an error explains, or else where it is not.
func excused(want, got any, path []any, errors []answerError) ([]any, bool) {
	if got == nil && want != nil {
		return path, slices.ContainsFunc(errors, func(f answerError) bool { return related(path, f.Path) })
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return path, false
		}
		for name, value := range w {
			if name == "hasNextPage" && !hasExactEnd(path) {
				// A full last page may claim that another follows; a program that knows the whole list does not.
				continue
			}
			if at, ok := excused(value, g[name], append(slices.Clone(path), name), errors); !ok {
				return at, false
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return path, false
		}
		for i, value := range w {
			if at, ok := excused(value, g[i], append(slices.Clone(path), i), errors); !ok {
				return at, false
			}
		}
	default:
		return path, reflect.DeepEqual(want, got)
	}
	return nil, true
}

// equivalenceSteps is how many steps one seed takes.
const equivalenceSteps = 70

// Where no stale answer is declared, an answer with caching and coalescing is the answer without them: whatever is
// asked, written, lost or failing, and at once after a write of the program's own.
func TestCachingChangesNoAnswer(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			options := emulator.Options{Clients: 4, Linked: seed%3 > 0, CoursesPerClient: 1, LearningPathsPerClient: 1, UsersPerClient: 3,
				CredentialsPerUser: 1, ProviderInList: seed%2 > 0, ShowProviderID: seed%5 > 0, StringLists: seed%4 == 3, ETags: seed%4 == 1, Seed: seed}
			env := func(ttl, coalesce string) map[string]string {
				return map[string]string{"CACHE_TTL": ttl, "COALESCE": coalesce, "MAX_COST": "0", "ALLOW_DELETES": "true", "THOUGHTINDUSTRIES_GZIP": "false"}
			}
			on, off := env(equivalenceTTL.String(), "true"), env("0", "false")
			cached := start(t, setup{Emulator: options, Env: on})
			e := &equivalence{T: t, querist: newQuerist(cached.backends, rng), cached: cached,
				plain: cached.sibling(t, off), truth: cached.sibling(t, off), foreign: seed%4 > 1}
			for n := range equivalenceSteps {
				if e.step(n); t.Failed() {
					t.Fatalf("seed %d, step %d, failing: %v %+v", seed, n, e.ailing, e.fault)
				}
			}
			if seed == 1 && e.stale == 0 {
				t.Error("no answer was stale: the run shows nothing of that")
			}
		})
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			run(t, seed)
		})
	}
	end := time.Now().Add(*equivalenceFor)
	for seed := *equivalenceFrom; time.Now().Before(end); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { run(t, seed) })
	}
}

// Callers with different rights who ask the same things at once get what each gets alone, to the byte.
func TestInterleavedCallersShareNoByte(t *testing.T) {
	t.Parallel()
	const operations, rounds = 40, 10
	options := emulator.Options{Clients: 4, Linked: true, CoursesPerClient: 1, LearningPathsPerClient: 1, UsersPerClient: 3,
		CredentialsPerUser: 1, ProviderInList: true, Seed: 3, Latency: time.Millisecond}
	clients := emulator.New(options).Clients()
	all := []string{"clients:read", "users:read", "identities:read", "claims:read"}
	file := keysFile(t, map[string]map[string]any{
		"whole":      {"scopes": all},
		"first":      {"scopes": all, "clients": []string{clients[0].Identifier}},
		"second":     {"scopes": all, "clients": []string{clients[1].Identifier}},
		"two":        {"scopes": all, "clients": []string{clients[0].Identifier, clients[1].Identifier}},
		"no-claims":  {"scopes": all[:3]},
		"clients":    {"scopes": all[:1]},
		"first-lean": {"scopes": all[:2], "clients": []string{clients[0].Identifier}},
	})
	keys := []string{"whole", "first", "second", "two", "no-claims", "clients", "first-lean"}
	env := func(ttl, coalesce string) map[string]string {
		return map[string]string{"AUTH": "keys", "API_KEYS_FILE": file, "CACHE_TTL": ttl, "COALESCE": coalesce, "MAX_COST": "0", "THOUGHTINDUSTRIES_GZIP": "false"}
	}
	synctest.Test(t, func(t *testing.T) {
		shared := start(t, setup{Emulator: options, Env: env("60s", "true")})
		alone := shared.sibling(t, env("0", "false"))
		q := newQuerist(shared.backends, rand.New(rand.NewPCG(9, 9)))
		var queries []string
		want := map[string]string{}
		for range operations {
			query := q.query()
			queries = append(queries, query)
			for _, key := range keys {
				want[key+query] = alone.bytesFor(t, key, query)
			}
		}
		var wg sync.WaitGroup
		for round := range rounds {
			for _, key := range keys {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(round), 1))
					for _, i := range rng.Perm(len(queries)) {
						query := queries[i]
						if got := shared.bytesFor(t, key, query); got != want[key+query] {
							t.Errorf("%s asks %s and gets\n%s\nalone it gets\n%s", key, query, got, want[key+query])
							return
						}
					}
				})
			}
			// Some rounds meet cold, some fresh and some stale answers.
			if round%2 == 1 {
				wg.Wait()
				time.Sleep(time.Duration(round) * 10 * time.Second)
			}
		}
		wg.Wait()
	})
}

// bytesFor is a caller's answer: the data to the byte, and the errors, whose order is open.
func (p *program) bytesFor(t *testing.T, key, query string) string {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Error(err)
		return ""
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	w := p.send(r)
	var a struct {
		Data   json.RawMessage
		Errors []answerError
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Errorf("the answer is not JSON: %v\n%s", err, w.Body)
	}
	// A full last page may claim that another follows; a program that knows the whole list does not.
	data := strings.ReplaceAll(string(a.Data), `"hasNextPage":true`, `"hasNextPage":false`)
	return fmt.Sprint(w.Code, " ", data, " ", (&answer{Errors: a.Errors}).failures())
}
