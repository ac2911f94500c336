package engine

import "github.com/learngraph/learngraph/loader"

// cohort are the branches of one part that differ in the element of a list that they are for. A call of one goes out with those
// that the others make before a backend answers, so that what they load is one batch, as if one branch made them.
type cohort struct {
	outer *cohort           // of the branches that begin those of this one
	inner map[*part]*cohort // that begin in its branches
	busy  int               // branches that may make a call before a backend answers
	calls []*call           // that wait for the others
	gate  []*activity       // whose calls these are
	gone  chan struct{}     // closed when the calls go out
}

func newCohort(outer *cohort) *cohort { return &cohort{outer: outer, gone: make(chan struct{})} }

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

// settle lets the calls go out that nothing can join before a backend answers.
func (c *cohort) settle() {
	for around := c; around != nil; around = around.outer {
		if around.busy > 0 {
			return
		}
	}
	if len(c.gate) > 0 {
		joinByClass(c.calls)
		for _, a := range c.gate {
			if a.atGate, a.busy = false, a.waiting == 0; a.busy {
				c.busy++
			}
		}
		c.calls, c.gate = nil, nil
		close(c.gone)
		c.gone = make(chan struct{})
		return
	}
	for _, inner := range c.inner {
		inner.settle()
	}
}

// settle tells the cohort of a branch whether the branch is busy. A call of it that waits for a backend does not make it busy.
func (a *activity) settle() {
	busy := !a.over && !a.atGate && a.waiting == 0
	if a.cohort == nil || busy == a.busy {
		return
	}
	a.busy = busy
	a.cohort.busy += map[bool]int{true: 1, false: -1}[busy]
	a.cohort.settle()
}

// awaitCohort waits until the calls can go out.
func (x *execution) awaitCohort(calls []*call) {
	if x.cohort == nil || len(calls) == 0 {
		return
	}
	d := x.delivery
	d.mu.Lock()
	c := x.cohort
	gone := c.gone
	c.calls, c.gate = append(c.calls, calls...), append(c.gate, x.activity)
	x.activity.atGate = true
	if !x.activity.busy {
		c.settle() // one of its calls waits for a backend
	}
	x.activity.settle()
	d.mu.Unlock()
	<-gone
}

// joinByClass makes parties of the calls of one class, which differ in their arguments or in their branch: what they load is one
// batch.
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
			c.party = group
		}
	}
}
