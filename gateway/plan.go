package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/httpapi"
)

// planned is the data of a plan.
type planned struct {
	Cost   cost.Report       `json:"cost"`
	Calls  map[string]int64  `json:"calls"`
	Fields []cost.FieldCalls `json:"fields"`
	// Limit is the most that the server lets an operation cost, 0 for any.
	Limit int64 `json:"limit"`
	// Warnings name the limits of the server that the operation can pass.
	Warnings []string `json:"warnings,omitempty"`
}

// warnings compares the greatest cost of an operation with the limits of the server.
func (g *Gateway) warnings(c *cost.Estimate) (list []string) {
	if allowed := g.opts.Cost.Max; allowed > 0 && c.Points > allowed && !g.opts.Cost.Measure {
		list = append(list, fmt.Sprintf("the operation can cost %d points and is refused: MAX_COST is %d", c.Points, allowed))
	}
	if allowed, n := int64(g.opts.MaxCalls), c.TotalCalls(); allowed > 0 && n > allowed {
		list = append(list, fmt.Sprintf(
			"the operation can make %d backend calls and fails in part after %d (OPERATION_CALLS)", n, allowed))
	}
	return list
}

func (g *Gateway) plan(ctx context.Context, r *http.Request, req *httpapi.Request, _ *parts) *httpapi.Result {
	op, refusal := g.prepare(ctx, r.Method, req)
	if refusal != nil {
		return refusal
	}
	estimate := g.estimate(op)
	data, err := json.Marshal(map[string]planned{"plan": {cost.Report{Requested: estimate.Points}, estimate.Calls,
		estimate.Fields, g.opts.Cost.Max, g.warnings(estimate)}})
	if err != nil {
		return httpapi.Refuse(nil)
	}
	return &httpapi.Result{Response: &graphql.Response{Data: data, Errors: estimate.Faults}}
}
