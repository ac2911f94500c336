package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Mismatch is the error of a value of another kind than its reader reads. It does not carry the value.
type Mismatch struct {
	Want string // the name of a kind or of a leaf
	Got  Kind
}

// Error returns the expected and the actual kind.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("document: a value of kind %s where %s is expected", m.Got, m.Want)
}

// Leaf is a type of leaf: its values and their serialization.
type Leaf struct {
	name   string
	append func(l *Leaf, dst []byte, v Value) ([]byte, bool)
	names  map[string]string // of an enum: each name's JSON text
}

// The leaves other than enums.
var (
	StringLeaf  = &Leaf{name: "String", append: appendText}     // a string
	IntLeaf     = &Leaf{name: "Int", append: appendInt}         // an integral number of 32 bits: 5, 5.0, 5e2
	FloatLeaf   = &Leaf{name: "Float", append: appendFloat}     // a number that is finite in 64 bits
	BooleanLeaf = &Leaf{name: "Boolean", append: appendBoolean} // true or false
	// a string, or an integral number as a string of its digits
	IDLeaf   = &Leaf{name: "ID", append: appendID}
	JSONLeaf = &Leaf{name: "JSON", append: appendJSON} // anything
)

// NewEnum returns the leaf of an enum: a string that is one of names after its escapes are resolved.
func NewEnum(name string, names ...string) *Leaf {
	l := &Leaf{name: name, append: appendName, names: make(map[string]string, len(names))}
	for _, n := range names {
		quoted, _ := json.Marshal(n) // a string always marshals
		l.names[n] = string(quoted)
	}
	return l
}

// Name returns the name that errors show.
func (l *Leaf) Name() string { return l.name }

// Append appends v to dst as JSON, without decoding it: strings with their escapes, an Int in plain digits, a Float in
// the form in which it was sent. A v that does not belong to l is a *Mismatch, and dst is returned as it was. Null
// belongs to JSONLeaf only, since nullability is not a property of the leaf.
func (l *Leaf) Append(dst []byte, v Value) ([]byte, error) {
	out, ok := l.append(l, dst, v)
	if !ok {
		return dst, &Mismatch{Want: l.name, Got: v.Kind()}
	}
	return out, nil
}

// Check returns the error that Append would.
func (l *Leaf) Check(v Value) error {
	var scratch [64]byte
	_, err := l.Append(scratch[:0], v)
	return err
}

func appendText(_ *Leaf, dst []byte, v Value) ([]byte, bool) {
	if v.Kind() != KindString {
		return dst, false
	}
	return append(dst, v.Raw()...), true
}

func appendInt(_ *Leaf, dst []byte, v Value) ([]byte, bool) {
	if v.Kind() != KindNumber {
		return dst, false
	}
	digits, ok := appendIntegral(dst, v.Raw(), maxInt32Digits)
	if !ok {
		return dst, false
	}
	if _, err := strconv.ParseInt(string(digits[len(dst):]), 10, 32); err != nil {
		return dst, false
	}
	return digits, true
}

func appendFloat(_ *Leaf, dst []byte, v Value) ([]byte, bool) {
	if v.Kind() != KindNumber {
		return dst, false
	}
	raw := v.Raw()
	if len(raw) > 300 || bytes.ContainsAny(raw, "eE") {
		if f, _ := strconv.ParseFloat(string(raw), 64); math.IsInf(f, 0) {
			return dst, false
		}
	}
	return append(dst, raw...), true
}

func appendBoolean(_ *Leaf, dst []byte, v Value) ([]byte, bool) {
	if v.Kind() != KindBoolean {
		return dst, false
	}
	return append(dst, v.Raw()...), true
}

func appendID(_ *Leaf, dst []byte, v Value) ([]byte, bool) {
	switch v.Kind() {
	case KindString:
		return append(dst, v.Raw()...), true
	case KindNumber:
		out, ok := appendIntegral(append(dst, '"'), v.Raw(), maxIDDigits)
		return append(out, '"'), ok
	}
	return dst, false
}

func appendJSON(_ *Leaf, dst []byte, v Value) ([]byte, bool) { return append(dst, v.Raw()...), true }

func appendName(l *Leaf, dst []byte, v Value) ([]byte, bool) {
	if v.Kind() != KindString {
		return dst, false
	}
	quoted, ok := l.names[string(v.text())]
	return append(dst, quoted...), ok
}

const (
	maxInt32Digits = 10

	// maxIDDigits bounds only an expanded exponent: 1e1000000000 must not become a gigabyte.
	maxIDDigits = 64
)

// appendIntegral appends the plain digits of a JSON number, if it is integral: 5.0 and 50e-1 are 5, -0 is 0. Numbers
// with a fraction or an exponent may have no more than limit digits then.
func appendIntegral(dst, number []byte, limit int) ([]byte, bool) {
	sign, digits := len(dst), number
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	end := bytes.IndexAny(digits, ".eE")
	if end < 0 {
		if digits[0] == '0' {
			return append(dst[:sign], '0'), true
		}
		return append(dst, digits...), true
	}
	whole, rest := digits[:end], digits[end:]
	var fraction, exponent []byte
	if e := bytes.IndexAny(rest, "eE"); e >= 0 {
		rest, exponent = rest[:e], rest[e+1:]
	}
	if len(rest) > 0 {
		fraction = rest[1:]
	}
	significant := strings.TrimLeft(string(whole)+string(fraction), "0")
	if significant == "" {
		return append(dst[:sign], '0'), true
	}
	trimmed := strings.TrimRight(significant, "0")
	zeros := clampedInt(exponent) - len(fraction) + len(significant) - len(trimmed)
	if zeros < 0 || len(trimmed)+zeros > limit {
		return dst[:sign], false
	}
	dst = append(dst, trimmed...)
	for range zeros {
		dst = append(dst, '0')
	}
	return dst, true
}

// clampedInt returns the exponent that digits are, or one that is beyond any text's length.
func clampedInt(digits []byte) int {
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(digits), 10, 40) // out of range returns the nearest
	return int(n)
}

// text returns the value of the string literal v: a part of the document, or a copy where an escape had to be resolved.
func (v Value) text() []byte {
	raw := v.Raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return unescape(make([]byte, 0, len(raw)), raw)
}

// Text returns the string that v is. The error of this and of the following methods is a *Mismatch, for null too.
func (v Value) Text() (string, error) {
	if v.Kind() != KindString {
		return "", StringLeaf.mismatch(v)
	}
	return string(v.text()), nil
}

// Int returns the integral number of 32 bits that v is.
func (v Value) Int() (int, error) {
	var scratch [16]byte
	digits, err := IntLeaf.Append(scratch[:0], v)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(digits))
}

// Float returns the number that v is.
func (v Value) Float() (float64, error) {
	if v.Kind() != KindNumber {
		return 0, FloatLeaf.mismatch(v)
	}
	f, err := strconv.ParseFloat(string(v.Raw()), 64)
	if err != nil {
		return 0, FloatLeaf.mismatch(v)
	}
	return f, nil
}

// Boolean returns the truth value that v is.
func (v Value) Boolean() (bool, error) {
	if v.Kind() != KindBoolean {
		return false, BooleanLeaf.mismatch(v)
	}
	return v.Raw()[0] == 't', nil
}

// ID returns the string that v is, or the digits of an integral number.
func (v Value) ID() (string, error) {
	if v.Kind() == KindString {
		return string(v.text()), nil
	}
	if v.Kind() != KindNumber {
		return "", IDLeaf.mismatch(v)
	}
	digits, ok := appendIntegral(nil, v.Raw(), maxIDDigits)
	if !ok {
		return "", IDLeaf.mismatch(v)
	}
	return string(digits), nil
}

// JSON returns the text of any value. The bytes belong to the Document and must not be changed.
func (v Value) JSON() (json.RawMessage, error) { return json.RawMessage(v.Raw()), nil }

func (l *Leaf) mismatch(v Value) error { return &Mismatch{Want: l.name, Got: v.Kind()} }
