package thoughtindustries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/emulator"
)

var shapes = Shapes{
	Client: &document.Shape{Name: "Client", Members: []document.Member{
		{Name: "name"}, {Name: "id"}, {Name: "slug"}, {Name: "sku"},
	}},
	Aggregation: &document.Shape{Name: "Aggregation", Members: []document.Member{{Name: "key"}}},
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

func newTestClient(t testing.TB, transport http.RoundTripper) *Client {
	t.Helper()
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.ThoughtIndustries, BaseURL: "https://ti.example", Transport: transport, Gzip: true,
		Authorizer: upstream.Header("Authorization", "Bearer "+emulator.APIKey), Concurrency: 5, Retries: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(rest, shapes)
}

// entry is a client of the backend below.
type entry struct{ id, slug, sku string }

func (e entry) String() string {
	return fmt.Sprintf(`{"secretKey":"s","id":%q,"slug":%q,"sku":%q,"name":%q}`, e.id, e.slug, e.sku, "name of "+e.id)
}

// backend is a list of clients whose answers can be bent.
type backend struct {
	entries  []entry
	limit    int  // the largest page; 0 is 100
	noTotal  bool // pageInfo shows hasMore only
	noSearch bool // a search finds nothing
	repeat   bool // every page is the first one, with the requested number
	endless  bool // hasMore and no total, always
	delay    time.Duration
	fail     func(page, call int) int

	mu    sync.Mutex
	calls []string
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	page, _ := strconv.Atoi(q.Get("page"))
	count, _ := strconv.Atoi(q.Get("count"))
	search := q.Get("query")
	b.mu.Lock()
	b.calls = append(b.calls, strings.Trim(search+" "+q.Get("page")+"x"+q.Get("count"), " "))
	n := len(b.calls)
	b.mu.Unlock()
	select {
	case <-time.After(b.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if b.fail != nil {
		if status := b.fail(page, n); status != 0 {
			return answer(status, ""), nil
		}
	}
	entries := b.entries
	if search != "" {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool {
			return b.noSearch || !strings.Contains(e.slug+" "+e.id, search)
		})
	}
	limit := b.limit
	if limit == 0 {
		limit = 100
	}
	count = min(count, limit)
	from := (page - 1) * count
	if b.repeat {
		from = 0
	}
	to := min(from+count, len(entries))
	from = min(from, to)
	var parts []string
	for _, e := range entries[from:to] {
		parts = append(parts, e.String())
	}
	info := fmt.Sprintf(`{"perPage":%d,"currentPage":%d,"hasMore":%v,"total":%d}`, count, page, to < len(entries) || b.endless, len(entries))
	if b.noTotal || b.endless {
		info = fmt.Sprintf(`{"hasMore":%v}`, to < len(entries) || b.endless)
	}
	return answer(200, `{"data":{"Clients":{"pageInfo":`+info+`,"aggregations":[{"key":"k"}],"clients":[`+strings.Join(parts, ",")+`]}}}`), nil
}

func newBackend(n int) *backend {
	b := &backend{}
	for i := range n {
		b.entries = append(b.entries, entry{fmt.Sprintf("id-%04d-", i), fmt.Sprintf("slug-%04d-", i), fmt.Sprintf("sku-%04d-", i)})
	}
	return b
}

func ids(list []*document.Document) (ids []string) {
	for _, d := range list {
		if d == nil {
			ids = append(ids, "nil")
			continue
		}
		id, _ := d.Root().Member(1).ID()
		ids = append(ids, id)
	}
	return ids
}

func TestPagesAreReadInAnyShapeThatTheBackendPromises(t *testing.T) {
	t.Parallel()
	total := func(n int) *int { return &n }
	tests := map[string]struct {
		body    string
		want    []string
		total   *int
		more    bool
		number  int
		perPage int
		kind    upstream.Kind
	}{
		"whole": {
			`{"data":{"Clients":{"pageInfo":{"perPage":2,"currentPage":3,"total":9,"hasMore":false},"aggregations":[],"clients":[{"id":"a"},{"id":"b"}]}}}`,
			[]string{"a", "b"}, total(9), true, 3, 2, 0,
		},
		"in another order": {
			`{"x":[{}],"data":{"y":1,"Clients":{"clients":[{"id":"a"}],"z":{},"pageInfo":{"hasMore":true,"total":1,"currentPage":1,"perPage":1}}}}`,
			[]string{"a"}, total(1), false, 1, 1, 0,
		},
		"zeros":           {`{"data":{"Clients":{"pageInfo":{"perPage":0,"currentPage":0,"total":0,"hasMore":true},"clients":[{"id":"a"}]}}}`, []string{"a"}, nil, true, 1, 25, 0},
		"no pageInfo":     {`{"data":{"Clients":{"clients":[{"id":"a"}]}}}`, []string{"a"}, nil, false, 1, 25, 0},
		"strange numbers": {`{"data":{"Clients":{"pageInfo":{"perPage":"2","currentPage":[],"total":1.5,"hasMore":1},"clients":[]}}}`, nil, nil, false, 1, 25, 0},
		"nothing":         {`{"data":{"Clients":{"pageInfo":{"total":0},"clients":[]}}}`, nil, total(0), false, 1, 25, 0},
		"past the end":    {`{"data":{"Clients":{"pageInfo":{"total":3,"currentPage":9,"perPage":25},"clients":[]}}}`, nil, total(3), false, 9, 25, 0},
		"strange clients": {`{"data":{"Clients":{"clients":[null,7,[],"x",{"id":"a"},{"id":9}]}}}`, []string{"nil", "nil", "nil", "nil", "a", "9"}, nil, false, 1, 25, 0},
		"the last counts": {`{"data":{"Clients":{"clients":[{"id":"a"}]}},"data":{"Clients":{"clients":[1],"clients":[{"id":"b"}]}}}`, []string{"b"}, nil, false, 1, 25, 0},
		"the last is null": {
			`{"data":{"Clients":{"clients":[{"id":"a"}]}},"data":null}`, nil, nil, false, 0, 0, upstream.Contract,
		},
		"errors":          {`{"errors":[{"message":"m"}],"data":null}`, nil, nil, false, 0, 0, upstream.Rejected},
		"errors at last":  {`{"data":{"Clients":null},"errors":[{"message":"m"}]}`, nil, nil, false, 0, 0, upstream.Rejected},
		"no errors":       {`{"data":null,"errors":[]}`, nil, nil, false, 0, 0, upstream.Contract},
		"errors and data": {`{"errors":[{}],"data":{"Clients":{"clients":[{"id":"a"}]}}}`, []string{"a"}, nil, false, 1, 25, 0},
		"no clients":      {`{"data":{"Clients":{"clients":null}}}`, nil, nil, false, 0, 0, upstream.Contract},
		"no Clients":      {`{"data":{}}`, nil, nil, false, 0, 0, upstream.Contract},
		"an array":        {`[]`, nil, nil, false, 0, 0, upstream.Contract},
		"empty":           {``, nil, nil, false, 0, 0, upstream.Contract},
		"markup":          {`<html>`, nil, nil, false, 0, 0, upstream.Contract},
		"cut short":       {`{"data":{"Clients":{"clients":[{"id":"a"}`, nil, nil, false, 0, 0, upstream.Contract},
		"more than it":    {`{"data":{"Clients":{"clients":[]}}}]`, nil, nil, false, 0, 0, upstream.Contract},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return answer(200, tt.body), nil }))
			p, _, err := c.Page(t.Context(), Query{}, 1, 25)
			if upstream.KindOf(err) != tt.kind {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if err != nil {
				return
			}
			got := []any{ids(p.Items), p.Total, p.More, p.Number, p.Size}
			if diff := cmp.Diff([]any{tt.want, tt.total, tt.more, tt.number, tt.perPage}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyDeclaredMembersAreStored(t *testing.T) {
	t.Parallel()
	p, _, err := newTestClient(t, newBackend(1)).Page(t.Context(), Query{}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Items[0].JSON()), `{"id":"id-0000-","slug":"slug-0000-","sku":"sku-0000-","name":"name of id-0000-"}`; got != want {
		t.Errorf("got %s", got)
	}
	if len(p.Extra) != 1 {
		t.Errorf("got %d aggregations", len(p.Extra))
	}
}

func TestWindowTakesTheFewestCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		offset, first int
		limit         int
		noTotal       bool
		calls         []string
		more          bool
	}{
		{0, 25, 0, false, []string{"1x25"}, true},
		{25, 25, 0, true, []string{"2x25"}, true},
		{100, 20, 0, false, []string{"6x20"}, false},
		{100, 20, 0, true, []string{"6x20"}, false},
		{7, 5, 0, false, []string{"2x6"}, true},
		{95, 10, 0, false, []string{"7x15"}, true},
		{99, 100, 0, false, []string{"1x100", "2x100"}, false},
		{0, 100, 50, false, []string{"1x100", "2x50"}, true},
		{200, 10, 0, false, []string{"21x10"}, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.offset, tt.first, tt.limit), func(t *testing.T) {
			t.Parallel()
			b := newBackend(120)
			b.limit, b.noTotal = tt.limit, tt.noTotal
			w, _, err := newTestClient(t, b).Window(t.Context(), Query{}, tt.offset, tt.first)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for i := tt.offset; i < min(tt.offset+tt.first, 120); i++ {
				want = append(want, b.entries[i].id)
			}
			if diff := cmp.Diff(want, ids(w.Items)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.calls, b.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if w.More != tt.more || !tt.noTotal && *w.Total != 120 {
				t.Errorf("got %+v", w)
			}
		})
	}
}

func TestSearchAndSortArePassedOn(t *testing.T) {
	t.Parallel()
	var got string
	c := newTestClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.URL.RequestURI()
		return answer(400, ""), nil
	}))
	_, _, err := c.Page(t.Context(), Query{Search: "a b", Sort: "-name"}, 2, 10)
	if want := "/incoming/v2/clients?count=10&page=2&query=a+b&sort=-name"; got != want || upstream.KindOf(err) != upstream.Invalid {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func slug(i int) Key { return Key{"slug", fmt.Sprintf("slug-%04d-", i)} }
func sku(i int) Key  { return Key{"sku", fmt.Sprintf("sku-%04d-", i)} }

func TestLookupFindsByTheFewestCalls(t *testing.T) {
	t.Parallel()
	unknown := Key{"sku", "nobody"}
	tests := map[string]struct {
		backend *backend
		rounds  [][]Key
		found   []Key
		calls   []string
	}{
		"a search finds it":            {newBackend(300), [][]Key{{slug(250)}}, []Key{slug(250)}, []string{"slug-0250- 1x25"}},
		"what was seen costs nothing":  {newBackend(300), [][]Key{{slug(250)}, {sku(250), {"id", "id-0250-"}}}, []Key{slug(250), sku(250), {"id", "id-0250-"}}, []string{"slug-0250- 1x25"}},
		"a scan finds it":              {newBackend(300), [][]Key{{sku(150)}}, []Key{sku(150)}, []string{"sku-0150- 1x25", "1x100", "2x100"}},
		"a scan goes on":               {newBackend(300), [][]Key{{sku(50)}, {sku(250)}}, []Key{sku(50), sku(250)}, []string{"sku-0050- 1x25", "1x100", "sku-0250- 1x25", "2x100", "3x100"}},
		"a finished scan knows":        {newBackend(200), [][]Key{{unknown}, {{"slug", "nor this"}}, {unknown, sku(1)}}, []Key{sku(1)}, []string{"nobody 1x25", "1x100", "2x100"}},
		"many keys share a scan":       {newBackend(300), [][]Key{{sku(1), sku(110), sku(120), sku(220)}}, []Key{sku(1), sku(110), sku(120), sku(220)}, []string{"1x100", "2x100", "3x100"}},
		"few keys of many are sought":  {newBackend(1000), [][]Key{{slug(1), slug(850)}}, []Key{slug(1), slug(850)}, []string{"1x100", "slug-0850- 1x25"}},
		"without a total it scans":     {&backend{entries: newBackend(250).entries, noTotal: true}, [][]Key{{slug(101), slug(240)}}, []Key{slug(101), slug(240)}, []string{"1x100", "2x100", "3x100"}},
		"a smaller page than asked":    {&backend{entries: newBackend(90).entries, limit: 40, noSearch: true}, [][]Key{{slug(85)}}, []Key{slug(85)}, []string{"slug-0085- 1x25", "1x100", "2x100", "3x100"}},
		"an empty key makes no call":   {newBackend(10), [][]Key{{{"sku", ""}}}, nil, nil},
		"an empty list ends the scan":  {newBackend(0), [][]Key{{unknown}, {unknown}}, nil, []string{"nobody 1x25", "1x100"}},
		"a substring is not the key":   {newBackend(30), [][]Key{{{"slug", "slug-001"}}}, nil, []string{"slug-001 1x25", "1x100"}},
		"the same key twice is one":    {newBackend(300), [][]Key{{slug(3), slug(3)}}, []Key{slug(3)}, []string{"slug-0003- 1x25"}},
		"the bound allows what it can": {newBackend(100 * maxPages), [][]Key{{sku(100*maxPages - 10)}}, []Key{sku(100*maxPages - 10)}, append([]string{"sku-4990- 1x25"}, pages(maxPages)...)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, tt.backend)
			l := c.NewLookup()
			var found []Key
			for _, keys := range tt.rounds {
				docs, failed := l.Find(t.Context(), keys)
				if len(failed) > 0 {
					t.Fatalf("failed: %v", failed)
				}
				seen := map[Key]bool{}
				for _, k := range keys {
					if d := docs[k]; d != nil && !seen[k] {
						seen[k] = true
						found = append(found, k)
						if got := c.KeyOf(d, k.Field); got != k.Value {
							t.Errorf("%v: got %s", k, got)
						}
					}
				}
			}
			if diff := cmp.Diff(tt.found, found); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.calls, tt.backend.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// pages are the calls of a scan over the first n pages.
func pages(n int) []string {
	calls := make([]string, n)
	for i := range calls {
		calls[i] = fmt.Sprintf("%dx100", i+1)
	}
	return calls
}

func TestLookupReturnsWhyAKeyIsUndecided(t *testing.T) {
	t.Parallel()
	twins := newBackend(120)
	twins.entries[110].sku = twins.entries[5].sku
	tests := map[string]struct {
		backend *backend
		key     Key
		want    upstream.Kind
		calls   int
	}{
		"the scan is cut short":    {newBackend(100*maxPages + 100), sku(100*maxPages + 90), upstream.LimitExceeded, 1 + maxPages},
		"no such field":            {newBackend(3), Key{"name", "x"}, upstream.Invalid, 0},
		"a page comes twice":       {&backend{entries: newBackend(300).entries, repeat: true}, sku(290), upstream.Contract, 3},
		"a list without end":       {&backend{entries: newBackend(100).entries, endless: true, repeat: true}, sku(290), upstream.Contract, 3},
		"the search fails":         {&backend{fail: func(int, int) int { return 503 }}, sku(1), upstream.Unavailable, 1},
		"the scan fails":           {&backend{entries: newBackend(300).entries, fail: func(p, _ int) int { return map[int]int{2: 500}[p] }}, sku(290), upstream.Unavailable, 3},
		"two clients with the key": {twins, twins.entries[5].key(), upstream.Contract, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, tt.backend)
			l := c.NewLookup()
			if name == "two clients with the key" {
				// Both are seen only where the scan goes past the first.
				l.Find(t.Context(), []Key{{"sku", "nobody"}})
			}
			found, failed := l.Find(t.Context(), []Key{tt.key})
			if len(found) > 0 || upstream.KindOf(failed[tt.key]) != tt.want || len(tt.backend.calls) != tt.calls {
				t.Errorf("got %v, %v after %v", found, failed, tt.backend.calls)
			}
			var e *upstream.Error
			if tt.want == upstream.LimitExceeded && (!errors.As(failed[tt.key], &e) || *e.Limit != upstream.Limit{Name: upstream.LimitPages, Reached: maxPages + 1, Allowed: maxPages}) {
				t.Errorf("limit: %+v", e)
			}
			if err := failed[tt.key]; !strings.HasPrefix(err.Error(), "thoughtindustries: GET /incoming/v2/clients: ") || strings.Contains(err.Error(), tt.key.Value) {
				t.Errorf("got %q", err)
			}
		})
	}
}

func (e entry) key() Key { return Key{"sku", e.sku} }

func TestASearchThatIsRefusedLeavesTheScan(t *testing.T) {
	t.Parallel()
	b := newBackend(50)
	b.fail = func(_, call int) int { return map[int]int{1: 400}[call] }
	found, failed := newTestClient(t, b).NewLookup().Find(t.Context(), []Key{sku(7)})
	if found[sku(7)] == nil || len(failed) > 0 {
		t.Errorf("got %v, %v", found, failed)
	}
}

func TestConcurrentLookupsShareOneScan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(500)
		b.delay = time.Second
		l := newTestClient(t, b).NewLookup()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var group sync.WaitGroup
		// This one begins the scan and leaves in its second page.
		group.Go(func() {
			_, failed := l.Find(ctx, []Key{sku(490), sku(491)})
			if len(failed) != 2 || upstream.KindOf(failed[sku(490)]) != upstream.Deadline {
				t.Errorf("got %v", failed)
			}
		})
		synctest.Wait()
		for i := range 20 {
			group.Go(func() {
				keys := []Key{sku(450 + i), sku(10 + i), {"sku", "nobody"}}
				found, failed := l.Find(t.Context(), keys)
				if len(found) != 2 || len(failed) != 0 {
					t.Errorf("got %d found, %v", len(found), failed)
				}
			})
		}
		group.Wait()
		pages := map[string]int{}
		for _, call := range b.calls {
			if !strings.Contains(call, " ") {
				pages[call]++
			}
		}
		pages["2x100"] = min(pages["2x100"], 1) // the one that was left may be read again
		if diff := cmp.Diff(map[string]int{"1x100": 1, "2x100": 1, "3x100": 1, "4x100": 1, "5x100": 1}, pages); diff != "" {
			t.Errorf("scan (-want +got):\n%s", diff)
		}
	})
}

func TestAgainstTheEmulator(t *testing.T) {
	t.Parallel()
	e := emulator.New(emulator.Options{Clients: 130, CoursesPerClient: 1})
	t.Cleanup(e.Close)
	c := newTestClient(t, e.Transport())
	refs := e.Clients()
	w, _, err := c.Window(t.Context(), Query{}, 90, 25)
	if err != nil || len(w.Items) != 25 || *w.Total != 130 || !w.More || len(w.Extra) == 0 {
		t.Fatalf("got %+v, %v", w, err)
	}
	for i, id := range ids(w.Items) {
		if id != refs[90+i].ID {
			t.Fatalf("client %d: got %s, want %s", i, id, refs[90+i].ID)
		}
	}
	keys := []Key{{"id", refs[128].ID}, {"slug", refs[3].Slug}, {"sku", refs[60].SKU}, {"sku", "nobody"}}
	found, failed := c.NewLookup().Find(t.Context(), keys)
	if len(found) != 3 || len(failed) != 0 {
		t.Errorf("got %d, %v", len(found), failed)
	}
	if _, _, err := c.Page(t.Context(), Query{Sort: "nonsense"}, 1, 1); upstream.KindOf(err) != upstream.Invalid {
		t.Errorf("got %v, want invalid input", err)
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{
		`{"data":{"Clients":{"pageInfo":{"perPage":1,"total":1},"clients":[{"id":"a"},null]}}}`, `{"errors":[{}],"data":null}`, ``, `{"data":{"Clients":{"clients":7}}}`,
	} {
		f.Add([]byte(s))
	}
	c := newTestClient(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _, err := c.read(&upstream.Response{Status: 200, Body: data}, 1, 25)
		if err != nil {
			return
		}
		if p.Size < 1 || p.Number < 1 || p.More && len(p.Items) == 0 {
			t.Fatalf("%q gave %+v", data, p)
		}
		for _, d := range p.Items {
			if d != nil && !json.Valid(d.JSON()) {
				t.Fatalf("%q keeps %q", data, d.JSON())
			}
		}
	})
}
