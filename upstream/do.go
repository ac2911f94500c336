package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream/http1"
)

// Response is a 2xx answer, its body inflated.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	backend Backend
	drift   *SchemaDrift
	unknown func(*document.Shape, []byte) // counts undeclared members; nil counts none
}

// maxRedirects bounds how often a read is sent on within the backend.
const maxRedirects = 3

// errTimeout is the cause that distinguishes a call's own timeout from the operation's.
var errTimeout = errors.New("the call timed out")

// Do makes the call and returns its 2xx answer, or an *Error. Where a request with IfNoneMatch is answered
// with 304 it returns the Response, without a body, and ErrNotModified.
//
// Before it is sent a call waits for the changes of the same object before it, for the budget and for a slot, all
// within ctx. Where the budget or the slots cannot let it start before ctx's deadline it fails at once with
// RateLimited, and while the circuit of its class is open with Unavailable; both are Local.
//
// A call that failed in a way that may pass is sent again after a while if that can do no harm: one that never left,
// one that was refused with a time to come back, and where the request is safe to repeat one that found the backend
// unavailable. A write whose answer was lost stays OutcomeUnknown unless a repetition succeeds.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	if req.Method != http.MethodGet || req.Write {
		req.IfNoneMatch = ""
	}
	resp, err := c.do(ctx, &req)
	switch {
	case err != nil:
		return nil, c.failure(&req, err)
	case resp.Status == http.StatusNotModified:
		return resp, ErrNotModified
	}
	return resp, nil
}

// failure completes a lower function's error with the call that it belongs to.
func (c *Client) failure(req *Request, err error) *Error {
	var known *Error
	if !errors.As(err, &known) {
		known = &Error{Kind: KindOf(err), Err: err}
	}
	e := *known
	if e.Backend == "" {
		e.Backend = c.opts.Backend
	}
	if e.Route == "" {
		e.Method, e.Route = req.Method, req.Route
	}
	return &e
}

func (c *Client) do(ctx context.Context, req *Request) (*Response, error) {
	u, err := c.target(req)
	if err != nil {
		return nil, err
	}
	body, err := encode(req.Body)
	if err != nil {
		return nil, err
	}
	if req.Write {
		leave, err := c.order.enter(ctx, u.EscapedPath())
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	c.retries.called(time.Now())
	var last *Error
	for n := 0; ; n++ {
		if n > 0 {
			ctx = withScope(ctx, func(s *scope) { s.attempt = n })
		}
		resp, err := c.send(ctx, req, u, body, n)
		failed := c.conclude(req, resp, err)
		switch {
		case failed == nil:
			return resp, nil
		case last == nil, !failed.Local && last.Kind != OutcomeUnknown:
			last = failed
		}
		wait, again := c.retryDelay(ctx, req, failed, n)
		if !again || !sleep(ctx, wait) {
			return nil, last
		}
	}
}

// conclude reads the answer that was sent for, and records the outcome for the backend. It returns the failure, nil
// without one.
func (c *Client) conclude(req *Request, resp *Response, err error) *Error {
	if err == nil && req.Read != nil && resp.Status != http.StatusNotModified {
		if err = req.Read(resp); err != nil {
			err = unread(err, resp.Status)
		}
		resp.discard()
	}
	var failed *Error
	if err != nil {
		failed = c.failure(req, err)
	}
	v := c.classifyOutcome(failed)
	if !req.probe {
		c.health.record(req.class(), v)
	}
	c.recordOutcome(req, failed, v)
	return failed
}

// unread is the failure of a call whose answer could not be read.
func unread(err error, status int) error {
	var known *Error
	if !errors.As(err, &known) {
		known = &Error{Kind: Contract, Err: err}
	}
	e := *known
	e.detail.kind = e.Kind
	if e.Status == 0 {
		e.Status = status
	}
	return &e
}

// send makes one exchange, and once more each time that the backend sends a read on or the credential was renewed.
func (c *Client) send(ctx context.Context, req *Request, u *url.URL, body []byte, n int) (*Response, error) {
	renewed := false
	for redirects := 0; ; {
		a, err := c.attempt(ctx, req, u, body, n)
		if err != nil {
			return nil, err
		}
		switch {
		case a.redirect != nil && redirects < maxRedirects:
			u = a.redirect
			redirects++
		case a.err != nil && a.err.Status == http.StatusUnauthorized && !renewed &&
			c.opts.Authorizer.Renew(ctx, a.request.Header):
			renewed = true
		case a.err != nil:
			return nil, a.err
		default:
			return &a.response, nil
		}
	}
}

// answer is the answer of one exchange.
type answer struct {
	request  *http.Request
	response Response
	err      *Error   // of an answer that is neither 2xx nor the 304 that was asked for
	redirect *url.URL // set besides err if the request may be sent there
	header   *http.Response
	wire     counter
	began    time.Time     // when header came
	pause    time.Duration // for which the backend wants no calls
}

// attempt makes one exchange. Its error means that there was no whole answer.
func (c *Client) attempt(ctx context.Context, req *Request, u *url.URL, body []byte, n int) (*answer, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx) // no caller waits for it: it must not take a start, or be refused one
	}
	if err := c.refused(req); err != nil {
		return nil, err
	}
	h := c.header(req, body)
	if err := c.opts.Authorizer.Authorize(ctx, h); err != nil {
		return nil, unauthorized(err)
	}
	quota := scopeOf(ctx).quota
	if err := quota.take(); err != nil {
		return nil, err
	}
	ready := time.Now()
	turn, err := c.start(ctx, req)
	if err != nil {
		quota.refund()
		return nil, err
	}
	call := c.newCall(ctx, req, ready, n)
	limited, cancel := c.limit(ctx, call.Start)
	defer cancel()
	a, err := c.roundTrip(newRequest(limited, req.Method, u, h, body), req, &call, quota)
	call.Duration = time.Since(call.Start)
	if err != nil {
		err = c.transportError(limited, req, err, call.Duration)
		call.Kind = KindOf(err)
	} else {
		c.health.recordLatency(call.Duration)
		if a.err != nil {
			call.Kind = a.err.Kind
		}
	}
	turn.release(a.header, a.began, call.Duration, a.pause)
	c.observe(ctx, call)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// newCall returns the exchange that begins now, and that could have begun when it was ready.
func (c *Client) newCall(ctx context.Context, req *Request, ready time.Time, n int) Call {
	s := scopeOf(ctx)
	if s.begun != nil {
		s.begun.Add(1)
	}
	call := Call{Backend: c.opts.Backend, Method: req.Method, Route: req.Route, Retries: n, Start: time.Now(),
		Purpose: s.purpose, Number: numbers.Add(1)}
	call.Wait = call.Start.Sub(ready)
	if s.explanation != nil {
		call.Parameters = req.parameters()
	}
	return call
}

// limit bounds an exchange that begins now by the call's own time, where the operation's does not end sooner.
func (c *Client) limit(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) <= c.opts.Timeout {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, c.opts.Timeout, errTimeout)
}

// refused reports whether the circuit of the call's class is open; a probe is to find that out.
func (c *Client) refused(req *Request) error {
	if req.probe {
		return nil
	}
	if err := c.health.rejection(req.class()); err != nil {
		return err
	}
	return nil
}

// unauthorized is the failure of a call that has no credential: it was not sent, and does not count for its route.
func unauthorized(err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	e := *known
	e.detail = failureDetail{kind: e.Kind, unsent: true, otherRoute: true}
	return &e
}

// start waits until the call may be made. The permit must be released when it ends.
func (c *Client) start(ctx context.Context, req *Request) (permit, error) {
	p := priorityOf(ctx, req)
	if p == Later {
		task.Waiting(ctx)
		runtime.Gosched() // calls that are wanted first and can start now do so
	}
	turn, err := c.limiter.acquire(ctx, p, scopeOf(ctx).caller)
	if err != nil {
		return permit{}, err
	}
	if err := c.refused(req); err != nil { // the circuit opened meanwhile
		turn.cancel()
		return permit{}, err
	}
	task.Waiting(ctx)
	return turn, nil
}

// roundTrip sends r and reads the answer to its end. There is always an answer; its header is nil if none came.
func (c *Client) roundTrip(r *http.Request, req *Request, call *Call, quota *operationQuota) (*answer, error) {
	a := &answer{request: r}
	resp, err := c.opts.Transport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	a.header, a.began = resp, time.Now()
	a.pause = pauseOf(resp)
	wire := &a.wire
	wire.r, wire.quota = resp.Body, quota
	defer func() {
		wire.drain()
		resp.Body.Close()
		call.Bytes = wire.n
	}()
	call.Status = resp.StatusCode
	unmodified := resp.StatusCode == http.StatusNotModified && req.IfNoneMatch != ""
	if !unmodified && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		a.err = refusal(resp, wire, req.Write)
		a.pause = a.err.RetryAfter
		a.redirect = c.redirect(r, resp)
		return a, nil
	}
	c.opts.Authorizer.Accepted(r.Header)
	if unmodified {
		a.response = Response{Status: resp.StatusCode, Header: resp.Header}
		return a, nil
	}
	held := c.opts.Inflight.Hold()
	if held != nil {
		held.Must = req.Write // it was made
	}
	body, err := c.body(resp, wire, held)
	if err != nil {
		held.Free()
		return a, err
	}
	quota.countUntilEnd(held, int64(len(body)))
	a.response = Response{Status: resp.StatusCode, Header: resp.Header, Body: body, backend: c.opts.Backend,
		drift: c.opts.Drift, unknown: c.unknown}
	return a, nil
}

// redirect is where a read may be sent on: to the same server, so that credentials stay where they belong.
func (c *Client) redirect(r *http.Request, resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	to, err := r.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" || to.User != nil || origin(to) != origin(c.base) {
		return nil
	}
	to.Fragment, to.RawFragment = "", ""
	return to
}

// origin is scheme, host and port, the latter also where it is the scheme's own.
func origin(u *url.URL) [3]string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return [3]string{u.Scheme, u.Hostname(), port}
}

// transportError classifies an exchange that brought no whole answer in the time that it was under way.
func (c *Client) transportError(ctx context.Context, req *Request, err error, under time.Duration) error {
	var known *Error
	if !errors.As(err, &known) {
		known = transportFailure(ctx, err)
	}
	e := *known
	e.detail = failureDetail{kind: e.Kind, since: under, shortDeadline: scopeOf(ctx).shortDeadline,
		unsent: NotSent(err)}
	if req.Write && !e.detail.unsent {
		return &Error{Kind: OutcomeUnknown, Status: e.Status, Err: e.Err, detail: e.detail}
	}
	return &e
}

// NotSent reports whether a transport's error shows that the backend received nothing of the request.
func NotSent(err error) bool {
	return errors.Is(err, http1.ErrNotSent) || errors.Is(err, syscall.ECONNREFUSED)
}

// transportFailure is the failure behind a transport's error. A context that ended explains the error better than
// itself.
func transportFailure(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{Kind: Timeout, Err: cause(err)}
	}
	return &Error{Kind: Unavailable, Err: cause(err)}
}

// contextError distinguishes whose time ended.
func contextError(ctx context.Context) *Error {
	err := ctx.Err()
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		return &Error{Kind: Timeout, Err: errTimeout}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Deadline, Err: context.DeadlineExceeded}
	}
	return &Error{Kind: Canceled, Err: context.Canceled}
}

// counter counts the bytes of a body and keeps the error that ended it.
type counter struct {
	r     io.Reader
	n     int64
	err   error
	quota *operationQuota
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if over := c.quota.receive(n); over != nil {
		err = over
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// tooLarge ends the reading of a body of more bytes than an answer may have.
func (c *counter) tooLarge(resp *http.Response) error {
	c.err = &Error{Kind: Contract, Status: resp.StatusCode, Err: errTooLarge}
	return c.err
}

// drain reads a little of the rest, so that the connection can be used again.
func (c *counter) drain() {
	if c.err == nil {
		_, _ = io.CopyN(io.Discard, c, maxErrorBody)
	}
}
