package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// ID is the global id.
func (r identityResolver) ID(_ context.Context, i *mattr.Identity) (string, error) {
	return nodeID(scalar.IdentityNode, i)
}

// User is the user whom the identity belongs to, where it shows the key that joins.
func (r identityResolver) User(ctx context.Context, objs []*mattr.Identity) ([]*coassemble.User, error) {
	users, err := join(ctx, objs, datasource.From(ctx).Users(), r.Link.UserKey, identity)
	return visibleOnly(ctx, users, err, canSeeUser)
}

// Credentials are the credentials issued to the identity. One that is gone has none.
func (r identityResolver) Credentials(ctx context.Context, objs []*mattr.Identity, first *int,
	after *string) ([]*model.CredentialConnection, error) {
	key := func(i *mattr.Identity) (string, bool, error) { return i.Key, i.Key != "", nil }
	pages, err := credentialsOf(ctx, objs, "Identity.credentials", key, first, after)
	errs, _ := err.(graphql.BatchErrorList)
	for i, p := range pages {
		if p == nil && (errs == nil || errs[i] == nil) {
			pages[i] = model.NewConnection[*model.Credential](nil, nil, false, after != nil)
		}
	}
	return pages, err
}
