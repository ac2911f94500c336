package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/99designs/gqlgen/plugin"
	"github.com/vektah/gqlparser/v2/ast"
)

// content writes each content type as a document with one accessor method per field, and the shapes by which
// documents are pruned. gqlgen binds the methods natively, so that a wrong kind is an error on its field alone.
type content struct{}

var _ plugin.ConfigMutator = (*content)(nil)

func (*content) Name() string { return "content" }

// MutateConfig runs before gqlgen generates models of its own, which leave out the types that are bound here.
func (*content) MutateConfig(cfg *config.Config) error {
	data := newContentData(cfg.Schema)
	for _, t := range data.Types {
		cfg.Models.Add(t.Name, cfg.Model.ImportPath()+"."+t.Name)
	}
	return templates.Render(templates.Options{
		PackageName:     cfg.Model.Package,
		Filename:        filepath.Join(filepath.Dir(cfg.Model.Filename), "content_gen.go"),
		Data:            data,
		Template:        contentTemplate,
		GeneratedHeader: true,
		Packages:        cfg.Packages,
	})
}

type contentData struct {
	Types  []contentType
	Shapes []contentShape
}

type contentShape struct {
	Name, Key string
	Excerpt   bool
	Members   []contentMember
}

type contentMember struct {
	Name, Shape string
	JSON        bool
}

type contentType struct {
	Name    string
	Methods []string
}

func newContentData(schema *ast.Schema) contentData {
	var data contentData
	owners := shapeOwner(schema)
	shapes := map[string]*contentShape{}
	names := contentTypes(schema)
	for _, name := range names {
		if owners[name] == name {
			shapes[name] = &contentShape{Name: name}
			if completed[name] {
				shapes[name].Key = "id"
			}
		}
	}
	for _, name := range names {
		shape := shapes[owners[name]]
		for _, f := range schema.Types[name].Fields {
			shape.add(schema, name, f)
		}
	}
	for _, name := range names {
		t := contentType{Name: name}
		for _, f := range schema.Types[name].Fields {
			if m := accessor(schema, name, f, shapes[owners[name]]); m != "" {
				t.Methods = append(t.Methods, m)
			}
		}
		data.Types = append(data.Types, t)
		if s := shapes[name]; s != nil {
			data.Shapes = append(data.Shapes, *s)
		}
	}
	data.Shapes = append(data.Shapes, contentShape{Name: clientKeys, Excerpt: true, Members: clientKeyMembers})
	return data
}

func (s *contentShape) add(schema *ast.Schema, owner string, f *ast.FieldDefinition) {
	m := contentMember{Name: memberName(f)}
	switch kindOf(schema, owner, f) {
	case resolvedField, groupField:
		return
	case objectField:
		m.Shape = f.Type.Name()
	case referenceField:
		m.Shape = clientKeys
	case connectionField:
		m.Shape = nodeOf(f.Type.Name())
	case leafField:
		m.JSON = f.Type.Name() == "JSON"
	}
	if s.index(m.Name) < 0 {
		s.Members = append(s.Members, m)
	}
}

func (s *contentShape) index(name string) int {
	for i, m := range s.Members {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// accessor is the source of the method that reads the field.
func accessor(schema *ast.Schema, owner string, f *ast.FieldDefinition, shape *contentShape) string {
	head := fmt.Sprintf("func (o *%s) %s", owner, templates.ToGo(f.Name))
	member := fmt.Sprintf("o.Member(%d)", shape.index(memberName(f)))
	target := f.Type.Name()
	switch kindOf(schema, owner, f) {
	case resolvedField:
		return ""
	case referenceField:
		return fmt.Sprintf(
			"func (o *%s) ClientKeys() (*ClientKeys, error) { return object(%s, func(d document.Object) *ClientKeys { return &ClientKeys{d} }) }", owner, member)
	case groupField:
		return fmt.Sprintf("%s() *%s { return &%s{o.Object} }", head, target, target)
	case connectionField:
		return connectionAccessor(head, owner, f, member, shape.index("id"))
	case objectField:
		wrap := fmt.Sprintf("func(d document.Object) *%s { return &%s{d} }", target, target)
		if f.Type.Elem != nil {
			return fmt.Sprintf("%s(ctx context.Context) []*%s { return objects(ctx, %s, %s) }", head, target, member, wrap)
		}
		return fmt.Sprintf("%s() (*%s, error) { return object(%s, %s) }", head, target, member, wrap)
	}
	return leafAccessor(schema, head, owner, f, member)
}

func leafAccessor(schema *ast.Schema, head, owner string, f *ast.FieldDefinition, member string) string {
	goType, read := leafReader(schema, f.Type.Name())
	switch {
	case globalIDs[owner+"."+f.Name]:
		return fmt.Sprintf("%s() (string, error) { return globalID(scalar.%sNode, %s) }", head, owner, member)
	case f.Type.Elem != nil:
		return fmt.Sprintf("%s(ctx context.Context) []*%s { return leaves(ctx, %s, %s) }", head, goType, member, read)
	case f.Type.NonNull:
		return fmt.Sprintf("%s() (%s, error) { return required(%s, %s) }", head, goType, member, read)
	case goType == "json.RawMessage":
		return fmt.Sprintf("%s() (json.RawMessage, error) { return rawJSON(%s) }", head, member)
	}
	return fmt.Sprintf("%s() (*%s, error) { return document.Optional(%s, %s) }", head, goType, member, read)
}

// leafReader is the Go type of a leaf and the function that reads it from a document's value.
func leafReader(schema *ast.Schema, name string) (goType, read string) {
	switch name {
	case "String", "Date":
		return "string", "document.Value.Text"
	case "Int":
		return "int", "document.Value.Int"
	case "Float":
		return "float64", "document.Value.Float"
	case "Boolean":
		return "bool", "document.Value.Boolean"
	case "ID":
		return "string", "document.Value.ID"
	case "JSON":
		return "json.RawMessage", "rawValue"
	}
	if schema.Types[name].Kind == ast.Enum {
		return templates.ToGoModelName(name), fmt.Sprintf("enum[%s]", templates.ToGoModelName(name))
	}
	panic("gen: no reader for a leaf of type " + name)
}

// connectionAccessor pages through the embedded array; arguments beyond Relay's two filter it by the node's field of
// the same name.
func connectionAccessor(head, owner string, f *ast.FieldDefinition, member string, id int) string {
	node := nodeOf(f.Type.Name())
	params, filters := "first *int, after *string", ""
	for _, a := range f.Arguments {
		if a.Name == "first" || a.Name == "after" {
			continue
		}
		params += fmt.Sprintf(", %s []%s", a.Name, templates.ToGoModelName(a.Type.Name()))
		filters += fmt.Sprintf("filterBy(%q, %s, (*%s).%s),\n", a.Name, a.Name, node, templates.ToGo(a.Name))
	}
	return fmt.Sprintf(`%[1]s(ctx context.Context, %[2]s) (*%[3]sConnection, error) {
	page, err := embeddedPage(ctx, embeddedList[%[3]s]{list: %[4]q, parent: o.Member(%[7]d), value: %[5]s,
		wrap: func(d document.Object) *%[3]s { return &%[3]s{d} }, filters: []filter[%[3]s]{
		%[6]s}}, first, after)
	if err != nil || page == nil {
		return nil, err
	}
	edges := make([]*%[3]sEdge, len(page.nodes))
	for i, n := range page.nodes {
		edges[i] = &%[3]sEdge{Cursor: page.cursors[i], Node: n}
	}
	return &%[3]sConnection{Edges: edges, Nodes: page.nodes, PageInfo: page.info, TotalCount: page.total}, nil
}`, head, params, node, owner+"."+f.Name, member, strings.TrimSpace(filters), id)
}

const contentTemplate = `
{{ reserveImport "context" }}
{{ reserveImport "encoding/json" }}
{{ reserveImport "github.com/learngraph/learngraph/document" }}
{{ reserveImport "github.com/learngraph/learngraph/graph/scalar" }}

{{ range .Types }}
// {{ .Name }} is an object of a document, read field by field.
type {{ .Name }} struct{ document.Object }
{{ range .Methods }}
{{ . }}
{{ end }}
{{ end }}

// Shapes are the members that the schema declares, by type: those of a document that are kept when it arrives.
var Shapes = struct {
	{{ range .Shapes }}{{ .Name }} *document.Shape
	{{ end }}
}{
	{{ range .Shapes }}{{ .Name }}: &document.Shape{Name: "{{ .Name }}"{{ if .Key }}, Key: "{{ .Key }}"{{ end }}{{ if .Excerpt }}, Excerpt: true{{ end }}},
	{{ end }}
}

func init() {
	{{ range .Shapes }}
	Shapes.{{ .Name }}.Members = []document.Member{
		{{ range .Members }}{Name: "{{ .Name }}"{{ if .Shape }}, Shape: Shapes.{{ .Shape }}{{ end }}{{ if .JSON }}, JSON: true{{ end }}},
		{{ end }}
	}
	{{ end }}
}
`
