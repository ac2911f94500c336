package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/representation"
)

const newer, older = representation.MediaGraphQLResponse + "; charset=utf-8", representation.MediaJSON + "; charset=utf-8"

func TestTheAnswersMediaTypeIsThatOfTheGreatestWeight(t *testing.T) {
	t.Parallel()
	g := (&world{}).gateway(nil)
	for _, test := range []struct {
		accept, want string
		status       int
	}{
		{"", older, 200},
		{"*/*", older, 200},
		{"application/*", older, 200},
		{"application/graphql-response+json", newer, 200},
		{"application/json;q=0.5, application/graphql-response+json;q=0.6", newer, 200},
		{"application/json, application/graphql-response+json;q=0.9", older, 200},
		{"application/graphql-response+json, application/json", newer, 200},
		{"application/json, application/graphql-response+json", older, 200},
		{"application/json;q=0, */*", newer, 200},
		{"application/graphql-response+json;q=0, application/json;q=0", older, 406},
		{"application/json; charset=utf-8", older, 200},
		{"application/json; charset=latin1", older, 406},
		{"text/html, application/xhtml+xml, */*;q=0.8", older, 200},
		{"text/html", older, 406},
		{"application/json;q=high", older, 406},
		{"nonsense", older, 406},
		{" ", older, 200},
	} {
		t.Run(test.accept, func(t *testing.T) {
			t.Parallel()
			header := []string{"Accept", test.accept}
			if test.accept == "" {
				header = nil
			}
			w := post(t, g, "{ __typename }", "", header...)
			if got := w.Header().Get("Content-Type"); got != test.want || w.Code != test.status {
				t.Errorf("got %d %s, want %d %s", w.Code, got, test.status, test.want)
			}
		})
	}
}

func TestStatusAndBodyFollowTheSpecification(t *testing.T) {
	t.Parallel()
	const bom = "\ufeff"
	get := func(q url.Values) string { return "/graphql?" + q.Encode() }
	for _, test := range []struct {
		name, method, target, body, accept string
		status                             int
		want                               string
	}{
		{"a query", "POST", "/graphql", `{"query":"{__typename}"}`, "", 200, `{"data":{"__typename":"Query"}}`},
		{"a byte order mark", "POST", "/graphql", bom + `{"query":"{__typename}"}`, "", 200, `{"data":{"__typename":"Query"}}`},
		{"white space around", "POST", "/graphql", "\n" + `{"query":"{__typename}"}` + "\r\n", "", 200, `{"data":{"__typename":"Query"}}`},
		{"members that mean nothing", "POST", "/graphql", `{"query":"{__typename}","id":7}`, "", 200, `{"data":{"__typename":"Query"}}`},
		{"a refused document, older type", "POST", "/graphql", `{"query":"{nonsense}"}`, representation.MediaJSON, 200, "GRAPHQL_VALIDATION_FAILED"},
		{"a refused document, newer type", "POST", "/graphql", `{"query":"{nonsense}"}`, representation.MediaGraphQLResponse, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"a text that is no document, newer type", "POST", "/graphql", `{"query":"{"}`, representation.MediaGraphQLResponse, 400, "GRAPHQL_PARSE_FAILED"},
		{"a failed field, newer type", "POST", "/graphql", `{"query":"{clients{totalCount}}"}`, representation.MediaGraphQLResponse, 200, `"data":{"clients":null}`},
		{"a GET", "GET", get(url.Values{"query": {"{__typename}"}}), "", "", 200, `{"data":{"__typename":"Query"}}`},
		{"a GET with all parameters", "GET", get(url.Values{"query": {"query A($n:Int){users(first:$n){nodes{sourceId}}}"}, "operationName": {"A"}, "variables": {`{"n":1}`}, "extensions": {"{}"}}),
			"", "", 200, `{"data":{"users":{"nodes":[{"sourceId":"user0"}]}}}`},
		{"a HEAD has no body", "HEAD", get(url.Values{"query": {"{__typename}"}}), "", "", 200, ""},
		{"a mutation by GET", "GET", get(url.Values{"query": {`mutation{updateUser(input:{by:{sourceId:"x"},name:"y"}){userErrors{code}}}`}}), "", "", 405, "BAD_REQUEST"},
		{"a mutation by GET whose variables are missing", "GET", get(url.Values{"query": {`mutation($i:UpdateUserInput!){updateUser(input:$i){userErrors{code}}}`}}), "", "", 405, "BAD_REQUEST"},
		{"a mutation by HEAD", "HEAD", get(url.Values{"query": {`mutation{updateUser(input:{by:{sourceId:"x"},name:"y"}){userErrors{code}}}`}}), "", "", 405, ""},
		{"a GET of one of two operations that is the query", "GET", get(url.Values{"query": {`query A{__typename} mutation B{updateUser(input:{by:{sourceId:"x"},name:"y"}){userErrors{code}}}`}, "operationName": {"A"}}),
			"", "", 200, `{"data":{"__typename":"Query"}}`},
		{"an operation without its name, older type", "POST", "/graphql", `{"query":"query A{__typename} query B{__typename}"}`, representation.MediaJSON, 200, `{"errors":[{"message":"operationName is missing`},
		{"an operation without its name, newer type", "POST", "/graphql", `{"query":"query A{__typename} query B{__typename}"}`, representation.MediaGraphQLResponse, 400, "operationName"},
		{"a name of no operation, newer type", "POST", "/graphql", `{"query":"query A{__typename}","operationName":"B"}`, representation.MediaGraphQLResponse, 400, "BAD_REQUEST"},
		{"fragments alone, newer type", "POST", "/graphql", `{"query":"fragment F on Query{__typename}"}`, representation.MediaGraphQLResponse, 400, "errors"},
		{"a document without an operation", "POST", "/graphql", `{"query":"# nothing"}`, representation.MediaGraphQLResponse, 400, gqlerrors.CodeParseFailed},
		{"an Int as 5.0", "POST", "/graphql", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":5.0}}`, "", 200, `"data"`},
		{"an Int as 5.5", "POST", "/graphql", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":5.5}}`, "", 200, "BAD_USER_INPUT"},
		{"a repeated member", "POST", "/graphql", `{"query":"{__typename}","query":"{__typename}"}`, "", 400, "repeated"},
		{"a repeated parameter", "GET", "/graphql?query={__typename}&query={__typename}", "", "", 400, "more than once"},
		{"a repeated member, spelt otherwise", "POST", "/graphql", `{"query":"{__typename}","\u0071uery":"{__typename}"}`, "", 400, "repeated"},
		{"a member in another case is another member", "POST", "/graphql", `{"Query":"{__typename}"}`, "", 400, "query is missing"},
		{"a repeated variable", "POST", "/graphql", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":1,"n":2}}`, "", 400, "variables has a member more than once"},
		{"a repeated member deep in variables", "POST", "/graphql", `{"query":"{__typename}","variables":{"a":[1,{"b":"b","c":{"b":1,"b":2}}]}}`, "", 400, "variables has a member"},
		{"a repeated variable, spelt otherwise", "POST", "/graphql", `{"query":"{__typename}","variables":{"a\"b" : 1,"\u0061\u0022b":2}}`, "", 400, "variables has a member"},
		{"a repeated variable by GET", "GET", get(url.Values{"query": {"{__typename}"}, "variables": {` {"n":1,"n":2}`}}), "", "", 400, "variables has a member"},
		{"a repeated extension", "POST", "/graphql", `{"query":"{__typename}","extensions":{"a":1,"a":1}}`, "", 400, "extensions has a member"},
		{"a name in several objects, and as a value", "POST", "/graphql", `{"query":"{__typename}","variables":{"d":"\\\"d\":","a":{"b":"a","c":["b","b"]},"b":[{"a":"a"},{"a":1}],"c":[[],{}]}}`, "", 200, `"data"`},
		{"variables that are null", "POST", "/graphql", `{"query":"{__typename}","variables":null,"extensions":null,"operationName":null}`, "", 200, `"data"`},
		{"variables that are an array", "POST", "/graphql", `{"query":"{__typename}","variables":[]}`, "", 400, "variables must be"},
		{"variables that are a text", "POST", "/graphql", `{"query":"{__typename}","variables":"{}"}`, "", 400, "variables must be"},
		{"extensions that are an array", "POST", "/graphql", `{"query":"{__typename}","extensions":[]}`, "", 400, "extensions must be"},
		{"a query that is null", "POST", "/graphql", `{"query":null}`, "", 400, "query is missing"},
		{"a query that is empty", "POST", "/graphql", `{"query":""}`, "", 400, "query is missing"},
		{"a query in the address of a POST", "POST", "/graphql?query={__typename}", `{}`, "", 400, "query is missing"},
		{"a POST with another query in its address", "POST", "/graphql?query={nope}&operationName=B&documentId=c", `{"query":"query A{a:__typename}"}`, "", 200, `{"data":{"a":"Query"}}`},
		{"a POST with variables in its address", "POST", "/graphql?variables={%22n%22:9}&extensions=[]", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":0}}`, "", 200, "BAD_USER_INPUT"},
		{"a batch with a malformed address", "POST", "/graphql?query=%zz&query=b&query=c", `[{"query":"{__typename}"}]`, "", 200, `[{"data":{"__typename":"Query"}}]`},
		{"half a character in a query", "POST", "/graphql", `{"query":"{users(clientIdentifier:\"\ud83d\"){__typename}}"}`, "", 400, "query has an escape sequence"},
		{"half a character in variables", "POST", "/graphql", `{"query":"{__typename}","variables":{"a":["\\\uDE00\ud83d"]}}`, "", 400, "variables has an escape sequence"},
		{"half a character before another escape", "POST", "/graphql", `{"query":"{__typename}","extensions":{"a":"\ud83d\u0041"}}`, "", 400, "extensions has an escape sequence"},
		{"both halves of a character", "POST", "/graphql", `{"query":"{__typename}","variables":{"a":"\ud83d\ude00 \\ud83d"}}`, "", 200, `"data"`},
		{"a query string that is not UTF-8", "GET", "/graphql?query=%23%ff%0a{__typename}", "", "", 400, "not UTF-8"},
		{"variables by GET that are not UTF-8", "GET", "/graphql?query={__typename}&variables={%22a%22:%22%c3%22}", "", "", 400, "not UTF-8"},
		{"an empty name of the only operation", "POST", "/graphql", `{"query":"{__typename}","operationName":""}`, "", 200, `"data"`},
		{"an empty name of one of two operations", "POST", "/graphql", `{"query":"query A{__typename} query B{__typename}","operationName":""}`, representation.MediaGraphQLResponse, 400, "operationName"},
		{"empty variables by GET", "GET", "/graphql?query={__typename}&variables=", "", "", 200, `"data"`},
		{"everything empty by GET", "GET", "/graphql?query={__typename}&operationName=&extensions=&documentId=", "", "", 200, `"data"`},
		{"everything null", "POST", "/graphql", `{"query":"{__typename}","documentId":null,"operationName":null,"variables":null,"extensions":null}`, "", 200, `"data"`},
		{"no query beside a hash", "POST", "/graphql", `{"query":null,"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`, "", 200, "PERSISTED_QUERY_NOT_FOUND"},
		{"an empty query beside a hash, newer media type", "POST", "/graphql", `{"query":"","extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`, representation.MediaGraphQLResponse, 200, "PERSISTED_QUERY_NOT_FOUND"},
		{"an Int as 1e1", "POST", "/graphql", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":1e1}}`, "", 200, `"data"`},
		{"an Int beyond all numbers", "POST", "/graphql", `{"query":"query($n:Int){users(first:$n){__typename}}","variables":{"n":1e400}}`, "", 200, "BAD_USER_INPUT"},
		{"JSON nested without end", "POST", "/graphql", `{"query":"{__typename}","variables":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + "}", "", 400, "BAD_REQUEST"},
		{"a subscription", "POST", "/graphql", `{"query":"subscription{x}"}`, "", 200, "GRAPHQL_VALIDATION_FAILED"},
		{"trailing garbage", "POST", "/graphql", `{"query":"{__typename}"}{}`, "", 400, "BAD_REQUEST"},
		{"a DELETE", "DELETE", "/graphql", "", "", 405, "BAD_REQUEST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var header []string
			if test.accept != "" {
				header = []string{"Accept", test.accept}
			}
			w := send(t, (&world{users: 1}).gateway(nil), test.method, test.target, test.body, header...)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) || test.want == "" && w.Body.Len() > 0 {
				t.Errorf("got %d %s, want %d and %s", w.Code, w.Body, test.status, test.want)
			}
			if w.Code == 405 && test.method != "DELETE" && w.Header().Get("Allow") != "POST" {
				t.Errorf("got Allow %q, want POST", w.Header().Get("Allow"))
			}
			if got := w.Header().Get("Vary"); got != "Accept, Accept-Encoding, Authorization, X-API-Key" {
				t.Errorf("got Vary %q, want that of an answer", got)
			}
		})
	}
}

func TestOptionsNamesTheMethods(t *testing.T) {
	t.Parallel()
	w := send(t, (&world{}).gateway(nil), "OPTIONS", "/graphql", "")
	if w.Code != 204 || w.Header().Get("Allow") != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("got %d and Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestTheBodyMustBeJSONInUTF8(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		contentType, encoding string
		want                  int
	}{
		{"application/json", "", 200},
		{"application/json; charset=utf-8", "", 200},
		{"APPLICATION/JSON; charset=UTF8", "", 200},
		{"application/json; charset=utf-16", "", 415},
		{"application/graphql", "", 415},
		{"application/graphql+json", "", 415},
		{"text/plain", "", 415},
		{"application/x-www-form-urlencoded", "", 415},
		{"multipart/form-data; boundary=x", "", 415},
		{"", "", 415},
		{"application/json", "identity", 200},
		{"application/json", "Identity", 200},
		{"application/json, text/plain", "", 415},
		{"application/json", "gzip", 415},
	} {
		w := post(t, (&world{}).gateway(nil), "{ __typename }", "", "Content-Type", test.contentType, "Content-Encoding", test.encoding)
		if w.Code != test.want {
			t.Errorf("%q %q: got %d, want %d", test.contentType, test.encoding, w.Code, test.want)
		}
	}
}

func TestABatchIsAnsweredInOrderAndRunAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		together := make(chan struct{})
		waiting := 0
		w := &world{users: 1}
		w.work = func(context.Context) {
			w.mu.Lock()
			if waiting++; waiting == 2 {
				close(together)
			}
			w.mu.Unlock()
			<-together // one after the other would wait for ever
		}
		got := send(t, w.gateway(nil), "POST", "/graphql",
			`[{"query":"{users{nodes{sourceId}}}"},{"query":"{nonsense}"},{"query":"{user(by:{sourceId:\"x\"}){sourceId}}"},{"query":"query A{__typename} query B{__typename}"}]`)
		want := `[{"data":{"users":{"nodes":[{"sourceId":"user0"}]}}},{"errors":[{"message":"Cannot query field \"nonsense\" on type \"Query\". Did you mean \"nodes\"?",` +
			`"locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]},{"data":{"user":{"sourceId":"user0"}}},` +
			`{"errors":[{"message":"operationName is missing: the document has more than one operation","extensions":{"code":"BAD_REQUEST"}}]}]`
		if diff := cmp.Diff(want, got.Body.String()); diff != "" || got.Code != 200 {
			t.Errorf("got %d (-want +got):\n%s", got.Code, diff)
		}
	})
}

func TestABatchHasALimit(t *testing.T) {
	t.Parallel()
	batch := func(n int) string {
		return "[" + strings.Repeat(`{"query":"{__typename}"},`, n-1) + `{"query":"{__typename}"}]`
	}
	for _, test := range []struct {
		name, body string
		limit      int
		want       int
	}{
		{"as many as allowed", batch(3), 3, 200},
		{"one more", batch(4), 3, 200},
		{"none", "[]", 3, 400},
		{"switched off", batch(1), 0, 400},
		{"a malformed one", `[{"query":"{__typename}"},7]`, 3, 400},
		{"trailing garbage", batch(1) + "x", 3, 400},
		{"a batch in a batch", "[" + batch(1) + "]", 3, 400},
	} {
		g := (&world{}).gateway(func(o *Options) { o.BatchLimit = test.limit })
		if w := send(t, g, "POST", "/graphql", test.body); w.Code != test.want {
			t.Errorf("%s: got %d %s, want %d", test.name, w.Code, w.Body, test.want)
		}
	}
}

func TestABatchOfTooManyGetsAnErrorForEach(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{4: 4, 12: 12, 5000: 1000} {
		g := (&world{}).gateway(func(o *Options) { o.BatchLimit = 3 })
		body := "[" + strings.Repeat(`{"query":"{__typename}"},`, n-1) + `{"query":"{__typename}"}]`
		var got []struct {
			Errors []struct{ Extensions struct{ Code string } }
		}
		w := send(t, g, "POST", "/graphql", body)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != want {
			t.Fatalf("%d operations: got %d answers, want %d: %v", n, len(got), want, err)
		}
		for _, a := range got {
			if len(a.Errors) != 1 || a.Errors[0].Extensions.Code != gqlerrors.CodeLimitExceeded {
				t.Errorf("got %s", w.Body)
			}
		}
	}
}

func TestAPanicInABatchIsItsOwnError(t *testing.T) {
	t.Parallel()
	w := &world{users: 1}
	g := w.gateway(func(o *Options) {
		o.Operation = func(context.Context) context.Context { panic("a secret") }
	})
	got := send(t, g, "POST", "/graphql", `[{"query":"{__typename}"}]`)
	if want := `"code":"INTERNAL"`; got.Code != 200 || !strings.Contains(got.Body.String(), want) || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
}

func TestAnswersAreCompressedAsTheCallerPrefers(t *testing.T) {
	t.Parallel()
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"": func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip": func(r io.Reader) (io.Reader, error) {
			return gzip.NewReader(r)
		},
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	g, keeping := (&world{users: 100}).gateway(nil), (&world{users: 100}).keeping(t, nil)
	const query = "{ users(first: 100) { nodes { id sourceId } } }"
	plain := post(t, g, query, "").Body.String()
	for _, test := range []struct{ accept, want string }{
		{"", ""},
		{"identity", ""},
		{"gzip", "gzip"},
		{"GZIP;q=0.5", "gzip"},
		{"br", "br"},
		{"zstd", "zstd"},
		{"gzip, deflate, br, zstd", "br"},
		{"zstd, br, gzip", "br"},
		{"zstd;q=0.5, br;q=0.5", "br"},
		{"*", "br"},
		{"*, br;q=0", "gzip"},
		{"gzip, zstd", "zstd"},
		{"zstd, br;q=0.9", "zstd"},
		{"br, zstd;q=0.9", "br"},
		{"br;q=0, zstd", "zstd"},
		{"gzip;q=1, br;q=0.8", "gzip"},
		{"zstd;q=0, *", "br"},
		{"*;q=0", ""},
		{"identity, gzip;q=0.5", ""},
		{"identity;q=0.5, gzip;q=0.5", "gzip"},
		{"identity;q=0, gzip;q=0.5", "gzip"},
		{"gzip;level=1", ""},
		{"deflate", ""},
	} {
		t.Run(test.accept, func(t *testing.T) {
			t.Parallel()
			for _, g := range []*Gateway{g, g, keeping, keeping} { // with a writer that was used, and packed before
				w := post(t, g, query, "", "Accept-Encoding", test.accept)
				if got := w.Header().Get("Content-Encoding"); got != test.want {
					t.Fatalf("got %q, want %q", got, test.want)
				}
				r, err := unpack[test.want](w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || string(got) != plain {
					t.Errorf("got %d other bytes, %v", len(got), err)
				}
			}
		})
	}
}

func TestASmallAnswerIsNotCompressed(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{"gzip": "", "gzip, identity;q=0": "gzip", "identity;q=0": "", "*;q=0, gzip": "gzip", "gzip, *;q=0": "gzip", "*;q=0, identity, gzip": "", "br;q=0.1, identity;q=0.2": ""} {
		w := post(t, (&world{}).gateway(nil), "{ __typename }", "", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("a short answer for %q: got the coding %q, want %q", accept, got, want)
		}
	}
	w := post(t, (&world{}).gateway(nil), "{ __typename }", "", "Accept-Encoding", "gzip")
	exact := int64(w.Body.Len())
	for above, want := range map[int]string{int(exact): "", int(exact) - 1: "gzip"} {
		g := (&world{}).gateway(func(o *Options) { o.CompressAbove = above })
		w := post(t, g, "{ __typename }", "", "Accept-Encoding", "gzip")
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("above %d: got %q, want %q", above, got, want)
		}
	}
}

func TestTheCallerMayShortenTheTimeAndNotLengthenIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header string
		want   time.Duration
		status int
	}{
		{"", 5 * time.Second, 200},
		{"3s", 3 * time.Second, 200},
		{"1h", 5 * time.Second, 200},
		{"0s", 0, 400},
		{"-1s", 0, 400},
		{"soon", 0, 400},
		{"3", 0, 400},
		{"3s,4s", 0, 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{work: func(ctx context.Context) { <-ctx.Done() }}
			start := time.Now()
			var header []string
			if test.header != "" {
				header = []string{headerTimeout, test.header}
			}
			got := post(t, w.gateway(nil), "{ users { __typename } }", "", header...)
			if spent := time.Since(start); spent != test.want || got.Code != test.status {
				t.Errorf("%q: got %d after %s, want %d after %s", test.header, got.Code, spent, test.status, test.want)
			}
		})
	}
}

// A header that comes twice is none of the two values.
func TestADuplicateHeaderIsNeitherOfItsValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header, first, second string
		want                  int
	}{
		{headerTimeout, "3s", "1s", 400},
		{"Content-Type", "application/json", "text/plain", 415},
		{"Content-Encoding", "identity", "gzip", 415},
		{"Accept", "text/html", "application/json", 200},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/graphql", strings.NewReader(`{"query":"{__typename}"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header[test.header] = []string{test.first, test.second}
		w := httptest.NewRecorder()
		(&world{}).gateway(nil).ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s: got %d %s, want %d", test.header, w.Code, w.Body, test.want)
		}
	}
}

func TestThePlanHasItsOwnAllowHeader(t *testing.T) {
	t.Parallel()
	plan := (&world{}).gateway(nil).PlanHandler()
	for method, status := range map[string]int{"OPTIONS": 204, "GET": 405, "PUT": 405} {
		w := httptest.NewRecorder()
		plan.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/graphql/plan", nil))
		if w.Code != status || w.Header().Get("Allow") != "POST, OPTIONS" {
			t.Errorf("%s: got %d and Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestA401HasAChallenge(t *testing.T) {
	t.Parallel()
	w := &world{}
	g := w.gateway(func(o *Options) { o.Authenticate = (&auth.Authenticator{}).Authenticate })
	got := post(t, g, "{ users { __typename } }", "")
	if got.Code != 401 || read(t, got).code() != "UNAUTHENTICATED" || !strings.HasPrefix(got.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("got %d %s and %q", got.Code, got.Body, got.Header().Get("WWW-Authenticate"))
	}
	if len(w.asked) > 0 {
		t.Errorf("resolvers ran: %v", w.asked)
	}
}

func TestAnswersHaveSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := post(t, (&world{}).gateway(nil), "{ __typename }", "")
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestABodyThatBreaksOffOrComesTooSlowlyIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"broken off": {io.ErrUnexpectedEOF, 400, "BAD_REQUEST"},
		"too slow":   {timeoutError{}, 408, "LIMIT_EXCEEDED"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/graphql",
			io.MultiReader(strings.NewReader(`{"query":`), iotest.ErrReader(test.err)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		(&world{}).gateway(nil).ServeHTTP(w, r)
		if w.Code != test.status || read(t, w).code() != test.code {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "slow" }
func (timeoutError) Timeout() bool { return true }

// deadlines is a writer that remembers the deadlines for reading.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

func TestTheUploadHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/graphql", bytes.NewBufferString(`{"query":"{__typename}"}`))
		r.Header.Set("Content-Type", "application/json")
		g := (&world{}).gateway(func(o *Options) { o.Limits.Upload = time.Second })
		g.ServeHTTP(w, r)
		if diff := cmp.Diff([]time.Time{time.Now().Add(time.Second)}, w.set); diff != "" {
			t.Errorf("deadlines (-want +got):\n%s", diff)
		}
	})
}

func TestEveryAnswerHasAContentLength(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer((&world{users: 100}).gateway(func(o *Options) { o.CompressAbove = 0 }))
	t.Cleanup(server.Close)
	for _, query := range []string{"{ __typename }", "{ users(first: 100) { nodes { id sourceId } } }", "{"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"?"+url.Values{"query": {query}}.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			got := resp.Header.Get("Content-Length")
			if n, err := strconv.Atoi(got); err != nil || n < 10 || method == http.MethodGet && n != len(text) {
				t.Errorf("%s %s: Content-Length %q for %d bytes", method, query, got, len(text))
			}
		}
	}
}
