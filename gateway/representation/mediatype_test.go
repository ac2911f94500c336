package representation

import (
	"net/http"
	"testing"
)

func TestNegotiatePicksTheMediaType(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"*/*":                                   MediaJSON,
		"application/*":                         MediaJSON,
		MediaJSON:                               MediaJSON,
		MediaGraphQLResponse:                    MediaGraphQLResponse,
		MediaGraphQLResponse + ", " + MediaJSON: MediaGraphQLResponse,
		MediaJSON + ", " + MediaGraphQLResponse: MediaJSON,
		MediaGraphQLResponse + ";q=0.5, */*;q=0.9": MediaJSON,
		MediaGraphQLResponse + ", */*;q=0.9":       MediaGraphQLResponse,
		MediaJSON + ";q=0, */*":                    MediaGraphQLResponse,
		MediaJSON + ";q=0":                         "",
		MediaJSON + "; charset=utf-16":             "",
		MediaJSON + "; charset=UTF-8":              MediaJSON,
		MediaJSON + ";q=2":                         "",
		"text/html":                                "",
		";;;":                                      "",
	} {
		if got, _ := NegotiateMediaType(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%s: got %q, want %q", accept, got, want)
		}
	}
	if got, _ := NegotiateMediaType(http.Header{}); got != MediaJSON {
		t.Errorf("without the header: got %q, want %q", got, MediaJSON)
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("application/json;q=0.5, */*")
	f.Fuzz(func(t *testing.T, accept string) {
		switch media, _ := NegotiateMediaType(http.Header{"Accept": {accept}}); media {
		case "", MediaJSON, MediaGraphQLResponse:
		default:
			t.Error("picked a type that is not offered")
		}
	})
}
