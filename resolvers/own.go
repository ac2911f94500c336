package resolvers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/gateway/caller"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/loader"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// What a caller who is bound to clients lists is made from those clients. A page of the backend's list with the others
// left out would tell of them: in its length, in whether another follows, in cursors, which count those before or hold
// the backend's own. And whose records stand far behind would page through many that are empty.

// ownKeys are the clients that a bound caller sees, in order; nil is a caller who sees all.
func ownKeys(ctx context.Context) []string {
	who := caller.FromContext(ctx)
	if !who.Bound {
		return nil
	}
	keys := slices.DeleteFunc(slices.Clone(who.Clients), func(k string) bool { return k == "" })
	slices.Sort(keys)
	return append([]string{}, slices.Compact(keys)...)
}

// ownPage is a page of what the keys lead to. Keys that lead to nothing take no place on it.
func ownPage[K comparable, V any](ctx context.Context, l *loader.Loader[K, V], keys []K, c scalar.Cursor, size int, continued bool) (page[V], error) {
	var nodes []V
	var cursors []string
	at := min(c.Offset, len(keys))
	for at < len(keys) && len(nodes) < size {
		window := keys[at:min(at+size-len(nodes), len(keys))]
		for _, result := range l.Load(ctx, window) {
			if result.Err != nil {
				return page[V]{}, result.Err
			}
			if at++; result.Found {
				c.Offset = at
				nodes, cursors = append(nodes, result.Value), append(cursors, c.Encode())
			}
		}
	}
	return newPage(nodes, cursors, at < len(keys), continued), nil
}

// cut is the part of a whole list that a cursor leads to.
func cut[V any](all []V, c scalar.Cursor, size int, continued bool) page[V] {
	start := min(c.Offset, len(all))
	end := min(start+size, len(all))
	var cursors []string
	for i := start; i < end; i++ {
		c.Offset = i + 1
		cursors = append(cursors, c.Encode())
	}
	return newPage(all[start:end], cursors, end < len(all), continued)
}

// searchPage is how many records a search for a bound caller reads at once.
const searchPage = 100

// ownClients are the clients of a bound caller. A search is read to its end: what it finds of others must not show in
// where it stops.
func (r queryResolver) ownClients(ctx context.Context, own []string, q thoughtindustries.Query, c scalar.Cursor, size int, continued bool) (page[*document.Document], error) {
	if q.Search == "" && q.Sort == "" {
		keys := make([]thoughtindustries.Key, len(own))
		for i, k := range own {
			keys[i] = r.clientKey(k)
		}
		return ownPage(ctx, loadersOf(ctx).clients, keys, c, size, continued)
	}
	var all []*document.Document
	seen := map[string]bool{}
	for offset, more := 0, true; more; offset += searchPage {
		found, err := r.clientPage(listPurpose(ctx), clientQuery{Search: q.Search, Sort: q.Sort, Offset: offset, First: searchPage})
		if err != nil {
			return page[*document.Document]{}, err
		}
		before := len(seen)
		for _, d := range found.values {
			seen[r.clientID(d)] = true
			if d != nil && r.seesDocument(ctx, d) {
				all = append(all, d)
			}
		}
		if more = found.More; more && len(seen) == before {
			complain(ctx, errNoAdvance(upstream.ThoughtIndustries))
			more = false
		}
	}
	return cut(all, c, size, continued), nil
}

// ownUsers goes through the users of one client after the other.
type ownUsers struct {
	ctx  context.Context
	keys []string
	// client is a place among the keys, offset one among its users.
	client, offset int
	seen           map[string]bool
}

// ownUsersAfter starts behind the user that a cursor names. Its token is the client's key.
func ownUsersAfter(ctx context.Context, own []string, c scalar.Cursor) *ownUsers {
	client, found := slices.BinarySearch(own, c.Token)
	if !found {
		c.Offset = 0
	}
	return &ownUsers{ctx: ctx, keys: own, client: client, offset: c.Offset, seen: map[string]bool{}}
}

func (o *ownUsers) more() bool { return o.client < len(o.keys) }

// next reads up to n users of one client.
func (o *ownUsers) next(n int) (*userList, error) {
	key := userPageKey{o.keys[o.client], o.offset, n}
	p, err := load(o.ctx, loadersOf(o.ctx).userPages, key)
	if err != nil {
		return nil, err
	}
	l := newUserList(key, p)
	advanced := o.note(p.users)
	if p.more && !advanced {
		l.missing = cmp.Or(l.missing, errNoAdvance(upstream.Coassemble))
	}
	if o.offset += n; !p.more || !advanced {
		o.client, o.offset = o.client+1, 0
	}
	return l, nil
}

// note reports whether a page of users has any that no page before it had.
func (o *ownUsers) note(users []*coassemble.User) bool {
	before := len(o.seen)
	for _, u := range users {
		if u != nil {
			o.seen[u.Identifier] = true
		}
	}
	return len(o.seen) > before
}

// ownPlace is the cursor of a list that goes through the users of one client after the other.
func (l *userList) ownPlace(c scalar.Cursor, i int) string {
	c.Token, c.Offset = l.key.client, l.places[i]
	return c.Encode()
}

// ownUserPage is a page of the users of a bound caller's clients.
func ownUserPage(ctx context.Context, own []string, c scalar.Cursor, size int, continued bool) (page[*coassemble.User], error) {
	users := ownUsersAfter(ctx, own, c)
	var nodes []*coassemble.User
	var cursors []string
	for users.more() && len(nodes) < size {
		l, err := users.next(size - len(nodes))
		if err != nil {
			return page[*coassemble.User]{}, err
		}
		wholeUsers(ctx, []*userList{l})
		complain(ctx, l.missing)
		for i, u := range l.users {
			nodes, cursors = append(nodes, u), append(cursors, l.ownPlace(c, i))
		}
	}
	return newPage(nodes, cursors, users.more(), continued), nil
}

// ownIdentityPage is a page of the identities of these users.
func ownIdentityPage(ctx context.Context, own []string, c scalar.Cursor, size int, continued bool) (page[*mattr.Identity], error) {
	users := ownUsersAfter(ctx, own, c)
	var nodes []*mattr.Identity
	var cursors []string
	for users.more() && len(nodes) < size {
		l, err := users.next(size - len(nodes))
		if err != nil {
			return page[*mattr.Identity]{}, err
		}
		complain(ctx, l.missing)
		for i, result := range loadersOf(ctx).userIdentities.Load(ctx, identifiers(l.users)) {
			if result.Err != nil {
				graphql.AddError(ctx, result.Err)
			}
			if result.Found {
				nodes, cursors = append(nodes, result.Value), append(cursors, l.ownPlace(c, i))
			}
		}
	}
	return newPage(nodes, cursors, users.more(), continued), nil
}

// ownerAmong returns which of these clients' users has the identity of the id, empty where none has.
func ownerAmong(ctx context.Context, own []string, id string) (string, error) {
	for users := ownUsersAfter(ctx, own, scalar.Cursor{}); users.more(); {
		l, err := users.next(searchPage)
		if err != nil {
			return "", err
		}
		if l.missing != nil {
			return "", l.missing
		}
		keys := identifiers(l.users)
		for i, result := range loadersOf(ctx).userIdentities.Load(ctx, keys) {
			if result.Found && strings.EqualFold(result.Value.ID, id) {
				return keys[i], nil
			}
			err = cmp.Or(err, result.Err)
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// identifiers are the users' own keys, empty for one that could not be read.
func identifiers(users []*coassemble.User) []string {
	keys := make([]string, len(users))
	for i, u := range users {
		if u != nil {
			keys[i] = u.Identifier
		}
	}
	return keys
}

// ownMatches returns those of the identities of a bound caller's clients that match a filter. It looks at these alone, so
// that neither calls nor time tell of others.
func (r queryResolver) ownMatches(ctx context.Context, own []string, filter *identityFilter, c scalar.Cursor, size int, continued bool) (page[*mattr.Identity], error) {
	var all []*mattr.Identity
	for users := ownUsersAfter(ctx, own, scalar.Cursor{}); users.more(); {
		l, err := users.next(searchPage)
		if err != nil {
			return page[*mattr.Identity]{}, err
		}
		complain(ctx, l.missing)
		for _, result := range loadersOf(ctx).userIdentities.Load(ctx, identifiers(l.users)) {
			if result.Err != nil {
				graphql.AddError(ctx, result.Err)
			}
			if !result.Found {
				continue
			}
			ok, err := r.matches(ctx, filter, result.Value)
			if err != nil {
				return page[*mattr.Identity]{}, err
			}
			if ok {
				all = append(all, result.Value)
			}
		}
	}
	return cut(all, c, size, continued), nil
}
