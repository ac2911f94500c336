//go:build unix

package http1

import (
	"errors"
	"net"
	"syscall"
)

// usable returns a function that reports whether an idle connection can carry another exchange: the server has not
// closed it, nor sent bytes that belong to no response.
func usable(c net.Conn) func() bool {
	always := func() bool { return true }
	socket, ok := c.(syscall.Conn)
	if !ok {
		return always
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return always
	}
	var b [1]byte
	silent := false
	read := func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), b[:])
		silent = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return func() bool {
		err := raw.Read(read)
		return err == nil && silent
	}
}
