package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/coerce"
	"github.com/vektah/gqlparser/v2/ast"
)

// Plan is a validated operation, compiled for one assignment of the variables in its conditions. It is immutable and
// safe for concurrent use. It is as large as the operation with its fragments written out, which is for limits on
// operations to bound before one is compiled.
type Plan struct {
	Operation *ast.OperationDefinition
	Root      *Selection

	schema *ast.Schema
	err    error // of a condition at the root

	// segments are the calls that are planned together: one for a query, one per root field for a mutation. In each the
	// fields are in the order of their levels.
	segments                                 [][]*Field
	selections, calls, pages, classes, parts int // how many of them have a slot
	fields                                   int
	weight                                   int // fields, with those of all parts

	overlaps bool // a field is in several parts

	// In the plan of a part element is the list whose elements a stream delivers, and ready are the parts within it whose
	// parents need no call.
	element *Field
	ready   []*part

	latest atomic.Int64 // bytes of the latest answer
}

// Selection is the selected fields of objects of one type at one position.
type Selection struct {
	Object string
	Fields []*Field

	binding *Object
	slot    int      // of the column of parents; -1 where no field is a call
	leading []*Field // lead to calls and are none
	calls   []*Field

	split *split // nil where all of the selection is delivered at once
}

// Field is one response key of a Selection, all its occurrences in the operation merged.
type Field struct {
	Key    string // response key
	Name   string
	Object string // the type that has the field
	Type   *ast.Type
	Kind   Kind

	// Source is the first occurrence, with the definition of the object type.
	Source *ast.Field
	// Children are the selections of the field's value, one per object type that it may have. A leaf has none.
	Children []*Selection
	// Level is 1 for a call at the root, and one more than that of the call whose results it needs below it; 0 for
	// fields that are no call.
	Level int
	// Next are the calls that need the results of this one.
	Next []*Field

	binding   *Binding
	prefix    []byte // the response key in its JSON form
	constant  []byte
	child     *Selection // the only child of a field that is not abstract
	abstract  func(any) string
	selection *Selection            // where the field is selected
	caller    *Field                // the call whose results have the field
	merged    ast.SelectionSet      // of all occurrences
	scopes    []scope               // the same, each with its @defer
	root      bool                  // of the operation
	stream    *part                 // of the elements that are delivered later; nil where none are
	below     []*part               // whose parents the results of this call have
	context   *graphql.FieldContext // for fields below this one
	parent    *graphql.FieldContext
	id        int // among all fields of the plan
	slot      int // of the call, or of the page
	class     int // fields of one class are one call where their arguments are equal

	static  bool // no variable in the arguments: they are decoded here
	args    map[string]any
	argsErr error
}

// Calls walks the fields that call a resolver, level by level as far as one execution may go on: the roots first, for a
// mutation each root with all that follows it.
func (p *Plan) Calls(yield func(*Field) bool) {
	for _, segment := range p.segments {
		for _, f := range segment {
			if !yield(f) {
				return
			}
		}
	}
}

// compiler turns an operation into a Plan.
type compiler struct {
	schema *Schema
	op     *graphql.OperationContext
	format Format
	plan   *Plan
	class  map[class]int
	roots  []*Field // calls that need the results of no other call of the plan
	// err is that of the first condition without a value below the root field that is compiled.
	err error
}

type class struct {
	binding *Binding
	level   int
}

// position describes the surroundings of a selection.
type position struct {
	root    bool
	caller  *Field
	context *graphql.FieldContext
	roles   map[string]Kind // of the parts of a page
	usages  []*deferral     // the @defers whose part is planned; none for the first part
}

// The parts of a page, by their names in Relay's specification.
var (
	pageRoles = map[string]Kind{"edges": pageEdges, "nodes": pageNodes, "pageInfo": pageInfo, "totalCount": pageTotal}
	edgeRoles = map[string]Kind{"cursor": edgeCursor, "node": edgeNode}
	infoRoles = map[string]Kind{"hasNextPage": infoNext, "hasPreviousPage": infoPrevious, "startCursor": infoStart,
		"endCursor": infoEnd}
)

func compile(schema *Schema, op *graphql.OperationContext, format Format) *Plan {
	c := newCompiler(schema, op, format)
	root := schema.Definition.Query
	switch op.Operation.Operation {
	case ast.Mutation:
		root = schema.Definition.Mutation
	case ast.Subscription:
		root = schema.Definition.Subscription
	}
	c.plan.Root = c.selectionOf(schema.Objects[root.Name], []scope{{set: op.Operation.SelectionSet}},
		position{root: true, context: &graphql.FieldContext{Object: root.Name}})
	return c.finish()
}

func newCompiler(schema *Schema, op *graphql.OperationContext, format Format) *compiler {
	return &compiler{schema: schema, op: op, format: format, class: map[class]int{},
		plan: &Plan{Operation: op.Operation, schema: schema.Definition}}
}

func (c *compiler) finish() *Plan {
	c.segment()
	c.plan.classes = len(c.class)
	c.plan.weight += c.plan.fields
	return c.plan
}

// segment lists the calls in the order of their levels.
func (c *compiler) segment() {
	if c.op.Operation.Operation == ast.Mutation && c.plan.Root != nil && len(c.plan.Root.Fields) > 0 &&
		c.plan.Root.Fields[0].root {
		for _, f := range c.plan.Root.calls {
			c.plan.segments = append(c.plan.segments, breadthFirst([]*Field{f}))
		}
		return
	}
	c.plan.segments = [][]*Field{breadthFirst(c.roots)}
}

func breadthFirst(fields []*Field) []*Field {
	all := append([]*Field(nil), fields...)
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Next...)
	}
	return all
}

func (c *compiler) selectionOf(o *Object, sets []scope, at position) *Selection {
	collector := collector{schema: c.schema.Definition, variables: c.op.Variables, object: o.Name,
		defers: c.format != Whole}
	for _, s := range sets {
		collector.collect(s.set, s.deferral)
	}
	if collector.err != nil {
		c.note(collector.err, at)
		return &Selection{Object: o.Name, binding: o, slot: -1}
	}
	return c.selection(o, collector.groups, collector.deferrals, at)
}

// selection compiles the collected fields. Fields of other parts become plans of their own.
func (c *compiler) selection(o *Object, groups []collected, deferrals []*deferral, at position) *Selection {
	s := &Selection{Object: o.Name, binding: o, slot: -1}
	own, parts := c.divide(groups, at.usages)
	for i, group := range own {
		f := c.field(s, group, at)
		f.prefix = append(f.prefix, `,"`+f.Key+`":`...)
		if i == 0 {
			f.prefix = f.prefix[1:]
		}
		s.Fields = append(s.Fields, f)
		switch {
		case f.Kind == Resolve:
			s.calls = append(s.calls, f)
		case f.leads():
			s.leading = append(s.leading, f)
		}
	}
	if len(s.calls) > 0 {
		s.slot = c.plan.selections
		c.plan.selections++
	}
	if len(parts) > 0 || len(deferrals) > 0 {
		c.split(s, groups, parts, deferrals, at)
	}
	return s
}

// note keeps the error of a condition. The selection at its position is undefined, so that no call may be made for it:
// the root field above fails instead of all fields below.
func (c *compiler) note(err error, at position) {
	if at.root {
		c.plan.err = err
	} else if c.err == nil {
		c.err = err
	}
}

// leads reports whether a call is below the field before another call is.
func (f *Field) leads() bool {
	for _, s := range f.Children {
		if len(s.calls) > 0 || len(s.leading) > 0 || s.split != nil && len(s.split.calling) > 0 {
			return true
		}
	}
	return f.stream != nil && f.stream.calls
}

func (c *compiler) field(s *Selection, group collected, at position) *Field {
	first := group.fields[0]
	c.plan.fields++
	f := &Field{id: c.plan.fields - 1, Key: group.key, Name: first.Name, Object: s.Object, selection: s, caller: at.caller,
		parent: at.context, root: at.root}
	if first.Name == "__typename" {
		f.Type, f.constant, f.Source = ast.NonNullNamedType("String", nil), AppendString(nil, s.Object), first.Field
		return f
	}
	definition := c.schema.Definition.Types[s.Object].Fields.ForName(first.Name)
	if definition == nil {
		definition = first.Definition // __schema and __type
	}
	source := *first.Field
	source.Definition, f.Source, f.Type = definition, &source, definition.Type
	for _, occurrence := range group.fields {
		f.merged = append(f.merged, occurrence.SelectionSet...)
		f.scopes = append(f.scopes, scope{occurrence.SelectionSet, occurrence.deferral})
	}
	c.bind(f, at)
	c.decode(f)
	if f.Kind != Introspect {
		c.children(f, at)
		c.streams(f, at)
	} else {
		c.conditions(f.merged)
	}
	if at.root && c.err != nil {
		f.static, f.argsErr, c.err = true, c.err, nil
	}
	return f
}

// conditions checks those below introspection.
func (c *compiler) conditions(set ast.SelectionSet) {
	collector := collector{variables: c.op.Variables}
	collector.collect(set, nil)
	if collector.err != nil {
		c.note(collector.err, position{})
	}
	for _, group := range collector.groups {
		for _, f := range group.fields {
			c.conditions(f.SelectionSet)
		}
	}
}

// bind sets the field's binding.
func (c *compiler) bind(f *Field, at position) {
	var ok bool
	if at.roles != nil {
		if f.Kind, ok = at.roles[f.Name]; !ok {
			panic(fmt.Sprintf("engine: %s.%s is no part of a page", f.Object, f.Name))
		}
		return
	}
	if f.binding, ok = f.selection.binding.Fields[f.Name]; !ok {
		panic(fmt.Sprintf("engine: %s.%s is not bound", f.Object, f.Name))
	}
	f.Kind = f.binding.Kind
	switch f.Kind {
	case Page:
		f.slot = c.plan.pages
		c.plan.pages++
	case Resolve:
		c.call(f, at)
	}
}

func (c *compiler) call(f *Field, at position) {
	f.slot = c.plan.calls
	c.plan.calls++
	f.Level = 1
	if at.caller != nil {
		f.Level = at.caller.Level + 1
		at.caller.Next = append(at.caller.Next, f)
	} else {
		c.roots = append(c.roots, f)
	}
	key := class{f.binding, f.Level}
	if _, ok := c.class[key]; !ok {
		c.class[key] = len(c.class)
	}
	f.class = c.class[key]
}

// decode decodes arguments that are the same in each execution.
func (c *compiler) decode(f *Field) {
	for _, arg := range f.Source.Arguments {
		if hasVariable(arg.Value) {
			return
		}
	}
	f.static = true
	f.args, f.argsErr = c.plan.arguments(context.Background(), f, c.op)
}

// arguments decodes the arguments of a field.
func (p *Plan) arguments(ctx context.Context, f *Field, op *graphql.OperationContext) (map[string]any, error) {
	if f.Kind != Introspect && (f.binding == nil || f.binding.Args == nil) {
		return nil, nil
	}
	values, err := coerce.Arguments(p.schema, f.Source.Definition.Arguments, f.Source.Arguments, op.Variables)
	if err != nil || f.Kind == Introspect {
		return values, err
	}
	return f.binding.Args(ctx, op, values)
}

func hasVariable(v *ast.Value) bool {
	if v.Kind == ast.Variable {
		return true
	}
	for _, child := range v.Children {
		if hasVariable(child.Value) {
			return true
		}
	}
	return false
}

// children compiles the selections of the field's value.
func (c *compiler) children(f *Field, at position) {
	definition := c.schema.Definition.Types[f.Type.Name()]
	if !definition.IsCompositeType() {
		return
	}
	f.context = &graphql.FieldContext{Parent: at.context, Object: f.Object, Field: f.collected()}
	below := position{caller: at.caller, context: f.context, usages: at.usages}
	switch f.Kind {
	case Resolve:
		if c.plan.element != f {
			below.caller = f
		}
	case Page:
		below.roles = pageRoles
	case pageEdges:
		below.roles = edgeRoles
	case pageInfo:
		below.roles = infoRoles
	}
	if definition.Kind == ast.Object {
		f.child = c.selectionOf(c.schema.Objects[definition.Name], f.scopes, below)
		f.Children = []*Selection{f.child}
		return
	}
	f.abstract = c.schema.Abstract[definition.Name]
	for _, possible := range c.schema.Definition.PossibleTypes[definition.Name] {
		f.Children = append(f.Children, c.selectionOf(c.schema.Objects[possible.Name], f.scopes, below))
	}
}

// collected is the field as gqlgen's runtime shows it to resolvers.
func (f *Field) collected() graphql.CollectedField {
	return graphql.CollectedField{Field: f.Source, Selections: f.merged, IsNonDeferrable: true}
}

// of returns the selection for v: nil where v is a nil pointer.
func (f *Field) of(v any) (*Selection, error) {
	if f.child != nil {
		return f.child, nil
	}
	name := f.abstract(v)
	if name == "" {
		return nil, nil
	}
	for _, s := range f.Children {
		if s.Object == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s is no %s", name, f.Type.Name())
}
