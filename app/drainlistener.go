package app

import (
	"net"
	"sync"
)

// drainListener is a listener whose Close takes the connections that wait to be accepted, which the system would reset.
// Accept returns these connections before it fails.
type drainListener struct {
	net.Listener

	mu      sync.Mutex
	closed  bool
	pending []net.Conn
}

func (l *drainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return nil, err
	}
	conn, l.pending = l.pending[0], l.pending[1:]
	return conn, nil
}

func (l *drainListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if tcp, ok := l.Listener.(*net.TCPListener); ok {
		l.pending = append(l.pending, acceptWaiting(tcp)...)
	}
	return l.Listener.Close()
}
