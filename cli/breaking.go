package cli

import (
	"cmp"
	"slices"

	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// uses returns the coordinates of the schema that a valid document uses: Type, Type.field, Type.field.argument,
// Input.field and Enum.value. Possible values of a variable count as used.
func uses(schema *ast.Schema, doc *ast.QueryDocument) map[string]bool {
	u := usage{schema: schema, used: map[string]bool{}}
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			u.input(v.Type.Name())
		}
		u.selections(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		u.used[f.TypeCondition] = true
	}
	return u.used
}

type usage struct {
	schema *ast.Schema
	used   map[string]bool
}

func (u usage) selections(set ast.SelectionSet) {
	for sel := range syntax.Selections(set) {
		switch sel := sel.(type) {
		case *ast.Field:
			u.field(sel)
		case *ast.InlineFragment:
			u.used[cmp.Or(sel.TypeCondition, sel.ObjectDefinition.Name)] = true
		}
	}
}

func (u usage) field(f *ast.Field) {
	if f.Definition == nil || f.ObjectDefinition == nil {
		return
	}
	at := f.ObjectDefinition.Name + "." + f.Name
	u.used[f.ObjectDefinition.Name], u.used[at], u.used[f.Definition.Type.Name()] = true, true, true
	// The values of an enum can all come back.
	if def := u.schema.Types[f.Definition.Type.Name()]; def != nil && def.Kind == ast.Enum {
		u.input(def.Name)
	}
	// A field of an interface is a field of the types behind it.
	for _, possible := range u.schema.PossibleTypes[f.ObjectDefinition.Name] {
		u.used[possible.Name+"."+f.Name] = true
	}
	for _, arg := range f.Arguments {
		u.used[at+"."+arg.Name] = true
		if def := f.Definition.Arguments.ForName(arg.Name); def != nil && arg.Value.Kind != ast.Variable {
			u.value(arg.Value, def.Type)
		}
	}
}

func (u usage) value(v *ast.Value, t *ast.Type) {
	u.used[t.Name()] = true
	def := u.schema.Types[t.Name()]
	switch v.Kind {
	case ast.EnumValue:
		u.used[t.Name()+"."+v.Raw] = true
	case ast.ListValue:
		for _, item := range v.Children {
			u.value(item.Value, t)
		}
	case ast.ObjectValue:
		for _, item := range v.Children {
			u.used[t.Name()+"."+item.Name] = true
			if f := def.Fields.ForName(item.Name); f != nil {
				u.value(item.Value, f.Type)
			}
		}
	}
}

// input counts all that a value of a type can hold.
func (u usage) input(name string) {
	if u.used["all of "+name] {
		return
	}
	u.used["all of "+name], u.used[name] = true, true
	def := u.schema.Types[name]
	for _, v := range def.EnumValues {
		u.used[name+"."+v.Name] = true
	}
	if def.Kind == ast.InputObject {
		for _, f := range def.Fields {
			u.used[name+"."+f.Name] = true
			u.input(f.Type.Name())
		}
	}
}

// breakingChange is a change of a schema that can break a client.
type breakingChange struct {
	// At is the coordinate in the old schema whose users are affected.
	At      string `json:"at"`
	Message string `json:"message"`
	// Documents are the documents that the change affects.
	Documents []string `json:"documents,omitempty"`
}

// changesOf are those from one schema to the next, in order of their coordinates.
func changesOf(before, after *ast.Schema) []breakingChange {
	d := &difference{}
	for name, old := range before.Types {
		if old.BuiltIn {
			continue
		}
		now := after.Types[name]
		switch {
		case now == nil:
			d.add(name, "the type is gone")
		case now.Kind != old.Kind:
			d.add(name, "the type is of another kind")
		case old.Kind == ast.InputObject:
			d.input(old, now)
		default:
			d.output(old, now)
		}
	}
	slices.SortFunc(d.changes, func(a, b breakingChange) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Message, b.Message))
	})
	return d.changes
}

type difference struct{ changes []breakingChange }

func (d *difference) add(at, message string) {
	d.changes = append(d.changes, breakingChange{At: at, Message: message})
}

func (d *difference) output(old, now *ast.Definition) {
	for _, v := range old.EnumValues {
		if now.EnumValues.ForName(v.Name) == nil {
			d.add(old.Name+"."+v.Name, "the value is gone")
		}
	}
	for _, name := range append(old.Interfaces, old.Types...) {
		if !slices.Contains(now.Interfaces, name) && !slices.Contains(now.Types, name) {
			d.add(old.Name, "the type is no longer related to "+name)
		}
	}
	for _, f := range old.Fields {
		at := old.Name + "." + f.Name
		g := now.Fields.ForName(f.Name)
		if g == nil {
			d.add(at, "the field is gone")
			continue
		}
		if !fits(g.Type, f.Type) {
			d.add(at, "the field's type was "+f.Type.String()+" and is "+g.Type.String())
		}
		d.inputs(at, "argument", fieldsOf(f.Arguments), fieldsOf(g.Arguments))
	}
}

func (d *difference) input(old, now *ast.Definition) {
	if old.Directives.ForName("oneOf") == nil && now.Directives.ForName("oneOf") != nil {
		d.add(old.Name, "exactly one field must be given")
	}
	d.inputs(old.Name, "field", old.Fields, now.Fields)
}

// inputs compares the arguments of a field, or the fields of an input type.
func (d *difference) inputs(at, kind string, old, now ast.FieldList) {
	for _, a := range old {
		b := now.ForName(a.Name)
		switch {
		case b == nil:
			d.add(at+"."+a.Name, "the "+kind+" is gone")
		case !fits(a.Type, b.Type) && !(b.DefaultValue != nil && fits(a.Type, nullable(b.Type))):
			d.add(at+"."+a.Name, "the "+kind+"'s type was "+a.Type.String()+" and is "+b.Type.String())
		}
	}
	for _, b := range now {
		if old.ForName(b.Name) == nil && b.Type.NonNull && b.DefaultValue == nil {
			d.add(at, "the "+kind+" "+b.Name+" is new and required")
		}
	}
}

func fieldsOf(arguments ast.ArgumentDefinitionList) (list ast.FieldList) {
	for _, a := range arguments {
		list = append(list, &ast.FieldDefinition{Name: a.Name, Type: a.Type, DefaultValue: a.DefaultValue})
	}
	return list
}

// fits reports whether every value of a type is one of another.
func fits(t, into *ast.Type) bool {
	if into.NonNull && !t.NonNull {
		return false
	}
	if into.Elem != nil || t.Elem != nil {
		return into.Elem != nil && t.Elem != nil && fits(t.Elem, into.Elem)
	}
	return t.NamedType == into.NamedType
}

func nullable(t *ast.Type) *ast.Type {
	out := *t
	out.NonNull = false
	return &out
}
