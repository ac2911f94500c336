package gateway

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// repeatsByTokens is repeats by the decoder's own tokens.
func repeatsByTokens(raw []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	var object func(end json.Delim) bool
	value := func() bool {
		t, _ := dec.Token()
		switch t {
		case json.Delim('{'):
			return object('}')
		case json.Delim('['):
			return object(']')
		}
		return false
	}
	object = func(end json.Delim) bool {
		names := map[string]bool{}
		found := false
		for dec.More() {
			if end == '}' {
				t, _ := dec.Token()
				name, _ := t.(string)
				found = found || names[name]
				names[name] = true
			}
			found = value() || found
		}
		_, _ = dec.Token()
		return found
	}
	return value()
}

func FuzzRepeatedMembersAreFound(f *testing.F) {
	for _, text := range []string{`{"a":1,"a":2}`, `{"a":{"a":[{"a":"a"},{"a" : 1}]},"b":"a"}`, `{"\u0061":1,"a":"\\\"a\":"}`, `[{"":1,"":2}]`, `"a"`, `{"a":"x","b":{"c":1,"c":{}}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || !utf8.Valid(raw) {
			return
		}
		if got, want := hasTwice(raw), repeatsByTokens(raw); got != want {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
	})
}
