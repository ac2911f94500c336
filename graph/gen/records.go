package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/99designs/gqlgen/plugin"
	"github.com/vektah/gqlparser/v2/ast"
)

// recordPackages are the packages that read single records, and the types of their records.
var recordPackages = []struct {
	Dir, Backend string
	Types        []string
}{
	{"upstream/coassemble", "Coassemble", []string{"EmbedClient", "User"}},
	{"upstream/mattr", "MATTR", []string{"Identity", "Credential"}},
}

// Where a record differs from the schema.
var (
	// recordKeys are the members that name a record, the first choice first.
	recordKeys = map[string][]string{
		"EmbedClient": {"clientIdentifier", "identifier"}, "User": {"identifier"}, "Identity": {"id"}, "Credential": {"id"},
	}
	// identified are fields whose method package model has.
	identified = map[string]bool{"Credential.id": true}
	// keyFields show a key of another record, which may be a number.
	keyFields = map[string]bool{"User.clientIdentifier": true}
	// moments are times that a backend writes under either of two names, as a text or a number.
	moments = map[string]string{
		"EmbedClient.created": "createdAt", "EmbedClient.updated": "updatedAt", "User.created": "createdAt",
		"User.updated": "updatedAt",
	}
)

// records writes each type of record, its shape and its accessors into the package that reads it. Fields with a
// resolver have none.
type records struct{}

var _ plugin.ConfigMutator = (*records)(nil)

func (*records) Name() string { return "records" }

func (*records) MutateConfig(cfg *config.Config) error {
	for _, p := range recordPackages {
		b := recordBuilder{cfg: cfg, backend: p.Backend}
		for _, name := range p.Types {
			b.add(name)
		}
		err := templates.Render(templates.Options{
			PackageName:     filepath.Base(p.Dir),
			Filename:        filepath.Join(p.Dir, "records_gen.go"),
			Data:            &b,
			Template:        recordsTemplate,
			GeneratedHeader: true,
			Packages:        cfg.Packages,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type recordBuilder struct {
	cfg     *config.Config
	backend string
	Types   []*recordType
}

type recordType struct {
	Shape   contentShape
	Keys    []int
	Methods []string
}

// IsRecord reports whether the type is a record and not a part of one.
func (t *recordType) IsRecord() bool { return len(t.Keys) > 0 }

func (b *recordBuilder) add(name string) {
	if slices.ContainsFunc(b.Types, func(t *recordType) bool { return t.Shape.Name == name }) {
		return
	}
	t := &recordType{Shape: contentShape{Name: name}}
	b.Types = append(b.Types, t)
	for _, key := range recordKeys[name] {
		t.Keys = append(t.Keys, t.member(contentMember{Name: key}))
	}
	for _, f := range b.cfg.Schema.Types[name].Fields {
		if f.Name == "sourceId" {
			t.Methods = append(t.Methods, b.sourceKey(name))
		} else if !b.cfg.Models[name].Fields[f.Name].Resolver && !identified[name+"."+f.Name] {
			t.Methods = append(t.Methods, b.accessor(t, f))
		}
	}
}

// member adds the member unless it is there, and returns its number.
func (t *recordType) member(m contentMember) int {
	if i := t.Shape.index(m.Name); i >= 0 {
		return i
	}
	t.Shape.Members = append(t.Shape.Members, m)
	return len(t.Shape.Members) - 1
}

// sourceKey is the source of the method that returns the record's key.
func (b *recordBuilder) sourceKey(name string) string {
	return fmt.Sprintf("func (o *%s) SourceID() (string, error) { return upstream.SourceKey(upstream.%s, o.Key) }", name,
		b.backend)
}

// accessor is the source of the method that reads the field.
func (b *recordBuilder) accessor(t *recordType, f *ast.FieldDefinition) string {
	if f.Type.Elem != nil || f.Type.NonNull {
		panic("gen: no accessor for a list or for what may not be null: " + t.Shape.Name + "." + f.Name)
	}
	head := fmt.Sprintf("func (o *%s) %s()", t.Shape.Name, templates.ToGo(f.Name))
	m := contentMember{Name: f.Name, JSON: f.Type.Name() == "JSON"}
	object := b.cfg.Schema.Types[f.Type.Name()].Kind == ast.Object
	if object {
		m.Shape = f.Type.Name()
		b.add(m.Shape)
	}
	value := t.value(t.member(m))
	goType, read := b.reader(t.Shape.Name+"."+f.Name, f.Type.Name(), object)
	if otherwise, ok := moments[t.Shape.Name+"."+f.Name]; ok {
		value = fmt.Sprintf("upstream.FirstOf(%s, %s)", value, t.value(t.member(contentMember{Name: otherwise})))
	}
	if m.JSON {
		return fmt.Sprintf("%s (json.RawMessage, error) { return upstream.RawJSON(%s), nil }", head, value)
	}
	return fmt.Sprintf("%s (*%s, error) { return upstream.Optional(upstream.%s, %s, %s) }", head, goType, b.backend, value,
		read)
}

func (t *recordType) value(member int) string {
	if t.IsRecord() {
		return fmt.Sprintf("o.Value(%d)", member)
	}
	return fmt.Sprintf("o.Member(%d)", member)
}

// reader is the Go type of a field and the function that reads it.
func (b *recordBuilder) reader(place, target string, object bool) (goType, read string) {
	switch {
	case object:
		return target, fmt.Sprintf("func(v document.Value) (%[1]s, error) {\no, err := v.Object()\nreturn %[1]s{o}, err\n}",
			target)
	case keyFields[place]:
		return "string", "document.Value.ID"
	case moments[place] != "":
		return "string", "upstream.Moment"
	}
	return leafReader(b.cfg.Schema, target)
}

// Names are those of the types that are records, for a list of variables.
func (b *recordBuilder) Names() string {
	var names []string
	for _, t := range b.Types {
		if t.IsRecord() {
			names = append(names, t.Shape.Name)
		}
	}
	return strings.Join(names, ", ")
}

// Var is a type's name as that of a variable begins.
func (*recordBuilder) Var(name string) string { return templates.ToGoPrivate(name) }

const recordsTemplate = `
{{ reserveImport "encoding/json" }}
{{ reserveImport "github.com/learngraph/learngraph/document" }}
{{ reserveImport "github.com/learngraph/learngraph/upstream" }}

// Shapes are the members that are read of each record.
var Shapes = struct { {{ .Names }} *document.Shape }{
	{{ range .Types }}{{ if .IsRecord }}{{ $.Var .Shape.Name }}Shape, {{ end }}{{ end }}
}

{{ range $t := .Types }}
var {{ $.Var .Shape.Name }}Shape = &document.Shape{Name: "{{ .Shape.Name }}", Members: []document.Member{
	{{ range .Shape.Members }}{Name: "{{ .Name }}"{{ if .Shape }}, Shape: {{ $.Var .Shape }}Shape{{ end }}{{ if .JSON }}, JSON: true{{ end }}},
	{{ end }}
}}
{{ if .IsRecord }}
var {{ $.Var .Shape.Name }}Type = &upstream.RecordType{Shape: {{ $.Var .Shape.Name }}Shape, Keys: []int{ {{ range .Keys }}{{ . }}, {{ end }} }}

// {{ .Shape.Name }} is a record of the backend. A missing member is nil; a value of another kind than promised is an
// error of its accessor alone. Its JSON form holds all that the accessors show.
type {{ .Shape.Name }} struct{ upstream.Record }

// UnmarshalJSON reads a record, or the key that a list may show instead.
func (o *{{ .Shape.Name }}) UnmarshalJSON(data []byte) (err error) {
	o.Record, err = {{ $.Var .Shape.Name }}Type.Parse(data)
	return err
}
{{ else }}
// {{ .Shape.Name }} is an object of a record, read field by field.
type {{ .Shape.Name }} struct{ document.Object }
{{ end }}
{{ range .Methods }}
{{ . }}
{{ end }}
{{ end }}
`
