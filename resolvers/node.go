package resolvers

import (
	"cmp"
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

type foundNode struct {
	node model.Node
	err  error
}

// nodes looks objects of any type up, a batch a type, all types at once.
func (r queryResolver) nodes(ctx context.Context, ids []string, argument func(i int) string) ([]foundNode, error) {
	keys := map[scalar.NodeType][]string{}
	places := map[scalar.NodeType][]int{}
	for i, id := range ids {
		t, key, err := scalar.DecodeID(id)
		if err != nil {
			return nil, scalar.Input(err.Error(), argument(i))
		}
		if err := checkNodeKey(t, key); err != nil {
			return nil, scalar.Input(err.Error(), argument(i))
		}
		keys[t], places[t] = append(keys[t], key), append(places[t], i)
	}
	l := loadersOf(ctx)
	found := make([]foundNode, len(ids))
	var group task.Group
	for t := range keys {
		group.Go(func() error {
			for j, n := range l.nodesOf(ctx, t, keys[t]) {
				found[places[t][j]] = r.visibleNode(ctx, n)
			}
			return nil
		}, func(err error) {
			for _, i := range places[t] {
				found[i].err = cmp.Or(found[i].err, err)
			}
		})
	}
	group.Wait()
	return found, nil
}

// checkNodeKey refuses what cannot name anything.
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

// visibleNode is the node where the caller sees it.
func (r queryResolver) visibleNode(ctx context.Context, n foundNode) foundNode {
	if !bound(ctx) || n.node == nil {
		return n
	}
	seen, err := false, n.err
	switch v := n.node.(type) {
	case *model.Client:
		seen = r.seesClient(ctx, v)
	case *coassemble.EmbedClient:
		seen = seesEmbedClient(ctx, v)
	case *coassemble.User:
		seen = seesUser(ctx, v)
	case *mattr.Identity:
		seen, err = r.seesIdentity(ctx, v)
	case *model.Credential:
		var i *mattr.Identity
		if i, err = load(ctx, loadersOf(ctx).identities, v.Identity); i != nil && err == nil {
			seen, err = r.seesIdentity(ctx, i)
		}
	}
	if !seen {
		n.node = nil
	}
	return foundNode{n.node, err}
}

func (l *loaders) nodesOf(ctx context.Context, t scalar.NodeType, keys []string) []foundNode {
	switch t {
	case scalar.ClientNode:
		clientKeys := make([]thoughtindustries.Key, len(keys))
		for i, k := range keys {
			clientKeys[i] = thoughtindustries.Key{Field: "id", Value: k}
		}
		return loadNodes(ctx, l.clients, clientKeys, clientOf)
	case scalar.EmbedClientNode:
		return loadNodes(ctx, l.embedClients, keys, itself)
	case scalar.UserNode:
		return loadNodes(ctx, l.users, keys, itself)
	case scalar.CredentialNode:
		return l.credentialNodes(ctx, keys)
	}
	return loadNodes(ctx, l.identities, keys, itself)
}

// loadNodes keeps what is not found a nil interface: a nil pointer in one would be an object.
func loadNodes[K comparable, V, N any](ctx context.Context, l *loader.Loader[K, V], keys []K, shape func(K, V) N) []foundNode {
	found := make([]foundNode, len(keys))
	for i, result := range l.Load(ctx, keys) {
		found[i].err = result.Err
		if result.Found {
			found[i].node = shape(keys[i], result.Value)
		}
	}
	return found
}

func addElementError(ctx context.Context, i int, err error) {
	path := append(slices.Clone(graphql.GetPath(ctx)), ast.PathIndex(i))
	graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path})
}
