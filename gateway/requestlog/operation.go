package requestlog

import "time"

// The outcomes of an operation, as its caller sees them.
const (
	OutcomeOK      = "ok"      // whole, without an error
	OutcomePartial = "partial" // data and errors
	OutcomeFailed  = "failed"  // executed, and data is null
	OutcomeRefused = "refused" // not executed
)

// Operation is the statistics of one operation, for metrics, traces and the log. Nothing in it but its name is the
// caller's own text.
type Operation struct {
	// Caller is the name of the caller's API key, or one for all tokens or for anyone.
	Caller string
	// Name is that of the operation, for the log alone.
	Name string
	// Document is the id of a trusted document, empty for any other.
	Document string
	// Kind is query or mutation, empty where the operation was refused before that was known.
	Kind    string
	Outcome string
	// Cache is hit, stale or miss, empty where nothing was executed.
	Cache string
	// Duration of a subscription is that until its first event.
	Duration time.Duration
	// Cost is the estimate in points, Calls how many exchanges with backends were made.
	Cost, Calls int64
	// Codes are the extensions.code of the errors.
	Codes     []string
	RequestID string
}
