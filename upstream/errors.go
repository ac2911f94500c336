package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/document"
)

// Kind is how a call failed. The set is closed: a caller's reaction to a failure depends on nothing else.
type Kind uint8

// The kinds of failure.
const (
	// Unknown is the kind of an error that did not come from a backend.
	Unknown Kind = iota
	// Timeout means that the call used up its own time.
	Timeout
	// Deadline means that the operation's time ended before the call did.
	Deadline
	// Canceled means that no caller waits for the answer any more.
	Canceled
	// Unavailable means no connection, a broken one, or an answer of class 5xx; where Error.Local is set, that the
	// circuit is open or that the backend asked for a pause.
	Unavailable
	// RateLimited means a 429, or, where Error.Local is set, that our own budget or slots have no room in time.
	RateLimited
	// Rejected means that the backend refuses the call: 401, 403, other 4xx, errors with a status 200.
	Rejected
	// Invalid means that the backend does not accept the caller's input: 400, 409, 413, 422, a bad identifier.
	Invalid
	// NotFound means 404 or 410.
	NotFound
	// Contract means an answer that breaks the backend's contract.
	Contract
	// OutcomeUnknown means a write that may have happened: it was sent and its answer was lost.
	OutcomeUnknown
	// NotConfigured means that there is no such backend here.
	NotConfigured
	// LimitExceeded means that a scan of many pages or an operation reached a bound of ours.
	LimitExceeded
	// Mismatch means one value of another kind than its field promises.
	Mismatch
)

var kindNames = [...]string{
	Unknown: "unknown", Timeout: "timeout", Deadline: "deadline exceeded", Canceled: "canceled",
	Unavailable: "unavailable", RateLimited: "rate limited", Rejected: "rejected", Invalid: "invalid input",
	NotFound: "not found", Contract: "contract broken", OutcomeUnknown: "outcome unknown",
	NotConfigured: "not configured", LimitExceeded: "limit exceeded", Mismatch: "mismatch",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is one failed call. Its text can be logged: it holds no URL, identifier, token or byte of a body.
type Error struct {
	Backend Backend
	Kind    Kind
	// Method and Route name the call; Route is a template such as "/v1/headless/user/{identifier}".
	Method, Route string
	// Status is the backend's HTTP status, 0 if there was none.
	Status int
	// RetryAfter is how long to wait before another try, 0 if unknown.
	RetryAfter time.Duration
	// Local is set if we refused and the backend was not asked.
	Local bool
	// Limit is the bound of ours that was reached, for LimitExceeded.
	Limit *Limit
	// Code is the backend's own word for the failure, if it is one that its documentation names.
	Code string
	// Details explain an Invalid.
	Details []Detail
	// Err is the cause. It is made so that its text is as safe as the Error's.
	Err error

	detail failureDetail
}

// failureDetail holds the details of a failure that decide its meaning.
type failureDetail struct {
	kind          Kind // of the exchange, whatever it means for a write
	unsent        bool // the backend cannot have seen the call
	otherRoute    bool // it was not the call's own route that failed
	since         time.Duration
	shortDeadline bool // the operation had less time than operations have, by its caller's choice
}

// Detail is one part of the input that a backend does not accept. It holds neither the part's value nor the backend's
// text about it, which may repeat the value.
type Detail struct {
	// Param names the part, Location where it was: "params", "query" or "body".
	Param, Location string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Backend))
	if e.Route != "" {
		fmt.Fprintf(&b, ": %s %s", e.Method, e.Route)
	}
	b.WriteString(": " + e.Kind.String())
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%d)", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Local {
		b.WriteString(" without asking")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrAmbiguous is behind a Contract where one record is wanted and two carry the key.
var ErrAmbiguous = errors.New("two records have the same key")

// ErrNoSlot is behind a RateLimited where the budget has room and every slot is taken by calls that are under way.
var ErrNoSlot = errors.New("no slot becomes free in time")

func noSlot(wait time.Duration) error {
	return &Error{Kind: RateLimited, Local: true, RetryAfter: wait, Err: ErrNoSlot}
}

// KindOf is the kind of the first Error in err's chain. Context errors and mismatches of a document have their kinds
// too; for any other error it is Unknown.
func KindOf(err error) Kind {
	var e *Error
	var mismatch *document.Mismatch
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.As(err, &mismatch):
		return Mismatch
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Unknown
}

// NotFoundAsRejected is the failure of a call for a list. A list is there even where nothing is in it, so a backend
// that does not find it was asked in the wrong place: NotFound becomes Rejected.
func NotFoundAsRejected(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind != NotFound {
		return err
	}
	refused := *e
	refused.Kind = Rejected
	return &refused
}

// ContractError is the error of an answer that breaks the backend's contract. The reason is a sentence of ours and
// holds nothing of the answer.
func ContractError(reason string) error { return &Error{Kind: Contract, Err: errors.New(reason)} }

// statusKind is the kind of an answer that is not 2xx.
func statusKind(status int, write bool) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status == http.StatusNotFound, status == http.StatusGone:
		return NotFound
	case status == http.StatusBadRequest, status == http.StatusConflict,
		status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return Invalid
	case status == http.StatusRequestTimeout:
		return Unavailable
	case write && (status == http.StatusBadGateway || status == http.StatusGatewayTimeout):
		// A gateway that lost the answer does not know whether the write behind it happened.
		return OutcomeUnknown
	case status >= 500:
		return Unavailable
	case status >= 400:
		return Rejected
	}
	return Contract
}

// cause reduces a transport's error to one whose text shows neither URL nor host, address or received bytes.
func cause(err error) error {
	var errno syscall.Errno
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &dns):
		return errors.New("no such host")
	case errors.As(err, &cert):
		return errors.New("certificate not accepted")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("connection timed out")
	}
	return errors.New("connection failed")
}
