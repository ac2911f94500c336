package model

import (
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// Credential is a credential of one identity. The backend's record does not name the identity, without which no
// credential can be read again.
type Credential struct {
	*mattr.Credential
	Identity string
}

// ID is the global id, which holds that of the identity.
func (c *Credential) ID() (string, error) {
	id, err := c.SourceID()
	if err != nil {
		return "", err
	}
	return scalar.EncodeID(scalar.CredentialNode, scalar.CredentialKey(c.Identity, id)), nil
}
