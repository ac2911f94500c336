package gateway

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
)

// form is a whole answer as it is sent under one content coding, again and again: its digest is made once, when somebody
// first asks for it.
type form struct {
	text []byte
	body body
}

func newForm(text []byte, coding string) form {
	pieces := [][]byte{text}
	return form{text: text, body: body{pieces: pieces, size: len(text), coding: coding, length: []string{strconv.Itoa(len(text))},
		sum: sync.OnceValue(func() string { return sumOf(pieces) })}}
}

// packedForms is how many content codings there are.
const packedForms = 3

// packs says whether packed forms of the answer are kept: shorter ones are not sent packed, as a rule.
func (a *Answer) packs() bool { return len(a.plain.text) > DefaultCompressAbove }

// form gives the answer under a coding; "" is as it is. It is packed once, and kept with the answer unless it packs badly:
// all forms together are no larger than the answer.
func (a *Answer) form(coding string) *form {
	i := slices.IndexFunc(coders, func(c coder) bool { return c.name == coding })
	if i < 0 {
		return &a.plain
	}
	if f := a.packed[i].Load(); f != nil {
		return f
	}
	packed := compress(coding, [][]byte{a.plain.text})
	defer release(packed)
	f := newForm(bytes.Clone(packed.Bytes()), coding)
	if a.packs() && len(f.text) <= len(a.plain.text)/packedForms {
		a.packed[i].Store(&f)
	}
	return &f
}

// keeps reports whether a form is kept with the answer, and counted with it.
func (a *Answer) keeps(f *form) bool {
	for i := range a.packed {
		if a.packed[i].Load() == f {
			return true
		}
	}
	return f == &a.plain
}
