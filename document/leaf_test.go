package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var levelLeaf = NewEnum("Level", "basic", "advanced")

// leafShape has one leaf, and one member that is kept whole.
var leafShape = Shape{Name: "Leaf", Members: []Member{{Name: "leaf"}, {Name: "json", JSON: true}}}

// leafValues returns raw as a leaf and as JSON.
func leafValues(t testing.TB, raw string) (leaf, whole Value) {
	t.Helper()
	d, err := Parse([]byte(`{"leaf":`+raw+`,"json":`+raw+`}`), &leafShape)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return d.Root().Member(0), d.Root().Member(1)
}

func TestLeavesAreSerializedByTheirType(t *testing.T) {
	t.Parallel()
	const no = ""
	tests := []struct {
		raw                                      string
		text, integer, float, boolean, id, level string
	}{
		{raw: `"abc"`, text: `"abc"`, id: `"abc"`},
		{raw: `""`, text: `""`, id: `""`},
		{raw: `"a\u0062\n\ud83d\ude00"`, text: `"a\u0062\n\ud83d\ude00"`, id: `"a\u0062\n\ud83d\ude00"`},
		{raw: `"basic"`, text: `"basic"`, id: `"basic"`, level: `"basic"`},
		{raw: `"b\u0061sic"`, text: `"b\u0061sic"`, id: `"b\u0061sic"`, level: `"basic"`},
		{raw: `"Basic"`, text: `"Basic"`, id: `"Basic"`},
		{raw: `"5"`, text: `"5"`, id: `"5"`},
		{raw: `"true"`, text: `"true"`, id: `"true"`},
		{raw: `true`, boolean: `true`},
		{raw: `false`, boolean: `false`},
		{raw: `0`, integer: `0`, float: `0`, id: `"0"`},
		{raw: `-0`, integer: `0`, float: `-0`, id: `"0"`},
		{raw: `-0.0e5`, integer: `0`, float: `-0.0e5`, id: `"0"`},
		{raw: `5`, integer: `5`, float: `5`, id: `"5"`},
		{raw: `-5`, integer: `-5`, float: `-5`, id: `"-5"`},
		{raw: `5.0`, integer: `5`, float: `5.0`, id: `"5"`},
		{raw: `5e2`, integer: `500`, float: `5e2`, id: `"500"`},
		{raw: `5E+2`, integer: `500`, float: `5E+2`, id: `"500"`},
		{raw: `500e-2`, integer: `5`, float: `500e-2`, id: `"5"`},
		{raw: `12.50e1`, integer: `125`, float: `12.50e1`, id: `"125"`},
		{raw: `0.001e3`, integer: `1`, float: `0.001e3`, id: `"1"`},
		{raw: `1.5`, float: `1.5`},
		{raw: `1e-1`, float: `1e-1`},
		{raw: `2147483647`, integer: `2147483647`, float: `2147483647`, id: `"2147483647"`},
		{raw: `-2147483648`, integer: `-2147483648`, float: `-2147483648`, id: `"-2147483648"`},
		{raw: `2147483648`, float: `2147483648`, id: `"2147483648"`},
		{raw: `-2147483649`, float: `-2147483649`, id: `"-2147483649"`},
		{raw: `2.147483648e9`, float: `2.147483648e9`, id: `"2147483648"`},
		{raw: `123456789012345678901234567890`, float: `123456789012345678901234567890`, id: `"123456789012345678901234567890"`},
		{raw: `1e63`, float: `1e63`, id: `"1` + strings.Repeat("0", 63) + `"`},
		{raw: `1e64`, float: `1e64`},
		{raw: `1e400`},
		{raw: `-1e400`},
		{raw: `0e99999999999999999999`, integer: `0`, float: `0e99999999999999999999`, id: `"0"`},
		{raw: `1e99999999999999999999`},
		{raw: `1e-99999999999999999999`, float: `1e-99999999999999999999`},
		{raw: `{"a":1}`},
		{raw: `["abc"]`},
		{raw: `[]`},
		{raw: `null`},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			t.Parallel()
			v, _ := leafValues(t, tt.raw)
			for leaf, want := range map[*Leaf]string{
				StringLeaf: tt.text, IntLeaf: tt.integer, FloatLeaf: tt.float, BooleanLeaf: tt.boolean, IDLeaf: tt.id, levelLeaf: tt.level,
			} {
				got, err := leaf.Append([]byte("before"), v)
				if want != no {
					if err != nil || string(got) != "before"+want {
						t.Errorf("%s: %s, %v, want %s", leaf.Name(), got, err, want)
					}
				} else if diff := cmp.Diff(error(&Mismatch{Want: leaf.Name(), Got: v.Kind()}), err); diff != "" || string(got) != "before" {
					t.Errorf("%s: %s (-want +got):\n%s", leaf.Name(), got, diff)
				}
				if check := leaf.Check(v); (check == nil) != (want != no) {
					t.Errorf("%s: Check gives %v", leaf.Name(), check)
				}
			}
		})
	}
}

func TestJSONIsSerializedUnchanged(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`null`, `"a\u0062"`, `1.50`, `[1,[2]]`, `{"a":{"b":[null,true]},"a":"]}\"{["}`} {
		_, v := leafValues(t, raw)
		got, err := JSONLeaf.Append(nil, v)
		if err != nil || string(got) != raw {
			t.Errorf("Append = %s, %v, want %s", got, err, raw)
		}
		if got, err := v.JSON(); err != nil || string(got) != raw {
			t.Errorf("JSON = %s, %v, want %s", got, err, raw)
		}
	}
}

func TestLeavesDecode(t *testing.T) {
	t.Parallel()
	value := func(raw string) Value { v, _ := leafValues(t, raw); return v }
	if got, err := value(`"a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00ö"`).Text(); err != nil || got != "a\"\\/\b\f\n\r\tAé😀ö" {
		t.Errorf("Text = %q, %v", got, err)
	}
	if got, err := value(`-5e2`).Int(); err != nil || got != -500 {
		t.Errorf("Int = %v, %v", got, err)
	}
	if got, err := value(`1.5e-3`).Float(); err != nil || got != 0.0015 {
		t.Errorf("Float = %v, %v", got, err)
	}
	for raw, want := range map[string]bool{`true`: true, `false`: false} {
		if got, err := value(raw).Boolean(); err != nil || got != want {
			t.Errorf("Boolean = %v, %v, want %v", got, err, want)
		}
	}
	for raw, want := range map[string]string{`"i\u0064"`: "id", `7`: "7", `7.0`: "7", `12345678901234567890`: "12345678901234567890"} {
		if got, err := value(raw).ID(); err != nil || got != want {
			t.Errorf("ID = %v, %v, want %v", got, err, want)
		}
	}
	if err := levelLeaf.Check(value(`"adv\u0061nced"`)); err != nil {
		t.Errorf("Check = %v", err)
	}
}

func TestLeavesOfAnotherKindAreAMismatch(t *testing.T) {
	t.Parallel()
	reads := map[string]func(Value) error{
		"String":  func(v Value) error { _, err := v.Text(); return err },
		"Int":     func(v Value) error { _, err := v.Int(); return err },
		"Float":   func(v Value) error { _, err := v.Float(); return err },
		"Boolean": func(v Value) error { _, err := v.Boolean(); return err },
		"ID":      func(v Value) error { _, err := v.ID(); return err },
		"Level":   func(v Value) error { return levelLeaf.Check(v) },
	}
	wrong := map[string][]string{
		"String":  {`1`, `true`, `null`, `[]`, `{}`},
		"Int":     {`"1"`, `1.5`, `2147483648`, `true`, `null`, `[1]`, `{}`},
		"Float":   {`"1"`, `1e999`, `true`, `null`, `[1]`, `{}`},
		"Boolean": {`"true"`, `1`, `null`, `[true]`, `{}`},
		"ID":      {`1.5`, `1e-3`, `true`, `null`, `["a"]`, `{}`},
		"Level":   {`"expert"`, `1`, `true`, `null`, `["basic"]`, `{}`},
	}
	for name, read := range reads {
		for _, raw := range wrong[name] {
			v, _ := leafValues(t, raw)
			if diff := cmp.Diff(error(&Mismatch{Want: name, Got: v.Kind()}), read(v)); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", name, raw, diff)
			}
		}
	}
	if got, want := (&Mismatch{Want: "Int", Got: KindString}).Error(), "document: a value of kind string where Int is expected"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

func TestListsGiveTheErrorOfEachElement(t *testing.T) {
	t.Parallel()
	d := mustParse(t, `{"courses":[{"title":"A"},null,"x",{"title":"B"}],"tags":["a",null,2],"id":"no list"}`, &clientShape)
	root := d.Root()
	title := func(o Object) string { s, _ := o.Member(courseTitle).Text(); return s }

	nodes, errs := Nodes(root.Member(clientCourses), title)
	if diff := cmp.Diff([]string{"A", "", "", "B"}, nodes); diff != "" {
		t.Errorf("Nodes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]error{nil, nil, &Mismatch{Want: "object", Got: KindString}, nil}, errs); diff != "" {
		t.Errorf("errors of Nodes (-want +got):\n%s", diff)
	}

	tags, errs := Leaves(root.Member(clientTags), Value.Text)
	a := "a"
	if diff := cmp.Diff([]*string{&a, nil, nil}, tags); diff != "" {
		t.Errorf("Leaves (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]error{nil, nil, &Mismatch{Want: "String", Got: KindNumber}}, errs); diff != "" {
		t.Errorf("errors of Leaves (-want +got):\n%s", diff)
	}

	if nodes, errs := Nodes(root.Member(clientMain), title); nodes != nil || errs != nil {
		t.Errorf("Nodes of null = %v, %v", nodes, errs)
	}
	want := []error{&Mismatch{Want: "array", Got: KindString}}
	if tags, errs := Leaves(root.Member(clientID), Value.Text); tags != nil || !cmp.Equal(want, errs) {
		t.Errorf("Leaves of a string = %v, %v, want %v", tags, errs, want)
	}
	if nodes, errs := Nodes(mustParse(t, `{"courses":[]}`, &clientShape).Root().Member(clientCourses), title); nodes == nil || len(nodes) != 0 || errs != nil {
		t.Errorf("Nodes of [] = %#v, %v, want an empty list", nodes, errs)
	}
}

func TestOptionalGivesNilForNull(t *testing.T) {
	t.Parallel()
	null, _ := leafValues(t, `null`)
	if got, err := Optional(null, Value.Text); got != nil || err != nil {
		t.Errorf("Optional of null = %v, %v", got, err)
	}
	five, _ := leafValues(t, `5`)
	if got, err := Optional(five, Value.Int); err != nil || *got != 5 {
		t.Errorf("Optional of 5 = %v, %v", got, err)
	}
	var mismatch *Mismatch
	if got, err := Optional(five, Value.Text); got != nil || !errors.As(err, &mismatch) {
		t.Errorf("Optional of another kind = %v, %v", got, err)
	}
}

func FuzzLeafAppend(f *testing.F) {
	for _, seed := range []string{`"a\ud800"`, `-0.0`, `5e2`, `1e64`, `"basic"`, `"b\u0061sic"`, `[{"a":1}]`, `true`, `null`, `1` + strings.Repeat("0", 70) + `e-70`} {
		f.Add(seed)
	}
	leaves := []*Leaf{StringLeaf, IntLeaf, FloatLeaf, BooleanLeaf, IDLeaf, JSONLeaf, levelLeaf}
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := Parse([]byte(`{"leaf":`+raw+`,"json":`+raw+`}`), &leafShape)
		if err != nil {
			return
		}
		for i := range leafShape.Members {
			v := d.Root().Member(i)
			for _, l := range leaves {
				got, err := l.Append(nil, v)
				if err != nil {
					continue
				}
				if !json.Valid(got) {
					t.Errorf("%s of %s gives %s, which is no JSON", l.Name(), v.Raw(), got)
				}
				if l == IntLeaf || l == IDLeaf && v.Kind() == KindNumber {
					checkSameNumber(t, v.Raw(), bytes.Trim(got, `"`))
				}
			}
		}
	})
}

// checkSameNumber compares two forms of a number, unless its exponent is too large to write out.
func checkSameNumber(t *testing.T, sent, shown []byte) {
	t.Helper()
	if i := bytes.IndexAny(sent, "eE"); i >= 0 && len(sent)-i > 5 {
		return
	}
	want, ok := new(big.Rat).SetString(string(sent))
	got, ok2 := new(big.Rat).SetString(string(shown))
	if !ok || !ok2 || want.Cmp(got) != 0 {
		t.Errorf("%s is shown as %s", sent, shown)
	}
}
