package resolvers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// The lists of a caller who is bound to clients are made from those clients. A page of the backend's list with the
// others left out would reveal them: in its length, in whether another follows, in cursors, which count those before or
// hold the backend's own. And a caller with records at its end would page through many empty pages.

// tenantKeys are the clients that a bound caller sees, in order; nil is a caller who sees all.
func tenantKeys(ctx context.Context) []string {
	who := auth.FromContext(ctx)
	if !who.Bound {
		return nil
	}
	keys := slices.DeleteFunc(slices.Clone(who.Clients), func(k string) bool { return k == "" })
	slices.Sort(keys)
	return append([]string{}, slices.Compact(keys)...)
}

// tenantPage is a page of the records of the keys. Keys that lead to nothing take no place on it.
func tenantPage[K comparable, V, R any](ctx context.Context, l *loader.Loader[K, V], keys []K, page pageRequest,
	shape func(K, V) (R, error)) (*model.Connection[R], error) {
	var nodes []R
	var cursors []string
	at := min(page.Offset, len(keys))
	for at < len(keys) && len(nodes) < page.size {
		window := keys[at:min(at+page.size-len(nodes), len(keys))]
		for i, result := range l.Load(ctx, window) {
			if result.Err != nil {
				return nil, result.Err
			}
			if at++; result.Found {
				page.Offset = at
				node, err := shape(window[i], result.Value)
				if err != nil {
					return nil, err
				}
				nodes, cursors = append(nodes, node), append(cursors, page.Encode())
			}
		}
	}
	return model.NewConnection(nodes, cursors, at < len(keys), page.continued), nil
}

// partOf returns the requested part of a whole list.
func partOf[V any](all []V, page pageRequest) *model.Connection[V] {
	start := min(page.Offset, len(all))
	end := min(start+page.size, len(all))
	return model.NewConnection(all[start:end], page.cursors(end-start), end < len(all), page.continued)
}

// searchPage is how many records a search for a bound caller reads at once.
const searchPage = 100

// tenantClients are the clients of a bound caller. A search looks at these alone: the backend's own would also find
// others, and take calls for them.
func (r queryResolver) tenantClients(ctx context.Context, own []string, q thoughtindustries.Query,
	page pageRequest) (*model.Connection[*model.Client], error) {
	keys := make([]thoughtindustries.Key, len(own))
	for i, k := range own {
		keys[i] = r.Link.ClientKey(k)
	}
	l := datasource.From(ctx).Clients()
	if q.Search == "" && q.Sort == "" {
		return tenantPage(ctx, l, keys, page, clientOf)
	}
	order, err := sorting(q.Sort)
	if err != nil {
		return nil, err
	}
	var all []*model.Client
	for _, result := range l.Load(ctx, keys) {
		if result.Err != nil {
			return nil, result.Err
		}
		if result.Found && r.canSeeDocument(ctx, result.Value) && r.mentions(result.Value, q.Search) {
			all = append(all, newClient(result.Value))
		}
	}
	slices.SortStableFunc(all, order)
	return partOf(all, page), nil
}

// tenantUsers goes through the users of one client after the other.
type tenantUsers struct {
	keys []string
	read func(datasource.PageKey) (datasource.Page[*coassemble.User], error)
	// client is a place among the keys, offset one among its users.
	client, offset int
	seen           map[string]bool
}

// tenantUsersAfter starts behind the user that a cursor names. Its token is the client's key.
func tenantUsersAfter(ctx context.Context, own []string, c scalar.Cursor) *tenantUsers {
	client, found := slices.BinarySearch(own, c.Token)
	if !found {
		c.Offset = 0
	}
	read := func(k datasource.PageKey) (datasource.Page[*coassemble.User], error) {
		return load(ctx, datasource.From(ctx).UserPages(), k)
	}
	return &tenantUsers{keys: own, read: read, client: client, offset: c.Offset, seen: map[string]bool{}}
}

// freshTenantUsers goes through the users of a bound caller's clients as the backend has them now.
func (r *Resolver) freshTenantUsers(ctx context.Context) *tenantUsers {
	read := func(k datasource.PageKey) (datasource.Page[*coassemble.User], error) {
		return r.FreshUserPage(ctx, k)
	}
	return &tenantUsers{keys: tenantKeys(ctx), read: read, seen: map[string]bool{}}
}

func (o *tenantUsers) more() bool { return o.client < len(o.keys) }

// next reads up to n users of one client.
func (o *tenantUsers) next(n int) (*userList, error) {
	key := datasource.PageKey{Of: o.keys[o.client], Offset: o.offset, First: n}
	p, err := o.read(key)
	if err != nil {
		return nil, err
	}
	l := newUserList(key, p)
	advanced := o.note(p.Items)
	if p.More && !advanced {
		l.partialErr = cmp.Or(l.partialErr, errNoAdvance(upstream.Coassemble))
	}
	if o.offset += n; !p.More || !advanced {
		o.client, o.offset = o.client+1, 0
	}
	return l, nil
}

// note reports whether a page of users has any that no page before it had.
func (o *tenantUsers) note(users []*coassemble.User) bool {
	before := len(o.seen)
	for _, u := range users {
		if u != nil {
			o.seen[u.Key] = true
		}
	}
	return len(o.seen) > before
}

// tenantCursor is the cursor of a list that goes through the users of one client after the other.
func (l *userList) tenantCursor(c scalar.Cursor, i int) string {
	c.Token, c.Offset = l.key.Of, l.positions[i]
	return c.Encode()
}

// tenantUserPage is a page of the users of a bound caller's clients.
func tenantUserPage(ctx context.Context, own []string, page pageRequest) (*model.UserConnection, error) {
	return tenantPageOf(ctx, own, page, func(l *userList, add func(int, *coassemble.User)) {
		hydrateUsers(ctx, []*userList{l})
		for i, u := range l.users {
			add(i, u)
		}
	})
}

// tenantIdentityPage is a page of the identities of these users.
func tenantIdentityPage(ctx context.Context, own []string, page pageRequest) (*model.IdentityConnection, error) {
	return tenantPageOf(ctx, own, page, func(l *userList, add func(int, *mattr.Identity)) {
		for i, result := range datasource.From(ctx).UserIdentities().Load(ctx, identifiers(l.users)) {
			addPartialError(ctx, result.Err)
			if result.Found {
				add(i, result.Value)
			}
		}
	})
}

// tenantPageOf is a page of values of the users of a bound caller's clients, which each adds at the user's place.
func tenantPageOf[V any](ctx context.Context, own []string, page pageRequest,
	each func(l *userList, add func(i int, v V))) (*model.Connection[V], error) {
	users := tenantUsersAfter(ctx, own, page.Cursor)
	var nodes []V
	var cursors []string
	for users.more() && len(nodes) < page.size {
		l, err := users.next(page.size - len(nodes))
		if err != nil {
			return nil, err
		}
		each(l, func(i int, v V) {
			nodes, cursors = append(nodes, v), append(cursors, l.tenantCursor(page.Cursor, i))
		})
		addPartialError(ctx, l.partialErr)
	}
	return model.NewConnection(nodes, cursors, users.more(), page.continued), nil
}

// findOwner returns which of the users has the identity of the id, empty where none has. A user whose identity cannot
// be read matters only where no other has it.
func findOwner(ctx context.Context, users *tenantUsers, id string) (string, error) {
	var failed error
	for users.more() {
		l, err := users.next(searchPage)
		if err != nil {
			return "", err
		}
		failed = cmp.Or(failed, l.partialErr)
		keys := identifiers(l.users)
		for i, result := range datasource.From(ctx).UserIdentities().Load(ctx, keys) {
			if result.Found && strings.EqualFold(result.Value.Key, id) {
				return keys[i], nil
			}
			failed = cmp.Or(failed, result.Err)
		}
	}
	return "", failed
}

// identifiers are the users' own keys, empty for one that could not be read.
func identifiers(users []*coassemble.User) []string {
	keys := make([]string, len(users))
	for i, u := range users {
		if u != nil {
			keys[i] = u.Key
		}
	}
	return keys
}

// tenantMatches returns those of the identities of a bound caller's clients that match a filter. It looks at these
// alone, so that neither calls nor time reveal others.
func (r queryResolver) tenantMatches(ctx context.Context, own []string, filter *mattr.Criteria,
	page pageRequest) (*model.IdentityConnection, error) {
	var all []*mattr.Identity
	for users := tenantUsersAfter(ctx, own, scalar.Cursor{}); users.more(); {
		l, err := users.next(searchPage)
		if err != nil {
			return nil, err
		}
		addPartialError(ctx, l.partialErr)
		var found []*mattr.Identity
		for _, result := range datasource.From(ctx).UserIdentities().Load(ctx, identifiers(l.users)) {
			addPartialError(ctx, result.Err)
			if result.Found {
				found = append(found, result.Value)
			}
		}
		if found, err = r.matching(ctx, filter, found); err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return partOf(all, page), nil
}

// matching returns the identities that match a filter. It compares them all at once.
func (r *Resolver) matching(ctx context.Context, filter *mattr.Criteria,
	list []*mattr.Identity) ([]*mattr.Identity, error) {
	matches := make([]bool, len(list))
	var failed error
	var group task.Group
	for n, i := range list {
		group.Go(func() (err error) {
			matches[n], err = r.matches(ctx, filter, i)
			return err
		}, func(err error) { failed = cmp.Or(failed, err) })
	}
	group.Wait()
	var all []*mattr.Identity
	for n, i := range list {
		if matches[n] {
			all = append(all, i)
		}
	}
	return all, failed
}
