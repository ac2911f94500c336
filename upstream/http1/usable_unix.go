//go:build unix

package http1

import "syscall"

// usable reports whether an idle connection can carry another exchange: the server has not closed it, nor sent bytes
// that belong to no response.
func (c *connection) usable() bool {
	conn, ok := c.network().(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	usable := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		usable = err == syscall.EAGAIN
		return true
	})
	return err == nil && usable
}
