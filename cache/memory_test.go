package cache

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestMemoryKeepsToItsBoundInBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.Memory = 100_000
		c := open(t, o)
		s, b := words(c), &backend{}
		b.shape = func(_ string, f Entry[string]) Entry[string] {
			f.Value = strings.Repeat("x", 1000)
			f.Tags = []Tag{NewTagger("scope").Tag("all")}
			return f
		}
		for i := range 1000 {
			one(t.Context(), s, b, fmt.Sprint(i))
		}
		counters := c.Counters()
		if counters.MemoryBytes > o.Memory || counters.MemoryEntries < 20 {
			t.Errorf("got %d bytes in %d entries", counters.MemoryBytes, counters.MemoryEntries)
		}
		if got := len(c.memory.tags.taggedBy(NewTagger("scope").Tag("all").digest())); got != counters.MemoryEntries {
			t.Errorf("the index knows %d entries, memory %d", got, counters.MemoryEntries)
		}
	})
}

func TestAnEntryOfMoreThanAQuarterIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options()
		o.Memory = 100_000
		s, b := words(open(t, o)), &backend{}
		one(t.Context(), s, b, "a")
		b.shape = func(_ string, f Entry[string]) Entry[string] {
			f.Value = strings.Repeat("x", 25_000)
			return f
		}
		time.Sleep(2 * time.Minute)
		one(t.Context(), s, b, "a")
		synctest.Wait()
		if got := len(loaded(s, WithDirectives(t.Context(), Directives{OnlyIfCached: true}), []string{"a"}, b.fetch)["a"].Value); got != 0 {
			t.Errorf("got %d bytes, want nothing, not even what was kept before", got)
		}
	})
}

func TestDroppingATagDropsItsValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		users, b := words(c), &backend{}
		answers := NewSpace(c, SpaceOptions[string]{Kind: "answer", Scope: "caller", Size: func(s string) int { return len(s) }})
		b.shape = func(key string, f Entry[string]) Entry[string] {
			f.Tags = []Tag{users.Tag("u1"), NewTagger("scope").Tag("all")}
			if key == "other" {
				f.Tags = []Tag{users.Tag("u2")}
			}
			return f
		}
		load := func() { loaded(answers, t.Context(), []string{"answer", "other"}, b.fetch) }
		load()
		users.Drop(t.Context(), "u1")
		expect(t, one(t.Context(), answers, b, "other"), "other@0 memory")
		expect(t, one(t.Context(), answers, b, "answer"), "answer@0 call")
		c.DropTags(t.Context(), NewTagger("scope").Tag("all"), "", "nonsense:")
		expect(t, one(t.Context(), answers, b, "answer"), "answer@0 call")

		b.set(func(b *backend) { b.delay = time.Second })
		answers.Drop(t.Context(), "answer")
		under := behind(t.Context(), answers, b, "answer")
		users.Drop(t.Context(), "u1")
		expect(t, <-under, "answer@0 call")
		expect(t, one(t.Context(), answers, b, "answer"), "answer@0 call")
	})
}

func TestTheTagIndexSurvivesRemovalOfAnyValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		shared, own := NewTagger("scope").Tag("shared"), func(key string) Tag { return NewTagger("scope").Tag("own " + key) }
		b.shape = func(key string, f Entry[string]) Entry[string] {
			f.Tags = []Tag{shared, own(key), shared}
			return f
		}
		for _, going := range []string{"a", "b", "c"} {
			for _, key := range []string{"a", "b", "c"} {
				one(t.Context(), s, b, key)
			}
			s.Drop(t.Context(), going)
			left := map[digest]bool{}
			for _, l := range c.memory.tags.taggedBy(shared.digest()) {
				left[l.entry.key] = true
			}
			if len(left) != 2 || left[s.inner.digest(going)] {
				t.Errorf("%d carriers are left without %s, want the other two", len(left), going)
			}
			if got := len(c.memory.tags.taggedBy(own(going).digest())); got != 0 {
				t.Errorf("%d carry the tag of %s alone", got, going)
			}
		}
		c.DropTags(t.Context(), shared)
		if got := len(c.memory.tags.tagged); got != 0 {
			t.Errorf("the index has %d tags that nothing carries", got)
		}
	})
}

func TestNoByteOfADroppedValueIsInMemory(t *testing.T) {
	const marker = "MARKER-OF-A-PERSON"
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, b := words(c), &backend{}
		answers := NewSpace(c, SpaceOptions[[]byte]{Kind: "answer", Scope: "scope", Size: func(b []byte) int { return len(b) }})
		fill := func() {
			b.shape = func(_ string, f Entry[string]) Entry[string] { f.Value = marker + " of one"; return f }
			one(t.Context(), s, b, "key-"+marker)
			ctx := c.Begin(t.Context())
			answers.Put(ctx, "answer", Entry[[]byte]{Value: []byte("an answer with " + marker), Tags: []Tag{s.Tag("key-" + marker)}})
			// Reads and a replacement, so that the library's buffers are as full as they get.
			for range 20 {
				one(t.Context(), s, b, "key-"+marker)
			}
		}
		fill()
		if n := occurrences(c, marker); n < 2 {
			t.Fatalf("the search finds %d occurrences, want both", n)
		}
		s.Drop(context.Background(), "key-"+marker)
		if n := occurrences(c, marker); n != 0 {
			t.Errorf("%d occurrences are left", n)
		}
	})
}

// occurrences counts the strings and byte slices that hold marker in all that can be reached from root.
func occurrences(root any, marker string) (n int) {
	seen := map[unsafe.Pointer]map[reflect.Type]bool{}
	var walk func(v reflect.Value)
	visit := func(p unsafe.Pointer, t reflect.Type) bool {
		if seen[p] == nil {
			seen[p] = map[reflect.Type]bool{}
		}
		first := !seen[p][t]
		seen[p][t] = true
		return first
	}
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			if strings.Contains(v.String(), marker) {
				n++
			}
		case reflect.Pointer:
			if !v.IsNil() && visit(v.UnsafePointer(), v.Type()) {
				walk(v.Elem())
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			if p, ok := pointee(v); ok {
				if visit(p.UnsafePointer(), p.Type()) && !p.IsNil() {
					walk(p.Elem())
				}
				return
			}
			for _, field := range v.Fields() {
				walk(field)
			}
		case reflect.Slice, reflect.Array:
			if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
				if strings.Contains(string(v.Bytes()), marker) {
					n++
				}
				return
			}
			if v.Kind() == reflect.Slice && (v.IsNil() || !visit(v.UnsafePointer(), v.Type())) {
				return
			}
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				walk(it.Key())
				walk(it.Value())
			}
		}
	}
	walk(reflect.ValueOf(root))
	return n
}

// pointee is the type that an atomic.Pointer points to.
func pointee(v reflect.Value) (reflect.Value, bool) {
	t := v.Type()
	if t.PkgPath() != "sync/atomic" || !strings.HasPrefix(t.Name(), "Pointer[") {
		return reflect.Value{}, false
	}
	element := t.Field(0).Type.Elem() // the field [0]*T is there for its type
	return reflect.NewAt(element.Elem(), v.FieldByName("v").UnsafePointer()), true
}

func TestNoByteOfADroppedValueIsReachableByLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := words(open(t, options())), &backend{}
		one(t.Context(), s, b, "a")
		s.Drop(t.Context(), "a")
		expect(t, one(WithDirectives(t.Context(), Directives{OnlyIfCached: true}), s, b, "a"), "error: not cached")
	})
}
