package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// credentialPages is how many of the longest pages of an identity's credentials are read to find one.
const credentialPages = 2

// credentialNodes finds credentials among those of their identities, which is the one way to read them.
func credentialNodes(ctx context.Context, keys []string) []nodeResult {
	found := make([]nodeResult, len(keys))
	requested := map[string]map[string][]int{} // places by identity and credential
	var pages []datasource.PageKey
	for i, key := range keys {
		identity, id, err := scalar.SplitCredentialKey(key)
		if err != nil {
			found[i].err = scalar.Input(err.Error(), "id")
			continue
		}
		if requested[identity] == nil {
			requested[identity] = map[string][]int{}
			pages = append(pages, datasource.PageKey{Of: identity, First: mattr.MaxLimit})
		}
		requested[identity][id] = append(requested[identity][id], i)
	}
	for n := 0; len(pages) > 0; n++ {
		pages = pickCredentials(ctx, pages, requested, found, n == credentialPages-1)
	}
	return found
}

// pickCredentials takes the requested credentials from a page of each identity, and returns the pages that follow where
// some are not found yet.
func pickCredentials(ctx context.Context, pages []datasource.PageKey, requested map[string]map[string][]int,
	found []nodeResult, last bool) (next []datasource.PageKey) {
	for i, result := range datasource.From(ctx).CredentialPages().Load(ctx, pages) {
		identity := pages[i].Of
		for _, c := range result.Value.Items {
			if c == nil {
				continue
			}
			for _, at := range requested[identity][c.Key] {
				found[at].node = &model.Credential{Credential: c, Identity: identity}
			}
			delete(requested[identity], c.Key)
		}
		err := result.Err
		if more := result.Value.Next; err == nil && more != "" && len(requested[identity]) > 0 {
			if !last {
				next = append(next, datasource.PageKey{Of: identity, First: mattr.MaxLimit, Token: more})
				continue
			}
			err = &upstream.Error{Backend: upstream.MATTR, Kind: upstream.Contract}
		}
		for _, places := range requested[identity] {
			for _, at := range places {
				found[at].err = err
			}
		}
	}
	return next
}

// credentialsOfIdentity adds the identity that they belong to to credentials.
func credentialsOfIdentity(list []*mattr.Credential, identity string) []*model.Credential {
	of, all := make([]*model.Credential, len(list)), make([]model.Credential, len(list))
	for i, c := range list {
		if c != nil {
			all[i] = model.Credential{Credential: c, Identity: identity}
			of[i] = &all[i]
		}
	}
	return of
}
