//go:build !unix

package http1

// usable reports whether an idle connection can carry another exchange. Where that cannot be seen, the exchange shows
// it.
func (c *connection) usable() bool { return true }
