package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// transport is an in-memory transport, so that tests can run in fake time.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// respond is an answer with the header fields given as name and value in turn.
func respond(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// always answers every request alike.
func always(status int, body string, header ...string) transport {
	return func(*http.Request) (*http.Response, error) { return respond(status, body, header...), nil }
}

// hang answers when the request's context ends.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Backend == "" {
		o.Backend = Coassemble
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://backend.example/api"
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var get = Request{Method: http.MethodGet, Route: "/v1/thing/{id}", Path: []string{"v1", "thing", "7"}}

var put = Request{Method: http.MethodPut, Route: "/v1/thing/{id}", Path: []string{"v1", "thing", "7"}, Body: struct{}{}, Write: true}
