package resolvers

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

func (s *store) identityTag(id string) cache.Tag {
	return s.tag(upstream.MATTR, "identity:"+strings.ToLower(id))
}

func (s *store) identityTags(i *mattr.Identity) []cache.Tag { return []cache.Tag{s.identityTag(i.ID)} }

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
func (r *Resolver) fetchIdentities(ctx context.Context, keys []string) (map[string]*mattr.Identity, map[string]error) {
	if r.MATTR == nil {
		return refuse[string, *mattr.Identity](upstream.MATTR)(ctx, keys)
	}
	return unpack(r.store.identities.objects.Load(ctx, keys, r.readIdentities))
}

func (r *Resolver) readIdentities(ctx context.Context, missing []cache.Wanted[*mattr.Identity]) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
	keys := keysOf(missing)
	ctx = upstream.WithKeys(ctx, keys...)
	found := map[string]cache.Fetched[*mattr.Identity]{}
	if bound := r.store.identityPages.bound(len(keys)); bound > 0 {
		w, said, err := shareWalk(ctx, r.store.identityWalks, r.sawIdentities, func(ctx context.Context) (mattr.Walk, error) {
			return mattr.WalkIdentities(ctx, bound, r.longestIdentityPage, func([]*mattr.Identity) bool { return true })
		})
		if err != nil {
			return nil, failAll(keys, err)
		}
		r.store.identityPages.take(w.Pages, w.Done, w.Unusable)
		asked := map[string]string{}
		for _, k := range keys {
			asked[strings.ToLower(k)] = k
		}
		for _, i := range w.Items {
			if key, ok := asked[strings.ToLower(i.ID)]; ok {
				found[key] = keep(i, said, r.store.identityTags(i)...)
			}
		}
		if w.Done {
			return found, nil
		}
	}
	rest, failed := eachRenewed(ctx, without(keys, found), validatorsOf(missing), r.identityByID, r.store.identityTags)
	return merged(found, rest), failed
}

// identityByID takes a key that the backend calls malformed for one that does not exist: the customer's own identifiers
// need not be ids of this backend.
func (r *Resolver) identityByID(ctx context.Context, id string) (*mattr.Identity, error) {
	i, err := r.MATTR.Identity(ctx, id)
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
func (r *Resolver) credentialsOf(ctx context.Context, k credentialPageKey) (mattr.Page[*mattr.Credential], error) {
	p, err := r.MATTR.Credentials(ctx, k.identity, k.limit, k.token)
	if k.token == "" && malformed(err) {
		return p, &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	}
	return p, err
}

// fetchUserIdentities finds the identity of each user, by the field that the configuration joins on.
func (r *Resolver) fetchUserIdentities(ctx context.Context, users []string) (map[string]*mattr.Identity, map[string]error) {
	switch {
	case r.MATTR == nil:
		return refuse[string, *mattr.Identity](upstream.MATTR)(ctx, users)
	case r.Link.User == "id":
		return r.fetchIdentities(ctx, users)
	}
	return unpack(r.store.userIdentities.Load(ctx, users, r.readUserIdentities))
}

// readUserIdentities searches for each user, or walks all identities where that takes fewer calls and the list shows
// the key that joins.
func (r *Resolver) readUserIdentities(ctx context.Context, missing []cache.Wanted[*mattr.Identity]) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
	users := keysOf(missing)
	ctx = upstream.WithKeys(ctx, users...)
	if walk, _, ok := peekWalk(ctx, r.store.identityWalk); ok {
		return r.fromWalk(ctx, users, walk)
	}
	found, failed, done := r.walkForUsers(ctx, users)
	if done {
		return found, failed
	}
	rest, failed := eachKept(ctx, users, r.searchUserIdentity, r.store.identityTags)
	return rest, failed
}

// fromWalk reads those whom a walk has seen, by id; the others do not exist.
func (r *Resolver) fromWalk(ctx context.Context, users []string, walk identityWalk) (map[string]cache.Fetched[*mattr.Identity], map[string]error) {
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
		return r.identityByID(ctx, walk.IDs[user][0])
	}, r.store.identityTags)
}

// walkForUsers answers all users from the pages of the whole list, if those are few and show the key that joins.
func (r *Resolver) walkForUsers(ctx context.Context, users []string) (found map[string]cache.Fetched[*mattr.Identity], failed map[string]error, done bool) {
	bound := r.store.identityPages.bound(len(users))
	if bound == 0 || r.store.identitiesLackKeys.Load() {
		return nil, nil, false
	}
	w, said, err := shareWalk(ctx, r.store.userIdentityWalks, r.sawIdentities, func(ctx context.Context) (mattr.Walk, error) {
		return mattr.WalkIdentities(ctx, bound, r.walkIdentityPage, r.showsKeys)
	})
	if err != nil {
		return nil, failAll(users, err), true
	}
	if len(w.Items) > 0 && !r.showsKeys(w.Items) {
		r.store.identitiesLackKeys.Store(true)
		return nil, nil, false
	}
	r.store.identityPages.take(w.Pages, w.Done, w.Unusable)
	if !w.Done {
		return nil, nil, false
	}
	byUser := map[string][]*mattr.Identity{}
	walk := identityWalk{IDs: map[string][]string{}}
	for _, i := range w.Items {
		if user, ok, err := r.userKeyOf(i); ok && err == nil {
			byUser[user] = append(byUser[user], i)
			walk.IDs[user] = append(walk.IDs[user], i.ID)
		}
	}
	r.store.identityWalk.Put(ctx, wholeWalk, keep(walk, said, r.store.tag(upstream.MATTR, allIdentities)))
	found, failed = map[string]cache.Fetched[*mattr.Identity]{}, map[string]error{}
	for _, user := range users {
		if i, err := one(byUser[user], nil); err == nil {
			found[user] = keep(i, said, r.store.identityTags(i)...)
		} else if upstream.KindOf(err) != upstream.NotFound {
			failed[user] = err
		}
	}
	return found, failed, true
}

// showsKeys says whether any record of a list carries the key that joins.
func (r *Resolver) showsKeys(list []*mattr.Identity) bool {
	for _, i := range list {
		if _, ok, err := r.userKeyOf(i); ok && err == nil {
			return true
		}
	}
	return false
}

func (r *Resolver) searchUserIdentity(ctx context.Context, user string) (*mattr.Identity, error) {
	if claim := r.Link.claim(); claim != "" {
		return one(r.MATTR.FindByClaim(ctx, claim, user))
	}
	return one(r.MATTR.FindBySubject(ctx, r.Link.UserProvider, user))
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

// identityQuery names a part of a list of identities; Filter is nil for the list of all.
type identityQuery struct {
	Filter *identityFilter `json:",omitempty"`
	Limit  int
	Token  string
}

// identityFilter is mattr.Criteria as a part of a key.
type identityFilter struct {
	Claims                json.RawMessage `json:",omitempty"`
	ProviderID, SubjectID *string         `json:",omitempty"`
}

// empty says whether the filter matches everyone.
func (f *identityFilter) empty() bool {
	return f == nil || f.Claims == nil && f.ProviderID == nil && f.SubjectID == nil
}

// identityPage reads a part of the list of identities, or of a search.
func (r *Resolver) identityPage(ctx context.Context, q identityQuery) (mattr.Page[*mattr.Identity], error) {
	text, err := json.Marshal(q)
	if err != nil {
		return mattr.Page[*mattr.Identity]{}, err
	}
	kept := &r.store.identities
	if q.Filter != nil {
		kept = &r.store.found
	}
	key := string(text)
	found, failed := kept.load(ctx, []string{key}, r.readIdentityPages)
	complain(ctx, found[key].missing)
	return mattr.Page[*mattr.Identity]{Items: found[key].values, Next: next(found[key].listing)}, failed[key]
}

func next[V any](l *listing[V]) string {
	if l == nil {
		return ""
	}
	return l.Next
}

func (r *Resolver) readIdentityPages(ctx context.Context, keys []string, kept validators) (map[string]*arrived[*mattr.Identity], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (*arrived[*mattr.Identity], error) {
		var q identityQuery
		if err := json.Unmarshal([]byte(key), &q); err != nil {
			return nil, err
		}
		ctx, said := renewing(ctx, kept[key])
		var p mattr.Page[*mattr.Identity]
		var err error
		if q.Filter == nil {
			p, err = r.MATTR.Identities(ctx, q.Limit, q.Token)
		} else {
			p, err = r.MATTR.Search(ctx, mattr.Criteria(*q.Filter), q.Limit, q.Token)
		}
		if err != nil {
			return unchanged[*mattr.Identity](err, said)
		}
		page := showing(p.Items, func(i *mattr.Identity) (string, bool) { return i.ID, false }, r.store.tag(upstream.MATTR, allIdentities))
		page.Next, page.reply, page.etag = p.Next, said, said.ETag()
		return page, nil
	})
}

// fetchCredentialPages reads parts of identities' credentials.
func (r *Resolver) fetchCredentialPages(ctx context.Context, keys []credentialPageKey) (map[credentialPageKey]mattr.Page[*mattr.Credential], map[credentialPageKey]error) {
	if r.MATTR == nil {
		return refuse[credentialPageKey, mattr.Page[*mattr.Credential]](upstream.MATTR)(ctx, keys)
	}
	texts := make([]string, len(keys))
	byText := map[string]credentialPageKey{}
	for i, k := range keys {
		texts[i] = k.text()
		byText[texts[i]] = k
	}
	results := r.store.credentials.Load(ctx, texts, func(ctx context.Context, missing []cache.Wanted[mattr.Page[*mattr.Credential]]) (map[string]cache.Fetched[mattr.Page[*mattr.Credential]], map[string]error) {
		kept := validatorsOf(missing)
		return each(ctx, keysOf(missing), func(ctx context.Context, text string) (cache.Fetched[mattr.Page[*mattr.Credential]], error) {
			k := byText[text]
			ctx, said := renewing(ctx, kept[text])
			p, err := r.credentialsOf(ctx, k)
			return renewed(p, err, said, r.store.identityTag(k.identity))
		})
	})
	found, failed := make(map[credentialPageKey]mattr.Page[*mattr.Credential], len(keys)), map[credentialPageKey]error{}
	for text, result := range results {
		if result.Err != nil {
			failed[byText[text]] = result.Err
		} else if result.Found {
			found[byText[text]] = result.Value
		}
	}
	return found, failed
}
