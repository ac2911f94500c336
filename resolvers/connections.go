package resolvers

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/vektah/gqlparser/v2/ast"
)

// pageRequest is the part of a list that a caller asks for: it follows the cursor.
type pageRequest struct {
	scalar.Cursor
	size      int
	continued bool // it has a cursor
}

// newPageRequest reads the arguments of a list at the root; values are those that affect its content.
func newPageRequest(ctx context.Context, list string, first *int, after *string,
	values ...string) (pageRequest, error) {
	size, err := scalar.First(first, 1)
	if err != nil {
		return pageRequest{}, err
	}
	c, err := scalar.After(after, list, cursorBinding(ctx, values...)...)
	return pageRequest{c, size, after != nil}, err
}

// cursors returns those of the n objects that follow the request's own, in a list that is counted.
func (r pageRequest) cursors(n int) []string {
	list := make([]string, n)
	for i := range list {
		r.Offset++
		list[i] = r.Encode()
	}
	return list
}

// usersOf pages through the users of each parent's client.
func usersOf[P any](ctx context.Context, parents []P, list string, key func(P) (string, bool, error), first *int,
	after *string) ([]*model.UserConnection, error) {
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	pageKey := func(p P) (datasource.PageKey, bool, error) {
		client, ok, err := key(p)
		if !ok || err != nil {
			return datasource.PageKey{}, false, err
		}
		c, err := scalar.After(after, list, cursorBinding(ctx, client)...)
		return datasource.PageKey{Of: client, Offset: c.Offset, First: size}, err == nil, err
	}
	shape := func(k datasource.PageKey, p datasource.Page[*coassemble.User]) (*userList, error) {
		return newUserList(k, p), nil
	}
	lists, err := join(ctx, parents, datasource.From(ctx).UserPages(), pageKey, shape)
	hydrateUsers(ctx, lists)
	results, errs := make([]*model.UserConnection, len(lists)), make(graphql.BatchErrorList, len(lists))
	if failed, ok := err.(graphql.BatchErrorList); ok {
		errs = failed
	}
	for i, l := range lists {
		if l == nil {
			continue
		}
		if l.partialErr != nil {
			errs[i] = partialError{l.partialErr}
		}
		results[i] = l.connection(ctx, list, after != nil)
	}
	return results, anyOf(errs)
}

// partialError is why some nodes of one parent's connection are null; the engine shows both.
type partialError struct{ error }

func (e partialError) Unwrap() error { return e.error }

// IsPartial marks the error for the engine.
func (partialError) IsPartial() {}

// userList is a part of one client's users, or of all, with the position of each.
type userList struct {
	key       datasource.PageKey
	users     []*coassemble.User
	positions []int
	more      bool
	// partialErr is why some of the users are nil.
	partialErr error
}

// newUserList leaves out users that the backend lists under a client and shows under another, or under none.
func newUserList(k datasource.PageKey, p datasource.Page[*coassemble.User]) *userList {
	l := &userList{key: k, more: p.More, partialErr: p.Missing}
	for i, u := range p.Items {
		if u == nil || k.Of == "" || u.Bare || belongs(u, k.Of) {
			l.users, l.positions = append(l.users, u), append(l.positions, k.Offset+i+1)
		}
	}
	return l
}

func belongs(u *coassemble.User, client string) bool {
	shown, err := u.ClientIdentifier()
	return err == nil && shown != nil && *shown == client
}

func (l *userList) connection(ctx context.Context, list string, continued bool) *model.UserConnection {
	cursors := make([]string, len(l.users))
	var arguments []string
	if l.key.Of != "" {
		arguments = []string{l.key.Of}
	}
	c := scalar.Cursor{List: list, Bound: cursorBinding(ctx, arguments...)}
	for i, place := range l.positions {
		c.Offset = place
		cursors[i] = c.Encode()
	}
	return model.NewConnection(l.users, cursors, l.more, continued)
}

// stubUserFields are those that a user who was listed by name alone can answer.
var stubUserFields = []string{"__typename", "id", "sourceId", "identity", "credentials"}

// hydrateUsers reads the users that a list showed by name alone, where more than that is selected, and leaves out those
// who turn out to belong to another client, or to be gone.
func hydrateUsers(ctx context.Context, lists []*userList) {
	if !needsHydration(ctx, "User", stubUserFields) {
		return
	}
	var keys []string
	for _, l := range lists {
		if l != nil {
			keys = append(keys, stubs(l.users)...)
		}
	}
	if len(keys) == 0 {
		return
	}
	whole := map[string]datasource.Result[*coassemble.User]{}
	for i, result := range datasource.From(ctx).Users().Load(ctx, keys) {
		whole[keys[i]] = result
	}
	for _, l := range lists {
		if l != nil {
			l.fill(whole)
		}
	}
}

func stubs(users []*coassemble.User) []string {
	var keys []string
	for _, u := range users {
		if u != nil && u.Bare {
			keys = append(keys, u.Key)
		}
	}
	return keys
}

// fill puts users in place of their names. One that is gone, or belongs to another client, is left out.
func (l *userList) fill(whole map[string]datasource.Result[*coassemble.User]) {
	users, positions := l.users, l.positions
	l.users, l.positions = nil, nil
	for i, u := range users {
		if u != nil && u.Bare {
			r := whole[u.Key]
			if !r.Found && r.Err == nil {
				continue
			}
			u, l.partialErr = r.Value, cmp.Or(l.partialErr, r.Err)
		}
		if u == nil || l.key.Of == "" || belongs(u, l.key.Of) {
			l.users, l.positions = append(l.users, u), append(l.positions, positions[i])
		}
	}
}

// needsHydration reports whether the nodes of the connection that is being resolved are asked for more than these
// fields.
func needsHydration(ctx context.Context, node string, fields []string) bool {
	op := graphql.GetOperationContext(ctx)
	field := graphql.GetFieldContext(ctx).Field
	nodes := ast.SelectionSet{}
	for _, f := range graphql.CollectFields(op, field.Selections, []string{node + "Connection"}) {
		switch f.Name {
		case "nodes":
			nodes = append(nodes, f.Selections...)
		case "edges":
			for _, e := range graphql.CollectFields(op, f.Selections, []string{node + "Edge"}) {
				if e.Name == "node" {
					nodes = append(nodes, e.Selections...)
				}
			}
		}
	}
	for _, f := range graphql.CollectFields(op, nodes, []string{node, "Node"}) {
		if !slices.Contains(fields, f.Name) {
			return true
		}
	}
	return false
}

// readScopes are the scopes for reading a mutation's payload.
var readScopes = map[string]string{"embedClient": auth.ClientsRead, "user": auth.UsersRead,
	"identity": auth.IdentitiesRead}

// selects reports whether the payload that is being resolved has the field selected, by a caller who may read it. Who
// may write need not be allowed to read.
func selects(ctx context.Context, object, field string) bool {
	if !auth.FromContext(ctx).Has(readScopes[field]) {
		return false
	}
	op, fc := graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx)
	for _, f := range graphql.CollectFields(op, fc.Field.Selections, []string{object}) {
		if f.Name == field {
			return true
		}
	}
	return false
}

// credentialsOf pages through the credentials of each parent's identity.
func credentialsOf[P any](ctx context.Context, parents []P, list string, key func(P) (string, bool, error), first *int,
	after *string) ([]*model.CredentialConnection, error) {
	size, err := scalar.First(first, 1)
	if err != nil {
		return nil, err
	}
	cursors := map[datasource.PageKey]scalar.Cursor{}
	pageKey := func(p P) (datasource.PageKey, bool, error) {
		identity, ok, err := key(p)
		if !ok || err != nil {
			return datasource.PageKey{}, false, err
		}
		c, err := scalar.After(after, list, cursorBinding(ctx, identity)...)
		k := datasource.PageKey{Of: identity, First: c.Offset + size, Token: c.Token}
		cursors[k] = c
		return k, err == nil, err
	}
	shape := func(k datasource.PageKey,
		p datasource.Page[*mattr.Credential]) (*model.CredentialConnection, error) {
		list := datasource.Page[*model.Credential]{Items: credentialsOfIdentity(p.Items, k.Of), Next: p.Next}
		return cursorPage(list, pageRequest{cursors[k], size, after != nil})
	}
	return join(ctx, parents, datasource.From(ctx).CredentialPages(), pageKey, shape)
}

// cursorPage returns the requested part of the page that the cursor's token leads to. The page was read from its
// start: a place inside it has no token of its own. Where the backend's next page is the same page again, the list ends
// with an error in addition to the nodes.
func cursorPage[T any](p datasource.Page[T], r pageRequest) (*model.Connection[T], error) {
	var err error
	if p.Next != "" && p.Next == r.Token {
		p.Next, err = "", errNoAdvance(upstream.MATTR)
	}
	nodes := p.Items[min(r.Offset, len(p.Items)):]
	cursors := r.cursors(len(nodes))
	if last := len(nodes) - 1; last >= 0 && p.Next != "" {
		r.Token, r.Offset = p.Next, 0
		cursors[last] = r.Encode()
	}
	return model.NewConnection(nodes, cursors, p.Next != "", r.continued), err
}

// errNoAdvance is the failure of a list whose next page brings nothing new.
func errNoAdvance(b upstream.Backend) error {
	return &upstream.Error{Backend: b, Kind: upstream.Contract, Err: errors.New("a page has no new records")}
}
