package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The shapes of the tests: a client with courses that lead back to their client, as the backend's content does.
var clientShape, courseShape Shape

func init() {
	clientShape.Name = "Client"
	clientShape.Members = []Member{
		{Name: "id"},
		{Name: "name"},
		{Name: "courses", Shape: &courseShape},
		{Name: "settings", JSON: true},
		{Name: "tags"},
		{Name: "main", Shape: &courseShape},
	}
	courseShape.Name = "Course"
	courseShape.Members = []Member{
		{Name: "title"},
		{Name: "client", Shape: &clientShape},
		{Name: "rating"},
		{Name: "a"}, {Name: "aä"}, {Name: "größe"},
	}
}

const (
	clientID = iota
	clientName
	clientCourses
	clientSettings
	clientTags
	clientMain
)

const (
	courseTitle = iota
	courseClient
	courseRating
)

func mustParse(t *testing.T, text string, s *Shape) *Document {
	t.Helper()
	d, err := Parse([]byte(text), s)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return d
}

func TestParseKeepsWhatTheShapeDeclares(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"an empty object", `{}`, `{}`},
		{"white space between tokens goes", " {\n\t\"id\" : 1 , \"tags\" : [ 1 , 2 ]\r} ", `{"id":1,"tags":[1,2]}`},
		{"a byte order mark is passed over", "\uFEFF{\"id\":1}", `{"id":1}`},
		{"members keep the order of the text", `{"name":"n","id":1}`, `{"name":"n","id":1}`},
		{"undeclared members go", `{"secretKey":"s","id":1,"x":{"id":2},"y":[3]}`, `{"id":1}`},
		{"undeclared members go at every depth", `{"courses":[{"secret":1,"client":{"secret":2,"id":"c"}}]}`, `{"courses":[{"client":{"id":"c"}}]}`},
		{"a name of another case is undeclared", `{"ID":1,"Id":2}`, `{}`},
		{"a name that only begins alike is undeclared", `{"i":1,"idd":2,"":3}`, `{}`},
		{"a declared leaf that holds an object keeps its kind", `{"id":{"secret":1}}`, `{"id":{}}`},
		{"a declared leaf that holds objects keeps their kinds", `{"tags":[{"s":1},[{"s":2},3],null,"x"]}`, `{"tags":[{},[{},3],null,"x"]}`},
		{"a declared object that holds a string keeps its kind", `{"main":"secret"}`, `{"main":""}`},
		{"a declared object that holds a number keeps its kind", `{"main":-12.5e3}`, `{"main":0}`},
		{"a declared object that holds true keeps its kind", `{"main":true}`, `{"main":false}`},
		{"a declared list keeps the kinds of its elements", `{"courses":["s",7,true,null,[{"title":"t","s":1}],{"s":2}]}`, `{"courses":["",0,false,null,[{"title":"t"}],{}]}`},
		{"nulls stay", `{"id":null,"main":null,"courses":[null],"settings":null}`, `{"id":null,"main":null,"courses":[null],"settings":null}`},
		{"below a JSON member everything is kept", `{"settings":{"a" : [1, {"b":2}], "a":3}}`, `{"settings":{"a":[1,{"b":2}],"a":3}}`},
		{"a JSON member may be an array", `{"settings":[ {"x": 1}, [{"y":2}] ]}`, `{"settings":[{"x":1},[{"y":2}]]}`},
		{"the last of repeated members wins", `{"id":1,"name":"n","id":2}`, `{"name":"n","id":2}`},
		{"a later null wins", `{"id":1,"id":null}`, `{"id":null}`},
		{"a later value wins over null", `{"id":null,"id":1}`, `{"id":1}`},
		{"of many repeated members only the last stays", `{"main":{"title":"a"},"main":{"title":"b","title":"c"},"main":{"rating":1,"rating":2}}`, `{"main":{"rating":2}}`},
		{"repeated undeclared members go", `{"x":1,"x":2}`, `{}`},
		{"names match after their escapes are resolved", `{"\u0069d":1,"n\u0061me":"n"}`, `{"id":1,"name":"n"}`},
		{"an escaped name repeats a plain one", `{"id":1,"i\u0064":2}`, `{"id":2}`},
		{"names beyond ASCII match", `{"main":{"größe":1,"a\u00e4":2}}`, `{"main":{"größe":1,"aä":2}}`},
		{"a name with invalid UTF-8 is undeclared", "{\"i\xffd\":1,\"a\xff\":2}", `{}`},
		{"escapes of a string are copied", `{"name":"\u0041\/\n\"\\\ud83d\ude00"}`, `{"name":"\u0041\/\n\"\\\ud83d\ude00"}`},
		{"invalid UTF-8 becomes U+FFFD", "{\"name\":\"a\xff\xfeb\xe4\xb8\"}", "{\"name\":\"a\uFFFD\uFFFDb\uFFFD\uFFFD\"}"},
		{"an encoded surrogate is invalid UTF-8", "{\"name\":\"\xed\xa0\x80\"}", "{\"name\":\"\uFFFD\uFFFD\uFFFD\"}"},
		{"a lone surrogate becomes U+FFFD", `{"name":"\ud800x\udc00\ud800\ud83d\ude00\ud800\u0041"}`, `{"name":"` + "\uFFFDx\uFFFD\uFFFD" + `\ud83d\ude00` + "\uFFFD" + `\u0041"}`},
		{"strings below a JSON member are rewritten too", "{\"settings\":{\"k\xff\":\"\\ud800\"}}", "{\"settings\":{\"k\uFFFD\":\"\uFFFD\"}}"},
		{"characters beyond ASCII stay", `{"name":"Übung für Łukasz 日本語 😀"}`, `{"name":"Übung für Łukasz 日本語 😀"}`},
		{"numbers keep their form", `{"tags":[0,-0,1.50,1E+2,1e-2,123456789012345678901234567890]}`, `{"tags":[0,-0,1.50,1E+2,1e-2,123456789012345678901234567890]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := mustParse(t, tt.text, &clientShape)
			if diff := cmp.Diff(tt.want, string(d.JSON())); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
			checkDocument(t, []byte(tt.text), d)
		})
	}
}

func TestParseRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		offset     int
	}{
		{"nothing", ``, 0},
		{"white space only", "  ", 2},
		{"a byte order mark only", "\uFEFF", 3},
		{"two byte order marks", "\uFEFF\uFEFF{}", 3},
		{"text after the end", `{} x`, 3},
		{"a second value", `{}{}`, 2},
		{"an unclosed object", `{"id":1`, 7},
		{"an object that ends after its bracket", `{`, 1},
		{"an object closed by the wrong bracket", `{"id":1]`, 7},
		{"a trailing comma in an object", `{"id":1,}`, 8},
		{"a trailing comma in an undeclared object", `{"x":{"y":1,}}`, 12},
		{"a trailing comma in an array", `{"tags":[1,]}`, 11},
		{"a trailing comma in an undeclared array", `{"x":[1,]}`, 8},
		{"a leading comma", `{,"id":1}`, 1},
		{"a missing comma", `{"id":1 "name":2}`, 8},
		{"a missing colon", `{"id" 1}`, 6},
		{"a missing value", `{"id":}`, 6},
		{"a name without quotes", `{id:1}`, 1},
		{"a name in single quotes", `{'id':1}`, 1},
		{"a number as a name", `{1:1}`, 1},
		{"a leading zero", `{"id":01}`, 6},
		{"a leading zero behind a minus", `{"id":-01}`, 7},
		{"a leading plus", `{"id":+1}`, 6},
		{"a minus alone", `{"id":-}`, 7},
		{"a fraction without digits", `{"id":1.}`, 8},
		{"a fraction without a whole", `{"id":.5}`, 6},
		{"an exponent without digits", `{"id":1e}`, 8},
		{"an exponent with a sign alone", `{"id":1e+}`, 9},
		{"a hexadecimal number", `{"id":0x1}`, 7},
		{"NaN", `{"id":NaN}`, 6},
		{"Infinity", `{"id":-Infinity}`, 7},
		{"half a literal", `{"id":tru}`, 6},
		{"a literal with a tail", `{"id":nulls}`, 10},
		{"a literal in capitals", `{"id":True}`, 6},
		{"a comment", `{/**/}`, 1},
		{"a form feed as white space", "{\f}", 1},
		{"a no-break space as white space", "{\u00a0}", 1},
		{"an unclosed string", `{"id":"a`, 8},
		{"an unclosed undeclared string", `{"x":"a`, 7},
		{"a string that ends in a backslash", `{"id":"a\`, 8},
		{"a line break in a string", "{\"id\":\"a\nb\"}", 8},
		{"a NUL in an undeclared string", "{\"x\":\"a\x00\"}", 7},
		{"a control character in a long string", "{\"id\":\"abcdefghijklm\x1fnop\"}", 20},
		{"an unknown escape", `{"id":"\x41"}`, 7},
		{"an unknown escape in an undeclared string", `{"x":"\a"}`, 6},
		{"a short Unicode escape", `{"id":"\u12"}`, 7},
		{"an escape with other digits", `{"id":"\u12g4"}`, 7},
		{"a half pair with a broken second escape", `{"id":"\ud800\u12"}`, 13},
		{"a broken value below a JSON member", `{"settings":{"a":[1,]}}`, 20},
		{"a broken value of a superseded member", `{"id":1,"id":[}`, 14},
		{"a broken value where an object is declared", `{"main":"\z"}`, 9},
		{"a broken scalar where an object is declared", `{"main":01}`, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse([]byte(tt.text), &clientShape)
			var got *Error
			if !errors.As(err, &got) || d != nil {
				t.Fatalf("Parse = %v, %v, want an *Error", d, err)
			}
			if got.Offset != tt.offset {
				t.Errorf("offset = %d, want %d (%v)", got.Offset, tt.offset, err)
			}
		})
	}
}

func TestParseRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		`[]`: KindArray, `"s"`: KindString, `1`: KindNumber, `true`: KindBoolean, `null`: KindNull,
	} {
		_, err := Parse([]byte(text), &clientShape)
		if diff := cmp.Diff(error(&Mismatch{Want: "object", Got: want}), err); diff != "" {
			t.Errorf("Parse(%s) (-want +got):\n%s", text, diff)
		}
	}
}

func TestErrorsNeverCarryTheText(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, text := range []string{
		`{"id":hunter2}`, `{hunter2:1}`, `{"id":"hunter2`, `{"id":"hunter2\z"}`, `{} hunter2`, `{"id" "hunter2"}`, `"hunter2"`,
	} {
		if _, err := Parse([]byte(text), &clientShape); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Parse(%s): %v, want an error without the text", text, err)
		}
	}
	d := mustParse(t, `{"name":"hunter2"}`, &clientShape)
	if _, err := d.Root().Member(clientName).Int(); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("Int: %v, want an error without the value", err)
	}
	var decoded struct{ N int }
	if err := NewReader([]byte(`{"n":"hunter2"}`)).Decode(&decoded); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("Decode: %v, want an error without the value", err)
	}
}

func TestDepthIsBoundedEverywhere(t *testing.T) {
	t.Parallel()
	nested := map[string]func(depth int) string{
		"undeclared arrays":  func(n int) string { return `{"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` },
		"undeclared objects": func(n int) string { return `{"x":` + strings.Repeat(`{"y":`, n-1) + "1" + strings.Repeat("}", n) },
		"arrays of leaves":   func(n int) string { return `{"tags":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` },
		"arrays of objects":  func(n int) string { return `{"courses":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` },
		"JSON":               func(n int) string { return `{"settings":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` },
		"objects of a leaf":  func(n int) string { return `{"id":` + strings.Repeat(`{"y":`, n-1) + "1" + strings.Repeat("}", n) },
		"objects of a shape": func(n int) string {
			return strings.Repeat(`{"main":{"client":`, (n-1)/2) + "{}" + strings.Repeat("}}", (n-1)/2)
		},
		"objects within JSON": func(n int) string {
			return `{"settings":` + strings.Repeat(`{"y":`, n-1) + "1" + strings.Repeat("}", n)
		},
	}
	for name, text := range nested {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse([]byte(text(64)), &clientShape); err != nil {
				t.Errorf("64 deep: %v", err)
			}
			if _, err := Parse([]byte(text(66)), &clientShape); err == nil {
				t.Error("66 deep: no error")
			}
		})
	}
}

func TestHandlesReadWhatTheTextHolds(t *testing.T) {
	t.Parallel()
	d := mustParse(t, `{"id":"c","courses":[{"title":"A","client":{"name":"n"}},null,{"rating":4},{}],"tags":[],"settings":[[1],{"x":[2]}],"main":null}`, &clientShape)
	root := d.Root()
	if root.IsZero() || !(Object{}).IsZero() || root.Shape() != &clientShape {
		t.Error("the root is zero, or of another shape")
	}
	courses := root.Member(clientCourses)
	if got := courses.Len(); got != 4 {
		t.Fatalf("courses: %d, want 4", got)
	}
	course, err := courses.At(0).Object()
	if err != nil || course.Shape() != &courseShape {
		t.Fatalf("course: %v, shape %v", err, course.Shape())
	}
	client, err := course.Member(courseClient).Object()
	if err != nil || client.Shape() != &clientShape {
		t.Fatalf("client of a course: %v", err)
	}
	for what, tt := range map[string]struct {
		v    Value
		kind Kind
		raw  string
		n    int
	}{
		"a member":                 {root.Member(clientID), KindString, `"c"`, 0},
		"a nested member":          {client.Member(clientName), KindString, `"n"`, 0},
		"an absent member":         {root.Member(clientName), KindNull, `null`, 0},
		"a null member":            {root.Member(clientMain), KindNull, `null`, 0},
		"a list":                   {courses, KindArray, `[{"title":"A","client":{"name":"n"}},null,{"rating":4},{}]`, 4},
		"a null element":           {courses.At(1), KindNull, `null`, 0},
		"an object":                {courses.At(2), KindObject, `{"rating":4}`, 0},
		"an empty object":          {courses.At(3), KindObject, `{}`, 0},
		"an empty list":            {root.Member(clientTags), KindArray, `[]`, 0},
		"a list of JSON":           {root.Member(clientSettings), KindArray, `[[1],{"x":[2]}]`, 2},
		"a list in a list of JSON": {root.Member(clientSettings).At(0), KindArray, `[1]`, 1},
		"an object in JSON":        {root.Member(clientSettings).At(1), KindObject, `{"x":[2]}`, 0},
		"the zero value":           {Value{}, KindNull, `null`, 0},
	} {
		if tt.v.Kind() != tt.kind || string(tt.v.Raw()) != tt.raw || tt.v.Len() != tt.n {
			t.Errorf("%s: %v %s of length %d, want %v %s of length %d", what, tt.v.Kind(), tt.v.Raw(), tt.v.Len(), tt.kind, tt.raw, tt.n)
		}
	}
	if empty, err := courses.At(3).Object(); err != nil || empty.IsZero() || empty.Member(courseTitle).Kind() != KindNull {
		t.Errorf("an empty object: %v", err)
	}
	for _, v := range []Value{root.Member(clientID), root.Member(clientName), root.Member(clientSettings).At(1)} {
		if _, err := v.Object(); err == nil {
			t.Errorf("Object of %s: no error", v.Raw())
		}
	}
}

func TestReadingOutsideOfAShapeOrListPanics(t *testing.T) {
	t.Parallel()
	d := mustParse(t, `{"id":1,"tags":[1,2],"main":{}}`, &clientShape)
	empty, _ := d.Root().Member(clientMain).Object()
	for name, read := range map[string]func(){
		"a member that the shape lacks":      func() { d.Root().Member(len(clientShape.Members)) },
		"such a member of an empty object":   func() { empty.Member(len(courseShape.Members)) },
		"an element behind the last":         func() { d.Root().Member(clientTags).At(2) },
		"an element of what is no list":      func() { d.Root().Member(clientID).At(0) },
		"a shape that declares a name twice": func() { _, _ = Parse([]byte(`{}`), &Shape{Members: []Member{{Name: "a"}, {Name: "a"}}}) },
		"a shape of a JSON member": func() {
			_, _ = Parse([]byte(`{}`), &Shape{Members: []Member{{Name: "a", JSON: true, Shape: &clientShape}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			read()
		})
	}
}

func TestManyMembersAreIndexedAcrossWords(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 31, 32, 33, 64, 65, 200} {
		s := new(Shape)
		var text bytes.Buffer
		text.WriteString(`{"z":0`)
		for i := range n {
			name := strings.Repeat("m", i%20) + string(rune('a'+i%26)) + strings.Repeat("n", i/20)
			s.Members = append(s.Members, Member{Name: name})
		}
		for i := n - 1; i >= 0; i-- {
			if i%3 != 1 {
				value, _ := json.Marshal(i)
				text.WriteString(`,"` + s.Members[i].Name + `":` + string(value))
			}
		}
		text.WriteString("}")
		root := mustParse(t, text.String(), s).Root()
		for i := range n {
			got, err := Optional(root.Member(i), Value.Int)
			switch {
			case err != nil:
				t.Fatalf("member %d of %d: %v", i, n, err)
			case i%3 == 1 && got != nil, i%3 != 1 && (got == nil || *got != i):
				t.Errorf("member %d of %d: %v", i, n, got)
			}
		}
	}
}

func TestDocumentsOfOneShapeAreReadConcurrently(t *testing.T) {
	t.Parallel()
	texts := []string{`{"id":1,"name":"n","main":{"title":"t"}}`, `{"name":"n","main":{"rating":1,"title":"t"},"id":1}`}
	shape := &Shape{Members: clientShape.Members}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				d, err := Parse([]byte(texts[i%2]), shape)
				if err != nil || string(d.JSON()) != texts[i%2] {
					t.Errorf("Parse: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestADocumentKeepsNothingOfItsSource(t *testing.T) {
	t.Parallel()
	text := []byte(`{"id":"abc","settings":{"k":"v"}}`)
	d, err := Parse(text, &clientShape)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if got, want := string(d.JSON()), `{"id":"abc","settings":{"k":"v"}}`; got != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
}

func TestReadingHandlesDoesNotAllocate(t *testing.T) {
	d := mustParse(t, `{"id":"c","courses":[{"title":"A","rating":5.0}],"name":"n"}`, &clientShape)
	letter := NewEnum("Letter", "A", "B")
	dst := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		course, _ := d.Root().Member(clientCourses).At(0).Object()
		dst, _ = StringLeaf.Append(dst[:0], course.Member(courseTitle))
		dst, _ = letter.Append(dst, course.Member(courseTitle))
		dst, _ = IntLeaf.Append(dst, course.Member(courseRating))
		dst, _ = IDLeaf.Append(dst, d.Root().Member(clientID))
	}); n != 0 {
		t.Errorf("%v allocations to read, want 0", n)
	}
	if got, want := string(dst), `"A""A"5"c"`; got != want {
		t.Errorf("appended %s, want %s", got, want)
	}
}

func TestFinitenessIsDecidedLikeFloat(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"1e308", "1.8e308", "-1e309", "1e-999", strings.Repeat("9", 308), strings.Repeat("9", 309), strings.Repeat("9", 400)} {
		v := mustParse(t, `{"id":`+number+`}`, &clientShape).Root().Member(clientID)
		f, err := v.Float()
		if (err == nil) != (FloatLeaf.Check(v) == nil) || math.IsInf(f, 0) {
			t.Errorf("%.10s…: Float gives %v, %v, FloatLeaf %v", number, f, err, FloatLeaf.Check(v))
		}
	}
}

func TestAnExpectedNameIsComparedToItsLastByte(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 40; length++ {
		declared := strings.Repeat("m", length)
		s := &Shape{Members: []Member{{Name: declared}}}
		mustParse(t, `{"`+declared+`":1}`, s) // from now on the name is expected
		for _, end := range []string{"}", `,"another":"member"}`} {
			for at := range length {
				other := declared[:at] + "n" + declared[at+1:]
				if got := mustParse(t, `{"`+other+`":1`+end, s).JSON(); string(got) != `{}` {
					t.Errorf("%s for %s: %s, want nothing", other, declared, got)
				}
			}
			want := `{"` + declared + `":1}`
			if got := mustParse(t, `{"`+declared+`":1`+end, s).JSON(); string(got) != want {
				t.Errorf("%s before %s: %s, want it kept", declared, end, got)
			}
			if got := mustParse(t, `{"`+declared+`m":1`+end, s).JSON(); string(got) != `{}` {
				t.Errorf("a byte more than %s: %s, want nothing", declared, got)
			}
		}
	}
}
