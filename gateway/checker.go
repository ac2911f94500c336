package gateway

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Checker judges documents without running them.
type Checker struct {
	documents *documents
	costs     *costs
}

// NewChecker makes a checker for a schema.
func NewChecker(schema *ast.Schema, limits Limits) *Checker {
	return &Checker{newDocuments(schema, limits.withDefaults(), true, keptDocuments, nil), newCosts(schema)}
}

// CheckedOperation is an operation with what it can take at most, whatever its variables are.
type CheckedOperation struct {
	Name string
	Cost *Cost
}

// Check gives the operations of a document, or what is wrong with it.
func (c *Checker) Check(text string) ([]CheckedOperation, gqlerror.List) {
	doc, errs := c.documents.read(text)
	if len(errs) > 0 {
		return nil, errs
	}
	list := make([]CheckedOperation, len(doc.Operations))
	for i, op := range doc.Operations {
		list[i] = CheckedOperation{op.Name, c.costs.estimateWith(op, collector{schema: c.costs.schema, open: true})}
	}
	return list, nil
}

// Parse returns a document, or what is wrong with it.
func (c *Checker) Parse(text string) (*ast.QueryDocument, gqlerror.List) {
	return c.documents.read(text)
}
