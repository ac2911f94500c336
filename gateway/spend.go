package gateway

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// DefaultMaxCost is the most that one operation may cost by its estimate, which takes every list for full and every call
// for made. A page of 25 clients with users, identities and credentials, 25 a list unless the query says less, is
// estimated at 210,000 points; the same with 100 a list, at sixteen times that, is refused. What an operation really
// spends is bounded apart, by the calls that it may make.
const DefaultMaxCost = 10000 * CallPoints

// CostOptions bound what operations cost. The zero value bounds nothing.
type CostOptions struct {
	// Max is the most points of one operation, 0 for any.
	Max int64
	// Bucket holds the points of each caller; nil does not count them.
	Bucket Bucket
	// Points are the size of a caller's bucket unless the caller has its own, Restore what comes back per second.
	Points  int
	Restore float64
	// Measure reports the cost in extensions.cost and refuses nothing.
	Measure bool
}

// Bucket takes points out of a caller's bucket, or none if there are fewer; a negative n gives points back.
type Bucket interface {
	Take(ctx context.Context, caller string, limit cache.Limit, n int) cache.Taken
}

var _ Bucket = (*cache.Bucket)(nil)

// spent is what an operation was charged.
type spent struct {
	estimate *Cost
	limit    cache.Limit
	left     int
}

// costReport is extensions.cost, in the shape of Shopify's.
type costReport struct {
	Requested int64           `json:"requestedQueryCost"`
	Actual    int64           `json:"actualQueryCost"`
	Throttle  *throttleStatus `json:"throttleStatus,omitempty"`
}

type throttleStatus struct {
	Maximum   int     `json:"maximumAvailable"`
	Available int     `json:"currentlyAvailable"`
	Restore   float64 `json:"restoreRate"`
}

// spend charges the caller for an operation before it runs, or refuses it.
func (g *Gateway) spend(ctx context.Context, op *prepared, registers bool) (*spent, *reply) {
	if !g.opts.Cost.counted() {
		return nil, nil
	}
	estimate := g.cost(op)
	if registers {
		estimate = estimate.registering(op.RawQuery)
	}
	return g.charge(ctx, estimate)
}

// counted says whether what operations cost is of interest.
func (o CostOptions) counted() bool { return o.Max > 0 || o.Bucket != nil || o.Measure }

// charge charges the caller what an operation is estimated to cost.
func (g *Gateway) charge(ctx context.Context, estimate *Cost) (*spent, *reply) {
	o := g.opts.Cost
	s := &spent{estimate: estimate}
	if o.Max > 0 && s.estimate.Points > o.Max && !o.Measure {
		return nil, refuse(gqlerror.List{limitError(fmt.Sprintf("the operation can cost more than %d points (MAX_COST)", o.Max),
			limit{"cost", s.estimate.Points, o.Max})})
	}
	if o.Bucket == nil {
		return s, nil
	}
	who := auth.FromContext(ctx)
	s.limit = cache.Limit{Capacity: o.Points, Restore: o.Restore}
	if who.Points > 0 {
		s.limit = cache.Limit{Capacity: int(who.Points), Restore: o.Restore * float64(who.Points) / float64(max(o.Points, 1))}
	}
	taken := o.Bucket.Take(ctx, who.Name, s.limit, int(s.estimate.Points))
	s.left = taken.Left
	if taken.OK || o.Measure {
		return s, nil
	}
	fault := &requestError{status: http.StatusTooManyRequests, code: codeRateLimited,
		message: fmt.Sprintf("the operation can cost %d points, and %d are left", s.estimate.Points, taken.Left)}
	if s.estimate.Points > int64(s.limit.Capacity) {
		fault.message = fmt.Sprintf("the operation can cost %d points, and a full bucket of this caller has %d: waiting does not help, ask for less at once",
			s.estimate.Points, s.limit.Capacity)
		fault.limit = &limit{"points", s.estimate.Points, int64(s.limit.Capacity)}
	} else if taken.Wait > 0 {
		fault.retryAfter = int(math.Ceil(taken.Wait.Seconds()))
	}
	out := fail(fault)
	out.resp.Extensions = s.report(0)
	return nil, out
}

// cost is the estimate of an operation, with the calls as the planner counts them.
func (g *Gateway) cost(op *prepared) *Cost {
	known := g.costs.estimateOf(op)
	if g.opts.Calls == nil {
		return known
	}
	estimate := *known
	before := total(estimate.Calls)
	estimate.Calls, estimate.Fields = map[string]int64{}, g.opts.Calls(op.OperationContext)
	for _, f := range estimate.Fields {
		estimate.Calls[f.Backend] += f.Calls
	}
	estimate.Points += CallPoints * (total(estimate.Calls) - before)
	return &estimate
}

// settle gives back what an operation turned out not to need, and reports.
func (g *Gateway) settle(ctx context.Context, s *spent, made int64, resp *graphql.Response) {
	if s == nil || g.opts.Cost.Bucket == nil && !g.opts.Cost.Measure {
		return
	}
	actual := min(s.estimate.Points, s.estimate.Points-CallPoints*(total(s.estimate.Calls)-made))
	if rest := int(s.estimate.Points - actual); rest > 0 && g.opts.Cost.Bucket != nil {
		// The caller must get the points back though the operation ran out of time.
		s.left = g.opts.Cost.Bucket.Take(context.WithoutCancel(ctx), auth.FromContext(ctx).Name, s.limit, -rest).Left
	}
	extensions := s.report(actual)
	for name, value := range resp.Extensions {
		extensions[name] = value
	}
	resp.Extensions = extensions
}

func (s *spent) report(actual int64) map[string]any {
	report := costReport{Requested: s.estimate.Points, Actual: actual}
	if s.limit.Capacity > 0 {
		report.Throttle = &throttleStatus{s.limit.Capacity, s.left, s.limit.Restore}
	}
	return map[string]any{"cost": report}
}
