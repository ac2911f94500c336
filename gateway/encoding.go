package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coder is one content coding. Its writers are used again: making one costs more than an answer of usual size.
type coder struct {
	name string
	pool *sync.Pool
}

// resetter is what the writers of all codings have in common.
type resetter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// brotliLevel costs about what gzip does and packs better; the levels above it are for files that are packed once.
const brotliLevel = 4

// zstdWindow bounds the memory of one writer, in bytes, and that of the reader.
const zstdWindow = 1 << 20

// coders are in the order in which they are preferred where the caller has no preference: cheapest for its size first.
var coders = []coder{
	{"zstd", &sync.Pool{New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithEncoderLevel(zstd.SpeedFastest))
		return w
	}}},
	{"br", &sync.Pool{New: func() any { return brotli.NewWriterLevel(nil, brotliLevel) }}},
	{"gzip", &sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return w
	}}},
}

// negotiateCoding picks the content coding by weight (RFC 9110, section 12.5.3); "" is none, which is right also for who
// names identity with a greater weight. must is set for who takes no answer as it is. An answer is never refused for its
// coding.
func negotiateCoding(h http.Header) (best string, must bool) {
	accepted := h["Accept-Encoding"]
	if accepted == nil {
		return "", false
	}
	identity, named := codingQuality(accepted, "identity")
	if !named {
		identity = 0
	}
	must = named && identity == 0
	weight := 0.0
	for _, c := range coders {
		if q, _ := codingQuality(accepted, c.name); q > weight && q >= identity {
			best, weight = c.name, q
		}
	}
	return best, must
}

// codingQuality is the weight of a coding: its own where it is named, else that of *, else 0.
func codingQuality(values []string, name string) (weight float64, named bool) {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case name:
				return codingWeight(params), true
			case "*":
				weight = codingWeight(params)
			}
		}
	}
	return weight, false
}

func codingWeight(params string) float64 {
	params = strings.ReplaceAll(strings.TrimSpace(params), " ", "")
	if params == "" {
		return 1
	}
	text, ok := strings.CutPrefix(strings.ToLower(params), "q=")
	if !ok {
		return 0
	}
	return quality(map[string]string{"q": text})
}

// compress packs the pieces of an answer. The buffer goes back by release.
func compress(coding string, pieces [][]byte) *bytes.Buffer {
	out := frames.Get().(*bytes.Buffer)
	for _, c := range coders {
		if c.name != coding {
			continue
		}
		w := c.pool.Get().(resetter)
		defer c.pool.Put(w)
		w.Reset(out)
		for _, p := range pieces {
			_, _ = w.Write(p) // a buffer takes everything
		}
		_ = w.Close()
	}
	return out
}
