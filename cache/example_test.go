package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/learngraph/learngraph/cache"
)

// A space keeps one kind of value. Load fetches missing keys, and a write drops the keys that it changed.
func Example() {
	ctx := context.Background()
	c, err := cache.New(cache.Options{TTL: time.Minute, Memory: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	names := cache.NewSpace(c, cache.SpaceOptions[string]{Kind: "name", Backend: "directory", Size: func(s string) int { return len(s) }})
	fetch := func(_ context.Context, missing []cache.Missing) (answers []cache.Answer[string]) {
		for _, m := range missing {
			fmt.Println("fetch", m.Key)
			answers = append(answers, cache.Answer[string]{Entry: cache.Entry[string]{Value: "name of " + m.Key}, Found: true})
		}
		return answers
	}
	names.Load(ctx, []string{"a"}, fetch)
	got := names.Load(ctx, []string{"a", "b"}, fetch)
	fmt.Println(got[0].Value, got[0].Fact.Backend)

	names.Drop(ctx, "a")
	names.Load(ctx, []string{"a", "b"}, fetch)
	// Output:
	// fetch a
	// fetch b
	// name of a directory
	// fetch a
}
