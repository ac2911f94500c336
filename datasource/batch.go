package datasource

import (
	"context"

	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// each reads every key on its own, all at once; the limiter bounds the calls. A key that is not found is in neither map.
func each[V any](ctx context.Context, keys []string, read func(context.Context, string) (V, error)) (map[string]V, map[string]error) {
	found, failed := make(map[string]V, len(keys)), map[string]error{}
	var group task.Group
	for _, key := range keys {
		var value V
		group.Go(func() (err error) {
			value, err = read(upstream.WithKeys(ctx, key), key)
			return err
		}, func(err error) {
			switch {
			case err == nil:
				found[key] = value
			case upstream.KindOf(err) != upstream.NotFound:
				failed[key] = err
			}
		})
	}
	group.Wait()
	return found, failed
}
