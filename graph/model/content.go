// Package model holds the Go types behind the schema: the documents of Thought Industries with an accessor method per
// field, and the connections, inputs, payloads and enums. Most of it is generated.
package model

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// choice is an enum that gqlgen generates.
type choice interface {
	~string
	IsValid() bool
}

func enum[T choice](v document.Value) (T, error) {
	text, err := v.Text()
	if err != nil {
		return "", err
	}
	if t := T(text); t.IsValid() {
		return t, nil
	}
	return "", &document.Mismatch{Want: "a value that the schema names", Got: v.Kind()}
}

func rawJSON(v document.Value) (json.RawMessage, error) {
	if v.Kind() == document.KindNull {
		return nil, nil
	}
	return v.Raw(), nil
}

func required[T any](v document.Value, read func(document.Value) (T, error)) (T, error) {
	if v.Kind() == document.KindNull {
		var zero T
		return zero, &document.Mismatch{Want: "a value", Got: document.KindNull}
	}
	return read(v)
}

func globalID(t scalar.NodeType, v document.Value) (string, error) {
	key, err := required(v, document.Value.ID)
	if err != nil {
		return "", err
	}
	return scalar.EncodeID(t, key), nil
}

func object[T any](v document.Value, wrap func(document.Object) *T) (*T, error) {
	if v.Kind() == document.KindNull {
		return nil, nil
	}
	o, err := v.Object()
	if err != nil {
		return nil, err
	}
	return wrap(o), nil
}

func objects[T any](ctx context.Context, v document.Value, wrap func(document.Object) *T) []*T {
	list, errs := document.Nodes(v, wrap)
	addElementErrors(ctx, list == nil, errs)
	return list
}

func leaves[T any](ctx context.Context, v document.Value, read func(document.Value) (T, error)) []*T {
	list, errs := document.Leaves(v, read)
	addElementErrors(ctx, list == nil, errs)
	return list
}

// addElementErrors reports each broken element at its own place, so that the others arrive, and a value that is no list
// at the list's.
func addElementErrors(ctx context.Context, whole bool, errs []error) {
	for i, err := range errs {
		if err == nil {
			continue
		}
		path := slices.Clone(graphql.GetPath(ctx))
		if !whole {
			path = append(path, ast.PathIndex(i))
		}
		graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path})
	}
}

// ClientKeys are the keys of a client in a license or learning path.
type ClientKeys struct{ document.Object }

// Key returns the first of the keys that is there, and the client's member that it is; "" is none.
func (k ClientKeys) Key() (member, key string, err error) {
	for i, m := range k.Shape().Members {
		text, err := document.Optional(k.Member(i), document.Value.ID)
		switch {
		case err != nil:
			return "", "", err
		case text != nil && *text != "":
			return m.Name, *text, nil
		}
	}
	return "", "", nil
}

// embeddedList is an array of a document that the schema shows as a connection.
type embeddedList[T any] struct {
	list    string
	parent  document.Value // its id
	value   document.Value
	wrap    func(document.Object) *T
	filters []filter[T]
}

// filter keeps the elements whose field has one of the requested values; nil keeps all.
type filter[T any] struct {
	bound string
	keep  func(*T) bool
}

func filterBy[T any, E choice](name string, requested []E, field func(*T) (*E, error)) filter[T] {
	if requested == nil {
		return filter[T]{bound: Bound(name, requested)}
	}
	return filter[T]{bound: Bound(name, requested), keep: func(t *T) bool {
		got, err := field(t)
		return err == nil && got != nil && slices.Contains(requested, *got)
	}}
}

type embedded[T any] struct {
	nodes   []*T
	cursors []string
	info    *PageInfo
	total   int
}

// embeddedPage is one page of an embedded list. The list is all there, so that totals and hasNextPage are exact. Where
// the backend embedded no list there is no page.
func embeddedPage[T any](ctx context.Context, l embeddedList[T], first *int, after *string) (*embedded[T], error) {
	size, err := scalar.First(first, 0)
	if err != nil {
		return nil, err
	}
	cursors := l.cursors()
	offset, err := cursors.Offset(after)
	if err != nil {
		return nil, err
	}
	list, errs := document.Nodes(l.value, l.wrap)
	if list == nil {
		return nil, errors.Join(errs...)
	}
	kept := l.matching(list)
	start := min(offset, len(kept))
	end := min(start+size, len(kept))
	page := &embedded[T]{total: len(kept), nodes: make([]*T, 0, end-start), cursors: make([]string, 0, end-start)}
	for i := start; i < end; i++ {
		index := kept[i]
		if index < len(errs) && errs[index] != nil {
			addNodeError(ctx, len(page.nodes), errs[index])
		}
		page.nodes = append(page.nodes, list[index])
		page.cursors = append(page.cursors, cursors.Cursor(i+1))
	}
	page.info = NewPageInfo(page.cursors, end < len(kept), after != nil)
	return page, nil
}

func addNodeError(ctx context.Context, i int, err error) {
	path := append(slices.Clone(graphql.GetPath(ctx)), ast.PathName("nodes"), ast.PathIndex(i))
	graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path})
}

func (l embeddedList[T]) cursors() EmbeddedCursors {
	filters := make([]string, len(l.filters))
	for i, f := range l.filters {
		filters[i] = f.bound
	}
	return NewEmbeddedCursors(l.list, l.parent, filters...)
}

// EmbeddedCursors are the cursors of one array of one document.
type EmbeddedCursors struct{ cursor scalar.Cursor }

// NewEmbeddedCursors binds cursors to the parent's id and the filters: a cursor of one client's courses does not
// continue another's.
func NewEmbeddedCursors(list string, parent document.Value, filters ...string) EmbeddedCursors {
	bounds := append([]string{string(parent.Raw())}, filters...)
	return EmbeddedCursors{scalar.Cursor{List: list, Bound: bounds}}
}

// Offset is the number of elements before the page that begins behind after; nil is the list's start.
func (c EmbeddedCursors) Offset(after *string) (int, error) {
	at, err := scalar.After(after, c.cursor.List, c.cursor.Bound...)
	return at.Offset, err
}

// Cursor is that of the n-th element, counted from 1.
func (c EmbeddedCursors) Cursor(n int) string {
	at := c.cursor
	at.Offset = n
	return at.Encode()
}

// Bound is a filter as cursors are bound to it.
func Bound[E ~string](name string, requested []E) string {
	if requested == nil {
		return name
	}
	bound := name + "="
	for _, w := range requested {
		bound += strconv.Quote(string(w))
	}
	return bound
}

// Names are the values of an enum as texts; nil stays nil.
func Names[E ~string](values []E) []string {
	if values == nil {
		return nil
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return names
}

// matching are the places of the elements that pass every filter. An element that is no object passes none.
func (l embeddedList[T]) matching(list []*T) []int {
	kept := make([]int, 0, len(list))
	for i, node := range list {
		if l.passes(node) {
			kept = append(kept, i)
		}
	}
	return kept
}

func (l embeddedList[T]) passes(node *T) bool {
	for _, f := range l.filters {
		if f.keep != nil && (node == nil || !f.keep(node)) {
			return false
		}
	}
	return true
}

// NewPageInfo is the page info of a page with these cursors.
func NewPageInfo(cursors []string, more, continued bool) *PageInfo {
	info := &PageInfo{HasNextPage: more, HasPreviousPage: continued}
	if len(cursors) > 0 {
		info.StartCursor, info.EndCursor = &cursors[0], &cursors[len(cursors)-1]
	}
	return info
}
