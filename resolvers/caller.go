package resolvers

import (
	"context"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// A caller who is bound to clients sees their records alone; all else does not exist, whichever way leads there.
// Clients are named by their keys at Coassemble, which LINK_CLIENT joins on.

// bound reports whether the caller sees only some clients.
func bound(ctx context.Context) bool { return auth.FromContext(ctx).Bound }

func canSeeClientKey(ctx context.Context, key string) bool {
	return auth.FromContext(ctx).Allows(key)
}

func (r *Resolver) canSeeClient(ctx context.Context, c *model.Client) bool {
	if c == nil || !bound(ctx) {
		return true
	}
	key, ok, err := clientResolver{r}.embedKey(c)
	return err == nil && ok && canSeeClientKey(ctx, key)
}

func (r *Resolver) canSeeDocument(ctx context.Context, d *document.Document) bool {
	return r.canSeeClient(ctx, newClient(d))
}

func canSeeEmbedClient(ctx context.Context, c *coassemble.EmbedClient) bool {
	return c == nil || canSeeClientKey(ctx, c.Key)
}

// canSeeUser takes a user who was listed under a client by name alone for one of that client.
func canSeeUser(ctx context.Context, u *coassemble.User) bool {
	if u == nil || !bound(ctx) {
		return true
	}
	client, ok, err := optionalKey(u.ClientIdentifier())
	return err == nil && ok && canSeeClientKey(ctx, client)
}

// canSeeIdentities asks for the users whom identities belong to: an identity belongs to its user's client, else to
// none.
func (r *Resolver) canSeeIdentities(ctx context.Context, list []*mattr.Identity) ([]bool, error) {
	seen := make([]bool, len(list))
	if !bound(ctx) {
		for i := range seen {
			seen[i] = true
		}
		return seen, nil
	}
	users, err := identityResolver{r}.User(ctx, list)
	for i, u := range users {
		seen[i] = u != nil && canSeeUser(ctx, u)
	}
	return seen, err
}

// canSeeIdentity looks through the caller's own identities where a route does not show whom an identity belongs to: a
// read by id need not show the provider that a search shows.
func (r *Resolver) canSeeIdentity(ctx context.Context, i *mattr.Identity) (bool, error) {
	if i == nil {
		return true, nil
	}
	seen, err := r.canSeeIdentities(ctx, []*mattr.Identity{i})
	if seen[0] || err != nil || !r.Link.LacksProvider(i) {
		return seen[0], firstOf(err)
	}
	user, err := findOwner(ctx, tenantUsersAfter(ctx, tenantKeys(ctx), scalar.Cursor{}), i.Key)
	return user != "", err
}

// visibleOnly keeps the values of a join that the caller may see.
func visibleOnly[T any](ctx context.Context, list []*T, err error, sees func(context.Context, *T) bool) ([]*T, error) {
	if bound(ctx) {
		for i, v := range list {
			if v != nil && !sees(ctx, v) {
				list[i] = nil
			}
		}
	}
	return list, err
}

// The right to write rests on records that are read at the backend for it, never on cached ones: somebody may have
// moved them to another client with the vendor's own tools. A record that cannot be read is not written. A write to a
// record that the caller may not see is refused as one to a record that does not exist.

func errNotFound() error { return &upstream.Error{Kind: upstream.NotFound} }

func (r mutationResolver) ownsEmbedClient(ctx context.Context, key string) error {
	if !canSeeClientKey(ctx, key) {
		return errNotFound()
	}
	return nil
}

func (r mutationResolver) ownsUser(ctx context.Context, key string) error {
	if !bound(ctx) {
		return nil
	}
	u, err := r.FreshUser(ctx, key)
	if err == nil && !canSeeUser(ctx, u) {
		return errNotFound()
	}
	return err
}

// ownsIdentity reads an identity only where it is that of one of the caller's users.
func (r mutationResolver) ownsIdentity(ctx context.Context, key string) error {
	if !bound(ctx) {
		return nil
	}
	if err := r.Configured(upstream.MATTR, upstream.Coassemble); err != nil {
		return err
	}
	if r.Link.User == "id" {
		if err := r.ownsUser(ctx, key); err != nil {
			return err
		}
		_, err := r.FreshIdentity(ctx, key)
		return err
	}
	user, err := findOwner(ctx, r.freshTenantUsers(ctx), key)
	if err == nil && user != "" {
		user, err = r.currentOwner(ctx, key, user)
	}
	switch {
	case err != nil:
		return err
	case user == "":
		return errNotFound()
	}
	return r.ownsUser(ctx, user)
}

// currentOwner returns the user whom an identity belongs to at the backend, empty where it belongs to none. A read by
// id need not show the key that joins; then a search confirms that it still is that of the user who is known to have
// had it.
func (r mutationResolver) currentOwner(ctx context.Context, id, known string) (string, error) {
	i, err := r.FreshIdentity(ctx, id)
	if err != nil {
		return "", err
	}
	if !r.Link.LacksProvider(i) {
		user, _, err := r.Link.UserKey(i)
		return user, err
	}
	found, err := r.FreshUserIdentity(ctx, known)
	switch {
	case upstream.KindOf(err) == upstream.NotFound:
		return "", nil
	case err != nil:
		return "", err
	case !strings.EqualFold(found.Key, id):
		return "", nil
	}
	return known, nil
}

// checkOwner refuses a change that would hang an identity on a user whom the caller does not see. Whether such a user
// exists must make no difference.
func (r mutationResolver) checkOwner(ctx context.Context, change mattr.Update) error {
	user, path := r.Link.NewUser(change)
	if user == "" {
		return nil
	}
	err := r.ownsUser(ctx, user)
	if upstream.KindOf(err) == upstream.NotFound {
		return scalar.Input("must name a user whom you may change", path...)
	}
	return err
}
