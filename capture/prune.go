package capture

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/learngraph/learngraph/document"
)

// pruner keeps the members of an answer that its shape declares, in pseudonyms.
type pruner struct {
	*Masker
	keepsMember func(shape, member string) bool
}

// root reads the whole answer: an object of the shape, a list of them, or something else.
func (p pruner) root(v any, s *document.Shape) any {
	switch v := v.(type) {
	case map[string]any:
		out := p.object(v, s)
		if errs, ok := v["errors"]; ok {
			out["errors"] = p.value(errs, &document.Member{Name: "errors", Shape: failure}, s)
		}
		return out
	case []any:
		return each(v, func(e any) any { return p.element(e, s) })
	}
	return p.Value(v)
}

// element is an entry of a list: a record, a plain identifier, or nothing that is read.
func (p pruner) element(v any, s *document.Shape) any {
	switch v := v.(type) {
	case map[string]any:
		return p.object(v, s)
	case []any:
		return []any{}
	}
	return p.Value(v)
}

func (p pruner) object(object map[string]any, s *document.Shape) map[string]any {
	out := map[string]any{}
	for i := range s.Members {
		m := &s.Members[i]
		if v, ok := object[m.Name]; ok {
			out[m.Name] = p.value(v, m, s)
		}
	}
	return out
}

func (p pruner) value(v any, m *document.Member, owner *document.Shape) any {
	if m.JSON {
		return p.Value(v)
	}
	switch v := v.(type) {
	case []any:
		return each(v, func(e any) any { return p.value(e, m, owner) })
	case map[string]any:
		if m.Shape == nil {
			return map[string]any{}
		}
		return p.object(v, m.Shape)
	case string:
		if m.Shape != nil {
			return ""
		}
	case json.Number:
		if m.Shape != nil {
			return json.Number("0")
		}
	}
	return p.leaf(v, owner.Name, m.Name)
}

// maxWordText is the longest text that is kept as it is: a longer text, or one with an address, is not one of the
// expected plain words.
const maxWordText = 200

func (p pruner) leaf(v any, shape, member string) any {
	keep := shape == pageInfo.Name || p.keepsMember(shape, member)
	if s, ok := v.(string); ok && (len(s) > maxWordText || strings.Contains(s, "@")) {
		keep = false
	}
	if keep {
		return v
	}
	return p.Value(v)
}

var singleWord = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// refusal keeps of an error's body the code words and which parts of the input are wrong.
func (p pruner) refusal(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	p.copyWords(out, object, "code", "error")
	if nested, ok := object["error"].(map[string]any); ok {
		inner := map[string]any{}
		p.copyWords(inner, nested, "code")
		out["error"] = inner
	}
	if details, ok := object["details"].([]any); ok {
		list := []any{}
		for _, d := range details {
			if d, ok := d.(map[string]any); ok {
				list = append(list, p.detail(d))
			}
		}
		out["details"] = list
	}
	return out
}

func (p pruner) detail(d map[string]any) map[string]any {
	out := map[string]any{}
	p.copyWords(out, d, "param", "location")
	return out
}

// copyWords copies the members that hold one word.
func (p pruner) copyWords(out, from map[string]any, names ...string) {
	for _, name := range names {
		if s, ok := from[name].(string); ok {
			if !identifierName.MatchString(s) {
				s = p.Text(s)
			}
			if singleWord.MatchString(s) {
				out[name] = s
			}
		}
	}
}
