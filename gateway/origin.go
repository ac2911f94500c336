package gateway

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/upstream"
)

// The headers that scripts of other origins may send and read.
const (
	corsAllowHeaders = "Content-Type, Authorization, X-API-Key, X-Request-Id, X-Learngraph-Timeout, X-Learngraph-Explain, X-Learngraph-Capture, " +
		"Cache-Control, Traceparent, Tracestate"
	corsExposeHeaders = "X-Request-Id, X-Learngraph-Capture, Retry-After, Age, ETag"
	corsMaxAge        = "600"
)

// WithOrigins lets pages of the listed origins (such as https://app.example) call next, and no other page: a browser
// tells of a request from another site, and what it tells of is refused, so that a link or an image cannot spend a
// backend's budget either. "*" lets any origin in. No cookie is read here, so none is allowed to come along.
func WithOrigins(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := firstOf(r.Header["Origin"])
		allowed := origin != "" && (slices.Contains(origins, origin) || slices.Contains(origins, "*"))
		if len(origins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		switch {
		case allowed:
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", corsExposeHeaders)
			if preflight(r) {
				w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
				w.Header().Set("Access-Control-Allow-Headers", corsAllowHeaders)
				w.Header().Set("Access-Control-Max-Age", corsMaxAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		case fromAnotherSite(r):
			deny(w, r, "this server does not answer pages of that origin")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// firstOf is what Header.Get gives of a header's values, which are found without its search for the canonical name: most
// requests have none of the headers that every request is asked for.
func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// fromAnotherSite is what a browser says of a request, or else what its Origin shows. A client that is no browser sends
// neither.
func fromAnotherSite(r *http.Request) bool {
	switch firstOf(r.Header["Sec-Fetch-Site"]) {
	case "cross-site", "same-site":
		return true
	case "same-origin", "none":
		return false
	}
	origin := firstOf(r.Header["Origin"])
	if origin == "" {
		return false
	}
	_, host, _ := strings.Cut(origin, "://")
	return !strings.EqualFold(host, r.Host)
}

// WithLoopbackHost takes requests whose Host is a name of this machine alone. A server without authentication on a
// loopback address needs it: a page can give its own name the address 127.0.0.1, and would be of the same origin.
func WithLoopbackHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopbackHost(r.Host) {
			deny(w, r, "the Host must be localhost or a loopback address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	return strings.HasSuffix(host, ".localhost") || upstream.IsLoopback(host)
}

func deny(w http.ResponseWriter, r *http.Request, message string) {
	x := &exchange{w: w, media: mediaJSON, head: r.Method == http.MethodHead}
	x.fail(&requestError{status: http.StatusForbidden, code: codeForbidden, message: message})
}
