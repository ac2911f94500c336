package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// ID is the global id.
func (r userResolver) ID(_ context.Context, u *coassemble.User) (string, error) {
	return nodeID(scalar.UserNode, u)
}

// Client is the user's client in Thought Industries.
func (r userResolver) Client(ctx context.Context, objs []*coassemble.User) ([]*model.Client, error) {
	key := func(u *coassemble.User) (thoughtindustries.Key, bool, error) {
		identifier, ok, err := optionalKey(u.ClientIdentifier())
		return r.Link.ClientKey(identifier), ok, err
	}
	clients, err := join(ctx, objs, datasource.From(ctx).Clients(), key, clientOf)
	return visibleOnly(ctx, clients, err, r.canSeeClient)
}

// EmbedClient is the user's client in Coassemble.
func (r userResolver) EmbedClient(ctx context.Context, objs []*coassemble.User) ([]*coassemble.EmbedClient, error) {
	key := func(u *coassemble.User) (string, bool, error) { return optionalKey(u.ClientIdentifier()) }
	clients, err := join(ctx, objs, datasource.From(ctx).EmbedClients(), key, identity)
	return visibleOnly(ctx, clients, err, canSeeEmbedClient)
}

// Identity is the user's identity in MATTR.
func (r userResolver) Identity(ctx context.Context, objs []*coassemble.User) ([]*mattr.Identity, error) {
	return join(ctx, objs, datasource.From(ctx).UserIdentities(), userKey, identity)
}

// Credentials are those of the user's identity.
func (r userResolver) Credentials(ctx context.Context, objs []*coassemble.User, first *int,
	after *string) ([]*model.CredentialConnection, error) {
	if r.Link.User == "id" {
		return credentialsOf(ctx, objs, "User.credentials", userKey, first, after)
	}
	identities, err := r.Identity(ctx, objs)
	ids := make(map[*coassemble.User]string, len(objs))
	for i, u := range objs {
		if identities[i] != nil {
			ids[u] = identities[i].Key
		}
	}
	key := func(u *coassemble.User) (string, bool, error) { return ids[u], ids[u] != "", nil }
	pages, pageErr := credentialsOf(ctx, objs, "User.credentials", key, first, after)
	return pages, mergeErrors(err, pageErr)
}

// mergeErrors joins the errors of two batches over the same parents, each of which failed in one of the two at most.
func mergeErrors(a, b error) error {
	first, ok := a.(graphql.BatchErrorList)
	if !ok {
		return b
	}
	second, ok := b.(graphql.BatchErrorList)
	for i := range second {
		if ok && first[i] == nil {
			first[i] = second[i]
		}
	}
	return first
}

func userKey(u *coassemble.User) (string, bool, error) { return u.Key, u.Key != "", nil }
