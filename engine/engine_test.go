package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/learngraph/learngraph/engine"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// thing is the only type behind the schema of these tests.
type thing struct {
	name string
	next *thing
}

const sdl = `type Query { thing: Thing must: Thing! } type Thing { name: String! next: Thing must: Thing! list: [Thing!] }`

func newEngine() *engine.Engine {
	one := func(context.Context, []engine.Parent, map[string]any) ([]any, error) {
		return engine.One(&thing{name: "a", next: &thing{name: "b"}}, nil)
	}
	read := func(_ context.Context, parent any) (any, error) { return engine.Pointer(parent.(*thing).next), nil }
	definition := gqlparser.MustLoadSchema(&ast.Source{Input: sdl})
	return engine.New(&engine.Schema{
		Definition: definition,
		Objects: map[string]*engine.Object{
			"Query": {Name: "Query", Fields: map[string]*engine.Binding{
				"thing": {Kind: engine.Resolve, Resolve: one}, "must": {Kind: engine.Resolve, Resolve: one},
			}},
			"Thing": {Name: "Thing", Fields: map[string]*engine.Binding{
				"name": {Kind: engine.Read, Append: func(_ context.Context, dst []byte, parent any) ([]byte, error) {
					if parent.(*thing).name == "b" {
						return dst, errors.New("no name")
					}
					return engine.AppendString(dst, parent.(*thing).name), nil
				}},
				"next": {Kind: engine.Read, Object: read}, "must": {Kind: engine.Read, Object: read},
				"list": {Kind: engine.Read, List: func(_ context.Context, dst []any, parent any) ([]any, bool, error) {
					if parent.(*thing).next == nil {
						panic("a secret")
					}
					return append(dst, parent, engine.Pointer(parent.(*thing).next)), true, nil
				}},
			}},
		},
	})
}

func operation(t testing.TB, e *engine.Engine, query string, variables map[string]any) *graphql.OperationContext {
	t.Helper()
	doc, err := gqlparser.LoadQueryWithRules(e.Schema(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &graphql.OperationContext{RawQuery: query, Doc: doc, Operation: doc.Operations[0], Variables: variables,
		RecoverFunc: func(context.Context, any) error { return errors.New("a panic") }}
}

func TestNullPropagatesToTheNearestNullableAncestor(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, data, errs string }{
		{`{ thing { name next { name } } }`, `{"thing":{"name":"a","next":null}}`, "thing.next.name: no name"},
		{`{ thing { name must { name } } }`, `{"thing":null}`, "thing.must.name: no name"},
		{`{ thing { x: name next { must { name } } } }`, `{"thing":{"x":"a","next":null}}`, "thing.next.must: must not be null"},
		{`{ must { must { name } } }`, `null`, "must.must.name: no name"},
		{`{ thing { list { name } x: name } }`, `{"thing":{"list":null,"x":"a"}}`, "thing.list[1].name: no name"},
		{`{ thing { next { list { name } } } }`, `{"thing":{"next":{"list":null}}}`, "thing.next.list: a panic"},
		{`{ thing { must { name also: name } name } }`, `{"thing":null}`, "thing.must.name: no name, thing.must.also: no name"},
	}
	for _, tt := range tests {
		e := newEngine()
		respond, ctx := executor.New(e).DispatchOperation(t.Context(), operation(t, e, tt.query, nil))
		resp := respond(ctx)
		var errs []string
		for _, err := range resp.Errors {
			errs = append(errs, err.Path.String()+": "+err.Message)
		}
		if got := strings.Join(errs, ", "); string(resp.Data) != tt.data || got != tt.errs {
			t.Errorf("%s\ngot  %s, errors %s\nwant %s, errors %s", tt.query, resp.Data, got, tt.data, tt.errs)
		}
		if respond(ctx) != nil {
			t.Error("a second response")
		}
	}
}

func TestPlanIsCachedPerOperationAndConditions(t *testing.T) {
	t.Parallel()
	e := newEngine()
	op := operation(t, e, `query($a: Boolean!) { thing { name @skip(if: $a) next { name } } }`, map[string]any{"a": true})
	skipped := e.Plan(op)
	if e.Plan(op) != skipped {
		t.Error("the plan is compiled twice")
	}
	op.Variables = map[string]any{"a": false}
	if whole := e.Plan(op); whole == skipped || len(whole.Root.Fields[0].Children[0].Fields) != 2 {
		t.Error("the plan does not follow the condition")
	}
	plans := map[*engine.Plan]bool{}
	for _, value := range []any{true, false, nil} {
		op.Variables = map[string]any{"a": value}
		plans[e.Plan(op)] = true
	}
	if len(plans) != 3 {
		t.Error("a condition that is null, whose plan has an error, shares its plan")
	}
}

// It measures the heap, so nothing runs in parallel.
func TestPlansOfOperationsThatAreNotUsedAreForgotten(t *testing.T) {
	e := newEngine()
	kept := operation(t, e, `{ thing { name } }`, nil)
	plan := e.Plan(kept)
	var before, after runtime.MemStats
	fill := func(n int) {
		for i := range n {
			var fields strings.Builder
			for j := range 1000 {
				fmt.Fprintf(&fields, "f%d_%d: name ", i, j)
			}
			// Validation takes far longer than compiling, and the plan needs nothing of it here.
			doc, err := parser.ParseQuery(&ast.Source{Input: "{ thing { " + fields.String() + " } }"})
			if err != nil {
				t.Fatal(err)
			}
			e.Plan(&graphql.OperationContext{Doc: doc, Operation: doc.Operations[0]})
			if e.Plan(kept) != plan {
				t.Fatal("a plan in use is forgotten")
			}
		}
		runtime.GC()
	}
	fill(120)
	runtime.ReadMemStats(&before)
	fill(120)
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(before.HeapAlloc)/2 {
		t.Errorf("as many operations again hold %d bytes more than %d", grown, before.HeapAlloc)
	}
}

func TestAnEngineInOrderMakesOneCallAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		under := 0
		e := newEngine()
		e.InOrder = true
		op := operation(t, e, `{ a: thing { name } b: must { name } c: thing { x: name } }`, nil)
		op.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
			if fc := graphql.GetFieldContext(ctx); fc.IsResolver {
				under++
				defer func() { under-- }()
				time.Sleep(time.Second)
				order = append(order, fmt.Sprint(fc.Field.Name, " beside ", under-1))
			}
			return next(ctx)
		}
		respond, ctx := executor.New(e).DispatchOperation(t.Context(), op)
		if resp := respond(ctx); len(resp.Errors) > 0 {
			t.Fatal(resp.Errors)
		}
		want := []string{"thing beside 0", "must beside 0"}
		if !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
	})
}
