package datasource

import (
	"encoding/json"
	"strings"

	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Link names the fields that join the backends.
type Link struct {
	// Client is the client's field that is Coassemble's clientIdentifier: id, slug or sku.
	Client string
	// User is where an identity carries the user's identifier: subjectId, id or claims.KEY.
	User string
	// UserProvider is the providerId that a subjectId belongs to; empty for any.
	UserProvider string
}

const claimPrefix = "claims."

// Claim returns the name of the claim that joins, empty where none does.
func (l Link) Claim() string {
	name, _ := strings.CutPrefix(l.User, claimPrefix)
	if name == l.User {
		return ""
	}
	return name
}

// ClientKey leads from Coassemble's name for a client to the client.
func (l Link) ClientKey(identifier string) thoughtindustries.Key {
	return thoughtindustries.Key{Field: l.Client, Value: identifier}
}

// UserKey returns the identifier of the user whom an identity belongs to, and whether the identity shows it.
func (l Link) UserKey(i *mattr.Identity) (string, bool, error) {
	if i == nil {
		return "", false, nil
	}
	if l.User == "id" {
		return i.Key, i.Key != "", nil
	}
	if claim := l.Claim(); claim != "" {
		raw, err := i.Claims()
		if err != nil || raw == nil {
			return "", false, err
		}
		text := textMember(raw, claim)
		return text, text != "", nil
	}
	p, err := i.AuthenticationProvider()
	if err != nil || p == nil {
		return "", false, err
	}
	provider, err := p.ProviderID()
	if err != nil || l.UserProvider != "" && provider != nil && !strings.EqualFold(*provider, l.UserProvider) {
		return "", false, err
	}
	subject, err := p.SubjectID()
	if err != nil || subject == nil || *subject == "" {
		return "", false, err
	}
	return *subject, true, nil
}

// LacksProvider reports whether an identity lacks the provider that joins it with a user: a read by id may omit members
// that a search shows.
func (l Link) LacksProvider(i *mattr.Identity) bool {
	if l.User == "id" || l.Claim() != "" {
		return false
	}
	p, err := i.AuthenticationProvider()
	return err == nil && p == nil
}

// NewUser returns the identifier of the user whom an update joins an identity with, empty where it names none, and the
// member of the update that names it.
func (l Link) NewUser(update mattr.Update) (user string, path []string) {
	if claim := l.Claim(); claim != "" {
		return textMember(update.Claims, claim), []string{"claims"}
	}
	if l.User != "id" && update.Provider != nil && update.Provider.SubjectID != nil {
		return *update.Provider.SubjectID, []string{"authenticationProvider", "subjectId"}
	}
	return "", nil
}

// textMember is a member of a JSON object, empty where it is no text.
func textMember(object json.RawMessage, name string) (text string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil || json.Unmarshal(members[name], &text) != nil {
		return ""
	}
	return text
}
