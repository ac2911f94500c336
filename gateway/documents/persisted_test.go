package documents

import (
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/lru"
)

func TestStoredTextsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	text := func(c string) string { return strings.Repeat(c, 100) }
	most := 3 * (len(text("a")) + lru.EntryOverhead)
	m := NewMemory(most, 0, nil)
	kept := func() (hashes string) {
		for _, hash := range []string{"a", "b", "c", "d", "e"} {
			if slices.Contains(m.texts.Keys(), hash) {
				hashes += hash
			}
		}
		return hashes
	}
	for _, step := range []struct{ put, text, want string }{
		{"a", text("a"), "a"}, {"b", text("b"), "ab"}, {"c", text("c"), "abc"},
		{"d", text("d"), "bcd"}, {"d", text("d"), "bcd"}, {"c", text("c"), "bcd"},
		{"e", strings.Repeat("e", 3*100), "ce"},
		{"b", strings.Repeat("b", most), "ce"},
	} {
		m.Put(t.Context(), step.put, step.text)
		if got := kept(); got != step.want {
			t.Errorf("after %q of %d bytes: kept %q, want %q", step.put, len(step.text), got, step.want)
		}
	}
	if n := m.texts.Bytes(); n > most || n <= 0 {
		t.Errorf("got %d bytes, want at most %d", n, most)
	}
}

func TestACallerPushesOutItsOwnTextsFirst(t *testing.T) {
	t.Parallel()
	text := func(c string) string { return strings.Repeat(c, 100) }
	one := len(text("a")) + lru.EntryOverhead
	m := NewMemory(4*one, 2*one, nil)
	for _, step := range []struct{ put, by, use, want string }{
		{"a", "A", "", "a"}, {"b", "A", "a", "ab"}, {"c", "A", "", "ac"}, {"d", "B", "", "acd"}, {"e", "A", "", "cde"},
		{"f", "C", "c", "cdef"}, {"g", "D", "", "cefg"}, {"g", "D", "", "cefg"}, {"h", "D", "", "cfgh"}, {"i", "D", "", "cfhi"},
	} {
		ctx := auth.NewContext(t.Context(), &auth.Caller{Name: step.by})
		m.Put(ctx, step.put, text(step.put))
		if step.use != "" {
			m.Get(ctx, step.use)
		}
		got := ""
		for _, hash := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			if slices.Contains(m.texts.Keys(), hash) {
				got += hash
			}
		}
		if got != step.want {
			t.Errorf("after %s of %s: kept %s, want %s", step.put, step.by, got, step.want)
		}
	}
	if n := m.texts.Bytes(); n != 4*one {
		t.Errorf("all texts have %d bytes, want %d", n, 4*one)
	}
}
