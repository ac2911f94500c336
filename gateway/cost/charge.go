package cost

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Options bound the costs of operations. The zero value bounds nothing.
type Options struct {
	// Max is the most points of one operation, 0 for any.
	Max int64
	// Bucket holds the points of each caller; nil does not count them.
	Bucket Bucket
	// Points are the size of a caller's bucket unless the caller has its own, Restore the points that return per second.
	Points  int
	Restore float64
	// Measure reports the cost in extensions.cost and refuses nothing.
	Measure bool
}

// Bucket takes points out of a caller's bucket, or none if there are fewer; a negative n returns points.
type Bucket interface {
	Take(ctx context.Context, caller string, limit cache.Limit, n int) cache.Taken
}

var _ Bucket = (*cache.Bucket)(nil)

// Charge is the charge of an operation. The zero value is none.
type Charge struct {
	Estimate *Estimate
	limit    cache.Limit
	left     int
}

// Report is extensions.cost, in the shape of Shopify's.
type Report struct {
	Requested int64           `json:"requestedQueryCost"`
	Actual    int64           `json:"actualQueryCost"`
	Throttle  *throttleStatus `json:"throttleStatus,omitempty"`
}

type throttleStatus struct {
	Maximum   int     `json:"maximumAvailable"`
	Available int     `json:"currentlyAvailable"`
	Restore   float64 `json:"restoreRate"`
}

// Counted reports whether the costs of operations are counted.
func (o *Options) Counted() bool { return o.Max > 0 || o.Bucket != nil || o.Measure }

// Charge charges the caller the estimated cost of an operation.
func (o *Options) Charge(ctx context.Context, who *auth.Caller, estimate *Estimate) (Charge, *httpapi.Result) {
	charge := Charge{Estimate: estimate}
	if o.Max > 0 && estimate.Points > o.Max && !o.Measure {
		return Charge{}, httpapi.Refuse(gqlerror.List{gqlerrors.OverLimit(
			fmt.Sprintf("the operation can cost more than %d points (MAX_COST)", o.Max),
			gqlerrors.Limit{Name: "cost", Reached: estimate.Points, Allowed: o.Max})})
	}
	if o.Bucket == nil {
		return charge, nil
	}
	charge.limit = cache.Limit{Capacity: o.Points, Restore: o.Restore}
	if who.Points > 0 {
		charge.limit = cache.Limit{Capacity: int(who.Points),
			Restore: o.Restore * float64(who.Points) / float64(max(o.Points, 1))}
	}
	taken := o.Bucket.Take(ctx, who.Name, charge.limit, int(estimate.Points))
	charge.left = taken.Left
	if taken.OK || o.Measure {
		return charge, nil
	}
	fault := &httpapi.Error{Status: http.StatusTooManyRequests, Code: gqlerrors.CodeRateLimited,
		Message: fmt.Sprintf("the operation can cost %d points, and %d are left", estimate.Points, taken.Left)}
	if estimate.Points > int64(charge.limit.Capacity) {
		fault.Message = fmt.Sprintf(
			"the operation can cost %d points, and the caller's full bucket has %d: waiting does not help, select less at once",
			estimate.Points, charge.limit.Capacity)
		fault.Limit = &gqlerrors.Limit{Name: "points", Reached: estimate.Points, Allowed: int64(charge.limit.Capacity)}
	} else if taken.Wait > 0 {
		fault.RetryAfter = int(math.Ceil(taken.Wait.Seconds()))
	}
	out := httpapi.Fail(fault)
	out.Response.Extensions = charge.report(0)
	return Charge{}, out
}

// Settle returns the points that an operation did not need, and reports its cost.
func (o *Options) Settle(ctx context.Context, who *auth.Caller, charge Charge, made int64, resp *graphql.Response) {
	if charge.Estimate == nil || o.Bucket == nil && !o.Measure {
		return
	}
	actual := min(charge.Estimate.Points, charge.Estimate.Points-CallPoints*(total(charge.Estimate.Calls)-made))
	if rest := int(charge.Estimate.Points - actual); rest > 0 && o.Bucket != nil {
		// The caller must get the points back though the operation ran out of time.
		charge.left = o.Bucket.Take(context.WithoutCancel(ctx), who.Name, charge.limit, -rest).Left
	}
	extensions := charge.report(actual)
	maps.Copy(extensions, resp.Extensions)
	resp.Extensions = extensions
}

func (c Charge) report(actual int64) map[string]any {
	report := Report{Requested: c.Estimate.Points, Actual: actual}
	if c.limit.Capacity > 0 {
		report.Throttle = &throttleStatus{c.limit.Capacity, c.left, c.limit.Restore}
	}
	return map[string]any{"cost": report}
}

// registrationUnit is how many bytes of a document that is kept cost as much as a backend call.
const registrationUnit = 1 << 10

// WithRegistration adds the charge for a document that is kept, whose text stays in the memory that all callers share.
func (e *Estimate) WithRegistration(text string) *Estimate {
	more := *e
	more.Registration = CallPoints * int64((len(text)+registrationUnit-1)/registrationUnit)
	more.Points += more.Registration
	return &more
}
