package mattr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/emulator"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

func fixed(status int, body string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return answer(status, body), nil }
}

func newTestClient(t testing.TB, transport http.RoundTripper, a upstream.Authorizer) *Client {
	t.Helper()
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.MATTR, BaseURL: "https://tenant.example", Transport: transport, Authorizer: a, Gzip: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(rest, "/core/v1")
}

func emulated(t *testing.T, o emulator.Options) (*emulator.Emulator, *Client) {
	e := emulator.New(o)
	t.Cleanup(e.Close)
	source, err := NewTokenSource(TokenOptions{
		URL: "https://auth.example/oauth/token", ClientID: emulator.ClientID, ClientSecret: emulator.ClientSecret,
		Audience: emulator.Audience, Transport: e.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, newTestClient(t, e.Transport(), source)
}

// show renders a value and its mismatch.
func show[T any](v *T, err error) string {
	switch {
	case err != nil:
		return "mismatch"
	case v == nil:
		return "null"
	}
	return fmt.Sprint(*v)
}

func showIdentity(i *Identity) string {
	claims, err := i.Claims()
	if err != nil {
		claims = json.RawMessage("mismatch")
	}
	parts := []string{i.Key, string(claims)}
	switch p, err := i.AuthenticationProvider(); {
	case err != nil:
		parts = append(parts, "mismatch")
	case p != nil:
		parts = append(parts, show(p.ProviderID()), show(p.URL()), show(p.SubjectID()))
	}
	return strings.Join(parts, " ")
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"whole":       {`{"id":"i","claims":{"a":{"b":1}},"authenticationProvider":{"providerId":"p","url":"u","subjectId":"s|1","x":1},"y":2}`, `i {"a":{"b":1}} p u s|1`},
		"alone":       {`{"id":"i"}`, `i `},
		"only a part": {`{"id":"i","claims":{},"authenticationProvider":{"subjectId":"s"}}`, `i {} null null s`},
		"wrong kinds": {`{"id":[],"claims":7,"authenticationProvider":"p"}`, ` 7 mismatch`},
		"deep inside": {`{"id":"i","authenticationProvider":{"providerId":true,"url":1,"subjectId":{}}}`, `i  mismatch mismatch mismatch`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var i, again Identity
			if err := json.Unmarshal([]byte(tt.body), &i); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(&i)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if got := showIdentity(&i); got != tt.want || showIdentity(&again) != tt.want {
				t.Errorf("got %s, then %s, want %s", got, showIdentity(&again), tt.want)
			}
		})
	}
}

func TestCredentialsShowEveryField(t *testing.T) {
	t.Parallel()
	var c Credential
	body := `{"id":"i","type":"t","profile":"mobile","sessionId":"s","credentialConfigurationId":"c","offerId":"o","devicePublicKey":{"kty":"EC"},` +
		`"namespaces":{"n":{}},"msoHash":"h","issuedDate":"d1","validFrom":"d2","validUntil":"d3","status":7}`
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	key, _ := c.DevicePublicKey()
	spaces, _ := c.Namespaces()
	got := []string{
		c.Key, show(c.Type()), show(c.Profile()), show(c.SessionID()), show(c.CredentialConfigurationID()), show(c.OfferID()), string(key),
		string(spaces), show(c.MsoHash()), show(c.IssuedDate()), show(c.ValidFrom()), show(c.ValidUntil()), show(c.Status()),
	}
	want := []string{"i", "t", "mobile", "s", "c", "o", `{"kty":"EC"}`, `{"n":{}}`, "h", "d1", "d2", "d3", "mismatch"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := json.Marshal(&c)
	if err != nil || string(text) != body {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestPagesAreReadLeniently(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		body   string
		ids    []string
		next   string
		kind   upstream.Kind
	}{
		"a page":          {200, `{"nextCursor":"n","data":[{"id":"a"},{"id":"b"}]}`, []string{"a", "b"}, "n", 0},
		"the last":        {200, `{"data":[{"id":"a"}]}`, []string{"a"}, "", 0},
		"past the end":    {200, `{"data":[],"nextCursor":"n"}`, nil, "", 0},
		"null cursor":     {200, `{"data":[{"id":"a"}],"nextCursor":null}`, []string{"a"}, "", 0},
		"strange entries": {200, `{"data":[null,7,{},{"id":"a"}]}`, []string{"", "", "", "a"}, "", 0},
		"twice":           {200, `{"data":[{"id":"a"}],"data":[{"id":"b"}]}`, []string{"b"}, "", 0},
		"no data":         {200, `{}`, nil, "", upstream.Contract},
		"null data":       {200, `{"data":null}`, nil, "", upstream.Contract},
		"errors":          {200, `{"errors":[{"message":"m"}],"data":null}`, nil, "", upstream.Rejected},
		"an array":        {200, `[]`, nil, "", upstream.Contract},
		"empty":           {200, ``, nil, "", upstream.Contract},
		"text":            {401, `Unauthorized`, nil, "", upstream.Rejected},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, _, err := newTestClient(t, fixed(tt.status, tt.body), nil).Identities(t.Context(), 100, "")
			if upstream.KindOf(err) != tt.kind {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			var ids []string
			for _, i := range page.Items {
				ids = append(ids, i.Key)
			}
			if diff := cmp.Diff(tt.ids, ids); diff != "" || page.Next != tt.next {
				t.Errorf("next %q (-want +got):\n%s", page.Next, diff)
			}
		})
	}
}

func TestASingleReadIsOfTheRecordAskedFor(t *testing.T) {
	t.Parallel()
	tests := map[string]upstream.Kind{
		`{"id":"abc"}`: upstream.Unknown, `{"id":"ABC"}`: upstream.Unknown, `{"id":"other"}`: upstream.Contract, `{}`: upstream.Contract,
		`{"id":"abc"}x`: upstream.Contract, `[]`: upstream.Contract, ``: upstream.Contract, `{"errors":[{}]}`: upstream.Rejected,
	}
	for body, want := range tests {
		if i, _, err := newTestClient(t, fixed(200, body), nil).Identity(t.Context(), "abc"); upstream.KindOf(err) != want || (i == nil) != (err != nil) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestCredentialsOfAnUnknownIdentityAreNone(t *testing.T) {
	t.Parallel()
	page, _, err := newTestClient(t, fixed(404, `{"code":"NotFound"}`), nil).Credentials(t.Context(), "abc", 10, "")
	if err != nil || len(page.Items) != 0 || page.Next != "" {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestAgainstTheEmulator(t *testing.T) {
	t.Parallel()
	e, c := emulated(t, emulator.Options{Clients: 3, UsersPerClient: 5, CoursesPerClient: 1, Linked: true})
	var all []*Identity
	for cursor := ""; ; {
		page, _, err := c.Identities(t.Context(), 4, cursor)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(all) != 15 {
		t.Errorf("got %d identities, want 15", len(all))
	}
	user := e.Users(e.Clients()[1].Identifier)[2]
	found, _, err := c.FindBySubject(t.Context(), "", user.Identifier)
	if err != nil || len(found) != 1 || found[0].Key != user.IdentityID {
		t.Fatalf("got %v, %v", found, err)
	}
	page, _, err := c.Credentials(t.Context(), user.IdentityID, 100, "")
	if err != nil || len(page.Items) != 2 || page.Items[0].Key == "" || show(page.Items[0].Type()) == "null" {
		t.Errorf("got %+v, %v", page, err)
	}
	if err := c.UpdateIdentity(t.Context(), user.IdentityID, Update{Claims: json.RawMessage(`{"givenName":"Ada"}`)}); err != nil {
		t.Fatal(err)
	}
	got, _, err := c.Identity(t.Context(), user.IdentityID)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := got.Claims(); string(claims) != `{"givenName":"Ada"}` {
		t.Errorf("got %s, %v", claims, err)
	}
	if found, _, err := c.FindByClaim(t.Context(), "givenName", "Ada"); err != nil || len(found) == 0 {
		t.Errorf("got %v, %v", found, err)
	}
	if err := c.DeleteIdentity(t.Context(), user.IdentityID); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Identity(t.Context(), user.IdentityID); upstream.KindOf(err) != upstream.NotFound {
		t.Errorf("got %v, want not found", err)
	}
}

func TestABadCursorIsNamed(t *testing.T) {
	t.Parallel()
	_, c := emulated(t, emulator.Options{Clients: 1, CoursesPerClient: 1})
	_, _, err := c.Identities(t.Context(), 10, "nonsense")
	var e *upstream.Error
	if !errors.As(err, &e) || e.Kind != upstream.Invalid || len(e.Details) != 1 || e.Details[0].Param != "cursor" {
		t.Errorf("got %+v", e)
	}
}

func TestFindIgnoresIdentitiesWithoutTheKey(t *testing.T) {
	t.Parallel()
	record := func(id, provider string) string {
		return `{"id":"` + id + `","authenticationProvider":` + provider + `}`
	}
	body := `{"data":[` + strings.Join([]string{
		record("right", `{"subjectId":"s|1"}`), record("also", `{"subjectId":"s|1","providerId":"P"}`),
		record("other subject", `{"subjectId":"s|2"}`), record("other provider", `{"subjectId":"s|1","providerId":"q"}`),
		record("no subject", `{"providerId":"p"}`), record("no provider", `null`), record("strange", `{"subjectId":7}`), `null`,
	}, ",") + `]}`
	found, _, err := newTestClient(t, fixed(200, body), nil).FindBySubject(t.Context(), "p", "s|1")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range found {
		ids = append(ids, i.Key)
	}
	if diff := cmp.Diff([]string{"right", "also"}, ids); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	body = `{"data":[{"id":"right","claims":{"k":"v"}},{"id":"a","claims":{"k":"V"}},{"id":"b","claims":{"k":null}},{"id":"c","claims":{"k":["v"]}},{"id":"d"},{"id":"e","claims":[]}]}`
	found, _, err = newTestClient(t, fixed(200, body), nil).FindByClaim(t.Context(), "k", "v")
	if err != nil || len(found) != 1 || found[0].Key != "right" {
		t.Errorf("claim: got %v, %v", found, err)
	}
}

func TestAnEmptyKeyMakesNoCall(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a call was made")
		return answer(200, `{"data":[{"id":"everyone"}]}`), nil
	}), nil)
	for _, find := range []func() ([]*Identity, upstream.Meta, error){
		func() ([]*Identity, upstream.Meta, error) { return c.FindBySubject(t.Context(), "p", "") },
		func() ([]*Identity, upstream.Meta, error) { return c.FindByClaim(t.Context(), "k", "") },
		func() ([]*Identity, upstream.Meta, error) { return c.FindByClaim(t.Context(), "", "v") },
	} {
		if found, _, err := find(); len(found) > 0 || err != nil {
			t.Errorf("got %v, %v", found, err)
		}
	}
}

func TestOnlyWhatIsGivenIsSent(t *testing.T) {
	t.Parallel()
	var got string
	c := newTestClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Method + " " + r.URL.RequestURI()
		if r.Body != nil {
			b, _ := io.ReadAll(r.Body)
			got += " " + string(b)
		}
		return answer(200, `{"data":[]}`), nil
	}), nil)
	s := "s"
	tests := []struct {
		do   func() error
		want string
	}{
		{func() error { _, _, err := c.Identities(t.Context(), 1000, "a=b"); return err }, "GET /core/v1/users?cursor=a%3Db&limit=1000"},
		{func() error { _, _, err := c.Search(t.Context(), Criteria{}, 5, ""); return err }, `POST /core/v1/users/search {"limit":5}`},
		{func() error {
			_, _, err := c.Search(t.Context(), Criteria{Claims: json.RawMessage(`{"a":1}`), SubjectID: &s}, 5, "c")
			return err
		},
			`POST /core/v1/users/search {"claims":{"a":1},"authenticationProvider":{"subjectId":"s"},"limit":5,"cursor":"c"}`},
		{func() error {
			return c.UpdateIdentity(t.Context(), "i/1", Update{Claims: json.RawMessage(`{}`)})
		}, `PUT /core/v1/users/i%2F1 {"claims":{}}`},
		{func() error {
			return c.UpdateIdentity(t.Context(), "i", Update{Provider: &Provider{ProviderID: &s, SubjectID: &s}})
		}, `PUT /core/v1/users/i {"authenticationProvider":{"providerId":"s","subjectId":"s"}}`},
	}
	for _, tt := range tests {
		if err := tt.do(); err != nil || got != tt.want {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
	}
}

func TestThePrefixIsASetting(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"": "/users", "/v1/": "/v1/users", "core/v1": "/core/v1/users"} {
		c := newTestClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != want {
				t.Errorf("got %s, want %s", r.URL.Path, want)
			}
			return answer(503, ""), nil
		}), nil)
		_, _, err := New(c.rest, prefix).Identities(t.Context(), 1, "")
		var e *upstream.Error
		if !errors.As(err, &e) || e.Route != want {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{`{"data":[]}`, `{"data":[{"id":"a","claims":{}}],"nextCursor":"n"}`, `{"errors":[1]}`, ``, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		page, _, err := readPage[Identity](&upstream.Response{Status: 200, Body: data}, identityType)
		if (err == nil) != (page.Items != nil) {
			t.Fatalf("got %v and %v", page, err)
		}
		for _, i := range page.Items {
			text, err := i.MarshalJSON()
			var again Identity
			if err != nil || again.UnmarshalJSON(text) != nil || showIdentity(i) != showIdentity(&again) {
				t.Fatalf("%s did not round-trip: %v", text, err)
			}
		}
	})
}
