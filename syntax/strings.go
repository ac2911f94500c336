package syntax

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	endlessString = "Unterminated string."
	badEscape     = "The string has an invalid escape sequence."
	badUnicode    = "The string has an invalid Unicode escape sequence."
)

// string reads a string that begins at s.next, and returns its value.
func (s *Scanner) string() (string, *fault) {
	var value strings.Builder
	from := s.next + 1 // the following characters are literal
	for i := from; i < len(s.text); {
		switch s.text[i] {
		case '"':
			s.next = i + 1
			if value.Len() == 0 {
				return s.text[from:i], nil
			}
			value.WriteString(s.text[from:i])
			return value.String(), nil
		case '\n', '\r':
			return "", &fault{i, endlessString}
		case '\\':
			value.WriteString(s.text[from:i])
			r, size, message := escaped(s.text[i:])
			if message != "" {
				return "", &fault{i, message}
			}
			value.WriteRune(r)
			i += size
			from = i
		default:
			i++
		}
	}
	return "", &fault{len(s.text), endlessString}
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads the escape sequence at the start of a text, and returns its character and its own length.
func escaped(text string) (r rune, size int, message string) {
	if len(text) < len(`\n`) {
		return 0, 0, badEscape
	}
	if r, ok := escapes[text[1]]; ok {
		return r, len(`\n`), ""
	}
	if text[1] != 'u' {
		return 0, 0, badEscape
	}
	if strings.HasPrefix(text, `\u{`) {
		r, size = bracedCharacter(text)
	} else {
		r, size = fixedCharacter(text)
	}
	if size == 0 || !utf8.ValidRune(r) {
		return 0, 0, badUnicode
	}
	return r, size, ""
}

// longestBraced is the greatest length of the text between the braces of \u{}.
const longestBraced = 8

// bracedCharacter reads \u{1F600}; a size of 0 is none.
func bracedCharacter(text string) (rune, int) {
	digits := text[len(`\u{`):]
	end := strings.IndexByte(digits[:min(len(digits), longestBraced+1)], '}')
	if end < 0 {
		return 0, 0
	}
	r, ok := hexadecimal(digits[:end])
	if !ok {
		return 0, 0
	}
	return r, len(`\u{}`) + end
}

// fixedCharacter reads \u00E9, or two such halves of one character; a size of 0 is none.
func fixedCharacter(text string) (rune, int) {
	r, ok := unit(text)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		low, ok := unit(text[unitSize:])
		if !ok {
			return 0, 0
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, 0
		}
		return r, 2 * unitSize
	}
	return r, unitSize
}

const unitSize = len(`\u0000`)

func unit(text string) (rune, bool) {
	if len(text) < unitSize || !strings.HasPrefix(text, `\u`) {
		return 0, false
	}
	return hexadecimal(text[len(`\u`):unitSize])
}

func hexadecimal(digits string) (rune, bool) {
	if strings.ContainsAny(digits, "+-_") { // which strconv takes
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return rune(min(n, math.MaxInt32)), err == nil
}

const blockQuote = `"""`

// blockString reads a block string that begins at s.next, and returns its value.
func (s *Scanner) blockString() (string, *fault) {
	start := s.next + len(blockQuote)
	for i := start; ; {
		n := strings.Index(s.text[i:], blockQuote)
		if n < 0 {
			return "", &fault{len(s.text), endlessString}
		}
		i += n + len(blockQuote)
		if end := i - len(blockQuote); s.text[end-1] != '\\' {
			s.next = i
			return blockValue(strings.ReplaceAll(s.text[start:end], `\"""`, blockQuote)), nil
		}
	}
}

// blockValue takes the indentation that all lines but the first have from them, and the empty lines from both ends.
func blockValue(raw string) string {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(raw), "\n")
	common, first, last := math.MaxInt, -1, -1
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if indent == len(line) {
			continue
		}
		if first < 0 {
			first = i
		}
		if last = i; i > 0 {
			common = min(common, indent)
		}
	}
	if first < 0 {
		return ""
	}
	for i := 1; i <= last; i++ {
		lines[i] = lines[i][min(common, len(lines[i])):]
	}
	return strings.Join(lines[first:last+1], "\n")
}
