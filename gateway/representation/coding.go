package representation

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// DefaultCompressAbove is the usual size in bytes above which answers are compressed.
const DefaultCompressAbove = 1 << 10

// coder is one content coding. Its writers are used again: making one costs more than an answer of usual size.
type coder struct {
	name string
	pool *sync.Pool
}

// resetter is the interface of the writers of all codings.
type resetter interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// brotliLevel costs about as much as gzip and packs better; the levels above it are for files that are packed once.
const brotliLevel = 4

// The bounds of compression, in bytes: its memory must not grow with an answer beyond the memory of reading it. Brotli
// as above packs 27 MB a second on the machine that these were measured on, brotli without a search for repetitions 85,
// the others 150.
const (
	// longer answers are packed by another coding, or with less care where brotli alone is accepted
	longestBrotli = 1 << 20
	// as long as one answer may be; the answers of a batch that are longer together go as they are
	longestPacked = 32 << 20
)

// zstdWindow bounds the memory of one writer, in bytes, and that of the reader.
const zstdWindow = 1 << 20

// coders are in the order in which they are preferred where the caller has no preference: cheapest for its size first.
var coders = [NumCodings]coder{
	zstdIndex: {"zstd", &sync.Pool{New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderLevel(zstd.SpeedFastest))
		return w
	}}},
	brotliIndex: {"br", &sync.Pool{New: func() any { return brotli.NewWriterLevel(nil, brotliLevel) }}},
	gzipIndex: {"gzip", &sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return w
	}}},
}

// The indexes of content codings: those of coders, and of other members of an Accept-Encoding.
const (
	zstdIndex = iota
	brotliIndex
	gzipIndex
	// NumCodings is how many content codings there are.
	NumCodings
	identityIndex = NumCodings
	othersIndex   = NumCodings + 1 // "*"
)

// CodingIndex returns a number below NumCodings for the name of a content coding, -1 for any other.
func CodingIndex(name string) int {
	return slices.IndexFunc(coders[:], func(c coder) bool { return c.name == name })
}

var quickBrotli = coder{"br", &sync.Pool{New: func() any {
	return brotli.NewWriterLevel(nil, brotli.BestSpeed)
}}}

// Codings are the content codings of an answer: the one that its caller likes best, and the best of those that pack a
// long answer in time. "" is none.
type Codings struct {
	Best, long string
	required   bool // no answer as it is
}

// Plain returns the codings of an answer that is not packed, unless the caller refuses it as it is.
func (c Codings) Plain() Codings {
	if c.required {
		return c
	}
	return Codings{}
}

// For returns the coding for an answer of a size in bytes, above which answers are packed at all where above is not 0.
func (c Codings) For(size, above int) string {
	switch {
	case !c.required && (above <= 0 || size <= above || size > longestPacked):
		return ""
	case size > longestBrotli:
		return c.long
	}
	return c.Best
}

// NegotiateCoding picks the content coding by weight (RFC 9110, section 12.5.3), among those that are offered, or among
// all where none is named; none is right also for callers who name identity with a greater weight. An answer is never
// refused for its coding.
func NegotiateCoding(h http.Header, offered ...string) (picked Codings) {
	accepted := h["Accept-Encoding"]
	if accepted == nil {
		return picked
	}
	weights := readCodingWeights(accepted)
	identity := weights[identityIndex]
	// Of all codings identity alone is acceptable unless it is excluded, by name or by "*;q=0" (RFC 9110, section 12.5.3).
	picked.required = identity == 0 || identity < 0 && weights[othersIndex] == 0
	weight, longWeight := 0.0, 0.0
	for i, c := range coders {
		// Libraries list zstd and brotli without weights on runtimes that unpack brotli alone, such as Node 20, where an
		// answer in zstd ends the program. So zstd needs its own weight, above brotli's.
		unsafe := i == zstdIndex && weights[zstdIndex] <= weights.of(brotliIndex)
		q := weights.of(i)
		if unsafe || q < identity || offered != nil && !slices.Contains(offered, c.name) {
			continue
		}
		if q > weight {
			picked.Best, weight = c.name, q
		}
		if q > longWeight && i != brotliIndex {
			picked.long, longWeight = c.name, q
		}
	}
	picked.long = cmp.Or(picked.long, picked.Best)
	return picked
}

// codingWeights are the weights of an Accept-Encoding by the indexes of the codings, below 0 for one that is not named.
type codingWeights [othersIndex + 1]float64

// of returns the weight of a coding: its own where it is named, else that of "*", else 0.
func (w *codingWeights) of(index int) float64 {
	if w[index] < 0 {
		return max(w[othersIndex], 0)
	}
	return w[index]
}

func readCodingWeights(accepted []string) codingWeights {
	weights := codingWeights{-1, -1, -1, -1, -1}
	for _, value := range accepted {
		for item := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(item, ";")
			i := codingIndex(strings.ToLower(strings.TrimSpace(name)))
			if i >= 0 && weights[i] < 0 {
				weights[i] = codingWeight(params)
			}
		}
	}
	return weights
}

func codingIndex(name string) int {
	switch name {
	case "identity":
		return identityIndex
	case "*":
		return othersIndex
	}
	return CodingIndex(name)
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
	return Quality(map[string]string{"q": text})
}

// Encoder writes under a content coding as it goes.
type Encoder struct {
	resetter
	pool *sync.Pool
}

// NewEncoder returns an encoder that writes to w, nil where answers as long as they come are to be sent without a
// content coding: where compressAbove is 0 and the caller does not insist on one, or accepts none.
func (c Codings) NewEncoder(w io.Writer, compressAbove int) (e *Encoder, coding string) {
	if c.Best == "" || compressAbove <= 0 && !c.required {
		return nil, ""
	}
	known, _ := coderOf(c.Best, nil)
	e = &Encoder{known.pool.Get().(resetter), known.pool}
	e.Reset(w)
	return e, c.Best
}

// Close ends the text.
func (e *Encoder) Close() error {
	err := e.resetter.Close()
	e.Reset(nil)
	e.pool.Put(e.resetter)
	return err
}

// Compress packs the pieces of an answer. The buffer goes back by release.
func Compress(coding string, pieces [][]byte) *bytes.Buffer {
	out := Buffers.Get().(*bytes.Buffer)
	c, ok := coderOf(coding, pieces)
	if !ok {
		return out
	}
	w := c.pool.Get().(resetter)
	defer c.pool.Put(w)
	w.Reset(out)
	for _, p := range pieces {
		_, _ = w.Write(p) // a buffer takes everything
	}
	_ = w.Close()
	return out
}

func coderOf(coding string, pieces [][]byte) (coder, bool) {
	switch i := CodingIndex(coding); {
	case i < 0:
		return coder{}, false
	case i == brotliIndex && Size(pieces) > longestBrotli:
		return quickBrotli, true
	default:
		return coders[i], true
	}
}

// Size returns the number of bytes of the pieces.
func Size(pieces [][]byte) int {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	return size
}
