package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/reload"
)

// keeping is the world with whole answers: its answers stay fresh for most of an hour.
func (w *world) keeping(t *testing.T, change func(*Options)) *Gateway {
	t.Helper()
	c, err := cache.New(cache.Options{TTL: time.Hour, Memory: 1 << 20, Coalesce: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	w.work = func(ctx context.Context) {
		cache.FactsFrom(ctx).Add(cache.Fact{Kind: "user", Found: true, Fresh: time.Now().Add(time.Hour)})
	}
	return w.gateway(func(o *Options) {
		o.Answers = responses.NewSpace(c, "answers")
		if change != nil {
			change(o)
		}
	})
}

func TestARepeatedRequestReachesNoResolver(t *testing.T) {
	t.Parallel()
	w := &world{users: 2}
	g := w.keeping(t, nil)
	const query, want = `query Q($n: Int) { users(first: $n) { nodes { sourceId } } }`, `{"data":{"users":{"nodes":[{"sourceId":"user0"}]}}}`
	for range 3 {
		if got := post(t, g, query, `{"n":1}`); got.Body.String() != want {
			t.Errorf("got %s, want %s", got.Body, want)
		}
	}
	if got := post(t, g, query, `{"n":2}`); !strings.Contains(got.Body.String(), "user1") {
		t.Errorf("other variables got %s", got.Body)
	}
	if diff := cmp.Diff([]string{"users", "users"}, w.asked); diff != "" {
		t.Errorf("resolvers (-want +got):\n%s", diff)
	}
}

func TestACachedRequestHoldsNoVariables(t *testing.T) {
	t.Parallel()
	g := (&world{}).keeping(t, nil)
	const marker = "marker-7c1f"
	body := queryBody(`query Q($by: UserBy!) { user(by: $by) { sourceId } }`, fmt.Sprintf(`{"by":{"sourceId":%q}}`, marker))
	send(t, g, "POST", "/graphql", body)
	again, ok := g.requests.requests.Get(httpapi.Raw{Body: []byte(body)}.Digest())
	if !ok {
		t.Fatal("the request is not known")
	}
	if text := fmt.Sprintf("%+v %s", again.req, again.text); strings.Contains(text, marker) {
		t.Errorf("kept %s", text)
	}
}

func TestMutationsAndBatchesAreNoRepeatedRequests(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		queryBody(`mutation { updateUser(input: {by: {sourceId: "a"}, name: "b"}) { userErrors { code } } }`, ""),
		"[" + queryBody(`{ users { nodes { sourceId } } }`, "") + "]",
		queryBody(`{ nonsense }`, ""),
	} {
		g := (&world{}).keeping(t, nil)
		send(t, g, "POST", "/graphql", body)
		if n := len(g.requests.requests.Keys()); n != 0 {
			t.Errorf("%s is known as one that can be repeated", body)
		}
	}
}

func TestADocumentThatIsNoLongerTrustedIsRefusedThoughItsAnswerIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"m.json": {Data: []byte(`{"a":"{ users { nodes { sourceId } } }"}`)}}
		w := &world{users: 1}
		g := w.keeping(t, func(o *Options) { o.Trusted = trusted(t, w, documents.TrustedOnly, files) })
		ask := func() string { return send(t, g, "POST", "/graphql", `{"documentId":"a"}`).Body.String() }
		for range 2 {
			if got := ask(); !strings.Contains(got, "user0") {
				t.Fatalf("got %s", got)
			}
		}
		for _, step := range []struct{ manifest, want string }{
			{`{"a":"{ users { nodes { sourceId __typename } } }"}`, `"__typename":"User"`},
			{`{"b":"{ users { nodes { sourceId } } }"}`, gqlerrors.CodeNotTrusted},
		} {
			files["m.json"] = &fstest.MapFile{Data: []byte(step.manifest), ModTime: time.Now()}
			time.Sleep(reload.Interval)
			if got := ask(); !strings.Contains(got, step.want) {
				t.Errorf("%s: got %s, want %s", step.manifest, got, step.want)
			}
		}
	})
}

func TestWhoMayNotAskForFreshnessIsAnsweredAsIfTheyHadNot(t *testing.T) {
	t.Parallel()
	w := &world{users: 1}
	g := w.keeping(t, func(o *Options) {
		o.Authenticate = as(&auth.Caller{Name: "dashboard", Scopes: []string{auth.UsersRead}})
	})
	for range 3 {
		post(t, g, `{ users { nodes { sourceId } } }`, "", "Cache-Control", "no-cache")
	}
	if len(w.asked) != 1 {
		t.Errorf("asked %v, want one resolver", w.asked)
	}
}
