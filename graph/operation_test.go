package graph_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/vektah/gqlparser/v2/ast"
)

// operationMaker writes random valid operations: nested selections with aliases, arguments, variables, directives, inline
// and named fragments, on objects and interfaces. A response key is derived from the field and its arguments, so that all
// fields with one key can be merged.
type operationMaker struct {
	schema    *ast.Schema
	rng       *rand.Rand
	declared  []string
	variables map[string]any
	fragments []string
	budget    int  // fields that may still be written
	parts     bool // @defer and @stream
	labels    int
}

// operation is one random operation with values for its variables.
type operation struct {
	query     string
	variables map[string]any
}

func newOperation(schema *ast.Schema, seed uint64) operation {
	return (&operationMaker{schema: schema, rng: rand.New(rand.NewPCG(seed, 11)), variables: map[string]any{}, budget: 60}).operation()
}

// newDeferredOperation has @defer and @stream.
func newDeferredOperation(schema *ast.Schema, seed uint64) operation {
	return (&operationMaker{schema: schema, rng: rand.New(rand.NewPCG(seed, 13)), variables: map[string]any{}, budget: 60, parts: true}).operation()
}

func (m *operationMaker) operation() operation {
	keyword, root := "query", "Query"
	if m.rng.IntN(8) == 0 {
		keyword, root = "mutation", "Mutation"
	}
	body := m.selection(root, 0)
	var declared string
	if len(m.declared) > 0 {
		declared = "(" + strings.Join(m.declared, ", ") + ")"
	}
	return operation{query: keyword + declared + " " + body + strings.Join(m.fragments, ""), variables: m.variables}
}

func (m *operationMaker) chance(n int) bool { return m.rng.IntN(n) == 0 }

func (m *operationMaker) selection(name string, depth int) string {
	var b strings.Builder
	b.WriteString("{ ")
	for range 1 + m.rng.IntN(5) {
		b.WriteString(m.item(name, depth))
		b.WriteByte(' ')
	}
	if m.budget <= 0 || m.chance(3) {
		b.WriteString("__typename ")
	}
	return b.String() + "}"
}

// item is a field or a fragment.
func (m *operationMaker) item(name string, depth int) string {
	def := m.schema.Types[name]
	if m.budget--; m.budget < 0 || depth > 9 {
		return "__typename"
	}
	if m.parts && m.chance(5) {
		return "... on " + m.condition(def, m.deferral(name))
	}
	switch {
	case m.chance(8):
		return "..." + m.deferral(name) + m.directive() + " " + m.selection(name, depth+1)
	case m.chance(8):
		return "... on " + m.condition(def, m.directive())
	case m.chance(10):
		fragment := fmt.Sprint("F", len(m.fragments))
		m.fragments = append(m.fragments, "")
		i := len(m.fragments) - 1
		m.fragments[i] = " fragment " + fragment + " on " + m.condition(def, "")
		again := ""
		if m.chance(3) {
			again = " ..." + fragment
		}
		return "..." + fragment + m.directive() + m.deferral(name) + again
	case def.Kind == ast.Interface && m.chance(2):
		return "... on " + m.condition(def, m.directive())
	case name == "Query" && m.chance(25):
		return m.introspection()
	}
	return m.field(def, depth)
}

// condition is a type that may apply where def is selected from, with a selection.
func (m *operationMaker) condition(def *ast.Definition, directive string) string {
	name := def.Name
	switch {
	case def.Kind == ast.Interface:
		possible := m.schema.PossibleTypes[name]
		name = possible[m.rng.IntN(len(possible))].Name
	case len(def.Interfaces) > 0 && m.chance(2):
		name = def.Interfaces[0]
	}
	return name + directive + " " + m.selection(name, 4)
}

func (m *operationMaker) introspection() string {
	return []string{
		`__schema { queryType { name } types { name kind } }`,
		`__type(name: "Node") { name kind possibleTypes { name } }`,
		`missing: __type(name: "Missing") { name }`,
	}[m.rng.IntN(3)]
}

// deferral is a @defer, or nothing.
func (m *operationMaker) deferral(object string) string {
	if !m.parts || object == "Mutation" || m.chance(4) {
		return ""
	}
	return " @defer" + m.deliveryArguments(false)
}

// deliveryArguments are those of a @defer or a @stream.
func (m *operationMaker) deliveryArguments(stream bool) string {
	var args []string
	switch {
	case !stream || m.chance(3):
	case m.chance(4):
		args = append(args, "initialCount: "+m.variable("count", "Int!", 1))
	default:
		args = append(args, fmt.Sprint("initialCount: ", m.rng.IntN(3)))
	}
	if m.labels++; m.chance(2) {
		args = append(args, fmt.Sprintf("label: %q", fmt.Sprint("l", m.labels)))
	}
	switch {
	case !m.chance(6):
	case m.chance(2):
		args = append(args, "if: "+m.pick("true", "false"))
	default:
		args = append(args, "if: "+m.variable(fmt.Sprint("b", m.rng.IntN(3)), "Boolean!", m.chance(2)))
	}
	if len(args) == 0 {
		return ""
	}
	return "(" + strings.Join(args, ", ") + ")"
}

func (m *operationMaker) directive() string {
	if !m.chance(6) {
		return ""
	}
	value := []string{"true", "false"}[m.rng.IntN(2)]
	if m.chance(2) {
		value = m.variable(fmt.Sprint("b", m.rng.IntN(3)), "Boolean!", m.chance(2))
	}
	return []string{" @skip(if: ", " @include(if: "}[m.rng.IntN(2)] + value + ")"
}

// variable declares a variable once; its first value stays.
func (m *operationMaker) variable(name, typ string, value any) string {
	if _, ok := m.variables[name]; !ok {
		m.variables[name] = value
		m.declared = append(m.declared, "$"+name+": "+typ)
	}
	return "$" + name
}

func (m *operationMaker) field(def *ast.Definition, depth int) string {
	f := def.Fields[m.rng.IntN(len(def.Fields))]
	for strings.HasPrefix(f.Name, "__") || depth > 5 && m.schema.Types[f.Type.Name()].IsCompositeType() && m.chance(2) {
		f = def.Fields[m.rng.IntN(len(def.Fields))]
		if depth > 8 {
			return "__typename"
		}
	}
	key, args := f.Name, m.arguments(f)
	switch {
	case args != "":
		key = fmt.Sprintf("%s_%x", f.Name, hash(args)%4096)
		args = "(" + args + ")"
	case m.chance(6):
		key = "alias_" + f.Name
	}
	text := f.Name + args + m.directive()
	if m.parts && f.Type.Elem != nil && m.chance(2) && !strings.HasPrefix(def.Name, "Mutation") {
		// Merged fields must have the same @stream: it is decided by the key.
		key = fmt.Sprintf("%s_s%d", key, m.labels)
		text += " @stream" + m.deliveryArguments(true)
	}
	if key != f.Name {
		text = key + ": " + text
	}
	if m.schema.Types[f.Type.Name()].IsCompositeType() {
		text += " " + m.selection(f.Type.Name(), depth+1)
	}
	return text
}

func (m *operationMaker) arguments(f *ast.FieldDefinition) string {
	var args []string
	for _, a := range f.Arguments {
		if !a.Type.NonNull && !m.chance(3) {
			continue
		}
		args = append(args, a.Name+": "+m.argument(f, a))
	}
	return strings.Join(args, ", ")
}

func (m *operationMaker) argument(f *ast.FieldDefinition, a *ast.ArgumentDefinition) string {
	switch a.Name {
	case "first":
		size := []int{0, 1, 2, 3, 25, 25, 100, 101}[m.rng.IntN(8)]
		if m.chance(2) {
			return m.variable(fmt.Sprint("first", size), "Int", size)
		}
		return fmt.Sprint(size)
	case "after":
		if strings.HasSuffix(f.Type.Name(), "Connection") && m.chance(2) {
			id, _ := document.Parse([]byte(`{"id":"id-1"}`), model.Shapes.Client)
			cursors := model.NewEmbeddedCursors("Client."+f.Name, id.Root().Member(0), "status", "kind")
			if f.Name == "learningPaths" {
				cursors = model.NewEmbeddedCursors("Client."+f.Name, id.Root().Member(0), "status")
			}
			return fmt.Sprintf("%q", cursors.Cursor(1))
		}
		return m.pick(`"nonsense"`, "null")
	case "id":
		return m.id()
	case "ids":
		if m.chance(3) {
			return m.variable("ids", "[ID!]!", []any{"a", "b", "c", "a", "f", "h"})
		}
		return "[" + m.id() + ", " + m.id() + ", " + m.id() + "]"
	case "status":
		return m.pick("[published]", "[draft, published]", "[]", "null", "published")
	case "kind":
		return m.pick("[video, microCourse]", "[]", "article")
	case "filter":
		return m.pick("{}", `{ claims: { a: [1, "x"] } }`, "null", `{ authenticationProvider: { subjectId: "s" } }`)
	case "by":
		return m.pick(`{ id: "x" }`, `{ sourceId: "y" }`)
	case "input":
		return inputs[a.Type.Name()]
	}
	return m.pick(`"text"`, "null", `"other"`)
}

func (m *operationMaker) pick(list ...string) string { return list[m.rng.IntN(len(list))] }

func (m *operationMaker) id() string { return fmt.Sprintf("%q", string(rune('a'+m.rng.IntN(26)))) }

var inputs = map[string]string{
	"UpdateEmbedClientInput": `{ by: { id: "x" }, metadata: { a: 1 } }`,
	"DeleteEmbedClientInput": `{ by: { sourceId: "x" }, confirm: "x" }`,
	"UpdateUserInput":        `{ by: { id: "x" }, name: "n" }`,
	"DeleteUserInput":        `{ by: { id: "x" }, action: ignore }`,
	"UpdateIdentityInput":    `{ by: { id: "x" }, claims: [1] }`,
	"DeleteIdentityInput":    `{ by: { id: "x" } }`,
}
