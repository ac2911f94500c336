package emulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// caller asks an emulator directly, with the right credentials.
type caller struct {
	t     *testing.T
	e     *emulator.Emulator
	token string
}

func newCaller(t *testing.T, o emulator.Options) *caller {
	t.Helper()
	c := &caller{t: t, e: emulator.New(o)}
	c.token = c.fetchToken()
	c.e.Reset()
	return c
}

func (c *caller) fetchToken() string {
	c.t.Helper()
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}
	body := fmt.Sprintf(`{"client_id":%q,"client_secret":%q,"audience":%q,"grant_type":"client_credentials"}`, emulator.ClientID, emulator.ClientSecret, emulator.Audience)
	c.decode(c.do("POST", "/oauth/token", body, nil), &got)
	if got.AccessToken == "" || got.ExpiresIn != 14400 || got.TokenType != "Bearer" {
		c.t.Fatalf("token answer = %+v", got)
	}
	return got.AccessToken
}

func (c *caller) authorization(path string) string {
	switch {
	case strings.HasPrefix(path, "/incoming"):
		return "Bearer " + emulator.APIKey
	case strings.HasPrefix(path, "/api"):
		return emulator.Authorization
	default:
		return "Bearer " + c.token
	}
}

func (c *caller) do(method, path, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://any.example"+path, strings.NewReader(body))
	r.Header.Set("Authorization", c.authorization(path))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	c.e.ServeHTTP(w, r)
	return w
}

func (c *caller) get(path string) *httptest.ResponseRecorder { return c.do("GET", path, "", nil) }

func (c *caller) decode(w *httptest.ResponseRecorder, into any) {
	c.t.Helper()
	if w.Code != http.StatusOK {
		c.t.Fatalf("status = %d, body %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		c.t.Fatalf("body: %v", err)
	}
}

type page struct {
	Data struct {
		Clients struct {
			PageInfo struct {
				PerPage, CurrentPage, Total int
				HasMore                     bool
			}
			Aggregations []struct {
				Key     string
				Buckets []struct{ Count int }
			}
			Clients []map[string]any
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2, CoursesPerClient: 1})
	unknown := "/core/v1/users/00000000-0000-4000-8000-000000000000"
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"ping is valid", "GET", "/incoming/v2/ping", "", 200, `{"valid":true}`},
		{"an unknown sort is refused", "GET", "/incoming/v2/clients?sort=size", "", 400, `{"error":"bad_request","message":"sort, page or count is not valid"}`},
		{"page counts from 1", "GET", "/incoming/v2/clients?page=0", "", 400, `{"error":"bad_request","message":"sort, page or count is not valid"}`},
		{"an unknown embed client", "GET", "/api/v1/headless/client/nobody", "", 404, `{"message":"Client not found","error":{"code":"NOT_FOUND","status":404}}`},
		{"an unknown user", "PUT", "/api/v1/headless/user/nobody", "{}", 404, `{"message":"User not found","error":{"code":"NOT_FOUND","status":404}}`},
		{"a negative page", "GET", "/api/v1/headless/users?page=-1", "", 400, `{"message":"Invalid request","error":{"code":"BAD_REQUEST","status":400}}`},
		{"past the end of users", "GET", "/api/v1/headless/users?page=9", "", 200, `[]`},
		{"reallocate to nobody", "DELETE", "/api/v1/headless/user/x?action=reallocate", "", 400, `{"message":"Invalid request","error":{"code":"BAD_REQUEST","status":400}}`},
		{"a limit over 1000", "GET", "/core/v1/users?limit=1001", "", 400, `{"code":"BadRequest","message":"Validation Error","details":[{"value":"1001","msg":"Invalid value","param":"limit","location":"query"}]}`},
		{"a cursor without a key", "GET", "/core/v1/users?cursor=eHh4", "", 400, `{"code":"BadRequest","message":"Validation Error","details":[{"value":"eHh4","msg":"id and createdAt is missing","param":"cursor","location":"query"}]}`},
		{"an id that is no uuid", "GET", "/core/v1/users/xxx", "", 400, `{"code":"BadRequest","message":"Validation Error","details":[{"value":"xxx","msg":"Invalid value","param":"id","location":"params"}]}`},
		{"an unknown identity", "GET", unknown, "", 404, `{"code":"NotFound","message":"Resource Not Found"}`},
		{"credentials of nobody", "GET", unknown + "/credentials", "", 200, `{"data":[]}`},
		{"claims must be an object", "PUT", unknown, `{"claims":3}`, 400, `{"code":"BadRequest","message":"Validation Error","details":[{"value":null,"msg":"Invalid value","param":"claims","location":"body"}]}`},
		{"wrong token credentials", "POST", "/oauth/token", `{"client_id":"x"}`, 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		{"a wrong method", "POST", "/api/v1/headless/users", "", 405, `{"message":"method not allowed","error":{"code":"METHOD_NOT_ALLOWED","status":405}}`},
		{"no such route", "GET", "/core/v1/groups", "", 404, `{"code":"NotFound","message":"no such route"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := c.do(tt.method, tt.path, tt.body, nil)
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.want, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongCredentialsAreRefusedInEachBackendsOwnWay(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1})
	for path, want := range map[string]string{
		"/incoming/v2/clients":     "|",
		"/api/v1/headless/clients": `application/json; charset=utf-8|{"message":"unauthorized","error":{"code":"UNAUTHORIZED","status":401}}`,
		"/core/v1/users":           "text/plain; charset=utf-8|Unauthorized",
	} {
		for _, value := range []string{"", "Bearer nothing"} {
			w := c.do("GET", path, "", http.Header{"Authorization": {value}})
			if got := w.Header().Get("Content-Type") + "|" + w.Body.String(); w.Code != 401 || got != want {
				t.Errorf("%s with %q = %d %s, want 401 %s", path, value, w.Code, got, want)
			}
		}
	}
}

func TestClientPagesCoverTheCatalogueOnce(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 7, CoursesPerClient: 1})
	var names []string
	for n := 1; ; n++ {
		var p page
		c.decode(c.get(fmt.Sprintf("/incoming/v2/clients?count=3&page=%d", n)), &p)
		got := p.Data.Clients
		if got.PageInfo.PerPage != 3 || got.PageInfo.CurrentPage != n || got.PageInfo.Total != 7 {
			t.Fatalf("pageInfo = %+v", got.PageInfo)
		}
		total := 0
		for _, b := range got.Aggregations[0].Buckets {
			total += b.Count
		}
		if total != 7 || got.Aggregations[0].Key != "defaultLanguage" {
			t.Errorf("aggregations count %d clients, want 7", total)
		}
		for _, client := range got.Clients {
			names = append(names, client["name"].(string))
		}
		if !got.PageInfo.HasMore {
			break
		}
	}
	var want []string
	for _, ref := range c.e.Clients() {
		want = append(want, ref.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var past page
	c.decode(c.get("/incoming/v2/clients?page=99"), &past)
	if got := past.Data.Clients; len(got.Clients) != 0 || got.PageInfo.HasMore {
		t.Errorf("past the end: %d clients, hasMore %v", len(got.Clients), got.PageInfo.HasMore)
	}
}

func TestClientsAreSearchedSortedAndCapped(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 12, CoursesPerClient: -1, LearningPathsPerClient: -1, MaxCount: 10})
	ask := func(query string) (names []string) {
		var p page
		c.decode(c.get("/incoming/v2/clients?"+query), &p)
		for _, client := range p.Data.Clients.Clients {
			names = append(names, client["name"].(string))
		}
		return names
	}
	if diff := cmp.Diff([]string{"Zürich Health Trust"}, ask("query="+url.QueryEscape("ZÜRICH"))); diff != "" {
		t.Errorf("by name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Zürich Health Trust"}, ask("query=zurich-he")); diff != "" {
		t.Errorf("by slug (-want +got):\n%s", diff)
	}
	if got := ask("sort=name&count=2"); got[0] != "Ashford Manufacturing" || got[1] != "Cedar Valley Airways" {
		t.Errorf("sort=name begins with %q", got)
	}
	if got := ask("sort=-name&count=1"); got[0] != "Ørsted Polytechnic" {
		t.Errorf("sort=-name begins with %q", got)
	}
	if got := ask("count=500"); len(got) != 10 {
		t.Errorf("count=500 gives %d clients, want the cap 10", len(got))
	}
}

func TestEveryDocumentedMemberIsFilled(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{})
	var p page
	c.decode(c.get("/incoming/v2/clients?count=100"), &p)
	first := p.Data.Clients.Clients[0]
	course := first["courses"].([]any)[0].(map[string]any)
	path := first["learningPaths"].([]any)[0].(map[string]any)
	child := first["licenses"].([]any)[1].(map[string]any)
	child["childLicenses"] = first["primaryLicense"].(map[string]any)["childLicenses"]
	for _, tt := range []struct {
		name, fields string
		count        int
		got          map[string]any
	}{
		{"Client", clientFields, 59, first}, {"Course", courseFields, 100, course}, {"LearningPath", learningPathFields, 78, path},
		{"License", licenseFields, 34, child}, {"Tag", tagFields, 5, first["courseTags"].([]any)[0].(map[string]any)},
	} {
		fields := strings.Fields(tt.fields)
		if len(fields) != tt.count {
			t.Errorf("%s has %d documented fields, want %d", tt.name, len(fields), tt.count)
		}
		for _, f := range fields {
			name, kind, _ := strings.Cut(f, ":")
			if !fits(tt.got[name], kind) {
				t.Errorf("%s.%s = %v, want a filled %s", tt.name, name, tt.got[name], kind)
			}
		}
	}
}

// fits reports whether a value is filled and of the kind that the type has in JSON.
func fits(value any, kind string) bool {
	kind = strings.TrimSuffix(kind, "!")
	if element, ok := strings.CutPrefix(kind, "["); ok {
		items, _ := value.([]any)
		for _, item := range items {
			if !fits(item, strings.TrimSuffix(element, "]")) {
				return false
			}
		}
		return len(items) > 0
	}
	switch v := value.(type) {
	case string:
		return v != "" && strings.Contains(" ID UUID String Date Slug URL Status AlternativePricingType CourseGroupKind ", " "+kind+" ")
	case bool:
		return kind == "Boolean"
	case float64:
		return kind == "Float" || kind == "Int" && v == float64(int(v))
	case map[string]any:
		return len(v) > 0 && !strings.Contains(" ID String Date Int Boolean Float ", " "+kind+" ")
	}
	return false
}

func TestPageOfTheDefaultCatalogueHasTheSizeOfARealOne(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{})
	w := c.get("/incoming/v2/clients")
	if n := w.Body.Len(); n < 2_600_000 || n > 3_300_000 {
		t.Errorf("25 clients are %d bytes", n)
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Error("the page is no JSON")
	}
}

func TestCatalogueIsCoherent(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 3, CoursesPerClient: 4})
	var p page
	c.decode(c.get("/incoming/v2/clients"), &p)
	for _, client := range p.Data.Clients.Clients {
		ids := map[any]bool{}
		var courseIDs []any
		for _, course := range client["courses"].([]any) {
			ids[course.(map[string]any)["id"]] = true
			courseIDs = append(courseIDs, course.(map[string]any)["id"])
		}
		if diff := cmp.Diff(courseIDs, client["courseIds"]); diff != "" {
			t.Errorf("courseIds (-courses +ids):\n%s", diff)
		}
		for _, path := range client["learningPaths"].([]any) {
			milestone := path.(map[string]any)["milestones"].([]any)[0].(map[string]any)
			for _, m := range milestone["milestoneCourses"].([]any) {
				if !ids[m.(map[string]any)["contentId"]] {
					t.Error("a milestone leads to a course of another client")
				}
			}
		}
		child := client["licenses"].([]any)[1].(map[string]any)
		if child["parentLicenseId"] != client["primaryLicense"].(map[string]any)["id"] {
			t.Error("the second license's parent is not the primary one")
		}
	}
}

func TestSecretsAreInTheRawAnswersAndUnique(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 2, CoursesPerClient: 2})
	raw := c.get("/incoming/v2/clients").Body.String()
	seen := map[string]bool{}
	found := 0
	for _, s := range c.e.Secrets() {
		if len(s) < 12 || seen[s] {
			t.Errorf("%q is short or repeated", s)
		}
		seen[s] = true
		if strings.Contains(raw, s) {
			found++
		}
	}
	if credentials := 5; found != len(seen)-credentials {
		t.Errorf("%d of %d secrets are in the page, want all but the %d credentials", found, len(seen), credentials)
	}
	for _, kind := range []string{
		"secretKey", "openIdClientSecret", "openIdAuthorizationParameters", "samlIdpCertificate", "webexSessionPassword", "organizerDialIn",
		"goToTrainingKey", "goToWebinarKey", "webexTrainingSessionKey", "zoomOccurrenceKey", "internalNotes",
	} {
		if !strings.Contains(raw, kind+"_") {
			t.Errorf("no value of %s in the page", kind)
		}
	}
	if !seen[c.token] {
		t.Error("the issued token is not among the secrets")
	}
}

func TestSameSeedGivesTheSameCatalogue(t *testing.T) {
	t.Parallel()
	pages := map[uint64]string{}
	for _, seed := range []uint64{1, 2} {
		a := newCaller(t, emulator.Options{Clients: 2, Seed: seed}).get("/incoming/v2/clients").Body.String()
		b := newCaller(t, emulator.Options{Clients: 2, Seed: seed}).get("/incoming/v2/clients").Body.String()
		if a != b {
			t.Errorf("seed %d gives two catalogues", seed)
		}
		pages[seed] = a
	}
	if pages[1] == pages[2] {
		t.Error("two seeds give one catalogue")
	}
}

func TestUnlinkedCatalogueLeavesSomeWithoutPartner(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		c := newCaller(t, emulator.Options{Clients: 20, CoursesPerClient: -1, LearningPathsPerClient: -1, Linked: linked})
		var records, identities int
		for _, ref := range c.e.Clients() {
			if ref.Identifier != "" {
				records++
			}
			for _, u := range c.e.Users(ref.Identifier) {
				if u.IdentityID != "" {
					identities++
				}
			}
		}
		want := [2]int{18, 58}
		if linked {
			want = [2]int{20, 80}
		}
		if got := [2]int{records, identities}; got[0] != want[0] || (linked && got != want) || (!linked && (got[1] < 50 || got[1] >= 72)) {
			t.Errorf("linked %v: records and identities %v, want about %v", linked, got, want)
		}
	}
}

func TestSizesOfNoneGiveEmptyLists(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: -1})
	for path, want := range map[string]string{"/api/v1/headless/clients": "[]", "/core/v1/users": `{"data":[]}`} {
		if got := c.get(path).Body.String(); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
}

func TestGzipIsHonoured(t *testing.T) {
	t.Parallel()
	e := emulator.New(emulator.Options{Clients: 1})
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	r, _ := http.NewRequest("GET", server.URL+"/incoming/v2/clients", nil)
	r.Header.Set("Authorization", "Bearer "+emulator.APIKey)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !resp.Uncompressed || !json.Valid(body) {
		t.Errorf("uncompressed %v, %d bytes, %v", resp.Uncompressed, len(body), err)
	}
}

func TestETagAnswersNotModifiedUntilTheDataChanges(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1, CoursesPerClient: 1, ETags: true, LinkClient: "sku"})
	path := "/api/v1/headless/client/ORG-10001"
	tag := c.get(path).Header().Get("ETag")
	again := c.do("GET", path, "", http.Header{"If-None-Match": {`"x", ` + tag}})
	if tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("second read with %s = %d, %d bytes", tag, again.Code, again.Body.Len())
	}
	c.do("PUT", path, `{"metadata":{"a":1}}`, nil)
	if after := c.do("GET", path, "", http.Header{"If-None-Match": {tag}}); after.Code != http.StatusOK {
		t.Errorf("read after a write = %d, want 200", after.Code)
	}
}

func TestCacheHeadersAreAddedToSuccessfulAnswers(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1, CacheHeaders: func(b emulator.Backend, route string) http.Header {
		return http.Header{"Cache-Control": {string(b) + " " + route}}
	}})
	if got, want := c.get("/core/v1/users").Header().Get("Cache-Control"), "mattr /core/v1/users"; got != want {
		t.Errorf("Cache-Control = %q, want %q", got, want)
	}
	if got := c.get("/api/v1/headless/user/none").Header().Get("Cache-Control"); got != "" {
		t.Errorf("Cache-Control of a 404 = %q", got)
	}
}

func TestCallsRecordTheTemplateAndWhatWasSent(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1})
	c.do("PUT", "/api/v1/headless/user/a%2Fb%20c?x=1", `{"name":"N"}`, nil)
	calls := c.e.Calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	got := calls[0]
	if got.Header.Get("Authorization") != emulator.Authorization || got.At.IsZero() || !bytes.Equal(got.Body, []byte(`{"name":"N"}`)) {
		t.Errorf("call = %+v", got)
	}
	want := [5]string{"coassemble", "PUT", "/v1/headless/user/{identifier}", "/api/v1/headless/user/a%2Fb%20c", "x=1"}
	if diff := cmp.Diff(want, [5]string{string(got.Backend), got.Method, got.Route, got.Path, got.RawQuery}); diff != "" || got.Status != 404 {
		t.Errorf("status %d, call (-want +got):\n%s", got.Status, diff)
	}
	c.e.Reset()
	if n := len(c.e.Calls()); n != 0 {
		t.Errorf("%d calls after Reset", n)
	}
}
