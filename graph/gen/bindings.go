package main

import (
	"fmt"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/99designs/gqlgen/plugin"
	"github.com/vektah/gqlparser/v2/ast"
)

// bindings writes how the engine has each field of each object type, next to the executable schema: content from the
// members of documents, everything else by the methods and resolvers that gqlgen itself would call. A wrong binding
// does not compile.
type bindings struct{}

var _ plugin.CodeGenerator = (*bindings)(nil)

func (*bindings) Name() string { return "bindings" }

func (*bindings) GenerateCode(data *codegen.Data) error {
	b := newBinder(data)
	return templates.Render(templates.Options{
		PackageName:     data.Config.Exec.Package,
		Filename:        filepath.Join(filepath.Dir(data.Config.Exec.Filename), "bindings_gen.go"),
		Data:            b,
		Template:        bindingsTemplate,
		GeneratedHeader: true,
		Packages:        data.Config.Packages,
	})
}

// binder is the template's data.
type binder struct {
	*codegen.Data
	model  string
	owners map[string]string
	shapes map[string]contentShape
}

func newBinder(data *codegen.Data) *binder {
	b := &binder{Data: data, model: data.Config.Model.ImportPath(), owners: shapeOwner(data.Schema),
		shapes: map[string]contentShape{}}
	for _, s := range newContentData(data.Schema).Shapes {
		b.shapes[s.Name] = s
	}
	return b
}

// Bound are the object types of the schema, without those of introspection.
func (b *binder) Bound() []*codegen.Object {
	return slices.DeleteFunc(slices.Clone(b.Objects), func(o *codegen.Object) bool { return o.IsReserved() })
}

// Enums are the enums that occur in documents.
func (b *binder) Enums() []*ast.Definition {
	var enums []*ast.Definition
	for _, name := range contentTypes(b.Schema) {
		for _, f := range b.Schema.Types[name].Fields {
			if d := b.Schema.Types[f.Type.Name()]; d.Kind == ast.Enum && !slices.Contains(enums, d) {
				enums = append(enums, d)
			}
		}
	}
	return enums
}

// Abstracts are the interfaces and unions, in order.
func (b *binder) Abstracts() []*codegen.Interface {
	var all []*codegen.Interface
	for name, i := range b.Interfaces {
		if !strings.HasPrefix(name, "__") {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, c *codegen.Interface) int { return strings.Compare(a.Name, c.Name) })
	return all
}

// Document is the function that returns the document behind a value of the type; empty where the type is none.
func (b *binder) Document(o *codegen.Object) string {
	if b.owners[o.Name] == "" {
		return ""
	}
	return fmt.Sprintf("Document: func(v any) document.Object { return v.(%s).Object },", goType(o.Reference()))
}

// Binding is the source of one field's binding.
func (b *binder) Binding(o *codegen.Object, f *codegen.Field) string {
	switch {
	case f.IsReserved():
		return "{Kind: engine.Introspect}"
	case o.Root:
		return b.root(f)
	case f.IsBatch():
		return b.batch(f)
	case b.owners[o.Name] != "":
		return b.content(o.Name, f)
	}
	return b.read(f)
}

// args is the decoder of a field's arguments.
func args(f *codegen.Field) string {
	if len(f.Args) == 0 {
		return ""
	}
	return fmt.Sprintf(
		`Args: func(ctx context.Context, op *graphql.OperationContext, raw map[string]any) (map[string]any, error) {
		return newExecutionContext(op, e, nil).%s(ctx, raw)
	},`, f.ArgsFunc())
}

func argument(a *codegen.FieldArgument) string {
	return fmt.Sprintf("args[%q].(%s)", a.Name, goType(a.TypeReference.GO))
}

func callArguments(f *codegen.Field, first ...string) string {
	for _, a := range f.Args {
		first = append(first, argument(a))
	}
	return strings.Join(first, ", ")
}

func goType(t types.Type) string { return templates.CurrentImports.LookupType(t) }

func (b *binder) root(f *codegen.Field) string {
	result := "engine.Pointer(v)"
	switch {
	case f.TypeReference.IsSlice() && isInterface(f.TypeReference.Elem().GO):
		result = "engine.Interfaces(v)"
	case f.TypeReference.IsSlice():
		result = "engine.List(v)"
	case isInterface(f.TypeReference.GO):
		result = "v"
	}
	b.mustBeComposite(f)
	method := resolver(f.Object) + "." + f.GoFieldName
	if !f.IsResolver {
		method = "subgraph(e.Resolvers)." + templates.ToGo(f.Name) // gqlgen has no resolver for _entities and _service
	}
	return fmt.Sprintf(
		`{Kind: engine.Resolve, %s Resolve: func(ctx context.Context, _ []engine.Parent, args map[string]any) ([]any, error) {
		v, err := %s(%s)
		return engine.One(%s, err)
	}}`, args(f), method, callArguments(f, "ctx"), result)
}

func resolver(o *codegen.Object) string { return "e.Resolvers." + templates.UcFirst(o.Name) + "()" }

func (b *binder) batch(f *codegen.Field) string {
	b.mustBeComposite(f)
	if f.TypeReference.IsSlice() {
		panic("gen: no binding for a batch resolver of lists: " + qualifiedName(f))
	}
	parents := fmt.Sprintf("engine.Values[%s](parents)", goType(deref(f.Object.Reference())))
	if b.owners[f.Object.Name] != "" {
		t := goType(deref(f.Object.Reference()))
		parents = fmt.Sprintf("engine.Documents(parents, func(d document.Object) %s { return %s{Object: d} })", t, t)
	}
	return fmt.Sprintf(
		`{Kind: engine.Resolve, %s Resolve: func(ctx context.Context, parents []engine.Parent, args map[string]any) ([]any, error) {
		v, err := %s.%s(%s)
		return engine.Pointers(v), err
	}}`, args(f), resolver(f.Object), f.GoFieldName, callArguments(f, "ctx", parents))
}

func (b *binder) mustBeComposite(f *codegen.Field) {
	if !b.Schema.Types[f.Type.Name()].IsCompositeType() {
		panic("gen: no binding for a resolver of leaves with a call of its own: " + qualifiedName(f))
	}
}

func qualifiedName(f *codegen.Field) string { return f.Object.Name + "." + f.Name }

// content is a field of a document.
func (b *binder) content(owner string, f *codegen.Field) string {
	shape := b.shapes[b.owners[owner]]
	member := shape.index(memberName(f.FieldDefinition))
	switch kindOf(b.Schema, owner, f.FieldDefinition) {
	case groupField:
		return "{Kind: engine.Regroup}"
	case objectField:
		return fmt.Sprintf("{Kind: engine.Project, Member: %d}", member)
	case connectionField:
		return b.connection(f, shape)
	}
	if globalIDs[qualifiedName(f)] {
		return fmt.Sprintf(`{Kind: engine.Project, Member: %d, Text: func(dst []byte, v document.Value) ([]byte, error) {
			key, err := v.ID()
			if err != nil {
				return dst, err
			}
			return engine.AppendString(dst, scalar.EncodeID(scalar.%sNode, key)), nil
		}}`, member, owner)
	}
	return fmt.Sprintf("{Kind: engine.Project, Member: %d, Leaf: %s}", member, b.leaf(f.Type.Name()))
}

func (b *binder) leaf(name string) string {
	switch name {
	case "String", "Date":
		return "document.StringLeaf"
	case "Int", "Float", "Boolean", "ID", "JSON":
		return "document." + name + "Leaf"
	}
	if b.Schema.Types[name].Kind != ast.Enum {
		panic("gen: no leaf for type " + name)
	}
	return "leaf" + name
}

// pageParts are the fields that the engine knows of the types around a connection's nodes.
var pageParts = map[string][]string{
	"Connection": {"edges", "nodes", "pageInfo", "totalCount"},
	"Edge":       {"cursor", "node"},
}

func (b *binder) connection(f *codegen.Field, shape contentShape) string {
	node := nodeOf(f.Type.Name())
	for suffix, parts := range pageParts {
		for _, part := range b.Schema.Types[node+suffix].Fields {
			if !slices.Contains(parts, part.Name) {
				panic("gen: " + node + suffix + "." + part.Name + " is no part of a page")
			}
		}
	}
	nodes := b.shapes[b.owners[node]]
	var bounds, filters string
	for _, a := range f.Args {
		if a.Name == "first" || a.Name == "after" {
			continue
		}
		field := b.Schema.Types[node].Fields.ForName(a.Name)
		bounds += fmt.Sprintf(", %s(%q, %s)", b.inModel("Bound"), a.Name, argument(a))
		filters += fmt.Sprintf(`{Member: %d, Leaf: %s, Values: func(args map[string]any) []string { return %s(%s) }},
			`, nodes.index(memberName(field)), b.leaf(field.Type.Name()), b.inModel("Names"), argument(a))
	}
	cursors := fmt.Sprintf("%s(%q, parent.Member(%d)%s)", b.inModel("NewEmbeddedCursors"), qualifiedName(f),
		shape.index("id"), bounds)
	return fmt.Sprintf(`{Kind: engine.Page, Member: %d, %s Connection: &engine.Connection{
		Size: func(args map[string]any) (int, error) { return scalar.First(args["first"].(*int), 0) },
		After: func(parent document.Object, args map[string]any) (int, bool, error) {
			after := args["after"].(*string)
			if after == nil {
				return 0, false, nil
			}
			n, err := %s.Offset(after)
			return n, true, err
		},
		Cursor: func(parent document.Object, args map[string]any, n int) string {
			return %s.Cursor(n)
		},
		Filters: []engine.Filter{
			%s},
	}}`, shape.index(memberName(f.FieldDefinition)), args(f), cursors, cursors, strings.TrimSpace(filters))
}

func (b *binder) inModel(name string) string {
	return templates.CurrentImports.Lookup(b.model) + "." + name
}

// read is a field of a Go value, which gqlgen's code would read too, or an inline call of a resolver of one parent.
func (b *binder) read(f *codegen.Field) string {
	if len(f.Args) > 0 {
		panic("gen: no binding for arguments of a read: " + qualifiedName(f))
	}
	var body string
	switch {
	case b.Schema.Types[f.Type.Name()].IsCompositeType() && f.TypeReference.IsSlice():
		body = "List: func(ctx context.Context, dst []any, parent any) ([]any, bool, error) {\n" +
			value(f, "dst, false, err") + "return engine.AppendPointers(dst, v), v != nil, nil\n}"
	case b.Schema.Types[f.Type.Name()].IsCompositeType():
		body = "Object: func(ctx context.Context, parent any) (any, error) {\n" +
			value(f, "nil, err") + "return engine.Pointer(v), nil\n}"
	default:
		body = "Append: func(ctx context.Context, dst []byte, parent any) ([]byte, error) {\n" +
			value(f, "dst, err") + "return " + appender(f, f.TypeReference.GO) + ", nil\n}"
	}
	return "{Kind: engine.Read, " + body + "}"
}

// value is the statements that read the field into v.
func value(f *codegen.Field, failed string) string {
	parent := fmt.Sprintf("parent.(%s)", goType(f.Object.Reference()))
	call, fails := parent+"."+f.GoFieldName, false
	switch {
	case f.IsResolver:
		call, fails = fmt.Sprintf("%s.%s(ctx, %s)", resolver(f.Object), f.GoFieldName, parent), true
	case f.IsMethod() && f.MethodHasContext:
		call, fails = call+"(ctx)", !f.NoErr
	case f.IsMethod():
		call, fails = call+"()", !f.NoErr
	}
	if !fails {
		return "v := " + call + "\n"
	}
	return "v, err := " + call + "\nif err != nil {\nreturn " + failed + "\n}\n"
}

// appender is the expression that appends the leaf v.
func appender(f *codegen.Field, t types.Type) string {
	switch t := t.(type) {
	case *types.Pointer:
		return fmt.Sprintf("engine.AppendOptional(dst, v, %s)", appendFunc(f, t.Elem()))
	case *types.Slice:
		if name := appendFunc(f, t); name == "" {
			return fmt.Sprintf("engine.AppendList(dst, v, %s)", appendFunc(f, t.Elem()))
		}
	}
	return appendFunc(f, t) + "(dst, v)"
}

// appendFunc names the function that appends a leaf of type t; empty for a list.
func appendFunc(f *codegen.Field, t types.Type) string {
	if t.String() == "encoding/json.RawMessage" {
		return "engine.AppendRaw"
	}
	basic, ok := t.Underlying().(*types.Basic)
	if !ok {
		if _, list := t.(*types.Slice); list {
			return ""
		}
		panic("gen: no binding for a leaf of type " + t.String() + ": " + qualifiedName(f))
	}
	names := map[types.BasicKind]string{
		types.String: "String", types.Int: "Int", types.Int32: "Int", types.Int64: "Int", types.Bool: "Bool",
		types.Float64: "Float",
	}
	name, ok := names[basic.Kind()]
	if !ok {
		panic("gen: no binding for a leaf of type " + t.String() + ": " + qualifiedName(f))
	}
	return fmt.Sprintf("engine.Append%s[%s]", name, goType(t))
}

func deref(t types.Type) types.Type {
	if p, ok := t.(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

func isInterface(t types.Type) bool { return types.IsInterface(t) }

// Cases are the cases of a type switch from a value to its object type.
func (b *binder) Cases(i *codegen.Interface) []string {
	var cases []string
	for _, impl := range i.Implementors {
		if config.IsNilable(impl.Type) {
			cases = append(cases, fmt.Sprintf("case %s:\nif v != nil {\nreturn %q\n}\nreturn \"\"", goType(impl.Type),
				impl.Name))
		}
	}
	return cases
}

const bindingsTemplate = `
{{ reserveImport "context" }}
{{ reserveImport "fmt" }}
{{ reserveImport "github.com/99designs/gqlgen/graphql" }}
{{ reserveImport "github.com/learngraph/learngraph/document" }}
{{ reserveImport "github.com/learngraph/learngraph/engine" }}
{{ reserveImport "github.com/learngraph/learngraph/graph/scalar" }}

// NewEngine creates an executable schema that the engine executes. It refers to no method of the one that
// NewExecutableSchema creates, so the linker leaves that one out of a program that has the engine alone. The schema is
// Schema() unless another is given.
func NewEngine(cfg Config) *engine.Engine {
	if cfg.Schema == nil {
		cfg.Schema = Schema()
	}
	return engine.New(newBindings(&executableSchema{SchemaData: cfg.Schema, Resolvers: cfg.Resolvers}))
}

var (
	{{ range .Enums }}leaf{{ .Name }} = document.NewEnum("{{ .Name }}"{{ range .EnumValues }}, "{{ .Name }}"{{ end }})
	{{ end }}
)

func newBindings(e *executableSchema) *engine.Schema {
	return &engine.Schema{
		Definition: e.Schema(),
		Objects: map[string]*engine.Object{
			{{ range .Bound }}"{{ .Name }}": bind{{ .Name }}(e),
			{{ end -}}
			"Subscription": bindQuery(e).Named("Subscription"),
		},
		Abstract: map[string]func(any) string{
			{{ range $i := .Abstracts }}"{{ $i.Name }}": func(v any) string {
				switch v := v.(type) {
				{{ range $.Cases $i }}{{ . }}
				{{ end -}}
				default:
					return fmt.Sprintf("%T", v)
				}
			},
			{{ end }}
		},
	}
}

{{ range $o := .Bound }}
func bind{{ $o.Name }}(e *executableSchema) *engine.Object {
	return &engine.Object{Name: "{{ $o.Name }}", {{ $.Document $o }} Fields: map[string]*engine.Binding{
		{{ range $f := $o.Fields }}"{{ $f.Name }}": {{ $.Binding $o $f }},
		{{ end }}
	}}
}
{{ end }}
`
