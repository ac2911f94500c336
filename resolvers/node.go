package resolvers

import (
	"cmp"
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

type nodeResult struct {
	node model.Node
	err  error
}

// nodeKey names an object of a type by a key of its backend.
type nodeKey struct {
	scalar.NodeType
	field string // of a Client: id, slug or sku
	key   string
}

// nodes looks objects of any type up by their global ids.
func (r queryResolver) nodes(ctx context.Context, ids []string, argument func(i int) string) []nodeResult {
	keys := make([]nodeKey, len(ids))
	found := make([]nodeResult, len(ids))
	for i, id := range ids {
		t, key, err := scalar.DecodeID(id)
		if err == nil {
			err = checkNodeKey(t, key)
		}
		if err != nil {
			found[i].err = scalar.Input(err.Error(), argument(i))
			continue
		}
		keys[i] = nodeKey{t, "id", key}
	}
	r.loadMissing(ctx, keys, found)
	return found
}

// loadMissing loads the nodes that are not found yet and have no error, a batch a type, all types at once.
func (r queryResolver) loadMissing(ctx context.Context, requested []nodeKey, found []nodeResult) {
	keys := map[scalar.NodeType][]nodeKey{}
	places := map[scalar.NodeType][]int{}
	for i, k := range requested {
		if found[i] == (nodeResult{}) && k != (nodeKey{}) {
			keys[k.NodeType], places[k.NodeType] = append(keys[k.NodeType], k), append(places[k.NodeType], i)
		}
	}
	var group task.Group
	for t := range keys {
		group.Go(func() error {
			nodes := r.tenantNodes
			if !bound(ctx) {
				nodes = nodesOf
			}
			for j, n := range nodes(ctx, t, keys[t]) {
				found[places[t][j]] = n
			}
			return nil
		}, func(err error) {
			for _, i := range places[t] {
				found[i].err = cmp.Or(found[i].err, err)
			}
		})
	}
	group.Wait()
}

// checkNodeKey refuses a text that cannot be a key.
func checkNodeKey(t scalar.NodeType, key string) error {
	if t != scalar.CredentialNode {
		return upstream.CheckIdentifier(key)
	}
	identity, credential, err := scalar.SplitCredentialKey(key)
	if err == nil {
		err = upstream.CheckIdentifier(identity)
	}
	if err == nil {
		err = upstream.CheckIdentifier(credential)
	}
	return err
}

func nodesOf(ctx context.Context, t scalar.NodeType, requested []nodeKey) []nodeResult {
	o := datasource.From(ctx)
	if t == scalar.ClientNode {
		keys := make([]thoughtindustries.Key, len(requested))
		for i, k := range requested {
			keys[i] = k.client()
		}
		return loadNodes(ctx, o.Clients(), keys, clientOf)
	}
	keys := make([]string, len(requested))
	for i, k := range requested {
		keys[i] = k.key
	}
	switch t {
	case scalar.EmbedClientNode:
		return loadNodes(ctx, o.EmbedClients(), keys, identity)
	case scalar.UserNode:
		return loadNodes(ctx, o.Users(), keys, identity)
	case scalar.CredentialNode:
		return credentialNodes(ctx, keys)
	}
	return loadNodes(ctx, o.Identities(), keys, identity)
}

// client is the key where it names a Client.
func (k nodeKey) client() thoughtindustries.Key {
	return thoughtindustries.Key{Field: k.field, Value: k.key}
}

// loadNodes leaves a missing node a nil interface: a nil pointer in one would be an object.
func loadNodes[K comparable, V, N any](ctx context.Context, l *loader.Loader[K, V], keys []K,
	shape func(K, V) (N, error)) []nodeResult {
	found := make([]nodeResult, len(keys))
	for i, result := range l.Load(ctx, keys) {
		if result.Found {
			found[i].node, found[i].err = shape(keys[i], result.Value)
		}
		found[i].err = cmp.Or(found[i].err, result.Err)
	}
	return found
}

func addElementError(ctx context.Context, i int, err error) {
	path := append(slices.Clone(graphql.GetPath(ctx)), ast.PathIndex(i))
	graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path})
}
