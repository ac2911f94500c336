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
	q := thoughtindustries.Query{Search: value(query), Sort: value(sort)}
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	page, err := newPageRequest(ctx, "Query.clients", first, after, q.Search, q.Sort)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.ThoughtIndustries); err != nil {
		return nil, err
	}
	if own := tenantKeys(ctx); own != nil {
		c, err := r.tenantClients(ctx, own, q, page)
		if err != nil {
			return nil, sortError(err, q)
		}
		// Totals and facets count all clients.
		return &model.ClientConnection{Edges: c.Edges, Nodes: c.Nodes, PageInfo: c.PageInfo}, nil
	}
	l, err := r.ClientPage(ctx, q, page.Offset, page.size)
	if err != nil {
		return nil, sortError(err, q)
	}
	addPartialError(ctx, l.Missing)
	nodes := make([]*model.Client, len(l.Items))
	for i, d := range l.Items {
		nodes[i] = newClient(d)
	}
	c := model.NewConnection(nodes, page.cursors(len(nodes)), l.More, page.continued)
	return &model.ClientConnection{Edges: c.Edges, Nodes: c.Nodes, PageInfo: c.PageInfo, TotalCount: l.Total,
		Aggregations: aggregations(l.Extra)}, nil
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
	page, err := newPageRequest(ctx, "Query.embedClients", first, after)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.Coassemble); err != nil {
		return nil, err
	}
	if own := tenantKeys(ctx); own != nil {
		return tenantPage(ctx, datasource.From(ctx).EmbedClients(), own, page, identity)
	}
	l, err := r.EmbedClientPage(ctx, page.Offset, page.size)
	if err != nil {
		return nil, err
	}
	addPartialError(ctx, l.Missing)
	clients, cursors := hydrateEmbedClients(ctx, l.Items, page.cursors(len(l.Items)))
	return model.NewConnection(clients, cursors, l.More, page.continued), nil
}

// Users lists users, of one client or of all.
func (r queryResolver) Users(ctx context.Context, first *int, after *string,
	clientIdentifier *string) (*model.UserConnection, error) {
	const list = "Query.users"
	var bound []string
	if clientIdentifier != nil {
		if err := checkIdentifier(*clientIdentifier, "clientIdentifier"); err != nil {
			return nil, err
		}
		bound = []string{*clientIdentifier}
	}
	page, err := newPageRequest(ctx, list, first, after, bound...)
	if err != nil {
		return nil, err
	}
	if clientIdentifier != nil && !canSeeClientKey(ctx, *clientIdentifier) {
		return model.NewConnection[*coassemble.User](nil, nil, false, page.continued), nil
	}
	if own := tenantKeys(ctx); own != nil && clientIdentifier == nil {
		return tenantUserPage(ctx, own, page)
	}
	key := datasource.PageKey{Of: value(clientIdentifier), Offset: page.Offset, First: page.size}
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
	criteria, bound, err := identityCriteria(filter)
	if err != nil {
		return nil, err
	}
	page, err := newPageRequest(ctx, "Query.identities", first, after, bound...)
	if err != nil {
		return nil, err
	}
	if err := r.Configured(upstream.MATTR); err != nil {
		return nil, err
	}
	own := tenantKeys(ctx)
	switch {
	case own != nil && criteria.Empty():
		return tenantIdentityPage(ctx, own, page)
	case own != nil:
		return r.tenantMatches(ctx, own, criteria, page)
	}
	found, err := r.IdentityPage(ctx, criteria, page.Offset+page.size, page.Token)
	if err != nil {
		return nil, err
	}
	shown, others := cursorPage(found, page)
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
