package explorer

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

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
