package cache

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func example(payload string) *frame {
	at := time.UnixMilli(1_800_000_000_000)
	return &frame{
		seq: 1_800_000_000_000_000, created: at, fresh: at.Add(time.Minute), stale: at.Add(time.Hour), etag: `"e"`,
		tags: []Tag{NewTagger("scope").Tag("all")}, payload: []byte(payload),
	}
}

func TestAFrameComesBackAsItWas(t *testing.T) {
	t.Parallel()
	d := newHasher("scope").digest("kind", "key")
	for name, f := range map[string]*frame{
		"small": example("x"), "large": example(strings.Repeat("long ", 10_000)), "empty": example(""),
		"absent":    {seq: 1, absent: true, created: time.UnixMilli(1), fresh: time.UnixMilli(2), stale: time.UnixMilli(2), payload: []byte{}},
		"tombstone": {seq: 2, tombstone: true, created: time.UnixMilli(1), fresh: time.UnixMilli(1), stale: time.UnixMilli(1), payload: []byte{}},
	} {
		b := f.encode(d)
		got, err := decodeFrame(d, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(f, got, cmp.AllowUnexported(frame{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if name == "large" && len(b) > len(f.payload)/4 {
			t.Errorf("%d bytes are kept as %d", len(f.payload), len(b))
		}
	}
}

func TestATruncatedOrForeignFrameIsAnError(t *testing.T) {
	t.Parallel()
	h := newHasher("scope")
	d := h.digest("kind", "key")
	b := example(strings.Repeat("long ", 10_000)).encode(d)
	for n := range b {
		if _, err := decodeFrame(d, b[:n]); err == nil {
			t.Fatalf("cut to %d bytes: no error", n)
		}
	}
	for i := range b {
		other := bytes.Clone(b)
		other[i]++
		if _, err := decodeFrame(d, other); err == nil {
			t.Fatalf("byte %d changed: no error", i)
		}
	}
	if _, err := decodeFrame(h.digest("kind", "other"), b); err == nil {
		t.Error("another key's frame is taken")
	}
}

func FuzzDecodeFrame(f *testing.F) {
	d := newHasher("scope").digest("kind", "key")
	f.Add(example("x").encode(d), false)
	f.Add(example(strings.Repeat("long ", 1000)).encode(d)[:100], true)
	f.Add([]byte("hello"), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			// Past the checksum, to the reader of the rest.
			b = append(bytes.Clone(b), make([]byte, 8)...)
			b = b[:len(b)-8]
			sum := checksum(d, b)
			for shift := 56; shift >= 0; shift -= 8 {
				b = append(b, byte(sum>>shift))
			}
		}
		got, err := decodeFrame(d, b)
		if err != nil {
			return
		}
		again, err := decodeFrame(d, got.encode(d))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(frame{}), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
