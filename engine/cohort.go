package engine

import "github.com/learngraph/learngraph/loader"

// cohort are the branches of one part that differ in the element of a list that they are for. A call of one starts
// together with those that the others make before a backend answers, so that their loads are one batch, as if one
// branch made them.
type cohort struct {
	outer   *cohort           // of the branches that begin those of this one
	inner   map[*part]*cohort // that begin in its branches
	busy    int               // branches that may make a call before a backend answers
	calls   []*call           // that wait for the others
	waiting []*activity       // whose calls these are
	started chan struct{}     // closed when the calls go out
}

func newCohort(outer *cohort) *cohort { return &cohort{outer: outer, started: make(chan struct{})} }

// of returns the cohort of the branches of a part: those of all branches of c.
func (c *cohort) of(p *part) *cohort {
	if c == nil {
		return newCohort(nil)
	}
	if c.inner == nil {
		c.inner = map[*part]*cohort{}
	}
	if c.inner[p] == nil {
		c.inner[p] = newCohort(c)
	}
	return c.inner[p]
}

// startIfReady lets the calls go out that nothing can join before a backend answers.
func (c *cohort) startIfReady() {
	for around := c; around != nil; around = around.outer {
		if around.busy > 0 {
			return
		}
	}
	if len(c.waiting) > 0 {
		joinByClass(c.calls)
		for _, a := range c.waiting {
			if a.inCohort, a.busy = false, a.waiting == 0; a.busy {
				c.busy++
			}
		}
		c.calls, c.waiting = nil, nil
		close(c.started)
		c.started = make(chan struct{})
		return
	}
	for _, inner := range c.inner {
		inner.startIfReady()
	}
}

// updateCohort records in the cohort of a branch whether the branch is busy. A call of it that waits for a backend does
// not make it busy.
func (a *activity) updateCohort() {
	busy := !a.over && !a.inCohort && a.waiting == 0
	if a.cohort == nil || busy == a.busy {
		return
	}
	a.busy = busy
	a.cohort.busy += map[bool]int{true: 1, false: -1}[busy]
	a.cohort.startIfReady()
}

// awaitCohort waits until the calls can go out.
func (x *execution) awaitCohort(calls []*call) {
	if x.cohort == nil || len(calls) == 0 {
		return
	}
	d := x.delivery
	d.mu.Lock()
	c := x.cohort
	gone := c.started
	c.calls, c.waiting = append(c.calls, calls...), append(c.waiting, x.activity)
	x.activity.inCohort = true
	if !x.activity.busy {
		c.startIfReady() // one of its calls waits for a backend
	}
	x.activity.updateCohort()
	d.mu.Unlock()
	<-gone
}

// joinByClass joins the calls of one class, which differ in their arguments or in their branch, into groups: their
// loads are one batch.
func joinByClass(calls []*call) {
	byClass := map[int][]*call{}
	for _, c := range calls {
		class := c.fields[0].class
		byClass[class] = append(byClass[class], c)
	}
	for _, calls := range byClass {
		if len(calls) < 2 {
			continue
		}
		group := loader.NewBatchGroup(len(calls))
		for _, c := range calls {
			c.group = group
		}
	}
}
