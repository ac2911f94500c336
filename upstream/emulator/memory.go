package emulator

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/learngraph/learngraph/upstream/http1"
)

// memoryServer serves the emulator over pipes: no socket, and nothing that fake time cannot wait for.
type memoryServer struct {
	mu         sync.Mutex
	listener   *pipeListener
	server     *http.Server
	transports []*http1.Transport
	accepting  sync.WaitGroup
	running    sync.WaitGroup // one for each connection
}

// Transport reaches the emulator over in-memory connections, whatever the host; https is served as plain HTTP. The
// first call starts a server that lives until Close; it can run inside a synctest bubble, and then belongs to that
// bubble.
func (e *Emulator) Transport() *http1.Transport {
	m := &e.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server == nil {
		m.start(e)
	}
	t := &http1.Transport{MaxIdle: 100, Dial: m.listener.dial}
	m.transports = append(m.transports, t)
	return t
}

func (m *memoryServer) start(e *Emulator) {
	listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{
		Handler:   e,
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: m.track,
	}
	m.listener, m.server = listener, server
	m.accepting.Go(func() { _ = server.Serve(listener) })
}

// track counts connections: a closed server has returned from none of their handlers yet.
func (m *memoryServer) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		m.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		m.running.Done()
	}
}

// Close stops the in-memory server, ends its connections and waits for the requests in flight, which see their contexts
// end. Without a server it does nothing; a later Transport starts a new one.
func (e *Emulator) Close() {
	m := &e.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server == nil {
		return
	}
	_ = m.server.Close()
	m.accepting.Wait()
	_ = m.server.Close() // a connection that was accepted meanwhile
	for _, t := range m.transports {
		t.CloseIdleConnections()
	}
	m.running.Wait()
	m.server, m.listener, m.transports = nil, nil, nil
}

var errListenerClosed = errors.New("emulator: closed")

// pipeListener accepts the far ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _ *url.URL) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, errListenerClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errListenerClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "emulator" }
