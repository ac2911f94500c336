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

// The connections whose pages the resolvers make.
type (
	EmbedClientConnection = Connection[*coassemble.EmbedClient]
	UserConnection        = Connection[*coassemble.User]
	IdentityConnection    = Connection[*mattr.Identity]
	CredentialConnection  = Connection[*Credential]

	ClientEdge      = Edge[*Client]
	EmbedClientEdge = Edge[*coassemble.EmbedClient]
	UserEdge        = Edge[*coassemble.User]
	IdentityEdge    = Edge[*mattr.Identity]
	CredentialEdge  = Edge[*Credential]
)
