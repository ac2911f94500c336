package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// revisit reads a page of a walk or of a search. Where the backend names the states of its answers it notes under the key
// what the page showed, under the tag of the list: it need not be sent again while the backend still has it and all of it is
// kept.
func (l *lists[V]) revisit(ctx context.Context, key string, list cache.Tag, read func(context.Context) (*arrived[V], error)) (*arrived[V], error) {
	var kept validators
	var shown map[string]display[V]
	if l.validators.Load() {
		kept, shown = l.renewable(ctx, []cache.Wanted[*listing[V]]{l.pages.Kept(ctx, key)[key]})
	}
	ctx, said := renewing(ctx, kept[key])
	page, err := read(ctx)
	switch {
	case errors.Is(err, upstream.ErrNotModified):
		page = shown[key].arrived()
		page.etag = kept[key]
	case err != nil:
		return nil, err
	}
	if tag := said.ETag(); tag != "" {
		page.etag = tag
		l.validators.Store(true)
	}
	page.tags = []cache.Tag{list}
	l.note(ctx, key, page, said)
	return page, nil
}

// note keeps which objects a page shows, and how; the objects themselves are for who reads it to keep.
func (l *lists[V]) note(ctx context.Context, key string, page *arrived[V], said reply) {
	if page.etag == "" || slices.Contains(page.Keys, "") || page.Sums == nil && !l.sum(page) {
		return
	}
	f := keep(page.listing, said, page.tags...)
	f.ETag = page.etag
	l.pages.Put(ctx, key, f)
}

// arrived is a page that the backend still has as it is kept.
func (d display[V]) arrived() *arrived[V] {
	p := d.page
	page := &arrived[V]{listing: &listing[V]{Keys: p.Keys, Bare: p.Bare, More: p.More, Next: p.Next, Total: p.Total, Extra: p.Extra, Sums: p.Sums}}
	for _, o := range d.objects {
		page.values = append(page.values, o.Stale)
	}
	return page
}

// walked is a walk, or a page of one, and what its answers said, for all who wait for it.
type walked[W any] struct {
	walk W
	said reply
}

// shareWalk makes a walk, or waits for the one that is under way.
func shareWalk[W any](ctx context.Context, space *cache.Space[walked[W]], saw func(W) []cache.Tag, walk func(context.Context) (W, error)) (W, reply, error) {
	r := share(ctx, space, wholeWalk, saw, walk)
	return r.Value.walk, r.Value.said, r.Err
}

// share does what nobody else is doing under the key, or waits for who does. saw are the tags of what came of it: whoever
// asks after one of them was dropped does it again.
func share[W any](ctx context.Context, space *cache.Space[walked[W]], key string, saw func(W) []cache.Tag, walk func(context.Context) (W, error)) cache.Result[walked[W]] {
	return space.Load(ctx, []string{key}, func(ctx context.Context, _ []cache.Wanted[walked[W]]) (map[string]cache.Fetched[walked[W]], map[string]error) {
		ctx, said := listening(ctx)
		w, err := walk(ctx)
		if err != nil {
			return nil, map[string]error{key: err}
		}
		return map[string]cache.Fetched[walked[W]]{key: {Value: walked[W]{w, said}, NoStore: true, Tags: saw(w)}}, nil
	})[key]
}

// sawAll are the tags of a list and of the objects that a read of it showed.
func sawAll[V any](l *lists[V], list cache.Tag, values []V, key func(V) (string, bool)) []cache.Tag {
	tags := make([]cache.Tag, 1, 1+len(values))
	tags[0] = list
	for _, v := range values {
		k, _ := key(v)
		tags = append(tags, l.objects.Tag(k))
	}
	return tags
}

func (s *Source) sawUsers(w coassemble.Walk[*coassemble.User]) []cache.Tag {
	return sawAll(&s.users, s.tag(upstream.Coassemble, allUsers), w.Items, listedUser)
}

func (s *Source) sawEmbedClients(w coassemble.Walk[*coassemble.EmbedClient]) []cache.Tag {
	return sawAll(&s.embedClients, s.tag(upstream.Coassemble, allEmbedClients), w.Items, listedEmbedClient)
}

func (s *Source) sawIdentities(w mattr.Walk) []cache.Tag {
	tags := []cache.Tag{s.tag(upstream.MATTR, allIdentities)}
	for _, i := range w.Items {
		tags = append(tags, s.identityTag(i.ID))
	}
	return tags
}

// walkUserPage reads a page of a walk over all users.
func (s *Source) walkUserPage(ctx context.Context, p coassemble.Page) ([]*coassemble.User, error) {
	return walkPage(ctx, &s.users, p, s.tag(upstream.Coassemble, allUsers), func(ctx context.Context) (*arrived[*coassemble.User], error) {
		users, err := s.Coassemble.Users(ctx, "", p)
		return showing(users, listedUser), err
	})
}

// walkEmbedClientPage reads a page of a walk over all embed clients.
func (s *Source) walkEmbedClientPage(ctx context.Context, p coassemble.Page) ([]*coassemble.EmbedClient, error) {
	return walkPage(ctx, &s.embedClients, p, s.tag(upstream.Coassemble, allEmbedClients), func(ctx context.Context) (*arrived[*coassemble.EmbedClient], error) {
		clients, err := s.Coassemble.Clients(ctx, p)
		return showing(clients, listedEmbedClient), err
	})
}

// walkPage reads a page of a walk over one of Coassemble's lists.
func walkPage[V any](ctx context.Context, l *lists[V], p coassemble.Page, list cache.Tag, read func(context.Context) (*arrived[V], error)) ([]V, error) {
	page, err := l.revisit(ctx, fmt.Sprint(wholeWalk, ":", p.Number), list, read)
	if err != nil {
		return nil, err
	}
	return page.values, nil
}

func (s *Source) longestIdentityPage(ctx context.Context, cursor string) (mattr.Page[*mattr.Identity], error) {
	return s.MATTR.Identities(ctx, mattr.MaxLimit, cursor)
}

// joinedKey is the user that an identity is joined with; of others the id alone.
func (s *Source) joinedKey(i *mattr.Identity) (key string, bare bool) {
	if user, ok, err := s.Link.UserKey(i); ok && err == nil {
		return user, false
	}
	return i.ID, true
}

// walkIdentityPage reads a page of a walk that looks for users' identities. Of a page that need not be sent again, those
// that are joined with nobody have nothing but their ids.
func (s *Source) walkIdentityPage(ctx context.Context, cursor string) (mattr.Page[*mattr.Identity], error) {
	page, err := s.joined.revisit(ctx, wholeWalk+":"+cursor, s.tag(upstream.MATTR, allIdentities), func(ctx context.Context) (*arrived[*mattr.Identity], error) {
		p, err := s.longestIdentityPage(ctx, cursor)
		page := showing(p.Items, s.joinedKey)
		page.Next = p.Next
		return page, err
	})
	if err != nil {
		return mattr.Page[*mattr.Identity]{}, err
	}
	return mattr.Page[*mattr.Identity]{Items: page.values, Next: page.Next}, nil
}

// clientLookupPage is a page of a lookup among clients, as its key names it.
type clientLookupPage struct {
	thoughtindustries.Query
	Number, Count int
}

// lookupPage reads a page of a lookup among clients, together with the operations that look there for others.
func (s *Source) lookupPage(ctx context.Context, q thoughtindustries.Query, number, count int) (*thoughtindustries.Page, error) {
	key, err := json.Marshal(clientLookupPage{q, number, count})
	if err != nil {
		return nil, err
	}
	saw := func(p *thoughtindustries.Page) []cache.Tag {
		return sawAll(&s.clients, s.tag(upstream.ThoughtIndustries, allClients), p.Clients, s.listedClient)
	}
	shared := share(ctx, s.clientLookups, string(key), saw, func(ctx context.Context) (*thoughtindustries.Page, error) {
		return s.readLookupPage(ctx, string(key), q, number, count)
	})
	if shared.Err == nil && shared.Fact.Verdict == cache.Coalesced {
		shared.Value.said.Repeat(ctx)
	}
	return shared.Value.walk, shared.Err
}

func (s *Source) readLookupPage(ctx context.Context, key string, q thoughtindustries.Query, number, count int) (*thoughtindustries.Page, error) {
	page, err := s.clients.revisit(ctx, key, s.tag(upstream.ThoughtIndustries, allClients), func(ctx context.Context) (*arrived[*document.Document], error) {
		p, err := s.ThoughtIndustries.Page(ctx, q, number, count)
		if err != nil {
			return nil, err
		}
		page := showing(p.Clients, s.listedClient)
		page.More, page.Total = p.HasMore, p.Total
		at, err := json.Marshal([2]int{p.Number, p.PerPage})
		page.Extra = []json.RawMessage{at}
		return page, err
	})
	if err != nil {
		return nil, err
	}
	var at [2]int
	if len(page.Extra) != 1 || json.Unmarshal(page.Extra[0], &at) != nil {
		return nil, errors.New("a page that does not say which it is")
	}
	return &thoughtindustries.Page{Clients: page.values, Total: page.Total, HasMore: page.More, Number: at[0], PerPage: at[1]}, nil
}
