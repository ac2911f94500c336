package explorer

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

func TestTheCodingIsTheReadersChoice(t *testing.T) {
	t.Parallel()
	tests := []struct{ accept, want string }{
		{"", ""},
		{"identity", ""},
		{"*", "br"},
		{"gzip, deflate, br, zstd", "br"},
		{"gzip;q=0.5, BR;q=0.9", "br"},
		{"gzip;q=1.0, BR;q=0.5", "gzip"},
		{"zstd, gzip;q=0.5", "gzip"},
		{"identity, gzip;q=0.5", ""},
		{"gzip", "gzip"},
		{"br;q=0, gzip", "gzip"},
		{"br;q=none, gzip;q=0.0", ""},
		{"br;level=9", ""},
		{"brotli, x-gzip", ""},
	}
	for _, tt := range tests {
		if got := get(t, "/", "Accept-Encoding", tt.accept).Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("Accept-Encoding %q: got %q, want %q", tt.accept, got, tt.want)
		}
	}
}

func TestEveryCodingOfAFileHoldsTheSame(t *testing.T) {
	t.Parallel()
	const target = "/assets/LICENSES.txt"
	want := read(t, "dist/LICENSES.txt")
	readers := map[string]func(io.Reader) (io.Reader, error){
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	}
	plain := get(t, target)
	tags := map[string]bool{plain.Header.Get("ETag"): true}
	for coding, reader := range readers {
		resp := get(t, target, "Accept-Encoding", coding)
		if got := resp.Header.Get("Content-Encoding"); got != coding {
			t.Errorf("Content-Encoding = %q, want %q", got, coding)
		}
		if got := resp.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Vary = %q", got)
		}
		if resp.ContentLength >= int64(len(want))/3 {
			t.Errorf("%s: %d bytes of %d", coding, resp.ContentLength, len(want))
		}
		tags[resp.Header.Get("ETag")] = true
		again := get(t, target, "Accept-Encoding", coding, "If-None-Match", resp.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: status with the same ETag = %d, want 304", coding, again.StatusCode)
		}
		unpacked, err := reader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d: %v", coding, len(got), len(want), err)
		}
	}
	if len(tags) != 3 {
		t.Errorf("the codings share validators: %v", tags)
	}
}
