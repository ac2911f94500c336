package datasource

import (
	"context"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// fetchUserIdentities finds the identity of each user, by the field that the configuration joins on.
func (s *Source) fetchUserIdentities(ctx context.Context, users []string,
	together *roundMember) []cache.Result[*mattr.Identity] {
	if s.Link.User == "id" {
		return s.identities.load(ctx, users, together)
	}
	return s.identities.byUser.Load(ctx, users,
		func(ctx context.Context, missing []cache.Missing) []cache.Answer[*mattr.Identity] {
			return s.readUserIdentities(ctx, missing, together)
		})
}

// readUserIdentities searches for each user, or scans all identities where that takes fewer calls and the list shows
// the key that joins.
func (s *Source) readUserIdentities(ctx context.Context, missing []cache.Missing,
	together *roundMember) []cache.Answer[*mattr.Identity] {
	users := missingKeys(missing)
	ctx = fetching(ctx)
	if index, _, ok := s.identities.index.Cached(ctx, scanKey); ok {
		return s.fromIndex(ctx, users, index)
	}
	answers, rest := plan(ctx, users, together, func(users []string) (seen scanned[string, *mattr.Identity], err error) {
		ctx := scanning(ctx, users)
		w, err := s.scanForUsers(ctx, users)
		if w == nil || err != nil {
			return seen, err
		}
		answers := map[string]cache.Answer[*mattr.Identity]{}
		byUser := s.indexed(ctx, w)
		for _, user := range users {
			switch i, err := exactlyOne(byUser[user], nil); {
			case err == nil:
				answers[user] = cache.Answer[*mattr.Identity]{Entry: entryOf(i, w.meta, s.identityTags(i)...), Found: true}
			case upstream.KindOf(err) != upstream.NotFound:
				answers[user] = cache.Answer[*mattr.Identity]{Err: err}
			}
		}
		return scanned[string, *mattr.Identity]{answers, true}, nil
	})
	eachOf(ctx, users, rest, answers, func(ctx context.Context, n int) (cache.Entry[*mattr.Identity], error) {
		return s.userIdentity(s.findUserIdentity(ctx, users[n]))
	})
	return answers
}

// userIdentity returns the cache entry of a user's identity. The route need not be the same again, so that there is no
// validator.
func (s *Source) userIdentity(i *mattr.Identity, meta upstream.Meta, err error) (cache.Entry[*mattr.Identity], error) {
	if err != nil {
		return cache.Entry[*mattr.Identity]{}, err
	}
	meta.ETag = ""
	return entryOf(i, meta, s.identityTags(i)...), nil
}

// fromIndex reads those whom a scan has seen, by id; the others do not exist.
func (s *Source) fromIndex(ctx context.Context, users []string, index identityIndex) []cache.Answer[*mattr.Identity] {
	return each(ctx, users, func(ctx context.Context, n int) (cache.Entry[*mattr.Identity], error) {
		switch ids := index.IDs[users[n]]; len(ids) {
		case 0:
			return cache.Entry[*mattr.Identity]{}, errNoIdentity
		case 1:
			return s.userIdentity(s.identityByID(ctx, ids[0]))
		}
		return cache.Entry[*mattr.Identity]{}, errTwoIdentities
	})
}

// scanForUsers returns the whole list of identities, nil where searches take fewer calls or the list does not show the
// key that joins.
func (s *Source) scanForUsers(ctx context.Context, users []string) (*scan[*mattr.Identity], error) {
	l := s.identities
	if l.unlinked.Load() || l.scan.size.bound(len(users)) == 0 {
		return nil, nil
	}
	asked := make(map[string]bool, len(users))
	for _, u := range users {
		asked[u] = true
	}
	scanner := scanner[*mattr.Identity]{size: l.scan.size, key: identityKey, seen: s.seenIdentities, flights: l.flights,
		worthReading: s.carriesKeys, read: func(ctx context.Context,
			cursor string) (scannedPage[*mattr.Identity], error) {
			return revisit(ctx, l.scans, l.list, cursor, func(p *Page[*mattr.Identity]) *Page[*mattr.Identity] {
				return s.requestedPart(p, asked)
			},
				func(o upstream.Option) (Page[*mattr.Identity], upstream.Meta, error) {
					return s.MATTR.Identities(ctx, mattr.MaxLimit, cursor, o)
				})
		}}
	w, err := scanner.scan(ctx, len(users))
	switch {
	case w == nil || err != nil:
		return nil, err
	case len(w.items) > 0 && !s.carriesKeys(w.items):
		l.unlinked.Store(true)
		return nil, nil
	case !w.done:
		return nil, nil
	}
	return w, nil
}

// requestedPart returns the part of a scan's page that is stored: identities that belong to no user by their ids alone,
// and nothing where one belongs to a user that no caller asked for.
func (s *Source) requestedPart(page *Page[*mattr.Identity], users map[string]bool) *Page[*mattr.Identity] {
	stored := *page
	stored.Items = make([]*mattr.Identity, len(page.Items))
	for n, i := range page.Items {
		user, stub := s.linkedUser(i)
		switch {
		case stub:
			i = &mattr.Identity{Record: upstream.Record{Key: i.Key}}
		case !users[user]:
			return nil
		}
		stored.Items[n] = i
	}
	return &stored
}

// linkedUser is the user that an identity is joined with; of others the id alone.
func (s *Source) linkedUser(i *mattr.Identity) (key string, stub bool) {
	if user, ok, err := s.Link.UserKey(i); ok && err == nil {
		return user, false
	}
	return i.Key, true
}

// carriesKeys reports whether any record of a list carries the key that joins.
func (s *Source) carriesKeys(list []*mattr.Identity) bool {
	for _, i := range list {
		if _, ok, err := s.Link.UserKey(i); ok && err == nil {
			return true
		}
	}
	return false
}

// indexed stores the index of a finished scan, and returns the identities of each user.
func (s *Source) indexed(ctx context.Context, w *scan[*mattr.Identity]) map[string][]*mattr.Identity {
	byUser := map[string][]*mattr.Identity{}
	index := identityIndex{IDs: map[string][]string{}}
	for _, i := range w.items {
		if user, ok, err := s.Link.UserKey(i); ok && err == nil {
			byUser[user] = append(byUser[user], i)
			index.IDs[user] = append(index.IDs[user], i.Key)
		}
	}
	s.identities.index.Put(ctx, scanKey, entryOf(index, w.meta, s.identities.list))
	return byUser
}

// findUserIdentity searches for the identity of a user.
func (s *Source) findUserIdentity(ctx context.Context, user string) (*mattr.Identity, upstream.Meta, error) {
	find := func() ([]*mattr.Identity, upstream.Meta, error) {
		return s.MATTR.FindBySubject(ctx, s.Link.UserProvider, user)
	}
	if claim := s.Link.Claim(); claim != "" {
		find = func() ([]*mattr.Identity, upstream.Meta, error) { return s.MATTR.FindByClaim(ctx, claim, user) }
	}
	matches, meta, err := find()
	i, err := exactlyOne(matches, err)
	return i, meta, err
}

var (
	errNoIdentity    = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	errTwoIdentities = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.Contract, Err: upstream.ErrAmbiguous}
)

// exactlyOne takes the only match. Two that carry one key cannot both be meant, and the first need not be the right
// one.
func exactlyOne(matches []*mattr.Identity, err error) (*mattr.Identity, error) {
	switch {
	case err != nil:
		return nil, err
	case len(matches) == 0:
		return nil, errNoIdentity
	case len(matches) > 1:
		return nil, errTwoIdentities
	}
	return matches[0], nil
}
