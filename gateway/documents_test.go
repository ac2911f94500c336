package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/reload"
)

const (
	typename     = "{ __typename }"
	typenameHash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b"
)

func persistedBody(query, hash string) string {
	body := `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}`
	if query != "" {
		body += `,"query":` + quoted(query)
	}
	return body + "}"
}

func TestAutomaticPersistedQueriesFollowApollosProtocol(t *testing.T) {
	t.Parallel()
	if documents.Hash(typename) != typenameHash {
		t.Fatalf("the hash is %s", documents.Hash(typename))
	}
	g := (&world{}).gateway(func(o *Options) { o.Persisted = documents.NewMemory(1<<10, 0, nil) })
	get := "/graphql?" + url.Values{"extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"` + typenameHash + `"}}`}}.Encode()
	for _, step := range []struct {
		name, method, target, body, want string
		status                           int
	}{
		{"unknown at first", "GET", get, "", "PERSISTED_QUERY_NOT_FOUND", 200},
		{"another text under the hash", "POST", "/graphql", persistedBody("{ users { __typename } }", typenameHash), "BAD_REQUEST", 400},
		{"still unknown", "POST", "/graphql", persistedBody("", typenameHash), "PERSISTED_QUERY_NOT_FOUND", 200},
		{"registered", "POST", "/graphql", persistedBody(typename, typenameHash), `{"data":{"__typename":"Query"}}`, 200},
		{"known by POST", "POST", "/graphql", persistedBody("", typenameHash), `{"data":{"__typename":"Query"}}`, 200},
		{"known by GET", "GET", get, "", `{"data":{"__typename":"Query"}}`, 200},
		{"known by documentId", "POST", "/graphql", `{"documentId":"` + typenameHash + `"}`, "PERSISTED_QUERY_NOT_FOUND", 200},
		{"an invalid document", "POST", "/graphql", persistedBody("{nonsense}", documents.Hash("{nonsense}")), "GRAPHQL_VALIDATION_FAILED", 200},
		{"is not kept", "POST", "/graphql", persistedBody("", documents.Hash("{nonsense}")), "PERSISTED_QUERY_NOT_FOUND", 200},
		{"another version", "POST", "/graphql", `{"extensions":{"persistedQuery":{"version":2,"sha256Hash":"a"}}}`, "BAD_REQUEST", 400},
		{"no hash", "POST", "/graphql", `{"extensions":{"persistedQuery":{"version":1}}}`, "BAD_REQUEST", 400},
		{"no object", "POST", "/graphql", `{"extensions":{"persistedQuery":7}}`, "BAD_REQUEST", 400},
	} {
		w := send(t, g, step.method, step.target, step.body)
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s: got %d %s, want %d %s", step.name, w.Code, w.Body, step.status, step.want)
		}
	}
	if w := send(t, (&world{}).gateway(nil), "GET", get, ""); !strings.Contains(w.Body.String(), "PersistedQueryNotSupported") {
		t.Errorf("switched off: got %s", w.Body)
	}
}

// A text is charged for once, a KiB like a call, and one that cannot be paid for is not kept.
func TestRegisteringADocumentIsCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, err := cache.New(cache.Options{Memory: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		g := (&world{users: 1}).keeping(t, func(o *Options) {
			o.Persisted = documents.NewMemory(1<<20, 0, nil)
			o.Cost = cost.Options{Bucket: cache.NewBucket(kept, "test", "points"), Points: 1000, Restore: 100}
		})
		document := func(name string, size int) string {
			text := "query " + name + " { __typename } #"
			return text + strings.Repeat("x", size-len(text))
		}
		for _, step := range []struct {
			name, query, hash string
			cost              string
			code              string
		}{
			{"a KiB", document("A", 1024), documents.Hash(document("A", 1024)), `"requestedQueryCost":100,"actualQueryCost":100`, ""},
			{"again", document("A", 1024), documents.Hash(document("A", 1024)), `"requestedQueryCost":0,"actualQueryCost":0`, ""},
			{"by its hash", "", documents.Hash(document("A", 1024)), `"requestedQueryCost":0`, ""},
			{"a byte more", document("B", 1025), documents.Hash(document("B", 1025)), `"requestedQueryCost":200`, ""},
			{"more than there are points for", document("C", 10_000), documents.Hash(document("C", 10_000)), `"requestedQueryCost":1000,"actualQueryCost":0`, gqlerrors.CodeRateLimited},
			{"which is not kept", "", documents.Hash(document("C", 10_000)), "", gqlerrors.CodeNotPersisted},
		} {
			a := read(t, send(t, g, http.MethodPost, "/graphql", persistedBody(step.query, step.hash)))
			if !strings.Contains(string(a.Extensions["cost"]), step.cost) || a.code() != step.code {
				t.Errorf("%s: got %q, cost %s, want %q, %s", step.name, a.code(), a.Extensions["cost"], step.code, step.cost)
			}
		}
		if got := send(t, g.PlanHandler(), http.MethodPost, "/graphql/plan", persistedBody(document("D", 100), documents.Hash(document("D", 100)))); got.Code != 200 {
			t.Errorf("the plan: got %s", got.Body)
		}
		if _, ok := g.opts.Persisted.Get(t.Context(), documents.Hash(document("D", 100))); ok {
			t.Error("a plan keeps a document, which costs nothing")
		}
	})
}

func TestCachedDocumentsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	text := func(i, size int) string {
		query := fmt.Sprintf("query Q%d { users(first: 1) { nodes { id } } } #", i)
		return query + strings.Repeat("x", size-len(query))
	}
	const most, size = 1 << 20, 100 << 10
	held := int64(0)
	d := documents.New(graph.NewEngine(graph.Config{}).Schema(), limits.Default(), true, most, func(by int64) { held += by })
	for i := range 2 * most / size {
		if _, errs := d.Load(text(i, size)); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
	if held <= most-2*size || held > most {
		t.Errorf("kept %d bytes, want about %d", held, most)
	}
	for size, want := range map[int]int{maxCachedDocument: 1, maxCachedDocument + 1: 0} {
		g := (&world{users: 1}).keeping(t, nil)
		post(t, g, text(0, size), "")
		if got := len(g.requests.requests.Keys()); got != want {
			t.Errorf("a text of %d bytes: %d requests are remembered, want %d", size, got, want)
		}
	}
}

// liar is a store that returns another text than was put.
type liar struct{}

func (liar) Get(context.Context, string) (string, bool) { return "{ users { __typename } }", true }
func (liar) Put(context.Context, string, string)        {}

func TestAStoreCannotPassAnotherTextOff(t *testing.T) {
	t.Parallel()
	w := &world{}
	got := send(t, w.gateway(func(o *Options) { o.Persisted = liar{} }), "POST", "/graphql", persistedBody("", typenameHash))
	if read(t, got).code() != "PERSISTED_QUERY_NOT_FOUND" || len(w.asked) > 0 {
		t.Errorf("got %s, asked %v", got.Body, w.asked)
	}
}

func trusted(t *testing.T, w *world, mode documents.TrustedMode, files fstest.MapFS) *documents.Trusted {
	t.Helper()
	tr, err := documents.NewTrusted(documents.TrustedOptions{Files: files, Name: ".", Mode: mode, Log: slog.New(slog.NewTextHandler(w, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTrustedDocumentsAreTakenByIDAndOthersByMode(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"relay.json": {Data: []byte(`{"sha256:abc":"{ __typename }"}`)},
		"apollo.json": {Data: []byte(`{"format":"apollo-persisted-query-manifest","version":1,"operations":[
			{"id":"` + documents.Hash("query B { __typename }") + `","name":"B","type":"query","body":"query B { __typename }"}]}`)}}
	const ok, untrusted, unknown = `{"data":{"__typename":"Query"}}`, "DOCUMENT_NOT_TRUSTED", "PERSISTED_QUERY_NOT_FOUND"
	for _, test := range []struct {
		name, method, target, body string
		want                       map[documents.TrustedMode]string
		logged                     bool
	}{
		{"documentId", "POST", "/graphql", `{"documentId":"abc"}`, map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: ok}, false},
		{"documentId with its algorithm", "POST", "/graphql", `{"documentId":"sha256:abc"}`, map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: ok}, false},
		{"documentId by GET", "GET", "/graphql?documentId=abc", "", map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: ok}, false},
		{"Apollo's extension", "POST", "/graphql", persistedBody("", documents.Hash("query B { __typename }")), map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: ok}, false},
		{"an unknown id", "POST", "/graphql", `{"documentId":"xyz"}`, map[documents.TrustedMode]string{documents.TrustedOff: unknown, documents.TrustedLog: unknown, documents.TrustedOnly: untrusted}, false},
		{"a text of the manifest", "POST", "/graphql", queryBody("{ __typename }", ""), map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: untrusted}, false},
		{"another text", "POST", "/graphql", queryBody("{__typename}", ""), map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: untrusted}, true},
		{"a registration", "POST", "/graphql", persistedBody("{__typename}", documents.Hash("{__typename}")), map[documents.TrustedMode]string{documents.TrustedOff: ok, documents.TrustedLog: ok, documents.TrustedOnly: untrusted}, true},
		{"id and text", "POST", "/graphql", `{"documentId":"abc","query":"{__typename}"}`, map[documents.TrustedMode]string{documents.TrustedOff: "BAD_REQUEST", documents.TrustedLog: "BAD_REQUEST", documents.TrustedOnly: "BAD_REQUEST"}, false},
	} {
		for mode, want := range test.want {
			w := &world{}
			g := w.gateway(func(o *Options) {
				o.Trusted, o.Persisted = trusted(t, w, mode, files), documents.NewMemory(1<<10, 0, nil)
			})
			got := send(t, g, test.method, test.target, test.body)
			if !strings.Contains(got.Body.String(), want) {
				t.Errorf("%s, %s: got %s, want %s", test.name, mode, got.Body, want)
			}
			if logged := strings.Contains(w.logged(), "not trusted"); logged != (test.logged && mode == documents.TrustedLog) {
				t.Errorf("%s, %s: logged %q", test.name, mode, w.logged())
			}
		}
	}
}

func TestAChangedManifestIsTakenOverAndABadOneIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"m.json": {Data: []byte(`{"a":"{ __typename }"}`)}}
		w := &world{}
		g := w.gateway(func(o *Options) { o.Trusted = trusted(t, w, documents.TrustedOnly, files) })
		var got []string
		for _, text := range []string{`{"a":"{ __typename }"}`, `{"b":"{ __typename }"}`, `{"b":7}`, `{"c":"{ __typename }"}`} {
			files["m.json"] = &fstest.MapFile{Data: []byte(text), ModTime: time.Now()}
			time.Sleep(reload.Interval)
			known := ""
			for _, id := range []string{"a", "b", "c"} {
				if read(t, send(t, g, "GET", "/graphql?documentId="+id, "")).code() == "" {
					known += id
				}
			}
			got = append(got, known)
		}
		if diff := cmp.Diff([]string{"a", "b", "b", "c"}, got); diff != "" {
			t.Errorf("known ids (-want +got):\n%s", diff)
		}
		if n := strings.Count(w.logged(), "the previous ones stay in use"); n != 1 {
			t.Errorf("the bad file was logged %d times", n)
		}
	})
}

func TestAManifestIsReadInEachFormat(t *testing.T) {
	t.Parallel()
	one := []*documents.TrustedDocument{{ID: "a", Text: "{ __typename }"}}
	for _, test := range []struct {
		name, text string
		want       []*documents.TrustedDocument
	}{
		{"Relay and Code Generator", `{"a":"{ __typename }"}`, one},
		{"with a byte order mark", "\ufeff" + `{"a":"{ __typename }"}`, one},
		{"with its algorithm", `{"sha256:a":"{ __typename }"}`, one},
		{"Apollo", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","name":"N","type":"query","body":"{ __typename }"}]}`,
			[]*documents.TrustedDocument{{ID: "a", Name: "N", Text: "{ __typename }"}}},
		{"a document called format", `{"format":"{ __typename }"}`, []*documents.TrustedDocument{{ID: "format", Text: "{ __typename }"}}},
		{"empty", `{}`, nil},
		{"Apollo in another version", `{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}`, nil},
		{"another format", `{"format":"other","version":1,"operations":[]}`, nil},
		{"a list", `[]`, nil},
		{"an id twice", `{"a":"{ __typename }","a":"{ users { __typename } }"}`, nil},
		{"an id twice in Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"x"},{"id":"a","body":"y"}]}`, nil},
		{"an id twice after its algorithm", `{"a":"x","md5:a":"y"}`, nil},
		{"no text", `{"a":""}`, nil},
		{"null", `{"a":null}`, nil},
		{"no id", `{"":"x"}`, nil},
		{"trailing garbage", `{"a":"x"}{}`, nil},
	} {
		m := documents.NewManifest()
		err := m.Add([]byte(test.text))
		if (err == nil) != (test.want != nil || test.name == "empty") {
			t.Errorf("%s: got error %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, m.Documents()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestAnUnknownModeIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := documents.NewTrusted(documents.TrustedOptions{Files: fstest.MapFS{}, Name: ".", Mode: "strict"}); err == nil {
		t.Error("want an error")
	}
}
