package datasource

import (
	"testing"

	"github.com/learngraph/learngraph/cache"
)

func TestAnOperationMakesItsLoadersWhenItAsksThem(t *testing.T) {
	c, err := cache.New(cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s := New(Options{Cache: c})
	if got := testing.AllocsPerRun(100, func() { s.Begin(t.Context(), nil) }); got > 4 {
		t.Errorf("an operation that asks no loader takes %v allocations, want at most 4", got)
	}
	o := From(s.Begin(t.Context(), nil))
	if first := o.Users(); first != o.Users() {
		t.Error("one operation has two loaders of users")
	}
	if o.loaders.users == nil || o.loaders.clients != nil || o.loaders.identities != nil {
		t.Errorf("got the loaders %+v, want the one of users alone", o.loaders)
	}
}
