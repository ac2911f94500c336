package mattr

import (
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
)

// Identity is a user of the MATTR tenant. A missing member of a record is nil; a value of another kind than promised is
// an error of its accessor alone. Its JSON form holds all that the accessors show.
type Identity struct {
	// ID is the tenant's key, "" if the record shows none.
	ID string
	upstream.Record
}

func newIdentity(r upstream.Record) *Identity { return &Identity{r.Key(identityKeys...), r} }

// MarshalJSON writes the record without undeclared members.
func (i *Identity) MarshalJSON() ([]byte, error) { return i.Record.JSON(), nil }

// UnmarshalJSON reads a record.
func (i *Identity) UnmarshalJSON(data []byte) error {
	r, err := upstream.ParseRecord(data, identityShape)
	if err == nil {
		*i = *newIdentity(r)
	}
	return err
}

// Size returns the memory that the record takes, in bytes.
func (i *Identity) Size() int {
	return footprint.Of[Identity]() + footprint.Text(i.ID) + i.Record.Size()
}

// Credential is the tenant's record of an issued credential, in the manner of Identity. Everything after Profile is of
// mobile credentials.
type Credential struct {
	// ID is the tenant's key, "" if the record shows none.
	ID string
	upstream.Record
}

func newCredential(r upstream.Record) *Credential { return &Credential{r.Key(credentialKeys...), r} }

// MarshalJSON writes the record without undeclared members.
func (c *Credential) MarshalJSON() ([]byte, error) { return c.Record.JSON(), nil }

// UnmarshalJSON reads a record.
func (c *Credential) UnmarshalJSON(data []byte) error {
	r, err := upstream.ParseRecord(data, credentialShape)
	if err == nil {
		*c = *newCredential(r)
	}
	return err
}

// Size returns the memory that the record takes, in bytes.
func (c *Credential) Size() int {
	return footprint.Of[Credential]() + footprint.Text(c.ID) + c.Record.Size()
}
