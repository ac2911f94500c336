package gateway

import (
	"net/http"
	"testing"
)

func TestNegotiatePicksTheMediaType(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"*/*":                               mediaJSON,
		"application/*":                     mediaJSON,
		mediaJSON:                           mediaJSON,
		mediaResponse:                       mediaResponse,
		mediaResponse + ", " + mediaJSON:    mediaResponse,
		mediaJSON + ", " + mediaResponse:    mediaJSON,
		mediaResponse + ";q=0.5, */*;q=0.9": mediaJSON,
		mediaResponse + ", */*;q=0.9":       mediaResponse,
		mediaJSON + ";q=0, */*":             mediaResponse,
		mediaJSON + ";q=0":                  "",
		mediaJSON + "; charset=utf-16":      "",
		mediaJSON + "; charset=UTF-8":       mediaJSON,
		mediaJSON + ";q=2":                  "",
		"text/html":                         "",
		";;;":                               "",
	} {
		if got := negotiate(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%s: got %q, want %q", accept, got, want)
		}
	}
	if got := negotiate(http.Header{}); got != mediaJSON {
		t.Errorf("without the header: got %q, want %q", got, mediaJSON)
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("application/json;q=0.5, */*")
	f.Fuzz(func(t *testing.T, accept string) {
		switch negotiate(http.Header{"Accept": {accept}}) {
		case "", mediaJSON, mediaResponse:
		default:
			t.Error("picked a type that is not offered")
		}
	})
}
