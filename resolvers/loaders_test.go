package resolvers

import (
	"testing"

	"github.com/learngraph/learngraph/cache"
)

func TestAnOperationMakesItsLoadersWhenItAsksThem(t *testing.T) {
	kept, err := cache.New(cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	r := New(Options{Cache: kept})
	if got := testing.AllocsPerRun(100, func() { r.WithOperation(t.Context()) }); got > 4 {
		t.Errorf("an operation that asks no loader takes %v allocations, want at most 4", got)
	}
	l := loadersOf(r.WithOperation(t.Context()))
	if first := l.users(); first != l.users() {
		t.Error("one operation has two loaders of users")
	}
	if l.made.users == nil || l.made.clients != nil || l.made.identities != nil {
		t.Errorf("got the loaders %+v, want the one of users alone", l.made)
	}
}
