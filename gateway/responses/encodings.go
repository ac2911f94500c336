package responses

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/learngraph/learngraph/gateway/representation"
)

// Encoding is a whole answer as it is sent under one content coding, again and again: its digest is made once, when
// somebody first asks for it.
type Encoding struct {
	Text []byte
	Body representation.Body
}

func newEncoding(text []byte, coding string) Encoding {
	pieces := [][]byte{text}
	digest := sync.OnceValue(func() string { return representation.Digest(pieces) })
	return Encoding{Text: text, Body: representation.Body{Pieces: pieces, Size: len(text), Coding: coding,
		Length: []string{strconv.Itoa(len(text))}, Digest: digest, Plain: digest}}
}

// storesEncodings reports whether packed forms of the answer are kept: shorter ones are not sent packed, as a rule.
func (a *Answer) storesEncodings() bool {
	return len(a.WithoutExtensions.Text) > representation.DefaultCompressAbove
}

// Encoding returns the answer under a coding; "" is as it is. It is packed once, and kept with the answer unless it
// packs badly: all forms together are no larger than the answer.
func (a *Answer) Encoding(coding string) *Encoding {
	i := representation.CodingIndex(coding)
	if i < 0 {
		return &a.WithoutExtensions
	}
	if f := a.encoded[i].Load(); f != nil {
		return f
	}
	packed := representation.Compress(coding, [][]byte{a.WithoutExtensions.Text})
	defer representation.Release(packed)
	f := newEncoding(bytes.Clone(packed.Bytes()), coding)
	f.Body.Plain = a.WithoutExtensions.Body.Digest
	if a.storesEncodings() && len(f.Text) <= len(a.WithoutExtensions.Text)/representation.NumCodings {
		a.encoded[i].Store(&f)
	}
	return &f
}

// Stores reports whether a form is kept with the answer, and counted with it.
func (a *Answer) Stores(f *Encoding) bool {
	for i := range a.encoded {
		if a.encoded[i].Load() == f {
			return true
		}
	}
	return f == &a.WithoutExtensions
}
