package upstream

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/footprint"
)

// Record is one record of a backend, pruned to a shape. Every member of the zero Record is null.
type Record struct {
	// Key is the key by which the backend reads the record, "" if the record shows none.
	Key string
	// Bare is set if a list showed nothing but the key.
	Bare bool
	doc  *document.Document
}

// RecordType describes the records of one type.
type RecordType struct {
	Shape *document.Shape
	// Keys are the members that may hold a record's key, the first choice first.
	Keys []int
}

// Read reads an object. Any other value is skipped and returns the zero Record.
func (t *RecordType) Read(r *document.Reader) (Record, error) {
	if r.Kind() != document.KindObject {
		return Record{}, r.Skip()
	}
	d, err := r.Document(t.Shape)
	record := Record{doc: d}
	if err == nil {
		record.Key = record.key(t.Keys)
	}
	return record, err
}

// ReadEntry reads an object in the manner of Read, or a text that is the record's key alone.
func (t *RecordType) ReadEntry(r *document.Reader) (Record, error) {
	if r.Kind() != document.KindString {
		return t.Read(r)
	}
	var key string
	err := r.Decode(&key)
	return Record{Key: key, Bare: key != ""}, err
}

// Parse reads the text of MarshalJSON.
func (t *RecordType) Parse(data []byte) (Record, error) {
	r := document.NewReader(data)
	record, err := t.ReadEntry(r)
	if err == nil {
		err = r.End()
	}
	return record, err
}

// ReadRequested reads a body that is one record. One without a key, or with another than was asked for, breaks the
// contract.
func (t *RecordType) ReadRequested(resp *Response, isRequested func(key string) bool) (Record, error) {
	r, err := resp.Document()
	if err != nil {
		return Record{}, err
	}
	if r.Kind() != document.KindObject {
		return Record{}, ContractError("the body is not a record")
	}
	record, err := t.Read(r)
	switch {
	case err != nil:
		return Record{}, err
	case isRequested(record.Key):
		return record, r.End()
	case record.Key != "":
		return Record{}, ContractError("the record is not the requested one")
	}
	var object map[string]json.RawMessage
	if err := DecodeJSON(resp.Body, &object); err != nil {
		return Record{}, err
	}
	return Record{}, ContractError("the record has no " + t.Shape.Members[t.Keys[len(t.Keys)-1]].Name)
}

// ReadRecords reads the elements of an array.
func ReadRecords[T ~struct{ Record }](r *document.Reader,
	read func(*document.Reader) (Record, error)) (items []*T, err error) {
	items = []*T{}
	err = r.Elements(func(int) error {
		record, err := read(r)
		items = append(items, &T{record})
		return err
	})
	return items, err
}

// Value returns the member i of the shape.
func (r Record) Value(i int) document.Value {
	if r.doc == nil {
		return document.Value{}
	}
	return r.doc.Root().Member(i)
}

// key returns the first of the members that is a text or an integral number and not empty, or "".
func (r Record) key(members []int) string {
	for _, i := range members {
		if id, err := r.Value(i).ID(); err == nil && id != "" {
			return id
		}
	}
	return ""
}

// MarshalJSON writes the record without undeclared members.
func (r Record) MarshalJSON() ([]byte, error) {
	switch {
	case r.Bare:
		return json.Marshal(r.Key)
	case r.doc == nil:
		return []byte("{}"), nil
	}
	return bytes.Clone(r.doc.JSON()), nil
}

// Size returns the memory that the record takes, in bytes.
func (r Record) Size() int {
	n := footprint.Of[Record]() + footprint.Text(r.Key)
	if r.doc != nil {
		n += r.doc.Size()
	}
	return n
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

// SourceKey returns the backend's own key of a record, which every record must show.
func SourceKey(b Backend, key string) (string, error) {
	if key == "" {
		return "", &Error{Backend: b, Kind: Contract, Err: errors.New("a record has no key")}
	}
	return key, nil
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
