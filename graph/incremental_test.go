package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/task"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// merged is an answer that was put together from its payloads.
type merged struct {
	text     []byte // of an answer that is not merged
	data     any
	errs     gqlerror.List
	payloads int
	problem  string
}

func (m *merged) addError(format string, args ...any) {
	if m.problem == "" {
		m.problem = fmt.Sprintf(format, args...)
	}
}

// at returns the value at a path, and what replaces it.
func (m *merged) at(path ast.Path) (v any, set func(any)) {
	v, set = m.data, func(v any) { m.data = v }
	for _, step := range path {
		switch step := step.(type) {
		case ast.PathName:
			object, ok := v.(map[string]any)
			if !ok {
				m.addError("nothing is at %s", path)
				return nil, func(any) {}
			}
			v, set = object[string(step)], func(v any) { object[string(step)] = v }
		case ast.PathIndex:
			list, ok := v.([]any)
			if !ok || int(step) >= len(list) {
				m.addError("nothing is at %s", path)
				return nil, func(any) {}
			}
			v, set = list[step], func(v any) { list[step] = v }
		}
	}
	return v, set
}

// combine merges b into a, as clients do.
func combine(a, b any) any {
	into, ok := a.(map[string]any)
	from, also := b.(map[string]any)
	if ok && also {
		for k, v := range from {
			into[k] = combine(into[k], v)
		}
		return into
	}
	list, ok := a.([]any)
	other, also := b.([]any)
	if ok && also {
		for i := range other {
			if i == len(list) {
				return append(list, other[i:]...)
			}
			list[i] = combine(list[i], other[i])
		}
		return list
	}
	return b
}

func (m *merged) add(inc engine.Increment) {
	m.errs = append(m.errs, inc.Errors...)
	if inc.Items == nil {
		v, set := m.at(inc.Path)
		if _, ok := v.(map[string]any); !ok {
			m.addError("no object is at %s", inc.Path)
		}
		set(combine(v, plain(string(inc.Data))))
		return
	}
	first := int(inc.Path[len(inc.Path)-1].(ast.PathIndex))
	v, set := m.at(inc.Path[:len(inc.Path)-1])
	list, ok := v.([]any)
	if !ok || len(list) < first {
		m.addError("elements from %d on are added to %v", first, v)
		return
	}
	for i, item := range inc.Items {
		if v := plain(string(item)); first+i < len(list) {
			list[first+i] = combine(list[first+i], v)
		} else {
			list = append(list, v)
		}
	}
	set(list)
}

type gateKey struct{}

// waitForFirst has the calls for later parts wait for the first payload.
func waitForFirst(ctx context.Context, _ string, _ int) {
	if task.IsLater(ctx) {
		task.Waiting(ctx)
		<-ctx.Value(gateKey{}).(chan struct{})
	}
}

// deliver executes an operation in parts and merges them. It checks what holds for all payloads.
func deliver(t testing.TB, w *world, loaded *graphql.OperationContext, format engine.Format, onError engine.OnError) *merged {
	t.Helper()
	first := make(chan struct{})
	ctx := context.WithValue(t.Context(), gateKey{}, first)
	w.calls = waitForFirst
	ctx = engine.WithBuffer(graphql.WithOperationContext(ctx, loaded), &engine.Buffer{OnError: onError})
	d := w.engine.Deliver(ctx, loaded, engine.Incremental{Format: format, Present: graphql.DefaultErrorPresenter})
	close(first)
	m := &merged{payloads: 1}
	data, errs := d.Data()
	m.errs = errs
	if !json.Valid(data) {
		t.Fatalf("the data is no JSON: %s", data)
	}
	m.data = plain(string(data))
	open := map[string]engine.Pending{}
	p := d.First()
	if p.HasNext == (len(p.Pending) == 0) {
		m.addError("hasNext is %t, pending is %v", p.HasNext, p.Pending)
	}
	for {
		for _, pending := range p.Pending {
			if _, ok := open[pending.ID]; ok {
				m.addError("%s is announced twice", pending.ID)
			}
			open[pending.ID] = pending
		}
		for _, inc := range p.Incremental {
			m.increment(open, inc)
		}
		for _, pending := range p.Pending {
			if v, _ := m.at(pending.Path); v == nil {
				m.addError("%s is announced for null", pending.Path)
			}
		}
		for _, c := range p.Completed {
			if _, ok := open[c.ID]; !ok {
				m.addError("%s ends without an announcement", c.ID)
			}
			delete(open, c.ID)
			m.errs = append(m.errs, c.Errors...)
		}
		if p.HasNext != (len(open) > 0) {
			m.addError("hasNext is %t, open are %v", p.HasNext, open)
		}
		if !p.HasNext || m.problem != "" {
			return m
		}
		for p = d.Next(); p == nil; p = d.Next() {
			<-d.Events()
		}
		m.payloads++
	}
}

// increment merges the data of the pending results.
func (m *merged) increment(open map[string]engine.Pending, inc engine.Increment) {
	pending, ok := open[inc.ID]
	switch {
	case !ok:
		m.addError("%s gets data without an announcement", inc.ID)
	case inc.Items == nil && append(slices.Clone(pending.Path), inc.SubPath...).String() != inc.Path.String():
		m.addError("%s and %s do not make %s", pending.Path, inc.SubPath, inc.Path)
	}
	m.add(inc)
}

// lacks returns where an answer lacks a value that another one has, apart from where a null did not pass on.
func lacks(want, got any, nulls bool, at string) string {
	switch want := want.(type) {
	case nil:
		if nulls {
			return ""
		}
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			break
		}
		for key := range want {
			if _, there := object[key]; !there && nulls {
				continue
			}
			if d := lacks(want[key], object[key], nulls, at+"."+key); d != "" {
				return d
			}
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) && !nulls || len(list) > len(want) {
			break
		}
		for i := range list {
			if d := lacks(want[i], list[i], nulls, fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
		return ""
	}
	return difference(want, got, at)
}

// once removes duplicates from an error set.
func once(set []string) []string { return slices.Compact(set) }

// differsWhenReady executes an operation none of whose calls waits for a backend. Its answer is whole, and the one that is not
// delivered in parts. Several writes are not looked at: parts of them may be left.
func differsWhenReady(t testing.TB, w *world, loaded *graphql.OperationContext, format engine.Format, onError engine.OnError, want *merged) string {
	t.Helper()
	w.calls = nil
	ctx := engine.WithBuffer(graphql.WithOperationContext(t.Context(), loaded), &engine.Buffer{OnError: onError})
	d := w.engine.Deliver(ctx, loaded, engine.Incremental{Format: format, Present: graphql.DefaultErrorPresenter})
	data, errs := d.Data()
	switch {
	case loaded.Operation.Operation == ast.Mutation && d.First().HasNext:
		return ""
	case d.First().HasNext:
		return "it has parts"
	case !bytes.Equal(data, want.text):
		return fmt.Sprintf("got %s, want %s", data, want.text)
	}
	return cmp.Diff(errorSet(want.errs), errorSet(errs))
}

// checkDelivery compares the merged payloads of one random operation with the answer that is not delivered in parts.
func checkDelivery(t testing.TB, w *world, seed uint64, payloads *atomic.Int64) bool {
	t.Helper()
	op := newDeferredOperation(schema(), seed)
	loaded, err := load(op)
	if err != nil {
		return false
	}
	if seed%8 == 0 {
		loaded.ResolverMiddleware = refusing(seed)
	}
	for _, onError := range []engine.OnError{engine.Propagate, engine.Null} {
		whole := &merged{}
		d := w.engine.Deliver(engine.WithBuffer(graphql.WithOperationContext(t.Context(), loaded), &engine.Buffer{OnError: onError}), loaded,
			engine.Incremental{Format: engine.Whole, Present: graphql.DefaultErrorPresenter})
		data, errs := d.Data()
		whole.text, whole.data, whole.errs = slices.Clone(data), plain(string(data)), errs
		for _, format := range []engine.Format{engine.Deduplicated, engine.Branching} {
			if what := differsWhenReady(t, w, loaded, format, onError, whole); what != "" {
				t.Fatalf("seed %d, format %d, onError %d: where all is ready: %s\n%s\n%v", seed, format, onError, what, op.query, op.variables)
			}
			got := deliver(t, w, loaded, format, onError)
			payloads.Add(int64(got.payloads))
			if got.problem != "" {
				t.Fatalf("seed %d, format %d, onError %d: %s\n%s\n%v", seed, format, onError, got.problem, op.query, op.variables)
			}
			strict := onError == engine.Null || len(whole.errs) == 0
			at := lacks(whole.data, got.data, !strict, "data")
			if strict && at == "" {
				at = difference(whole.data, got.data, "data")
			}
			if at != "" {
				t.Fatalf("seed %d, format %d, onError %d: data of\n%s\n%v\ndiffer: %s", seed, format, onError, op.query, op.variables, at)
			}
			if diff := cmp.Diff(once(errorSet(whole.errs)), once(errorSet(got.errs))); strict && diff != "" {
				t.Fatalf("seed %d, format %d: errors of\n%s\n%v\ndiffer (-whole +merged):\n%s", seed, format, op.query, op.variables, diff)
			}
		}
	}
	return true
}

func TestMergingAllPayloadsGivesTheAnswerWithoutTheDirectives(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprint("broken ", broken), func(t *testing.T) {
			t.Parallel()
			var payloads, checked atomic.Int64
			oracle(t, *operations/2, broken, func(t testing.TB, w *world, seed uint64) bool {
				ok := checkDelivery(t, w, seed, &payloads)
				if ok {
					checked.Add(1)
				}
				return ok
			})
			t.Cleanup(func() { t.Logf("%d operations, %d payloads", checked.Load(), payloads.Load()) })
		})
	}
}
