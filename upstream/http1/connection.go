package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

const (
	maxHeader        = 1 << 20 // bytes of a response's status line and header
	maxInformational = 5       // responses of status 1xx before the final one
)

var (
	errHeaderTooLarge = errors.New("the response's header is too large")
	errInformational  = errors.New("there are too many informational responses")
	errProtocol       = errors.New("the server changed the protocol")
)

// connection is a connection to a server. It carries one exchange at a time.
type connection struct {
	net.Conn
	transport *Transport
	server    server
	in        *bufio.Reader
	out       *bufio.Writer
	readable  int // bytes that may be read before the header must end; unbounded in a body
	sent      bool
	idleSince time.Time
	abort     func() // close: a method value of each exchange would be allocated for it
	usable    func() bool
	// release ends the watch over an exchange's context, and reports whether the context had not ended by then.
	release func() bool
}

func newConnection(t *Transport, to server, raw net.Conn) *connection {
	c := &connection{Conn: raw, transport: t, server: to}
	c.in, c.out, c.abort, c.usable = bufio.NewReader(c), bufio.NewWriter(c), c.close, usable(c.network())
	return c
}

// network returns the connection below TLS.
func (c *connection) network() net.Conn {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c.Conn
}

// close does not wait for the server, as closing TLS would.
func (c *connection) close() { _ = c.network().Close() }

func (c *connection) Read(p []byte) (int, error) {
	if c.readable <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := c.Conn.Read(p[:min(len(p), c.readable)])
	c.readable -= n
	return n, err
}

func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent = c.sent || n > 0
	return n, err
}

// exchange sends a request and reads the header of its response.
func (c *connection) exchange(r *http.Request) (*http.Response, error) {
	c.sent = false
	c.release = context.AfterFunc(r.Context(), c.abort)
	resp, err := c.receive(r, c.send(r))
	if err != nil {
		c.end(false)
		err = reason(r.Context(), err)
		if !c.sent {
			return nil, notSent{err}
		}
		return nil, err
	}
	if resp.Body == http.NoBody {
		c.end(!resp.Close)
	} else {
		resp.Body = &body{Reader: resp.Body, c: c, ctx: r.Context(), reusable: !resp.Close}
	}
	return resp, nil
}

// reason returns the cause of a context that ended, since that broke the exchange, and otherwise err.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *connection) send(r *http.Request) error {
	if err := r.Write(c.out); err != nil {
		return err
	}
	return c.out.Flush()
}

// receive reads the header of a response. A server may answer and close before it has read the whole request, so a
// response takes precedence over sendErr, the error of sending the rest.
func (c *connection) receive(r *http.Request, sendErr error) (*http.Response, error) {
	if sendErr != nil && !c.sent {
		return nil, sendErr
	}
	for range maxInformational + 1 {
		c.readable = maxHeader
		resp, err := http.ReadResponse(c.in, r)
		switch {
		case err != nil && sendErr != nil:
			return nil, sendErr
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errProtocol
		case resp.StatusCode/100 != 1:
			c.readable = math.MaxInt
			resp.Close = resp.Close || sendErr != nil
			return resp, nil
		}
	}
	return nil, errInformational
}

// end ends an exchange. It keeps the connection for the next one where that is possible.
func (c *connection) end(reusable bool) {
	uninterrupted := c.release()
	c.release = nil // it refers to the context, and with it to the whole operation
	if uninterrupted && reusable && c.in.Buffered() == 0 {
		c.transport.putIdle(c)
	} else {
		c.close()
	}
}

// body is the body of a response. Its end is that of the exchange; closed before it, it closes the connection.
type body struct {
	io.Reader
	c        *connection
	ctx      context.Context
	reusable bool
	err      error // of all reads after the exchange
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.Reader.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, b.err
}

// Close does not close net/http's body, which would read the rest.
func (b *body) Close() error {
	if b.err == nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

func (b *body) end(err error) {
	complete := errors.Is(err, io.EOF)
	b.c.end(complete && b.reusable)
	if b.err = err; !complete {
		b.err = reason(b.ctx, err)
	}
}
