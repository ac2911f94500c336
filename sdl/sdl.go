// Package sdl writes the schema in the flavors that other programs read.
package sdl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// Flavor is the consumer of a schema.
type Flavor string

// The flavors.
const (
	// Plain is the schema as it is.
	Plain Flavor = "plain"
	// Federation is a subgraph of Apollo Federation 2.12.
	Federation Flavor = "federation"
	// Federation29 is the same for compositions that know Federation up to 2.9.
	Federation29 Flavor = "federation-2.9"
	// FederationOpen is Federation29 without scopes, which Apollo's gateway for Node refuses to run under.
	FederationOpen Flavor = "federation-open"
	// Composite is a source schema of the GraphQL composite schemas specification.
	Composite Flavor = "composite"
	// SemanticNullability marks for clients the fields that are null only with an error.
	SemanticNullability Flavor = "semantic-nullability"
	// CacheControl adds the lifetimes of objects for clients.
	CacheControl Flavor = "cache-control"
)

// Flavors are all of them.
var Flavors = []Flavor{Plain, Federation, Federation29, FederationOpen, Composite, SemanticNullability, CacheControl}

// Options are the parts of a flavor that differ from server to server.
type Options struct {
	// Lifetime is how long an answer of a backend is fresh.
	Lifetime time.Duration
	// EachClientLinked is set where each client shows the key that joins it to Coassemble.
	EachClientLinked bool
}

// Write returns the schema of the text in a flavor.
func Write(text string, f Flavor, o Options) (string, error) {
	if f == Plain {
		return text, nil
	}
	doc, err := parser.ParseSchema(&ast.Source{Name: "schema.graphqls", Input: text})
	if err != nil {
		return "", err
	}
	e := &edit{SchemaDocument: doc}
	switch f {
	case Federation:
		e.federate("2.12", "@cacheTag", "@authenticated", "@requiresScopes")
	case Federation29:
		e.federate("2.9", "@authenticated", "@requiresScopes")
	case FederationOpen:
		e.federate("2.9")
	case Composite:
		e.compose()
	case SemanticNullability:
		e.declareNullability(o)
	case CacheControl:
		e.declareLifetimes(o.Lifetime)
	default:
		return "", fmt.Errorf("%q is not a flavor of the schema", f)
	}
	var out strings.Builder
	formatter.NewFormatter(&out, formatter.WithIndent("  ")).FormatSchemaDocument(doc)
	return out.String() + e.tail, nil
}

// edit changes a schema.
type edit struct {
	*ast.SchemaDocument
	tail string
}

// remove takes directives away, their definitions and all their uses.
func (e *edit) remove(names ...string) {
	e.replace(func(d *ast.Directive) *ast.Directive {
		if slices.Contains(names, d.Name) {
			return nil
		}
		return d
	})
	e.Directives = slices.DeleteFunc(e.Directives, func(d *ast.DirectiveDefinition) bool {
		return slices.Contains(names, d.Name)
	})
}

// replace puts another directive in the place of each; nil takes it away.
func (e *edit) replace(with func(*ast.Directive) *ast.Directive) {
	change := func(list *ast.DirectiveList) {
		var changed ast.DirectiveList
		for _, d := range *list {
			if d = with(d); d != nil {
				changed = append(changed, d)
			}
		}
		*list = changed
	}
	for _, def := range e.Definitions {
		change(&def.Directives)
		for _, f := range def.Fields {
			change(&f.Directives)
			for _, a := range f.Arguments {
				change(&a.Directives)
			}
		}
	}
	for _, d := range e.Directives {
		for _, a := range d.Arguments {
			change(&a.Directives)
		}
	}
}

// define adds the definitions of a text in the schema definition language. The text is a constant of this package.
func (e *edit) define(text string) {
	more, err := parser.ParseSchema(&ast.Source{Input: text})
	if err != nil {
		panic(err)
	}
	e.Merge(more)
}

// kind returns the kind of a type; scalars that every schema has are none of its own.
func (e *edit) kind(name string) ast.DefinitionKind {
	if def := e.Definitions.ForName(name); def != nil {
		return def.Kind
	}
	return ast.Scalar
}

// objects are the object types without the roots.
func (e *edit) objects() []*ast.Definition {
	var list []*ast.Definition
	for _, def := range e.Definitions {
		if def.Kind == ast.Object && !slices.Contains([]string{"Query", "Mutation", "Subscription"}, def.Name) {
			list = append(list, def)
		}
	}
	return list
}

func hasSuffix(name string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

func directive(name string, args ...*ast.Argument) *ast.Directive {
	return &ast.Directive{Name: name, Arguments: args}
}

func text(name, value string) *ast.Argument {
	return &ast.Argument{Name: name, Value: &ast.Value{Kind: ast.StringValue, Raw: value}}
}

func number(name string, n int) *ast.Argument {
	return &ast.Argument{Name: name, Value: &ast.Value{Kind: ast.IntValue, Raw: fmt.Sprint(n)}}
}

func boolean(name string, b bool) *ast.Argument {
	return &ast.Argument{Name: name, Value: &ast.Value{Kind: ast.BooleanValue, Raw: fmt.Sprint(b)}}
}

func list(values ...*ast.Value) *ast.Value {
	v := &ast.Value{Kind: ast.ListValue}
	for _, e := range values {
		v.Children = append(v.Children, &ast.ChildValue{Value: e})
	}
	return v
}
