package datasource

import (
	"context"
	"strconv"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// UserPageKey is a part of one client's users; an empty client is all users.
type UserPageKey struct {
	Client        string
	Offset, First int
}

// everyUser is the finished list of all users.
var everyUser = UserPageKey{First: -1}

// text is the key of the part in the cache.
func (k UserPageKey) text() string { return part{k.Offset, k.First}.text() + k.Client }

func userKey(u *coassemble.User) (key string, stub bool) { return u.Identifier, u.Bare }

func (s *Source) usersOf(client string) cache.Tag {
	return s.tag(upstream.Coassemble, "usersOf:"+client)
}

// userTags let a client's users go with the client.
func (s *Source) userTags(u *coassemble.User) []cache.Tag {
	if client := clientOf(u); client != "" {
		return []cache.Tag{s.usersOf(client)}
	}
	return nil
}

// clientOf returns the key of a user's client, empty where the user shows none.
func clientOf(u *coassemble.User) string {
	client, err := u.ClientIdentifier()
	if err != nil || client == nil {
		return ""
	}
	return *client
}

func (s *Source) newUsers(c *cache.Cache, o spaceOptions) *resource[UserPageKey, *coassemble.User] {
	r := &resource[UserPageKey, *coassemble.User]{list: s.tag(upstream.Coassemble, "users"), tags: s.userTags, normal: sameText,
		single: func(ctx context.Context, key string, options ...upstream.Option) (*coassemble.User, upstream.Meta, error) {
			return s.Coassemble.User(ctx, key, options...)
		}}
	records := recordSpace(o, "user", (*coassemble.User).Size, recordFrom[coassemble.User])
	r.items = cache.NewSpace(c, records)
	r.pages = cache.NewCollection(c, cache.CollectionOptions[UserPageKey, *coassemble.User]{
		Pages: ofKind(records, "userPage"), Text: UserPageKey.text, Items: r.items, Key: userKey, Tags: r.tags})
	r.scan = scanner[*coassemble.User]{size: new(scanSize), key: userKey, seen: r.seen, flights: flights[*scan[*coassemble.User]](c, "userWalk", o),
		read: numbered(r, func(ctx context.Context, p coassemble.Page, o upstream.Option) ([]*coassemble.User, upstream.Meta, error) {
			return s.Coassemble.Users(ctx, "", p, o)
		})}
	r.fetch = eachPage(UserPageKey.text, func(k UserPageKey) []cache.Tag { return []cache.Tag{r.list, s.usersOf(k.Client)} },
		func(ctx context.Context, k UserPageKey, o upstream.Option) (page Page[*coassemble.User], meta upstream.Meta, err error) {
			page.Items, page.More, meta, err = s.Coassemble.UserWindow(ctx, k.Client, k.Offset, k.First, o)
			return page, meta, err
		})
	return r
}

// numbered reads the pages of a scan of one of Coassemble's lists, whose cursors are numbers.
func numbered[K comparable, V any](r *resource[K, V], read func(context.Context, coassemble.Page, upstream.Option) ([]V, upstream.Meta, error)) func(context.Context, string) (*Page[V], upstream.Meta, error) {
	return func(ctx context.Context, cursor string) (*Page[V], upstream.Meta, error) {
		return revisit(ctx, r.pages, r.list, cursor, nil, func(o upstream.Option) (page Page[V], meta upstream.Meta, err error) {
			number, _ := strconv.Atoi(cursor)
			page.Items, meta, err = read(ctx, coassemble.Page{Number: number, Length: coassemble.MaxLength}, o)
			if len(page.Items) == coassemble.MaxLength {
				page.Next = strconv.Itoa(number + 1)
			}
			return page, meta, err
		})
	}
}

func (o *Operation) fetchUsers(ctx context.Context, keys []string) (map[string]*coassemble.User, failures[string]) {
	if o.tenant != nil {
		return o.fetchTenantUsers(ctx, keys)
	}
	return o.source.users.load(ctx, keys)
}

func (s *Source) fetchUserPages(ctx context.Context, keys []UserPageKey) (map[UserPageKey]Page[*coassemble.User], failures[UserPageKey]) {
	found, failed := s.users.pages.Load(ctx, keys, s.readUserPages)
	for _, k := range keys {
		if _, ok := found[k]; !ok && failed[k] == nil {
			found[k] = Page[*coassemble.User]{} // a client that Coassemble does not know has no users
		}
	}
	return found, failed
}

type userPage = cache.Fetched[*Page[*coassemble.User]]

// readUserPages reads the users of several clients by one filtered list each, or by the pages of all users where those
// are fewer.
func (s *Source) readUserPages(ctx context.Context, missing []cache.Miss[UserPageKey]) (answers[UserPageKey, *Page[*coassemble.User]], failures[UserPageKey]) {
	keys, texts, _ := missesOf(missing)
	var ofClients []UserPageKey
	for _, k := range keys {
		if k.Client != "" {
			ofClients = append(ofClients, k)
		}
	}
	ctx = fetching(ctx, texts...)
	return plan(keys, func() (answers[UserPageKey, *Page[*coassemble.User]], bool, error) {
		all, meta, err := s.allUsers(ctx, len(ofClients))
		if all == nil || err != nil {
			return nil, false, err
		}
		return s.partsOf(all, meta, ofClients), len(ofClients) == len(keys), nil
	}, func(rest []UserPageKey) (answers[UserPageKey, *Page[*coassemble.User]], failures[UserPageKey]) {
		return s.users.fetch(ctx, pick(missing, rest))
	})
}

// allUsers returns the finished list of all users, stored or scanned; nil where neither is to be had in n calls. The
// lifetime is that of what is made of the list.
func (s *Source) allUsers(ctx context.Context, n int) (users []*coassemble.User, lifetime userPage, err error) {
	if n == 0 {
		return nil, lifetime, nil
	}
	if page, stored, ok := s.users.pages.Cached(ctx, everyUser); ok && len(page.Items) > 0 {
		return page.Items, stored, nil
	}
	w, err := s.users.scan.scan(ctx, n)
	if err != nil || w == nil || !w.done {
		return nil, lifetime, err
	}
	all := fetched(&Page[*coassemble.User]{Items: w.items}, w.meta, s.users.list)
	s.users.pages.Put(ctx, everyUser, all)
	all.At = time.Now()
	return w.items, all, nil
}

// partsOf returns parts of single clients' users, as filtered lists would have shown them.
func (s *Source) partsOf(all []*coassemble.User, lifetime userPage, keys []UserPageKey) answers[UserPageKey, *Page[*coassemble.User]] {
	byClient := map[string][]*coassemble.User{}
	for _, u := range all {
		client := clientOf(u)
		byClient[client] = append(byClient[client], u)
	}
	parts := make(answers[UserPageKey, *Page[*coassemble.User]], len(keys))
	for _, k := range keys {
		users := byClient[k.Client]
		start := min(k.Offset, len(users))
		end := min(start+k.First, len(users))
		f := lifetime
		f.Value = &Page[*coassemble.User]{Items: users[start:end:end], More: end < len(users)}
		f.Tags = []cache.Tag{s.users.list, s.usersOf(k.Client)}
		parts[k] = f
	}
	return parts
}

// pick returns the misses of these keys.
func pick[K comparable](missing []cache.Miss[K], keys []K) []cache.Miss[K] {
	wanted := make(map[K]bool, len(keys))
	for _, k := range keys {
		wanted[k] = true
	}
	var rest []cache.Miss[K]
	for _, m := range missing {
		if wanted[m.Key] {
			rest = append(rest, m)
		}
	}
	return rest
}
