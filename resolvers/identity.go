package resolvers

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// ID is the global id.
func (r identityResolver) ID(_ context.Context, i *mattr.Identity) (string, error) {
	return nodeID(scalar.IdentityNode, i.ID, upstream.MATTR)
}

// SourceID is the id in MATTR.
func (r identityResolver) SourceID(_ context.Context, i *mattr.Identity) (string, error) {
	return sourceID(i.ID, upstream.MATTR)
}

// User is the user whom the identity belongs to, where it shows the key that joins.
func (r identityResolver) User(ctx context.Context, objs []*mattr.Identity) ([]*coassemble.User, error) {
	users, err := join(ctx, objs, loadersOf(ctx).users(), r.userKeyOf, itself)
	return visible(ctx, users, err, seesUser)
}

// Credentials are what was issued to the identity.
func (r identityResolver) Credentials(ctx context.Context, objs []*mattr.Identity, first *int, after *string) ([]*model.CredentialConnection, error) {
	key := func(i *mattr.Identity) (string, bool, error) { return i.ID, i.ID != "", nil }
	return credentialsOf(ctx, objs, "Identity.credentials", key, first, after)
}

// userKeyOf is the user's identifier as the identity carries it.
func (r *Resolver) userKeyOf(i *mattr.Identity) (string, bool, error) {
	if i == nil {
		return "", false, nil
	}
	if r.Link.User == "id" {
		return i.ID, i.ID != "", nil
	}
	if claim := r.Link.claim(); claim != "" {
		return claimText(i, claim)
	}
	p, err := i.AuthenticationProvider()
	if err != nil || p == nil {
		return "", false, err
	}
	provider, err := p.ProviderID()
	if err != nil || r.Link.UserProvider != "" && provider != nil && !strings.EqualFold(*provider, r.Link.UserProvider) {
		return "", false, err
	}
	return present(p.SubjectID())
}

// claimText is a claim that is a text; any other does not join.
func claimText(i *mattr.Identity, name string) (string, bool, error) {
	raw, err := i.Claims()
	if err != nil || raw == nil {
		return "", false, err
	}
	text := textMember(raw, name)
	return text, text != "", nil
}

// textMember is a member of a JSON object, empty where it is no text.
func textMember(object json.RawMessage, name string) (text string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil || json.Unmarshal(members[name], &text) != nil {
		return ""
	}
	return text
}
