package scalar

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
)

// A key names an object in a representation. Its fields are those that follow from the key of a representation: the
// global id and the backend's own key follow from each other.
var entityKeys = map[NodeType][]struct {
	field string
	gives []string
}{
	ClientNode:      {{"id", idFields}, {"sourceId", idFields}, {"slug", []string{"slug"}}, {"sku", []string{"sku"}}},
	EmbedClientNode: {{"id", idFields}, {"sourceId", idFields}},
	UserNode:        {{"id", idFields}, {"sourceId", idFields}},
	IdentityNode:    {{"id", idFields}, {"sourceId", idFields}},
	CredentialNode:  {{"id", idFields}},
}

var idFields = []string{"id", "sourceId"}

// Keys are the key fields of a type, in the order of their preference; none where it has no objects of its own.
func Keys(t NodeType) []string {
	var names []string
	for _, k := range entityKeys[t] {
		names = append(names, k.field)
	}
	return names
}

// Representation is an object as another subgraph refers to it.
type Representation struct {
	Type NodeType
	// Field is the key field that names the object, and Key its value; the key of a global id is the backend's.
	Field, Key string
	gives      []string
}

// ReadRepresentation reads a value of _Any, as literals and variables are decoded. Where it has several keys the first
// in the order of the schema counts.
func ReadRepresentation(v any) (Representation, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return Representation{}, errors.New("must be an object with __typename and a key")
	}
	name, _ := object["__typename"].(string)
	keys, ok := entityKeys[NodeType(name)]
	if !ok {
		return Representation{},
			errors.New("must have a __typename that is Client, EmbedClient, User, Identity or Credential")
	}
	for _, key := range keys {
		given, ok := object[key.field]
		if !ok || given == nil {
			continue
		}
		r := Representation{Type: NodeType(name), Field: key.field, gives: key.gives}
		return r, r.read(given)
	}
	return Representation{}, errors.New("must have a key of " + name)
}

func (r *Representation) read(v any) error {
	text, ok := keyText(v)
	if !ok {
		return errors.New("must have a string as its " + r.Field)
	}
	r.Key = text
	if r.Field != "id" {
		return nil
	}
	t, key, err := DecodeID(text)
	switch {
	case err != nil:
		return errors.New("must have a global id of this API as its id")
	case t != r.Type:
		return errors.New("must have the id of a " + string(r.Type) + ", not of a " + string(t))
	}
	r.Key = key
	return nil
}

// keyText returns the text of a key, which may be a whole number as an ID may.
func keyText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		_, err := v.Int64()
		return v.String(), err == nil
	case int64:
		return strconv.FormatInt(v, 10), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', 0, 64), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return "", false
}

// Gives reports whether the value of a field of the object follows from the key.
func (r Representation) Gives(field string) bool {
	return field == "__typename" || slices.Contains(r.gives, field)
}
