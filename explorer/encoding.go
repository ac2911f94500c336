package explorer

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// brotliLevel is the highest that packs the largest file in well under a second: the first reader waits for it.
const brotliLevel = 9

// packers of the content codings, the one that packs best first.
var packers = []struct {
	coding string
	to     func(io.Writer) io.WriteCloser
}{
	{"br", func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotliLevel) }},
	{"gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }},
}

// packings gives a file by its content coding. Each is made when it is first asked for and then kept, so a program whose
// page nobody opens packs nothing.
func packings(body []byte) map[string]func() []byte {
	kept := map[string]func() []byte{}
	for _, p := range packers {
		kept[p.coding] = sync.OnceValue(func() []byte {
			var packed bytes.Buffer
			w := p.to(&packed)
			_, _ = w.Write(body) // a buffer takes everything
			_ = w.Close()
			return packed.Bytes()
		})
	}
	return kept
}

// negotiate picks the coding of an answer; "" is none, which every reader understands.
func negotiate(h http.Header) string {
	for _, p := range packers {
		if accepts(h, p.coding) {
			return p.coding
		}
	}
	return ""
}

// accepts says whether a reader names a coding with a weight above 0 (RFC 9110, section 12.5.3).
func accepts(h http.Header, coding string) bool {
	for item := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, parameter, weighted := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		if !weighted {
			return true
		}
		_, text, _ := strings.Cut(parameter, "=")
		weight, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return err == nil && weight > 0
	}
	return false
}
