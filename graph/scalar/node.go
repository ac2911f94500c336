// Package scalar encodes and decodes the schema's opaque strings: global ids, cursors, dates and free JSON.
package scalar

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// NodeType is the GraphQL type that a global id names.
type NodeType string

// The types that implement Node.
const (
	ClientNode      NodeType = "Client"
	EmbedClientNode NodeType = "EmbedClient"
	UserNode        NodeType = "User"
	IdentityNode    NodeType = "Identity"
	CredentialNode  NodeType = "Credential"
)

// idVersion starts every global id, so that a later form can be distinguished.
const idVersion = "1"

// ErrNodeID is the error of a text that EncodeID did not return.
var ErrNodeID = errors.New("is not a global id of this API")

// EncodeID makes the global id of the object of this type whose key in its backend is key.
func EncodeID(t NodeType, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(idVersion + string(t) + ":" + key))
}

// DecodeID is the inverse of EncodeID. It accepts exactly the texts of EncodeID: one that merely decodes to the same
// bytes would give one object two ids.
func DecodeID(id string) (NodeType, string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return "", "", ErrNodeID
	}
	body, ok := strings.CutPrefix(string(raw), idVersion)
	if !ok {
		return "", "", ErrNodeID
	}
	name, key, ok := strings.Cut(body, ":")
	if !ok || key == "" {
		return "", "", ErrNodeID
	}
	switch t := NodeType(name); t {
	case ClientNode, EmbedClientNode, UserNode, IdentityNode, CredentialNode:
		if EncodeID(t, key) != id {
			return "", "", ErrNodeID
		}
		return t, key, nil
	}
	return "", "", ErrNodeID
}

// CredentialKey makes the key of a credential's global id, which holds that of its identity: MATTR reads credentials by
// identity alone. Identities are named by UUIDs, in which case makes no difference.
func CredentialKey(identity, credential string) string {
	return strconv.Itoa(len(identity)) + ":" + strings.ToLower(identity) + credential
}

// SplitCredentialKey is the inverse of CredentialKey, and accepts exactly the keys of CredentialKey.
func SplitCredentialKey(key string) (identity, credential string, err error) {
	size, rest, _ := strings.Cut(key, ":")
	n, err := strconv.Atoi(size)
	if err != nil || n <= 0 || n >= len(rest) || CredentialKey(rest[:n], rest[n:]) != key {
		return "", "", ErrNodeID
	}
	return rest[:n], rest[n:], nil
}
