package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// ID is the global id.
func (r embedClientResolver) ID(_ context.Context, c *coassemble.EmbedClient) (string, error) {
	return nodeID(scalar.EmbedClientNode, c)
}

// Client is the same client in Thought Industries.
func (r embedClientResolver) Client(ctx context.Context, objs []*coassemble.EmbedClient) ([]*model.Client, error) {
	key := func(c *coassemble.EmbedClient) (thoughtindustries.Key, bool, error) {
		return r.Link.ClientKey(c.Key), c.Key != "", nil
	}
	clients, err := join(ctx, objs, datasource.From(ctx).Clients(), key, clientOf)
	return visibleOnly(ctx, clients, err, r.canSeeClient)
}

// Users are the client's users.
func (r embedClientResolver) Users(ctx context.Context, objs []*coassemble.EmbedClient, first *int,
	after *string) ([]*model.UserConnection, error) {
	key := func(c *coassemble.EmbedClient) (string, bool, error) { return c.Key, c.Key != "", nil }
	return usersOf(ctx, objs, "EmbedClient.users", key, first, after)
}

// nodeID is the global id of a record.
func nodeID(t scalar.NodeType, record interface{ SourceID() (string, error) }) (string, error) {
	key, err := record.SourceID()
	if err != nil {
		return "", err
	}
	return scalar.EncodeID(t, key), nil
}

// stubEmbedClientFields are those that a client who was listed by name alone can answer.
var stubEmbedClientFields = []string{"__typename", "id", "sourceId", "client", "users"}

// hydrateEmbedClients reads the clients that a list showed by name alone, where more than that is selected, and leaves
// out those that are gone, with their cursors.
func hydrateEmbedClients(ctx context.Context, clients []*coassemble.EmbedClient,
	cursors []string) ([]*coassemble.EmbedClient, []string) {
	if !needsHydration(ctx, "EmbedClient", stubEmbedClientFields) {
		return clients, cursors
	}
	var keys []string
	for _, c := range clients {
		if c != nil && c.Bare {
			keys = append(keys, c.Key)
		}
	}
	if len(keys) == 0 {
		return clients, cursors
	}
	results := datasource.From(ctx).EmbedClients().Load(ctx, keys)
	var whole []*coassemble.EmbedClient
	var places []string
	for i, c := range clients {
		if c != nil && c.Bare {
			r := results[0]
			results = results[1:]
			if addPartialError(ctx, r.Err); !r.Found && r.Err == nil {
				continue
			}
			c = r.Value
		}
		whole, places = append(whole, c), append(places, cursors[i])
	}
	return whole, places
}
