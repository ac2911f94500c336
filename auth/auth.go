// Package auth authenticates callers: an API key or a signed token becomes a Caller with scopes in the operation's
// context. It knows no GraphQL.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// The scopes that a caller may hold.
const (
	ClientsRead     = "clients:read"
	UsersRead       = "users:read"
	IdentitiesRead  = "identities:read"
	ClaimsRead      = "claims:read"
	ClientsWrite    = "clients:write"
	UsersWrite      = "users:write"
	IdentitiesWrite = "identities:write"
	Delete          = "delete"
	Fresh           = "fresh"
	Explain         = "explain"
	Operate         = "operate"
)

// Scopes are all of them.
var Scopes = []string{ClientsRead, UsersRead, IdentitiesRead, ClaimsRead, ClientsWrite, UsersWrite, IdentitiesWrite,
	Delete, Fresh, Explain, Operate}

// Caller is the sender of a request. It is immutable.
type Caller struct {
	// Name is for logs: that of the key, or a digest of the token's subject.
	Name string
	// Scopes are the caller's permissions.
	Scopes []string
	// Bound is set if the caller sees the records of Clients only.
	Bound bool
	// Clients are named by the value that LINK_CLIENT joins on.
	Clients []string
	// Points are the size of the caller's bucket, 0 for the server's default.
	Points int64
}

// AllowAll is the caller where no credential is needed: all scopes, all clients.
var AllowAll = &Caller{Name: "anyone", Scopes: Scopes}

// denyAll is the caller of a context without one: it may do nothing, since forgetting to ask must not open anything.
var denyAll = &Caller{Name: "nobody", Bound: true}

// tokenName begins the name of a caller with a token.
const tokenName = "token:"

// Label returns the name of a key, and one for all tokens: their subjects are any number of persons.
func (c *Caller) Label() string {
	if strings.HasPrefix(c.Name, tokenName) {
		return "token"
	}
	return c.Name
}

// Has reports whether the caller holds a scope.
func (c *Caller) Has(scope string) bool { return c == AllowAll || slices.Contains(c.Scopes, scope) }

// MissingScope returns the first of the scopes that the caller does not hold, "" where there is none.
func (c *Caller) MissingScope(scopes []string) string {
	for _, s := range scopes {
		if !c.Has(s) {
			return s
		}
	}
	return ""
}

// Allows reports whether the caller may see the records of a client, named by the value that LINK_CLIENT joins on.
// Records of no client are named by "", and only callers that are not bound see them.
func (c *Caller) Allows(client string) bool {
	return !c.Bound || client != "" && slices.Contains(c.Clients, client)
}

// Scope is a digest of the caller's permissions: it is equal for two callers who see the same records. It goes into the
// keys of whatever is kept of an answer.
func (c *Caller) Scope() string {
	text := append(appendSorted(make([]byte, 0, 512), c.Scopes), '\x01')
	if c.Bound {
		text = appendSorted(append(text, "bound\x00"...), c.Clients)
	} else {
		text = append(text, "all"...)
	}
	sum := sha256.Sum256(text)
	var digits [sha256.Size]byte
	hex.Encode(digits[:], sum[:sha256.Size/2])
	return string(digits[:])
}

// appendSorted appends the texts of a list, each once, in their order.
func appendSorted(to []byte, list []string) []byte {
	if !slices.IsSorted(list) {
		list = slices.Sorted(slices.Values(list))
	}
	for i, text := range list {
		if i > 0 && text == list[i-1] {
			continue
		}
		if i > 0 {
			to = append(to, 0)
		}
		to = append(to, text...)
	}
	return to
}

type contextKey struct{}

// NewContext returns a context whose caller is c.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// FromContext is the caller that ctx belongs to. Without one FromContext returns a caller without permissions.
func FromContext(ctx context.Context) *Caller {
	if c, ok := ctx.Value(contextKey{}).(*Caller); ok {
		return c
	}
	return denyAll
}
