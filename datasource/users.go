package datasource

import (
	"context"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// everyUser is the finished list of all users.
var everyUser = PageKey{First: -1}

func (s *Source) usersOf(client string) cache.Tag {
	return s.tag(upstream.Coassemble, "usersOf:"+client)
}

// userTags make a client's users depend on the client.
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

func (s *Source) newUsers(c *cache.Cache, o spaceOptions) *resource[*coassemble.User] {
	list := s.tag(upstream.Coassemble, "users")
	return coassembleList[*coassemble.User]{
		records: recordSpace[coassemble.User](o, "user"), list: list, tags: s.userTags,
		key:    func(u *coassemble.User) (key string, stub bool) { return u.Key, u.Bare },
		pages:  func(k PageKey) []cache.Tag { return []cache.Tag{list, s.usersOf(k.Of)} },
		single: s.Coassemble.User,
		listAll: func(ctx context.Context, number, length int,
			options ...upstream.Option) (Page[*coassemble.User], upstream.Meta, error) {
			return s.Coassemble.Users(ctx, "", number, length, options...)
		},
		listPart: func(ctx context.Context, k PageKey,
			o upstream.Option) (Page[*coassemble.User], upstream.Meta, error) {
			return s.Coassemble.UserWindow(ctx, k.Of, k.Offset, k.First, o)
		},
	}.resource(c, o)
}

func (s *Source) fetchUsers(ctx context.Context, keys []string,
	together *roundMember) []cache.Result[*coassemble.User] {
	if o := From(ctx); o.tenant != nil {
		return o.fetchTenantUsers(ctx, keys, together)
	}
	return s.users.load(ctx, keys, together)
}

func (s *Source) fetchUserPages(ctx context.Context, keys []PageKey,
	together *roundMember) []cache.Result[Page[*coassemble.User]] {
	o := From(ctx)
	pages := s.users.pages.Load(ctx, keys,
		func(ctx context.Context, keys []PageKey, missing []cache.Missing) []cache.Answer[*Page[*coassemble.User]] {
			return s.readUserPages(ctx, keys, missing, together)
		})
	for i := range pages {
		pages[i].Found = pages[i].Err == nil // a client that Coassemble does not know has no users
		if o.tenant != nil && len(pages[i].Value.Items) == keys[i].First {
			// The list of all users, which is read where others have few, shows that no more follow; a client's own does not.
			pages[i].Value.More = true
		}
	}
	return pages
}

// readUserPages reads the users of several clients by one filtered list each, or by the pages of all users where those
// are fewer.
func (s *Source) readUserPages(ctx context.Context, all []PageKey, missing []cache.Missing,
	together *roundMember) []cache.Answer[*Page[*coassemble.User]] {
	requested := make([]PageKey, len(missing))
	for i, m := range missing {
		requested[i] = all[m.Place]
	}
	type userPages = scanned[PageKey, *Page[*coassemble.User]]
	answers, rest := plan(ctx, requested, together, func(keys []PageKey) (seen userPages, err error) {
		var ofClients []PageKey
		var texts []string
		for _, k := range keys {
			texts = append(texts, k.text())
			if k.Of != "" {
				ofClients = append(ofClients, k)
			}
		}
		users, meta, err := s.allUsers(scanning(ctx, texts), len(ofClients))
		if users == nil || err != nil {
			return seen, err
		}
		return userPages{s.partsOf(users, meta, ofClients), len(ofClients) == len(keys)}, nil
	})
	for i, a := range s.users.fetch(ctx, all, at(missing, rest)) {
		answers[rest[i]] = a
	}
	return answers
}

// allUsers returns the finished list of all users, stored or scanned; nil where neither is to be had in n calls. The
// lifetime is that of the list's records.
func (s *Source) allUsers(ctx context.Context,
	n int) (users []*coassemble.User, lifetime cache.Entry[*Page[*coassemble.User]], err error) {
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
	all := entryOf(&Page[*coassemble.User]{Items: w.items}, w.meta, s.users.list)
	s.users.pages.Put(ctx, everyUser, all)
	all.At = time.Now()
	return w.items, all, nil
}

// partsOf returns parts of single clients' users, as filtered lists would have shown them.
func (s *Source) partsOf(all []*coassemble.User, lifetime cache.Entry[*Page[*coassemble.User]],
	keys []PageKey) map[PageKey]cache.Answer[*Page[*coassemble.User]] {
	byClient := map[string][]*coassemble.User{}
	for _, u := range all {
		client := clientOf(u)
		byClient[client] = append(byClient[client], u)
	}
	parts := make(map[PageKey]cache.Answer[*Page[*coassemble.User]], len(keys))
	for _, k := range keys {
		users := byClient[k.Of]
		start := min(k.Offset, len(users))
		end := min(start+k.First, len(users))
		f := lifetime
		f.Value = &Page[*coassemble.User]{Items: users[start:end:end], More: end < len(users)}
		f.Tags = []cache.Tag{s.users.list, s.usersOf(k.Of)}
		parts[k] = cache.Answer[*Page[*coassemble.User]]{Entry: f, Found: true}
	}
	return parts
}
