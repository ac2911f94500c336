package capture

import (
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Masker replaces values by pseudonyms of the same kind: a UUID by a UUID, an e-mail address by one at example.org, a
// date by a date, a URL by one at example.com, and else letters by letters and digits by digits, with all other
// characters unchanged. One value has one pseudonym, and no two values share one (but for UUIDs that differ in case
// alone), so that joins still hold. The pseudonyms come from a keyed hash whose key is discarded. It must not be used
// by several goroutines at once.
type Masker struct {
	key   [32]byte
	made  map[string]string
	taken map[string]bool
}

// NewMasker makes a Masker with a key of its own.
func NewMasker() *Masker {
	m := &Masker{made: map[string]string{}, taken: map[string]bool{}}
	_, _ = crand.Read(m.key[:]) // never fails
	return m
}

// Known are the values that have a pseudonym, in order.
func (m *Masker) Known() []string { return slices.Sorted(maps.Keys(m.made)) }

// Bounds of the search for a pseudonym that is not taken: after growEvery tries it grows by a character.
const (
	growEvery = 16
	maxTries  = 64 * growEvery
)

// Text is the pseudonym of a text. One without a letter or digit to replace is its own.
func (m *Masker) Text(s string) string {
	if p, ok := m.made[s]; ok {
		return p
	}
	fold := s
	if uuid.MatchString(s) {
		fold = strings.ToLower(s) // some compare them without regard to case
	}
	p := m.fresh(fold)
	if fold != s {
		p = strings.ToUpper(p)
		m.made[s] = p
	}
	return p
}

// fresh finds a pseudonym that no other value has.
func (m *Masker) fresh(s string) string {
	if p, ok := m.made[s]; ok {
		return p
	}
	if !strings.ContainsFunc(s, replaceable) || isZero(s) {
		return s
	}
	p := s
	for try := range maxTries {
		if p = m.draw(s, try); p != s && !m.taken[p] {
			break
		}
	}
	m.taken[p] = true
	m.made[s] = p
	return p
}

func isZero(s string) bool { return strings.Trim(s, "0.-") == "" }

var (
	uuid  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	email = regexp.MustCompile(`^([^@\s/|]+)@[^@\s/|]+\.[^@\s/|]+$`)
	date  = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?$`)
	link  = regexp.MustCompile(`^https?://[^/]`)
)

// draw is the pseudonym of the given try.
func (m *Masker) draw(s string, try int) string {
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write([]byte(strconv.Itoa(try) + "\x00" + s))
	r := rand.New(rand.NewChaCha8([32]byte(mac.Sum(nil))))
	more := strings.Repeat("1", try/growEvery)
	if strings.Trim(s, "0123456789.-") != "" {
		more = strings.Repeat("a", try/growEvery)
	}
	switch {
	case uuid.MatchString(s):
		return hexadecimal(r, s)
	case email.MatchString(s):
		return shaped(r, email.FindStringSubmatch(s)[1]+more) + "@example.org"
	case date.MatchString(s):
		return moment(r, s)
	case link.MatchString(s):
		return "https://example.com/" + shaped(r, "aaaaaaaaaaaa")
	}
	p := shaped(r, s+more)
	if len(p) == len(maxInt) && s <= maxInt && p > maxInt && isDigits(s) {
		p = "1" + p[1:] // an Int stays one
	}
	return p
}

// maxInt is the greatest Int.
const maxInt = "2147483647"

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// hexadecimal keeps the hyphens of a UUID and its version and variant.
func hexadecimal(r *rand.Rand, s string) string {
	b := []byte(s)
	for i, c := range b {
		if c != '-' && i != 14 && i != 19 {
			b[i] = "0123456789abcdef"[r.IntN(16)]
		}
	}
	return string(b)
}

// moment is another date; the time of day becomes midnight.
func moment(r *rand.Rand, s string) string {
	day := fmt.Sprintf("%d-%02d-%02d", 1930+r.IntN(90), 1+r.IntN(12), 1+r.IntN(28))
	clock, zone := s[len(day):], ""
	if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
		clock, zone = clock[:i], clock[i:]
	}
	zero := func(c rune) rune {
		if unicode.IsDigit(c) {
			return '0'
		}
		return c
	}
	return day + strings.Map(zero, clock) + zone
}

// replaceable reports whether a pseudonym replaces a character.
func replaceable(c rune) bool {
	if c < utf8.RuneSelf {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return c != utf8.RuneError && !unicode.IsControl(c) && !unicode.IsSpace(c) && !unicode.IsPunct(c)
}

// shaped replaces each character by one of its class and of as many bytes. A number keeps its leading zeros and gets no
// others.
func shaped(r *rand.Rand, s string) string {
	var b strings.Builder
	significant := false // a digit before is none of the leading zeros
	for _, c := range s {
		digit := c >= '0' && c <= '9'
		b.WriteRune(another(r, c, significant))
		significant = digit && (significant || c != '0')
	}
	return b.String()
}

func another(r *rand.Rand, c rune, significant bool) rune {
	switch {
	case !replaceable(c):
		return c
	case c == '0' && !significant:
		return c
	case c >= '0' && c <= '9' && !significant:
		return '1' + r.Int32N(9)
	case c >= '0' && c <= '9':
		return '0' + r.Int32N(10)
	case c >= 'a' && c <= 'z':
		return 'a' + r.Int32N(26)
	case c >= 'A' && c <= 'Z':
		return 'A' + r.Int32N(26)
	}
	switch utf8.RuneLen(c) {
	case 2:
		return 'à' + r.Int32N(23)
	case 3:
		return 0x4E00 + r.Int32N(0x5000)
	}
	return 0x20000 + r.Int32N(0xA000)
}

// Number is the pseudonym of a number: of the same length, and equal to that of its text where it is whole. Its
// exponent stays.
func (m *Masker) Number(n json.Number) json.Number {
	mantissa, exponent := string(n), ""
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		mantissa, exponent = mantissa[:i], mantissa[i:]
	}
	return json.Number(m.Text(mantissa) + exponent)
}

// identifierName are the names of members that may be shown. One of another form may be a value: some objects are keyed
// by them.
var identifierName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// Key returns the pseudonym of the name of a member of a free JSON object.
func (m *Masker) Key(name string) string {
	if identifierName.MatchString(name) {
		return name
	}
	return m.Text(name)
}

// each returns a list with change applied to each element.
func each(list []any, change func(any) any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = change(e)
	}
	return out
}

// Value replaces every text and number in a decoded JSON value. Numbers are json.Number.
func (m *Masker) Value(v any) any {
	switch v := v.(type) {
	case string:
		return m.Text(v)
	case json.Number:
		return m.Number(v)
	case []any:
		return each(v, m.Value)
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, e := range v {
			object[m.Key(name)] = m.Value(e)
		}
		return object
	}
	return v
}
