package document

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// catalogue is a shape whose items and groups have keys, and refer to each other.
func catalogue() *Shape {
	item, group := &Shape{Name: "Item", Key: "id"}, &Shape{Name: "Group", Key: "id"}
	item.Members = []Member{{Name: "id"}, {Name: "title"}, {Name: "status"}, {Name: "after", Shape: item}, {Name: "group", Shape: group}}
	group.Members = []Member{{Name: "items", Shape: item}, {Name: "name"}, {Name: "id"}}
	return &Shape{Name: "Catalogue", Members: []Member{{Name: "items", Shape: item}, {Name: "groups", Shape: group}, {Name: "first", Shape: item}}}
}

// shown is an object's members, to a depth.
func shown(o Object, depth int) map[string]any {
	out := map[string]any{}
	for i, m := range o.Shape().Members {
		if v := shownValue(o.Member(i), depth); v != nil {
			out[m.Name] = v
		}
	}
	return out
}

func shownValue(v Value, depth int) any {
	switch v.Kind() {
	case KindNull:
		return nil
	case KindArray:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = shownValue(v.At(i), depth)
		}
		return list
	}
	if o, err := v.Object(); err == nil {
		if depth == 0 {
			return "…"
		}
		return shown(o, depth-1)
	}
	return string(v.Raw())
}

func TestObjectsOfOneKeyShowTheSame(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a stub behind the whole": {`{"items":[{"id":"a","title":"A","status":"on"}],"first":{"id":"a"}}`,
			`{"items":[{"id":"a","title":"A","status":"on"}],"first":{"id":"a","title":"A","status":"on"}}`},
		"a stub before the whole, and of another type": {`{"groups":[{"id":"a","items":[{"id":"a"}]}],"items":[{"title":"A","id":"a"}]}`,
			`{"groups":[{"id":"a","items":[{"id":"a","title":"A"}]}],"items":[{"id":"a","title":"A"}]}`},
		"what only a stub has": {`{"items":[{"id":"a","title":"A","status":null}],"first":{"status":"on","id":"a"}}`,
			`{"items":[{"id":"a","title":"A","status":"on"}],"first":{"id":"a","title":"A","status":"on"}}`},
		"what both have is the fullest's": {`{"first":{"id":"a","title":"old"},"items":[{"id":"a","title":"new","status":"on"}]}`,
			`{"first":{"id":"a","title":"new","status":"on"},"items":[{"id":"a","title":"new","status":"on"}]}`},
		"of three parts": {`{"items":[{"id":"a","title":"A"},{"id":"b"},{"id":"a","status":"on"},null,{"id":"a","group":{"id":"g"}}]}`,
			`{"items":[{"id":"a","title":"A","status":"on","group":{"id":"g"}},{"id":"b"},{"id":"a","title":"A","status":"on","group":{"id":"g"}},null,{"id":"a","title":"A","status":"on","group":{"id":"g"}}]}`},
		"below a completed object": {`{"items":[{"id":"a","after":{"id":"b"}},{"id":"b","title":"B"},{"id":"a","title":"A"}]}`,
			`{"items":[{"id":"a","title":"A","after":{"id":"b","title":"B"}},{"id":"b","title":"B"},{"id":"a","title":"A","after":{"id":"b","title":"B"}}]}`},
		"a number and its digits": {`{"items":[{"id":7,"title":"A"}],"first":{"id":"7"}}`, `{"items":[{"id":7,"title":"A"}],"first":{"id":7,"title":"A"}}`},
		"an escape and what it is": {`{"items":[{"id":"\u0061","title":"A","status":"on"}],"first":{"id":"a"}}`,
			`{"items":[{"id":"\u0061","title":"A","status":"on"}],"first":{"id":"\u0061","title":"A","status":"on"}}`},
		"no key, or none that is a leaf": {`{"items":[{"title":"A"},{"id":null},{"id":{}},{"id":{},"title":"B"},{"id":[1],"title":"C"},{"id":[1]}]}`,
			`{"items":[{"title":"A"},{},{"id":{}},{"id":{},"title":"B"},{"id":[1],"title":"C"},{"id":[1]}]}`},
		"a member twice": {`{"items":[{"id":"a","title":"A"}],"first":{"id":"a","status":"on"},"first":{"id":"a"}}`,
			`{"items":[{"id":"a","title":"A"}],"first":{"id":"a","title":"A"}}`},
	} {
		d, err := Parse([]byte(test.text), catalogue())
		if err != nil {
			t.Fatal(err)
		}
		want, err := Parse([]byte(test.want), plainCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(shown(want.Root(), 5), shown(d.Root(), 5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		again, err := Parse(d.JSON(), catalogue())
		if err != nil || !cmp.Equal(shown(d.Root(), 5), shown(again.Root(), 5)) {
			t.Errorf("%s: what is kept is read back as something else: %v", name, err)
		}
	}
}

// plainCatalogue is a catalogue in which nothing is completed.
func plainCatalogue() *Shape {
	s := catalogue()
	s.Members[0].Shape.Key, s.Members[1].Shape.Key = "", ""
	return s
}

func TestObjectsThatLeadToEachOtherShowTheSame(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(`{"items":[{"id":"a","title":"A","after":{"id":"b"}},{"id":"b","title":"B","after":{"id":"a"}}]}`), catalogue())
	if err != nil {
		t.Fatal(err)
	}
	o := d.Root()
	v := o.Member(0).At(0)
	for n := range 20 {
		item, err := v.Object()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(item.Member(1).Raw()), []string{`"A"`, `"B"`}[n%2]; got != want {
			t.Fatalf("step %d: got %s, want %s", n, got, want)
		}
		v = item.Member(3)
	}
}

// Objects of many ids are kept apart, and each stub is completed by the object of its own id.
func TestEachStubIsCompletedByItsOwn(t *testing.T) {
	t.Parallel()
	const n = 5000
	var whole, stubs []string
	for i := range n {
		whole = append(whole, fmt.Sprintf(`{"id":"item-%d","title":"t%[1]d"}`, i))
		stubs = append(stubs, fmt.Sprintf(`{"id":"item-%d"}`, n-1-i))
	}
	d, err := Parse([]byte(`{"groups":[{"items":[`+strings.Join(stubs, ",")+`]}],"items":[`+strings.Join(whole, ",")+`]}`), catalogue())
	if err != nil {
		t.Fatal(err)
	}
	group, err := d.Root().Member(1).At(0).Object()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		item, err := group.Member(0).At(i).Object()
		if err != nil {
			t.Fatal(err)
		}
		var title string
		if err := json.Unmarshal(item.Member(1).Raw(), &title); err != nil || title != fmt.Sprint("t", n-1-i) {
			t.Fatalf("item %d: got %q %v", i, title, err)
		}
	}
}
