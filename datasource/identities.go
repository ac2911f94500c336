package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// allIdentities is the tag of lists of identities and of what a walk over them left.
const allIdentities = "identities"

func (s *Source) identityTag(id string) cache.Tag {
	return s.tag(upstream.MATTR, "identity:"+strings.ToLower(id))
}

func (s *Source) identityTags(i *mattr.Identity) []cache.Tag { return []cache.Tag{s.identityTag(i.ID)} }

// identityWalk is what a finished walk over all identities left of those that nobody asked for: which user's key leads
// to whom, and nothing else of them.
type identityWalk struct {
	IDs map[string][]string `json:"ids"`
}

func (w identityWalk) size() int {
	n := footprint.Map(w.IDs)
	for k, ids := range w.IDs {
		n += footprint.Text(k) + footprint.Slice(ids)
		for _, id := range ids {
			n += footprint.Text(id)
		}
	}
	return n
}

// fetchIdentities reads identities by id.
func (s *Source) fetchIdentities(ctx context.Context, keys []string) (map[string]*mattr.Identity, map[string]error) {
	if s.MATTR == nil {
		return refuse[string, *mattr.Identity](upstream.MATTR)(ctx, keys)
	}
	return unpack(s.identities.objects.Load(ctx, keys, s.readIdentities))
}

func (s *Source) readIdentities(ctx context.Context, missing []cache.Wanted[*mattr.Identity]) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
	keys := keysOf(missing)
	ctx = upstream.WithKeys(ctx, keys...)
	found := map[string]cache.Fetched[*mattr.Identity]{}
	if bound := s.identityPages.bound(len(keys)); bound > 0 {
		w, said, err := shareWalk(ctx, s.identityWalks, s.sawIdentities, func(ctx context.Context) (mattr.Walk, error) {
			return mattr.WalkIdentities(ctx, bound, s.longestIdentityPage, func([]*mattr.Identity) bool { return true })
		})
		if err != nil {
			return nil, failAll(keys, err)
		}
		s.identityPages.take(w.Pages, w.Done, w.Unusable)
		asked := map[string]string{}
		for _, k := range keys {
			asked[strings.ToLower(k)] = k
		}
		for _, i := range w.Items {
			if key, ok := asked[strings.ToLower(i.ID)]; ok {
				found[key] = keep(i, said, s.identityTags(i)...)
			}
		}
		if w.Done {
			return found, nil
		}
	}
	rest, failed := eachRenewed(ctx, without(keys, found), validatorsOf(missing), s.IdentityByID, s.identityTags)
	return merged(found, rest), failed
}

// IdentityByID takes a key that the backend calls malformed for one that does not exist: the customer's own identifiers
// need not be ids of this backend.
func (s *Source) IdentityByID(ctx context.Context, id string) (*mattr.Identity, error) {
	i, err := s.MATTR.Identity(ctx, id)
	if malformed(err) {
		return nil, &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	}
	return i, err
}

// malformed says whether MATTR refused the form of a key.
func malformed(err error) bool {
	var refused *upstream.Error
	return errors.As(err, &refused) && refused.Kind == upstream.Invalid && refused.Status == http.StatusBadRequest
}

// credentialsOf reads a part of an identity's credentials. A key that is malformed names no identity.
func (s *Source) credentialsOf(ctx context.Context, k CredentialPageKey) (mattr.Page[*mattr.Credential], error) {
	p, err := s.MATTR.Credentials(ctx, k.Identity, k.Limit, k.Token)
	if k.Token == "" && malformed(err) {
		return p, &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	}
	return p, err
}

// fetchUserIdentities finds the identity of each user, by the field that the configuration joins on.
func (s *Source) fetchUserIdentities(ctx context.Context, users []string) (map[string]*mattr.Identity, map[string]error) {
	switch {
	case s.MATTR == nil:
		return refuse[string, *mattr.Identity](upstream.MATTR)(ctx, users)
	case s.Link.User == "id":
		return s.fetchIdentities(ctx, users)
	}
	return unpack(s.userIdentities.Load(ctx, users, s.readUserIdentities))
}

// readUserIdentities searches for each user, or walks all identities where that takes fewer calls and the list shows
// the key that joins.
func (s *Source) readUserIdentities(ctx context.Context, missing []cache.Wanted[*mattr.Identity]) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
	users := keysOf(missing)
	ctx = upstream.WithKeys(ctx, users...)
	if walk, _, ok := peekWalk(ctx, s.identityWalk); ok {
		return s.fromWalk(ctx, users, walk)
	}
	found, failed, done := s.walkForUsers(ctx, users)
	if done {
		return found, failed
	}
	rest, failed := eachKept(ctx, users, s.FindUserIdentity, s.identityTags)
	return rest, failed
}

// fromWalk reads those whom a walk has seen, by id; the others do not exist.
func (s *Source) fromWalk(ctx context.Context, users []string, walk identityWalk) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
	var known []string
	for _, u := range users {
		if len(walk.IDs[u]) > 0 {
			known = append(known, u)
		}
	}
	return eachKept(ctx, known, func(ctx context.Context, user string) (*mattr.Identity, error) {
		if len(walk.IDs[user]) > 1 {
			return nil, errTwoIdentities
		}
		return s.IdentityByID(ctx, walk.IDs[user][0])
	}, s.identityTags)
}

// walkForUsers answers all users from the pages of the whole list, if those are few and show the key that joins.
func (s *Source) walkForUsers(ctx context.Context, users []string) (found map[string]cache.Fetched[*mattr.Identity], failed map[string]error, done bool) {
	bound := s.identityPages.bound(len(users))
	if bound == 0 || s.identitiesLackKeys.Load() {
		return nil, nil, false
	}
	w, said, err := shareWalk(ctx, s.userIdentityWalks, s.sawIdentities, func(ctx context.Context) (mattr.Walk, error) {
		return mattr.WalkIdentities(ctx, bound, s.walkIdentityPage, s.showsKeys)
	})
	if err != nil {
		return nil, failAll(users, err), true
	}
	if len(w.Items) > 0 && !s.showsKeys(w.Items) {
		s.identitiesLackKeys.Store(true)
		return nil, nil, false
	}
	s.identityPages.take(w.Pages, w.Done, w.Unusable)
	if !w.Done {
		return nil, nil, false
	}
	byUser := map[string][]*mattr.Identity{}
	walk := identityWalk{IDs: map[string][]string{}}
	for _, i := range w.Items {
		if user, ok, err := s.Link.UserKey(i); ok && err == nil {
			byUser[user] = append(byUser[user], i)
			walk.IDs[user] = append(walk.IDs[user], i.ID)
		}
	}
	s.identityWalk.Put(ctx, wholeWalk, keep(walk, said, s.tag(upstream.MATTR, allIdentities)))
	found, failed = map[string]cache.Fetched[*mattr.Identity]{}, map[string]error{}
	for _, user := range users {
		if i, err := one(byUser[user], nil); err == nil {
			found[user] = keep(i, said, s.identityTags(i)...)
		} else if upstream.KindOf(err) != upstream.NotFound {
			failed[user] = err
		}
	}
	return found, failed, true
}

// showsKeys says whether any record of a list carries the key that joins.
func (s *Source) showsKeys(list []*mattr.Identity) bool {
	for _, i := range list {
		if _, ok, err := s.Link.UserKey(i); ok && err == nil {
			return true
		}
	}
	return false
}

// FindUserIdentity searches for the identity of a user.
func (s *Source) FindUserIdentity(ctx context.Context, user string) (*mattr.Identity, error) {
	if claim := s.Link.Claim(); claim != "" {
		return one(s.MATTR.FindByClaim(ctx, claim, user))
	}
	return one(s.MATTR.FindBySubject(ctx, s.Link.UserProvider, user))
}

var errTwoIdentities = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.Contract, Err: upstream.ErrAmbiguous}

// one takes the only match. Two that carry one key cannot both be meant, and the first need not be the right one.
func one(matches []*mattr.Identity, err error) (*mattr.Identity, error) {
	switch {
	case err != nil:
		return nil, err
	case len(matches) == 0:
		return nil, &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	case len(matches) > 1:
		return nil, errTwoIdentities
	}
	return matches[0], nil
}

// IdentityQuery names a part of a list of identities; Filter is nil for the list of all.
type IdentityQuery struct {
	Filter *IdentityFilter `json:",omitempty"`
	Limit  int
	Token  string
}

// IdentityFilter is mattr.Criteria as a part of a key.
type IdentityFilter struct {
	Claims                json.RawMessage `json:",omitempty"`
	ProviderID, SubjectID *string         `json:",omitempty"`
}

// Empty reports whether the filter matches every identity.
func (f *IdentityFilter) Empty() bool {
	return f == nil || f.Claims == nil && f.ProviderID == nil && f.SubjectID == nil
}

// IdentityPage reads a part of the list of identities, or of a search.
func (s *Source) IdentityPage(ctx context.Context, q IdentityQuery) (Page[*mattr.Identity], error) {
	text, err := json.Marshal(q)
	if err != nil {
		return Page[*mattr.Identity]{}, err
	}
	pages := &s.identities
	if q.Filter != nil {
		pages = &s.found
	}
	return pages.page(s.withListPurpose(ctx), string(text), s.readIdentityPages)
}

func (s *Source) readIdentityPages(ctx context.Context, keys []string, kept validators) (map[string]*arrived[*mattr.Identity], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (*arrived[*mattr.Identity], error) {
		var q IdentityQuery
		if err := json.Unmarshal([]byte(key), &q); err != nil {
			return nil, err
		}
		ctx, said := renewing(ctx, kept[key])
		var p mattr.Page[*mattr.Identity]
		var err error
		if q.Filter == nil {
			p, err = s.MATTR.Identities(ctx, q.Limit, q.Token)
		} else {
			p, err = s.MATTR.Search(ctx, mattr.Criteria(*q.Filter), q.Limit, q.Token)
		}
		if err != nil {
			return unchanged[*mattr.Identity](err, said)
		}
		page := showing(p.Items, func(i *mattr.Identity) (string, bool) { return i.ID, false }, s.tag(upstream.MATTR, allIdentities))
		page.Next, page.reply, page.etag = p.Next, said, said.ETag()
		return page, nil
	})
}

// fetchCredentialPages reads parts of identities' credentials.
func (s *Source) fetchCredentialPages(ctx context.Context, keys []CredentialPageKey) (map[CredentialPageKey]Page[*mattr.Credential], map[CredentialPageKey]error) {
	if s.MATTR == nil {
		return refuse[CredentialPageKey, Page[*mattr.Credential]](upstream.MATTR)(ctx, keys)
	}
	texts := make([]string, len(keys))
	byText := map[string]CredentialPageKey{}
	for i, k := range keys {
		texts[i] = k.text()
		byText[texts[i]] = k
	}
	results := s.credentials.Load(ctx, texts, func(ctx context.Context, missing []cache.Wanted[mattr.Page[*mattr.Credential]]) (map[string]cache.Fetched[mattr.Page[*mattr.Credential]], map[string]error) {
		kept := validatorsOf(missing)
		return each(ctx, keysOf(missing), func(ctx context.Context, text string) (cache.Fetched[mattr.Page[*mattr.Credential]], error) {
			k := byText[text]
			ctx, said := renewing(ctx, kept[text])
			p, err := s.credentialsOf(ctx, k)
			return renewed(p, err, said, s.identityTag(k.Identity))
		})
	})
	found, failed := make(map[CredentialPageKey]Page[*mattr.Credential], len(keys)), map[CredentialPageKey]error{}
	for text, result := range results {
		if result.Err != nil {
			failed[byText[text]] = result.Err
		} else if result.Found {
			found[byText[text]] = Page[*mattr.Credential]{Items: result.Value.Items, Next: result.Value.Next}
		}
	}
	return found, failed
}
