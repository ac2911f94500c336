package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/graph/scalar"
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
		r.InvalidateClient(ctx, key)
	case scalar.EmbedClientNode:
		r.InvalidateEmbedClient(ctx, key)
	case scalar.UserNode:
		r.InvalidateUser(ctx, key)
	case scalar.IdentityNode:
		r.InvalidateIdentity(ctx, key)
	default:
		return scalar.Input("must be Client, EmbedClient, User or Identity", "type")
	}
	return nil
}
