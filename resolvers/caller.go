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

// A caller who is bound to clients sees their records alone; all else does not exist, whichever way leads there. Clients
// are named by what Coassemble calls them, which is what LINK_CLIENT joins on.

// bound says whether the caller sees some clients alone.
func bound(ctx context.Context) bool { return auth.FromContext(ctx).Bound }

func seesClientKey(ctx context.Context, key string) bool { return auth.FromContext(ctx).Allows(key) }

func (r *Resolver) seesClient(ctx context.Context, c *model.Client) bool {
	if c == nil || !bound(ctx) {
		return true
	}
	key, ok, err := clientResolver{r}.embedKey(c)
	return err == nil && ok && seesClientKey(ctx, key)
}

func (r *Resolver) seesDocument(ctx context.Context, d *document.Document) bool {
	return r.seesClient(ctx, newClient(d))
}

func seesEmbedClient(ctx context.Context, c *coassemble.EmbedClient) bool {
	return c == nil || seesClientKey(ctx, c.Identifier)
}

// seesUser takes a user who was listed under a client by name alone for one of that client.
func seesUser(ctx context.Context, u *coassemble.User) bool {
	if u == nil || !bound(ctx) {
		return true
	}
	client, ok, err := present(u.ClientIdentifier())
	return err == nil && ok && seesClientKey(ctx, client)
}

// seesIdentities asks for the users whom identities belong to: an identity belongs to its user's client, else to none.
func (r *Resolver) seesIdentities(ctx context.Context, list []*mattr.Identity) ([]bool, error) {
	seen := make([]bool, len(list))
	if !bound(ctx) {
		for i := range seen {
			seen[i] = true
		}
		return seen, nil
	}
	users, err := identityResolver{r}.User(ctx, list)
	for i, u := range users {
		seen[i] = u != nil && seesUser(ctx, u)
	}
	return seen, err
}

// seesIdentity looks through the caller's own identities where a route does not show whom an identity belongs to: a read by
// id need not show the provider that a search shows.
func (r *Resolver) seesIdentity(ctx context.Context, i *mattr.Identity) (bool, error) {
	if i == nil {
		return true, nil
	}
	seen, err := r.seesIdentities(ctx, []*mattr.Identity{i})
	if seen[0] || err != nil || !r.hidesUser(i) {
		return seen[0], firstOf(err)
	}
	user, err := ownerAmong(ctx, ownUsersAfter(ctx, ownKeys(ctx), scalar.Cursor{}), i.ID)
	return user != "", err
}

// hidesUser says whether a record lacks the provider that joins it with a user.
func (r *Resolver) hidesUser(i *mattr.Identity) bool {
	if r.Link.User == "id" || r.Link.claim() != "" {
		return false
	}
	p, err := i.AuthenticationProvider()
	return err == nil && p == nil
}

// visible keeps what the caller sees of what a join leads to.
func visible[T any](ctx context.Context, list []*T, err error, sees func(context.Context, *T) bool) ([]*T, error) {
	if bound(ctx) {
		for i, v := range list {
			if v != nil && !sees(ctx, v) {
				list[i] = nil
			}
		}
	}
	return list, err
}

// The right to write rests on records that are read at the backend for it, never on cached ones: somebody may have moved
// them to another client with the vendor's own tools. What cannot be read is not written. A write to what the caller does
// not see is refused as one to what does not exist.

func errNotFound() error { return &upstream.Error{Kind: upstream.NotFound} }

func (r mutationResolver) ownsEmbedClient(ctx context.Context, key string) error {
	if !seesClientKey(ctx, key) {
		return errNotFound()
	}
	return nil
}

func (r mutationResolver) ownsUser(ctx context.Context, key string) error {
	switch {
	case !bound(ctx):
		return nil
	case r.Coassemble == nil:
		return notConfigured(upstream.Coassemble)
	}
	u, err := r.Coassemble.User(ctx, key)
	if err == nil && !seesUser(ctx, u) {
		return errNotFound()
	}
	return err
}

// ownsIdentity reads an identity only where it is that of one of the caller's users.
func (r mutationResolver) ownsIdentity(ctx context.Context, key string) error {
	switch {
	case !bound(ctx):
		return nil
	case r.MATTR == nil:
		return notConfigured(upstream.MATTR)
	case r.Coassemble == nil:
		return notConfigured(upstream.Coassemble)
	case r.Link.User == "id":
		if err := r.ownsUser(ctx, key); err != nil {
			return err
		}
		_, err := r.identityByID(ctx, key)
		return err
	}
	user, err := ownerAmong(ctx, r.ownUsersNow(ctx), key)
	if err == nil && user != "" {
		user, err = r.ownerNow(ctx, key, user)
	}
	switch {
	case err != nil:
		return err
	case user == "":
		return errNotFound()
	}
	return r.ownsUser(ctx, user)
}

// ownerNow returns the user whom an identity belongs to at the backend, empty where it belongs to none. A read by id need not
// show the key that joins; then a search confirms that it still is that of the user who is known to have had it.
func (r mutationResolver) ownerNow(ctx context.Context, id, known string) (string, error) {
	i, err := r.identityByID(ctx, id)
	if err != nil {
		return "", err
	}
	if !r.hidesUser(i) {
		user, _, err := r.userKeyOf(i)
		return user, err
	}
	found, err := r.searchUserIdentity(ctx, known)
	switch {
	case upstream.KindOf(err) == upstream.NotFound:
		return "", nil
	case err != nil:
		return "", err
	case !strings.EqualFold(found.ID, id):
		return "", nil
	}
	return known, nil
}

// keepsOwner refuses a change that would hang an identity on a user whom the caller does not see. Whether such a user
// exists must make no difference.
func (r mutationResolver) keepsOwner(ctx context.Context, change mattr.Update) error {
	user, path := r.newOwner(change)
	if user == "" {
		return nil
	}
	err := r.ownsUser(ctx, user)
	if upstream.KindOf(err) == upstream.NotFound {
		return scalar.Input("must name a user whom you may change", path...)
	}
	return err
}

// newOwner is the user that a change of an identity names by the key that joins, and where; "" is a change of other
// things.
func (r *Resolver) newOwner(change mattr.Update) (user string, path []string) {
	switch claim := r.Link.claim(); {
	case claim != "":
		return textMember(change.Claims, claim), []string{"claims"}
	case r.Link.User != "id" && change.Provider != nil:
		return value(change.Provider.SubjectID), []string{"authenticationProvider", "subjectId"}
	}
	return "", nil
}
