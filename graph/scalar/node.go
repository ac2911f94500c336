// Package scalar holds what the schema's opaque strings mean: global ids, cursors, dates and free JSON.
package scalar

import (
	"encoding/base64"
	"errors"
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
)

// idVersion starts every global id, so that a later form can be told from this one.
const idVersion = "1"

// ErrNodeID is what every text gets that EncodeID did not make.
var ErrNodeID = errors.New("is not a global id of this API")

// EncodeID makes the global id of the object of this type whose key in its backend is key.
func EncodeID(t NodeType, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(idVersion + string(t) + ":" + key))
}

// DecodeID is the inverse of EncodeID. It accepts exactly what EncodeID makes: a text that merely decodes to the same
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
	case ClientNode, EmbedClientNode, UserNode, IdentityNode:
		if EncodeID(t, key) != id {
			return "", "", ErrNodeID
		}
		return t, key, nil
	}
	return "", "", ErrNodeID
}
