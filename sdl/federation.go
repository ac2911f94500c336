package sdl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
)

// cacheTagDefinition is for compositions that do not have the directive.
const cacheTagDefinition = `"""A tag by which a router invalidates a cached response."""
directive @cacheTag (format: String!) repeatable on OBJECT | FIELD_DEFINITION
`

// federate writes a subgraph of a version of Apollo Federation with that version's directives and the common ones.
// Composition drops directives of our own, so that they are left out.
func (e *edit) federate(version string, more ...string) {
	e.fitSizes()
	e.replace(func(d *ast.Directive) *ast.Directive {
		switch d.Name {
		case "cost":
			return integerWeight(d)
		case "listSize":
			d.Arguments = append(d.Arguments, boolean("requireOneSlicingArgument", false)) // each has a default
		}
		return d
	})
	e.addKeys()
	e.addShareable()
	if slices.Contains(more, "@cacheTag") {
		e.addCacheTags()
		e.tail = cacheTagDefinition
	}
	if slices.Contains(more, "@requiresScopes") {
		e.addScopes()
	}
	e.remove("range", "scopes", "calls", "defer", "stream")
	e.Directives = slices.DeleteFunc(e.Directives, func(d *ast.DirectiveDefinition) bool {
		return d.Name == "cost" || d.Name == "listSize"
	})
	imports := append([]string{"@key", "@shareable", "@cost", "@listSize"}, more...)
	e.define(fmt.Sprintf(`extend schema @link(url: "https://specs.apollo.dev/federation/v%s", import: ["%s"])`, version,
		strings.Join(imports, `", "`)))
}

// integerWeight is @cost as Federation has it: whole numbers, which ours are.
func integerWeight(d *ast.Directive) *ast.Directive {
	return directive("cost",
		&ast.Argument{Name: "weight", Value: &ast.Value{Kind: ast.IntValue, Raw: d.Arguments.ForName("weight").Value.Raw}})
}

// fitSizes writes the length of a list whose argument decides it: in Federation a slicing argument is a number.
func (e *edit) fitSizes() {
	for _, def := range e.Definitions {
		for _, f := range def.Fields {
			d := f.Directives.ForName("listSize")
			if d == nil || d.Arguments.ForName("slicingArguments") == nil {
				continue
			}
			name := d.Arguments.ForName("slicingArguments").Value.Children[0].Value.Raw
			if f.Arguments.ForName(name).Type.Elem != nil {
				d.Arguments = ast.ArgumentList{number("assumedSize", scalar.MaxFirst)}
			}
		}
	}
}

// addKeys adds @key for each key that other schemas can refer to an object by.
func (e *edit) addKeys() {
	for _, def := range e.objects() {
		for _, key := range scalar.Keys(scalar.NodeType(def.Name)) {
			def.Directives = append(def.Directives, directive("key", text("fields", key)))
		}
	}
}

// addShareable marks the types that other schemas may define too: a page of objects that they refer to has these types.
func (e *edit) addShareable() {
	for _, def := range e.objects() {
		if def.Name == "PageInfo" || hasSuffix(def.Name, "Connection", "Edge") {
			def.Directives = append(def.Directives, directive("shareable"))
		}
	}
}

// addCacheTags adds the tags by which a router forgets answers. A tag may name a field of the object only where each
// key has it, and an argument only where it is never null.
func (e *edit) addCacheTags() {
	for _, def := range e.objects() {
		switch keys := scalar.Keys(scalar.NodeType(def.Name)); {
		case len(keys) == 1:
			def.Directives = append(def.Directives, directive("cacheTag", text("format", def.Name+"-{$key."+keys[0]+"}")))
			fallthrough
		case len(keys) > 1:
			def.Directives = append(def.Directives, directive("cacheTag", text("format", def.Name)))
		}
	}
	for _, f := range e.Definitions.ForName("Query").Fields {
		f.Directives = append(f.Directives, directive("cacheTag", text("format", f.Name)))
		for _, a := range f.Arguments {
			if a.Type.NonNull && a.Type.Elem == nil && e.kind(a.Type.Name()) == ast.Scalar {
				f.Directives = append(f.Directives, directive("cacheTag", text("format", f.Name+"-{$args."+a.Name+"}")))
			}
		}
	}
}

// addScopes adds the scopes that a caller needs. A root field that leads to an object of any type needs a caller.
func (e *edit) addScopes() {
	change := func(directives *ast.DirectiveList) bool {
		d := directives.ForName("scopes")
		if d == nil {
			return false
		}
		required := &ast.Argument{Name: "scopes", Value: list(d.Arguments.ForName("scopes").Value)}
		*directives = append(*directives, directive("authenticated"), directive("requiresScopes", required))
		return true
	}
	for _, def := range e.Definitions {
		if def.Kind != ast.Object {
			continue
		}
		change(&def.Directives)
		for _, f := range def.Fields {
			if !change(&f.Directives) && e.kind(f.Type.Name()) == ast.Interface {
				f.Directives = append(f.Directives, directive("authenticated"))
			}
		}
	}
}
