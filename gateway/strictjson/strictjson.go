// Package strictjson reads JSON texts whose meaning must not depend on the reader: an object that has a member twice,
// half a surrogate pair and bytes after the end are errors, and numbers keep their digits.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/learngraph/learngraph/document"
)

// ByteOrderMark may precede a JSON text that some editors and clients write.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// IsNull reports whether a JSON text is null.
func IsNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// HasLoneSurrogate reports whether a well-formed JSON text has an escape sequence of half a surrogate pair. The decoder
// would replace it by U+FFFD.
func HasLoneSurrogate(raw []byte) bool {
	for i := 0; ; i += len(`\u`) {
		n := bytes.IndexByte(raw[i:], '\\')
		if n < 0 {
			return false
		}
		i += n
		unit, ok := utf16Unit(raw[i:])
		if !ok || !utf16.IsSurrogate(unit) {
			continue
		}
		low, ok := utf16Unit(raw[i+unitSize:])
		if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			return true
		}
		i += unitSize
	}
}

const unitSize = len(`\u0000`)

// utf16Unit reads the escape sequence that a text begins with.
func utf16Unit(raw []byte) (rune, bool) {
	if len(raw) < unitSize || raw[1] != 'u' || raw[0] != '\\' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[len(`\u`):unitSize]), 16, 16)
	return rune(n), err == nil
}

// Unmarshal keeps numbers as they are written: a 64-bit id in variables must not lose digits.
func Unmarshal(raw json.RawMessage, target any) error {
	if s, ok := target.(*string); ok {
		if text, ok := unquote(raw); ok {
			*s = text
			return nil
		}
		return json.Unmarshal(raw, target)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(target); err != nil {
		return err
	}
	if dec.More() {
		return errTrailing
	}
	_, err := dec.Token()
	if err != io.EOF {
		return errTrailing
	}
	return nil
}

// escapes are the characters that a backslash and another one are in JSON; those of \u are left to encoding/json.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unquote decodes a JSON string as the texts of documents are: in one pass, where encoding/json makes three. It reports
// false for a text that it leaves to encoding/json: other escape sequences, and whatever may be no string.
func unquote(raw []byte) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' || !utf8.Valid(raw) {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	var decoded strings.Builder
	decoded.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' && i+1 < len(raw) {
			i++
			if c = escapes[raw[i]]; c == 0 {
				return "", false
			}
		} else if c < ' ' || c == '"' || c == '\\' {
			return "", false
		}
		decoded.WriteByte(c)
	}
	return decoded.String(), true
}

var errTrailing = errors.New("there is data after its end")

// HasDuplicateMember reports whether an object in a JSON text that is well-formed has a member twice. It reads bytes:
// the decoder's tokens cost more than decoding the text.
func HasDuplicateMember(raw []byte) bool {
	var open []map[string]bool // the names so far of each object around the place
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := document.StringEnd(raw, i)
			if isName(raw[end:]) {
				inner := &open[len(open)-1]
				name := nameOf(raw[i:end])
				if (*inner)[name] {
					return true
				}
				if *inner == nil {
					*inner = map[string]bool{}
				}
				(*inner)[name] = true
			}
			i = end - 1
		}
	}
	return false
}

// isName reports whether a string before rest is a member's name.
func isName(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func nameOf(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // it is well-formed
	return name
}

// Members are the members of one JSON object, in order.
type Members []Member

// Member is one member, with its value as it was sent.
type Member struct {
	Name string
	Raw  json.RawMessage
}

// fewMembers is how many members are looked through one by one.
const fewMembers = 16

// Get returns the value of a member, nil if there is none.
func (m Members) Get(name string) json.RawMessage {
	for i := range m {
		if m[i].Name == name {
			return m[i].Raw
		}
	}
	return nil
}

// ReadMembers reads one JSON object and nothing after it. A repeated member is an error: which of two queries runs
// must not depend on who reads the body.
func ReadMembers(data []byte) (Members, error) {
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return nil, errors.New("it is not an object")
	}
	if !json.Valid(data) {
		return nil, whyInvalid(data)
	}
	list := make(Members, 0, 5)
	var seen map[string]bool // of more members than a request has
	i := bytes.IndexByte(data, '{') + 1
	for {
		i += bytes.IndexAny(data[i:], `"}`)
		if data[i] == '}' {
			return list, nil
		}
		end := document.StringEnd(data, i)
		name := nameOf(data[i:end])
		value := end + bytes.IndexByte(data[end:], ':') + 1
		for strings.IndexByte(" \t\r\n", data[value]) >= 0 {
			value++
		}
		i = document.ValueEnd(data, value)
		if seen[name] || seen == nil && list.Get(name) != nil {
			return nil, errors.New("a member is repeated")
		}
		list = append(list, Member{name, bytes.TrimSpace(data[value:i])})
		if seen != nil {
			seen[name] = true
		} else if len(list) > fewMembers {
			seen = map[string]bool{}
			for _, m := range list {
				seen[m.Name] = true
			}
		}
	}
}

// whyInvalid returns the error of a text that begins as an object.
func whyInvalid(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	var object json.RawMessage
	if dec.Decode(&object) == nil {
		return errTrailing
	}
	return errors.New("it is not valid JSON")
}
