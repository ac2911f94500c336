package e2e

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// gatedCalls is a transport on which calls of Coassemble wait until they are released.
type gatedCalls struct{ release chan struct{} }

func holdCoassemble() *gatedCalls { return &gatedCalls{make(chan struct{})} }

func (h *gatedCalls) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/headless/") {
			select {
			case <-h.release:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return next.RoundTrip(r)
	})
}

const deferredUsers = `{ clients(first: 2) { nodes { sourceId ... @defer(label: "users") { users { nodes { name } } } } } }`

// stream is an answer that is read payload by payload.
type stream struct {
	*http.Response
	next func() string // "" after the last
}

// open sends a request to a server and reads the header of its answer.
func open(t *testing.T, url, query string, header map[string]string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	body, _ := json.Marshal(map[string]string{"query": query})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	s := &stream{Response: resp}
	var text io.Reader = resp.Body
	if header["Accept-Encoding"] == "gzip" {
		if text, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	media, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch media {
	case "multipart/mixed":
		parts := multipart.NewReader(text, params["boundary"])
		s.next = func() string {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return ""
			} else if err != nil {
				t.Fatal(err)
			}
			if got := p.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("a part is %q", got)
			}
			data, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	case "text/event-stream":
		lines := bufio.NewScanner(text)
		s.next = func() string {
			event := ""
			for lines.Scan() {
				switch line := lines.Text(); {
				case line == "event: complete":
					return ""
				case strings.HasPrefix(line, "data: ") && event == "next":
					return strings.TrimPrefix(line, "data: ")
				case strings.HasPrefix(line, "event: "):
					event = strings.TrimPrefix(line, "event: ")
				}
			}
			t.Fatal("the stream ends without complete")
			return ""
		}
	default:
		s.next = func() string {
			data, err := io.ReadAll(text)
			if err != nil {
				t.Fatal(err)
			}
			s.next = func() string { return "" }
			return string(data)
		}
	}
	return s
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// What goes out for each row of the table in the documentation. The calls for the deferred part are held until the first
// payload is there.
func TestADeferredFragmentIsDeliveredInTheFormatThatTheCallerAccepts(t *testing.T) {
	t.Parallel()
	const (
		v02    = `multipart/mixed; boundary="graphql"; incrementalSpec=v0.2`
		v01    = `multipart/mixed; boundary="graphql"; deferSpec=20220824`
		plain  = `multipart/mixed; boundary="graphql"`
		events = "text/event-stream; charset=utf-8"
		whole  = "application/json; charset=utf-8"
		newer  = "application/graphql-response+json; charset=utf-8"
	)
	for accept, want := range map[string]string{
		"multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json, application/json": v02,
		"multipart/mixed;incrementalSpec=v0.2":                                                      v02,
		`multipart/mixed; incrementalSpec="v0.2"; q=0.8, multipart/mixed;deferSpec=20220824;q=0.7`:  v02,
		"multipart/mixed;incrementalSpec=v0.2;q=0.5, multipart/mixed;deferSpec=20220824;q=0.7":      v01,
		"multipart/mixed;deferSpec=20220824, application/json":                                      v01,
		"multipart/mixed; deferSpec=20220824;q=0.9, application/json;q=0.9":                         v01,
		"multipart/mixed":                    plain,
		`multipart/mixed; boundary="-", */*`: plain,
		"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed": plain,
		"text/event-stream":                        events,
		"text/event-stream, multipart/mixed;q=0.9": events,
		"text/event-stream;q=0.9, multipart/mixed": plain,
		"text/event-stream, application/json":      events,
		"application/json":                         whole,
		"*/*":                                      whole,
		"":                                         whole,
		"application/json, multipart/mixed;incrementalSpec=v0.2;q=0.5": whole,
		"application/json;q=0.1, */*;q=0.8, multipart/mixed;q=0.5":     newer, // by */*, which is of more weight
		"*/*;q=0.8, multipart/mixed;q=0.5":                             whole,
		"*/*;q=0.5, multipart/mixed;q=0.8":                             plain,
		"application/json;charset=utf-16, multipart/mixed;q=0.5":       plain,
		"MULTIPART/MIXED; IncrementalSPEC=\"v0.2\"; Q=1.0":             v02,
		"multipart/mixed;q=0, application/json;q=0.1":                  whole,
		"text/event-stream, multipart/mixed;q=0":                       events,
		// A format that is not known is none of the formats.
		"multipart/mixed;incrementalSpec=v9":                       whole,
		"multipart/mixed;deferSpec=20200101":                       whole,
		"multipart/mixed;subscriptionSpec=1.0":                     whole,
		"multipart/mixed;deferSpec=20200101, text/html":            whole,
		"text/event-stream, multipart/mixed;deferSpec=202001":      events,
		"application/graphql-response+json, text/event-stream;q=0": newer,
		"multipart/mixed;incrementalSpec=v9, application/json":     whole,
		"multipart/mixed;deferSpec=20200101, application/json":     whole,
	} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			hold := holdCoassemble()
			p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Wrap: hold.wrap})
			server := httptest.NewServer(p.Handler)
			defer server.Close()
			parts := want != whole && want != newer
			if !parts {
				close(hold.release)
			}
			s := open(t, server.URL, deferredUsers, map[string]string{"Accept": accept})
			if got := s.Header.Get("Content-Type"); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			first := decoded(t, s.next())
			if !parts {
				if first["hasNext"] != nil || strings.Count(fmt.Sprint(first), "users") != 2 {
					t.Errorf("got %v", first)
				}
				return
			}
			if got := s.Header.Get("Cache-Control") + s.Header.Get("X-Accel-Buffering"); got != "no-storeno" || s.StatusCode != 200 {
				t.Errorf("got %d %s", s.StatusCode, got)
			}
			if first["hasNext"] != true || first["incremental"] != nil || (first["pending"] != nil) != (want == v02 || want == events) {
				t.Errorf("the first payload is %v", first)
			}
			close(hold.release)
			last := decoded(t, s.next())
			if last["hasNext"] != false || len(last["incremental"].([]any)) != 2 || (last["completed"] != nil) != (first["pending"] != nil) {
				t.Errorf("the last payload is %v", last)
			}
			increment := last["incremental"].([]any)[1].(map[string]any)
			if first["pending"] != nil {
				if diff := cmp.Diff(map[string]any{"id": "1", "path": []any{"clients", "nodes", 1.0}, "label": "users"}, first["pending"].([]any)[1]); diff != "" {
					t.Error(diff)
				}
				if increment["id"] != "1" || increment["path"] != nil {
					t.Errorf("got %v", increment)
				}
			} else if diff := cmp.Diff([]any{"clients", "nodes", 1.0}, increment["path"]); diff != "" || increment["label"] != "users" || increment["id"] != nil {
				t.Errorf("got %v", increment)
			}
			if rest := s.next(); rest != "" {
				t.Errorf("after the last payload comes %s", rest)
			}
		})
	}
}

func TestAnAnswerWithNothingLeftIsPlain(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	accept := map[string]string{"Accept": "multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json"}
	read := func(query string) string {
		s := open(t, server.URL, query, accept)
		var all []string
		for text := s.next(); text != ""; text = s.next() {
			all = append(all, text)
		}
		if strings.HasPrefix(s.Header.Get("Content-Type"), "application/") {
			return s.Header.Get("Content-Type") + all[0]
		}
		return fmt.Sprint(len(all))
	}
	want := read(strings.Replace(deferredUsers, `@defer(label: "users")`, `@defer(if: false)`, 1))
	if !strings.HasPrefix(want, "application/graphql-response+json; charset=utf-8{") || strings.Contains(want, "hasNext") {
		t.Fatalf("got %s", want)
	}
	// By now all of it is in the cache.
	for range 3 {
		if got := read(deferredUsers); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := read(`{ clients { nodes @stream { name } } }`); !strings.HasPrefix(got, "application/graphql-response+json") {
		t.Errorf("got %s", got)
	}
}

// Fields that several parts have are no reason for parts where all is ready.
func TestAnAnswerWithNothingLeftIsPlainWherePartsOverlap(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	for _, query := range []string{
		`{ clients { nodes { name users { nodes { name } } } } ... @defer { clients { nodes { sourceId users { nodes { name sourceId } } } } } }`,
		`{ clients { nodes { name ... @defer { name slug } ... @defer(label: "b") { slug embed { userCount } } } } }`,
		`{ clients { nodes @stream(initialCount: 1) { name ... @defer { name } ... @defer { name } } } }`,
	} {
		without := strings.NewReplacer("@defer(label: \"b\")", "", "@defer", "", "@stream(initialCount: 1)", "").Replace(query)
		want := open(t, server.URL, without, nil).next()
		for _, accept := range []string{"multipart/mixed;deferSpec=20220824", "multipart/mixed", "multipart/mixed;incrementalSpec=v0.2", "text/event-stream"} {
			s := open(t, server.URL, query, map[string]string{"Accept": accept})
			if got := strings.Replace(s.next(), `,"extensions":{"is_final":true}`, "", 1); got != want || !strings.HasPrefix(s.Header.Get("Content-Type"), "application/") {
				t.Errorf("%s by %s\ngot  %s\nwant %s", query, accept, got, want)
			}
		}
	}
}

// A @stream of a list without elements left is not announced. graphql-js announces it where a list is as long as
// initialCount, since it does not know how long an iterable is; what it delivers is the same, an end alone, which in v0.1 would
// be the bare hasNext that is never sent. An operation with nothing else left is plain.
func TestAStreamWithoutElementsLeftIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for _, count := range []int{2, 3, 100} {
		list := fmt.Sprintf("clients(first: 2) { nodes @stream(initialCount: %d, label: \"list\") { name } }", count)
		for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "multipart/mixed;deferSpec=20220824", "text/event-stream, application/json"} {
			hold := holdCoassemble()
			p := start(t, setup{Emulator: emulator.Options{Clients: 2, Linked: true}, Wrap: hold.wrap})
			server := httptest.NewServer(p.Handler)
			s := open(t, server.URL, "{ "+list+" }", map[string]string{"Accept": accept})
			if got := s.next(); !strings.HasPrefix(s.Header.Get("Content-Type"), "application/json") || strings.Contains(got, "hasNext") {
				t.Errorf("%d by %s: got %s", count, accept, got)
			}
			s = open(t, server.URL, "{ "+list+" ... @defer { embedClients { nodes { userCount } } } }", map[string]string{"Accept": accept})
			first := s.next()
			close(hold.release)
			if all := strings.Join(append(s.readAll(), first), ""); strings.Contains(all, `"list"`) || strings.Contains(all, `"items"`) ||
				!strings.Contains(first, `"hasNext":true`) || strings.Count(all, "hasNext") != 2 {
				t.Errorf("%d by %s: got %s", count, accept, all)
			}
			server.Close()
		}
	}
}

// Several writes are made one after the other, and what one of them changes is not what the one before it answers with.
func TestWritesWithNothingLeftArePlainWherePartsOverlap(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 2, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	users := p.backends.Users(p.backends.Clients()[0].Identifier)
	for _, parts := range [][2]string{
		{`user { name ... @defer { name sourceId } } ... @defer(label: "b") { user { sourceId embedClient { userCount } } }`, `user { name ... @defer { name } }`},
		{`user { name ... @defer { embedClient { userCount } ... @defer { name embedClient { sourceId } } } }`, `user { embedClient { userCount } ... @defer { name embedClient { id } } }`},
		{`userErrors { code } ... @defer { userErrors { code message } user { name } }`, `user { name ... @defer { name } }`},
	} {
		query := fmt.Sprintf(`mutation {
			a: updateUser(input: {by: {sourceId: %[1]q}, name: "first"}) { %[3]s }
			b: updateUser(input: {by: {sourceId: %[1]q}, name: "second"}) { %[4]s }
			c: updateUser(input: {by: {sourceId: %[2]q}, name: ""}) { userErrors { code } ... @defer { userErrors { code } } }
		}`, users[0].Identifier, users[1].Identifier, parts[0], parts[1])
		without := strings.NewReplacer(`@defer(label: "b")`, "", "@defer", "").Replace(query)
		want := open(t, server.URL, without, nil).next()
		if !strings.Contains(want, `"first"`) || !strings.Contains(want, `"second"`) {
			t.Fatalf("got %s", want)
		}
		open(t, server.URL, without, nil).next() // what the payloads need besides the writes is in the cache
		for _, accept := range []string{"multipart/mixed;deferSpec=20220824", "multipart/mixed", "multipart/mixed;incrementalSpec=v0.2", "text/event-stream"} {
			p.backends.Reset()
			s := open(t, server.URL, query, map[string]string{"Accept": accept})
			all, writes := strings.Join(s.readAll(), "\n"), 0
			for _, c := range p.backends.Calls() {
				if c.Method == http.MethodPut {
					writes++
				}
			}
			got := strings.Replace(all, `,"extensions":{"is_final":true}`, "", 1)
			if got != want || writes != 3 || !strings.HasPrefix(s.Header.Get("Content-Type"), "application/") {
				t.Errorf("%s by %s\ngot %d writes, %s\nwant %s", query, accept, writes, got, want)
			}
		}
	}
}

func TestANegativeInitialCountIsTheCallersError(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "multipart/mixed;deferSpec=20220824", "text/event-stream"} {
		got := open(t, server.URL, `{ clients { nodes @stream(initialCount: -1) { name } } }`, map[string]string{"Accept": accept}).next()
		if !strings.Contains(got, `"code":"BAD_USER_INPUT"`) || !strings.Contains(got, "must not be negative") {
			t.Errorf("%s: got %s", accept, got)
		}
	}
}

// A write is made once, whatever parts its payload has.
func TestAWriteWithPartsIsMadeOnce(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true}, Env: map[string]string{"CACHE_TTL": "60s"}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	user := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
	query := `mutation { updateUser(input: {by: {sourceId: "` + user + `"}, name: "n"}) {
		user { name ... @defer { name sourceId } } ... @defer { user { name identity { sourceId } } } } }`
	for _, accept := range []string{"multipart/mixed;deferSpec=20220824", "multipart/mixed;incrementalSpec=v0.2", "application/json"} {
		p.backends.Reset()
		payloads := open(t, server.URL, query, map[string]string{"Accept": accept}).readAll()
		writes := 0
		for _, c := range p.backends.Calls() {
			if c.Method == http.MethodPut {
				writes++
			}
		}
		if all := fmt.Sprint(payloads); writes != 1 || !strings.Contains(all, `"name":"n"`) || strings.Contains(all, "errors") {
			t.Errorf("%s: %d writes, got %s", accept, writes, all)
		}
	}
}

func TestAPackedAnswerIsFlushedWithEachPayload(t *testing.T) {
	t.Parallel()
	hold := holdCoassemble()
	p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 1, Linked: true}, Wrap: hold.wrap})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	s := open(t, server.URL, deferredUsers, map[string]string{"Accept": "multipart/mixed", "Accept-Encoding": "gzip"})
	if first := decoded(t, s.next()); first["hasNext"] != true {
		t.Errorf("got %v", first)
	}
	close(hold.release)
	if last := decoded(t, s.next()); last["hasNext"] != false || s.next() != "" || s.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %v", last)
	}
}

// The error behavior is a part of a whole answer's key: an answer for one caller is none for the other.
func TestACallerChoosesWhatAnErrorDoes(t *testing.T) {
	t.Parallel()
	query := `{ clients(first: 1) { nodes { sourceId users { pageInfo { hasNextPage } nodes { name } } } } }`
	failing := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/headless/") {
				return nil, io.ErrUnexpectedEOF
			}
			return next.RoundTrip(r)
		})
	}
	p := start(t, setup{Emulator: emulator.Options{Clients: 1, UsersPerClient: 1, Linked: true}, Wrap: failing, Env: map[string]string{"CACHE_TTL": "60s"}})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	send := func(body string) (int, string) {
		resp, err := http.Post(server.URL+"/graphql", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	body := func(onError string) string {
		text, _ := json.Marshal(map[string]any{"query": query, "onError": json.RawMessage(onError)})
		return string(text)
	}
	for range 2 {
		for onError, want := range map[string]string{`"PROPAGATE"`: `"users":null`, `null`: `"users":null`, `"NULL"`: `"users":null`, `"ABORT"`: `"data":null`} {
			if _, got := send(body(onError)); !strings.Contains(got, want) || strings.Count(got, `"path"`) != 1 {
				t.Errorf("%s: got %s", onError, got)
			}
		}
	}
	for _, wrong := range []string{`"null"`, `"OTHER"`, `1`, `{}`, `""`} {
		if status, got := send(body(wrong)); status != 400 || !strings.Contains(got, "BAD_REQUEST") {
			t.Errorf("%s: got %d %s", wrong, status, got)
		}
	}
	if _, got := send("[" + body(`"ABORT"`) + "," + body(`"NULL"`) + "]"); strings.Count(got, `"data":null`) != 1 {
		t.Errorf("a batch: got %s", got)
	}
	resp, err := http.Get(server.URL + "/graphql?onError=ABORT&query=" + "%7B%20clients%28first%3A1%29%7Bnodes%7Busers%7Bnodes%7Bname%7D%7D%7D%7D%7D")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), `"data":null`) {
		t.Errorf("by GET: got %s", text)
	}
}
