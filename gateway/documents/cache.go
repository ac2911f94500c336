// Package documents finds the text of a request's document (in the request, by hash or by trusted id), parses and
// validates it, and caches the result.
package documents

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/validation"
	"github.com/learngraph/learngraph/lru"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Cache parses and validates each text once and keeps the result. A document that is refused is not kept: its text
// is as long as its sender likes.
type Cache struct {
	schema        *ast.Schema
	limits        limits.Limits
	introspection bool
	rules, silent *rules.Rules
	documents     *lru.Cache[string, *Document]
	// Validations counts the documents that got as far as the validator, whose rules cost more than linear time.
	Validations atomic.Int64
}

// Document is a valid document.
type Document struct {
	*ast.QueryDocument
	Digest [sha256.Size]byte // digest of its text
	// Memo holds values derived from an operation once, by *ast.OperationDefinition.
	Memo sync.Map
}

func newDocument(doc *ast.QueryDocument, text string) *Document {
	return &Document{QueryDocument: doc, Digest: sha256.Sum256([]byte(text))}
}

// DefaultMemory bounds the memory that valid documents take, in bytes, where no other bound is set; a frontend has some
// hundreds.
const DefaultMemory = 64 << 20

// tokenSize is the approximate size of a parsed token, in bytes.
const tokenSize = 256

// maxSuggested is the longest text, in bytes, whose errors may suggest names: every unknown name is compared with
// every name that there is.
const maxSuggested = 8 << 10

// New returns a Cache of at most so many bytes; reserve is called with each change of its size.
func New(schema *ast.Schema, limits limits.Limits, introspection bool, most int, reserve func(int64)) *Cache {
	return &Cache{schema: schema, limits: limits, introspection: introspection, rules: validation.Rules(true),
		silent: validation.Rules(false), documents: lru.New[string, *Document](most, reserve)}
}

// rulesFor leaves suggestions out where introspection is off, since they reveal names of the schema.
func (d *Cache) rulesFor(text string) *rules.Rules {
	if d.introspection && len(text) <= maxSuggested {
		return d.rules
	}
	return d.silent
}

// Load returns the validated document of a text.
func (d *Cache) Load(text string) (*Document, gqlerror.List) {
	if doc, ok := d.documents.Get(text); ok {
		return doc, nil
	}
	parsed, errs := d.Read(text)
	if len(errs) > 0 {
		return nil, errs
	}
	doc := newDocument(parsed, text)
	d.documents.Put(text, doc, len(text)+tokenSize*limits.Tokens(text, d.limits.Tokens))
	return doc, nil
}

// Read checks a text, the cheap bounds first: a text that they refuse is neither parsed nor validated.
func (d *Cache) Read(text string) (*ast.QueryDocument, gqlerror.List) {
	if err := d.limits.CheckText(text); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := syntax.Parse(text)
	if err != nil {
		return nil, withCode(gqlerrors.CodeParseFailed, err)
	}
	if err := d.limits.CheckDocument(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	d.Validations.Add(1)
	if list := validator.ValidateWithRules(d.schema, doc, d.rulesFor(text)); len(list) > 0 {
		return nil, withCode(gqlerrors.CodeValidationFailed, deduplicated(list)...)
	}
	if list := validation.CheckDeliveryDirectives(doc); len(list) > 0 {
		return nil, withCode(gqlerrors.CodeValidationFailed, list...)
	}
	if list := validation.CheckSubscriptions(doc); len(list) > 0 {
		return nil, withCode(gqlerrors.CodeValidationFailed, list...)
	}
	for _, op := range doc.Operations {
		if err := d.checkIntrospection(op); err != nil {
			return nil, withCode(gqlerrors.CodeValidationFailed, err)
		}
	}
	return doc, nil
}

// deduplicated leaves out repeated errors of the same position: the validator walks a fragment by itself and where it
// is spread.
func deduplicated(list gqlerror.List) gqlerror.List {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(err *gqlerror.Error) bool {
		key := fmt.Sprint(err.Message, err.Locations)
		known := seen[key]
		seen[key] = true
		return known
	})
}

func withCode(code string, list ...*gqlerror.Error) gqlerror.List {
	for _, e := range list {
		e.Extensions = map[string]any{"code": code}
	}
	return list
}

func (d *Cache) checkIntrospection(op *ast.OperationDefinition) *gqlerror.Error {
	if d.introspection {
		return nil
	}
	if f := introspectionField(op.SelectionSet); f != nil {
		return gqlerror.ErrorPosf(f.Position, "introspection is disabled on this server: %s is not available", f.Name)
	}
	return nil
}

// introspectionField finds __schema or __type, which only the query root has.
func introspectionField(set ast.SelectionSet) *ast.Field {
	for sel := range syntax.Level(set) {
		if f, ok := sel.(*ast.Field); ok && strings.HasPrefix(f.Name, "__") && f.Name != "__typename" {
			return f
		}
	}
	return nil
}

// SelectOperation picks the operation that the request names. That there is none is a request error of GraphQL's, not
// one of HTTP's.
func SelectOperation(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *gqlerror.Error) {
	undetermined := func(message string) *gqlerror.Error {
		return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": gqlerrors.CodeBadRequest}}
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

// Close frees the memory. No document is kept from then on.
func (d *Cache) Close() { d.documents.Close() }
