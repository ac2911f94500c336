package explorer

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// codings are the content codings of the page, the smallest first.
var codings = []string{"br", "gzip"}

// recodings returns the functions that make the other forms of a compressed file, by their content coding; "" is the
// plain one. Each is made when it is first asked for and then kept, so a program whose page is not opened, or by
// browsers that take Brotli, makes none.
func recodings(packed func() []byte) map[string]func() []byte {
	plain := func() []byte {
		body, err := io.ReadAll(brotli.NewReader(bytes.NewReader(packed())))
		if err != nil {
			panic(fmt.Sprintf("explorer: the embedded page: %v", err))
		}
		return body
	}
	return map[string]func() []byte{
		"": sync.OnceValue(plain),
		"gzip": sync.OnceValue(func() []byte {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = w.Write(plain()) // a buffer takes everything
			_ = w.Close()
			return zipped.Bytes()
		}),
	}
}

// negotiate picks the coding of an answer; "" is none, which every reader understands.
func negotiate(h http.Header) string {
	for _, coding := range codings {
		if accepts(h, coding) {
			return coding
		}
	}
	return ""
}

// accepts reports whether a reader names a coding with a weight above 0 (RFC 9110, section 12.5.3).
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
