package upstream_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Each of these words is in every exchange below and must be in no error.
var private = []string{"person-7", "tenant.example", "10.1.2.3", "credential-word", "body-word", "claim-word", "https://"}

const id = "person-7|x/y"

type failing func(*http.Request) (*http.Response, error)

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func body(status int, contents string, header ...string) failing {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(contents)), ContentLength: -1}, nil
	}
}

func fails(err error) failing { return func(*http.Request) (*http.Response, error) { return nil, err } }

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
func (brokenBody) Close() error               { return nil }

// faults are all the ways for an exchange to fail.
func faults() map[string]failing {
	address := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 443}
	m := map[string]failing{
		"refused":     fails(&net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: syscall.ECONNREFUSED}),
		"reset":       fails(&net.OpError{Op: "read", Net: "tcp", Addr: address, Err: syscall.ECONNRESET}),
		"no host":     fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "tenant.example"}}),
		"certificate": fails(&tls.CertificateVerificationError{Err: errors.New("not valid for tenant.example")}),
		"protocol":    fails(errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP status code "body-word"`)),
		"end":         fails(io.EOF),
		"timeout":     fails(&net.OpError{Op: "read", Addr: address, Err: context.DeadlineExceeded}),
		"cut short":   func(*http.Request) (*http.Response, error) { return brokenAnswer(io.ErrUnexpectedEOF), nil },
		"chunking":    func(*http.Request) (*http.Response, error) { return brokenAnswer(errors.New("body-word")), nil },
		"redirect":    body(302, "body-word", "Location", "https://tenant.example/person-7"),
		"coding":      body(200, "body-word", "Content-Encoding", "body-word"),
		"not gzip":    body(200, "body-word body-word", "Content-Encoding", "gzip"),
		"too large":   body(200, strings.Repeat("body-word", 1000)),
		"empty":       body(200, ""),
		"markup":      body(200, "<html>body-word"),
		"text":        body(200, "body-word"),
		"half":        body(200, `{"data":[{"id":"body-word"`),
		"shape":       body(200, `{"data":{"body-word":"body-word"},"identifier":"body-word","id":"body-word"}`),
		"list":        body(200, `["body-word"`),
		"errors":      body(200, `{"errors":[{"message":"body-word"}],"data":null}`),
	}
	for _, status := range []int{300, 400, 401, 403, 404, 408, 409, 410, 418, 422, 429, 500, 502, 503, 504} {
		m[fmt.Sprint(status)] = body(status, `{"code":"body-word of person-7","message":"body-word","error":"body-word person-7","details":[{"value":"claim-word","param":"claims","location":"body","msg":"Invalid value"}]}`, "Retry-After", "3")
	}
	return m
}

func brokenAnswer(err error) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: brokenBody{err}, ContentLength: -1}
}

// operations are all that the three packages do, with the private words in every input.
func operations(t *testing.T, transport http.RoundTripper, rates []upstream.Rate) map[string]func(context.Context) error {
	rest := func(b upstream.Backend, a upstream.Authorizer) *upstream.Client {
		c, err := upstream.New(upstream.Options{
			Backend: b, BaseURL: "https://tenant.example/person-7", Transport: transport, Authorizer: a, MaxBody: 1000,
			Timeout: time.Minute, Rates: rates, Gzip: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key := upstream.Header("Authorization", "credential-word")
	source, err := mattr.NewTokenSource(mattr.TokenOptions{
		URL: "https://tenant.example/oauth/token", ClientID: "credential-word", ClientSecret: "credential-word", Audience: "credential-word", Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	ti := thoughtindustries.New(rest(upstream.ThoughtIndustries, key), thoughtindustries.Shapes{
		Client: &document.Shape{Name: "Client", Members: []document.Member{{Name: "id"}}},
	})
	co := coassemble.New(rest(upstream.Coassemble, key))
	ma := mattr.New(rest(upstream.MATTR, key), "core/v1")
	locked := mattr.New(rest(upstream.MATTR, source), "core/v1")
	name, claims := "claim-word", json.RawMessage(`{"a":"claim-word"}`)
	return map[string]func(context.Context) error{
		"window": func(ctx context.Context) error {
			_, _, err := ti.Window(ctx, thoughtindustries.Query{Search: id}, 0, 5)
			return err
		},
		"lookup": func(ctx context.Context) error {
			k := thoughtindustries.Key{Field: "id", Value: id}
			_, failed := ti.NewLookup().Find(ctx, []thoughtindustries.Key{k})
			return failed[k]
		},
		"clients":       func(ctx context.Context) error { _, _, err := co.ClientWindow(ctx, 0, 5); return err },
		"users":         func(ctx context.Context) error { _, _, err := co.UserWindow(ctx, id, 0, 5); return err },
		"client":        func(ctx context.Context) error { _, _, err := co.Client(ctx, id); return err },
		"user":          func(ctx context.Context) error { _, _, err := co.User(ctx, id); return err },
		"update client": func(ctx context.Context) error { return co.UpdateClient(ctx, id, claims) },
		"bad metadata":  func(ctx context.Context) error { return co.UpdateClient(ctx, id, json.RawMessage(`claim-word`)) },
		"update user":   func(ctx context.Context) error { return co.UpdateUser(ctx, id, coassemble.UserUpdate{Name: &name}) },
		"delete client": func(ctx context.Context) error { return co.DeleteClient(ctx, id) },
		"delete user":   func(ctx context.Context) error { return co.DeleteUser(ctx, id, "delete", "") },
		"bad user":      func(ctx context.Context) error { return co.DeleteUser(ctx, id+"\n", "delete", "") },
		"identities":    func(ctx context.Context) error { _, _, err := ma.Identities(ctx, 5, id); return err },
		"by subject":    func(ctx context.Context) error { _, _, err := ma.FindBySubject(ctx, "", id); return err },
		"by claim":      func(ctx context.Context) error { _, _, err := ma.FindByClaim(ctx, "a", "claim-word"); return err },
		"identity":      func(ctx context.Context) error { _, _, err := ma.Identity(ctx, id); return err },
		"update identity": func(ctx context.Context) error {
			return ma.UpdateIdentity(ctx, id, mattr.Update{Claims: claims})
		},
		"delete identity": func(ctx context.Context) error { return ma.DeleteIdentity(ctx, id) },
		"credentials":     func(ctx context.Context) error { _, _, err := ma.Credentials(ctx, id, 5, ""); return err },
		"token":           func(ctx context.Context) error { _, _, err := locked.Identity(ctx, id); return err },
	}
}

// check fails if err, or anything in its chain, shows a private word.
func check(t *testing.T, name string, err error) {
	t.Helper()
	var e *upstream.Error
	if !errors.As(err, &e) || e.Backend == "" || e.Kind == upstream.Unknown {
		t.Errorf("%s: got %#v, want an error with backend and kind", name, err)
		return
	}
	text := fmt.Sprintf("%+v %#v", err, e.Details)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		text += cause.Error()
	}
	for _, word := range private {
		if strings.Contains(text, word) {
			t.Errorf("%s: %q shows %q", name, text, word)
		}
	}
}

func TestNoErrorShowsWhatIsPrivate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, showNothingPrivate)
}

func showNothingPrivate(t *testing.T) {
	seen := map[upstream.Kind]bool{}
	record := func(name string, err error) {
		if err == nil {
			// A write succeeds whatever its answer is, and some bodies are right for some operations.
			return
		}
		seen[upstream.KindOf(err)] = true
		check(t, name, err)
	}
	for fault, transport := range faults() {
		for operation, do := range operations(t, transport, nil) {
			record(operation+", "+fault, do(t.Context()))
		}
	}
	left, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for operation, do := range operations(t, fails(context.Canceled), []upstream.Rate{{Count: 1, Per: time.Hour}}) {
		record(operation+", cancelled", do(left))
		record(operation+", late", do(late))
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		record(operation+", first", do(soon))
		record(operation+", over the budget", do(soon))
		cancel()
	}
	for _, k := range []upstream.Kind{
		upstream.Deadline, upstream.Canceled, upstream.Unavailable, upstream.RateLimited, upstream.Rejected, upstream.Invalid,
		upstream.NotFound, upstream.Contract, upstream.OutcomeUnknown,
	} {
		if !seen[k] {
			t.Errorf("no operation failed with %v", k)
		}
	}
}
