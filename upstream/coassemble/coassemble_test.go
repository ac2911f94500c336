package coassemble

import (
	"context"
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

// fixed answers every request with one status and body.
type fixed struct {
	status int
	body   string
}

func (f fixed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: f.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f.body)), ContentLength: -1}, nil
}

func newTestClient(t testing.TB, transport http.RoundTripper) *Client {
	t.Helper()
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.Coassemble, BaseURL: "https://coassemble.example/api", Transport: transport,
		Authorizer: upstream.Header("Authorization", emulator.Authorization), Gzip: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(rest)
}

func emulated(t *testing.T, o emulator.Options) (*emulator.Emulator, *Client) {
	e := emulator.New(o)
	t.Cleanup(e.Close)
	return e, newTestClient(t, e.Transport())
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

func showUser(u *User) string {
	metadata, err := u.Metadata()
	if err != nil {
		metadata = json.RawMessage("mismatch")
	}
	return strings.Join([]string{
		u.Key, fmt.Sprint(u.Bare), show(u.ClientIdentifier()), show(u.Name()), show(u.Avatar()), string(metadata),
		show(u.TestMode()), show(u.Created()), show(u.Updated()),
	}, " ")
}

func showClient(c *EmbedClient) string {
	metadata, err := c.Metadata()
	if err != nil {
		metadata = json.RawMessage("mismatch")
	}
	return strings.Join([]string{
		c.Key, fmt.Sprint(c.Bare), string(metadata), show(c.UserCount()), show(c.Created()), show(c.Updated()),
	}, " ")
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"whole": {
			`{"identifier":"u|1","clientIdentifier":"c","name":"N","avatar":"A","metadata":{"a":[1]},"testMode":true,"created":"2026-01-01","updated":1767225600000.5,"more":{}}`,
			`u|1 false c N A {"a":[1]} true 2026-01-01 1767225600000.5`,
		},
		"alone":             {`{"identifier":"u"}`, `u false null null null  null null null`},
		"nulls":             {`{"identifier":"u","name":null,"metadata":null,"created":null}`, `u false null null null  null null null`},
		"other names":       {`{"identifier":"u","created":null,"createdAt":12345678901234567890,"updatedAt":"x"}`, `u false null null null  null 12345678901234567890 x`},
		"wrong kinds":       {`{"identifier":7,"clientIdentifier":[],"name":{},"avatar":1,"metadata":"m","testMode":"true","created":true,"updated":[]}`, `7 false mismatch mismatch mismatch "m" mismatch mismatch mismatch`},
		"no identifier":     {`{"name":"N"}`, ` false null N null  null null null`},
		"a strange one":     {`{"identifier":{}}`, ` false null null null  null null null`},
		"the identifier":    {`"u|1"`, `u|1 true null null null  null null null`},
		"not even a record": {`[7]`, ` false null null null  null null null`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var u, again User
			if err := json.Unmarshal([]byte(tt.body), &u); err != nil {
				t.Fatal(err)
			}
			if got := showUser(&u); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			text, err := json.Marshal(&u)
			if err != nil || strings.Contains(string(text), "more") {
				t.Fatalf("%s: %v", text, err)
			}
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if got := showUser(&again); got != tt.want {
				t.Errorf("after a round trip: got %s", got)
			}
		})
	}
}

func TestAClientCallsItsKeyEitherWay(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`{"clientIdentifier":"c","userCount":4,"metadata":{},"created":1,"updated":2}`: `c false {} 4 1 2`,
		`{"identifier":"c","userCount":4.5}`:                                           `c false  mismatch null null`,
		`{"clientIdentifier":null,"identifier":12}`:                                    `12 false  null null null`,
		`"c"`: `c true  null null null`,
	}
	for body, want := range tests {
		var c EmbedClient
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		if got := showClient(&c); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestListsTakeRecordsAndPlainIdentifiers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		body   string
		want   []string
		kind   upstream.Kind
	}{
		"records":      {200, `[{"identifier":"a"},{"identifier":"b","x":[]}]`, []string{"a", "b"}, 0},
		"identifiers":  {200, ` ["a","b"] `, []string{"a", "b"}, 0},
		"both":         {200, `["a",{"identifier":"b"},null,7,[],{}]`, []string{"a", "b", "", "", "", ""}, 0},
		"none":         {200, `[]`, nil, 0},
		"empty":        {200, ``, nil, upstream.Contract},
		"markup":       {200, `<p>`, nil, upstream.Contract},
		"an object":    {200, `{"data":[]}`, nil, upstream.Contract},
		"errors":       {200, `{"errors":[{"message":"m"}]}`, nil, upstream.Rejected},
		"cut short":    {200, `[{"identifier":"a"}`, nil, upstream.Contract},
		"more than it": {200, `[]]`, nil, upstream.Contract},
		"null":         {200, `null`, nil, upstream.Contract},
		"busy":         {503, ``, nil, upstream.Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			users, _, err := newTestClient(t, fixed{tt.status, tt.body}).Users(t.Context(), "", 0, 100)
			if upstream.KindOf(err) != tt.kind {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			var got []string
			for _, u := range users.Items {
				got = append(got, u.Key)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyAPageThatIsShorterThanAskedForIsTheLast(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, fixed{200, `["a","b","c"]`})
	for length, more := range map[int]bool{2: true, 3: true, 4: false} {
		users, _, err := c.Users(t.Context(), "", 0, length)
		if err != nil || users.More != more {
			t.Errorf("of %d: got %t, %v, want %t", length, users.More, err, more)
		}
		window, _, err := c.UserWindow(t.Context(), "", 0, length)
		if err != nil || window.More != more || len(window.Items) != min(length, 3) {
			t.Errorf("the first %d: got %+v, %v, want more %t", length, window, err, more)
		}
	}
}

func TestASingleReadIsOfTheRecordAskedFor(t *testing.T) {
	t.Parallel()
	tests := map[string]upstream.Kind{
		`{"identifier":"u"}`: upstream.Unknown, `{"identifier":"v"}`: upstream.Contract, `{}`: upstream.Contract,
		`{"identifier":null}`: upstream.Contract, `"u"`: upstream.Contract, `[{"identifier":"u"}]`: upstream.Contract,
		`{"identifier":"u"} x`: upstream.Contract, `{"errors":[{}]}`: upstream.Rejected, ``: upstream.Contract, `null`: upstream.Contract,
	}
	for body, want := range tests {
		c := newTestClient(t, fixed{200, body})
		if u, _, err := c.User(t.Context(), "u"); upstream.KindOf(err) != want || (u == nil) != (err != nil) {
			t.Errorf("user %s: got %v, want %v", body, err, want)
		}
		if e, _, err := c.Client(t.Context(), "u"); upstream.KindOf(err) != want || (e == nil) != (err != nil) {
			t.Errorf("client %s: got %v, want %v", body, err, want)
		}
	}
}

func TestAgainstTheEmulator(t *testing.T) {
	t.Parallel()
	for _, lists := range []bool{false, true} {
		e, c := emulated(t, emulator.Options{Clients: 7, UsersPerClient: 5, CoursesPerClient: 1, Linked: true, StringLists: lists})
		ref := e.Clients()[2]
		clients, _, err := c.ClientWindow(t.Context(), 2, 3)
		if err != nil || len(clients.Items) != 3 || !clients.More || clients.Items[0].Bare != lists {
			t.Fatalf("got %+v, %v", clients, err)
		}
		one, _, err := c.Client(t.Context(), ref.Identifier)
		if err != nil || one.Key != ref.Identifier || show(one.UserCount()) != "5" {
			t.Errorf("got %+v, %v", one, err)
		}
		users, _, err := c.UserWindow(t.Context(), ref.Identifier, 0, 10)
		if err != nil || len(users.Items) != 5 || users.More {
			t.Fatalf("got %+v, %v", users, err)
		}
		for _, u := range users.Items {
			got, _, err := c.User(t.Context(), u.Key)
			if err != nil || show(got.ClientIdentifier()) != ref.Identifier {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if _, _, err := c.User(t.Context(), "nobody/at all|7"); upstream.KindOf(err) != upstream.NotFound {
			t.Errorf("got %v, want not found", err)
		}
	}
}

func TestWritesSucceedWhateverTheyAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"record", "true", "empty"} {
		e, c := emulated(t, emulator.Options{Clients: 3, UsersPerClient: 3, CoursesPerClient: 1, Linked: true, WriteAnswer: answer})
		client := e.Clients()[1].Identifier
		users := e.Users(client)
		name := "Ada \"Lovelace\""
		for what, err := range map[string]error{
			"update client": c.UpdateClient(t.Context(), client, json.RawMessage(`{"tier":"gold"}`)),
			"update user":   c.UpdateUser(t.Context(), users[0].Identifier, UserUpdate{Name: &name}),
			"delete user":   c.DeleteUser(t.Context(), users[1].Identifier, "reallocate", users[0].Identifier),
		} {
			if err != nil {
				t.Errorf("%s, %s: %v", answer, what, err)
			}
		}
		got, _, err := c.Client(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		if metadata, err := got.Metadata(); string(metadata) != `{"tier":"gold"}` {
			t.Errorf("got %s, %v", metadata, err)
		}
		u, _, err := c.User(t.Context(), users[0].Identifier)
		if err != nil || show(u.Name()) != name {
			t.Errorf("got %v, %v", u, err)
		}
		if err := c.DeleteClient(t.Context(), client); err != nil {
			t.Error(err)
		}
		if _, _, err := c.Client(t.Context(), client); upstream.KindOf(err) != upstream.NotFound {
			t.Errorf("got %v, want not found", err)
		}
	}
}

func TestAPlanWithoutDeletesRefusesThem(t *testing.T) {
	t.Parallel()
	e, c := emulated(t, emulator.Options{Clients: 1, UsersPerClient: 1, CoursesPerClient: 1, Linked: true, CorePlan: true})
	err := c.DeleteClient(t.Context(), e.Clients()[0].Identifier)
	var refused *upstream.Error
	if !errors.As(err, &refused) || refused.Kind != upstream.Rejected || refused.Status != 403 || refused.Code != "FORBIDDEN" {
		t.Errorf("got %v", err)
	}
}

func TestOnlyWhatIsGivenIsSent(t *testing.T) {
	t.Parallel()
	var query, body string
	c := newTestClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		query = r.URL.RawQuery
		if r.Body != nil {
			b, _ := io.ReadAll(r.Body)
			body = string(b)
		}
		return fixed{200, ""}.RoundTrip(r)
	}))
	empty := ""
	ctx := context.Background()
	tests := []struct {
		do          func() error
		query, body string
	}{
		{func() error { return c.UpdateUser(ctx, "u", UserUpdate{}) }, "", "{}"},
		{func() error {
			return c.UpdateUser(ctx, "u", UserUpdate{Avatar: &empty, Metadata: json.RawMessage(`{"b":1,"a":2}`)})
		}, "", `{"metadata":{"b":1,"a":2},"avatar":""}`},
		{func() error { return c.UpdateClient(ctx, "c", json.RawMessage(`{}`)) }, "", `{"metadata":{}}`},
		{func() error { return c.DeleteUser(ctx, "u", "", "") }, "", ""},
		{func() error { return c.DeleteUser(ctx, "u", "reallocate", "a&b") }, "action=reallocate&reallocateTo=a%26b", ""},
		{func() error { return c.DeleteClient(ctx, "c") }, "", ""},
	}
	for i, tt := range tests {
		query, body = "", ""
		if err := tt.do(); err != nil || query != tt.query || body != tt.body {
			t.Errorf("%d: got %v, %s, %s, want %s, %s", i, err, query, body, tt.query, tt.body)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzRecords(f *testing.F) {
	for _, s := range []string{`{}`, `"u"`, `{"identifier":7,"created":1e3,"metadata":[{}]}`, `{"identifier":"\ud800"}`, `[`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var u, again User
		if u.UnmarshalJSON(data) != nil {
			return
		}
		text, err := u.MarshalJSON()
		if err != nil || !json.Valid(text) {
			t.Fatalf("%s: %v", text, err)
		}
		if err := again.UnmarshalJSON(text); err != nil || showUser(&u) != showUser(&again) {
			t.Fatalf("%s became %s, then %s: %v", data, showUser(&u), showUser(&again), err)
		}
	})
}

func FuzzList(f *testing.F) {
	for _, s := range []string{`[]`, `["a",{"identifier":"b"}]`, `{"errors":[1]}`, ``, `<`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := readList[EmbedClient](&upstream.Response{Status: 200, Body: data}, clientKind)
		if (err == nil) != (items != nil) {
			t.Fatalf("got %v and %v", items, err)
		}
		if err == nil && !json.Valid([]byte(strings.TrimPrefix(string(data), "\ufeff"))) {
			t.Fatalf("%q was taken for a list", data)
		}
		for _, c := range items {
			_ = showClient(c)
		}
	})
}
