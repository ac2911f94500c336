//go:build unix

package app

import (
	"net"
	"os"
	"syscall"
)

// acceptWaiting returns the connections that wait to be accepted, and waits for none: the listener's Accept would.
func acceptWaiting(l *net.TCPListener) (waiting []net.Conn) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(listener uintptr) {
		for {
			fd, _, err := syscall.Accept(int(listener))
			if err != nil {
				return
			}
			file := os.NewFile(uintptr(fd), "connection")
			if conn, err := net.FileConn(file); err == nil { // a copy, which no other process gets
				waiting = append(waiting, conn)
			}
			_ = file.Close()
		}
	})
	return waiting
}
