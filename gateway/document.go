package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/learngraph/learngraph/lru"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// documents parses and validates each text once and keeps the result. A document that is refused is not kept: its text
// is as long as its sender likes.
type documents struct {
	schema        *ast.Schema
	limits        Limits
	introspection bool
	rules, silent *rules.Rules
	kept          *lru.Cache[string, *validDocument]
	// validations counts the documents that got as far as the validator, whose rules cost more than linear time.
	validations atomic.Int64
}

// keptDocuments bounds the memory that valid documents take, in bytes, where no other bound is set; a frontend has some
// hundreds.
const keptDocuments = 64 << 20

// tokenSize is about what a token takes once it is parsed, in bytes.
const tokenSize = 256

// longestSuggested is the longest text, in bytes, whose errors may suggest names: every unknown name is compared with
// every name that there is.
const longestSuggested = 8 << 10

func newDocuments(schema *ast.Schema, limits Limits, introspection bool, most int, reserve func(int64)) *documents {
	return &documents{schema: schema, limits: limits, introspection: introspection, rules: withNames(withValues(rules.NewDefaultRules(), true), true),
		silent: silentRules(), kept: lru.New[string, *validDocument](most, reserve)}
}

// silentRules are the same rules without suggestions.
func silentRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.ReplaceRule(rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
	return withNames(withValues(r, false), false)
}

// rulesFor leaves suggestions out where introspection is off, since they tell names of the schema.
func (d *documents) rulesFor(text string) *rules.Rules {
	if d.introspection && len(text) <= longestSuggested {
		return d.rules
	}
	return d.silent
}

// load gives the validated document of a text.
func (d *documents) load(text string) (*validDocument, gqlerror.List) {
	if doc, ok := d.kept.Get(text); ok {
		return doc, nil
	}
	parsed, errs := d.read(text)
	if len(errs) > 0 {
		return nil, errs
	}
	doc := newDocument(parsed, text)
	d.kept.Put(text, doc, len(text)+tokenSize*measure(text, d.limits.Tokens).tokens)
	return doc, nil
}

// read checks a text, the cheap bounds first: what they refuse neither the parser nor the validator sees.
func (d *documents) read(text string) (*ast.QueryDocument, gqlerror.List) {
	if err := d.limits.checkText(text); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := syntax.Parse(text)
	if err != nil {
		return nil, coded(codeParseFailed, err)
	}
	if err := d.limits.checkDocument(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	d.validations.Add(1)
	if list := validator.ValidateWithRules(d.schema, doc, d.rulesFor(text)); len(list) > 0 {
		return nil, coded(codeValidationFailed, once(list)...)
	}
	if list := checkDeliveryDirectives(doc); len(list) > 0 {
		return nil, coded(codeValidationFailed, list...)
	}
	for _, op := range doc.Operations {
		if err := d.checkIntrospection(op); err != nil {
			return nil, coded(codeValidationFailed, err)
		}
	}
	return doc, nil
}

// once leaves out what was said before of the same place: the validator walks a fragment by itself and where it is spread.
func once(list gqlerror.List) gqlerror.List {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(err *gqlerror.Error) bool {
		key := fmt.Sprint(err.Message, err.Locations)
		known := seen[key]
		seen[key] = true
		return known
	})
}

func coded(code string, list ...*gqlerror.Error) gqlerror.List {
	for _, e := range list {
		e.Extensions = map[string]any{"code": code}
	}
	return list
}

func (d *documents) checkIntrospection(op *ast.OperationDefinition) *gqlerror.Error {
	if d.introspection {
		return nil
	}
	if f := introspectionField(op.SelectionSet); f != nil {
		return gqlerror.ErrorPosf(f.Position, "introspection is switched off on this server: %s is not available", f.Name)
	}
	return nil
}

// introspectionField finds __schema or __type, which only the query root has.
func introspectionField(set ast.SelectionSet) *ast.Field {
	for _, sel := range set {
		var inner ast.SelectionSet
		switch sel := sel.(type) {
		case *ast.Field:
			if strings.HasPrefix(sel.Name, "__") && sel.Name != "__typename" {
				return sel
			}
		case *ast.InlineFragment:
			inner = sel.SelectionSet
		case *ast.FragmentSpread:
			inner = sel.Definition.SelectionSet
		}
		if f := introspectionField(inner); f != nil {
			return f
		}
	}
	return nil
}

// operation picks the operation that the request names. That there is none is a request error of GraphQL's, not one of
// HTTP's.
func operation(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *gqlerror.Error) {
	undetermined := func(message string) *gqlerror.Error {
		return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": codeBadRequest}}
	}
	if len(doc.Operations) == 0 {
		return nil, undetermined("the document has no operation")
	}
	if name == "" && len(doc.Operations) > 1 {
		return nil, undetermined("operationName is missing: the document has more than one operation")
	}
	if name == "" {
		return doc.Operations[0], nil
	}
	for _, op := range doc.Operations {
		if op.Name == name {
			return op, nil
		}
	}
	return nil, undetermined("operationName names no operation of the document")
}
