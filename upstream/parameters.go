package upstream

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Parameter is a part of the path, of the query or of the body of a call, by its name in the vendor's documentation.
type Parameter struct {
	Name, Value string
}

// parameters lists the parameters of a request: those in its path, then its query, then the members of its body.
func (r *Request) parameters() []Parameter {
	var list []Parameter
	route := strings.Split(r.Route, "/")
	for i, offset := 0, len(route)-len(r.Path); i < len(r.Path); i++ {
		if offset+i < 0 {
			continue
		}
		if name, ok := strings.CutPrefix(route[offset+i], "{"); ok {
			list = append(list, Parameter{strings.TrimSuffix(name, "}"), r.Path[i]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Query)) {
		list = append(list, Parameter{name, strings.Join(r.Query[name], ",")})
	}
	return append(list, membersOf(r.Body)...)
}

// membersOf lists the members of a body that is an object.
func membersOf(body any) []Parameter {
	text, err := json.Marshal(body)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &members) != nil {
		return nil
	}
	var list []Parameter
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := string(members[name])
		var plain string
		if json.Unmarshal(members[name], &plain) == nil {
			value = plain
		}
		list = append(list, Parameter{name, value})
	}
	return list
}
