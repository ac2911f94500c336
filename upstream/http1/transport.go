// Package http1 is a client transport for HTTP/1.1 that makes an exchange on the goroutine of its caller.
//
// The transport of net/http reads and writes each connection on two goroutines of its own, so that every exchange waits
// for several switches between goroutines. Here the caller writes the request and reads the response itself, with
// net/http's own encoder and parser. There is no HTTP/2: calls to a backend are few and bounded, and a connection that
// breaks or stalls takes one call with it rather than all.
package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// ErrNotSent means that no byte of the request was sent. Errors of RoundTrip match it with errors.Is.
var ErrNotSent = errors.New("the request was not sent")

// notSent makes an error match ErrNotSent.
type notSent struct{ error }

func (notSent) Is(target error) bool { return target == ErrNotSent }

func (e notSent) Unwrap() error { return e.error }

// idleTimeout is how long a connection is kept without being used.
const idleTimeout = 90 * time.Second

// Transport is an http.RoundTripper that sends each request once: it follows no redirect, and inflates no body. Only
// the request's context limits the time of an exchange. It is safe for concurrent use.
type Transport struct {
	// MaxIdle is how many connections to a server are kept between exchanges.
	MaxIdle int
	// Dial connects to the server of a URL. For https it returns a connection with TLS. nil is the Dial of a Dialer.
	Dial func(context.Context, *url.URL) (net.Conn, error)

	mu    sync.Mutex
	idle  map[server][]*connection // the one that was used last is the last
	sweep *time.Timer              // set while there are idle connections
}

// server is the scheme and the host of a URL.
type server struct{ scheme, host string }

// RoundTrip implements http.RoundTripper. A body that is read to its end frees the connection for the next exchange.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	to := server{r.URL.Scheme, r.URL.Host}
	for c := t.takeIdle(to); c != nil; c = t.takeIdle(to) {
		if !c.usable() {
			c.close()
			continue
		}
		resp, err := c.exchange(r)
		if err == nil || r.Body != nil || r.Context().Err() != nil || !errors.Is(err, ErrNotSent) {
			return resp, err
		}
	}
	raw, err := t.dial(r.Context(), r.URL)
	if err != nil {
		return nil, notSent{err}
	}
	return newConnection(t, to, raw).exchange(r)
}

func (t *Transport) dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	if t.Dial != nil {
		return t.Dial(ctx, to)
	}
	return network.Dial(ctx, to)
}

// CloseIdleConnections closes the connections that no exchange uses.
func (t *Transport) CloseIdleConnections() { t.closeIdle(0) }

// takeIdle returns the idle connection to a server that was used last, nil if there is none.
func (t *Transport) takeIdle(to server) *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := t.idle[to]
	if len(idle) == 0 {
		return nil
	}
	last := len(idle) - 1
	c := idle[last]
	idle[last], t.idle[to] = nil, idle[:last]
	return c
}

// putIdle keeps a connection for the next exchange.
func (t *Transport) putIdle(c *connection) {
	c.idleSince = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle[c.server]) >= t.MaxIdle {
		c.close()
		return
	}
	if t.idle == nil {
		t.idle = map[server][]*connection{}
	}
	t.idle[c.server] = append(t.idle[c.server], c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(idleTimeout, func() { t.closeIdle(idleTimeout) })
	}
}

// closeIdle closes the connections that are idle for a duration or longer, and sets the timer for the others.
func (t *Transport) closeIdle(least time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	for to, idle := range t.idle {
		idle = slices.DeleteFunc(idle, func(c *connection) bool {
			since := time.Since(c.idleSince)
			if since >= least {
				c.close()
				return true
			}
			longest = max(longest, since)
			return false
		})
		if t.idle[to] = idle; len(idle) == 0 {
			delete(t.idle, to)
		}
	}
	switch {
	case t.sweep == nil:
	case len(t.idle) > 0:
		t.sweep.Reset(idleTimeout - longest)
	default:
		t.sweep.Stop()
		t.sweep = nil
	}
}
