package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Client is the client that the license names.
func (r licenseResolver) Client(ctx context.Context, objs []*model.License) ([]*model.Client, error) {
	return namedClients(ctx, r.Resolver, objs)
}

// Client is the client that the learning path names.
func (r learningPathResolver) Client(ctx context.Context, objs []*model.LearningPath) ([]*model.Client, error) {
	return namedClients(ctx, r.Resolver, objs)
}

// naming is content that names a client.
type naming interface {
	ClientKeys() (*model.ClientKeys, error)
	Document() *document.Document
}

// namedClients are the clients that content names: the one around it, else one that is read like any other. A client
// that the backend embeds has fewer members than the client itself, under the same global id.
func namedClients[P naming](ctx context.Context, r *Resolver, objs []P) ([]*model.Client, error) {
	around := make([]*model.Client, len(objs))
	keys := make([]thoughtindustries.Key, len(objs))
	errs := make([]error, len(objs))
	for i, o := range objs {
		keys[i], errs[i] = namedKey(o)
		d := o.Document()
		switch {
		case keys[i].Value == "":
		case r.ShownKey(d, keys[i].Field) == keys[i].Value:
			around[i] = newClient(d)
		case bound(ctx):
			d, errs[i] = r.tenantClient(ctx, keys[i])
			around[i], keys[i] = newClient(d), thoughtindustries.Key{}
		}
	}
	places := make([]int, len(objs))
	for i := range places {
		places[i] = i
	}
	key := func(i int) (thoughtindustries.Key, bool, error) {
		return keys[i], keys[i].Value != "" && around[i] == nil, errs[i]
	}
	clients, err := join(ctx, places, datasource.From(ctx).Clients(), key, clientOf)
	for i, c := range around {
		if c != nil {
			clients[i] = c
		}
	}
	return visibleOnly(ctx, clients, err, r.canSeeClient)
}

func namedKey(o naming) (thoughtindustries.Key, error) {
	keys, err := o.ClientKeys()
	if keys == nil || err != nil {
		return thoughtindustries.Key{}, err
	}
	field, value, err := keys.Key()
	return thoughtindustries.Key{Field: field, Value: value}, err
}
