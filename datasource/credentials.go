package datasource

import (
	"context"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// newCredentials returns the pages of credentials. No route reads one alone, so that they have no keys of their own.
func newCredentials(c *cache.Cache, o spaceOptions) *cache.Collection[PageKey, *mattr.Credential] {
	return cache.NewCollection(c, cache.CollectionOptions[PageKey, *mattr.Credential]{
		Pages: recordSpace[mattr.Credential](o, "credentialPage"),
		Text:  PageKey.text})
}

func (s *Source) fetchCredentialPages(ctx context.Context, keys []PageKey,
	_ *roundMember) []cache.Result[Page[*mattr.Credential]] {
	tags := func(k PageKey) []cache.Tag {
		return []cache.Tag{s.identityTag(k.Of), s.credentialsTag(k.Of)}
	}
	return s.credentials.Load(ctx, keys, eachPage(tags, s.readCredentials))
}

// credentialsTag is the tag of an identity's credentials, which change without the identity.
func (s *Source) credentialsTag(id string) cache.Tag {
	return s.tag(upstream.MATTR, "credentials:"+strings.ToLower(id))
}

// readCredentials reads a page of an identity's credentials. A key that is malformed names no identity.
func (s *Source) readCredentials(ctx context.Context, k PageKey,
	o upstream.Option) (Page[*mattr.Credential], upstream.Meta, error) {
	p, meta, err := s.MATTR.Credentials(ctx, k.Of, k.First, k.Token, o)
	if k.Token == "" && malformed(err) {
		err = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.NotFound}
	}
	return p, meta, err
}
