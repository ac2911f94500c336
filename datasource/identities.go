package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// identityLists are identities by id, by the identifier of their user, and as lists and searches show them.
type identityLists struct {
	*resource[*mattr.Identity]
	// searches are pages of searches, which show more than other routes.
	searches *cache.Collection[PageKey, *mattr.Identity]
	byUser   *cache.Space[*mattr.Identity]
	// scans are pages of scans for users' identities.
	scans   *cache.Collection[PageKey, *mattr.Identity]
	flights *cache.Space[*scan[*mattr.Identity]]
	// index is the result of a finished scan, of the identities that no caller asked for.
	index *cache.Space[identityIndex]
	// unlinked is set once a scan has shown that the list does not carry the key that joins.
	unlinked atomic.Bool
}

// identityIndex are the ids of the identities of each user, and nothing else of them.
type identityIndex struct {
	IDs map[string][]string `json:"ids"`
}

func (x identityIndex) size() int {
	n := footprint.Map(x.IDs)
	for k, ids := range x.IDs {
		n += footprint.Text(k) + footprint.Slice(ids)
		for _, id := range ids {
			n += footprint.Text(id)
		}
	}
	return n
}

// scanKey is the only key of a space that holds the result of a finished scan.
const scanKey = "walk"

func (s *Source) identityTag(id string) cache.Tag {
	return s.tag(upstream.MATTR, "identity:"+strings.ToLower(id))
}

func (s *Source) identityTags(i *mattr.Identity) []cache.Tag {
	return []cache.Tag{s.identityTag(i.Key)}
}

func identityKey(i *mattr.Identity) (key string, stub bool) { return i.Key, false }

func (s *Source) newIdentities(c *cache.Cache, o spaceOptions) *identityLists {
	records := func(kind string) cache.SpaceOptions[*mattr.Identity] {
		return recordSpace[mattr.Identity](o, kind)
	}
	r := &resource[*mattr.Identity]{list: s.tag(upstream.MATTR, "identities"), tags: s.identityTags,
		normal: strings.ToLower, single: s.identityByID, requestedOnly: true, items: cache.NewSpace(c, records("identity"))}
	r.pages = cache.NewCollection(c, cache.CollectionOptions[PageKey, *mattr.Identity]{Pages: records("identityPage"),
		Text: PageKey.text, Items: r.items, Key: identityKey, Tags: r.tags})
	l := &identityLists{resource: r,
		searches: cache.NewCollection(c,
			cache.CollectionOptions[PageKey, *mattr.Identity]{Pages: records("foundIdentityPage"), Text: PageKey.text}),
		byUser:  cache.NewSpace(c, records("userIdentity")),
		flights: flights[*scan[*mattr.Identity]](c, "userIdentityWalk", o),
		index:   newSpace(c, "identityWalk", o, jsonOf[identityIndex], fromJSON[identityIndex], identityIndex.size),
	}
	l.scans = cache.NewCollection(c, cache.CollectionOptions[PageKey, *mattr.Identity]{Pages: records("userIdentityPage"),
		Text: PageKey.text, Items: l.byUser, Key: s.linkedUser, Tags: r.tags})
	r.scan = scanner[*mattr.Identity]{size: new(scanSize), key: identityKey, seen: s.seenIdentities,
		flights: flights[*scan[*mattr.Identity]](c, "identityWalkFlight", o),
		read: func(ctx context.Context, cursor string) (scannedPage[*mattr.Identity], error) {
			page, meta, err := s.MATTR.Identities(ctx, mattr.MaxLimit, cursor)
			return scannedPage[*mattr.Identity]{&page, meta}, err
		}}
	return l
}

func (s *Source) seenIdentities(items []*mattr.Identity) []cache.Tag {
	tags := append(make([]cache.Tag, 0, 1+len(items)), s.identities.list)
	for _, i := range items {
		tags = append(tags, s.identityTag(i.Key))
	}
	return tags
}

// identityByID takes a key that the backend calls malformed for one that does not exist: the customer's own identifiers
// need not be ids of this backend.
func (s *Source) identityByID(ctx context.Context, id string,
	options ...upstream.Option) (*mattr.Identity, upstream.Meta, error) {
	i, meta, err := s.MATTR.Identity(ctx, id, options...)
	if malformed(err) {
		err = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	}
	return i, meta, err
}

// malformed reports whether MATTR refused the form of a key.
func malformed(err error) bool {
	var refused *upstream.Error
	return errors.As(err, &refused) && refused.Kind == upstream.Invalid && refused.Status == http.StatusBadRequest
}

// IdentityPage reads a part of the list of identities, or of those that meet the criteria; nil is the list of all.
func (s *Source) IdentityPage(ctx context.Context, criteria *mattr.Criteria, limit int,
	token string) (Page[*mattr.Identity], error) {
	key, pages := PageKey{First: limit, Token: token}, s.identities.pages
	if criteria != nil {
		text, err := json.Marshal(criteria)
		if err != nil {
			return Page[*mattr.Identity]{}, err
		}
		key.Of, pages = string(text), s.identities.searches
	}
	tags := func(PageKey) []cache.Tag { return []cache.Tag{s.identities.list} }
	return pageOf(s.withListPurpose(ctx), pages, key,
		eachPage(tags, func(ctx context.Context, k PageKey, o upstream.Option) (Page[*mattr.Identity], upstream.Meta, error) {
			if criteria == nil {
				return s.MATTR.Identities(ctx, k.First, k.Token, o)
			}
			return s.MATTR.Search(ctx, *criteria, k.First, k.Token)
		}))
}
