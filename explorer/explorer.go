// Package explorer is the query page: GraphiQL with a panel that draws the backend calls of an operation. The built page
// is part of the program and asks no other host for anything.
package explorer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// dist is what build.sh makes of src.
//
//go:embed dist
var dist embed.FS

// policy is the content security policy of the page and of its workers. Styles are the one exception to "nothing
// inline": the code editor writes its theme and the colours of its text into style elements that it makes as it runs.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"worker-src 'self'",
	"style-src 'self' 'unsafe-inline'",
	"img-src 'self' data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
}, "; ")

// contentTypes of what the build emits, the same on every machine: package mime reads the system's tables.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// asset is one file of the page as it is served.
type asset struct {
	body         []byte
	packed       map[string]func() []byte
	contentType  string
	cacheControl string
	etag         string
}

// Handler serves the page at / and its files below /assets/, licences (/assets/LICENSES.txt) among them; every other path
// is 404. The page finds GraphQL at graphql and plans at graphql/plan, relative to its own address. It reads nothing but
// the embedded build, and panics if that is broken.
func Handler() http.Handler { return embedded() }

// embedded is the build, whose files are packed once for all handlers.
var embedded = sync.OnceValue(func() handler {
	assets, err := load(dist)
	if err != nil {
		panic(fmt.Sprintf("explorer: the embedded page: %v", err))
	}
	return assets
})

type handler map[string]asset

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	a, ok := h[r.URL.Path]
	switch {
	case !ok:
		http.Error(w, "the explorer has no such page", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the explorer is only read", http.StatusMethodNotAllowed)
	default:
		a.serve(w, r)
	}
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cacheControl)
	h.Add("Vary", "Accept-Encoding")
	body, tag := a.body, a.etag
	if coding := negotiate(r.Header); coding != "" {
		h.Set("Content-Encoding", coding)
		// A strong validator is that of one coding (RFC 9110, section 8.8.3).
		body, tag = a.packed[coding](), a.etag+"-"+coding
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// load reads every file of the build and gives it its path on the server.
func load(files fs.FS) (handler, error) {
	assets := handler{}
	err := fs.WalkDir(files, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		a := newAsset(name, body)
		if a.contentType == "" {
			return fmt.Errorf("%s has no content type", name)
		}
		assets[servedAt(name)] = a
		return nil
	})
	if err == nil && assets["/"].body == nil {
		err = fmt.Errorf("dist/index.html is missing")
	}
	return assets, err
}

func servedAt(name string) string {
	switch name {
	case "dist/index.html":
		return "/"
	case "dist/LICENSES.txt":
		return "/assets/LICENSES.txt"
	}
	return strings.TrimPrefix(name, "dist")
}

func newAsset(name string, body []byte) asset {
	sum := sha256.Sum256(body)
	a := asset{
		body:         body,
		packed:       packings(body),
		contentType:  contentTypes[path.Ext(name)],
		cacheControl: "no-cache",
		etag:         base64.RawURLEncoding.EncodeToString(sum[:12]),
	}
	// The names below assets carry a digest of their content: another content has another name.
	if strings.HasPrefix(name, "dist/assets/") {
		a.cacheControl = "public, max-age=31536000, immutable"
	}
	return a
}
