package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/learngraph/learngraph/auth"
)

// What an operation found in the cache, for the log.
const (
	cacheHit   = "hit"   // it made no call
	cacheStale = "stale" // it used a stale fact
	cacheMiss  = "miss"  // it made calls
)

// visit is what the log says of a request beside HTTP. The operations of a batch add to it at the same time.
type visit struct {
	mu         sync.Mutex
	caller     string // of a key its name, of a token a digest
	refused    string // why a credential was not taken
	operations int
	first      Figures // of the first operation; its code is that of the first error of all
	code       string
	cost       int64
	calls      int64
}

// visitOf returns the visit of a request, nil where the log has none.
func visitOf(ctx context.Context) *visit {
	if c, ok := ctx.Value(requestIDKey{}).(*identified); ok {
		return &c.visit
	}
	return nil
}

// by records the caller, or why it was refused.
func (v *visit) by(c *auth.Caller, err error) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.refused = auth.Reason(err)
	} else if c != auth.Anyone {
		v.caller = c.Name
	}
}

// operated notes an operation.
func (v *visit) operated(f *Figures) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.operations == 0 {
		v.first = *f
	}
	v.operations++
	v.cost += f.Cost
	v.calls += f.Calls
	if v.code == "" && len(f.Codes) > 0 {
		v.code = f.Codes[0]
	}
}

// failed notes the code of a request that has no operation.
func (v *visit) failed(code string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.code == "" {
		v.code = code
	}
}

// appendTo adds what there is to the members of a record.
func (v *visit) appendTo(list []slog.Attr) []slog.Attr {
	if v == nil {
		return list
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, text := range [...]struct{ name, value string }{
		{"caller", v.caller}, {"refused", v.refused}, {"operation", cut(v.first.Name, longestName)}, {"kind", v.first.Kind}, {"document", v.first.Document},
		{"cache", v.first.Cache}, {"code", v.code},
	} {
		if text.value != "" {
			list = append(list, slog.String(text.name, text.value))
		}
	}
	if v.operations > 0 {
		list = append(list, slog.Int64("cost", v.cost), slog.Int64("calls", v.calls))
	}
	if v.operations > 1 {
		list = append(list, slog.Int("operations", v.operations))
	}
	return list
}

// remoteAddress returns where a request comes from: the peer, or behind trusted proxies the last address that they forward
// for which is none of theirs. What stands before it in X-Forwarded-For is its sender's word.
func remoteAddress(r *http.Request, proxies []netip.Prefix) string {
	peer := r.RemoteAddr
	if i := strings.LastIndexByte(peer, ':'); i >= 0 {
		peer = strings.Trim(peer[:i], "[]")
	}
	if len(proxies) == 0 || !within(proxies, peer) {
		return cut(peer, longestAddress)
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
	return cut(peer, longestAddress)
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
