package engine

import "errors"

// OnError is the effect of a field's error on the fields around it.
type OnError uint8

// The kinds of error behavior. Propagate is that of the specification: a null in a non-null position propagates
// to the nearest nullable ancestor. Null leaves the null where the field failed, Abort makes the data null at the first
// error.
const (
	Propagate OnError = iota
	Null
	Abort
)

// errAborted is the error of a field that was not read because another one had failed.
var errAborted = errors.New("aborted")

// aborts reports whether a call that is back ends the operation. Its calls under way are abandoned.
func (x *execution) aborts(c *call) bool {
	if x.onError != Abort || len(c.parents) == 0 {
		return false
	}
	failed := c.err != nil
	for _, err := range c.errs {
		failed = failed || err != nil
	}
	if x.aborted = x.aborted || failed; failed && x.cancelCalls != nil {
		x.cancelCalls()
	}
	return failed
}

// ParseOnError returns the error behavior of the request parameter onError; empty is PROPAGATE. ok reports whether
// there is such a value.
func ParseOnError(value string) (behavior OnError, ok bool) {
	switch value {
	case "", "PROPAGATE":
		return Propagate, true
	case "NULL":
		return Null, true
	case "ABORT":
		return Abort, true
	}
	return Propagate, false
}
