package capture

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Difference is one place at which two JSON values are not equal. A side that is absent is empty.
type Difference struct {
	Path     string `json:"path"`
	Recorded string `json:"recorded,omitempty"`
	Now      string `json:"now,omitempty"`
}

// maxShown is how much of a value a difference shows, in bytes.
const maxShown = 200

// Compare lists where two answers differ, by path. The errors of an answer have no order.
func Compare(recorded, now json.RawMessage) []Difference {
	c := &comparison{same: func(_ string, a, b any) bool { return a == b }}
	c.compare("", answer(recorded), answer(now))
	return c.differences
}

// ShapeDifferences lists the paths at which two answers differ by more than their texts and numbers, which is all that
// pseudonyms may change. The members that describe the outcome must be equal too.
func ShapeDifferences(a, b json.RawMessage) []string {
	c := &comparison{masked: true, same: func(name string, a, b any) bool {
		if comparedExactly[name] {
			return a == b
		}
		return reflect.TypeOf(a) == reflect.TypeOf(b)
	}}
	c.compare("", answer(a), answer(b))
	paths := make([]string, len(c.differences))
	for i, d := range c.differences {
		paths[i] = d.Path
	}
	return paths
}

// comparedExactly are the members that no pseudonym changes.
var comparedExactly = map[string]bool{"code": true, "backend": true, "__typename": true, "hasNextPage": true,
	"totalCount": true}

// answer decodes an answer, and puts its errors in order: fields that fail side by side fail in any.
func answer(raw json.RawMessage) any {
	v, err := decode(raw)
	if err != nil {
		return nil
	}
	if object, ok := v.(map[string]any); ok {
		if errs, ok := object["errors"].([]any); ok {
			slices.SortStableFunc(errs, func(a, b any) int { return strings.Compare(errorPath(a), errorPath(b)) })
		}
	}
	return v
}

func errorPath(failure any) string {
	object, _ := failure.(map[string]any)
	return string(encode(object["path"])) + string(encode(object["message"]))
}

type comparison struct {
	same func(name string, a, b any) bool
	// masked is set if names of members which may be values have pseudonyms.
	masked      bool
	differences []Difference
}

func (c *comparison) compare(path string, a, b any) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			c.objects(path, a, b)
			return
		}
	case []any:
		if b, ok := b.([]any); ok {
			c.lists(path, a, b)
			return
		}
	default:
		if c.same(path[strings.LastIndexByte(path, '.')+1:], a, b) {
			return
		}
	}
	c.add(path, truncate(a), truncate(b))
}

func (c *comparison) objects(path string, a, b map[string]any) {
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if c.masked && !identifierName.MatchString(name) {
			continue
		}
		below := strings.TrimPrefix(path+"."+name, ".")
		va, inA := a[name]
		vb, inB := b[name]
		switch {
		case inA && inB:
			c.compare(below, va, vb)
		case inA:
			c.add(below, truncate(va), "")
		default:
			c.add(below, "", truncate(vb))
		}
	}
}

func (c *comparison) lists(path string, a, b []any) {
	for i := range max(len(a), len(b)) {
		below := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(a):
			c.add(below, "", truncate(b[i]))
		case i >= len(b):
			c.add(below, truncate(a[i]), "")
		default:
			c.compare(below, a[i], b[i])
		}
	}
}

func (c *comparison) add(path, a, b string) {
	c.differences = append(c.differences, Difference{path, a, b})
}

func truncate(v any) string {
	text := string(encode(v))
	if len(text) > maxShown {
		return text[:maxShown] + "…"
	}
	return text
}
