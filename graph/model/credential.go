package model

import "github.com/learngraph/learngraph/upstream/mattr"

// Credential is a credential of one identity. The backend's record does not name the identity, without which no
// credential can be read again.
type Credential struct {
	*mattr.Credential
	Identity string
}
