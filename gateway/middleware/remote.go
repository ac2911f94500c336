package middleware

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/learngraph/learngraph/gateway/requestlog"
)

// remoteAddress returns where a request comes from: the peer, or behind trusted proxies the last address that they
// forward for which is none of theirs. Earlier entries of X-Forwarded-For are not trusted.
func remoteAddress(r *http.Request, proxies []netip.Prefix) string {
	peer := r.RemoteAddr
	if i := strings.LastIndexByte(peer, ':'); i >= 0 {
		peer = strings.Trim(peer[:i], "[]")
	}
	if len(proxies) == 0 || !within(proxies, peer) {
		return requestlog.Cut(peer, longestAddress)
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0; i-- {
		address := strings.TrimSpace(forwarded[i])
		if _, err := netip.ParseAddr(address); err != nil {
			break
		}
		peer = address
		if !within(proxies, peer) {
			break
		}
	}
	return requestlog.Cut(peer, longestAddress)
}

// within reports whether an address is one of the networks'.
func within(networks []netip.Prefix, address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, n := range networks {
		if n.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}
