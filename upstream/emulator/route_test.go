package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func FuzzMatchFindsTheIdentifierOfAnEscapedPath(f *testing.F) {
	for _, id := range []string{"example-university-oauth2|123456789", "a/b c", "..", "Åre", "%2F", "search", ""} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		_ = match(http.MethodGet, id)
		rt := match(http.MethodGet, "/api/v1/headless/user/"+url.PathEscape(id))
		if id == "" {
			if rt.template != "" {
				t.Errorf("an empty identifier matches %s", rt.template)
			}
			return
		}
		if rt.id != id || rt.serve == nil {
			t.Errorf("%q arrives as %q at %q", id, rt.id, rt.template)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add(cursor{"2020-08-25T06:46:09.510Z", "a66ffea5-848e-439d-80a4-dda55f53e36c"}.String())
	f.Add("eHh4")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := parseCursor(s); ok && (c.createdAt == "" || c.id == "") {
			t.Errorf("%q gives %+v", s, c)
		}
	})
}

func FuzzAppendStringIsJSON(f *testing.F) {
	f.Add("\"quoted\" \\ \n <em>é</em> 日本")
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid(appendString(nil, s)) {
			t.Errorf("%q is written as %s", s, appendString(nil, s))
		}
	})
}

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func BenchmarkClientPage(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			e := New(Options{})
			r := httptest.NewRequest(http.MethodGet, "/incoming/v2/clients", nil)
			r.Header.Set("Authorization", "Bearer "+APIKey)
			r.Header.Set("Accept-Encoding", encoding)
			b.ReportAllocs()
			for b.Loop() {
				e.ServeHTTP(discard{http.Header{}}, r)
			}
			if e.Refused(ThoughtIndustries) > 0 {
				b.Error("refused without a limit")
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New(Options{})
	}
}
