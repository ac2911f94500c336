// Package document keeps one JSON object as bytes that are checked, pruned and indexed in a single pass, and reads
// values from them without decoding. It knows JSON and nothing of GraphQL.
//
// A [Shape] declares which members an object keeps. These rules hold for every [Document]:
//
//   - Grammar. The text is RFC 8259 to the letter: no trailing comma, no leading zero, no control character in a
//     string, nothing but white space after the end. A byte order mark before the text is passed over. Depth and size
//     are bounded. An error has the offset, never a part of the text.
//   - Pruning. A member that its shape does not declare is checked and dropped before anything is kept, at every depth.
//     Where a declared leaf holds an object, only {} stays of it, in an array too; where a declared object holds a
//     scalar, only its kind stays: "", 0 or false. So no undeclared byte survives. Below a [Member.JSON] everything is
//     kept.
//   - Names match exactly, after their escapes are resolved. Of several members with one name the last wins, a null
//     too. Below a [Member.JSON] repeated members stay as they were sent.
//   - Strings keep their escapes; only invalid UTF-8 and lone surrogate escapes are rewritten, to U+FFFD. Numbers keep
//     the form in which they were sent. Nulls stay in the text.
//   - Objects of one [Shape.Key] are completed by each other: they are one object, wherever the text has it. A
//     member of several of them has the value in the one with the most members that are not null.
//   - Arrays nest, and every object in them has the shape of the member.
package document

// indexed marks a reference to a position in a Document's index; without it a reference is an offset in the text.
const indexed = 1 << 31

// maxText is the largest pruned text, in bytes, that a reference can address.
const maxText = indexed - 1

// Document is one pruned JSON object. It is immutable and safe for concurrent use.
type Document struct {
	text []byte

	// index holds one entry per object with a member that is not null, and one per array with an element; all other values
	// are references to the text. Children precede their parents, but for objects that were completed.
	//
	//	object: offset in the text, one bit per member of the shape, a reference per set bit
	//	array:  offset in the text, number of elements, a reference per element
	index []uint32

	shape *Shape
	root  uint32
}

// documentSize is the size of a Document without its text and index, in bytes.
const documentSize = 64

// JSON returns the pruned text: valid and compact, nulls included. Parsing it with the same shape returns an equal
// Document. The bytes belong to d and must not be changed.
func (d *Document) JSON() []byte { return d.text[:len(d.text):len(d.text)] }

// Size returns the bytes that d holds.
func (d *Document) Size() int { return documentSize + cap(d.text) + 4*cap(d.index) }

// Root returns the object that d is.
func (d *Document) Root() Object { return Object{d, d.shape, d.root} }

// offset returns the offset in the text of the value of ref.
func (d *Document) offset(ref uint32) uint32 {
	if ref&indexed != 0 {
		return d.index[ref&^indexed]
	}
	return ref
}

// Object is a handle on one object of a Document; reading it allocates nothing. Its shape is in the handle and not in
// the index, which saves a word per object there: a caller has the shape before it looks a member up.
type Object struct {
	d     *Document
	shape *Shape
	ref   uint32
}

// IsZero reports whether o is the zero Object, which has no shape and no members.
func (o Object) IsZero() bool { return o.d == nil }

// Document returns the Document that o is a part of.
func (o Object) Document() *Document { return o.d }

// Shape returns the shape that o was pruned to.
func (o Object) Shape() *Shape { return o.shape }

// Member returns the member i of the shape's Members. One that is absent is the null Value, like one that is null. An i
// that the shape does not have panics.
func (o Object) Member(i int) Value {
	shape := o.shape.Members[i].Shape
	if o.ref&indexed == 0 {
		return Value{}
	}
	ref, ok := memberRef(o.d.index, o.ref, len(o.shape.Members), i)
	if !ok {
		return Value{}
	}
	return Value{o.d, shape, ref}
}

// bitmapLength returns how many words of an object's index entry hold the bits of n members.
func bitmapLength(n int) int { return (n + 31) / 32 }

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of JSON values. KindInvalid is the result of [Reader.Kind] where no value begins.
const (
	KindNull Kind = iota
	KindBoolean
	KindNumber
	KindString
	KindArray
	KindObject
	KindInvalid
)

// String returns the name of k as error messages show it.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object", "invalid"}[k]
}

// kindOf maps the first byte of a value to its kind.
var kindOf = func() (kinds [256]Kind) {
	for c := range kinds {
		kinds[c] = KindInvalid
	}
	for _, c := range "-0123456789" {
		kinds[c] = KindNumber
	}
	kinds['n'], kinds['t'], kinds['f'] = KindNull, KindBoolean, KindBoolean
	kinds['"'], kinds['['], kinds['{'] = KindString, KindArray, KindObject
	return kinds
}()

// Value is a handle on one value of a Document; reading it allocates nothing unless it must build a string. The zero
// Value is null.
type Value struct {
	d     *Document
	shape *Shape // of the object, or of the objects in the list, that the value is
	ref   uint32
}

// Kind returns the kind of v.
func (v Value) Kind() Kind {
	if v.d == nil {
		return KindNull
	}
	return kindOf[v.d.text[v.d.offset(v.ref)]]
}

// Raw returns v's JSON text. The bytes belong to the Document and must not be changed.
func (v Value) Raw() []byte {
	if v.d == nil {
		return []byte("null")
	}
	start := int(v.d.offset(v.ref))
	end := ValueEnd(v.d.text, start)
	return v.d.text[start:end:end]
}

// Len returns the number of elements of an array, and 0 for everything else.
func (v Value) Len() int {
	if v.ref&indexed == 0 || v.Kind() != KindArray {
		return 0
	}
	return int(v.d.index[v.ref&^indexed+1])
}

// At returns element i of an array; an i outside of 0 to Len()-1 panics.
func (v Value) At(i int) Value {
	first, n := int(v.ref&^indexed)+2, v.Len()
	if n == 0 {
		panic("document: At of a value without elements")
	}
	return Value{v.d, v.shape, v.d.index[first : first+n][i]}
}

// Object returns the object that v is; for every other kind, and for an object below a leaf, the error is a *Mismatch.
func (v Value) Object() (Object, error) {
	if kind := v.Kind(); kind != KindObject || v.shape == nil {
		return Object{}, &Mismatch{Want: "object", Got: kind}
	}
	return Object(v), nil
}
