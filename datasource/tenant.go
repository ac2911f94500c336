package datasource

import (
	"context"
	"maps"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// A caller who is bound to clients must not find out whether a record of somebody else exists. So a lookup by key makes the
// same calls for a record that is not there and for one that is not the caller's, whatever the cache has of either.

// owns reports whether a user belongs to a client of the operation's tenant.
func (o *Operation) owns(u *coassemble.User) bool {
	return slices.Contains(o.tenant, clientOf(u))
}

// fetchTenantUsers reads users that the cache has as the tenant's own like any user, every other one with a call of its own.
func (o *Operation) fetchTenantUsers(ctx context.Context, keys []string) (map[string]*coassemble.User, failures[string]) {
	s := o.source
	cached := s.users.items.Stored(ctx, keys...)
	var own, others []string
	for _, k := range keys {
		if w, ok := cached[k]; ok && o.owns(w.Stale) {
			own = append(own, k)
		} else {
			others = append(others, k)
		}
	}
	found, failed := s.users.load(ctx, own)
	read, errs := each(ctx, others, sameText, o.readTenantUser)
	for k, f := range read {
		s.users.items.Put(ctx, k, f)
		cache.FactsFrom(ctx).DependOn(append(f.Tags, s.users.items.Tag(k))...)
		found[k] = f.Value
	}
	maps.Copy(failed, errs)
	return found, failed
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
