package capture

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"github.com/learngraph/learngraph/coerce"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/syntax"
)

// Pseudonyms replaces personal values in a request: every text and id in arguments and variables. Names of operations,
// aliases and variables stay; they are the frontend's. Global ids and cursors are decoded, and encoded again with the
// pseudonym of their key.
type Pseudonyms struct {
	*Masker
	schema *ast.Schema
	// cursors are the replacements of the document's cursors.
	cursors map[string]string
	// freeVariables are the variables inside free JSON, where any value may be personal.
	freeVariables map[string]bool
}

// NewPseudonyms returns the pseudonyms of one operation on a schema.
func NewPseudonyms(m *Masker, schema *ast.Schema) *Pseudonyms {
	return &Pseudonyms{Masker: m, schema: schema}
}

// Request replaces the values of an operation that was validated and is run with these variables. The document is
// changed.
func (p *Pseudonyms) Request(doc *ast.QueryDocument, op *ast.OperationDefinition,
	variables map[string]any) (lines []string, masked map[string]any) {
	p.cursors, p.freeVariables = map[string]string{}, map[string]bool{}
	eachField(doc, func(f *ast.Field) { p.cursor(f, variables) })
	eachField(doc, func(f *ast.Field) {
		for _, a := range f.Arguments {
			p.literal(a.Value, f.Definition.Arguments.ForName(a.Name).Type)
		}
	})
	for _, o := range doc.Operations {
		for _, d := range o.VariableDefinitions {
			p.literal(d.DefaultValue, p.typeOf(d))
		}
	}
	masked = map[string]any{}
	for _, d := range op.VariableDefinitions {
		if v, ok := variables[d.Variable]; ok {
			masked[d.Variable] = p.variable(v, p.typeOf(d))
		}
	}
	var text strings.Builder
	formatter.NewFormatter(&text, formatter.WithIndent("  ")).FormatQueryDocument(doc)
	return strings.Split(strings.TrimSpace(text.String()), "\n"), masked
}

// typeOf returns the type that decides which parts of a variable are replaced.
func (p *Pseudonyms) typeOf(d *ast.VariableDefinition) *ast.Type {
	if p.freeVariables[d.Variable] {
		return ast.NamedType(freeJSON, d.Position)
	}
	return d.Type
}

func eachField(doc *ast.QueryDocument, visit func(*ast.Field)) {
	var sets []ast.SelectionSet
	for _, op := range doc.Operations {
		sets = append(sets, op.SelectionSet)
	}
	for sel := range syntax.Selections(sets...) {
		if f, ok := sel.(*ast.Field); ok {
			visit(f)
		}
	}
}

// text replaces a text, an id or a cursor.
func (p *Pseudonyms) text(s string) string {
	if c, ok := p.cursors[s]; ok {
		return c
	}
	t, key, err := scalar.DecodeID(s)
	if err != nil {
		return p.Text(s)
	}
	if identity, credential, err := scalar.SplitCredentialKey(key); err == nil && t == scalar.CredentialNode {
		return scalar.EncodeID(t, scalar.CredentialKey(p.Text(identity), p.Text(credential)))
	}
	return scalar.EncodeID(t, p.Text(key))
}

// free is the type that takes any JSON, and representation the one that takes the key of an object with the name of its
// type.
const (
	freeJSON       = "JSON"
	representation = "_Any"
)

// represented replaces the values of a representation. Its type stays.
func (p *Pseudonyms) represented(object map[string]any) map[string]any {
	out := make(map[string]any, len(object))
	for name, v := range object {
		switch text, ok := v.(string); {
		case name == "__typename" && ok && p.schema.Types[text] != nil:
			out[name] = text
		case ok:
			out[p.Key(name)] = p.text(text)
		default:
			out[p.Key(name)] = p.Value(v)
		}
	}
	return out
}

// variable replaces the value of a variable, or a part of it, that has this type.
func (p *Pseudonyms) variable(v any, t *ast.Type) any {
	if list, ok := v.([]any); ok && t.Elem != nil {
		return each(list, func(e any) any { return p.variable(e, t.Elem) })
	}
	def := p.schema.Types[t.Name()]
	switch v := v.(type) {
	case map[string]any:
		if def.Name == representation {
			return p.represented(v)
		}
		if def.Kind != ast.InputObject {
			break
		}
		out := maps.Clone(v)
		for name, e := range v {
			out[name] = p.variable(e, def.Fields.ForName(name).Type)
		}
		return out
	case string:
		switch {
		case def.Kind == ast.Enum:
			return v
		case def.Name != freeJSON:
			return p.text(v)
		}
	}
	if slices.Contains([]string{freeJSON, representation, "ID"}, def.Name) {
		return p.Value(v)
	}
	return v
}

// literal replaces a value of the document.
func (p *Pseudonyms) literal(v *ast.Value, t *ast.Type) { //nolint:gocyclo // a case for each kind of value
	if v == nil {
		return
	}
	def := p.schema.Types[t.Name()]
	anything := def.Name == freeJSON
	switch v.Kind {
	case ast.Variable:
		if anything {
			p.freeVariables[v.Raw] = true
		}
	case ast.StringValue, ast.BlockValue:
		v.Kind = ast.StringValue
		if anything {
			v.Raw = p.Text(v.Raw)
		} else {
			v.Raw = p.text(v.Raw)
		}
	case ast.IntValue, ast.FloatValue:
		if anything || def.Name == representation || def.Name == "ID" {
			v.Raw = string(p.Number(json.Number(v.Raw)))
		}
	case ast.EnumValue:
		if anything {
			v.Raw = p.Text(v.Raw)
		}
	default:
		for _, c := range v.Children {
			if t.NamedType == representation && c.Name == "__typename" && p.schema.Types[c.Value.Raw] != nil {
				continue // it is no value of somebody's
			}
			p.literal(c.Value, p.inner(c, t, anything))
		}
	}
}

// inner is the type of an element or a member of a literal; a member of free JSON gets another name where its own may
// be a value.
func (p *Pseudonyms) inner(c *ast.ChildValue, t *ast.Type, anything bool) *ast.Type {
	switch {
	case t.NamedType == representation && c.Name != "":
		if len(c.Value.Children) == 0 {
			return ast.NonNullNamedType("ID", nil)
		}
		return ast.NamedType(freeJSON, nil)
	case anything && c.Name != "":
		c.Name = p.Key(c.Name)
	case c.Name != "":
		return p.schema.Types[t.Name()].Fields.ForName(c.Name).Type
	case t.Elem != nil:
		return t.Elem
	}
	return t
}

// cursorBindings are those whose cursors are bound to nothing but arguments.
var cursorBindings = map[string]func(args map[string]any) []string{
	"Query.clients": func(args map[string]any) []string {
		return []string{textArgument(args, "query"), textArgument(args, "sort")}
	},
	"Query.embedClients": func(map[string]any) []string { return nil },
	"Query.users": func(args map[string]any) []string {
		if client := textArgument(args, "clientIdentifier"); client != "" {
			return []string{client}
		}
		return nil
	},
	"Query.identities": func(args map[string]any) []string {
		filter, ok := args["filter"].(map[string]any)
		if !ok {
			return nil
		}
		return []string{criteria(filter)}
	},
}

// textArgument is an argument that is a text, empty where it is none.
func textArgument(args map[string]any, name string) string {
	s, _ := args[name].(string)
	return s
}

// criteria is a filter as cursors of its list are bound to it.
func criteria(filter map[string]any) string {
	var c struct {
		Claims                json.RawMessage `json:",omitempty"`
		ProviderID, SubjectID *string         `json:",omitempty"`
	}
	if claims, ok := filter["claims"]; ok {
		c.Claims, _ = scalar.UnmarshalJSON(claims)
	}
	if provider, ok := filter["authenticationProvider"].(map[string]any); ok {
		for name, at := range map[string]**string{"providerId": &c.ProviderID, "subjectId": &c.SubjectID} {
			if s, ok := provider[name].(string); ok {
				*at = &s
			}
		}
	}
	bound, _ := json.Marshal(c) // of texts and JSON
	return string(bound)
}

// cursor finds the binding of the cursor among a field's arguments, and its replacement. The binding is not written in
// the cursor: where it is the key of a parent, that is one of the keys in the answers.
func (p *Pseudonyms) cursor(f *ast.Field, variables map[string]any) {
	args := map[string]any{}
	for _, d := range f.Definition.Arguments {
		if a := f.Arguments.ForName(d.Name); a != nil {
			args[d.Name] = coerce.Literal(a.Value, variables)
		} else if d.DefaultValue != nil {
			args[d.Name] = coerce.Literal(d.DefaultValue, nil)
		}
	}
	after, ok := args["after"].(string)
	list := f.ObjectDefinition.Name + "." + f.Name
	if !ok || scalar.CheckCursor(after, list) != nil {
		return
	}
	masked := map[string]any{}
	for name, v := range args {
		if d := f.Definition.Arguments.ForName(name); d != nil && name != "after" {
			masked[name] = p.variable(v, d.Type)
		}
	}
	if bound, ok := cursorBindings[list]; ok {
		p.rebind(after, list, bound(args), bound(masked))
		return
	}
	for _, parent := range append(p.Known(), "") {
		if p.rebind(after, list, parentBound(f, parent, args), parentBound(f, p.Text(parent), masked)) {
			return
		}
	}
}

// rebind makes the replacement of a cursor with that binding.
func (p *Pseudonyms) rebind(after, list string, bound, masked []string) bool {
	c, err := scalar.DecodeCursor(after, list, bound...)
	if err == nil {
		c.Bound, c.Token = masked, p.Text(c.Token)
		p.cursors[after] = c.Encode()
	} else if p.cursors[after] == "" {
		// It belongs to other arguments, and so must its replacement.
		p.cursors[after] = scalar.Cursor{List: list, Bound: []string{"another"}}.Encode()
	}
	return err == nil
}

// parentBound is the binding of an edge's cursor: the parent's key, and of an embedded list its filters too.
func parentBound(f *ast.Field, parent string, args map[string]any) []string {
	if !slices.Contains([]string{"courses", "learningPaths"}, f.Name) {
		return []string{parent}
	}
	quoted, _ := json.Marshal(parent)
	bound := []string{string(quoted)}
	for _, a := range f.Definition.Arguments {
		if a.Name != "first" && a.Name != "after" {
			bound = append(bound, model.Bound(a.Name, names(args[a.Name])))
		}
	}
	return bound
}

// names are the values of an enum in an argument; nil where there are none.
func names(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[i], _ = e.(string)
	}
	return out
}

// CatalogueMembers are members of type text whose values are words of a fixed set, times, or titles of a catalogue's
// content.
var CatalogueMembers = []string{"created", "createdAt", "updated", "updatedAt", "title", "label", "type", "profile",
	"status"}

// UnmaskedMembers reports of a member of a backend's record that a capture keeps its texts and numbers as they are:
// moments, quantities and words that the schema or the vendor names.
func UnmaskedMembers(schema *ast.Schema) func(typeName, member string) bool {
	return func(typeName, member string) bool {
		if slices.Contains(CatalogueMembers, member) {
			return true
		}
		def := schema.Types[typeName]
		if def == nil {
			return false
		}
		f := def.Fields.ForName(member)
		if f == nil {
			return false
		}
		switch name := f.Type.Name(); name {
		case "Int", "Float", "Boolean", "Date":
			return true
		default:
			return schema.Types[name].Kind == ast.Enum
		}
	}
}
