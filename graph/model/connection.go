package model

import (
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// Connection is a page of a list, with and without the cursors of its objects.
type Connection[T any] struct {
	Edges    []*Edge[T]
	Nodes    []T
	PageInfo *PageInfo
}

// Edge is an object of a list with its cursor.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// NewConnection returns a page of nodes with a cursor for each.
func NewConnection[T any](nodes []T, cursors []string, more, continued bool) *Connection[T] {
	c := &Connection[T]{Edges: make([]*Edge[T], len(nodes)), Nodes: nodes, PageInfo: NewPageInfo(cursors, more, continued)}
	if nodes == nil {
		c.Nodes = []T{}
	}
	edges := make([]Edge[T], len(nodes))
	for i, n := range nodes {
		edges[i] = Edge[T]{cursors[i], n}
		c.Edges[i] = &edges[i]
	}
	return c
}

type (
	// EmbedClientConnection is a page of clients of Coassemble.
	EmbedClientConnection = Connection[*coassemble.EmbedClient]
	// UserConnection is a page of users.
	UserConnection = Connection[*coassemble.User]
	// IdentityConnection is a page of identities.
	IdentityConnection = Connection[*mattr.Identity]
	// CredentialConnection is a page of credentials.
	CredentialConnection = Connection[*Credential]

	// ClientEdge is a client of Thought Industries with its cursor.
	ClientEdge = Edge[*Client]
	// EmbedClientEdge is a client of Coassemble with its cursor.
	EmbedClientEdge = Edge[*coassemble.EmbedClient]
	// UserEdge is a user with its cursor.
	UserEdge = Edge[*coassemble.User]
	// IdentityEdge is an identity with its cursor.
	IdentityEdge = Edge[*mattr.Identity]
	// CredentialEdge is a credential with its cursor.
	CredentialEdge = Edge[*Credential]
)
