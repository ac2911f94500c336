//go:build !unix

package http1

import "net"

// usable returns a function that reports whether an idle connection can carry another exchange. Here only the exchange
// shows it.
func usable(net.Conn) func() bool { return func() bool { return true } }
