package datasource

import (
	"context"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// The tags of Coassemble's objects: a write drops what it may have changed by them.
const (
	allEmbedClients = "embedClients"
	allUsers        = "users"
)

func (s *Source) usersOf(client string) cache.Tag {
	return s.tag(upstream.Coassemble, "usersOf:"+client)
}

func (s *Source) embedClientTags(*coassemble.EmbedClient) []cache.Tag {
	return []cache.Tag{s.tag(upstream.Coassemble, allEmbedClients)}
}

// userTags let a client's users go with the client.
func (s *Source) userTags(u *coassemble.User) []cache.Tag {
	if client, err := u.ClientIdentifier(); err == nil && client != nil {
		return []cache.Tag{s.usersOf(*client)}
	}
	return nil
}

func listedEmbedClient(c *coassemble.EmbedClient) (key string, bare bool) {
	return c.Identifier, c.Bare
}

func listedUser(u *coassemble.User) (key string, bare bool) { return u.Identifier, u.Bare }

// fetchEmbedClients reads embed clients by key: singly, or by the pages of the whole list where those are fewer.
func (s *Source) fetchEmbedClients(ctx context.Context, keys []string) (map[string]*coassemble.EmbedClient, map[string]error) {
	if s.Coassemble == nil {
		return refuse[string, *coassemble.EmbedClient](upstream.Coassemble)(ctx, keys)
	}
	return unpack(s.embedClients.objects.Load(ctx, keys, s.readEmbedClients))
}

func (s *Source) readEmbedClients(ctx context.Context, missing []cache.Wanted[*coassemble.EmbedClient]) (map[string]cache.Fetched[*coassemble.EmbedClient], map[string]error) {
	keys := keysOf(missing)
	ctx = upstream.WithKeys(ctx, keys...)
	found := map[string]cache.Fetched[*coassemble.EmbedClient]{}
	if bound := s.embedClientPages.bound(len(keys)); bound > 0 {
		w, said, err := shareWalk(ctx, s.embedClientWalks, s.sawEmbedClients, func(ctx context.Context) (coassemble.Walk[*coassemble.EmbedClient], error) {
			return coassemble.WalkClients(ctx, bound, s.walkEmbedClientPage)
		})
		if err != nil {
			return nil, failAll(keys, err)
		}
		s.embedClientPages.take(w.Pages, w.Done, w.Unusable)
		for _, c := range w.Items {
			if c.Identifier != "" && !c.Bare {
				found[c.Identifier] = keep(c, said, s.embedClientTags(c)...)
			}
		}
		if w.Done && !w.Unusable {
			return found, nil
		}
	}
	rest, failed := eachRenewed(ctx, without(keys, found), validatorsOf(missing), s.Coassemble.Client, s.embedClientTags)
	return merged(found, rest), failed
}

// EmbedClientPage reads a part of the list of embed clients.
func (s *Source) EmbedClientPage(ctx context.Context, offset, first int) (Page[*coassemble.EmbedClient], error) {
	return s.embedClients.page(s.withListPurpose(ctx), pageKey(offset, first, ""), s.readEmbedClientPages)
}

func (s *Source) readEmbedClientPages(ctx context.Context, keys []string, kept validators) (map[string]*arrived[*coassemble.EmbedClient], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (*arrived[*coassemble.EmbedClient], error) {
		offset, first, _ := parsePageKey(key)
		ctx, said := renewing(ctx, kept[key])
		clients, more, err := s.Coassemble.ClientWindow(ctx, offset, first)
		if err != nil {
			return unchanged[*coassemble.EmbedClient](err, said)
		}
		page := showing(clients, listedEmbedClient, s.tag(upstream.Coassemble, allEmbedClients))
		page.More, page.reply, page.etag = more, said, said.ETag()
		return page, nil
	})
}

// fetchUsers reads users by key, in the manner of fetchEmbedClients.
func (o *Operation) fetchUsers(ctx context.Context, keys []string) (map[string]*coassemble.User, map[string]error) {
	s := o.source
	if s.Coassemble == nil {
		return refuse[string, *coassemble.User](upstream.Coassemble)(ctx, keys)
	}
	if o.tenant != nil {
		return o.fetchTenantUsers(ctx, keys)
	}
	return unpack(s.users.objects.Load(ctx, keys, s.readUsers))
}

func (s *Source) readUsers(ctx context.Context, missing []cache.Wanted[*coassemble.User]) (map[string]cache.Fetched[*coassemble.User], map[string]error) {
	keys := keysOf(missing)
	ctx = upstream.WithKeys(ctx, keys...)
	found := map[string]cache.Fetched[*coassemble.User]{}
	w, err := s.walkUsers(ctx, len(keys))
	if err != nil {
		return nil, failAll(keys, err)
	}
	if w != nil {
		for i, u := range w.values {
			if w.Keys[i] != "" {
				found[w.Keys[i]] = keep(u, w.reply, s.userTags(u)...)
			}
		}
		if !w.More {
			return found, nil
		}
	}
	rest, failed := eachRenewed(ctx, without(keys, found), validatorsOf(missing), s.Coassemble.User, s.userTags)
	return merged(found, rest), failed
}

// walkUsers reads the pages of all users where that takes no more calls than n; nil is a walk that does not pay. A walk
// that was cut short says More.
func (s *Source) walkUsers(ctx context.Context, n int) (*arrived[*coassemble.User], error) {
	bound := s.userPages.bound(n)
	if bound == 0 {
		return nil, nil
	}
	w, said, err := shareWalk(ctx, s.userWalks, s.sawUsers, func(ctx context.Context) (coassemble.Walk[*coassemble.User], error) {
		return coassemble.WalkUsers(ctx, bound, s.walkUserPage)
	})
	if err != nil {
		return nil, err
	}
	s.userPages.take(w.Pages, w.Done, w.Unusable)
	if w.Unusable {
		return nil, nil
	}
	page := showing(w.Items, listedUser, s.tag(upstream.Coassemble, allUsers))
	page.More, page.reply = !w.Done, said
	return page, nil
}

// take learns from a walk; an unusable list is not walked again.
func (w *walkSize) take(pages int, done, unusable bool) {
	if unusable {
		w.pages.Store(never)
		return
	}
	w.learn(pages, done)
}

func failAll(keys []string, err error) map[string]error {
	failed := make(map[string]error, len(keys))
	for _, k := range keys {
		failed[k] = err
	}
	return failed
}

func without[V any](keys []string, found map[string]V) []string {
	var rest []string
	for _, k := range keys {
		if _, ok := found[k]; !ok {
			rest = append(rest, k)
		}
	}
	return rest
}

func merged[V any](a, b map[string]V) map[string]V {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// fetchUserPages reads parts of clients' users.
func (s *Source) fetchUserPages(ctx context.Context, keys []UserPageKey) (map[UserPageKey]Page[*coassemble.User], map[UserPageKey]error) {
	if s.Coassemble == nil {
		return refuse[UserPageKey, Page[*coassemble.User]](upstream.Coassemble)(ctx, keys)
	}
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.text()
	}
	pages, errs := s.users.load(ctx, texts, s.readUserPages)
	found, failed := make(map[UserPageKey]Page[*coassemble.User], len(keys)), map[UserPageKey]error{}
	for i, text := range texts {
		if err := errs[text]; err != nil {
			failed[keys[i]] = err
		} else {
			found[keys[i]] = pages[text].shown()
		}
	}
	return found, failed
}

// readUserPages reads the users of several clients by one filtered list each, or by the pages of all users where those
// are fewer.
func (s *Source) readUserPages(ctx context.Context, keys []string, kept validators) (map[string]*arrived[*coassemble.User], map[string]error) {
	ofClients := 0
	for _, key := range keys {
		if _, _, client := parsePageKey(key); client != "" {
			ofClients++
		}
	}
	found := map[string]*arrived[*coassemble.User]{}
	all, err := s.allUsers(ctx, ofClients)
	if err != nil {
		return nil, failAll(keys, err)
	}
	if all != nil {
		byClient := all.byClient()
		for _, key := range keys {
			if offset, first, client := parsePageKey(key); client != "" {
				page := all.part(byClient[client], offset, first)
				page.tags = append(page.tags, s.usersOf(client))
				found[key] = page
			}
		}
	}
	rest, failed := each(ctx, without(keys, found), func(ctx context.Context, key string) (*arrived[*coassemble.User], error) {
		return s.readUserPage(ctx, key, kept[key])
	})
	return merged(found, rest), failed
}

// userWalk is the finished list of all users.
type userWalk struct{ *arrived[*coassemble.User] }

// allUsers is the finished list of all users, kept or walked; nil where neither is to be had in n calls.
func (s *Source) allUsers(ctx context.Context, n int) (*userWalk, error) {
	if n == 0 {
		return nil, nil
	}
	tags := []cache.Tag{s.tag(upstream.Coassemble, allUsers)}
	kept, _ := s.users.load(keptOnly(ctx), []string{wholeWalk}, nil)
	if l, ok := kept[wholeWalk]; ok && len(l.values) > 0 && l.missing == nil {
		return &userWalk{&arrived[*coassemble.User]{listing: l.listing, values: l.values, kept: l.at, tags: tags, reply: new(upstream.Reply)}}, nil
	}
	page, err := s.walkUsers(ctx, n)
	if err != nil || page == nil || page.More {
		return nil, err
	}
	s.users.pages.Put(ctx, wholeWalk, s.users.file(ctx, page))
	return &userWalk{page}, nil
}

// byClient are the places of each client's users.
func (w *userWalk) byClient() map[string][]int {
	places := map[string][]int{}
	for i, u := range w.values {
		if client, err := u.ClientIdentifier(); err == nil && client != nil {
			places[*client] = append(places[*client], i)
		}
	}
	return places
}

// part is a part of one client's users, as a filtered list would have shown it. Its objects were filed with the walk.
func (w *userWalk) part(places []int, offset, first int) *arrived[*coassemble.User] {
	start := min(offset, len(places))
	end := min(start+first, len(places))
	page := &arrived[*coassemble.User]{listing: &listing[*coassemble.User]{More: end < len(places)}, reply: w.reply,
		tags: slices.Clone(w.tags), kept: w.kept}
	for _, i := range places[start:end] {
		page.Keys = append(page.Keys, w.Keys[i])
		page.values = append(page.values, w.values[i])
	}
	return page
}

func (s *Source) readUserPage(ctx context.Context, key, etag string) (*arrived[*coassemble.User], error) {
	offset, first, client := parsePageKey(key)
	ctx, said := renewing(ctx, etag)
	users, more, err := s.Coassemble.UserWindow(ctx, client, offset, first)
	if err != nil {
		return unchanged[*coassemble.User](err, said)
	}
	page := showing(users, listedUser, s.tag(upstream.Coassemble, allUsers), s.usersOf(client))
	page.More, page.reply, page.etag = more, said, said.ETag()
	return page, nil
}
