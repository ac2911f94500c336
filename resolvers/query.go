package resolvers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Clients lists or searches clients.
func (r queryResolver) Clients(ctx context.Context, first *int, after *string, query *string,
	sort *string) (*model.ClientConnection, error) {
	const name = "Query.clients"
	q := thoughtindustries.Query{Search: value(query), Sort: value(sort)}
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	cursor, err := scalar.After(after, name, cursorBinding(ctx, q.Search, q.Sort)...)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.ThoughtIndustries); err != nil {
		return nil, err
	}
	if own := tenantKeys(ctx); own != nil {
		p, err := r.tenantClients(ctx, own, q, cursor, size, after != nil)
		if err != nil {
			return nil, sortError(err, q)
		}
		return clientConnection(p), nil
	}
	l, err := r.ClientPage(ctx, datasource.ClientQuery{Query: q, Offset: cursor.Offset, First: size})
	if err != nil {
		return nil, sortError(err, q)
	}
	addPartialError(ctx, l.Missing)
	cursors := make([]string, len(l.Items))
	for i := range cursors {
		cursor.Offset++
		cursors[i] = cursor.Encode()
	}
	connection := clientConnection(newPage(l.Items, cursors, l.More, after != nil))
	connection.TotalCount, connection.Aggregations = l.Total, aggregations(l.Extra)
	return connection, nil
}

// longestSearch bounds the search text and the sort field, in bytes: they are part of an address, whose length servers
// bound.
const longestSearch = 1 << 10

func checkQuery(q thoughtindustries.Query) error {
	for _, argument := range []struct{ name, text string }{{"query", q.Search}, {"sort", q.Sort}} {
		if len(argument.text) > longestSearch {
			return scalar.Input(fmt.Sprintf("must be at most %d bytes", longestSearch), argument.name)
		}
	}
	return nil
}

// sortError maps a refused search to an error of the caller, who named the field to sort by.
func sortError(err error, q thoughtindustries.Query) error {
	if q.Sort != "" && upstream.KindOf(err) == upstream.Invalid {
		return scalar.Input("must be a field that the backend sorts by, such as name or createdAt", "sort")
	}
	return err
}

// clientConnection has neither totals nor facets: they count all clients, and come with the backend's own pages.
func clientConnection(p page[*document.Document]) *model.ClientConnection {
	nodes := make([]*model.Client, len(p.nodes))
	for i, d := range p.nodes {
		nodes[i] = newClient(d)
	}
	edge := func(cursor string, c *model.Client) *model.ClientEdge {
		return &model.ClientEdge{Cursor: cursor, Node: c}
	}
	return &model.ClientConnection{Edges: edges(page[*model.Client]{nodes: nodes, cursors: p.cursors}, edge), Nodes: nodes,
		PageInfo: p.info}
}

// aggregations reads the facets that came with a page; one that is no object is null.
func aggregations(list []json.RawMessage) []*model.Aggregation {
	if list == nil {
		return nil
	}
	out := make([]*model.Aggregation, len(list))
	for i, text := range list {
		if d, err := document.Parse(text, model.Shapes.Aggregation); err == nil {
			out[i] = &model.Aggregation{Object: d.Root()}
		}
	}
	return out
}

// EmbedClients lists the clients of Coassemble.
func (r queryResolver) EmbedClients(ctx context.Context, first *int,
	after *string) (*model.EmbedClientConnection, error) {
	const list = "Query.embedClients"
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	cursor, err := scalar.After(after, list, cursorBinding(ctx)...)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.Coassemble); err != nil {
		return nil, err
	}
	if own := tenantKeys(ctx); own != nil {
		p, err := tenantPage(ctx, datasource.From(ctx).EmbedClients(), own, cursor, size, after != nil)
		if err != nil {
			return nil, err
		}
		return embedClientConnection(p), nil
	}
	l, err := r.EmbedClientPage(ctx, cursor.Offset, size)
	if err != nil {
		return nil, err
	}
	addPartialError(ctx, l.Missing)
	cursors := make([]string, len(l.Items))
	for i := range cursors {
		cursor.Offset++
		cursors[i] = cursor.Encode()
	}
	clients, cursors := hydrateEmbedClients(ctx, l.Items, cursors)
	return embedClientConnection(newPage(clients, cursors, l.More, after != nil)), nil
}

func embedClientConnection(p page[*coassemble.EmbedClient]) *model.EmbedClientConnection {
	edge := func(cursor string, c *coassemble.EmbedClient) *model.EmbedClientEdge {
		return &model.EmbedClientEdge{Cursor: cursor, Node: c}
	}
	return &model.EmbedClientConnection{Edges: edges(p, edge), Nodes: p.nodes, PageInfo: p.info}
}

// Users lists users, of one client or of all.
func (r queryResolver) Users(ctx context.Context, first *int, after *string,
	clientIdentifier *string) (*model.UserConnection, error) {
	const list = "Query.users"
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	var bound []string
	if clientIdentifier != nil {
		if err := checkIdentifier(*clientIdentifier, "clientIdentifier"); err != nil {
			return nil, err
		}
		bound = []string{*clientIdentifier}
	}
	cursor, err := scalar.After(after, list, cursorBinding(ctx, bound...)...)
	if err != nil {
		return nil, err
	}
	if clientIdentifier != nil && !canSeeClientKey(ctx, *clientIdentifier) {
		return userConnection(newPage[*coassemble.User](nil, nil, false, after != nil)), nil
	}
	if own := tenantKeys(ctx); own != nil && clientIdentifier == nil {
		p, err := tenantUserPage(ctx, own, cursor, size, after != nil)
		if err != nil {
			return nil, err
		}
		return userConnection(p), nil
	}
	key := datasource.UserPageKey{Client: value(clientIdentifier), Offset: cursor.Offset, First: size}
	p, err := load(ctx, datasource.From(ctx).UserPages(), key)
	if err != nil {
		return nil, err
	}
	l := newUserList(key, p)
	hydrateUsers(ctx, []*userList{l})
	addPartialError(ctx, l.partialErr)
	return l.connection(ctx, list, after != nil), nil
}

// Identities lists or searches identities.
func (r queryResolver) Identities(ctx context.Context, first *int, after *string,
	filter *model.IdentityFilter) (*model.IdentityConnection, error) {
	const list = "Query.identities"
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	criteria, bound, err := identityCriteria(filter)
	if err != nil {
		return nil, err
	}
	cursor, err := scalar.After(after, list, cursorBinding(ctx, bound...)...)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.MATTR); err != nil {
		return nil, err
	}
	p, err := r.identityList(ctx, criteria, cursor, size, after != nil)
	if err != nil {
		return nil, err
	}
	edge := func(cursor string, i *mattr.Identity) *model.IdentityEdge {
		return &model.IdentityEdge{Cursor: cursor, Node: i}
	}
	return &model.IdentityConnection{Edges: edges(p, edge), Nodes: p.nodes, PageInfo: p.info}, nil
}

func (r queryResolver) identityList(ctx context.Context, filter *mattr.Criteria, c scalar.Cursor, size int,
	continued bool) (page[*mattr.Identity], error) {
	own := tenantKeys(ctx)
	switch {
	case own != nil && filter.Empty():
		return tenantIdentityPage(ctx, own, c, size, continued)
	case own != nil:
		return r.tenantMatches(ctx, own, filter, c, size, continued)
	}
	found, err := r.IdentityPage(ctx, datasource.IdentityQuery{Filter: filter, Limit: c.Offset + size, Token: c.Token})
	if err != nil {
		return page[*mattr.Identity]{}, err
	}
	shown, others := cursorPage(found, c, continued)
	addPartialError(ctx, found.Missing)
	addPartialError(ctx, others)
	return shown, nil
}

// identityCriteria reads a filter, and returns the binding of its cursors. Without a filter there are no criteria.
func identityCriteria(filter *model.IdentityFilter) (*mattr.Criteria, []string, error) {
	if filter == nil {
		return nil, nil, nil
	}
	criteria := &mattr.Criteria{}
	if filter.Claims.IsSet() {
		claims, err := jsonObject(filter.Claims.Value(), "filter", "claims")
		if err != nil {
			return nil, nil, err
		}
		criteria.Claims = claims
	}
	if filter.AuthenticationProvider.IsSet() {
		p, err := authenticationProvider(filter.AuthenticationProvider.Value(), "filter", "authenticationProvider")
		if err != nil {
			return nil, nil, err
		}
		criteria.ProviderID, criteria.SubjectID = p.ProviderID, p.SubjectID
	}
	bound, err := json.Marshal(criteria)
	return criteria, []string{string(bound)}, err
}

// Client looks one client up.
func (r queryResolver) Client(ctx context.Context, by model.ClientBy) (*model.Client, error) {
	key, err := clientBy(by)
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context, key thoughtindustries.Key) (*document.Document, error) {
		return load(ctx, datasource.From(ctx).Clients(), key)
	}
	if bound(ctx) {
		read = r.tenantClient
	}
	d, err := read(ctx, key)
	if d == nil {
		return nil, err
	}
	addPartialError(ctx, err)
	return newClient(d), nil
}

// EmbedClient looks one client of Coassemble up.
func (r queryResolver) EmbedClient(ctx context.Context, by model.EmbedClientBy) (*coassemble.EmbedClient, error) {
	key, err := keyBy(scalar.EmbedClientNode, by.ID, by.SourceID)
	if err != nil {
		return nil, err
	}
	if !canSeeClientKey(ctx, key) {
		return nil, nil
	}
	return load(ctx, datasource.From(ctx).EmbedClients(), key)
}

// User looks one user up.
func (r queryResolver) User(ctx context.Context, by model.UserBy) (*coassemble.User, error) {
	key, err := keyBy(scalar.UserNode, by.ID, by.SourceID)
	if err != nil {
		return nil, err
	}
	u, err := load(ctx, datasource.From(ctx).Users(), key)
	if !canSeeUser(ctx, u) {
		return nil, err
	}
	return u, err
}

// Identity looks one identity up.
func (r queryResolver) Identity(ctx context.Context, by model.IdentityBy) (*mattr.Identity, error) {
	key, err := keyBy(scalar.IdentityNode, by.ID, by.SourceID)
	if err != nil {
		return nil, err
	}
	if bound(ctx) {
		return r.tenantIdentity(ctx, key)
	}
	return load(ctx, datasource.From(ctx).Identities(), key)
}

// Node looks any object up by its global id.
func (r queryResolver) Node(ctx context.Context, id string) (model.Node, error) {
	nodes := r.nodes(ctx, []string{id}, func(int) string { return "id" })
	if nodes[0].node == nil {
		return nil, nodes[0].err
	}
	addPartialError(ctx, nodes[0].err)
	return nodes[0].node, nil
}

// maxNodes bounds the ids of one nodes field.
const maxNodes = 100

// Nodes looks objects up by their global ids, in the ids' order.
func (r queryResolver) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > maxNodes {
		return nil, scalar.Input(fmt.Sprintf("must be at most %d ids", maxNodes), "ids")
	}
	return nodesWithErrors(ctx, r.nodes(ctx, ids, func(i int) string { return fmt.Sprintf("ids[%d]", i) })), nil
}

// nodesWithErrors returns the nodes with each error at its place.
func nodesWithErrors(ctx context.Context, found []nodeResult) []model.Node {
	out := make([]model.Node, len(found))
	for i, n := range found {
		out[i] = n.node
		if n.err != nil {
			addElementError(ctx, i, n.err)
		}
	}
	return out
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
