package datasource

import (
	"context"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// A caller who is bound to clients must not find out whether a record of somebody else exists. So a lookup by key makes the
// same calls for a record that is not there and for one that is not the caller's, whatever the cache has of either.

// owns reports whether a user belongs to a client of the operation's tenant.
func (o *Operation) owns(u *coassemble.User) bool {
	client, err := u.ClientIdentifier()
	return err == nil && client != nil && slices.Contains(o.tenant, *client)
}

// fetchTenantUsers reads users that the cache has as the tenant's own like any user, every other one with a call of its own.
func (o *Operation) fetchTenantUsers(ctx context.Context, keys []string) (map[string]*coassemble.User, map[string]error) {
	s := o.source
	cached := s.users.objects.Kept(ctx, keys...)
	var own, others []string
	for _, k := range keys {
		if w, ok := cached[k]; ok && o.owns(w.Stale) {
			own = append(own, k)
		} else {
			others = append(others, k)
		}
	}
	found, failed := unpack(s.users.objects.Load(ctx, own, s.readUsers))
	read, errs := eachKept(ctx, others, o.readTenantUser, s.userTags)
	for k, f := range read {
		s.users.objects.Put(ctx, k, f)
		cache.FactsFrom(ctx).DependOn(append(f.Tags, s.users.objects.Tag(k))...)
		found[k] = f.Value
	}
	return found, merged(failed, errs)
}

func (o *Operation) readTenantUser(ctx context.Context, key string) (*coassemble.User, error) {
	u, err := o.source.Coassemble.User(ctx, key)
	if err == nil && !o.owns(u) {
		return nil, &upstream.Error{Kind: upstream.NotFound}
	}
	return u, err
}
