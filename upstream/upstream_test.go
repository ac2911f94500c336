package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewNamesTheWrongOption(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		o    Options
		want string
	}{
		"no backend":          {Options{BaseURL: "https://b.example"}, "Backend"},
		"no URL":              {Options{Backend: MATTR}, "BaseURL"},
		"a relative URL":      {Options{Backend: MATTR, BaseURL: "b.example/x"}, "BaseURL"},
		"another scheme":      {Options{Backend: MATTR, BaseURL: "ftp://b.example"}, "BaseURL"},
		"user information":    {Options{Backend: MATTR, BaseURL: "https://u:secret-word@b.example"}, "BaseURL"},
		"a query":             {Options{Backend: MATTR, BaseURL: "https://b.example?key=secret-word"}, "BaseURL"},
		"a fragment":          {Options{Backend: MATTR, BaseURL: "https://b.example#secret-word"}, "BaseURL"},
		"a control character": {Options{Backend: MATTR, BaseURL: "https://b.example/secret-word\x7f"}, "BaseURL"},
		"http elsewhere":      {Options{Backend: MATTR, BaseURL: "http://b.example"}, "https"},
		"a negative timeout":  {Options{Backend: MATTR, BaseURL: "https://b.example", Timeout: -1}, "Timeout"},
		"negative slots":      {Options{Backend: MATTR, BaseURL: "https://b.example", Concurrency: -1}, "Concurrency"},
		"a negative bound":    {Options{Backend: MATTR, BaseURL: "https://b.example", MaxBody: -1}, "MaxBody"},
		"an empty rate":       {Options{Backend: MATTR, BaseURL: "https://b.example", Rates: []Rate{{}}}, "Rates"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error that names %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret-word") {
				t.Errorf("the error shows the URL: %v", err)
			}
		})
	}
	for _, u := range []string{"http://127.0.0.1:9100", "http://localhost/api/", "http://[::1]:1", "https://b.example/a%2Fb"} {
		if _, err := New(Options{Backend: MATTR, BaseURL: u}); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestTheWireCarriesEscapedSegmentsBelowTheBasePath(t *testing.T) {
	t.Parallel()
	tests := []struct{ base, id, want string }{
		{"/api", "plain", "/api/v1/plain"},
		{"/api/", "example-university-oauth2|123456789", "/api/v1/example-university-oauth2%7C123456789"},
		{"", "a/b", "/v1/a%2Fb"},
		{"/a%2Fb", "x y+z", "/a%2Fb/v1/x%20y%2Bz"},
		{"", "ü%2F?#&;:@=$,", "/v1/%C3%BC%252F%3F%23%26%3B%3A%40%3D%24%2C"},
		{"", "...", "/v1/..."},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			var got string
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
			defer srv.Close()
			c := newClient(t, Options{BaseURL: srv.URL + tt.base})
			if _, err := c.Do(t.Context(), Request{Method: "GET", Route: "/v1/{id}", Path: []string{"v1", tt.id}, Query: url.Values{"q": {"a b&c"}}}); err != nil {
				t.Fatal(err)
			}
			if want := tt.want + "?q=a+b%26c"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestABadIdentifierMakesNoCall(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		t.Error("a call was made")
		return respond(200, "{}"), nil
	})})
	for _, id := range []string{"", ".", "..", "a/../b", "./a", "a/..", strings.Repeat("x", 513), "a\nb", "\x00", "\x7f", "\u0085", "\xff"} {
		_, err := c.Do(t.Context(), Request{Method: "GET", Route: "/{id}", Path: []string{id}})
		if KindOf(err) != Invalid || CheckIdentifier(id) == nil {
			t.Errorf("%q: got %v, want invalid input", id, err)
		}
	}
	for _, id := range []string{"a", "...", "a//b", "/", strings.Repeat("x", 512), "日本", "a b", "%2e%2e"} {
		if err := CheckIdentifier(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRequestsHaveAcceptHeaders(t *testing.T) {
	t.Parallel()
	for _, zip := range []bool{false, true} {
		var got *http.Request
		var body []byte
		c := newClient(t, Options{Gzip: zip, Authorizer: Header("Authorization", "token"), Transport: transport(func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ = io.ReadAll(r.Body)
			return respond(200, "{}"), nil
		})})
		req := put
		req.Body = map[string]string{"a": "<b>"}
		if _, err := c.Do(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		want := http.Header{
			"Accept": {"application/json"}, "Accept-Encoding": {map[bool]string{false: "identity", true: "gzip"}[zip]},
			"Authorization": {"token"}, "Content-Type": {"application/json"}, "User-Agent": {"learngraph"},
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if string(body) != `{"a":"<b>"}` {
			t.Errorf("body: got %s", body)
		}
	}
}

func TestTheStatusDecidesTheKind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status      int
		read, write Kind
		healthy     bool
	}{
		{200, Unknown, Unknown, true}, {204, Unknown, Unknown, true}, {304, Contract, Contract, false},
		{400, Invalid, Invalid, true}, {401, Rejected, Rejected, false}, {403, Rejected, Rejected, false},
		{404, NotFound, NotFound, true}, {405, Rejected, Rejected, true}, {408, Unavailable, Unavailable, false},
		{409, Invalid, Invalid, true}, {410, NotFound, NotFound, true}, {422, Invalid, Invalid, true},
		{429, RateLimited, RateLimited, false}, {500, Unavailable, Unavailable, false},
		{502, Unavailable, OutcomeUnknown, false}, {503, Unavailable, Unavailable, false},
		{504, Unavailable, OutcomeUnknown, false}, {302, Contract, Contract, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{Transport: always(tt.status, ""), Retries: -1})
			_, err := c.Do(t.Context(), put)
			if got := KindOf(err); got != tt.write {
				t.Errorf("write: got %v, want %v", got, tt.write)
			}
			c = newClient(t, Options{Transport: always(tt.status, ""), Retries: -1}) // a 429 closes a client for a while
			_, err = c.Do(t.Context(), get)
			if got := KindOf(err); got != tt.read {
				t.Errorf("read: got %v, want %v", got, tt.read)
			}
			var e *Error
			if errors.As(err, &e) && e.Status != tt.status {
				t.Errorf("status: got %d", e.Status)
			}
			if o, ok := c.LastOutcome(); !ok || o.OK() != tt.healthy {
				t.Errorf("outcome: got %+v, want healthy %v", o, tt.healthy)
			}
		})
	}
}

func TestErrorBodiesOnlyExplain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body    string
		code    string
		details []Detail
	}{
		"empty":              {"", "", nil},
		"text":               {"Unauthorized", "", nil},
		"markup":             {"<html>", "", nil},
		"coassemble":         {`{"message":"private","error":{"code":"FORBIDDEN","status":403}}`, "FORBIDDEN", nil},
		"thought industries": {`{"error":"rate_limit_exceeded","message":"private","retryAfter":32}`, "rate_limit_exceeded", nil},
		"a sentence as code": {`{"error":"no such private"}`, "", nil},
		"another's word":     {`{"error":{"code":"jane.doe-7"},"code":"private"}`, "", nil},
		"a long code":        {`{"code":"` + strings.Repeat("x", 65) + `"}`, "", nil},
		"mattr": {
			`{"code":"BadRequest","message":"private","details":[{"value":"private","msg":"Invalid value","param":"cursor","location":"query"},{"msg":7,"param":"a\u0000"}]}`,
			"BadRequest", []Detail{{Param: "cursor", Location: "query"}, {}},
		},
		"wrong kinds": {`{"code":7,"error":[],"details":{}}`, "", nil},
		"endless":     {strings.Repeat(" ", 1<<20) + `{"code":"x"}`, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{Transport: always(400, tt.body)})
			_, err := c.Do(t.Context(), get)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			if e.Code != tt.code {
				t.Errorf("code: got %q, want %q", e.Code, tt.code)
			}
			if diff := cmp.Diff(tt.details, e.Details); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprintf("%+v", err), "private") {
				t.Errorf("the error shows the body: %v", err)
			}
		})
	}
}

func TestRetryAfterIsReadAsSecondsAndAsDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Duration{
		"": 0, "32": 32 * time.Second, " 5 ": 5 * time.Second, "-3": 0, "soon": 0, "1.5": 0,
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"9223372036854775807": 24 * time.Hour,
	}
	for s, want := range tests {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
	_, err := newClient(t, Options{Transport: always(429, "", "Retry-After", "7"), Retries: -1}).Do(t.Context(), get)
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter != 7*time.Second || e.Local {
		t.Errorf("got %+v", e)
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func TestBodiesAreInflatedAndBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	tests := map[string]struct {
		body, encoding string
		want           string
		kind           Kind
	}{
		"as it is":          {"{}", "", "{}", Unknown},
		"identity":          {"{}", "identity", "{}", Unknown},
		"gzip":              {zipped(long), "gzip", long, Unknown},
		"nothing as gzip":   {"", "gzip", "", Unknown},
		"at the bound":      {long, "", long, Unknown},
		"over the bound":    {long + "x", "", "", Contract},
		"gzip over it":      {zipped(long + "x"), "gzip", "", Contract},
		"not gzip":          {"{}{}{}{}{}{}{}", "gzip", "", Contract},
		"gzip cut short":    {zipped(long)[:20], "gzip", "", Contract},
		"an unknown coding": {"{}", "br", "", Contract},
	}
	for name, tt := range tests {
		for _, length := range []bool{true, false} {
			t.Run(fmt.Sprint(name, length), func(t *testing.T) {
				t.Parallel()
				c := newClient(t, Options{Gzip: true, MaxBody: 1000, Transport: transport(func(*http.Request) (*http.Response, error) {
					r := respond(200, tt.body, "Content-Encoding", tt.encoding)
					if !length {
						r.ContentLength = -1
					}
					return r, nil
				})})
				var call Call
				resp, err := c.Do(WithObserver(t.Context(), nil, func(_ context.Context, c Call) { call = c }), get)
				if KindOf(err) != tt.kind {
					t.Fatalf("got %v, want %v", err, tt.kind)
				}
				if err == nil && string(resp.Body) != tt.want {
					t.Errorf("got %d bytes, want %d", len(resp.Body), len(tt.want))
				}
				if err == nil && call.Bytes != int64(len(tt.body)) {
					t.Errorf("bytes received: got %d, want %d", call.Bytes, len(tt.body))
				}
			})
		}
	}
}

func TestDecodeJSONDescribesOtherBodies(t *testing.T) {
	t.Parallel()
	tests := map[string]Kind{
		"": Contract, " \n": Contract, "<html>": Contract, "nope": Contract, `{"a":1}x`: Contract, `{"a":1`: Contract,
		`{"errors":[{"message":"private"}],"data":null}`: Rejected, `{"errors":[]}`: Unknown, `{"a":1}`: Unknown,
		`{"a":"private"}`: Contract, `[]`: Contract,
	}
	for body, want := range tests {
		var v struct{ A int }
		err := DecodeJSON([]byte(body), &v)
		if got := KindOf(err); got != want {
			t.Errorf("%q: got %v, want %v", body, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "private") {
			t.Errorf("%q: the error shows the body", body)
		}
	}
}

func TestAnUnreadableAnswerIsAFailureOfTheBackend(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Transport: always(200, "{")})
	req := get
	req.Read = func(*Response) error { return errors.New("not understood") }
	_, err := c.Do(t.Context(), req)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Kind != Contract || e.Backend != Coassemble || e.Route != get.Route || e.Method != "GET" || e.Status != 200 {
		t.Errorf("got %+v", e)
	}
	if o, _ := c.LastOutcome(); o.Failure != Contract {
		t.Errorf("outcome: got %v", o.Failure)
	}
}

func TestReadsFollowRedirectsWithinTheBackendOnly(t *testing.T) {
	t.Parallel()
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	var home *httptest.Server
	home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token" {
			t.Error("a redirect lost the credential")
		}
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end?x=1", http.StatusFound)
		case "/absolute":
			http.Redirect(w, r, home.URL+"/end", http.StatusPermanentRedirect)
		case "/other":
			http.Redirect(w, r, other.URL+"/end", http.StatusFound)
		case "/user":
			http.Redirect(w, r, strings.Replace(home.URL, "://", "://u:p@", 1)+"/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/bad":
			w.Header().Set("Location", "http://[::1")
			w.WriteHeader(http.StatusFound)
		case "/none":
			w.WriteHeader(http.StatusFound)
		}
	}))
	defer home.Close()
	tests := []struct {
		method, path string
		want         Kind
		calls        int
	}{
		{"GET", "same", Unknown, 2}, {"GET", "absolute", Unknown, 2}, {"HEAD", "same", Unknown, 2}, {"POST", "same", Contract, 1},
		{"GET", "other", Contract, 1}, {"GET", "user", Contract, 1}, {"GET", "loop", Contract, 4}, {"GET", "bad", Contract, 1},
		{"GET", "none", Contract, 1}, {"DELETE", "other", Contract, 1},
	}
	c := newClient(t, Options{BaseURL: home.URL, Authorizer: Header("Authorization", "token")})
	for _, tt := range tests {
		calls := 0
		ctx := WithObserver(t.Context(), nil, func(context.Context, Call) { calls++ })
		_, err := c.Do(ctx, Request{Method: tt.method, Route: "/" + tt.path, Path: []string{tt.path}})
		if KindOf(err) != tt.want || calls != tt.calls {
			t.Errorf("%s %s: got %v after %d calls, want %v after %d", tt.method, tt.path, err, calls, tt.want, tt.calls)
		}
	}
	if elsewhere != 0 {
		t.Errorf("another server saw %d requests", elsewhere)
	}
}

// faulty is a server that ends every connection in the given way.
func faulty(t *testing.T, handle http.HandlerFunc) string {
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestAWriteThatMayHaveHappenedIsUnknown(t *testing.T) {
	t.Parallel()
	reset := faulty(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	truncated := faulty(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	})
	tests := map[string]struct {
		url         string
		read, write Kind
	}{
		"reset":     {reset, Unavailable, OutcomeUnknown},
		"truncated": {truncated, Unavailable, OutcomeUnknown},
		// No server listens there. The port of a server that was closed may be the next one's.
		"refused": {"http://127.0.0.1:1", Unavailable, Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{BaseURL: tt.url, Retries: -1})
			if _, err := c.Do(t.Context(), get); KindOf(err) != tt.read {
				t.Errorf("read: got %v, want %v", err, tt.read)
			}
			_, err := c.Do(t.Context(), put)
			if KindOf(err) != tt.write {
				t.Errorf("write: got %v, want %v", err, tt.write)
			}
			if name == "refused" && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

type renewing struct {
	header
	renewals int
	good     string
	token    string
}

func (r *renewing) Authorize(_ context.Context, h http.Header) error {
	h.Set("Authorization", r.token)
	return nil
}

func (r *renewing) Renew(context.Context, http.Header) bool {
	r.renewals++
	r.token = r.good
	return true
}

func TestA401IsSentOnceMoreWithARenewedCredential(t *testing.T) {
	t.Parallel()
	for good, want := range map[string]Kind{"new": Unknown, "still bad": Rejected} {
		calls := 0
		a := &renewing{good: good, token: "old"}
		c := newClient(t, Options{Authorizer: a, Transport: transport(func(r *http.Request) (*http.Response, error) {
			calls++
			if b, _ := io.ReadAll(r.Body); string(b) != "{}" {
				t.Errorf("body: got %q", b)
			}
			if r.Header.Get("Authorization") != "new" {
				return respond(401, ""), nil
			}
			return respond(200, "{}"), nil
		})})
		if _, err := c.Do(t.Context(), put); KindOf(err) != want {
			t.Errorf("%s: got %v, want %v", good, err, want)
		}
		if calls != 2 || a.renewals != 1 {
			t.Errorf("%s: got %d calls and %d renewals, want 2 and 1", good, calls, a.renewals)
		}
	}
}

func TestObserversSeeEveryExchange(t *testing.T) {
	t.Parallel()
	var all, outer, inner []Call
	c := newClient(t, Options{Transport: always(503, "busy"), Retries: -1, Observer: func(c Call) { all = append(all, c) }})
	ctx := WithObserver(t.Context(), nil, func(_ context.Context, c Call) { outer = append(outer, c) })
	ctx = WithObserver(ctx, nil, func(_ context.Context, c Call) { inner = append(inner, c) })
	_, _ = c.Do(ctx, get)
	want := Call{Backend: Coassemble, Method: "GET", Route: get.Route, Status: 503, Bytes: 4, Kind: Unavailable}
	for _, calls := range [][]Call{all, outer, inner} {
		if len(calls) != 1 {
			t.Fatalf("got %d calls", len(calls))
		}
		got := calls[0]
		if got.Number == 0 || got.Number != all[0].Number {
			t.Errorf("got the number %d", got.Number)
		}
		got.Start, got.Duration, got.Wait, got.Number = time.Time{}, 0, 0, 0
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Purpose{})); diff != "" {
			t.Errorf("call (-want +got):\n%s", diff)
		}
	}
}

func TestThePlanRefusingAWriteIsNoFailureOfTheBackend(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Transport: always(403, "")})
	_, err := c.Do(t.Context(), put)
	var e *Error
	if !errors.As(err, &e) || e.Kind != Rejected || e.Status != 403 {
		t.Errorf("got %v", err)
	}
	if o, ok := c.LastOutcome(); !ok || !o.OK() {
		t.Errorf("outcome: got %+v", o)
	}
}

func FuzzCheckIdentifier(f *testing.F) {
	for _, s := range []string{"", "a", "..", "a/../b", "example-university-oauth2|123456789", "\xff", "%2e"} {
		f.Add(s)
	}
	c, err := New(Options{Backend: MATTR, BaseURL: "https://b.example/base"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := c.target(&Request{Path: []string{s, "end"}})
		if (err == nil) != (CheckIdentifier(s) == nil) {
			t.Fatalf("%q: target says %v", s, err)
		}
		if err != nil {
			return
		}
		sent, err := url.Parse(u.String())
		if err != nil || sent.Host != "b.example" || sent.RawQuery != "" {
			t.Fatalf("%q became %v, %v", s, sent, err)
		}
		parts := strings.Split(sent.EscapedPath(), "/")
		if len(parts) != 4 || parts[1] != "base" || parts[3] != "end" {
			t.Fatalf("%q became %q", s, parts)
		}
		if got, err := url.PathUnescape(parts[2]); err != nil || got != s {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:01:30 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, time.Unix(1_700_000_000, 0)); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: got %v", s, d)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{"", "{}", `{"error":{"code":"X"}}`, `{"details":[{"param":"a"},null,7]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, details := explain(body)
		if code != "" && !codes[code] || len(details) > 20 {
			t.Errorf("got %q and %d details", code, len(details))
		}
	})
}

func TestAReadHasNoBodyAndNoBodyHeaders(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests := make(chan string, 3)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for text := ""; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if text += line; line == "\r\n" {
				requests <- text
				text = ""
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			}
		}
	}()
	c := newClient(t, Options{BaseURL: "http://" + l.Addr().String()})
	for range cap(requests) {
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Fatal(err)
		}
		text := <-requests
		if lower := strings.ToLower(text); strings.Contains(lower, "transfer-encoding") || strings.Contains(lower, "content-length") {
			t.Errorf("sent %q", text)
		}
	}
}

func TestConnectionsOfAllCallsAtOnceAreUsedAgain(t *testing.T) {
	t.Parallel()
	const calls = 120 // more than the default transport keeps
	var opened atomic.Int64
	var together atomic.Pointer[sync.WaitGroup]
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		group := together.Load()
		group.Done()
		group.Wait()
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := newClient(t, Options{BaseURL: server.URL, Concurrency: calls})
	for range 2 {
		var group, running sync.WaitGroup
		group.Add(calls)
		together.Store(&group)
		for range calls {
			running.Go(func() {
				if _, err := c.Do(t.Context(), get); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
	}
	if got := opened.Load(); got != calls {
		t.Errorf("%d connections were opened for %d calls at once, twice", got, calls)
	}
}
