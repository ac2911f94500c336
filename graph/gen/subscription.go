package main

import (
	"fmt"

	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/plugin"
	"github.com/vektah/gqlparser/v2/ast"
)

// subscription removes the type Subscription from gqlgen's output: a subscription is a query that is executed again, by
// the resolvers of Query, and none of them returns a channel.
type subscription struct{}

var _ plugin.ConfigMutator = (*subscription)(nil)

func (*subscription) Name() string { return "subscription" }

func (*subscription) MutateConfig(cfg *config.Config) error {
	root := cfg.Schema.Subscription
	if root == nil {
		return nil
	}
	for _, f := range root.Fields {
		if q := cfg.Schema.Query.Fields.ForName(f.Name); q == nil || signature(q) != signature(f) {
			return fmt.Errorf("field Subscription.%s must be as Query.%s is", f.Name, f.Name)
		}
	}
	cfg.Schema.Subscription = nil
	delete(cfg.Schema.Types, root.Name)
	return nil
}

// signature is the part of a field that affects its binding and its cost.
func signature(f *ast.FieldDefinition) string {
	text := f.Type.String()
	for _, a := range f.Arguments {
		text += fmt.Sprint(" ", a.Name, a.Type, a.DefaultValue, directives(a.Directives))
	}
	return text + directives(f.Directives)
}

func directives(list ast.DirectiveList) (text string) {
	for _, d := range list {
		text += " @" + d.Name
		for _, a := range d.Arguments {
			text += fmt.Sprint(" ", a.Name, a.Value)
		}
	}
	return text
}
