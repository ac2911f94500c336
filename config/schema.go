package config

import (
	"encoding/json"
	"strings"
)

// jsonSchema is as much of JSON Schema as a configuration file needs.
type jsonSchema struct {
	Schema      string                 `json:"$schema,omitempty"`
	Ref         string                 `json:"$ref,omitempty"`
	Title       string                 `json:"title,omitempty"`
	Description string                 `json:"description,omitempty"`
	Type        any                    `json:"type,omitempty"`
	Enum        []string               `json:"enum,omitempty"`
	Default     any                    `json:"default,omitempty"`
	Minimum     *int                   `json:"minimum,omitempty"`
	Items       *jsonSchema            `json:"items,omitempty"`
	Properties  map[string]*jsonSchema `json:"properties,omitempty"`
	Closed      *bool                  `json:"additionalProperties,omitempty"`
}

// Schema returns the JSON Schema of a configuration file.
func Schema() []byte {
	closed := false
	root := &jsonSchema{Schema: "https://json-schema.org/draft/2020-12/schema", Title: "Learngraph configuration",
		Description: "A setting is in its group or at the top, once. Flags and the environment override the file.",
		Type:        []string{"object", "null"}, Properties: map[string]*jsonSchema{}, Closed: &closed}
	for _, g := range Groups() {
		root.Properties[g.Name] = &jsonSchema{Title: g.Title, Type: []string{"object", "null"},
			Properties: map[string]*jsonSchema{}, Closed: &closed}
	}
	for _, s := range Settings() {
		for _, name := range s.Names() {
			key := strings.ToLower(name)
			root.Properties[s.Group].Properties[key] = s.schema(name)
			root.Properties[key] = &jsonSchema{Ref: "#/properties/" + s.Group + "/properties/" + key}
		}
	}
	text, _ := json.MarshalIndent(root, "", "  ") // of texts, numbers and maps
	return append(text, '\n')
}

func (s Setting) schema(name string) *jsonSchema {
	p := &jsonSchema{Description: s.Usage, Type: []string{"string", "null"}}
	if s.Default != "" {
		p.Default = s.Default
	}
	switch {
	case name != s.Name:
		p.Description = "File with " + s.Name + "."
	case s.Switch:
		p.Type, p.Default = []string{"boolean", "null"}, s.Default == "true"
	case s.number:
		p.Type, p.Default = []string{"integer", "null"}, json.Number(s.Default)
		p.Minimum = new(int)
	case s.list:
		p.Type, p.Items = []string{"string", "array", "number", "null"}, &jsonSchema{Type: "string", Enum: s.Choices}
	case len(s.Choices) > 0:
		p.Type, p.Enum = nil, s.Choices
	default:
		p.Type = []string{"string", "number", "null"}
	}
	return p
}
