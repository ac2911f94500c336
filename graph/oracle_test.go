package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
)

// schema is the real one.
func schema() *ast.Schema { return graph.Schema() }

// load parses and validates an operation and coerces its variables.
func load(op operation) (*graphql.OperationContext, error) {
	doc, errs := gqlparser.LoadQueryWithRules(schema(), op.query, nil)
	if len(errs) > 0 {
		return nil, errs
	}
	variables, err := validator.VariableValues(schema(), doc.Operations[0], op.variables)
	if err != nil {
		return nil, err
	}
	return &graphql.OperationContext{
		RawQuery: op.query, Doc: doc, Operation: doc.Operations[0], Variables: variables,
		RecoverFunc:        func(context.Context, any) error { return errPanic },
		ResolverMiddleware: func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
			return next(ctx)
		},
	}, nil
}

var errPanic = errors.New("a panic")

// execute runs an operation that load made; the copy of it keeps executors apart.
func execute(ctx context.Context, es graphql.ExecutableSchema, loaded *graphql.OperationContext) *graphql.Response {
	op := &graphql.OperationContext{RawQuery: loaded.RawQuery, Doc: loaded.Doc, Operation: loaded.Operation, Variables: loaded.Variables,
		RecoverFunc: loaded.RecoverFunc, ResolverMiddleware: loaded.ResolverMiddleware, RootResolverMiddleware: loaded.RootResolverMiddleware}
	respond, ctx := executor.New(es).DispatchOperation(ctx, op)
	return respond(ctx)
}

// errorSet is the compared part of each error, sorted: the path and the message.
func errorSet(errs gqlerror.List) []string {
	var set []string
	for _, e := range errs {
		set = append(set, e.Path.String()+": "+problem(e))
	}
	slices.Sort(set)
	return set
}

// problem names an error independently of the executor's wording.
func problem(err error) string {
	var mismatch *document.Mismatch
	var shown *gqlerror.Error
	switch {
	case errors.As(err, &mismatch):
		return "mismatch"
	case errors.As(err, &shown) && strings.Contains(shown.Message, "returned"):
		return "length"
	case errors.As(err, &shown):
		return shown.Message
	}
	return err.Error()
}

// canonical is a JSON text with one spelling per string and number, in the order of the members.
func canonical(t testing.TB, data []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var b strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch token := token.(type) {
		case json.Number:
			f, _ := strconv.ParseFloat(token.String(), 64)
			fmt.Fprintln(&b, f)
		case string:
			fmt.Fprintf(&b, "%q\n", token)
		default:
			fmt.Fprintln(&b, token)
		}
	}
	if !json.Valid(data) {
		t.Errorf("the answer is no JSON: %s", data)
	}
	return b.String()
}

// refusing is a field middleware that refuses some fields, whatever is asked of them.
func refusing(seed uint64) graphql.FieldMiddleware {
	return func(ctx context.Context, next graphql.Resolver) (any, error) {
		fc := graphql.GetFieldContext(ctx)
		// The stock executor asks about the parts of introspection too, and takes __schema for nullable.
		if !strings.HasPrefix(fc.Object, "__") && !strings.HasPrefix(fc.Field.Name, "__") && hash(seed, fc.Object, fc.Field.Name)%15 == 0 {
			return nil, errRefused
		}
		return next(ctx)
	}
}

var errRefused = errors.New("not for you")

// Where the stock executor departs from the specification, or from itself, the oracles leave it alone:
//
//   - It gives no location for errors of batch resolvers; the specification asks for one (7.1.2, Errors: "locations").
//     Locations are compared in tests of their own.
//   - It asks batch resolvers for the null elements of a list too, with nil parents. Nothing is selected from a null
//     (6.4.3, CompleteValue), so the engine does not.
//   - Of a batch resolver's panic it makes the panic's error at one item and another text at the others; the engine
//     puts the one error at each (6.4.4, Handling Execution Errors: each result position that failed has one).
//   - Broken elements of an embedded list are errors below nodes, selected or not; an error is at a response
//     position (7.1.2: "path"), so the engine notes it where the element is selected. So data of this oracle is well-formed.

// checkAgainstStock runs one random operation over well-formed data on the engine and on gqlgen's executor. It reports
// whether the seed produced a valid operation.
func checkAgainstStock(t testing.TB, w *world, seed uint64) bool {
	t.Helper()
	op := newOperation(schema(), seed)
	loaded, err := load(op)
	if err != nil {
		return false
	}
	if seed%4 == 0 {
		loaded.ResolverMiddleware = refusing(seed)
	}
	cfg := graph.Config{Schema: schema(), Resolvers: worldRoot{w}}
	want := execute(t.Context(), graph.NewExecutableSchema(cfg), loaded)
	execute(t.Context(), w.engine, loaded) // the second execution finds the plan
	got := execute(t.Context(), w.engine, loaded)
	if diff := cmp.Diff(canonical(t, want.Data), canonical(t, got.Data)); diff != "" {
		t.Fatalf("seed %d: data of\n%s\n%v\ndiffer (-stock +engine):\n%s", seed, op.query, op.variables, diff)
	}
	if diff := cmp.Diff(errorSet(want.Errors), errorSet(got.Errors)); diff != "" {
		t.Fatalf("seed %d: errors of\n%s\n%v\ndiffer (-stock +engine):\n%s", seed, op.query, op.variables, diff)
	}
	return true
}

// checkAgainstReference runs one random operation over broken data on the engine and on the reference executor.
func checkAgainstReference(t testing.TB, w *world, seed uint64) bool {
	t.Helper()
	op := newOperation(schema(), seed)
	loaded, err := load(op)
	if err != nil || strings.Contains(op.query, "__schema") || strings.Contains(op.query, "__type(") {
		return false
	}
	want := &reference{world: w, schema: schema(), op: loaded}
	wantData := want.execute()
	got := execute(t.Context(), w.engine, loaded)
	if at := difference(wantData, plain(string(got.Data)), "data"); at != "" {
		t.Fatalf("seed %d: data of\n%s\n%v\ndiffer: %s", seed, op.query, op.variables, at)
	}
	if diff := cmp.Diff(errorSet(want.errs), errorSet(got.Errors)); diff != "" {
		t.Fatalf("seed %d: errors of\n%s\n%v\ndiffer (-reference +engine):\n%s", seed, op.query, op.variables, diff)
	}
	return true
}

// difference returns where two decoded answers differ. The order of members is for the other oracle.
func difference(want, got any, at string) string {
	switch want := want.(type) {
	case anyText:
		if _, ok := got.(string); ok {
			return ""
		}
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			break
		}
		for key := range want {
			if d := difference(want[key], got[key], at+"."+key); d != "" {
				return d
			}
		}
		return ""
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			break
		}
		for i := range want {
			if d := difference(want[i], got[i], fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
		return ""
	case json.Number:
		if got, ok := got.(json.Number); ok && sameNumber(want, got) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %v, got %v", at, want, got)
}

func sameNumber(a, b json.Number) bool {
	x, _ := strconv.ParseFloat(a.String(), 64)
	y, _ := strconv.ParseFloat(b.String(), 64)
	return x == y
}

// operations is how many random operations each oracle checks: `go test -run AnswersAs ./graph -oracle 1000000` for a
// long look.
var operations = flag.Int("oracle", oracleOperations, "random operations per oracle")

const (
	shards        = 4
	worldsEach    = 100
	stockSeedBase = 1 << 20
)

// oracle checks random operations over random worlds.
func oracle(t *testing.T, operations int, broken bool, check func(testing.TB, *world, uint64) bool) {
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			valid, tried := 0, 0
			for i := shard; valid < operations/shards; i += shards {
				w := newWorld(schema(), i, broken)
				for j := range uint64(worldsEach) {
					tried++
					if check(t, w, stockSeedBase+i*worldsEach+j) {
						valid++
					}
				}
			}
			if valid*10 < tried*9 {
				t.Errorf("%d of %d random operations are valid: the generator is off", valid, tried)
			}
		})
	}
}

func TestEngineAnswersAsStockExecutorDoes(t *testing.T) {
	t.Parallel()
	oracle(t, *operations, false, checkAgainstStock)
}

func TestEngineAnswersBrokenDataByTheSpecification(t *testing.T) {
	t.Parallel()
	oracle(t, *operations, true, checkAgainstReference)
}

func FuzzEngineAnswersAsStockExecutorDoes(f *testing.F) {
	f.Add(uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, data, seed uint64) {
		checkAgainstStock(t, newWorld(schema(), data, false), seed)
	})
}

func FuzzEngineAnswersBrokenDataByTheSpecification(f *testing.F) {
	f.Add(uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, data, seed uint64) {
		checkAgainstReference(t, newWorld(schema(), data, true), seed)
	})
}

// FuzzProjectionEqualsDecoding takes any bytes for a client, and random selections from it.
func FuzzProjectionEqualsDecoding(f *testing.F) {
	maker := &recordMaker{schema: schema(), rng: rand.New(rand.NewPCG(1, 1)), broken: true}
	for i := range uint64(8) {
		f.Add([]byte(maker.object("Client", 0)), i)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		d, err := document.Parse(data, model.Shapes.Client)
		decoded, ok := plainClient(data)
		if err != nil || !ok {
			return
		}
		maker := &operationMaker{schema: schema(), rng: rand.New(rand.NewPCG(seed, 11)), variables: map[string]any{}, budget: 60}
		selection := maker.selection("Client", 2)
		op := operation{query: "query(" + strings.Join(append(maker.declared, "$x: Int"), ", ") + `) { client(by: { id: "x" }) ` +
			selection + " }" + strings.Join(maker.fragments, ""), variables: maker.variables}
		loaded, err := load(op)
		if err != nil || strings.Contains(op.query, "after:") {
			return
		}
		w := &world{seed: 3, entities: map[string][]entity{}, index: map[any]int{}}
		for _, name := range []string{"EmbedClient", "User", "Identity", "Credential"} {
			w.entities[name] = fixedWorld().entities[name]
			for i, e := range w.entities[name] {
				w.index[e.value] = i
			}
		}
		for range entitiesPerType {
			w.entities["Client"] = append(w.entities["Client"], entity{value: &model.Client{Object: d.Root()}, data: decoded})
		}
		want := &reference{world: w, schema: schema(), op: loaded, anyCursor: true}
		wantData := want.execute()
		got := execute(t.Context(), graph.NewEngine(graph.Config{Resolvers: worldRoot{w}}), loaded)
		if at := difference(wantData, plain(string(got.Data)), "data"); at != "" {
			t.Fatalf("data of\n%s\nfrom\n%s\ndiffer: %s", op.query, data, at)
		}
		if diff := cmp.Diff(errorSet(want.errs), errorSet(got.Errors)); diff != "" {
			t.Fatalf("errors of\n%s\nfrom\n%s\ndiffer (-reference +engine):\n%s", op.query, data, diff)
		}
	})
}

var fixedWorld = sync.OnceValue(func() *world { return newWorld(schema(), 3, false) })
