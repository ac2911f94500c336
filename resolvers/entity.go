package resolvers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// Service shows the schema that other subgraphs are composed with.
func (r queryResolver) Service(ctx context.Context) (*model.Service, error) {
	return &model.Service{SDL: r.Subgraph.SDL(graphql.GetOperationContext(ctx).Operation.Name)}, nil
}

// Entities looks up the objects that other subgraphs refer to, in their order.
func (r queryResolver) Entities(ctx context.Context, representations []json.RawMessage) ([]model.Node, error) {
	if len(representations) > maxNodes {
		return nil, scalar.Input(fmt.Sprintf("must be at most %d objects", maxNodes), "representations")
	}
	keys := make([]nodeKey, len(representations))
	found := make([]nodeResult, len(representations))
	selected := map[scalar.NodeType][]string{}
	for i, text := range representations {
		rep, key, err := readEntity(text)
		if err != nil {
			found[i].err = scalar.Input(err.Error(), fmt.Sprintf("representations[%d]", i))
			continue
		}
		if found[i].err = r.Subgraph.Permit(ctx, string(key.NodeType)); found[i].err != nil {
			continue
		}
		if selected[key.NodeType] == nil {
			selected[key.NodeType] = fieldsSelected(ctx, key.NodeType)
		}
		if found[i].node = r.entityOf(ctx, rep, key, selected[key.NodeType]); found[i].node == nil {
			keys[i] = key
		}
	}
	r.loadMissing(ctx, keys, found)
	return nodesWithErrors(ctx, found), nil
}

func readEntity(text json.RawMessage) (scalar.Representation, nodeKey, error) {
	var v any
	if err := decode(text, &v); err != nil {
		return scalar.Representation{}, nodeKey{}, err
	}
	rep, err := scalar.ReadRepresentation(v)
	if err == nil {
		err = checkNodeKey(rep.Type, rep.Key)
	}
	key := nodeKey{rep.Type, rep.Field, rep.Key}
	if rep.Field == "sourceId" {
		key.field = "id"
	}
	return rep, key, err
}

// fieldsSelected are the fields that the operation selects of entities of a type.
func fieldsSelected(ctx context.Context, t scalar.NodeType) []string {
	names := []string{}
	for _, f := range graphql.CollectFieldsCtx(ctx, []string{string(t), "Node", "_Entity"}) {
		names = append(names, f.Name)
	}
	return names
}

// entityOf returns an object of its key alone where nothing else is selected, so that no call is made. To a caller who
// is bound to clients it must first be known to belong to one of these.
func (r *Resolver) entityOf(ctx context.Context, rep scalar.Representation, key nodeKey, selected []string) model.Node {
	if slices.ContainsFunc(selected, func(f string) bool { return !rep.Gives(f) }) || bound(ctx) && !r.belongs(ctx, key) {
		return nil
	}
	switch key.NodeType {
	case scalar.ClientNode:
		text, _ := json.Marshal(map[string]string{key.field: key.key})
		d, err := document.Parse(text, model.Shapes.Client)
		if err != nil {
			return nil
		}
		return newClient(d)
	case scalar.EmbedClientNode:
		return &coassemble.EmbedClient{Record: upstream.Record{Key: key.key}}
	case scalar.UserNode:
		return &coassemble.User{Record: upstream.Record{Key: key.key}}
	case scalar.CredentialNode:
		identity, id, err := scalar.SplitCredentialKey(key.key)
		if err != nil {
			return nil
		}
		return &model.Credential{Credential: &mattr.Credential{Record: upstream.Record{Key: id}}, Identity: identity}
	}
	if key.key != strings.ToLower(key.key) {
		return nil // MATTR shows the UUID in one spelling and takes it in any
	}
	return &mattr.Identity{Record: upstream.Record{Key: key.key}}
}

// belongs reports whether the key alone proves that the object belongs to one of the clients that the caller is bound
// to.
func (r *Resolver) belongs(ctx context.Context, key nodeKey) bool {
	return (key.NodeType == scalar.EmbedClientNode || key.NodeType == scalar.ClientNode && key.field == r.Link.Client) &&
		canSeeClientKey(ctx, key.key)
}
