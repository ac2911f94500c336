package app

import (
	"net"
	"sync"
)

// lastCall is a listener whose Close takes the connections that wait to be accepted, which the system would reset. Accept
// gives these before it fails.
type lastCall struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	rest   []net.Conn
}

func (l *lastCall) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) == 0 {
		return nil, err
	}
	conn, l.rest = l.rest[0], l.rest[1:]
	return conn, nil
}

func (l *lastCall) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if tcp, ok := l.Listener.(*net.TCPListener); ok {
		l.rest = append(l.rest, acceptWaiting(tcp)...)
	}
	return l.Listener.Close()
}
