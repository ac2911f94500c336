package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/learngraph/learngraph/document"
	"github.com/vektah/gqlparser/v2/ast"
)

// The methods of this file append one value to the answer and report whether it is valid there. False means that an
// error is noted and the value is null in a non-null position: the nearest nullable ancestor truncates the output. The
// rest of an object or list is visited all the same, since each field's error counts and each parent's place does.

var errNull = errors.New("must not be null")

// step is one element of a response path.
type step struct {
	key   string // "" for an index
	index int
}

// write appends an object of which s is selected.
func (x *execution) write(s *Selection, p Parent) bool {
	row := x.row(s)
	if s.split != nil {
		return x.writeSplit(s, row, func(x *execution, f *Field, row int) bool { return x.writeField(f, p, row) },
			func(x *execution, s *Selection) bool { return x.write(s, p) })
	}
	ok := true
	x.buf = append(x.buf, '{')
	for _, f := range s.Fields {
		if x.full() {
			return false
		}
		x.buf = append(x.buf, f.prefix...)
		start, mark := len(x.buf), len(x.records)
		x.path = append(x.path, step{key: f.Key})
		if !(x.permits(f) && x.writeField(f, p, row)) && !x.retract(f.Type, start, mark) {
			ok = false
		}
		x.path = x.path[:len(x.path)-1]
	}
	x.buf = append(x.buf, '}')
	return ok
}

// row is the place of the object that is written now in the column of its selection.
func (x *execution) row(s *Selection) int {
	if s.slot < 0 {
		return 0
	}
	row := x.columns[s.slot].written
	x.columns[s.slot].written++
	return row
}

// members is write for an object that is a part of a page and is not split.
func (x *execution) members(s *Selection, part func(*execution, *Field) bool) bool {
	ok := true
	x.buf = append(x.buf, '{')
	for _, f := range s.Fields {
		if x.full() {
			return false
		}
		x.buf = append(x.buf, f.prefix...)
		ok = x.writeMember(f, func() bool { return part(x, f) }) && ok
	}
	x.buf = append(x.buf, '}')
	return ok
}

// splitMembers is members for any object.
func (x *execution) splitMembers(s *Selection, part func(*execution, *Field) bool) bool {
	if s.split == nil {
		return x.members(s, part)
	}
	return x.writeSplit(s, 0, func(x *execution, f *Field, _ int) bool { return part(x, f) },
		func(x *execution, s *Selection) bool { return x.splitMembers(s, part) })
}

// retract puts null in place of the output since start, removes the records since mark, and reports whether null is
// valid there.
func (x *execution) retract(t *ast.Type, start, mark int) bool {
	x.buf = append(x.buf[:start], "null"...)
	if len(x.records) > mark {
		x.records = truncateRecords(x.records, mark)
	}
	return !t.NonNull || x.onError == Null
}

func (x *execution) writeField(f *Field, p Parent, row int) bool {
	switch f.Kind {
	case Constant:
		x.buf = append(x.buf, f.constant...)
		return true
	case Project:
		return x.writeDocument(f, f.Type, p.Document.Member(f.binding.Member))
	case Regroup:
		return x.write(f.child, p)
	case Page:
		return x.writePage(f, p.Document)
	case Read:
		return x.writeRead(f, p.Value)
	case Resolve:
		v, err := x.outcomes[f.slot].item(row)
		if err != nil {
			return x.fail(f, err)
		}
		if err := x.outcomes[f.slot].partialErrorAt(row); err != nil {
			x.fail(f, err)
		}
		return x.writeValue(f, f.Type, v)
	default:
		return x.introspect(f)
	}
}

// elements appends a list of n elements.
func (x *execution) elements(t *ast.Type, n int, element func(i int) bool) bool {
	ok := true
	last := len(x.path)
	x.path = append(x.path, step{})
	x.buf = append(x.buf, '[')
	for i := range n {
		if x.full() {
			break
		}
		if i > 0 {
			x.buf = append(x.buf, ',')
		}
		x.path[last].index = i
		start, mark := len(x.buf), len(x.records)
		if !element(i) && !x.retract(t.Elem, start, mark) {
			ok = false
		}
	}
	x.buf = append(x.buf, ']')
	x.path = x.path[:last]
	return ok
}

func (x *execution) writeDocument(f *Field, t *ast.Type, v document.Value) bool {
	kind := v.Kind()
	switch {
	case kind == document.KindNull:
		return x.writeNull(f, t, &document.Mismatch{Want: "a value", Got: kind})
	case t.Elem != nil:
		if kind != document.KindArray {
			return x.fail(f, &document.Mismatch{Want: "array", Got: kind})
		}
		if f.stream != nil && t == f.Type {
			return x.streamElements(f, v.Len(), func(x *execution, f *Field, i int) bool {
				return x.writeDocument(f, t.Elem, v.At(i))
			})
		}
		return x.elements(t, v.Len(), func(i int) bool { return x.writeDocument(f, t.Elem, v.At(i)) })
	case f.child == nil:
		return x.writeLeaf(f, v)
	}
	o, err := v.Object()
	if err != nil {
		return x.fail(f, err)
	}
	return x.write(f.child, Parent{Document: o})
}

func (x *execution) writeLeaf(f *Field, v document.Value) bool {
	var (
		out []byte
		err error
	)
	if leaf := f.binding.Leaf; leaf != nil {
		out, err = leaf.Append(x.buf, v)
	} else {
		out, err = f.binding.Text(x.buf, v)
	}
	if err != nil {
		return x.fail(f, err)
	}
	x.buf = out
	return true
}

// writeNull appends null where the type allows it; where it does not, err is the field's error.
func (x *execution) writeNull(f *Field, t *ast.Type, err error) bool {
	if t.NonNull {
		return x.fail(f, err)
	}
	x.buf = append(x.buf, "null"...)
	return true
}

// writeValue appends the value of a call or a read.
func (x *execution) writeValue(f *Field, t *ast.Type, v any) bool {
	if v == nil {
		return x.writeNull(f, t, errNull)
	}
	if t.Elem != nil {
		list := v.([]any)
		if f.stream != nil && t == f.Type {
			return x.streamElements(f, len(list), func(x *execution, f *Field, i int) bool {
				return x.writeValue(f, t.Elem, list[i])
			})
		}
		return x.elements(t, len(list), func(i int) bool { return x.writeValue(f, t.Elem, list[i]) })
	}
	s, err := f.of(v)
	if err != nil {
		return x.fail(f, err)
	}
	if s == nil {
		return x.writeNull(f, t, errNull)
	}
	return x.write(s, s.binding.parent(v))
}

func (x *execution) writeRead(f *Field, parent any) bool {
	switch {
	case f.binding.Append != nil:
		start := len(x.buf)
		if err := x.readLeaf(f, parent); err != nil {
			return x.fail(f, err)
		}
		if f.Type.NonNull && bytes.Equal(x.buf[start:], []byte("null")) {
			return x.fail(f, errNull)
		}
		return f.stream == nil || x.streamLeaves(f, start)
	case f.binding.Object != nil:
		v, err := x.readObject(f, parent)
		if err != nil {
			return x.fail(f, err)
		}
		return x.writeValue(f, f.Type, v)
	}
	return x.writeList(f, parent)
}

// streamLeaves divides a list of leaves, which was written from start on as one text.
func (x *execution) streamLeaves(f *Field, start int) bool {
	var list []json.RawMessage
	if err := json.Unmarshal(x.buf[start:], &list); err != nil || list == nil {
		return true // null
	}
	x.buf = x.buf[:start]
	return x.streamElements(f, len(list), func(x *execution, _ *Field, i int) bool {
		x.buf = append(x.buf, list[i]...)
		return true
	})
}

func (x *execution) writeList(f *Field, parent any) bool {
	base := len(x.stack)
	defer func() { x.stack = x.stack[:base] }()
	n, some, err := x.readList(f, parent)
	if err != nil {
		return x.fail(f, err)
	}
	if !some && !f.Type.NonNull {
		return x.writeNull(f, f.Type, errNull)
	}
	if f.stream != nil {
		list := slices.Clone(x.stack[base:])
		return x.streamElements(f, n, func(x *execution, f *Field, i int) bool {
			return x.writeValue(f, f.Type.Elem, list[i])
		})
	}
	return x.elements(f.Type, n, func(i int) bool { return x.writeValue(f, f.Type.Elem, x.stack[base+i]) })
}

// The three kinds of reads. A panic in one is its error.

func (x *execution) readLeaf(f *Field, parent any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = x.recovered(p)
		}
	}()
	out, err := f.binding.Append(x.ctx, x.buf, parent)
	if err == nil {
		x.buf = out
	}
	return err
}

func (x *execution) readObject(f *Field, parent any) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = x.recovered(p)
		}
	}()
	return f.binding.Object(x.ctx, parent)
}

// readList puts the elements on the stack.
func (x *execution) readList(f *Field, parent any) (n int, some bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = x.recovered(p)
		}
	}()
	base := len(x.stack)
	list, some, err := f.binding.List(x.ctx, x.stack, parent)
	if err != nil {
		return 0, false, err
	}
	x.stack = list
	return len(list) - base, some, nil
}
