package cache

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sized is a text that takes 1,000 bytes in Redis. It is not compressed.
func sized(name string) string {
	const around = frameFixed + 2 + frameChecksum + 200
	return name + strings.Repeat("x", 1000-around-len(name))
}

// texts are three of a caller, five in all.
func texts(c *Cache) *Texts {
	return NewTexts(c, TextsOptions{Scope: "scope", OfCaller: 3000, Of: 5000, Life: time.Hour})
}

// held are those of some names that Redis has, without using them.
func (t *Texts) held(m *memoryRedis, names ...string) (list string) {
	for _, name := range names {
		if m.HGet(t.keys[0], t.hasher.digest("text", name).String()) != "" {
			list += name
		}
	}
	return list
}

// bytes are those of all texts, as they are counted.
func (t *Texts) bytes(m *memoryRedis) int {
	n, _ := strconv.Atoi(m.HGet(t.keys[1], "all"))
	return n
}

func TestTextsOfCallersAreBoundedAndTheLeastUsedGoFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		here, there := texts(replica(t, m)), texts(replica(t, m))
		for _, step := range []struct{ put, by, use, want string }{
			{"a", "A", "", "a"}, {"b", "A", "", "ab"}, {"c", "A", "", "abc"},
			{"d", "A", "", "bcd"},                            // the caller has no more
			{"e", "B", "b", "bcde"},                          // another's texts are separate, and used ones stay
			{"f", "A", "", "bdef"},                           // not b, which another replica uses
			{"g", "B", "", "bdefg"}, {"h", "B", "", "befgh"}, // full: the oldest of all
			{"i", "C", "", "bfghi"}, {"b", "C", "", "bfghi"}, {"j", "C", "", "bghij"},
		} {
			time.Sleep(time.Second)
			m.SetTime(time.Now())
			here.Put(t.Context(), step.by, step.put, sized(step.put))
			time.Sleep(time.Second)
			m.SetTime(time.Now())
			if step.use != "" {
				if got, ok := there.Get(t.Context(), step.use); !ok || got != sized(step.use) {
					t.Errorf("%s is read as %q", step.use, got)
				}
			}
			if got := here.held(m, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"); got != step.want || here.bytes(m) != 1000*len(got) {
				t.Errorf("after %s: got %s of %d bytes, want %s", step.put, got, here.bytes(m), step.want)
			}
		}
		here.Put(t.Context(), "A", "k", strings.Repeat(sized("k"), 4))
		if got := here.held(m, "k"); got != "" {
			t.Error("a text is kept that is more than a caller may have")
		}
	})
}

func TestUnusedTextsExpire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		s := texts(replica(t, m))
		pass := func(d time.Duration) {
			time.Sleep(d)
			m.SetTime(time.Now())
			m.FastForward(d)
		}
		for _, name := range []string{"a", "b", "c"} {
			s.Put(t.Context(), "A", name, sized(name))
			pass(time.Second)
		}
		pass(50 * time.Minute)
		s.Get(t.Context(), "a")
		pass(50 * time.Minute) // now the list of the caller is forgotten, b and c are past their time
		s.Put(t.Context(), "B", "d", sized("d"))
		if got := s.held(m, "a", "b", "c", "d"); got != "ad" || s.bytes(m) != 2000 {
			t.Errorf("got %s of %d bytes, want a and d", got, s.bytes(m))
		}
		for i := range 3 {
			pass(time.Second)
			s.Put(t.Context(), "A", fmt.Sprint(i), sized("y"))
		}
		if got := s.held(m, "a", "d", "0", "1", "2"); got != "d012" || s.bytes(m) != 4000 {
			t.Errorf("got %s of %d bytes, want d and the last three of the caller", got, s.bytes(m))
		}
		pass(2 * time.Hour)
		if keys := m.Keys(); strings.Contains(strings.Join(keys, " "), "texts") {
			t.Errorf("Redis has %v", keys)
		}
	})
}

func TestTextsAreSealedAndChecked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		s := texts(replica(t, m, func(o *Options) { o.Redis.Keys = [][]byte{[]byte(strings.Repeat("k", keyBytes))} }))
		s.Put(t.Context(), "A", "a", "a secret text")
		s.Put(t.Context(), "A", "b", "another text")
		field := func(name string) string { return s.hasher.digest("text", name).String() }
		if sealed := m.HGet(s.keys[0], field("a")); sealed == "" || strings.Contains(sealed, "secret") {
			t.Errorf("Redis has %q", sealed)
		}
		if got, ok := s.Get(t.Context(), "a"); !ok || got != "a secret text" {
			t.Errorf("got %q", got)
		}
		m.HSet(s.keys[0], field("a"), m.HGet(s.keys[0], field("b")))
		if got, ok := s.Get(t.Context(), "a"); ok {
			t.Errorf("a text that was moved is read as %q", got)
		}
		if _, ok := texts(replica(t, m)).Get(t.Context(), "b"); ok {
			t.Error("a sealed text is read without the key")
		}
		m.refuse.Store(true)
		m.drop()
		s.Put(t.Context(), "A", "c", "text")
		if _, ok := s.Get(t.Context(), "b"); ok {
			t.Error("a text comes from a Redis that is down")
		}
	})
}

// Redis's own interpreter runs what miniredis only resembles.
func TestTextsAreBoundedInRedis(t *testing.T) {
	t.Parallel()
	url, _ := realRedis(t)
	o := options()
	o.Redis = &RedisOptions{URL: url, Timeout: 5 * time.Second}
	c := open(t, o)
	s := NewTexts(c, TextsOptions{Scope: "scope", OfCaller: 10_000, Of: 20_000, Life: time.Hour})
	s.Put(t.Context(), "B", "b", "another's")
	for i := range 100 {
		s.Put(t.Context(), "A", fmt.Sprint(i), sized("a"))
		if _, ok := s.Get(t.Context(), "0"); !ok {
			t.Fatalf("what is used is forgotten after %d texts", i)
		}
	}
	kept := 0
	for i := range 100 {
		if _, ok := s.Get(t.Context(), fmt.Sprint(i)); ok {
			kept++
		}
	}
	if got, ok := s.Get(t.Context(), "b"); !ok || got != "another's" || kept != 10 {
		t.Errorf("got %q and %d texts, want another's and 10", got, kept)
	}
}
