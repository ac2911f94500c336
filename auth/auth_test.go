package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/learngraph/learngraph/reload"
)

func sumOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func TestAContextWithoutACallerMayDoNothing(t *testing.T) {
	t.Parallel()
	c := FromContext(t.Context())
	if c.Has(ClientsRead) || c.Allows("a") || c.Allows("") {
		t.Errorf("got %+v", c)
	}
	if got := FromContext(NewContext(t.Context(), AllowAll)); got != AllowAll || !got.Has(Operate) || !got.Allows("") {
		t.Errorf("got %+v", got)
	}
}

func TestACallerSeesTheClientsThatItIsBoundTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		c    Caller
		want string
	}{
		{"not bound", Caller{}, "a b none"},
		{"bound to one", Caller{Bound: true, Clients: []string{"a"}}, "a"},
		{"bound to an empty name", Caller{Bound: true, Clients: []string{""}}, ""},
		{"bound to none", Caller{Bound: true}, ""},
	} {
		got := ""
		for _, client := range []string{"a", "b", ""} {
			if test.c.Allows(client) {
				if client == "" {
					client = "none"
				}
				if got != "" {
					got += " "
				}
				got += client
			}
		}
		if got != test.want {
			t.Errorf("%s: sees %q, want %q", test.name, got, test.want)
		}
	}
}

func TestScopeIsEqualForCallersWithEqualRights(t *testing.T) {
	t.Parallel()
	a := &Caller{Name: "a", Scopes: []string{"x", "y"}, Bound: true, Clients: []string{"1", "2"}}
	same := &Caller{Name: "b", Scopes: []string{"y", "x", "x"}, Bound: true, Clients: []string{"2", "1"}}
	if a.Scope() != same.Scope() {
		t.Error("order and repetition make a difference")
	}
	for _, other := range []*Caller{
		{Scopes: []string{"x"}, Bound: true, Clients: []string{"1", "2"}},
		{Scopes: []string{"x", "y"}, Bound: true, Clients: []string{"1"}},
		{Scopes: []string{"x", "y"}, Bound: true},
		{Scopes: []string{"x", "y"}},
		{Scopes: []string{"x", "y"}, Clients: []string{"1", "2"}},
	} {
		if a.Scope() == other.Scope() {
			t.Errorf("%+v has the scope of another", other)
		}
	}
}

func TestTheFileOfKeysIsReadStrictly(t *testing.T) {
	t.Parallel()
	one, two := sumOf("one"), sumOf("two")
	for _, test := range []struct{ name, text, want string }{
		{"a key", `[{"name":"a","sha256":"` + one + `","scopes":["clients:read"],"clients":["c"],"points":5}]`, ""},
		{"none", `[]`, ""},
		{"two", `[{"name":"a","sha256":"` + one + `"},{"name":"b","sha256":"` + two + `"}]`, ""},
		{"null", `null`, "array"},
		{"an object", `{}`, "array"},
		{"an unknown member", `[{"name":"a","sha256":"` + one + `","scope":["clients:read"]}]`, "array"},
		{"trailing garbage", `[] x`, "data after"},
		{"no name", `[{"sha256":"` + one + `"}]`, "API key 0 must have a unique name"},
		{"a name twice", `[{"name":"a","sha256":"` + one + `"},{"name":"a","sha256":"` + two + `"}]`, "API key 1 must have a unique name"},
		{"a key twice", `[{"name":"a","sha256":"` + one + `"},{"name":"b","sha256":"` + one + `"}]`, "API key 1 is a duplicate"},
		{"a key itself", `[{"name":"a","sha256":"one"}]`, "64 hexadecimal digits"},
		{"half a digest", `[{"name":"a","sha256":"` + one[:62] + `"}]`, "64 hexadecimal digits"},
		{"a scope that is none", `[{"name":"a","sha256":"` + one + `","scopes":["clients:raed"]}]`, "scope"},
		{"negative points", `[{"name":"a","sha256":"` + one + `","points":-1}]`, "points"},
	} {
		_, err := parseKeys([]byte(test.text))
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") || err != nil && !strings.Contains(got, test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func TestAKeyIsKnownByItsDigestUntilTheFileChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"keys.json": {Data: []byte(`[{"name":"app","sha256":"` + sumOf("k1") + `","scopes":["users:read"],"clients":[]}]`), ModTime: time.Now()}}
		var failures []error
		keys, err := NewKeys(files, "keys.json", func(err error) { failures = append(failures, err) })
		if err != nil {
			t.Fatal(err)
		}
		got, ok := keys.Find("k1")
		if diff := cmp.Diff(&Caller{Name: "app", Scopes: []string{"users:read"}, Bound: true, Clients: []string{}}, got); diff != "" || !ok {
			t.Errorf("caller (-want +got):\n%s", diff)
		}
		for _, wrong := range []string{"", "k2", "k1 ", sumOf("k1")} {
			if _, ok := keys.Find(wrong); ok {
				t.Errorf("%q is known", wrong)
			}
		}
		files["keys.json"] = &fstest.MapFile{Data: []byte(`[{"name":"app","sha256":"` + sumOf("k2") + `"}]`), ModTime: time.Now()}
		time.Sleep(reload.Interval)
		if _, ok := keys.Find("k1"); ok {
			t.Error("a key that was taken out is known")
		}
		files["keys.json"] = &fstest.MapFile{Data: []byte(`broken`), ModTime: time.Now()}
		time.Sleep(reload.Interval)
		if _, ok := keys.Find("k2"); !ok || len(failures) != 1 {
			t.Errorf("a broken file: known %v, failures %v", ok, failures)
		}
	})
}

func TestOneCredentialIsTaken(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys(fstest.MapFS{"k": {Data: []byte(`[{"name":"app","sha256":"` + sumOf("k1") + `"}]`)}}, "k", func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		header http.Header
		want   error
	}{
		{"a key", http.Header{"X-Api-Key": {"k1"}}, nil},
		{"none", http.Header{}, errNoCredentials},
		{"a wrong key", http.Header{"X-Api-Key": {"k2"}}, errUnknownKey},
		{"an empty key", http.Header{"X-Api-Key": {""}}, errUnknownKey},
		{"two keys", http.Header{"X-Api-Key": {"k1", "k2"}}, errManyCredentials},
		{"a key and a token", http.Header{"X-Api-Key": {"k1"}, "Authorization": {"Bearer x"}}, errManyCredentials},
		{"a token where none are taken", http.Header{"Authorization": {"Bearer x"}}, errBadToken},
		{"a cookie", http.Header{"Cookie": {"X-API-Key=k1"}}, errNoCredentials},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header = test.header
		_, err := (&Authenticator{Keys: keys}).Authenticate(r)
		if diff := cmp.Diff(test.want, err, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Set("X-API-Key", "k1")
	if _, err := (&Authenticator{}).Authenticate(r); !errors.Is(err, errUnknownKey) {
		t.Errorf("a key where none are taken: got %v", err)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`[{"name":"a","sha256":"` + sumOf("one") + `","scopes":["clients:read"],"clients":["c"],"points":5}]`))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.caller.Name == "" || k.caller.Points < 0 || k.caller.Bound != (k.caller.Clients != nil) {
				t.Errorf("got %+v", k.caller)
			}
		}
	})
}
