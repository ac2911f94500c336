package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/scalar"
)

// purges are how the records of each type are looked for and dropped.
var purges = map[scalar.NodeType]struct {
	holds      func(*datasource.Source, context.Context, string) bool
	invalidate func(*datasource.Source, context.Context, string)
}{
	scalar.ClientNode:      {(*datasource.Source).HoldsClient, (*datasource.Source).InvalidateClient},
	scalar.EmbedClientNode: {(*datasource.Source).HoldsEmbedClient, (*datasource.Source).InvalidateEmbedClient},
	scalar.UserNode:        {(*datasource.Source).HoldsUser, (*datasource.Source).InvalidateUser},
	scalar.IdentityNode:    {(*datasource.Source).HoldsIdentity, (*datasource.Source).InvalidateIdentity},
}

// Purge removes a record from the cache of every replica, after it was changed in the vendor's own tools. id is a
// global id of the type or the backend's own key. It reports whether this replica or Redis held something of the
// record; the lists that could show it are dropped in any case.
func (r *Resolver) Purge(ctx context.Context, typeName, id string) (held bool, err error) {
	t := scalar.NodeType(typeName)
	purge, ok := purges[t]
	if !ok {
		return false, scalar.Input("must be Client, EmbedClient, User or Identity", "type")
	}
	key := id
	if named, decoded, err := scalar.DecodeID(id); err == nil {
		if named != t {
			return false, scalar.Input("is the id of a "+string(named), "id")
		}
		key = decoded
	}
	if err := checkIdentifier(key, "id"); err != nil {
		return false, err
	}
	held = purge.holds(r.Source, ctx, key)
	purge.invalidate(r.Source, ctx, key)
	return held, nil
}
