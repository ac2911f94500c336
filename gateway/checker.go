package gateway

import (
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Checker judges documents without running them.
type Checker struct {
	documents *documents.Cache
	costs     *cost.Estimator
}

// NewChecker makes a checker for a schema.
func NewChecker(schema *ast.Schema, limits limits.Limits) *Checker {
	return &Checker{documents.New(schema, limits.WithDefaults(), true, documents.DefaultMemory, nil),
		cost.NewEstimator(schema)}
}

// CheckedOperation is an operation with its greatest possible cost, whatever its variables are.
type CheckedOperation struct {
	Name string
	Cost *cost.Estimate
}

// Check returns the operations of a document, or its errors.
func (c *Checker) Check(text string) ([]CheckedOperation, gqlerror.List) {
	doc, errs := c.documents.Read(text)
	if len(errs) > 0 {
		return nil, errs
	}
	list := make([]CheckedOperation, len(doc.Operations))
	for i, op := range doc.Operations {
		list[i] = CheckedOperation{op.Name,
			c.costs.EstimateWith(op, selection.Collector{Schema: c.costs.Schema, Unbound: true})}
	}
	return list, nil
}

// Parse returns a document, or its errors.
func (c *Checker) Parse(text string) (*ast.QueryDocument, gqlerror.List) {
	return c.documents.Read(text)
}
