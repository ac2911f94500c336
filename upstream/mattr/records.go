package mattr

import (
	"bytes"
	"encoding/json"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
)

// The members of a user's record, in the order of identityShape.
const (
	identityID = iota
	identityClaims
	identityProvider
)

var identityShape = &document.Shape{Name: "Identity", Members: []document.Member{
	{Name: "id"}, {Name: "claims", JSON: true}, {Name: "authenticationProvider", Shape: providerShape},
}}

// The members of an authentication provider, in the order of providerShape.
const (
	providerProviderID = iota
	providerURL
	providerSubjectID
)

var providerShape = &document.Shape{Name: "AuthenticationProvider", Members: []document.Member{
	{Name: "providerId"}, {Name: "url"}, {Name: "subjectId"},
}}

// The members of a credential's record, in the order of credentialShape.
const (
	credentialID = iota
	credentialType
	credentialProfile
	credentialSessionID
	credentialConfigurationID
	credentialOfferID
	credentialDevicePublicKey
	credentialNamespaces
	credentialMSOHash
	credentialIssuedDate
	credentialValidFrom
	credentialValidUntil
	credentialStatus
)

var credentialShape = &document.Shape{Name: "Credential", Members: []document.Member{
	{Name: "id"}, {Name: "type"}, {Name: "profile"}, {Name: "sessionId"}, {Name: "credentialConfigurationId"},
	{Name: "offerId"}, {Name: "devicePublicKey", JSON: true}, {Name: "namespaces", JSON: true}, {Name: "msoHash"},
	{Name: "issuedDate"}, {Name: "validFrom"}, {Name: "validUntil"}, {Name: "status"},
}}

// Shapes are the members that are read of each record.
var Shapes = struct{ Identity, Credential *document.Shape }{identityShape, credentialShape}

// Identity is a user of the MATTR tenant. What a record does not have is nil; a value of another kind than promised is
// a *document.Mismatch of its accessor alone. Its JSON form holds all that the accessors show.
type Identity struct {
	// ID is the tenant's key, "" if the record shows none.
	ID string
	record
}

// Claims are what the tenant keeps about the person, an object as a rule.
func (i *Identity) Claims() (json.RawMessage, error) { return i.raw(identityClaims) }

// AuthenticationProvider is how the person signs in. Not every endpoint shows it.
func (i *Identity) AuthenticationProvider() (*AuthenticationProvider, error) {
	return optional(i.member(identityProvider), func(v document.Value) (AuthenticationProvider, error) {
		o, err := v.Object()
		return AuthenticationProvider{o}, err
	})
}

// MarshalJSON writes the record without the members that are not known here.
func (i *Identity) MarshalJSON() ([]byte, error) { return i.marshal(), nil }

// UnmarshalJSON reads a record.
func (i *Identity) UnmarshalJSON(data []byte) error {
	d, err := document.Parse(data, identityShape)
	if err == nil {
		*i = *newIdentity(record{d})
	}
	return err
}

func newIdentity(r record) *Identity { return &Identity{ID: r.key(identityID), record: r} }

// AuthenticationProvider is the sign-in of an Identity.
type AuthenticationProvider struct{ object document.Object }

// ProviderID is the tenant's key of the provider.
func (p AuthenticationProvider) ProviderID() (*string, error) {
	return optional(p.object.Member(providerProviderID), document.Value.ID)
}

// URL is the provider's address.
func (p AuthenticationProvider) URL() (*string, error) {
	return optional(p.object.Member(providerURL), document.Value.Text)
}

// SubjectID is the person's key at the provider.
func (p AuthenticationProvider) SubjectID() (*string, error) {
	return optional(p.object.Member(providerSubjectID), document.Value.Text)
}

// Credential is what the tenant remembers of an issued credential, in the manner of Identity. Everything after Profile
// is of mobile credentials.
type Credential struct {
	// ID is the tenant's key, "" if the record shows none.
	ID string
	record
}

// Type is a credential type's name or a document type.
func (c *Credential) Type() (*string, error) { return c.text(credentialType) }

// Profile is the format family, such as "web-semantic" or "mobile".
func (c *Credential) Profile() (*string, error) { return c.text(credentialProfile) }

// SessionID is the issuing session's key.
func (c *Credential) SessionID() (*string, error) { return c.id(credentialSessionID) }

// CredentialConfigurationID is the key of the configuration that the credential was made from.
func (c *Credential) CredentialConfigurationID() (*string, error) {
	return c.id(credentialConfigurationID)
}

// OfferID is the key of the offer that led to the credential.
func (c *Credential) OfferID() (*string, error) { return c.id(credentialOfferID) }

// DevicePublicKey is the holder's key, a JSON Web Key.
func (c *Credential) DevicePublicKey() (json.RawMessage, error) {
	return c.raw(credentialDevicePublicKey)
}

// Namespaces maps namespace and element to a digest.
func (c *Credential) Namespaces() (json.RawMessage, error) { return c.raw(credentialNamespaces) }

// MSOHash is the hash of the mobile security object.
func (c *Credential) MSOHash() (*string, error) { return c.text(credentialMSOHash) }

// IssuedDate is when the credential was issued, ISO 8601.
func (c *Credential) IssuedDate() (*string, error) { return c.text(credentialIssuedDate) }

// ValidFrom is the first moment at which the credential holds, ISO 8601.
func (c *Credential) ValidFrom() (*string, error) { return c.text(credentialValidFrom) }

// ValidUntil is the last moment at which the credential holds, ISO 8601.
func (c *Credential) ValidUntil() (*string, error) { return c.text(credentialValidUntil) }

// Status is "valid", "suspended" or, for good, "invalid".
func (c *Credential) Status() (*string, error) { return c.text(credentialStatus) }

// MarshalJSON writes the record without the members that are not known here.
func (c *Credential) MarshalJSON() ([]byte, error) { return c.marshal(), nil }

// UnmarshalJSON reads a record.
func (c *Credential) UnmarshalJSON(data []byte) error {
	d, err := document.Parse(data, credentialShape)
	if err == nil {
		*c = *newCredential(record{d})
	}
	return err
}

func newCredential(r record) *Credential { return &Credential{ID: r.key(credentialID), record: r} }

// record reads leaves from a document; without one everything is null.
type record struct{ doc *document.Document }

func (r record) member(i int) document.Value {
	if r.doc == nil {
		return document.Value{}
	}
	return r.doc.Root().Member(i)
}

func (r record) key(i int) string {
	id, err := r.member(i).ID()
	if err != nil {
		return ""
	}
	return id
}

func (r record) id(i int) (*string, error) {
	return optional(r.member(i), document.Value.ID)
}

func (r record) text(i int) (*string, error) {
	return optional(r.member(i), document.Value.Text)
}

func (r record) raw(i int) (json.RawMessage, error) {
	v := r.member(i)
	if v.Kind() == document.KindNull {
		return nil, nil
	}
	raw, err := v.JSON()
	return raw, mismatch(err)
}

func (r record) marshal() []byte {
	if r.doc == nil {
		return []byte("{}")
	}
	return bytes.Clone(r.doc.JSON())
}

// optional reads a leaf that may be null.
func optional[T any](v document.Value, read func(document.Value) (T, error)) (*T, error) {
	t, err := document.Optional(v, read)
	return t, mismatch(err)
}

// mismatch says whose value is of another kind than promised.
func mismatch(err error) error {
	if err == nil {
		return nil
	}
	return &upstream.Error{Backend: upstream.MATTR, Kind: upstream.Mismatch, Err: err}
}
