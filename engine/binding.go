package engine

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/vektah/gqlparser/v2/ast"
)

// Schema describes how the fields of every object type are read. It is generated next to the executable schema, and
// safe for concurrent use.
type Schema struct {
	Definition *ast.Schema
	Objects    map[string]*Object

	// Abstract returns, by interface or union, the object type of a Go value; "" for a nil pointer in it.
	Abstract map[string]func(v any) string
}

// Object is the binding of one object type.
type Object struct {
	Name   string
	Fields map[string]*Binding

	// Document returns the document behind a Go value of the type; nil where the type is no document.
	Document func(v any) document.Object
}

// Named returns the binding of another type that has its fields as o has.
func (o *Object) Named(name string) *Object {
	return &Object{Name: name, Fields: o.Fields, Document: o.Document}
}

// parent makes the handle of v, which is a non-nil value of the type.
func (o *Object) parent(v any) Parent {
	if o.Document != nil {
		return Parent{Document: o.Document(v)}
	}
	return Parent{Value: v}
}

// Parent is one object whose fields are asked for: a document or a Go value, as its type is bound.
type Parent struct {
	Document document.Object
	Value    any
}

// Kind is how a field is had.
type Kind uint8

// The kinds of fields.
const (
	Constant   Kind = iota // __typename
	Project                // a member of a document
	Regroup                // the same document under another type
	Page                   // a page of a member of a document
	Read                   // a field or method of a Go value
	Resolve                // a call for many parents
	Introspect             // answered from the schema's definition

	// The parts of a Page; the engine makes these values itself, whatever the types in the schema are bound to.
	pageEdges
	pageNodes
	pageInfo
	pageTotal
	edgeCursor
	edgeNode
	infoNext
	infoPrevious
	infoStart
	infoEnd
)

// Binding describes how the engine gets the value of a field. The kind decides which members are set, with whether the
// type of the field is a leaf, an object or a list.
type Binding struct {
	Kind Kind

	// Project and Page: the member's number in the shape.
	Member int
	// Project, leaves only: the type of the member.
	Leaf *document.Leaf
	// Project, in place of Leaf: appends the JSON of a member that is not null.
	Text func(dst []byte, v document.Value) ([]byte, error)
	// Page.
	Connection *Connection

	// Read of a leaf: appends its JSON. A list of leaves is one leaf here.
	Append func(ctx context.Context, dst []byte, parent any) ([]byte, error)
	// Read of an object: a nil interface is null.
	Object func(ctx context.Context, parent any) (any, error)
	// Read of a list of objects: appends its elements, nil interfaces for nulls; false is a null list.
	List func(ctx context.Context, dst []any, parent any) ([]any, bool, error)

	// Resolve: the results in the order of the parents, nil interfaces for nulls, a []any each where the field is a list.
	// The error is as gqlgen's batch resolvers give it. The roots have one zero Parent.
	Resolve func(ctx context.Context, parents []Parent, args map[string]any) ([]any, error)
	// Resolve and Page with arguments: decodes them.
	Args func(ctx context.Context, op *graphql.OperationContext, raw map[string]any) (map[string]any, error)
}

// Connection pages through a list of objects in a document as Relay's connections do. The arguments are decoded ones.
type Connection struct {
	// Filters keep an element where each of them does.
	Filters []Filter
	// Size is the greatest number of elements on the page.
	Size func(args map[string]any) (int, error)
	// After is the number of elements before the page, and whether it comes from a cursor.
	After func(parent document.Object, args map[string]any) (int, bool, error)
	// Cursor names the element behind the first n-1 that the filters keep.
	Cursor func(parent document.Object, args map[string]any, n int) string
}

// Filter keeps the elements whose member is one of the requested names.
type Filter struct {
	Member int
	Leaf   *document.Leaf
	// Values is nil where the argument does not filter.
	Values func(args map[string]any) []string
}

// Pointers returns v as a column of results.
func Pointers[T any](v []*T) []any { return AppendPointers(make([]any, 0, len(v)), v) }

// AppendPointers appends the elements of v, nil interfaces for nil pointers.
func AppendPointers[T any](dst []any, v []*T) []any {
	for _, p := range v {
		dst = append(dst, Pointer(p))
	}
	return dst
}

// Pointer returns a nil interface for a nil pointer.
func Pointer[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

// Interfaces returns the elements of v as a list.
func Interfaces[T any](v []T) any {
	if v == nil {
		return nil
	}
	list := make([]any, len(v))
	for i := range v {
		list[i] = v[i]
	}
	return list
}

// One returns the column of a call with one parent.
func One(v any, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	return []any{v}, nil
}

// Values returns the Go values of a column.
func Values[T any](parents []Parent) []*T {
	list := make([]*T, len(parents))
	for i, p := range parents {
		list[i] = p.Value.(*T)
	}
	return list
}

// Documents wraps the documents of a column.
func Documents[T any](parents []Parent, wrap func(document.Object) T) []*T {
	all := make([]T, len(parents))
	list := make([]*T, len(parents))
	for i, p := range parents {
		all[i] = wrap(p.Document)
		list[i] = &all[i]
	}
	return list
}
