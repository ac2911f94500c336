package loader_test

import (
	"context"
	"fmt"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/loader"
)

// One operation asks for the same users in two places; each user is fetched once.
func Example() {
	ctx := context.Background()
	names := map[string]string{"u1": "Ada", "u2": "Grace"}
	type deliver = func(string, cache.Result[string]) // a result before the others, where callers want that
	users := loader.New(ctx, func(_ context.Context, keys []string, _ deliver) (results []cache.Result[string]) {
		fmt.Println("fetch", keys)
		for _, k := range keys {
			name, ok := names[k]
			results = append(results, cache.Result[string]{Value: name, Found: ok})
		}
		return results
	})
	users.Load(ctx, []string{"u1", "u2", "u1"})
	for _, r := range users.Load(ctx, []string{"u2", "u3"}) {
		fmt.Printf("%q %t\n", r.Value, r.Found)
	}
	// Output:
	// fetch [u1 u2]
	// fetch [u3]
	// "Grace" true
	// "" false
}
