package resolvers

import (
	"bytes"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// checkIdentifier refuses a text that cannot be an identifier, before it becomes a part of a URL.
func checkIdentifier(key string, path ...string) error {
	if err := upstream.CheckIdentifier(key); err != nil {
		return scalar.Input(err.Error(), path...)
	}
	return nil
}

// clientBy is the key that a ClientBy names.
func clientBy(by model.ClientBy) (thoughtindustries.Key, error) {
	for _, given := range []struct {
		field string
		value graphql.Omittable[*string]
	}{{"sourceId", by.SourceID}, {"slug", by.Slug}, {"sku", by.Sku}} {
		if text := given.value.Value(); text != nil {
			field := given.field
			if field == "sourceId" {
				field = "id"
			}
			return thoughtindustries.Key{Field: field, Value: *text}, checkIdentifier(*text, "by", given.field)
		}
	}
	key, err := keyBy(scalar.ClientNode, by.ID, graphql.Omittable[*string]{})
	return thoughtindustries.Key{Field: "id", Value: key}, err
}

// keyBy is the backend's key of a type's object, by global id or as it is. Exactly one is set: the gateway refuses an
// input that is not @oneOf.
func keyBy(t scalar.NodeType, id, sourceID graphql.Omittable[*string]) (string, error) {
	if text := sourceID.Value(); text != nil {
		return *text, checkIdentifier(*text, "by", "sourceId")
	}
	text := id.Value()
	if text == nil {
		return "", scalar.Input("must name exactly one key", "by")
	}
	got, key, err := scalar.DecodeID(*text)
	if err != nil {
		return "", scalar.Input(err.Error(), "by", "id")
	}
	if got != t {
		return "", scalar.Input("is the id of a "+string(got)+", not of a "+string(t), "by", "id")
	}
	return key, checkIdentifier(key, "by", "id")
}

// jsonObject is free JSON that must be an object.
func jsonObject(raw json.RawMessage, path ...string) (json.RawMessage, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, scalar.Input("must be a JSON object", path...)
	}
	return raw, nil
}

// notNull takes an input field that may be left out and must not be null.
func notNull(field graphql.Omittable[*string], path ...string) (*string, error) {
	if field.IsSet() && field.Value() == nil {
		return nil, scalar.Input("must not be null: omit it or send a value", path...)
	}
	return field.Value(), nil
}

func authenticationProvider(p *model.AuthenticationProviderInput, path ...string) (*mattr.Provider, error) {
	if p == nil {
		return nil, scalar.Input("must not be null: omit it or send a value", path...)
	}
	provider, err := notNull(p.ProviderID, append(path[:len(path):len(path)], "providerId")...)
	if err != nil {
		return nil, err
	}
	subject, err := notNull(p.SubjectID, append(path[:len(path):len(path)], "subjectId")...)
	if err != nil {
		return nil, err
	}
	if provider == nil && subject == nil {
		return nil, scalar.Input("must have a providerId or a subjectId", path...)
	}
	return &mattr.Provider{ProviderID: provider, SubjectID: subject}, nil
}
