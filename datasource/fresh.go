package datasource

import (
	"context"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// The Fresh reads are made at the backend whatever is stored: the right to write rests on them. The backend of all but
// FreshUser must be configured.

// FreshUser reads a user.
func (s *Source) FreshUser(ctx context.Context, key string) (*coassemble.User, error) {
	if err := s.Configured(upstream.Coassemble); err != nil {
		return nil, err
	}
	u, _, err := s.Coassemble.User(ctx, key)
	return u, err
}

// FreshUserPage reads a part of a client's users.
func (s *Source) FreshUserPage(ctx context.Context, k PageKey) (p Page[*coassemble.User], err error) {
	p, _, err = s.Coassemble.UserWindow(ctx, k.Of, k.Offset, k.First)
	return p, err
}

// FreshIdentity reads an identity.
func (s *Source) FreshIdentity(ctx context.Context, id string) (*mattr.Identity, error) {
	i, _, err := s.identityByID(ctx, id)
	return i, err
}

// FreshUserIdentity searches for the identity of a user.
func (s *Source) FreshUserIdentity(ctx context.Context, user string) (*mattr.Identity, error) {
	i, _, err := s.findUserIdentity(ctx, user)
	return i, err
}

// FreshSearch searches for identities, and returns those of the first page.
func (s *Source) FreshSearch(ctx context.Context, criteria mattr.Criteria, limit int) ([]*mattr.Identity, error) {
	p, _, err := s.MATTR.Search(ctx, criteria, limit, "")
	return p.Items, err
}

// ShownKey returns a client's value of a field that names it: "id", "slug" or "sku"; "" where it shows none.
func (s *Source) ShownKey(client *document.Document, field string) string {
	return s.ThoughtIndustries.KeyOf(client, field)
}
