package resolvers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// A bound caller must not find out whether a record of somebody else exists. So a lookup by key makes the same calls
// for a record that is not there and for one that is not the caller's, whatever the cache knows of either.

// tenantClient looks a client up for a bound caller, among the caller's own alone.
func (r *Resolver) tenantClient(ctx context.Context, key thoughtindustries.Key) (*document.Document, error) {
	keys := []thoughtindustries.Key{key}
	if key.Field != r.Link.Client {
		keys = keys[:0]
		for _, own := range tenantKeys(ctx) {
			keys = append(keys, r.Link.ClientKey(own))
		}
	} else if !canSeeClientKey(ctx, key.Value) {
		return nil, nil
	}
	var err error
	for _, result := range datasource.From(ctx).Clients().Load(ctx, keys) {
		if result.Found && r.ShownKey(result.Value, key.Field) == key.Value &&
			r.canSeeDocument(ctx, result.Value) {
			return result.Value, result.Err
		}
		if err == nil {
			err = result.Err
		}
	}
	return nil, err
}

// tenantIdentity looks an identity up for a bound caller, among those of the caller's own users: reading another's
// would take calls that a missing one does not, and so reveal it.
func (r *Resolver) tenantIdentity(ctx context.Context, id string) (*mattr.Identity, error) {
	if r.Link.User == "id" {
		if u, err := load(ctx, datasource.From(ctx).Users(), id); u == nil || err != nil {
			return nil, err
		}
		return load(ctx, datasource.From(ctx).Identities(), id)
	}
	if err := r.Configured(upstream.MATTR); err != nil {
		return nil, err
	}
	if user, err := findOwner(ctx, tenantUsersAfter(ctx, tenantKeys(ctx), scalar.Cursor{}), id); user == "" || err != nil {
		return nil, err
	}
	i, err := load(ctx, datasource.From(ctx).Identities(), id)
	if seen, seeErr := r.canSeeIdentity(ctx, i); !seen || seeErr != nil {
		return nil, cmp.Or(err, seeErr)
	}
	return i, err
}

// tenantNodes looks objects of one type up for a bound caller.
func (r queryResolver) tenantNodes(ctx context.Context, t scalar.NodeType, keys []nodeKey) []nodeResult {
	if t == scalar.UserNode {
		return nodesOf(ctx, t, keys) // each operation of a bound caller has its own users alone
	}
	found := make([]nodeResult, len(keys))
	var group task.Group
	for i, key := range keys {
		var n nodeResult
		group.Go(func() (err error) {
			n, err = r.tenantNode(ctx, key)
			return err
		}, func(err error) {
			if n.err == nil {
				n.err = err
			}
			found[i] = n
		})
	}
	group.Wait()
	return found
}

func (r queryResolver) tenantNode(ctx context.Context, requested nodeKey) (n nodeResult, err error) {
	key := requested.key
	switch requested.NodeType {
	case scalar.ClientNode:
		d, err := r.tenantClient(ctx, requested.client())
		if d != nil {
			n.node = newClient(d)
		}
		return n, err
	case scalar.EmbedClientNode:
		if !canSeeClientKey(ctx, key) {
			return n, nil
		}
		return loadNodes(ctx, datasource.From(ctx).EmbedClients(), []string{key}, identity)[0], nil
	case scalar.CredentialNode:
		identity, _, err := scalar.SplitCredentialKey(key)
		if err != nil {
			return n, err
		}
		if i, err := r.tenantIdentity(ctx, identity); i == nil || err != nil {
			return n, err
		}
		return credentialNodes(ctx, []string{key})[0], nil
	}
	i, err := r.tenantIdentity(ctx, key)
	if i != nil {
		n.node = i
	}
	return n, err
}

// cursorBinding binds the cursors of a bound caller's lists to the caller's clients: their places are among those.
func cursorBinding(ctx context.Context, values ...string) []string {
	who := auth.FromContext(ctx)
	if !who.Bound {
		return values
	}
	return append(values, "clients:"+strings.Join(tenantKeys(ctx), "\x00"))
}

// matches reports whether an identity meets a filter as MATTR compares: every claim and key that is given is equal.
// Where the record does not show a requested key, only a search for this identity decides.
func (r *Resolver) matches(ctx context.Context, f *mattr.Criteria, i *mattr.Identity) (bool, error) {
	claims, err := i.Claims()
	if err != nil || f.Claims != nil && !contains(claims, f.Claims) {
		return false, nil
	}
	provider, subject, err := providerOf(i)
	if err != nil || differs(provider, f.ProviderID, strings.EqualFold) || differs(subject, f.SubjectID, equal) {
		return false, nil
	}
	if (f.ProviderID == nil || provider != nil) && (f.SubjectID == nil || subject != nil) {
		return true, nil
	}
	found, err := r.FreshSearch(ctx,
		mattr.Criteria{Claims: claims, ProviderID: f.ProviderID, SubjectID: cmp.Or(f.SubjectID, subject)}, searchPage)
	return slices.ContainsFunc(found, func(o *mattr.Identity) bool { return strings.EqualFold(o.Key, i.Key) }), err
}

// providerOf returns the provider and the subject of an identity; a missing one is nil.
func providerOf(i *mattr.Identity) (provider, subject *string, err error) {
	p, err := i.AuthenticationProvider()
	if p == nil || err != nil {
		return nil, nil, err
	}
	if provider, err = p.ProviderID(); err != nil {
		return nil, nil, err
	}
	subject, err = p.SubjectID()
	return provider, subject, err
}

func differs(shown, requested *string, same func(a, b string) bool) bool {
	return shown != nil && requested != nil && !same(*shown, *requested)
}

func equal(a, b string) bool { return a == b }

// contains reports whether every member of a requested object is in the shown one, at every depth; other values must be
// equal.
func contains(shown, requested json.RawMessage) bool {
	var got, want any
	return decode(shown, &got) == nil && decode(requested, &want) == nil && includes(got, want)
}

func decode(text json.RawMessage, v *any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

func includes(shown, requested any) bool {
	want, ok := requested.(map[string]any)
	if !ok {
		return reflect.DeepEqual(shown, requested)
	}
	members, ok := shown.(map[string]any)
	for name, value := range want {
		if got, has := members[name]; !has || !includes(got, value) {
			return false
		}
	}
	return ok
}
