package cdn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
)

// edge answers the requests of a Purger.
type edge struct {
	mu     sync.Mutex
	seen   []*http.Request
	bodies []string
	at     []time.Time
	answer func(n int) (status int, retryAfter string)
}

func (e *edge) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.seen)
	e.seen, e.bodies, e.at = append(e.seen, r), append(e.bodies, string(body)), append(e.at, time.Now())
	status, retryAfter := http.StatusOK, ""
	if e.answer != nil {
		status, retryAfter = e.answer(n)
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}, "Location": {"https://elsewhere.example/"}}, Body: http.NoBody}, nil
}

func (e *edge) requests() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.seen)
}

// tag is the digest of a number.
func tag(n int) string { return fmt.Sprintf("%032x", n) }

func tags(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, tag(n))
	}
	return list
}

func purger(t *testing.T, e *edge, o Options) (*Purger, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Transport, o.Log = e, slog.New(slog.NewJSONHandler(&log, nil))
	if o.Token == nil {
		o.Token = func() string { return "" }
	}
	p := New(o)
	t.Cleanup(func() { p.Close(context.Background()) })
	return p, &log
}

func TestRequestsAreWhatTheNetworksDocument(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header, url  string
		method, want string
		headers      map[string]string
		body         string
	}{
		"Fastly": {"Surrogate-Key", "https://api.fastly.com/service/S/purge", "POST", "/service/S/purge",
			map[string]string{"Surrogate-Key": tag(1) + " " + tag(2), "Fastly-Key": "T"}, ""},
		"Cloudflare": {"Cache-Tag", "https://api.cloudflare.com/client/v4/zones/Z/purge_cache", "POST", "/client/v4/zones/Z/purge_cache",
			map[string]string{"Authorization": "Bearer T", "Content-Type": "application/json"}, `{"tags":["` + tag(1) + `","` + tag(2) + `"]}`},
		"Varnish": {"xkey", "http://127.0.0.1:6081/", "PURGE", "/",
			map[string]string{"Xkey": tag(1) + " " + tag(2), "Xkey-Purge": tag(1) + " " + tag(2)}, ""},
		"a template for all": {"xkey", "http://127.0.0.1:6081/purge?keys={tags}", "PURGE", "/purge?keys=" + tag(1) + "%20" + tag(2), nil, ""},
		"a template for one": {"Surrogate-Key", "https://api.fastly.com/service/S/purge/{tag}", "POST", "/service/S/purge/" + tag(1), map[string]string{"Fastly-Key": "T"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &edge{}
				p, _ := purger(t, e, Options{URL: test.url, Header: Header(test.header), Token: func() string { return "T" }})
				p.Dropped(cache.Invalidation{Digests: tags(1, 2)})
				p.Dropped(cache.Invalidation{Digests: tags(2, 3)})
				time.Sleep(time.Second)
				want := 1
				if strings.Contains(test.url, "{tag}") {
					want = 2
				}
				if e.requests() != want {
					t.Fatalf("got %d requests, want %d", e.requests(), want)
				}
				r := e.seen[0]
				if r.Method != test.method || r.URL.RequestURI() != test.want || e.bodies[0] != test.body {
					t.Errorf("got %s %s %s", r.Method, r.URL.RequestURI(), e.bodies[0])
				}
				for name, value := range test.headers {
					if r.Header.Get(name) != value {
						t.Errorf("got %s %q, want %q", name, r.Header.Get(name), value)
					}
				}
			})
		})
	}
}

func TestDropsOfOtherReplicasAreTheirs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &edge{}
		p, _ := purger(t, e, Options{URL: "http://127.0.0.1/", Header: "xkey"})
		p.Dropped(cache.Invalidation{Digests: tags(1, 2), Remote: true})
		p.Dropped(cache.Invalidation{All: true, Remote: true})
		time.Sleep(time.Minute)
		if e.requests() > 0 || *p.Counters() != (Counters{}) {
			t.Errorf("got %d requests, %+v", e.requests(), *p.Counters())
		}
	})
}

func TestDropsGoOutTogether(t *testing.T) {
	t.Parallel()
	for header, batch := range map[Header]int{"Cache-Tag": 30, "Surrogate-Key": 200} {
		synctest.Test(t, func(t *testing.T) {
			e := &edge{}
			p, _ := purger(t, e, Options{URL: "http://127.0.0.1/", Header: header})
			for n := range 500 {
				p.Dropped(cache.Invalidation{Digests: []string{tag(n), tag(n / 2)}})
			}
			time.Sleep(time.Second)
			if want := (500 + batch - 1) / batch; e.requests() != want || *p.Counters() != (Counters{Sent: uint64(want), Purged: 500}) {
				t.Errorf("%s: got %d requests, want %d; %+v", header, e.requests(), want, *p.Counters())
			}
		})
	}
}

func TestWhatFailsIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &edge{answer: func(n int) (int, string) { return []int{0, 503, 429, 200}[min(n, 3)], map[int]string{2: "30"}[n] }}
		p, log := purger(t, e, Options{URL: "http://127.0.0.1/", Header: "xkey"})
		p.Dropped(cache.Invalidation{Digests: tags(0, 2)})
		time.Sleep(time.Second / 2)
		p.Dropped(cache.Invalidation{Digests: tags(1, 3)})
		time.Sleep(time.Hour)
		p.Close(t.Context())
		if e.requests() != 4 || e.seen[3].Header.Get("xkey") != strings.Join(tags(0, 3), " ") {
			t.Fatalf("got %d requests", e.requests())
		}
		if first, asked := e.at[1].Sub(e.at[0]), e.at[3].Sub(e.at[2]); first > firstPause || first < firstPause/2 || asked < 30*time.Second || asked > 31*time.Second {
			t.Errorf("it was sent again after %s, and after %s where 30 s were asked for", first, asked)
		}
		if want := (Counters{Sent: 1, Failed: 3, Purged: 3}); *p.Counters() != want {
			t.Errorf("got %+v, want %+v", p.Counters(), want)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Contains(log.String(), "127.0.0.1") {
			t.Errorf("got %d lines:\n%s", lines, log)
		}
	})
}

func TestTheTokenIsForOneHost(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 307, 308} {
		synctest.Test(t, func(t *testing.T) {
			e := &edge{answer: func(int) (int, string) { return status, "" }}
			p, log := purger(t, e, Options{URL: "https://edge.example/", Header: "Surrogate-Key", Token: func() string { return "secret-token" }})
			p.Dropped(cache.Invalidation{Digests: tags(0, 1)})
			time.Sleep(10 * time.Second)
			p.Close(t.Context())
			for _, r := range e.seen {
				if r.URL.Host != "edge.example" {
					t.Errorf("%d: %s got a request", status, r.URL.Host)
				}
			}
			if p.Counters().Failed == 0 || strings.Contains(log.String(), "secret-token") || strings.Contains(log.String(), "edge.example") {
				t.Errorf("%d: %+v %s", status, p.Counters(), log)
			}
		})
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &edge{answer: func(int) (int, string) { return http.StatusServiceUnavailable, "" }}
		p, _ := purger(t, e, Options{URL: "http://127.0.0.1/", Header: "xkey"})
		p.Dropped(cache.Invalidation{Digests: tags(0, 2*maxPending)})
		time.Sleep(time.Minute)
		if c := p.Counters(); c.Pending > maxPending || c.Pending < maxPending-200 || c.Lost != maxPending {
			t.Errorf("got %+v", c)
		}
	})
}

func TestClosingSendsWhatIsLeft(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 503} {
		synctest.Test(t, func(t *testing.T) {
			e := &edge{answer: func(int) (int, string) { return status, "" }}
			p, _ := purger(t, e, Options{URL: "http://127.0.0.1/", Header: "xkey"})
			p.Dropped(cache.Invalidation{Digests: tags(0, 3)})
			began := time.Now()
			p.Close(t.Context())
			c := p.Counters()
			if e.requests() != 1 || c.Pending != 0 || c.Purged+c.Lost != 3 || time.Since(began) > 0 {
				t.Errorf("%d: got %d requests, %+v after %s", status, e.requests(), c, time.Since(began))
			}
			p.Dropped(cache.Invalidation{Digests: tags(3, 4)})
			p.Close(t.Context())
		})
	}
}

func TestTagsAreWhatDropsName(t *testing.T) {
	t.Parallel()
	c, err := cache.New(cache.Options{TTL: time.Hour, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var dropped []string
	c.Watch(func(d cache.Invalidation) { dropped = append(dropped, d.Digests...) })
	list := cache.NewTagger("scope").Tag("clients")
	c.DropTags(t.Context(), list)
	for _, header := range []Header{"Cache-Tag", "xkey"} {
		if got := (Tags{Header: header}).Value([]cache.Tag{list}); !slices.Equal([]string{got}, dropped) {
			t.Errorf("got %q for what a drop names %q", got, dropped)
		}
	}
}

func TestTooManyTagsAreOne(t *testing.T) {
	t.Parallel()
	whole := cache.NewTagger("scope").Tag("clients")
	for header, separator := range map[Header]string{"Cache-Tag": ",", "Edge-Cache-Tag": ",", "Surrogate-Key": " ", "xkey": " "} {
		for n, all := range map[int]bool{1: true, 496: true, 497: false, 5000: false} {
			var list []cache.Tag
			var want []string
			for i := range n {
				list = append(list, cache.Tag("label:"+tag(i)))
				want = append(want, tag(i))
			}
			if !all {
				want = []string{text(whole)}
			}
			got := Tags{Header: header, Whole: whole}.Value(list)
			if diff := cmp.Diff(strings.Join(want, separator), got); diff != "" || len(got) > 16<<10 {
				t.Errorf("%s, %d tags: %d bytes %s", header, n, len(got), diff)
			}
		}
	}
}
