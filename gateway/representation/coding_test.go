package representation

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestALongAnswerIsPackedByAQuickCoding(t *testing.T) {
	t.Parallel()
	const above = 1 << 10
	for _, test := range []struct {
		accept string
		size   int
		want   string
	}{
		{"gzip, deflate, br", 2 << 10, "br"},
		{"gzip, deflate, br", longestBrotli, "br"},
		{"gzip, deflate, br", longestBrotli + 1, "gzip"},
		{"gzip;q=0.1, br", longestBrotli + 1, "gzip"},
		{"gzip, deflate, br, zstd", longestBrotli + 1, "gzip"},
		{"zstd, br", longestBrotli + 1, "br"},
		{"gzip, zstd;q=0.9, br;q=0.8", longestBrotli + 1, "gzip"},
		{"gzip;q=0.5, zstd;q=0.9, br;q=0.8", longestBrotli + 1, "zstd"},
		{"br", longestBrotli + 1, "br"},
		{"br, gzip;q=0", longestBrotli + 1, "br"},
		{"br, gzip;q=0.2, identity;q=0.5", longestBrotli + 1, "br"},
		{"br", longestPacked, "br"},
		{"br", longestPacked + 1, ""},
		{"gzip, zstd", longestPacked + 1, ""},
		{"gzip, identity;q=0", longestPacked + 1, "gzip"},
		{"br, identity;q=0", longestPacked + 1, "br"},
		{"", longestPacked, ""},
	} {
		got := NegotiateCoding(http.Header{"Accept-Encoding": {test.accept}}).For(test.size, above)
		if got != test.want {
			t.Errorf("%q, %d bytes: got %q, want %q", test.accept, test.size, got, test.want)
		}
	}
}

func TestLongAnswersInBrotliAreWhole(t *testing.T) {
	t.Parallel()
	half := []byte(strings.Repeat(`{"title":"Workplace Safety Essentials"},`, longestBrotli/60))
	packed := Compress("br", [][]byte{half, half})
	got, err := io.ReadAll(brotli.NewReader(packed))
	if err != nil || !bytes.Equal(got, append(bytes.Clone(half), half...)) {
		t.Errorf("got %d bytes of %d, %v", len(got), 2*len(half), err)
	}
}
