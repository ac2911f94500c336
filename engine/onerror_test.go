package engine_test

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/learngraph/learngraph/engine"
)

func TestTheCallerChoosesWhatAnErrorDoes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		onError           engine.OnError
		query, data, errs string
	}{
		{engine.Propagate, `{ thing { name must { name } } }`, `{"thing":null}`, "thing.must.name"},
		{engine.Null, `{ thing { name must { name } } }`, `{"thing":{"name":"a","must":{"name":null}}}`, "thing.must.name"},
		{engine.Null, `{ must { must { must { name } } } }`, `{"must":{"must":{"must":null}}}`, "must.must.must"},
		{engine.Null, `{ thing { list { name } x: name } }`, `{"thing":{"list":[{"name":"a"},{"name":null}],"x":"a"}}`, "thing.list[1].name"},
		{engine.Abort, `{ thing { name must { name also: name } } must { name } }`, `null`, "thing.must.name"},
		{engine.Abort, `{ thing { name } must { next { name } } }`, `null`, "must.next.name"},
		{engine.Abort, `{ thing { name } }`, `{"thing":{"name":"a"}}`, ""},
	}
	for _, tt := range tests {
		e := newEngine()
		respond, ctx := executor.New(e).DispatchOperation(engine.WithBuffer(t.Context(), &engine.Buffer{OnError: tt.onError}), operation(t, e, tt.query, nil))
		resp := respond(ctx)
		var errs []string
		for _, err := range resp.Errors {
			errs = append(errs, err.Path.String())
		}
		if got := strings.Join(errs, ", "); string(resp.Data) != tt.data || got != tt.errs {
			t.Errorf("%d %s\ngot  %s, errors %s\nwant %s, errors %s", tt.onError, tt.query, resp.Data, got, tt.data, tt.errs)
		}
	}
}
