package middleware

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/upstream"
)

// The headers that scripts of other origins may send: those of the API, of GraphQL clients and of tracing.
var corsRequestHeaders = []string{"Content-Type", "Authorization", "X-API-Key", "X-Request-Id", "X-Learngraph-Timeout",
	"X-Learngraph-Explain", "X-Learngraph-Capture", "Cache-Control", "If-None-Match", "Traceparent", "Tracestate",
	"Baggage", "Sentry-Trace", "Apollographql-Client-Name", "Apollographql-Client-Version", "Apollo-Require-Preflight",
	"X-Apollo-Operation-Name", "X-Apollo-Operation-Id", "X-Apollo-Operation-Type", "GraphQL-Require-Preflight"}

const (
	// corsRequestPrefix begins the names that GraphQL clients give headers of their own.
	corsRequestPrefix = "graphql-"
	// corsExposeHeaders are those that scripts of other origins may read, besides those that browsers always show.
	corsExposeHeaders = "X-Request-Id, X-Learngraph-Capture, Retry-After, Age, ETag, Cache-Status, Proxy-Status, " +
		"Allow, WWW-Authenticate, Date, Content-Encoding"
	corsMaxAge = "600"
)

// Origins are the pages of other sites that may call.
type Origins struct {
	// Allowed are origins such as https://app.example; "*" lets any in.
	Allowed []string
	// Loopback lets in every page that this machine serves itself.
	Loopback bool
	// Headers may be sent besides those of the API and of well-known clients.
	Headers []string
}

// any reports whether an answer can depend on the origin of the page that asked.
func (o Origins) any() bool { return o.Loopback || len(o.Allowed) > 0 }

func (o Origins) allow(origin string) bool {
	if origin == "" {
		return false
	}
	if slices.Contains(o.Allowed, origin) || slices.Contains(o.Allowed, "*") {
		return true
	}
	_, host, found := strings.Cut(origin, "://")
	return o.Loopback && found && isLoopbackHost(host)
}

// requestHeaders are the headers that a page may send: a preflight asks for those whose names are the client's own.
func (o Origins) requestHeaders(asked string) string {
	allowed := slices.Concat(corsRequestHeaders, o.Headers)
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if strings.HasPrefix(name, corsRequestPrefix) && isToken(name) {
			allowed = append(allowed, name)
		}
	}
	return strings.Join(allowed, ", ")
}

// isToken reports whether a text is a name that a header can have, as far as browsers send them.
func isToken(name string) bool {
	return !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
}

// VaryByOrigin marks every answer for caches as dependent on the page that asked, where it can be.
func VaryByOrigin(origins Origins, next http.Handler) http.Handler {
	if !origins.any() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Vary"] = httpapi.VaryOrigin
		next.ServeHTTP(w, r)
	})
}

// AllowOrigins lets pages of these origins call next, and no other page. A request that a browser marks as
// another site's is refused, so that a link or an image cannot spend a backend's budget either. No cookie is read here,
// so none is allowed.
func AllowOrigins(origins Origins, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := firstOf(r.Header["Origin"])
		switch {
		case origins.allow(origin):
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposeHeaders)
			if preflight(r) {
				h.Add("Vary", "Access-Control-Request-Headers")
				h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
				h.Set("Access-Control-Allow-Headers",
					origins.requestHeaders(strings.Join(r.Header["Access-Control-Request-Headers"], ",")))
				h.Set("Access-Control-Max-Age", corsMaxAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		case fromAnotherSite(r):
			deny(w, r, "the origin is not allowed: CORS_ORIGINS must list it")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// firstOf returns the same as Header.Get, for a name in its canonical form, without the conversion: most requests have
// few of the headers that are looked up.
func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// fromAnotherSite reports whether a request comes from another site, by the browser's Sec-Fetch-Site or else by its
// Origin. A client that is no browser sends neither.
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

// LoopbackHost takes requests whose Host is a name of this machine alone. A server without authentication on a
// loopback address needs it: a page can give its own name the address 127.0.0.1, and would be of the same origin.
func LoopbackHost(next http.Handler) http.Handler {
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
	httpapi.NewResponseWriter(w, r).Fail(&httpapi.Error{Status: http.StatusForbidden, Code: gqlerrors.CodeForbidden,
		Message: message})
}
