package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

func init() { parts["cache"] = benchCache }

// facadeWork is a query and what share of the floor's rate a warm answer to it should reach.
type facadeWork struct {
	name, query string
	target      float64
}

func facadeWorks(e *emulator.Emulator) []facadeWork {
	user := e.Users(e.Clients()[0].Identifier)[0].Identifier
	return []facadeWork{
		{"nested query", `{ clients(first: 1) { nodes { name courses(first: 1) { totalCount nodes { title priceInCents } } users(first: 1) { nodes { name credentials { nodes { type } } } } } } }`, 0.5},
		{"fan-out", `{ clients { nodes { name users { nodes { name identity { sourceId } credentials { nodes { type } } } } } } }`, 0.5},
		{"single user", fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user), 0.7},
	}
}

// facadeMode is how the facade is set up for a measurement.
type facadeMode struct {
	name        string
	latency     time.Duration // of the backends
	ttl         time.Duration
	coalesce    bool
	connections []int
}

// benchCache compares the facade over the emulated backends with a bare handler that reads the request and writes the
// same bytes, both over loopback in this process, which also is the client: CPU counts all of it, also where it is the
// emulator's.
func benchCache(quick bool) ([]row, error) {
	modes := []facadeMode{
		{name: "warm", ttl: time.Hour, coalesce: true, connections: []int{1, 32}},
		{name: "cold", connections: []int{1, 32}},
		{name: "cold, 5 ms", latency: 5 * time.Millisecond, connections: []int{1, 32}},
		{name: "shared in flight, 5 ms", latency: 5 * time.Millisecond, coalesce: true, connections: []int{32}},
	}
	var rows []row
	for _, m := range modes {
		got, err := measureMode(m, quick)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func measureMode(m facadeMode, quick bool) (rows []row, err error) {
	f, err := newFacade(m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	address, stop, err := listen(f.handler)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, w := range facadeWorks(f.backends) {
		for _, n := range m.connections {
			r, err := f.against(address, w, n, quick)
			if err != nil {
				return nil, err
			}
			r.Work = fmt.Sprintf("%s, %s, %d connections, rate of the floor's", w.name, m.name, n)
			if m.ttl > 0 {
				r.Target, r.AtLeast = w.target, true
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// against measures the facade and the floor in alternating rounds and takes the best of each.
func (f *facade) against(address string, w facadeWork, connections int, quick bool) (row, error) {
	request := post(w.query)
	recorded, err := f.answer(w.query)
	if err != nil {
		return row{}, err
	}
	floor, stop, err := listen(floorOf(recorded))
	if err != nil {
		return row{}, err
	}
	defer stop()
	rounds, period := 3, 400*time.Millisecond
	if quick {
		rounds, period = 1, 0
	}
	var best [2]volley
	var calls float64
	for range rounds {
		for i, address := range []string{address, floor} {
			before := f.calls.Load()
			v, err := fire(address, request, connections, period)
			if err != nil {
				return row{}, err
			}
			if v.rate > best[i].rate {
				best[i] = v
				if i == 0 {
					calls = float64(f.calls.Load()-before) / float64(v.answers)
				}
			}
		}
	}
	return row{Got: best[0].rate / best[1].rate,
		Detail: fmt.Sprintf("%v, %.3g calls, %d bytes; floor %v", best[0], calls, recorded.Body.Len(), best[1])}, nil
}

// facade is the gateway with everything behind it.
type facade struct {
	backends *emulator.Emulator
	handler  http.Handler
	cache    *cache.Cache
	clients  []*upstream.Client
	calls    atomic.Int64
}

func newFacade(m facadeMode) (*facade, error) {
	f := &facade{backends: emulator.New(emulator.Options{Linked: true, ProviderInList: true, Latency: m.latency})}
	var err error
	if f.cache, err = cache.New(cache.Options{TTL: m.ttl, Memory: 128 << 20, Coalesce: m.coalesce, Version: "bench"}); err != nil {
		return nil, err
	}
	o := resolvers.Options{Link: resolvers.Link{Client: "id", User: "subjectId"}, Cache: f.cache,
		Scopes: map[upstream.Backend]string{upstream.ThoughtIndustries: "1", upstream.Coassemble: "2", upstream.MATTR: "3"}}
	if err := f.wire(&o); err != nil {
		return nil, errors.Join(err, f.close())
	}
	root := resolvers.New(o)
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	gw := gateway.New(gateway.Options{Schema: graph.NewEngine(graph.Config{Resolvers: root}), Limits: gateway.DefaultLimits(),
		Timeout: time.Minute, Log: log, Operation: func(ctx context.Context) context.Context { return root.WithOperation(ctx) },
		CompressAbove: gateway.DefaultCompressAbove, Cost: gateway.CostOptions{Max: gateway.DefaultMaxCost},
		Answers: gateway.NewAnswers(f.cache, "answers")})
	f.handler = gateway.WithRequestID(gateway.WithAccessLog(log, gw))
	return f, nil
}

// countingTransport counts the calls of the backends, without those for tokens.
type countingTransport struct {
	http.RoundTripper
	calls *atomic.Int64
}

func (t countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.calls.Add(1)
	return t.RoundTripper.RoundTrip(r)
}

func (f *facade) wire(o *resolvers.Options) error {
	transport := f.backends.Transport()
	tokens, err := mattr.NewTokenSource(mattr.TokenOptions{URL: "https://auth.example/oauth/token", ClientID: emulator.ClientID,
		ClientSecret: emulator.ClientSecret, Audience: emulator.Audience, Transport: transport})
	if err != nil {
		return err
	}
	client := func(b upstream.Backend, base string, concurrency int, a upstream.Authorizer) *upstream.Client {
		c, failed := upstream.New(upstream.Options{Backend: b, BaseURL: base, Authorizer: a, Timeout: 20 * time.Second,
			Transport: countingTransport{transport, &f.calls}, Concurrency: concurrency})
		if failed == nil {
			f.clients = append(f.clients, c)
		}
		err = errors.Join(err, failed)
		return c
	}
	catalogue := client(upstream.ThoughtIndustries, "https://catalogue.example", 5, upstream.Header("Authorization", "Bearer "+emulator.APIKey))
	users := client(upstream.Coassemble, "https://embed.example/api", 10, upstream.Header("Authorization", emulator.Authorization))
	identities := client(upstream.MATTR, "https://tenant.example", 20, tokens)
	if err != nil {
		return err
	}
	o.ThoughtIndustries = thoughtindustries.New(catalogue, thoughtindustries.Shapes{Client: model.Shapes.Client, Aggregation: model.Shapes.Aggregation})
	o.Coassemble, o.MATTR = coassemble.New(users), mattr.New(identities, "/core/v1")
	return nil
}

func (f *facade) close() error {
	for _, c := range f.clients {
		c.Close()
	}
	f.backends.Close()
	return f.cache.Close()
}

// answer asks twice, so that what can be warm is.
func (f *facade) answer(query string) (*httptest.ResponseRecorder, error) {
	var w *httptest.ResponseRecorder
	for range 2 {
		w = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", strings.NewReader(queryBody(query)))
		r.Header.Set("Content-Type", "application/json")
		f.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"errors":`) {
			return nil, fmt.Errorf("status %d, %.200s", w.Code, w.Body)
		}
	}
	return w, nil
}

// floorOf is the least that any server does: it reads the request and writes the recorded bytes.
func floorOf(recorded *httptest.ResponseRecorder) http.Handler {
	text, media := recorded.Body.Bytes(), recorded.Header().Get("Content-Type")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(text)
	})
}

func listen(h http.Handler) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	return l.Addr().String(), func() { _ = srv.Close() }, nil
}

func queryBody(query string) string { return fmt.Sprintf(`{"query":%q}`, query) }

func post(query string) []byte {
	body := queryBody(query)
	return fmt.Appendf(nil, "POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// volley is what many requests over some connections gave.
type volley struct {
	answers       int
	rate          float64 // answers a second
	p50, p99, cpu time.Duration
}

func (v volley) String() string {
	return fmt.Sprintf("%.0f/s p50 %v p99 %v CPU %v", v.rate, v.p50.Round(time.Microsecond), v.p99.Round(time.Microsecond), v.cpu.Round(time.Microsecond))
}

// fire sends the request over each connection again and again for a period, at least once.
func fire(address string, request []byte, connections int, period time.Duration) (volley, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		waits []time.Duration
		errs  []error
	)
	cpu, start := processCPU(), time.Now()
	for range connections {
		wg.Go(func() {
			took, err := fireOne(address, request, start.Add(period))
			mu.Lock()
			defer mu.Unlock()
			waits, errs = append(waits, took...), append(errs, err)
		})
	}
	wg.Wait()
	elapsed, used := time.Since(start), processCPU()-cpu
	if err := errors.Join(errs...); err != nil {
		return volley{}, err
	}
	slices.Sort(waits)
	n := len(waits)
	return volley{answers: n, rate: float64(n) / elapsed.Seconds(), p50: waits[n/2], p99: waits[n*99/100], cpu: used / time.Duration(n)}, nil
}

func fireOne(address string, request []byte, end time.Time) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	r, body := bufio.NewReaderSize(conn, 64<<10), bytes.Buffer{}
	for len(took) == 0 || time.Now().Before(end) {
		start := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, err
		}
		body.Reset()
		if _, err := body.ReadFrom(resp.Body); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
		if resp.StatusCode != http.StatusOK || bytes.Contains(body.Bytes(), []byte(`"errors":`)) {
			return nil, fmt.Errorf("status %d, %.200s", resp.StatusCode, body.Bytes())
		}
	}
	return took, nil
}
