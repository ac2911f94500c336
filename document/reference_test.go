package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decode is the reference for everything that follows: encoding/json, which keeps the last of repeated members too.
func decode(t testing.TB, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("reference: %v", err)
	}
	return v
}

// prunedReference is the obviously right way to prune a decoded value to a member.
func prunedReference(v any, m Member) any {
	if m.JSON {
		return v
	}
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = prunedReference(v[i], m)
		}
		return list
	case map[string]any:
		kept := map[string]any{}
		if m.Shape != nil {
			for _, member := range m.Shape.Members {
				if value, ok := v[member.Name]; ok {
					kept[member.Name] = prunedReference(value, member)
				}
			}
		}
		return kept
	}
	if m.Shape == nil {
		return v
	}
	switch v.(type) {
	case string:
		return ""
	case json.Number:
		return json.Number("0")
	case bool:
		return false
	}
	return nil
}

// read builds the value of prunedReference from handles, without the nulls of objects.
func read(t testing.TB, v Value, m Member) any {
	t.Helper()
	switch v.Kind() {
	case KindArray:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = read(t, v.At(i), m)
		}
		return list
	case KindObject:
		if m.Shape == nil {
			return withoutNulls(decode(t, v.Raw()), m)
		}
		o, err := v.Object()
		if err != nil {
			t.Fatalf("Object: %v", err)
		}
		return readObject(t, o)
	}
	return decode(t, v.Raw())
}

func readObject(t testing.TB, o Object) map[string]any {
	t.Helper()
	members := map[string]any{}
	for i, m := range o.Shape().Members {
		if v := o.Member(i); v.Kind() != KindNull {
			members[m.Name] = read(t, v, m)
		}
	}
	return members
}

func withoutNulls(v any, m Member) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i], m)
		}
	case map[string]any:
		if m.Shape == nil {
			return v
		}
		for _, member := range m.Shape.Members {
			if value, ok := v[member.Name]; ok && value == nil {
				delete(v, member.Name)
			} else if ok {
				v[member.Name] = withoutNulls(value, member)
			}
		}
	}
	return v
}

// checkDocument compares a Document with the reference over the same text.
func checkDocument(t testing.TB, text []byte, d *Document) {
	t.Helper()
	m := Member{Shape: d.shape}
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	want := prunedReference(decode(t, text), m)
	if got := decode(t, d.JSON()); !reflect.DeepEqual(want, got) {
		t.Errorf("pruned text differs from the reference (-want +got):\n%s", cmp.Diff(want, got))
	}
	want = withoutNulls(want, m)
	if got := any(readObject(t, d.Root())); !reflect.DeepEqual(want, got) {
		t.Errorf("values read differ from the reference (-want +got):\n%s", cmp.Diff(want, got))
	}
	again, err := Parse(d.JSON(), d.shape)
	if err != nil {
		t.Fatalf("parsing the pruned text again: %v", err)
	}
	if !bytes.Equal(d.text, again.text) || d.root != again.root || !slices.Equal(d.index, again.index) {
		t.Errorf("parsing the pruned text again gives another document: %s, then %s", d.text, again.text)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.JSON()); err != nil || compact.String() != string(d.JSON()) {
		t.Errorf("the pruned text is not compact: %v", err)
	}
}

// depthOf returns how deep valid JSON nests.
func depthOf(text []byte) (deepest int) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// checkParse compares Parse of any bytes with the reference: whether it accepts them, and its result.
func checkParse(t testing.TB, text []byte, s *Shape) {
	t.Helper()
	d, err := Parse(text, s)
	plainText := bytes.TrimPrefix(text, []byte("\uFEFF"))
	right := json.Valid(plainText) && bytes.HasPrefix(bytes.TrimLeft(plainText, " \t\r\n"), []byte("{")) && depthOf(plainText) <= maxDepth
	if (err == nil) != right {
		t.Fatalf("Parse(%q) = %v, the reference says %t", text, err, right)
	}
	if err == nil {
		checkDocument(t, text, d)
	}
}

// generator writes random shapes and random JSON for them.
type generator struct {
	*rand.Rand
	names  []string
	budget int // containers that the current text may still open
}

func (g *generator) shapes() []*Shape {
	shapes := make([]*Shape, 1+g.IntN(4))
	for i := range shapes {
		shapes[i] = &Shape{Name: fmt.Sprint("S", i)}
	}
	for _, s := range shapes {
		for _, k := range g.Perm(len(g.names))[:g.IntN(len(g.names))] {
			m := Member{Name: g.names[k]}
			switch g.IntN(5) {
			case 0, 1:
				m.Shape = shapes[g.IntN(len(shapes))]
			case 2:
				m.JSON = true
			}
			s.Members = append(s.Members, m)
		}
	}
	return shapes
}

func (g *generator) space(b *bytes.Buffer) {
	if g.IntN(4) == 0 {
		b.WriteString([]string{" ", "\n", "\t", "\r\n  "}[g.IntN(4)])
	}
}

func (g *generator) object(b *bytes.Buffer, s *Shape, depth int) {
	b.WriteByte('{')
	n := g.IntN(8)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		g.space(b)
		var m Member
		if s != nil && len(s.Members) > 0 && g.IntN(4) > 0 {
			m = s.Members[g.IntN(len(s.Members))]
			g.name(b, m.Name)
		} else {
			g.name(b, g.names[g.IntN(len(g.names))])
		}
		g.space(b)
		b.WriteByte(':')
		g.space(b)
		g.value(b, m, depth-1)
		g.space(b)
	}
	b.WriteByte('}')
}

// name writes a name, now and then with escapes.
func (g *generator) name(b *bytes.Buffer, name string) {
	b.WriteByte('"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case g.IntN(20) == 0 && r < 0x10000:
			fmt.Fprintf(b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

func (g *generator) value(b *bytes.Buffer, m Member, depth int) {
	kind := g.IntN(9)
	if m.Shape != nil && g.IntN(3) > 0 {
		kind = 7
	}
	if kind >= 6 {
		if g.budget--; depth <= 0 || g.budget <= 0 {
			kind -= 6
		}
	}
	switch kind {
	case 0:
		b.WriteString("null")
	case 1:
		b.WriteString([]string{"true", "false"}[g.IntN(2)])
	case 2, 3:
		b.WriteString([]string{"0", "-0", "5.0", "5e2", "-12", "1.25E-3", "2147483648", "1e999", "123456789012345678901234567890", strings.Repeat("7", 400)}[g.IntN(10)])
	case 4, 5:
		g.string(b)
	case 6, 8:
		b.WriteByte('[')
		for i := range g.IntN(4) {
			if i > 0 {
				b.WriteByte(',')
			}
			g.space(b)
			g.value(b, m, depth-1)
			g.space(b)
		}
		b.WriteByte(']')
	case 7:
		g.object(b, m.Shape, depth)
	}
}

func (g *generator) string(b *bytes.Buffer) {
	parts := []string{
		"a", "plain text of some length", `\"`, `\\`, `\/\b\f\n\r\t`, `\u0041`, `\u00e9`, `\ud83d\ude00`, `\ud800`, `\udc00`, `\uD83D\uD83D\uDE00`,
		"ä", "日本", "😀", "\xff", "\xe4\xb8", "\xed\xa0\x80", "\u2028", "\x7f", "{[,]}:",
	}
	b.WriteByte('"')
	for range g.IntN(6) {
		b.WriteString(parts[g.IntN(len(parts))])
	}
	b.WriteByte('"')
}

// damage changes, drops or repeats a few bytes.
func (g *generator) damage(text []byte) []byte {
	for range 1 + g.IntN(3) {
		if len(text) == 0 {
			return text
		}
		i := g.IntN(len(text))
		switch g.IntN(4) {
		case 0:
			text[i] = byte(g.IntN(256))
		case 1:
			text = append(text[:i], text[i+1:]...)
		case 2:
			text = append(text[:i+1], text[i:]...)
		case 3:
			text = text[:i]
		}
	}
	return text
}

func TestRandomDocumentsEqualTheReference(t *testing.T) {
	t.Parallel()
	g := &generator{Rand: rand.New(rand.NewPCG(4, 2026)), names: []string{
		"id", "a", "b", "ab", "ba", "name", "nama", "title", "kind", "größe", "日本", "a\"b", `back\slash`, "tab\t", "",
		"currentUserUnmetCoursePrerequisites", "currentUserUnmetLearningPathPrerequisites", "currentUserMetLearningPathPrerequisites",
	}}
	cases := 10_000
	if testing.Short() {
		cases = 1_000
	}
	for i := range cases {
		shapes := g.shapes()
		var b bytes.Buffer
		depth := 2 + g.IntN(5)
		if i%20 == 0 {
			depth = 100
		}
		g.budget = 80
		g.space(&b)
		g.object(&b, shapes[0], depth)
		g.space(&b)
		text := b.Bytes()
		if i%5 == 0 {
			text = g.damage(text)
		}
		if checkParse(t, text, shapes[0]); t.Failed() {
			t.Fatalf("case %d: %q", i, text)
		}
	}
}

func TestStringsEqualTheReferenceAtEveryOffset(t *testing.T) {
	t.Parallel()
	for _, part := range []string{
		`\"`, `\u003c`, `\uABcd`, `\ud83d\ude00`, `\ud800`, `\udfff`, `\ud83d\u0041`, `\ud83d\ud83d\ude00`, `\u12`, `\u12g4`, `\x`, `\`, "\x1f", "\x7f",
		"\u00fc", "\u2028", "\u5b89\u5168", "\U0001F393", "\xff", "\xc0\x80", "\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x8e", "\u00fc\xfc\u00fc",
	} {
		for before := range 10 {
			for after := range 10 {
				text := `{"name":"` + strings.Repeat("b", before) + part + strings.Repeat("a", after) + `"}`
				checkParse(t, []byte(text), &clientShape)
				checkParse(t, []byte(strings.Replace(text, "name", "undeclared", 1)), &clientShape)
				checkParse(t, []byte(text[:9+before+len(part)]), &clientShape)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"id":1,"name":"n","courses":[{"title":"t","client":{"id":2}},null],"settings":{"a":[1]},"tags":[[1]],"secret":{"x":1}}`,
		`{"id":1,"id":2,"main":{"title":"\ud800"},"main":"x"}`, "\uFEFF{\"\\u0069d\":\"\xff\"}", `{"tags":[-0,1e5,{"a":1}]}`,
		`{"name":"\uD83D\uDE00\ud800\u0041\udc00\ud83d"}`, `{"name":"1234567\u00`, `{"name":"\ud83d\u12"}`, `{"name":"\uABCDEF\u00fg"}`,
		"{\"name\":\"\u2028\x7f \u00e9\xe9 \xe2\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80\"}", `{"name":"` + strings.Repeat("plain ", 50) + `\n"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkParse(t, text, &clientShape) })
}

func TestPlainStopsAtTheFirstSpecialByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		special := c < ' ' || c == '"' || c == '\\' || c >= 0x80
		for at := range 20 {
			data := []byte("abcdefghijklmnopqrstuvw!#[]~ ")
			data[at] = byte(c)
			want := len(data)
			if special {
				want = at
			}
			if got := indexSpecial(data, 0); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
			if special {
				data[at+1] = byte(c ^ 1)
				if got := indexSpecial(data, 0); got != at {
					t.Fatalf("bytes %#x at %d: %d", data[at:at+2], at, got)
				}
			}
		}
	}
}
