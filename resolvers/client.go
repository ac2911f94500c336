package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Embed is the client's record in Coassemble.
func (r clientResolver) Embed(ctx context.Context, objs []*model.Client) ([]*coassemble.EmbedClient, error) {
	return join(ctx, objs, datasource.From(ctx).EmbedClients(), r.visibleKey(ctx), identity)
}

// Users are the client's users in Coassemble.
func (r clientResolver) Users(ctx context.Context, objs []*model.Client, first *int,
	after *string) ([]*model.UserConnection, error) {
	return usersOf(ctx, objs, "Client.users", r.visibleKey(ctx), first, after)
}

// visibleKey is the key of a client that the caller sees.
func (r clientResolver) visibleKey(ctx context.Context) func(*model.Client) (string, bool, error) {
	return func(c *model.Client) (string, bool, error) {
		key, ok, err := r.embedKey(c)
		return key, ok && canSeeClientKey(ctx, key), err
	}
}

// embedKey returns the client's key at Coassemble.
func (r clientResolver) embedKey(c *model.Client) (string, bool, error) {
	switch r.Link.Client {
	case "slug":
		return optionalKey(c.Slug())
	case "sku":
		return optionalKey(c.Sku())
	}
	id, err := c.SourceID()
	return optionalKey(&id, err)
}

func newClient(d *document.Document) *model.Client {
	if d == nil {
		return nil
	}
	return &model.Client{Object: d.Root()}
}

func clientOf(_ thoughtindustries.Key, d *document.Document) (*model.Client, error) {
	return newClient(d), nil
}
