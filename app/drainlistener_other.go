//go:build !unix

package app

import "net"

func acceptWaiting(*net.TCPListener) []net.Conn { return nil }
