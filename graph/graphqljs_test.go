package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// deliveredCase is an operation with its data and the payloads that are sent, for graphql-js to compare.
type deliveredCase struct {
	Query     string            `json:"query"`
	Variables map[string]any    `json:"variables"`
	Data      json.RawMessage   `json:"data"`
	Errors    []ast.Path        `json:"errors"`
	V02       []json.RawMessage `json:"v02"`
	V01       []json.RawMessage `json:"v01"`
}

// typeKey is the response key under which the data has the name of each object's type.
const typeKey = "t__"

// withTypes returns the operation with the name of the type of each object.
func withTypes(loaded *graphql.OperationContext) operation {
	selects := func(set ast.SelectionSet) ast.SelectionSet {
		return append(slices.Clone(set), &ast.Field{Alias: typeKey, Name: "__typename"})
	}
	var visit func(ast.SelectionSet)
	visit = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if visit(s.SelectionSet); len(s.SelectionSet) > 0 {
					s.SelectionSet = selects(s.SelectionSet)
				}
			case *ast.InlineFragment:
				visit(s.SelectionSet)
			}
		}
	}
	visit(loaded.Operation.SelectionSet)
	for _, f := range loaded.Doc.Fragments {
		visit(f.SelectionSet)
	}
	var text strings.Builder
	formatter.NewFormatter(&text).FormatQueryDocument(loaded.Doc)
	return operation{query: text.String()}
}

// payloadsOf executes an operation in parts, and returns the payloads: nothing where the answer is whole.
func payloadsOf(t testing.TB, w *world, loaded *graphql.OperationContext, p incremental.Protocol) []json.RawMessage {
	t.Helper()
	first := make(chan struct{})
	w.calls = waitForFirst
	ctx := graphql.WithOperationContext(context.WithValue(t.Context(), gateKey{}, first), loaded)
	d := w.engine.Deliver(ctx, loaded, engine.Incremental{Format: p.Format(), Present: graphql.DefaultErrorPresenter})
	close(first)
	data, errs := d.Data()
	payload := d.First()
	if !payload.HasNext {
		return nil
	}
	sent := []json.RawMessage{payloadIn(p.First(data, errs, payload))}
	for payload.HasNext {
		for payload = d.Next(); payload == nil; payload = d.Next() {
			<-d.Events()
		}
		sent = append(sent, payloadIn(p.Next(payload, nil)))
	}
	return sent
}

// payloadIn returns the payload in a frame of multipart/mixed.
func payloadIn(frame []byte) json.RawMessage {
	_, rest, _ := bytes.Cut(frame, []byte("\r\n\r\n"))
	payload, _, _ := bytes.Cut(rest, []byte("\r\n--"))
	return payload
}

// deliverCase executes a random operation in both formats. ok is false where it is not delivered in parts, or where graphql-js
// cannot get the data: introspection answers otherwise, and a field has no value together with an error.
func deliverCase(t testing.TB, w *world, seed uint64) (c deliveredCase, ok bool) {
	t.Helper()
	op := newDeferredOperation(schema(), seed)
	loaded, err := load(op)
	if err != nil || strings.Contains(op.query, "__schema") || strings.Contains(op.query, "__type(") {
		return c, false
	}
	c = deliveredCase{Query: op.query, Variables: op.variables, V02: payloadsOf(t, w, loaded, incremental.V02), V01: payloadsOf(t, w, loaded, incremental.V01)}
	again, _ := load(op)
	typed := withTypes(again)
	typed.variables = op.variables
	if loaded, err = load(typed); err != nil {
		t.Fatalf("%v: %s", err, typed.query)
	}
	d := w.engine.Deliver(engine.WithBuffer(graphql.WithOperationContext(t.Context(), loaded), &engine.Buffer{OnError: engine.Null}), loaded,
		engine.Incremental{Format: engine.Whole, Present: graphql.DefaultErrorPresenter})
	var errs gqlerror.List
	c.Data, errs = d.Data()
	for _, err := range errs {
		c.Errors = append(c.Errors, err.Path)
	}
	return c, len(c.V02)+len(c.V01) > 0 && string(c.Data) != "null"
}

// The payloads of random operations are those of experimentalExecuteIncrementally and legacyExecuteIncrementally, for data as backends
// give it and for broken data.
func TestPayloadsAreThoseOfTheReference(t *testing.T) {
	t.Parallel()
	var cases []deliveredCase
	var w *world
	v02, v01 := 0, 0
	for seed := uint64(0); min(v02, v01) < 320; seed++ {
		if seed%worldsEach == 0 {
			w = newWorld(schema(), seed, seed/worldsEach%2 == 1)
		}
		if c, ok := deliverCase(t, w, stockSeedBase+seed); ok {
			cases, v02, v01 = append(cases, c), v02+min(len(c.V02), 1), v01+min(len(c.V01), 1)
		}
	}
	different := 0
	for _, f := range compareWithReference(t, cases) {
		if f.Problem == nil {
			continue
		}
		if different++; different <= 5 {
			t.Errorf("%s: %s", f.Name, *f.Problem)
		}
	}
	if different > 5 {
		t.Errorf("%d of %d operations differ", different, len(cases))
	}
}

type referenceComparison struct {
	Name    string
	Problem *string
}

// compareWithReference has graphql-js execute the same. Where that is not installed the test is skipped, but not in CI.
func compareWithReference(t *testing.T, cases []deliveredCase) []referenceComparison {
	t.Helper()
	dir := filepath.Join("..", "e2e", "testdata", "graphqljs")
	_, missing := os.Stat(filepath.Join(dir, "node_modules", "graphql17"))
	node, err := exec.LookPath("node")
	if missing != nil || err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("it needs node, and npm ci in e2e/testdata/graphqljs")
		}
		t.Skip("it needs node, and npm ci in e2e/testdata/graphqljs")
	}
	sdl, err := os.ReadFile(filepath.Join("..", "schema.graphqls"))
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]any{"schema": string(sdl), "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "incremental.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(input), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var comparisons []referenceComparison
	if err := json.Unmarshal(out, &comparisons); err != nil {
		t.Fatal(err)
	}
	if len(comparisons) < 2*320 {
		t.Errorf("%d comparisons", len(comparisons))
	}
	return comparisons
}
