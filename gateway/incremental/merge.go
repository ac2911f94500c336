package incremental

import (
	"encoding/json"

	"github.com/learngraph/learngraph/engine"
	"github.com/vektah/gqlparser/v2/ast"
)

// Answer is the merged answer of the payloads so far.
type Answer struct{ data any }

// NewAnswer begins with the data of the first payload.
func NewAnswer(data []byte) *Answer {
	a := &Answer{}
	_ = json.Unmarshal(data, &a.data)
	return a
}

// JSON returns the data.
func (a *Answer) JSON() []byte {
	text, _ := json.Marshal(a.data)
	return text
}

// Add merges a payload.
func (a *Answer) Add(p *engine.Payload) {
	for _, inc := range p.Incremental {
		if inc.Items == nil {
			var data any
			_ = json.Unmarshal(inc.Data, &data)
			a.data = put(a.data, inc.Path, data)
			continue
		}
		for i, item := range inc.Items {
			var data any
			_ = json.Unmarshal(item, &data)
			path := append(ast.Path{}, inc.Path...)
			path[len(path)-1] = inc.Path[len(path)-1].(ast.PathIndex) + ast.PathIndex(i)
			a.data = put(a.data, path, data)
		}
	}
}

// put merges a value into the value at a path.
func put(at any, path ast.Path, v any) any {
	if len(path) == 0 {
		return merge(at, v)
	}
	switch step := path[0].(type) {
	case ast.PathName:
		if o, ok := at.(map[string]any); ok {
			o[string(step)] = put(o[string(step)], path[1:], v)
		}
	case ast.PathIndex:
		list, ok := at.([]any)
		if !ok {
			return at
		}
		if int(step) == len(list) {
			list = append(list, nil)
		}
		if int(step) < len(list) {
			list[step] = put(list[step], path[1:], v)
		}
		return list
	}
	return at
}

func merge(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		o, ok := a.(map[string]any)
		if !ok {
			return b
		}
		for k, v := range b {
			o[k] = merge(o[k], v)
		}
		return o
	case []any:
		list, ok := a.([]any)
		if !ok {
			return b
		}
		for i, v := range b {
			if i == len(list) {
				return append(list, b[i:]...)
			}
			list[i] = merge(list[i], v)
		}
		return list
	}
	return b
}
