package upstream

import (
	"bytes"
	"encoding/json"

	"github.com/learngraph/learngraph/document"
)

// Record is one record of a backend, pruned to a shape. Every member of the zero Record is null.
type Record struct{ doc *document.Document }

// ReadRecord reads an object. Any other value is skipped and returns the zero Record.
func ReadRecord(r *document.Reader, shape *document.Shape) (Record, error) {
	if r.Kind() != document.KindObject {
		return Record{}, r.Skip()
	}
	d, err := r.Document(shape)
	return Record{d}, err
}

// ParseRecord reads a text that is one object.
func ParseRecord(data []byte, shape *document.Shape) (Record, error) {
	d, err := document.Parse(data, shape)
	return Record{d}, err
}

// Value returns the member i of the shape.
func (r Record) Value(i int) document.Value {
	if r.doc == nil {
		return document.Value{}
	}
	return r.doc.Root().Member(i)
}

// Key returns the first of the members that is a text or an integral number and not empty, or "".
func (r Record) Key(members ...int) string {
	for _, i := range members {
		if id, err := r.Value(i).ID(); err == nil && id != "" {
			return id
		}
	}
	return ""
}

// JSON returns a copy of the pruned text.
func (r Record) JSON() []byte {
	if r.doc == nil {
		return []byte("{}")
	}
	return bytes.Clone(r.doc.JSON())
}

// Size returns the memory that the record takes besides itself, in bytes.
func (r Record) Size() int {
	if r.doc == nil {
		return 0
	}
	return r.doc.Size()
}

// Optional reads a value that may be null. An error is a Mismatch of the backend.
func Optional[T any](b Backend, v document.Value, read func(document.Value) (T, error)) (*T, error) {
	t, err := document.Optional(v, read)
	if err != nil {
		return nil, &Error{Backend: b, Kind: Mismatch, Err: err}
	}
	return t, nil
}

// RawJSON returns the text of any value, and nil of null.
func RawJSON(v document.Value) json.RawMessage {
	if v.Kind() == document.KindNull {
		return nil
	}
	return v.Raw()
}

// FirstOf returns the first of the values that is not null.
func FirstOf(values ...document.Value) document.Value {
	for _, v := range values {
		if v.Kind() != document.KindNull {
			return v
		}
	}
	return document.Value{}
}

// Moment reads a time: a text as it was sent, or the digits of a number.
func Moment(v document.Value) (string, error) {
	if v.Kind() == document.KindNumber {
		return string(v.Raw()), nil
	}
	return v.Text()
}
