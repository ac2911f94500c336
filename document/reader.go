package document

import (
	"encoding/json"
	"errors"
)

// maxDepth is the greatest nesting of a text: arrays and objects inside each other.
const maxDepth = 64

// Reader walks one JSON text forward. It reads the envelope of a backend's answer, and the Documents in it.
//
// A value of an unexpected kind is a *Mismatch and stays unread, so that it can be skipped. Every other error ends the
// reading: each later call returns it again.
type Reader struct {
	// Unknown is called once for each member of a shape that a text has and the shape does not declare, and for no more
	// than 1,000 of a text; name is valid during the call. It is not called for members below one that is undeclared or
	// JSON.
	Unknown func(shape *Shape, name []byte)

	unknown unknowns
	src     source
	pos     int
	depth   int
	err     error
}

// NewReader returns a Reader of data, which must not change while it is read. A byte order mark is passed over.
func NewReader(data []byte) *Reader {
	r := &Reader{src: source{data}}
	if len(data) >= 3 && data[0] == 0xEF && data[1] == 0xBB && data[2] == 0xBF {
		r.pos = 3
	}
	r.pos = r.src.space(r.pos)
	return r
}

// Parse reads data, which must be one object and nothing else, into a Document.
func Parse(data []byte, s *Shape) (*Document, error) {
	r := NewReader(data)
	d, err := r.Document(s)
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return d, nil
}

// Kind returns the kind of the next value, by its first byte; KindInvalid where none begins.
func (r *Reader) Kind() Kind {
	if r.err != nil || r.pos >= len(r.src.data) {
		return KindInvalid
	}
	return kindOf[r.src.data[r.pos]]
}

// Members reads an object. It calls visit with each member's name, whose bytes are valid during the call; visit reads
// the value or leaves it to be skipped. Repeated names are visited each time.
func (r *Reader) Members(visit func(name []byte) error) error {
	var scratch []byte
	return r.container(KindObject, func(int) error {
		if r.Kind() != KindString {
			return r.fail(r.src.unexpected(r.pos, "a member name"))
		}
		name, next, err := r.src.name(r.pos, &scratch)
		if err != nil {
			return r.fail(err)
		}
		if r.pos, err = r.src.colon(next); err != nil {
			return r.fail(err)
		}
		return r.visit(func() error { return visit(name) })
	})
}

// Elements reads an array. It calls visit with each element's number; visit reads the element or leaves it to be
// skipped.
func (r *Reader) Elements(visit func(i int) error) error {
	return r.container(KindArray, func(i int) error {
		return r.visit(func() error { return visit(i) })
	})
}

// container reads the brackets and commas of an object or array around its items.
func (r *Reader) container(kind Kind, item func(i int) error) error {
	if err := r.expect(kind); err != nil {
		return err
	}
	if err := r.src.enter(r.pos, r.depth+1); err != nil {
		return r.fail(err)
	}
	closing := r.src.data[r.pos] + 2 // in ASCII both closing brackets are two after the opening ones
	r.pos = r.src.space(r.pos + 1)
	if r.pos < len(r.src.data) && r.src.data[r.pos] == closing {
		r.pos = r.src.space(r.pos + 1)
		return nil
	}
	r.depth++
	for i := 0; ; i++ {
		if err := item(i); err != nil {
			return err
		}
		next, more, err := r.src.next(r.pos, closing)
		if err != nil {
			return r.fail(err)
		}
		if r.pos = next; !more {
			r.depth--
			r.pos = r.src.space(r.pos)
			return nil
		}
	}
}

// visit lets the caller read one value, and skips it where it did not.
func (r *Reader) visit(read func() error) error {
	before := r.pos
	if err := read(); err != nil {
		return r.fail(err)
	}
	if r.err == nil && r.pos == before {
		return r.Skip()
	}
	return r.err
}

// Document reads the next value, an object, into a Document with buffers of its own.
func (r *Reader) Document(s *Shape) (*Document, error) {
	if err := r.expect(KindObject); err != nil {
		return nil, err
	}
	r.unknown.report = r.Unknown
	d, next, err := prune(&r.src, r.pos, r.depth+1, s, &r.unknown)
	if err != nil {
		return nil, r.fail(err)
	}
	r.pos = r.src.space(next)
	return d, nil
}

// errType replaces the error of a value that does not fit its Go type, which quotes the value.
var errType = errors.New("document: value does not fit its Go type")

// Decode reads the next value into v with encoding/json, for small values. A value that does not fit v is an error, but
// it is read.
func (r *Reader) Decode(v any) error {
	start := r.pos
	if err := r.Skip(); err != nil {
		return err
	}
	if err := json.Unmarshal(r.src.data[start:r.pos], v); err != nil {
		return errType
	}
	return nil
}

// Skip checks the next value and passes over it.
func (r *Reader) Skip() error {
	if r.err != nil {
		return r.err
	}
	next, err := r.src.skip(r.pos, r.depth+1)
	if err != nil {
		return r.fail(err)
	}
	r.pos = r.src.space(next)
	return nil
}

// End reports whether the text ends here; only white space may follow the last value.
func (r *Reader) End() error {
	if r.err == nil && r.pos < len(r.src.data) {
		return r.fail(r.src.unexpected(r.pos, "the end of the text"))
	}
	return r.err
}

// expect checks the kind of the next value without reading it.
func (r *Reader) expect(want Kind) error {
	if r.err != nil {
		return r.err
	}
	if got := r.Kind(); got == KindInvalid {
		return r.fail(r.src.unexpected(r.pos, "a value"))
	} else if got != want {
		return &Mismatch{Want: want.String(), Got: got}
	}
	return nil
}

// fail makes err the end of the reading.
func (r *Reader) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}
