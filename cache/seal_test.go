package cache

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, keyBytes) }

// sealedWith makes a replica seal under the first key and open under all.
func sealedWith(keys ...byte) func(*Options) {
	return func(o *Options) {
		for _, k := range keys {
			o.Redis.Keys = append(o.Redis.Keys, keyOf(k))
		}
	}
}

func TestSealedValuesAreSharedByWhoHasTheKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"the same key":        {sealedWith(1), "MARKER redis"},
		"a new one before it": {sealedWith(2, 1), "MARKER redis"},
		"it before a new one": {sealedWith(1, 2), "MARKER redis"},
		"another key":         {sealedWith(2), "MARKER call"},
		"no key":              {sealedWith(), "MARKER call"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m, b := newMemoryRedis(t), &backend{}
				b.shape = func(_ string, f Entry[string]) Entry[string] { f.Value, f.ETag = "MARKER", "MARKER"; return f }
				s := words(replica(t, m, sealedWith(1)))
				expect(t, one(t.Context(), s, b, "a"), "MARKER call")
				synctest.Wait()
				if text := m.Dump(); strings.Contains(text, "MARKER") || !strings.Contains(text, s.Digest("a")) {
					t.Errorf("Redis shows the value, or has none:\n%s", text)
				}
				expect(t, one(t.Context(), words(replica(t, m, test.change)), b, "a"), test.want)
			})
		})
	}
}

func TestWhoWritesRedisForgesNothingThatIsSealed(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(m *memoryRedis, s *Space[string], key, other string){
		"a plain frame": func(m *memoryRedis, s *Space[string], key, _ string) {
			at := time.Now()
			f := frame{created: at, fresh: at.Add(time.Minute), stale: at.Add(time.Hour), payload: []byte("forged")}
			_ = m.Set(key, string(f.encode(s.inner.digest("a"))))
		},
		"another key's value": func(m *memoryRedis, _ *Space[string], key, other string) { v, _ := m.Get(other); _ = m.Set(key, v) },
		"another head": func(m *memoryRedis, _ *Space[string], key, _ string) {
			v, _ := m.Get(key)
			_ = m.Set(key, "1"+strings.Repeat("9", seqDigits)+v[frameHead:])
		},
		"another key's id": func(m *memoryRedis, _ *Space[string], key, _ string) {
			v, _ := m.Get(key)
			_ = m.Set(key, v[:frameHead]+"abcd"+v[frameHead+keyIDBytes:])
		},
		"another byte": func(m *memoryRedis, _ *Space[string], key, _ string) {
			v, _ := m.Get(key)
			_ = m.Set(key, v[:60]+string(v[60]+1)+v[61:])
		},
		"a head alone": func(m *memoryRedis, _ *Space[string], key, _ string) {
			v, _ := m.Get(key)
			_ = m.Set(key, v[:frameHead])
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m, b := newMemoryRedis(t), &backend{}
				s := words(replica(t, m, sealedWith(1)))
				loaded(s, t.Context(), []string{"a", "b"}, b.fetch)
				synctest.Wait()
				key, other := s.inner.c.target(s.inner.label, "word", s.inner.digest("a")), s.inner.c.target(s.inner.label, "word", s.inner.digest("b"))
				forge(m, s, key.value, other.value)
				m.SetTTL(key.value, time.Hour)
				b.set(func(b *backend) { b.version = 1 })
				expect(t, one(t.Context(), words(replica(t, m, sealedWith(1))), b, "a"), "a@1 call")
			})
		})
	}
}

func TestATombstoneRefusesLateFillsOfSealedValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b := newMemoryRedis(t), &backend{delay: time.Second}
		first, other := replica(t, m, sealedWith(1)), replica(t, m, sealedWith(1))
		slow := behind(t.Context(), words(other), b, "a")
		other.remote.onInvalidate = func(int64, []digest) {}
		b.set(func(b *backend) { b.version, b.delay = 1, 0 })
		words(first).Drop(t.Context(), "a")
		expect(t, one(t.Context(), words(first), b, "a"), "a@1 call")
		expect(t, <-slow, "a@0 call")
		synctest.Wait()
		expect(t, one(t.Context(), words(replica(t, m, sealedWith(1))), b, "a"), "a@1 redis")
	})
}

func TestKeysAreReadInEitherForm(t *testing.T) {
	t.Parallel()
	h, b := hex.EncodeToString(keyOf(1)), base64.StdEncoding.EncodeToString(keyOf(2))
	for text, want := range map[string]int{"": 0, h: 1, b: 1, strings.TrimRight(b, "="): 1, h + "," + b: 2, h + "\n" + b + "\n": 2, " " + b + " ,\t" + h: 2} {
		if keys, err := ParseKeys(text); err != nil || len(keys) != want {
			t.Errorf("%q: got %d keys and %v, want %d", text, len(keys), err, want)
		}
	}
	for _, text := range []string{"secret", h[1:], h + "00", b[2:], h + ",secret", ",", " \n"} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
