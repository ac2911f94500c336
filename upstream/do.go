package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// Response is a 2xx answer, its body inflated.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// maxRedirects bounds how often a read is sent on within the backend.
const maxRedirects = 3

// errTimeout is the cause that tells a call's own time from the operation's.
var errTimeout = errors.New("the call's own time ended")

// Do makes the call and returns its 2xx answer, or an *Error. A call waits for a free slot and then for the budget,
// both within ctx: where the budget has no room before ctx's deadline the call fails at once with RateLimited, and
// where the slots are taken until then it fails with Deadline, since it was the operation that ran out of time.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	resp, err := c.do(ctx, &req)
	if err == nil {
		c.settle(&req, nil)
		return resp, nil
	}
	e := c.failure(&req, err)
	c.settle(&req, e)
	return nil, e
}

// failure completes what a lower function knows of an error with the call that it belongs to.
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
	if c.slots.Acquire(ctx, 1) != nil {
		return nil, contextError(ctx)
	}
	defer c.slots.Release(1)
	resp, err := c.send(ctx, req, u, body)
	if err != nil || req.Read == nil {
		return resp, err
	}
	if err := req.Read(resp); err != nil {
		return nil, unread(err, resp.Status)
	}
	return resp, nil
}

// unread is the failure of a call whose answer could not be read.
func unread(err error, status int) error {
	var known *Error
	if !errors.As(err, &known) {
		return &Error{Kind: Contract, Status: status, Err: err}
	}
	e := *known
	if e.Status == 0 {
		e.Status = status
	}
	return &e
}

// send makes one exchange, and once more each time that the backend sends a read on or the credential was renewed.
func (c *Client) send(ctx context.Context, req *Request, u *url.URL, body []byte) (*Response, error) {
	renewed := false
	for redirects := 0; ; {
		a, err := c.attempt(ctx, req, u, body)
		if err != nil {
			return nil, err
		}
		switch {
		case a.redirect != nil && redirects < maxRedirects:
			u = a.redirect
			redirects++
		case a.err != nil && a.err.Status == http.StatusUnauthorized && !renewed && c.opts.Authorizer.Renew(ctx, a.request):
			renewed = true
		case a.err != nil:
			return nil, a.err
		default:
			return a.response, nil
		}
	}
}

// answer is what one exchange brought.
type answer struct {
	request  *http.Request
	response *Response
	err      *Error   // of an answer that is not 2xx
	redirect *url.URL // set besides err if the request may be sent there
}

// attempt makes one exchange. Its error means that there was no whole answer.
func (c *Client) attempt(ctx context.Context, req *Request, u *url.URL, body []byte) (*answer, error) {
	release, err := c.admit(ctx)
	if err != nil {
		return nil, err
	}
	r := c.newRequest(ctx, req.Method, u, body)
	if err := c.opts.Authorizer.Authorize(ctx, r); err != nil {
		release()
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, errTimeout)
	defer cancel()
	var sent sending
	call := Call{Backend: c.opts.Backend, Method: req.Method, Route: req.Route, Start: time.Now()}
	a, err := c.exchange(r.WithContext(httptrace.WithClientTrace(limited, sent.trace())), req, &call)
	if err != nil {
		err = c.lost(limited, req, &sent, err)
		call.Kind = KindOf(err)
	} else if a.err != nil {
		call.Kind = a.err.Kind
	}
	call.Duration = time.Since(call.Start)
	c.observe(ctx, call)
	return a, err
}

// exchange sends r and reads the answer to its end.
func (c *Client) exchange(r *http.Request, req *Request, call *Call) (*answer, error) {
	resp, err := c.opts.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	wire := &counter{r: resp.Body}
	defer func() {
		wire.drain()
		resp.Body.Close()
		call.Bytes = wire.n
	}()
	call.Status = resp.StatusCode
	a := &answer{request: r}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		a.err = refusal(resp, wire, req.Write)
		a.redirect = c.redirect(r, resp)
		return a, nil
	}
	c.opts.Authorizer.Accepted(r)
	body, err := c.body(resp, wire)
	if err != nil {
		return nil, err
	}
	a.response = &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
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

// lost classifies an exchange that brought no whole answer.
func (c *Client) lost(ctx context.Context, req *Request, sent *sending, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		known = broken(ctx, err)
	}
	if req.Write && sent.begun() {
		return &Error{Kind: OutcomeUnknown, Status: known.Status, Err: known.Err}
	}
	return known
}

// broken is the failure behind a transport's error. A context that ended explains the error better than itself.
func broken(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{Kind: Timeout, Err: cause(err)}
	}
	return &Error{Kind: Unavailable, Err: cause(err)}
}

// contextError says whose time ended.
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

// sending watches how far a request got.
type sending struct{ traced, written atomic.Bool }

func (s *sending) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { s.traced.Store(true) },
		WroteHeaders: func() { s.written.Store(true) },
	}
}

// begun says whether the backend may have seen the request. Of a transport that does not tell we assume it.
func (s *sending) begun() bool { return s.written.Load() || !s.traced.Load() }

// counter counts the bytes of a body and keeps the error that ended it.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// drain reads a little of what is left, so that the connection can be used again.
func (c *counter) drain() {
	if c.err == nil {
		_, _ = io.CopyN(io.Discard, c, maxErrorBody)
	}
}
