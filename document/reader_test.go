package document

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAReaderWalksAnEnvelope(t *testing.T) {
	t.Parallel()
	const text = "\uFEFF" + ` { "page\u0049nfo" : {"total": 3, "hasMore": false}, "skipped": [1, {"a": 2}], "clients": [ {"id":1,"secret":"s"}, null, "x", {"id":2} ], "left": {} } `
	var info struct {
		Total   int
		HasMore bool
	}
	var names, clients []string
	r := NewReader([]byte(text))
	err := r.Members(func(name []byte) error {
		names = append(names, string(name))
		switch string(name) {
		case "pageInfo":
			return r.Decode(&info)
		case "skipped":
			return r.Skip()
		case "clients":
			return r.Elements(func(i int) error {
				d, err := r.Document(&clientShape)
				if mismatch := (*Mismatch)(nil); errors.As(err, &mismatch) {
					clients = append(clients, fmt.Sprint(i, " ", mismatch.Got))
					return nil
				}
				clients = append(clients, fmt.Sprint(i, " ", string(d.JSON())))
				return err
			})
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Members: %v", err)
	}
	if err := r.End(); err != nil {
		t.Fatalf("End: %v", err)
	}
	if info.Total != 3 {
		t.Errorf("total = %d, want 3", info.Total)
	}
	if diff := cmp.Diff([]string{"pageInfo", "skipped", "clients", "left"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`0 {"id":1}`, `1 null`, `2 string`, `3 {"id":2}`}, clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
}

func TestAReaderReturnsTheKindOfTheNextValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		` {}`: KindObject, `[`: KindArray, `"`: KindString, `-1`: KindNumber, `9`: KindNumber, `t`: KindBoolean, `f`: KindBoolean,
		`null`: KindNull, ``: KindInvalid, ` ]`: KindInvalid, `x`: KindInvalid,
	} {
		if got := NewReader([]byte(text)).Kind(); got != want {
			t.Errorf("Kind of %q = %v, want %v", text, got, want)
		}
	}
}

func TestAValueOfAnotherKindStaysUnread(t *testing.T) {
	t.Parallel()
	r := NewReader([]byte(`"s"`))
	nothing := func([]byte) error { return nil }
	_, documentErr := r.Document(&clientShape)
	for want, err := range map[string]error{
		"object": r.Members(nothing), "array": r.Elements(func(int) error { return nil }), "object ": documentErr,
	} {
		if diff := cmp.Diff(error(&Mismatch{Want: strings.TrimSpace(want), Got: KindString}), err); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	var s string
	if err := r.Decode(&s); err != nil || s != "s" {
		t.Errorf("Decode = %q, %v", s, err)
	}
	if err := r.End(); err != nil {
		t.Errorf("End: %v", err)
	}
}

func TestDecodePassesOverAValueThatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := NewReader([]byte(`["x",2]`))
	var numbers []int
	err := r.Elements(func(int) error {
		var n int
		if err := r.Decode(&n); err == nil {
			numbers = append(numbers, n)
		}
		return nil
	})
	if diff := cmp.Diff([]int{2}, numbers); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAnErrorEndsTheReading(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	var broken *Error
	tests := []struct {
		name, text string
		visit      func(r *Reader) error
		want       func(error) bool
	}{
		{"of the caller", `{"a":1,"b":2}`, func(*Reader) error { return stop }, func(err error) bool { return errors.Is(err, stop) }},
		{"of a skipped value", `{"a":01}`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"that the caller swallows", `{"a":[1,]}`, func(r *Reader) error { _ = r.Skip(); return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a document that the caller swallows", `{"a":{"id":}}`, func(r *Reader) error { _, _ = r.Document(&clientShape); return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a name", `{"a\z":1}`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a missing name", `{1}`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a missing colon", `{"a"}`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a missing bracket", `{"a":1`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a wrong bracket", `{"a":1]`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a trailing comma", `{"a":1,}`, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
		{"of a missing text", ``, func(*Reader) error { return nil }, func(err error) bool { return errors.As(err, &broken) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader([]byte(tt.text))
			err := r.Members(func([]byte) error { return tt.visit(r) })
			if !tt.want(err) {
				t.Fatalf("Members: %v", err)
			}
			_, documentErr := r.Document(&clientShape)
			for _, again := range []error{r.Skip(), r.End(), r.Decode(new(any)), r.Elements(nil), documentErr} {
				if !errors.Is(again, err) {
					t.Errorf("afterwards: %v, want %v again", again, err)
				}
			}
			if r.Kind() != KindInvalid {
				t.Errorf("afterwards the kind is %v", r.Kind())
			}
		})
	}
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	nested := func(before string, arrays int, after string) string {
		return before + strings.Repeat("[", arrays) + strings.Repeat("]", arrays) + after
	}
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"as deep as allowed", nested(`[{"tags":`, maxDepth-2, `}]`), true},
		{"too deep in a document", nested(`[{"tags":`, maxDepth-1, `}]`), false},
		{"too deep for a document", strings.Repeat("[", maxDepth) + `{"id":1}` + strings.Repeat("]", maxDepth), false},
		{"a document as deep as allowed", strings.Repeat("[", maxDepth-1) + `{"id":1}` + strings.Repeat("]", maxDepth-1), true},
		{"an envelope as deep as allowed", nested("", maxDepth, ""), true},
		{"too deep for the envelope", nested("", maxDepth+1, ""), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader([]byte(tt.text))
			var read func(int) error
			read = func(int) error {
				if r.Kind() == KindArray {
					return r.Elements(read)
				}
				_, err := r.Document(&clientShape)
				return err
			}
			if err := r.Elements(read); (err == nil) != tt.ok {
				t.Errorf("Elements: %v, want no error: %t", err, tt.ok)
			}
		})
	}
}

func TestUnknownIsCalledOncePerUndeclaredMember(t *testing.T) {
	t.Parallel()
	const text = `{"new":{"below":1},"id":{"leaf":1},"settings":{"whole":1},"main":{"n\u0065w":2,"title":"a","title":"b"},"courses":[{"x":[{"y":1}]}],"new":2}`
	var got []string
	r := NewReader([]byte(text))
	r.Unknown = func(s *Shape, name []byte) { got = append(got, s.Name+"."+string(name)) }
	if _, err := r.Document(&clientShape); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Client.new", "Course.new", "Course.x"}, got); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

func TestUndeclaredMembersGoInAnyOrderAndForm(t *testing.T) {
	t.Parallel()
	const text = `[{"a":1,"id":1,"b":"x","new":[{"a":2}],"newer":0},{"a":1,"id":2,"b":"x","new":[{"a":2}],"newer":0},` +
		`{"b":"x","a" : 1 ,"id":3,"newer":{},"new": null},{"\u0061":1,"b": "\n","id":4,"newe":1,"newer":"é"},` +
		`{"id":5,"a":1},{"a":1,"id":6},{"courses":[{"new":1,"title":"t","b":1}],"a":1,"id":7,"a":2,"id":8,"b":[]}]`
	var got []string
	r := NewReader([]byte(text))
	r.Unknown = func(s *Shape, name []byte) { got = append(got, s.Name+"."+string(name)) }
	var pruned []string
	err := r.Elements(func(int) error {
		d, err := r.Document(&clientShape)
		pruned = append(pruned, string(d.JSON()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Client.a", "Client.b", "Client.new", "Client.newer", "Client.newe", "Course.new", "Course.b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	want = []string{`{"id":1}`, `{"id":2}`, `{"id":3}`, `{"id":4}`, `{"id":5}`, `{"id":6}`, `{"courses":[{"title":"t"}],"id":8}`}
	if diff := cmp.Diff(want, pruned); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
}

func TestNoMoreThanAThousandUndeclaredMembersAreReported(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for range 2 {
		for i := range maxUnknown + 100 {
			fmt.Fprintf(&text, `,"n%d":{}`, i)
		}
	}
	n := 0
	r := NewReader([]byte("{" + text.String()[1:] + `,"id":1,"id":2}`))
	r.Unknown = func(*Shape, []byte) { n++ }
	if d, err := r.Document(&clientShape); err != nil || string(d.JSON()) != `{"id":2}` || n != maxUnknown {
		t.Errorf("%d reported, %v, want %d", n, err, maxUnknown)
	}
}

func TestMembersThatAnExcerptLeavesOutAreNotUnknown(t *testing.T) {
	t.Parallel()
	owner := &Shape{Name: "Owner", Excerpt: true, Members: []Member{{Name: "id"}}}
	r := NewReader([]byte(`{"owner":{"id":1,"name":"a"},"new":1}`))
	var got []string
	r.Unknown = func(s *Shape, name []byte) { got = append(got, s.Name+"."+string(name)) }
	d, err := r.Document(&Shape{Name: "Thing", Members: []Member{{Name: "owner", Shape: owner}}})
	if err != nil || string(d.JSON()) != `{"owner":{"id":1}}` {
		t.Fatalf("got %s %v", d.JSON(), err)
	}
	if diff := cmp.Diff([]string{"Thing.new"}, got); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}
