package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
)

const plannedMethods = "POST, OPTIONS"

// PlanHandler answers POST /graphql/plan: the same requests as the gateway itself, and in data the cost of the operation
// and the most backend calls that it would make, by backend and by field. It makes none.
func (g *Gateway) PlanHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			g.serve(w, r, answerer{one: g.plan})
		case http.MethodOptions:
			tellMethods(w, plannedMethods)
		default:
			x := &exchange{w: w, media: mediaJSON, head: r.Method == http.MethodHead}
			x.fail(&requestError{status: http.StatusMethodNotAllowed, code: codeBadRequest, allow: plannedMethods, message: "use POST"})
		}
	})
}

// planned is the data of a plan.
type planned struct {
	Cost   costReport       `json:"cost"`
	Calls  map[string]int64 `json:"calls"`
	Fields []FieldCalls     `json:"fields"`
	// Limit is the most that the server lets an operation cost, 0 for any.
	Limit int64 `json:"limit"`
	// Warnings say which limits of the server the operation can pass.
	Warnings []string `json:"warnings,omitempty"`
}

// warnings compares what an operation can take with the limits of the server.
func (g *Gateway) warnings(c *Cost) (list []string) {
	if allowed := g.opts.Cost.Max; allowed > 0 && c.Points > allowed && !g.opts.Cost.Measure {
		list = append(list, fmt.Sprintf("it can cost %d points and is refused: MAX_COST is %d", c.Points, allowed))
	}
	if allowed, n := int64(g.opts.MaxCalls), total(c.Calls); allowed > 0 && n > allowed {
		list = append(list, fmt.Sprintf("it can make %d backend calls and fails in part after %d: that is OPERATION_CALLS", n, allowed))
	}
	return list
}

func (g *Gateway) plan(ctx context.Context, r *http.Request, req *request) *reply {
	op, refusal := g.prepare(ctx, r.Method, req)
	if refusal != nil {
		return refusal
	}
	cost := g.cost(op)
	data, err := json.Marshal(map[string]planned{"plan": {costReport{Requested: cost.Points}, cost.Calls, cost.Fields, g.opts.Cost.Max, g.warnings(cost)}})
	if err != nil {
		return refuse(nil)
	}
	return &reply{resp: &graphql.Response{Data: data, Errors: cost.Faults}}
}
