package datasource

import (
	"context"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// A caller who is bound to clients must not find out whether a record of somebody else exists. So a lookup by key makes
// the same calls for a record that is not there and for one that is not the caller's, whatever the cache has of either.

// owns reports whether a user belongs to a client of the operation's tenant.
func (o *Operation) owns(u *coassemble.User) bool {
	return slices.Contains(o.tenant, clientOf(u))
}

// fetchTenantUsers reads users that the cache has as the tenant's own like any user, every other one with a call of its
// own.
func (o *Operation) fetchTenantUsers(ctx context.Context, keys []string,
	together *roundMember) []cache.Result[*coassemble.User] {
	s := o.source
	cached := s.users.items.Stored(ctx, keys...)
	var own, others []int
	for i, k := range keys {
		if m, ok := cached[k]; ok && o.owns(m) {
			own = append(own, i)
		} else {
			others = append(others, i)
		}
	}
	users := make([]cache.Result[*coassemble.User], len(keys))
	for i, r := range s.users.load(ctx, at(keys, own), together) {
		users[own[i]] = r
	}
	answers := make([]cache.Answer[*coassemble.User], len(keys))
	eachOf(ctx, keys, others, answers, func(ctx context.Context, i int) (cache.Entry[*coassemble.User], error) {
		return o.readTenantUser(ctx, keys[i])
	})
	for _, i := range others {
		k, a := keys[i], &answers[i]
		if a.Found {
			s.users.items.Put(ctx, k, a.Entry)
			cache.FactsFrom(ctx).DependOn(append(a.Tags, s.users.items.Tag(k))...)
		}
		users[i] = cache.Result[*coassemble.User]{Value: a.Value, Found: a.Found, Err: a.Err}
	}
	return users
}

func (o *Operation) readTenantUser(ctx context.Context, key string) (cache.Entry[*coassemble.User], error) {
	u, meta, err := o.source.Coassemble.User(ctx, key)
	switch {
	case err != nil:
		return cache.Entry[*coassemble.User]{}, err
	case !o.owns(u):
		return cache.Entry[*coassemble.User]{}, &upstream.Error{Kind: upstream.NotFound}
	}
	return entryOf(u, meta, o.source.userTags(u)...), nil
}
