package explorer

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

func get(t *testing.T, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestThePageIsServedAndRevalidated(t *testing.T) {
	t.Parallel()
	resp := get(t, "/")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status = %d, want 200", resp.StatusCode)
	}
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"Cache-Control":          "no-cache",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	again := get(t, "/", "If-None-Match", resp.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("status with the same ETag = %d, want 304", again.StatusCode)
	}
}

func TestThePolicyAllowsNoOtherHostAndNoInlineScript(t *testing.T) {
	t.Parallel()
	directives := map[string]string{}
	for directive := range strings.SplitSeq(get(t, "/").Header.Get("Content-Security-Policy"), "; ") {
		name, sources, _ := strings.Cut(directive, " ")
		directives[name] = sources
	}
	want := map[string]string{
		"default-src":     "'none'",
		"script-src":      "'self'",
		"worker-src":      "'self'",
		"style-src":       "'self' 'unsafe-inline'",
		"img-src":         "'self' data:",
		"connect-src":     "'self'",
		"base-uri":        "'none'",
		"form-action":     "'none'",
		"frame-ancestors": "'none'",
	}
	if diff := cmp.Diff(want, directives); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestEveryFileOfTheBuildIsServedAsWhatItIs(t *testing.T) {
	t.Parallel()
	hashed := regexp.MustCompile(`-[A-Za-z0-9_-]{8}\.(js|css|svg)$`)
	for _, name := range built(t) {
		resp := get(t, servedAt(name))
		if got, want := resp.Header.Get("Content-Type"), contentTypes[path.Ext(name)]; resp.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: status %d, Content-Type %q, want 200, %q", name, resp.StatusCode, got, want)
		}
		if resp.Header.Get("ETag") == "" {
			t.Errorf("%s has no ETag", name)
		}
		immutable := strings.Contains(resp.Header.Get("Cache-Control"), "immutable")
		if immutable != hashed.MatchString(name) {
			t.Errorf("%s: immutable = %t, but a name with a digest = %t", name, immutable, !immutable)
		}
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, target string
		want                 int
	}{
		{"another page", http.MethodGet, "/index.html", http.StatusNotFound},
		{"a folder", http.MethodGet, "/assets/", http.StatusNotFound},
		{"an asset that is not there", http.MethodGet, "/assets/none.js", http.StatusNotFound},
		{"a way out of the build", http.MethodGet, "/assets/../explorer.go", http.StatusNotFound},
		{"a write", http.MethodPost, "/", http.StatusMethodNotAllowed},
		{"a question for the header", http.MethodHead, "/", http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			Handler().ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
			if w.Header().Get("Content-Security-Policy") != policy {
				t.Error("the answer has no content security policy")
			}
		})
	}
}

func TestABuildThatIsBrokenIsNoticed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files fstest.MapFS
	}{
		{"no page", fstest.MapFS{"dist/LICENSES.txt.br": {Data: []byte("text")}}},
		{"a file of an unknown kind", fstest.MapFS{"dist/index.html.br": {Data: []byte("page")}, "dist/assets/font.woff2.br": {}}},
		{"a file that is not compressed", fstest.MapFS{"dist/index.html.br": {Data: []byte("page")}, "dist/assets/page.js": {}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := load(tt.files); err == nil {
				t.Error("load gave no error")
			}
		})
	}
}

func TestThePageHasNoInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	page := string(read(t, "dist/index.html"))
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\son[a-z]+=|\sstyle=|javascript:`)
	if got := inline.FindString(page); got != "" {
		t.Errorf("the page has %q", got)
	}
}

func TestTheBuildIsTextWithoutFonts(t *testing.T) {
	t.Parallel()
	total := 0
	for _, name := range built(t) {
		body := read(t, name)
		total += len(body)
		if !utf8.Valid(body) {
			t.Errorf("%s is not text", name)
		}
		if strings.Contains(string(body), "@font-face") && path.Ext(name) == ".css" {
			t.Errorf("%s names a font file", name)
		}
	}
	if total > 11<<19 {
		t.Errorf("the build has %d bytes", total)
	}
}

// namedHosts are the hosts that the libraries' code names: in links of the documentation and of error messages, in XML
// namespaces, in names of JSON schemas; and the default of COASSEMBLE_URL in a command that is copied. The page requests none of them; the policy would not let it, and the browser
// tests watch.
var namedHosts = []string{
	"api.coassemble.com", "code.visualstudio.com", "commonmark.org", "en.wikipedia.org", "github.com", "json-schema.org", "microsoft.com",
	"prettier.io", "react.dev", "www.w3.org", "yarnpkg.com",
}

func TestTheBuildNamesNoHostButThoseOfLinks(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`(?:https?|wss?)://[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)
	for _, name := range built(t) {
		if name == "dist/LICENSES.txt" {
			continue
		}
		for _, found := range address.FindAllString(string(read(t, name)), -1) {
			u, err := url.Parse(found)
			if err != nil || !slices.Contains(namedHosts, u.Host) {
				t.Errorf("%s names %s", name, found)
			}
		}
	}
}

func TestTheLicencesOfWhatIsBuiltInAreThere(t *testing.T) {
	t.Parallel()
	text := string(read(t, "dist/LICENSES.txt"))
	for _, name := range []string{"graphiql ", "@graphiql/react ", "monaco-editor ", "monaco-graphql ", "graphql ", "react ", "react-dom ", "jsonc-parser "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no licence of %s", name)
		}
	}
	if !strings.Contains(text, "Permission is hereby granted, free of charge") {
		t.Error("no text of the MIT licence")
	}
}

func TestTheLockFileNamesNoRegistry(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json says where packages were downloaded: npm install --omit-lockfile-registry-resolved")
	}
}

func TestTheExamplesAreValidOperationsOfTheSchema(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("src/examples.ts")
	if err != nil {
		t.Fatal(err)
	}
	schema := loadSchema(t)
	template := regexp.MustCompile("(?s)query: `((?:[^`\\\\]|\\\\.)*)`")
	found := template.FindAllStringSubmatch(string(source), -1)
	if len(found) < 5 {
		t.Fatalf("%d examples, want at least 5", len(found))
	}
	for _, match := range found {
		query := strings.ReplaceAll(match[1], "\\`", "`")
		if _, err := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules()); err != nil {
			t.Errorf("%s\n%v", query, err)
		}
	}
}

func loadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// built returns the names of the files of the build, without the ending of their compressed form.
func built(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, strings.TrimSuffix(name, ".br"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	packed, err := dist.Open(name + ".br")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(brotli.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
