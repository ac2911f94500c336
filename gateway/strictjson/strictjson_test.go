package strictjson

import (
	"bytes"
	"encoding/json"
	"io"
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
		if got, want := HasDuplicateMember(raw), repeatsByTokens(raw); got != want {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
	})
}

// FuzzMembersAreThoseOfTheDecoder compares with a reader of the decoder's tokens.
func FuzzMembersAreThoseOfTheDecoder(f *testing.F) {
	for _, text := range []string{`{"query":"{a}","variables":{"a":[1,{"b":"}"}]}}`, `{}`, ` { "a" : null , "\u0061":1}`, `{"a":"\\\"","b":"\\"} x`, `[{}]`, `{"a":1,}`, `{"a":{"a":1,"a":2}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return // refused before
		}
		got, err := ReadMembers(data)
		want, ok := decodedMembers(data)
		if ok != (err == nil) || ok && len(got) != len(want) {
			t.Fatalf("%q: got %v, %v, want %v", data, got, err, want)
		}
		for _, m := range got {
			if string(m.Raw) != string(want[m.Name]) {
				t.Errorf("%q: %s is %s, want %s", data, m.Name, m.Raw, want[m.Name])
			}
		}
	})
}

func decodedMembers(data []byte) (map[string]json.RawMessage, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, false
		}
		name, ok := t.(string)
		var raw json.RawMessage
		if !ok || members[name] != nil || dec.Decode(&raw) != nil {
			return nil, false
		}
		members[name] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	_, err := dec.Token()
	return members, err == io.EOF
}

// FuzzStringsAreThoseOfTheDecoder compares with encoding/json.
func FuzzStringsAreThoseOfTheDecoder(f *testing.F) {
	for _, text := range []string{`""`, `"a"`, `"{ user(by: {sourceId: \"a|1\"}) {\n\tname\r } }"`, `"\b\f\/\\"`, `"\u00fc\ud83c\udf93"`,
		`"\x"`, `"a\"`, `"a" "b"`, `"a"b"`, "\"\n\"", `"ü"`, "\"\xff\"", ` "a" `, `null`, `7`, `"`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, want string
		err, requested := Unmarshal(raw, &got), json.Unmarshal(raw, &want)
		if (err == nil) != (requested == nil) || got != want {
			t.Errorf("%q: got %q, %v, want %q, %v", raw, got, err, want, requested)
		}
	})
}
