package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/inflight"
)

// maxErrorBody is how much of an error's body is read.
const maxErrorBody = 64 << 10

var inflaters sync.Pool

// body reads an answer to its end, and counts its memory in held. Its error is an *Error if the answer breaks the
// contract or finds no room, else the transport's.
func (c *Client) body(resp *http.Response, wire *counter, held *inflight.Hold) ([]byte, error) {
	limit := c.opts.MaxBody
	if resp.ContentLength > limit {
		return nil, wire.tooLarge(resp)
	}
	r, done, err := inflate(resp, wire)
	if err == nil {
		defer done()
		declared := resp.ContentLength
		if r != io.Reader(wire) {
			declared = 0 // of the compressed body
		}
		var body []byte
		body, err = readAll(r, declared, limit, held)
		switch {
		case errors.Is(err, errOverMemory):
			wire.err = err // the rest is not worth draining
			return nil, c.memoryError()
		case errors.Is(err, errTooLarge):
			return nil, wire.tooLarge(resp)
		case err == nil:
			return body, nil
		}
	}
	if wire.err != nil && !errors.Is(wire.err, io.EOF) {
		return nil, wire.err
	}
	return nil, &Error{Kind: Contract, Status: resp.StatusCode, Err: errors.New("the body cannot be inflated")}
}

// errOverMemory means that requests in flight are at their limit of bytes.
var errOverMemory = errors.New("requests in flight are at their limit of bytes")

// memoryError is the failure of a call whose answer finds no room.
func (c *Client) memoryError() *Error {
	state := c.opts.Inflight.State()
	return &Error{Kind: LimitExceeded, RetryAfter: time.Second, Limit: &Limit{LimitInflight, state.Bytes, state.MaxBytes},
		Err: errOverMemory}
}

// inflate is the body without its encoding; done must be called after the last read.
func inflate(resp *http.Response, wire *counter) (r io.Reader, done func(), err error) {
	switch strings.ToLower(resp.Header.Get("Content-Encoding")) {
	case "", "identity":
		return wire, func() {}, nil
	case "gzip", "x-gzip":
	default:
		return nil, nil, errors.New("unknown encoding")
	}
	z, ok := inflaters.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	if err := z.Reset(wire); err != nil {
		inflaters.Put(z)
		if errors.Is(err, io.EOF) {
			// An empty body has nothing to inflate, whatever its header.
			return wire, func() {}, nil
		}
		return nil, nil, err
	}
	return z, func() { inflaters.Put(z) }, nil
}

// refusal classifies an answer that is not 2xx. The status decides the kind; the body only explains, and nothing of it
// is kept but a documented code and the names of wrong members.
func refusal(resp *http.Response, wire *counter, write bool) *Error {
	e := &Error{
		Kind: statusKind(resp.StatusCode, write), Status: resp.StatusCode,
		RetryAfter: pauseOf(resp),
		detail:     failureDetail{kind: statusKind(resp.StatusCode, false)},
	}
	if resp.StatusCode == http.StatusNotModified {
		e.Err = errors.New("304 to a request without a condition")
		return e
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		e.Err = errors.New("a redirect that is not followed")
		return e
	}
	r, done, err := inflate(resp, wire)
	if err != nil {
		return e
	}
	defer done()
	body, _ := io.ReadAll(io.LimitReader(r, maxErrorBody))
	e.Code, e.Details = explain(body)
	if e.RetryAfter == 0 {
		e.RetryAfter = min(retryAfterIn(body), longestPause(resp.StatusCode))
	}
	return e
}

// pauseOf returns for how long an answer's Retry-After closes the backend, 0 without one. It is not more than the
// limiter holds back for, so that a caller gets the same number.
func pauseOf(resp *http.Response) time.Duration {
	return min(retryAfter(resp.Header.Get("Retry-After"), time.Now()), longestPause(resp.StatusCode))
}

// longestPause returns the most that a backend's wish for a pause is followed.
func longestPause(status int) time.Duration {
	if status == http.StatusTooManyRequests {
		return maxRefused
	}
	return maxPause
}

// retryAfter reads the header's seconds or date; 0 if it is absent, past or neither.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if n, ok := wholeNumber(s); ok {
		return wait(float64(n))
	}
	if t, err := http.ParseTime(s); err == nil {
		return wait(t.Sub(now).Seconds())
	}
	return 0
}

// wait is a number of seconds within the range of a Duration.
func wait(seconds float64) time.Duration {
	const day = 24 * 60 * 60
	return time.Duration(min(max(seconds, 0), day) * float64(time.Second))
}

// retryAfterIn reads the seconds that the body of an error has in the member retryAfter, as a number or text.
func retryAfterIn(body []byte) time.Duration {
	var top struct {
		RetryAfter json.RawMessage
		Error      json.RawMessage
	}
	_ = json.Unmarshal(body, &top)
	var nested struct{ RetryAfter json.RawMessage }
	_ = json.Unmarshal(top.Error, &nested)
	for _, raw := range []json.RawMessage{top.RetryAfter, nested.RetryAfter} {
		text := strings.Trim(string(raw), `" `)
		if n, err := strconv.ParseFloat(text, 64); (err == nil || errors.Is(err, strconv.ErrRange)) && n > 0 {
			return wait(n)
		}
	}
	return 0
}

// codes are the words for failures in the backends' documentation; any other may be part of the request.
var codes = map[string]bool{
	"BAD_REQUEST": true, "UNAUTHORIZED": true, "FORBIDDEN": true, "NOT_FOUND": true, "TOO_MANY_REQUESTS": true,
	"INTERNAL_SERVER_ERROR": true, "BadRequest": true, "NotFound": true, "access_denied": true,
	"rate_limit_exceeded": true,
}

// param is the name of a part of the input, with dots where it is nested.
var param = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// explain takes the code and the names of the parts that are wrong from any of the shapes that the backends use for
// errors.
func explain(body []byte) (code string, details []Detail) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return "", nil
	}
	var nested map[string]json.RawMessage
	_ = json.Unmarshal(members["error"], &nested)
	for _, raw := range []json.RawMessage{nested["code"], members["code"], members["error"]} {
		var s string
		if json.Unmarshal(raw, &s) == nil && codes[s] {
			code = s
			break
		}
	}
	var entries []json.RawMessage
	_ = json.Unmarshal(members["details"], &entries)
	for _, raw := range entries[:min(len(entries), 20)] {
		var d struct{ Param, Location any }
		if json.Unmarshal(raw, &d) == nil {
			details = append(details, Detail{Param: name(d.Param), Location: name(d.Location)})
		}
	}
	return code, details
}

// name is v if it can be the name of a part of the input, else "".
func name(v any) string {
	s, _ := v.(string)
	if !param.MatchString(s) {
		return ""
	}
	return s
}

// Document is a reader over the body of an answer that must be JSON. Its error describes the actual answer.
func (r *Response) Document() (*document.Reader, error) {
	body := bytes.TrimSpace(r.Body)
	switch {
	case len(body) == 0:
		return nil, ContractError("the body is empty")
	case body[0] == '<':
		return nil, ContractError("the body is markup, not JSON")
	}
	reader := document.NewReader(r.Body)
	reader.Unknown = r.unknown
	return reader, nil
}

// ErrorsInstead is the failure of an answer with a status of success and a body of errors instead of data.
func ErrorsInstead() error {
	return &Error{Kind: Rejected, Err: errors.New("the body has errors instead of data")}
}

// PartialErrors counts an answer of a type that has errors in addition to data, and returns the failure of the missing
// part.
func (r *Response) PartialErrors(owner string) error {
	r.drift.Mismatch(r.backend, owner, "errors")
	return &Error{Backend: r.backend, Kind: Rejected, Status: r.Status,
		Err: errors.New("the body has both errors and data")}
}

// DecodeJSON decodes a small body into v. An empty body, markup, anything after the value and a value of another
// shape break the contract; an object with a non-empty errors array is Rejected. The errors hold nothing of the body.
func DecodeJSON(body []byte, v any) error {
	r, err := (&Response{Body: body}).Document()
	if err != nil {
		return err
	}
	if r.Skip() != nil || r.End() != nil {
		return ContractError("the body is not JSON")
	}
	var failed struct{ Errors []json.RawMessage }
	if json.Unmarshal(body, &failed) == nil && len(failed.Errors) > 0 {
		return ErrorsInstead()
	}
	if json.Unmarshal(body, v) != nil {
		return ContractError("the body has another shape")
	}
	return nil
}
