package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/upstream/emulator"
)

type embedUser struct {
	Identifier, ClientIdentifier string
	Name, Avatar                 *string
	Metadata                     map[string]any
	TestMode                     *bool
	Created, Updated             string
}

type embedClient struct {
	ClientIdentifier string
	UserCount        int
	Metadata         map[string]any
}

func userPath(identifier string) string {
	return "/api/v1/headless/user/" + url.PathEscape(identifier)
}

func TestIdentifiersArriveEscaped(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 3, UsersPerClient: 8})
	shapes := ""
	for _, ref := range c.e.Users(c.e.Clients()[0].Identifier) {
		var got embedUser
		c.decode(c.get(userPath(ref.Identifier)), &got)
		if got.Identifier != ref.Identifier || got.Metadata["name"] != *got.Name || got.TestMode == nil || got.Created == "" {
			t.Errorf("user %q = %+v", ref.Identifier, got)
		}
		shapes += ref.Identifier
	}
	for _, c := range "| /%#?Å" {
		if !strings.ContainsRune(shapes, c) {
			t.Errorf("no identifier has a %q", c)
		}
	}
}

func TestUserMetadataIsReplacedOrMerged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		merge      bool
		want       map[string]any
	}{
		{"replaced", `{"metadata":{"a":1},"name":"N"}`, false, map[string]any{"a": 1.0, "name": "N"}},
		{"replaced by a shorthand alone", `{"avatar":"A"}`, false, map[string]any{"avatar": "A"}},
		{"untouched by an empty body", ``, false, map[string]any{"name": "Zoë", "b": 2.0}},
		{"merged", `{"metadata":{"a":1}}`, true, map[string]any{"a": 1.0, "name": "Zoë", "b": 2.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, emulator.Options{Clients: 1, MergeUserMetadata: tt.merge})
			path := userPath(c.e.Users(c.e.Clients()[0].Identifier)[0].Identifier)
			c.do("PUT", path, `{"metadata":{"name":"Zoë","b":2}}`, nil)
			var written, read embedUser
			c.decode(c.do("PUT", path, tt.body, nil), &written)
			c.decode(c.get(path), &read)
			if diff := cmp.Diff(written, read); diff != "" {
				t.Errorf("written and read differ:\n%s", diff)
			}
			for _, inTheCatalogue := range []string{"department", "level", "avatar"} {
				if tt.merge {
					delete(read.Metadata, inTheCatalogue)
				}
			}
			if diff := cmp.Diff(tt.want, read.Metadata); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUserMovesBetweenClients(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2})
	from, to := c.e.Clients()[0].Identifier, c.e.Clients()[1].Identifier
	c.do("PUT", userPath(c.e.Users(from)[0].Identifier), `{"clientIdentifier":"`+to+`"}`, nil)
	for client, want := range map[string]int{from: 3, to: 5} {
		var got embedClient
		var users []embedUser
		c.decode(c.get("/api/v1/headless/client/"+client), &got)
		c.decode(c.get("/api/v1/headless/users?clientIdentifier="+url.QueryEscape(client)), &users)
		if got.UserCount != want || len(users) != want {
			t.Errorf("client %s has userCount %d and %d users, want %d", client, got.UserCount, len(users), want)
		}
	}
}

func TestDeletedClientTakesItsUsersAlong(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2})
	id := c.e.Clients()[0].Identifier
	if got := c.do("DELETE", "/api/v1/headless/client/"+id, "", nil); got.Code != 200 || got.Body.String() != "true" {
		t.Fatalf("delete = %d %s", got.Code, got.Body)
	}
	var clients, users []json.RawMessage
	c.decode(c.get("/api/v1/headless/clients"), &clients)
	c.decode(c.get("/api/v1/headless/users"), &users)
	if len(clients) != 1 || len(users) != 4 {
		t.Errorf("%d clients and %d users are left, want 1 and 4", len(clients), len(users))
	}
	if got := c.get("/api/v1/headless/client/" + id).Code; got != 404 {
		t.Errorf("reading it again = %d, want 404", got)
	}
}

func TestDeletedUserIsGone(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1})
	client := c.e.Clients()[0].Identifier
	users := c.e.Users(client)
	path := userPath(users[3].Identifier)
	if got := c.do("DELETE", path+"?action=reallocate&reallocateTo="+url.QueryEscape(users[0].Identifier), "", nil).Code; got != 200 {
		t.Fatalf("delete = %d", got)
	}
	if got := c.get(path).Code; got != 404 {
		t.Errorf("reading it again = %d, want 404", got)
	}
	var left []embedUser
	c.decode(c.get("/api/v1/headless/users?length=2&page=1"), &left)
	if len(left) != 1 || left[0].Identifier != users[2].Identifier {
		t.Errorf("second page = %+v", left)
	}
}

func TestWriteAnswersFollowTheOptions(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string][2]string{"": {"{", "t"}, "true": {"t", "t"}, "empty": {"", ""}} {
		c := newCaller(t, emulator.Options{Clients: 1, WriteAnswer: answer})
		path := "/api/v1/headless/client/" + c.e.Clients()[0].Identifier
		put, gone := c.do("PUT", path, `{"metadata":{}}`, nil), c.do("DELETE", path, "", nil)
		got := [2]string{put.Body.String(), gone.Body.String()}
		for i := range got {
			got[i] = got[i][:min(1, len(got[i]))]
		}
		if put.Code != 200 || gone.Code != 200 || got != want {
			t.Errorf("WriteAnswer %q: %d, %d, bodies begin %q, want %q", answer, put.Code, gone.Code, got, want)
		}
	}
	c := newCaller(t, emulator.Options{Clients: 1, CorePlan: true})
	w := c.do("DELETE", "/api/v1/headless/client/"+c.e.Clients()[0].Identifier, "", nil)
	if w.Code != 403 || !strings.Contains(w.Body.String(), `"code":"FORBIDDEN"`) {
		t.Errorf("delete on the core plan = %d %s", w.Code, w.Body)
	}
}

func TestStringListsAreArraysOfIdentifiers(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2, StringLists: true, LinkClient: "slug"})
	var got []string
	c.decode(c.get("/api/v1/headless/clients"), &got)
	if diff := cmp.Diff([]string{"northbridge-university", "zurich-health-trust"}, got); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
}

type identity struct {
	ID                     string
	Claims                 map[string]any
	AuthenticationProvider *struct{ ProviderID, URL, SubjectID string }
}

type identities struct {
	Data       []identity
	NextCursor string
}

func TestIdentityPagesFollowTheCursor(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2, Linked: true})
	var ids []string
	cursor := ""
	for range 10 {
		var p identities
		c.decode(c.get("/core/v1/users?limit=4&cursor="+url.QueryEscape(cursor)), &p)
		for _, i := range p.Data {
			ids = append(ids, i.ID)
			if i.AuthenticationProvider != nil {
				t.Error("the list shows an authenticationProvider")
			}
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	var want []string
	for _, ref := range c.e.Clients() {
		for _, u := range c.e.Users(ref.Identifier) {
			want = append(want, u.IdentityID)
		}
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if pages := len(c.e.Calls()); pages != 3 {
		t.Errorf("%d pages, want 3: a full last page has a cursor too", pages)
	}
}

func TestSearchFindsTheLinkedIdentity(t *testing.T) {
	t.Parallel()
	for link, criterion := range map[string]func(string) any{
		"subjectId": func(id string) any {
			return map[string]any{"authenticationProvider": map[string]string{"subjectId": id, "providerId": emulator.ProviderID}}
		},
		"claims.externalUserId": func(id string) any { return map[string]any{"claims": map[string]string{"externalUserId": id}} },
		"claims.campus.login": func(id string) any {
			return map[string]any{"claims": map[string]any{"campus": map[string]string{"login": id}}}
		},
	} {
		c := newCaller(t, emulator.Options{Clients: 2, Linked: true, LinkUser: link})
		for _, u := range c.e.Users(c.e.Clients()[1].Identifier) {
			body, err := json.Marshal(criterion(u.Identifier))
			if err != nil {
				t.Fatal(err)
			}
			var p identities
			c.decode(c.do("POST", "/core/v1/users/search", string(body), nil), &p)
			if len(p.Data) != 1 || p.Data[0].ID != u.IdentityID || p.Data[0].AuthenticationProvider == nil || p.Data[0].AuthenticationProvider.ProviderID != "" {
				t.Errorf("%s: search for %q = %+v", link, u.Identifier, p.Data)
			}
		}
	}
}

func TestSearchCombinesCriteriaAndAnEmptyOneMatchesEveryone(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1, Linked: true})
	users := c.e.Users(c.e.Clients()[0].Identifier)
	c.do("PUT", "/core/v1/users/"+users[0].IdentityID, `{"claims":{"a":{"b":1,"c":"x"},"d":"y"}}`, nil)
	for body, want := range map[string]int{
		`{}`: 4, `{"authenticationProvider":{"subjectId":""}}`: 4, `{"claims":{"a":{"b":1}}}`: 1, `{"claims":{"a":{"b":1},"d":"z"}}`: 0,
		`{"claims":{"d":"Y"}}`: 0, `{"limit":2}`: 2,
	} {
		var p identities
		c.decode(c.do("POST", "/core/v1/users/search", body, nil), &p)
		if len(p.Data) != want {
			t.Errorf("search %s finds %d, want %d", body, len(p.Data), want)
		}
	}
	if got := c.do("POST", "/core/v1/users/search", `{"limit":1001}`, nil); got.Code != 400 || !strings.Contains(got.Body.String(), `"location":"body"`) {
		t.Errorf("limit 1001 = %d %s", got.Code, got.Body)
	}
}

func TestIdentityIsUpdatedAndDeleted(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		c := newCaller(t, emulator.Options{Clients: 1, ProviderInList: true, ShowProviderID: true, DropProviderOnPut: drop})
		path := "/core/v1/users/" + c.e.Users(c.e.Clients()[0].Identifier)[0].IdentityID
		var got identity
		c.decode(c.do("PUT", path, `{"claims":{"k":"v"}}`, nil), &got)
		c.decode(c.get(path), &got)
		if diff := cmp.Diff(map[string]any{"k": "v"}, got.Claims); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		if dropped := got.AuthenticationProvider == nil; dropped != drop {
			t.Errorf("provider dropped %v, want %v", dropped, drop)
		}
		if w := c.do("DELETE", path, "", nil); w.Code != 204 || w.Body.Len() != 0 {
			t.Errorf("delete = %d %s", w.Code, w.Body)
		}
		if got := c.get(path).Code; got != 404 {
			t.Errorf("reading it again = %d, want 404", got)
		}
		if got := c.get(path + "/credentials").Body.String(); got != `{"data":[]}` {
			t.Errorf("its credentials = %s", got)
		}
	}
}

func TestCredentialsAreWebAndMobile(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1, CredentialsPerUser: 3})
	path := "/core/v1/users/" + c.e.Users(c.e.Clients()[0].Identifier)[0].IdentityID + "/credentials"
	var all struct{ Data []map[string]any }
	c.decode(c.get(path), &all)
	var sizes []int
	for _, credential := range all.Data {
		sizes = append(sizes, len(credential))
	}
	if diff := cmp.Diff([]int{3, 13, 3}, sizes); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	var first struct{ NextCursor string }
	c.decode(c.get(path+"?limit=2"), &first)
	var rest struct{ Data []map[string]any }
	c.decode(c.get(path+"?limit=2&cursor="+first.NextCursor), &rest)
	if len(rest.Data) != 1 || rest.Data[0]["id"] != all.Data[2]["id"] {
		t.Errorf("second page = %v", rest.Data)
	}
}

func TestConcurrentReadsAndWritesAreSafe(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 3})
	client := c.e.Clients()[0].Identifier
	user := c.e.Users(client)[0]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, step := range [][3]string{
				{"PUT", userPath(user.Identifier), `{"name":"N"}`}, {"GET", "/api/v1/headless/users", ""}, {"PUT", "/api/v1/headless/client/" + client, `{"metadata":{"a":1}}`},
				{"PUT", "/core/v1/users/" + user.IdentityID, `{"claims":{"a":1}}`}, {"POST", "/core/v1/users/search", `{"claims":{"a":1}}`},
				{"GET", "/incoming/v2/clients?count=1", ""}, {"DELETE", userPath("nobody"), ""},
			} {
				if got := c.do(step[0], step[1], step[2], nil).Code; got != http.StatusOK && got != http.StatusNotFound {
					t.Errorf("%s %s = %d", step[0], step[1], got)
				}
			}
		})
	}
	wg.Wait()
	if got := len(c.e.Calls()); got != 56 {
		t.Errorf("%d calls, want 56", got)
	}
}
