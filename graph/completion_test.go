package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
)

// orderMember holds the names of an object's members in the order of the text.
const orderMember = "\x00order"

// plainClient reads a client as encoding/json does, and completes the objects embedded in it: of the objects of one type
// and key each has the members of all of them, and where several have a member, that of the one with the most.
func plainClient(text []byte) (map[string]any, bool) {
	if !json.Valid(text) { // tokens of a text that ends too early never end
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v := orderedValue(d)
	groups := map[string][]map[string]any{}
	collect(v, model.Shapes.Client, groups)
	dropOrder(v)
	unions := map[string]map[string]any{}
	for key, objects := range groups {
		unions[key] = unionOf(objects)
	}
	for key, objects := range groups {
		for _, o := range objects {
			clear(o)
			maps.Copy(o, unions[key])
		}
	}
	client, ok := v.(map[string]any)
	return client, ok
}

// collect finds the objects that have a key, those inside of one before it.
func collect(v any, s *document.Shape, groups map[string][]map[string]any) {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			collect(e, s, groups)
		}
	}
	object, ok := v.(map[string]any)
	if !ok || s == nil {
		return
	}
	order := object[orderMember].(map[string]int)
	names := slices.SortedFunc(maps.Keys(order), func(a, b string) int { return order[a] - order[b] })
	for _, name := range names {
		i := slices.IndexFunc(s.Members, func(m document.Member) bool { return m.Name == name })
		if i < 0 {
			delete(object, name)
		} else {
			collect(object[name], s.Members[i].Shape, groups)
		}
	}
	if s.Key == "" {
		return
	}
	if key, ok := new(reference).leaf("ID", object[s.Key]); ok {
		key := fmt.Sprint(s.Name, " ", key)
		groups[key] = append(groups[key], object)
	}
}

func dropOrder(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			dropOrder(e)
		}
	case map[string]any:
		delete(v, orderMember)
		for _, e := range v {
			dropOrder(e)
		}
	}
}

func unionOf(objects []map[string]any) map[string]any {
	union, fullest := map[string]any{}, map[string]any{}
	for _, o := range objects {
		maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
		if len(o) > len(fullest) {
			fullest = o
		}
		for name, v := range o {
			if _, ok := union[name]; !ok {
				union[name] = v
			}
		}
	}
	maps.Copy(union, fullest)
	return union
}

func orderedValue(d *json.Decoder) any {
	token, _ := d.Token() // of a valid text
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, orderedValue(d))
		}
		_, _ = d.Token()
		return list
	case json.Delim('{'):
		object, at := map[string]any{}, 0
		order := map[string]int{}
		for d.More() {
			name, _ := d.Token()
			object[name.(string)], order[name.(string)] = orderedValue(d), at
			at++
		}
		_, _ = d.Token()
		object[orderMember] = order
		return object
	}
	return token
}
