package httpapi

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Result is the answer to one operation before it has a media type.
type Result struct {
	// Err is set where the answer's status does not depend on the media type.
	Err *Error
	// Refused is set if nothing was executed.
	Refused bool
	// Retryable is set where a client sends its request again with the text of the document, which some do on status 200
	// alone.
	Retryable bool
	Response  *graphql.Response
	// Policy is the cache policy of the answer to a single operation.
	Policy cachecontrol.Policy
	// ProxyStatus names the backends that failed, as Proxy-Status does (RFC 9209); empty where none did.
	ProxyStatus string
	// Stored is the whole answer that Response was made from; nil where there is none.
	Stored *responses.Answer
	// Free lets others use the memory of Response.Data; nil where there is nothing to do.
	Free func()
	// counted is set while the memory of Stored is counted for this result.
	counted bool
	// Mutation is set for a mutation, whose answer is sent whatever room there is.
	Mutation bool
	// Sent is set where the answer is sent in parts.
	Sent bool
	// Rest sends the parts that are left, nil where none is.
	Rest func()
}

// FromStored returns the result of a whole answer as it is kept.
func FromStored(a *responses.Answer) *Result {
	out := &struct {
		Result
		response graphql.Response
	}{Result{Stored: a, Policy: a.Policy}, a.Response()}
	out.Response = &out.response
	return &out.Result
}

// Finally calls f once the answer is sent, after the functions that were added earlier.
func (r *Result) Finally(f func()) {
	rest := r.Rest
	if rest == nil {
		f()
		return
	}
	r.Rest = func() {
		defer f()
		rest()
	}
}

// Later is an http.ResponseWriter whose handler calls a function when the handlers in it have returned.
type Later interface{ Later(f func()) }

// SendRest calls rest, which may be nil: where w is a Later when the handlers on the way have returned. A stream waits
// nearly all of its time, and the stack of all these handlers takes as much memory as the rest of it.
func SendRest(w http.ResponseWriter, rest func()) {
	if rest == nil {
		return
	}
	if l, ok := w.(Later); ok {
		l.Later(rest)
		return
	}
	rest()
}

// Fail returns the result of an operation that is refused for a fault.
func Fail(fault *Error) *Result { return &Result{Err: fault, Response: fault.response()} }

// Refuse returns the result of an operation that is not executed because of errors in it.
func Refuse(errs gqlerror.List) *Result {
	return &Result{Refused: true, Response: &graphql.Response{Errors: errs}}
}

// IsFinal is the extension by which Relay knows that nothing follows an answer to an operation with @defer or @stream;
// without it Relay reads nothing.
const IsFinal = "is_final"

// Extend adds a member to the answer's extensions.
func (r *Result) Extend(name string, value any) {
	if r.Response.Extensions == nil {
		r.Response.Extensions = map[string]any{}
	}
	r.Response.Extensions[name] = value
}
