package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/telemetry"
)

// Bounds of a connection that is not an operation's own business.
const (
	headerTimeout = 5 * time.Second
	uploadTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
)

// ListenAndServe listens before it announces the address, and lets requests in flight finish when ctx ends.
func (s *Server) ListenAndServe(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	operator, stopOperator, err := s.serveOperator()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopOperator()
	s.log.Info("listening", "address", listener.Addr().String(), "operator", operator, "tls", s.certificate != nil)
	s.announce(stdout, listener.Addr().String())
	return s.Serve(ctx, listener)
}

// Serve serves on a listener until ctx ends, and then drains.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	listener = &drainListener{Listener: listener}
	httpServer := &http.Server{Handler: s.Handler, Protocols: protocols(), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: uploadTimeout, WriteTimeout: uploadTimeout + s.cfg.OperationTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytes, ErrorLog: telemetry.FromLibrary(s.log, "net/http")}
	serve := httpServer.Serve
	if s.certificate != nil {
		httpServer.TLSConfig = &tls.Config{GetCertificate: s.certificate.get, MinVersion: tls.VersionTLS12}
		serve = func(l net.Listener) error { return httpServer.ServeTLS(l, "", "") }
	}
	failed := make(chan error, 1)
	task.Go(func() error { return serve(listener) }, func(err error) { failed <- err })
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.drain(context.WithoutCancel(ctx), httpServer, listener)
}

// protocols are the protocols that clients may speak: with TLS they choose, without it a mesh that knows may begin with
// HTTP/2 at once.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// drainGrace is how long the last connections have to bring their requests: a server that shuts down drops those that
// it has not begun to serve.
const drainGrace = 250 * time.Millisecond

// endBefore is how long before the end of the time for requests in flight the answers that are sent in parts are ended.
const endBefore = time.Second

// drain ends the server gracefully. It answers first that it is not ready, and serves on until load balancers can have
// seen that. Each answer closes its connection meanwhile: at the end of the delay a client that is busy has no idle
// connection on which a request could be on its way.
func (s *Server) drain(ctx context.Context, httpServer *http.Server, listener net.Listener) error {
	s.draining.Store(true)
	s.log.Info("draining", "delayMs", s.cfg.ShutdownDelay.Milliseconds())
	time.Sleep(s.cfg.ShutdownDelay)
	_ = listener.Close()
	close(s.closing)
	time.Sleep(min(s.cfg.ShutdownDelay, drainGrace))
	grace, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
	defer cancel()
	defer time.AfterFunc(s.cfg.ShutdownTimeout-min(s.cfg.ShutdownTimeout/4, endBefore), func() { close(s.ending) }).Stop()
	if err := httpServer.Shutdown(grace); err != nil {
		return errors.Join(errors.New("requests in flight did not finish in time"), httpServer.Close())
	}
	return nil
}

const demoQuery = `{ clients(first: 2) { nodes { name courses(first: 2) { totalCount nodes { title priceInCents } } ` +
	`learningPaths(first: 1) { nodes { name } } licenses { name seatsLimit } ` +
	`users(first: 2) { nodes { name credentials { nodes { type } } } } } } }`

func (s *Server) announce(stdout io.Writer, addr string) {
	base := "http://" + reachable(addr)
	if s.certificate != nil {
		base = "https://" + reachable(addr)
	}
	fmt.Fprintf(stdout, "GraphQL is at %s/graphql\n", base)
	if s.cfg.Explorer {
		fmt.Fprintf(stdout, "The explorer is at %s/\n", base)
	}
	if s.cfg.Demo {
		fmt.Fprintf(stdout, "\nTry:\n\ncurl -s %s/graphql -H 'Content-Type: application/json' -d '{\"query\":\"%s\"}'\n",
			base, demoQuery)
	}
}

// reachable returns the address by which this machine reaches a listener: one on every address has no name that opens.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", port)
}
