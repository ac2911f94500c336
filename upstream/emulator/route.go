package emulator

import (
	"net/http"
	"net/url"
	"strings"
)

const tokenRoute = "/oauth/token"

// handler makes the answer to an authorised request.
type handler func(*Emulator, *exchange) answer

// route is where a request goes: template is empty for an unknown path, serve is nil for an unknown path or method.
type route struct {
	backend  Backend
	method   string
	template string
	id       string // the unescaped path segment, where the template has one
	serve    handler
}

// changes reports whether the request writes. MATTR's search is a read, whatever its method.
func (rt route) changes() bool { return rt.method == http.MethodPut || rt.method == http.MethodDelete }

func (rt route) failure(status int, message string) answer {
	return failure(rt.backend, rt.template, status, message)
}

var routes = map[string]map[string]handler{
	"/incoming/v2/clients": {http.MethodGet: (*Emulator).listClients},
	"/incoming/v2/ping":    {http.MethodGet: (*Emulator).ping},
	"/v1/headless/clients": {http.MethodGet: (*Emulator).listEmbedClients},
	"/v1/headless/client/{identifier}": {http.MethodGet: (*Emulator).getEmbedClient,
		http.MethodPut: (*Emulator).putEmbedClient, http.MethodDelete: (*Emulator).deleteEmbedClient},
	"/v1/headless/users": {http.MethodGet: (*Emulator).listUsers},
	"/v1/headless/user/{identifier}": {http.MethodGet: (*Emulator).getUser, http.MethodPut: (*Emulator).putUser,
		http.MethodDelete: (*Emulator).deleteUser},
	"/core/v1/users":        {http.MethodGet: (*Emulator).listIdentities},
	"/core/v1/users/search": {http.MethodPost: (*Emulator).searchIdentities},
	"/core/v1/users/{id}": {http.MethodGet: (*Emulator).getIdentity,
		http.MethodPut: (*Emulator).putIdentity, http.MethodDelete: (*Emulator).deleteIdentity},
	"/core/v1/users/{userId}/credentials": {http.MethodGet: (*Emulator).listCredentials},
	tokenRoute:                            {http.MethodPost: (*Emulator).issueToken},
}

// match finds the route of an escaped path: an identifier is one segment however many slashes it hides.
func match(method, escaped string) route {
	rt := route{method: method}
	path := escaped
	switch {
	case strings.HasPrefix(path, "/incoming/"):
		rt.backend = ThoughtIndustries
	case strings.HasPrefix(path, "/api/"):
		rt.backend = Coassemble
		path = strings.TrimPrefix(path, "/api")
	case strings.HasPrefix(path, "/core/"), strings.HasPrefix(path, "/oauth/"):
		rt.backend = MATTR
	default:
		return rt
	}
	template, segment := templateOf(method, path)
	methods, known := routes[template]
	id, err := url.PathUnescape(segment)
	if !known || err != nil {
		return rt
	}
	rt.template, rt.id, rt.serve = template, id, methods[method]
	return rt
}

// templateOf splits a path into its template and the escaped identifier in it.
func templateOf(method, path string) (template, segment string) {
	const users = "/core/v1/users/"
	for _, single := range []string{"/v1/headless/client/", "/v1/headless/user/"} {
		if rest, ok := strings.CutPrefix(path, single); ok && oneSegment(rest) {
			return single + "{identifier}", rest
		}
	}
	rest, ok := strings.CutPrefix(path, users)
	if !ok || rest == "search" && method == http.MethodPost {
		return path, ""
	}
	if id, ok := strings.CutSuffix(rest, "/credentials"); ok && oneSegment(id) {
		return users + "{userId}/credentials", id
	}
	if oneSegment(rest) {
		return users + "{id}", rest
	}
	return "", ""
}

func oneSegment(s string) bool { return s != "" && !strings.Contains(s, "/") }
