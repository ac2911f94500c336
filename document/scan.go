package document

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Error is a text that is no JSON, or beyond the limits. It never carries a part of the text.
type Error struct {
	Offset  int    // in bytes from the start of the text
	Problem string // one of this package's own sentences
}

// Error returns the problem and its place.
func (e *Error) Error() string { return fmt.Sprintf("document: %s at byte %d", e.Problem, e.Offset) }

// replacement replaces invalid Unicode in a string.
const replacement = "\uFFFD"

// source is a JSON text from outside. Its methods take the offset where something begins and return the offset behind
// it.
type source struct{ data []byte }

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// space passes over white space.
func (src *source) space(i int) int {
	for i < len(src.data) && src.data[i] <= ' ' && isSpace(src.data[i]) {
		i++
	}
	return i
}

// unexpected is the error of a byte that does not fit at i, or of the text's end there.
func (src *source) unexpected(i int, want string) error {
	if i >= len(src.data) {
		return &Error{len(src.data), "unexpected end, expected " + want}
	}
	return &Error{i, "expected " + want}
}

// enter checks that another array or object may open at i.
func (*source) enter(i, depth int) error {
	if depth > maxDepth {
		return &Error{i, "nested too deeply"}
	}
	return nil
}

// skip checks the value at i, which opens depth-th.
func (src *source) skip(i, depth int) (int, error) {
	if i >= len(src.data) {
		return 0, src.unexpected(i, "a value")
	}
	switch src.data[i] {
	case '"':
		next, _, err := src.skipString(i)
		return next, err
	case '{':
		return src.skipObject(i, depth)
	case '[':
		return src.skipArray(i, depth)
	}
	return src.scalar(i)
}

func (src *source) skipObject(i, depth int) (int, error) {
	if err := src.enter(i, depth); err != nil {
		return 0, err
	}
	i, more := src.first(i, '}')
	for more {
		var err error
		if i >= len(src.data) || src.data[i] != '"' {
			return 0, src.unexpected(i, "a member name")
		}
		if i, _, err = src.skipString(i); err != nil {
			return 0, err
		}
		if i, err = src.colon(i); err != nil {
			return 0, err
		}
		if i, err = src.skip(i, depth+1); err != nil {
			return 0, err
		}
		if i, more, err = src.next(i, '}'); err != nil {
			return 0, err
		}
	}
	return i, nil
}

func (src *source) skipArray(i, depth int) (int, error) {
	if err := src.enter(i, depth); err != nil {
		return 0, err
	}
	i, more := src.first(i, ']')
	for more {
		var err error
		if i, err = src.skip(i, depth+1); err != nil {
			return 0, err
		}
		if i, more, err = src.next(i, ']'); err != nil {
			return 0, err
		}
	}
	return i, nil
}

// colon passes over the colon behind a member name, to the value.
func (src *source) colon(i int) (int, error) {
	if i = src.space(i); i >= len(src.data) || src.data[i] != ':' {
		return 0, src.unexpected(i, "a colon")
	}
	return src.space(i + 1), nil
}

// first passes over the opening bracket at i, to the first member or element; or over the closing one too, and then
// there is none.
func (src *source) first(i int, closing byte) (int, bool) {
	i = src.space(i + 1)
	if i < len(src.data) && src.data[i] == closing {
		return i + 1, false
	}
	return i, true
}

// comma reports whether a comma is at i and the next member or element directly behind it, as in any compact text.
func (src *source) comma(i int) bool {
	return i+1 < len(src.data) && src.data[i] == ',' && src.data[i+1] > ' '
}

func (src *source) isNull(i int) bool { return i < len(src.data) && src.data[i] == 'n' }

// next passes over the comma behind a member or an element, to the next one; or over the closing bracket, and then
// there are no more.
func (src *source) next(i int, closing byte) (int, bool, error) {
	if src.comma(i) {
		return i + 1, true, nil
	}
	i = src.space(i)
	if i >= len(src.data) {
		return 0, false, src.unexpected(i, "a comma or a closing bracket")
	}
	switch src.data[i] {
	case ',':
		return src.space(i + 1), true, nil
	case closing:
		return i + 1, false, nil
	}
	return 0, false, src.unexpected(i, "a comma or a closing bracket")
}

// scalar checks a number, true, false or null.
func (src *source) scalar(i int) (int, error) {
	switch c := src.data[i]; {
	case kindOf[c] == KindNumber:
		return src.number(i)
	case c == 'f':
		if i+5 <= len(src.data) && string(src.data[i:i+5]) == "false" {
			return i + 5, nil
		}
	case i+4 <= len(src.data):
		if word := string(src.data[i : i+4]); word == "true" || word == "null" {
			return i + 4, nil
		}
	}
	return 0, src.unexpected(i, "a value")
}

func (src *source) number(i int) (int, error) {
	if src.data[i] == '-' {
		i++
	}
	end := src.digits(i)
	if end == i || src.data[i] == '0' && end > i+1 {
		return 0, src.unexpected(i, "a number without leading zeros")
	}
	if i = end; i < len(src.data) && src.data[i] == '.' {
		if end = src.digits(i + 1); end == i+1 {
			return 0, src.unexpected(end, "a digit")
		}
		i = end
	}
	if i < len(src.data) && src.data[i]|0x20 == 'e' {
		i++
		if i < len(src.data) && (src.data[i] == '+' || src.data[i] == '-') {
			i++
		}
		if end = src.digits(i); end == i {
			return 0, src.unexpected(end, "a digit")
		}
		i = end
	}
	return i, nil
}

func (src *source) digits(i int) int {
	for i < len(src.data) && src.data[i]-'0' <= 9 {
		i++
	}
	return i
}

// skipString checks the string at i. It is clean if it can be kept unchanged, and not if some of it is no Unicode.
func (src *source) skipString(i int) (next int, clean bool, err error) {
	data := src.data
	for i, clean = indexSpecial(data, i+1), true; i < len(data); i = indexSpecial(data, i) {
		switch c := data[i]; {
		case c == '"':
			return i + 1, clean, nil
		case c < ' ':
			return 0, false, &Error{i, "control character in a string"}
		}
		end, valid := character(data, i)
		if end == i {
			return 0, false, &Error{i, "unknown escape in a string"}
		}
		i, clean = end, clean && valid
	}
	return 0, false, src.unexpected(i, "the end of a string")
}

// appendString appends the string at i, which is checked, with its quotes and escapes, and with U+FFFD for invalid
// Unicode.
func (src *source) appendString(dst []byte, i int) []byte {
	kept := i // everything before it is in dst
	for i++; ; {
		i = indexSpecial(src.data, i)
		if src.data[i] == '"' {
			return append(dst, src.data[kept:i+1]...)
		}
		end, valid := character(src.data, i)
		if !valid {
			dst = append(append(dst, src.data[kept:i]...), replacement...)
			kept = end
		}
		i = end
	}
}

// name returns the member name at i: a part of the source, or of scratch where something had to be resolved.
func (src *source) name(i int, scratch *[]byte) ([]byte, int, error) {
	if end := indexSpecial(src.data, i+1); end < len(src.data) && src.data[end] == '"' {
		return src.data[i+1 : end], end + 1, nil
	}
	next, _, err := src.skipString(i)
	if err != nil {
		return nil, 0, err
	}
	literal := src.appendString((*scratch)[:0], i)
	n := len(literal)
	*scratch = unescape(literal, literal)
	return (*scratch)[n:], next, nil
}

// character checks the escape, or the run of characters beyond ASCII, at i. Where that is no Unicode, end is behind the
// part to be replaced; where it is no escape, end is i.
func character(data []byte, i int) (end int, valid bool) {
	if data[i] != '\\' {
		return beyondASCII(data, i)
	}
	if i+1 < len(data) && unescaped[data[i+1]] != 0 {
		return i + 2, true
	}
	return unicodeEscape(data, i)
}

func beyondASCII(data []byte, i int) (end int, valid bool) {
	for end = i; end < len(data) && data[end] >= utf8.RuneSelf; {
		r, n := utf8.DecodeRune(data[end:])
		if r == utf8.RuneError && n == 1 {
			return max(end, i+1), end > i
		}
		end += n
	}
	return end, true
}

// unicodeEscape checks the \u escape at i, or the pair of them that is one character; a lone half is not valid.
func unicodeEscape(data []byte, i int) (end int, valid bool) {
	r := escapedRune(data, i)
	switch {
	case r < 0:
		return i, false
	case !utf16.IsSurrogate(r):
		return i + 6, true
	case utf16.DecodeRune(r, escapedRune(data, i+6)) == utf8.RuneError:
		return i + 6, false
	}
	return i + 12, true
}

// escapedRune returns the value of the \u escape at i, -1 where there is none.
func escapedRune(data []byte, i int) rune {
	if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
		return -1
	}
	return hex4(data[i+2 : i+6])
}

// hex4 returns the value of the four hexadecimal digits that b begins with, -1 where it does not.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	return max(-1, hexDigit[b[0]]<<12|hexDigit[b[1]]<<8|hexDigit[b[2]]<<4|hexDigit[b[3]])
}

// hexDigit maps a hexadecimal digit to its value, and everything else to -1.
var hexDigit = func() (values [256]rune) {
	for c := range values {
		values[c] = -1
	}
	for v, c := range "0123456789abcdef" {
		values[c], values[unicode.ToUpper(c)] = rune(v), rune(v)
	}
	return values
}()

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// indexSpecial returns the offset of the first byte from i on that is a quote, a backslash, a control character or
// beyond ASCII; len(data) where there is none. It looks at eight bytes at once.
func indexSpecial(data []byte, i int) int {
	for ; i+8 <= len(data); i += 8 {
		if found := special(data[i:]); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return i
}

// special returns the high bits of those of the first eight bytes of data that indexSpecial looks for. In each
// difference a byte that is looked for borrows its own high bit, a byte beyond ASCII has it anyway, and only such bytes
// can disturb the ones above them. So the lowest high bit is always a true one.
func special(data []byte) uint64 {
	w := binary.LittleEndian.Uint64(data)
	return ((w - ' '*lowBits) | (w ^ '"'*lowBits - lowBits) | (w ^ '\\'*lowBits - lowBits) | w) & highBits
}

// plainEnd returns the offset behind the value at i if that is a plain one, as nearly all are: true, false, null, a
// whole number without a sign, a string of ASCII without escapes. For any other value, and for those at the end of a
// text, it returns 0.
//
//nolint:gocyclo // a case for each kind of value, in one call: a page has a hundred thousand of them
func plainEnd(data []byte, i int) int {
	if i+8 > len(data) {
		return 0
	}
	switch c := data[i]; {
	case c == '"':
		for i++; i+8 <= len(data); i += 8 {
			if found := special(data[i:]); found != 0 {
				if i += bits.TrailingZeros64(found) / 8; data[i] == '"' {
					return i + 1
				}
				return 0
			}
		}
	case c == 't' && string(data[i:i+4]) == "true", c == 'n' && string(data[i:i+4]) == "null":
		return i + 4
	case c == 'f' && string(data[i:i+5]) == "false":
		return i + 5
	case c-'1' < 9:
		for i++; i < len(data) && data[i]-'0' <= 9; i++ {
		}
		if i < len(data) && (data[i] == ',' || data[i] == '}') {
			return i
		}
	}
	return 0
}

// ValueEnd returns the offset behind the value at i of a text that is known to be valid. White space
// behind a number, true, false or null counts as part of it.
func ValueEnd(text []byte, i int) int {
	switch text[i] {
	case '"':
		return StringEnd(text, i)
	case '{', '[':
		return containerEnd(text, i)
	}
	for i < len(text) && text[i] != ',' && text[i] != '}' && text[i] != ']' {
		i++
	}
	return i
}

// StringEnd returns the offset behind the string at i of a text that is known to be valid.
func StringEnd(text []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(text[i:], '"')
		backslashes := 0
		for text[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

func containerEnd(text []byte, i int) int {
	for depth := 0; ; {
		switch text[i] {
		case '"':
			i = StringEnd(text, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
}

// unescape appends the value of the checked and rewritten string literal to dst.
func unescape(dst, literal []byte) []byte {
	s := literal[1 : len(literal)-1]
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		if s[i+1] != 'u' {
			dst = append(dst, unescaped[s[i+1]])
			s = s[i+2:]
			continue
		}
		r := hex4(s[i+2:])
		s = s[i+6:]
		if utf16.IsSurrogate(r) {
			r = utf16.DecodeRune(r, hex4(s[2:]))
			s = s[6:]
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// unescaped maps a character after a backslash to its value.
var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}
