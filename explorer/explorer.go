// Package explorer is the query page: GraphiQL with a panel that draws the backend calls of an operation. The built
// page is part of the program and asks no other host for anything.
package explorer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/learngraph/learngraph/gateway/representation"
)

// dist is the output of build.sh for src, each file compressed by Brotli: a fifth of its size in the program, in an
// encoding that browsers accept.
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

// contentTypes of the build's files, the same on every machine: package mime reads the system's tables.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// asset is one file of the page as it is served.
type asset struct {
	files        fs.FS
	name         string // in files, where it is compressed
	contentType  string
	cacheControl string
	etag         func() string
	recoded      map[string]func() []byte
}

// Handler serves the page at / and its files below /assets/, licences (/assets/LICENSES.txt) among them; every other
// path is 404. The page finds GraphQL at graphql and plans at graphql/plan, relative to its own address. It reads
// nothing but the embedded build, and panics if that is broken.
func Handler() http.Handler { return embedded() }

// embedded is the build, whose files are recoded once for all handlers.
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
		http.Error(w, "the explorer is read-only", http.StatusMethodNotAllowed)
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
	coding, tag := representation.NegotiateCoding(r.Header, "br", "gzip").Best, a.etag()
	if coding != "" {
		h.Set("Content-Encoding", coding)
		// A strong validator is that of one coding (RFC 9110, section 8.8.3).
		tag += "-" + coding
	}
	h.Set("ETag", `"`+tag+`"`)
	if coding != "br" {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.recoded[coding]()))
		return
	}
	// The file itself is read: its bytes stay in the program's file and are no part of the heap.
	file, err := a.files.Open(a.name)
	if err != nil {
		http.Error(w, "the page cannot be read", http.StatusInternalServerError)
		return
	}
	defer func() { _ = file.Close() }()
	http.ServeContent(w, r, "", time.Time{}, file.(io.ReadSeeker))
}

// load returns every file of the build by its path on the server. None is read before it is asked for.
func load(files fs.FS) (handler, error) {
	assets := handler{}
	err := fs.WalkDir(files, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, packed := strings.CutSuffix(name, ".br")
		a := newAsset(files, plain)
		if !packed || a.contentType == "" {
			return fmt.Errorf("%s is not a compressed file of a known content type", name)
		}
		assets[servedAt(plain)] = a
		return nil
	})
	if err == nil && assets["/"].files == nil {
		err = fmt.Errorf("dist/index.html.br is missing")
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

// newAsset returns the file of a name, which it has without the ending of its compressed form.
func newAsset(files fs.FS, name string) asset {
	read := func() []byte {
		body, err := fs.ReadFile(files, name+".br")
		if err != nil {
			panic(fmt.Sprintf("explorer: the embedded page: %v", err))
		}
		return body
	}
	a := asset{
		files:        files,
		name:         name + ".br",
		contentType:  contentTypes[path.Ext(name)],
		cacheControl: "no-cache",
		recoded:      recodings(read),
		etag: sync.OnceValue(func() string {
			sum := sha256.Sum256(read())
			return base64.RawURLEncoding.EncodeToString(sum[:12])
		}),
	}
	// The names below assets carry a digest of their content: another content has another name.
	if strings.HasPrefix(name, "dist/assets/") {
		a.cacheControl = "public, max-age=31536000, immutable"
	}
	return a
}
