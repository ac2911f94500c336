package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// Purge drops what is kept of an object in every replica, after somebody has changed it in the vendor's own tools. id is
// a global id of the type or the backend's own key.
func (r *Resolver) Purge(ctx context.Context, typeName, id string) error {
	t := scalar.NodeType(typeName)
	key := id
	if named, decoded, err := scalar.DecodeID(id); err == nil {
		if named != t {
			return scalar.Input("is the id of a "+string(named), "id")
		}
		key = decoded
	}
	if err := checkIdentifier(key, "id"); err != nil {
		return err
	}
	switch t {
	case scalar.ClientNode:
		r.store.clients.objects.Drop(ctx, key)
		r.store.clientWalk.Drop(ctx, wholeWalk)
		r.store.cache.DropTags(ctx, r.store.tag(upstream.ThoughtIndustries, allClients))
	case scalar.EmbedClientNode:
		embedClientDelete(key)(ctx, r.store)
	case scalar.UserNode:
		userDelete(key)(ctx, r.store)
	case scalar.IdentityNode:
		r.identityChange(key, mattr.Update{})(ctx, r.store)
	default:
		return scalar.Input("must be Client, EmbedClient, User or Identity", "type")
	}
	return nil
}
