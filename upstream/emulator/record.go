package emulator

import (
	"slices"
	"strconv"
)

// record is a JSON object as alternating names and values, in the order in which it is written.
type record []any

// list is a JSON array of objects.
type list []record

// set replaces the member's value, or appends it.
func (r *record) set(name string, value any) {
	for i := 0; i < len(*r); i += 2 {
		if (*r)[i] == name {
			(*r)[i+1] = value
			return
		}
	}
	*r = append(*r, name, value)
}

// without leaves the members out.
func (r record) without(names ...string) record {
	return r.filter(func(name string) bool { return !slices.Contains(names, name) })
}

// only keeps the members.
func (r record) only(names ...string) record {
	return r.filter(func(name string) bool { return slices.Contains(names, name) })
}

func (r record) filter(keep func(string) bool) record {
	kept := make(record, 0, len(r))
	for i := 0; i < len(r); i += 2 {
		if keep(r[i].(string)) {
			kept = append(kept, r[i], r[i+1])
		}
	}
	return kept
}

// appendJSON writes a value of the kinds that the catalogue uses; any other kind is a mistake in this package.
func appendJSON(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	case []byte:
		return append(b, v...)
	case record:
		return appendRecord(b, v)
	case list:
		return appendList(b, v, func(b []byte, r record) []byte { return appendRecord(b, r) })
	case []string:
		return appendList(b, v, appendString)
	case []float64:
		return appendList(b, v, func(b []byte, f float64) []byte { return appendJSON(b, f) })
	default:
		panic("emulator: a value of a kind that the catalogue does not use")
	}
}

func appendRecord(b []byte, r record) []byte {
	b = append(b, '{')
	for i := 0; i < len(r); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, r[i].(string))
		b = append(b, ':')
		b = appendJSON(b, r[i+1])
	}
	return append(b, '}')
}

func appendList[T any](b []byte, items []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, item)
	}
	return append(b, ']')
}

// appendString leaves everything but quotes, backslashes and control characters as it is: the catalogue is valid UTF-8,
// and a backend does not escape HTML.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	plain := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}
