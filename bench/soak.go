package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/learngraph/learngraph/upstream/http1"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

func init() { parts["soak"] = benchSoak }

const (
	soakTTL   = time.Second
	soakStale = 4 * time.Second
	// soakRate is each backend's limit, and the budget that keeps to it.
	soakRate  = "100/2s"
	soakCalls = 100
	soakPer   = 2 * time.Second
	// soakOperation and soakCall bound an operation and a call; some faults last until then.
	soakOperation = 3 * time.Second
	soakCall      = time.Second
	soakRecovery  = time.Minute
	soakReaders   = 8
	soakWriters   = 3
	// strangerPause keeps the writes that go past the gateway within the 5 % of each limit that it holds back.
	strangerPause = 600 * time.Millisecond
	// soakGoroutines and soakHeap bound the rest after a run: goroutines, and the heap as a multiple of the settled one.
	soakGoroutines = 5
	soakHeap       = 1.2
)

// benchSoak reads and writes through the whole data layer while the backends fail at intervals and Redis restarts, and
// compares every answer with the writes.
func benchSoak(quick bool) ([]row, error) {
	length, settled := time.Minute, 20*time.Second
	if quick {
		length, settled = 6*time.Second, 3*time.Second
	}
	s, err := newSoak()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.warm(); err != nil {
		return nil, err
	}
	s.atStart = s.goroutines()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.breakBackends(ctx) })
	wg.Go(func() { s.restartRedis(ctx) })
	wg.Go(func() { s.writeAtBackend(ctx) })
	for range soakReaders {
		wg.Go(func() { s.loop(ctx, s.read) })
	}
	for range soakWriters {
		wg.Go(func() { s.loop(ctx, s.write) })
	}
	wg.Go(func() {
		if rest(ctx, settled) {
			s.atSettled = s.heap()
		}
	})
	wg.Wait()
	s.backends.ClearFaults()
	if err := errors.Join(s.failure(), s.redis.restart()); err != nil {
		return nil, err
	}
	// Longer than any answer is kept, and than a breaker stays open.
	rest(context.Background(), soakTTL+soakStale+3*time.Second)
	s.recover()
	s.atEnd = s.goroutines()
	lost, err := s.lostWrites()
	if err != nil {
		return nil, err
	}
	return s.rows(lost, s.heap())
}

// recover waits until the probes have closed every circuit: they come ever more rarely to a backend that went on
// failing.
func (s *soak) recover() {
	ctx, cancel := context.WithTimeout(context.Background(), soakRecovery)
	defer cancel()
	open := func(c *upstream.Client) bool {
		return slices.ContainsFunc(c.Status().Circuits, func(k upstream.CircuitStatus) bool { return k.Open })
	}
	for slices.ContainsFunc(s.clients, open) && rest(ctx, 100*time.Millisecond) {
	}
}

// rest waits; it is false if ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// soak is the wired program, its backends and the results so far.
type soak struct {
	backends  *emulator.Emulator
	transport *http1.Transport
	redis     *soakRedis
	cache     *cache.Cache
	clients   []*upstream.Client
	embed     *coassemble.Client
	mattr     *mattr.Client
	gateway   *gateway.Gateway

	records map[string]*record // by type and key
	mine    []*record          // written through the gateway
	others  []*record          // written past it
	queries []string

	// turn is held by every operation, and alone by who measures.
	turn sync.RWMutex

	reads, shown, untrue, forgotten, writes, acknowledged, failed, partly atomic.Int64
	worst                                                                 atomic.Int64 // nanoseconds past the bound

	mu     sync.Mutex
	codes  map[string]int
	errs   []error
	first  string // the first wrong answer, and the right one
	called int
	denied int

	atStart, atEnd int
	atSettled      float64
}

func newSoak() (*soak, error) {
	budgets, most := map[emulator.Backend][]emulator.Limit{}, []emulator.Limit{{Count: soakCalls, Window: soakPer}}
	for _, b := range []emulator.Backend{emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR} {
		budgets[b] = most
	}
	s := &soak{codes: map[string]int{},
		backends: emulator.New(emulator.Options{Clients: 8, CoursesPerClient: 2, LearningPathsPerClient: 1,
			UsersPerClient: 4, Linked: true, Limits: budgets, Latency: 3 * time.Millisecond})}
	s.transport = s.backends.Transport()
	var err error
	if s.redis, err = startRedis(); err != nil {
		return nil, err
	}
	s.cache, err = cache.New(cache.Options{TTL: soakTTL, Stale: soakStale, Negative: soakTTL, Memory: 8 << 20,
		Coalesce: true, Redis: &cache.RedisOptions{URL: "redis://" + s.redis.address, Timeout: 20 * time.Millisecond},
		Classify: soakReason, Version: "soak"})
	if err != nil {
		return nil, err
	}
	o := resolvers.Options{Options: datasource.Options{Link: datasource.Link{Client: "id", User: "subjectId"},
		Cache: s.cache, Scopes: map[upstream.Backend]string{upstream.ThoughtIndustries: "1", upstream.Coassemble: "2",
			upstream.MATTR: "3"}}}
	if err := s.wire(&o); err != nil {
		return nil, err
	}
	root := resolvers.New(o)
	s.gateway = gateway.New(gateway.Options{
		Schema: graph.NewEngine(graph.Config{Resolvers: root}), Limits: limits.Default(), Timeout: soakOperation,
		Operation: func(ctx context.Context) context.Context {
			return root.WithOperation(upstream.WithOperation(ctx, "", upstream.DefaultCalls, 64<<20))
		},
		Log: slog.New(slog.DiscardHandler), Answers: responses.NewSpace(s.cache, "4"),
	})
	s.enroll()
	return s, nil
}

// soakReason returns the reason for a stale answer after a failure, as the program does.
func soakReason(err error) cache.Reason {
	switch upstream.KindOf(err) {
	case upstream.Invalid, upstream.NotConfigured, upstream.Canceled:
		return ""
	case upstream.RateLimited:
		return cache.OverBudget
	}
	return cache.Failed
}

func (s *soak) wire(o *resolvers.Options) error {
	rates, err := upstream.ParseRates(soakRate)
	if err != nil {
		return err
	}
	tokens, err := mattr.NewTokenSource(mattr.TokenOptions{URL: "https://auth.example/oauth/token",
		ClientID: emulator.ClientID, ClientSecret: emulator.ClientSecret, Audience: emulator.Audience, Transport: s.transport,
		Timeout: soakCall})
	if err != nil {
		return err
	}
	client := func(b upstream.Backend, base string, concurrency int, a upstream.Authorizer) (*upstream.Client, error) {
		shared := []cache.SharedRate{{Count: rates[0].Usable(), Per: rates[0].Per}}
		c, err := upstream.New(upstream.Options{Backend: b, BaseURL: base, Authorizer: a, Transport: s.transport,
			Timeout: soakCall, OperationTimeout: soakOperation, Concurrency: concurrency, Rates: rates,
			Budget: cache.NewWindow(s.cache, string(b), shared, 1), MaxBody: 4 << 20})
		if err == nil {
			s.clients = append(s.clients, c)
		}
		return c, err
	}
	catalogue, err1 := client(upstream.ThoughtIndustries, "https://catalogue.example", 5,
		upstream.Header("Authorization", "Bearer "+emulator.APIKey))
	users, err2 := client(upstream.Coassemble, "https://embed.example/api", 10,
		upstream.Header("Authorization", emulator.Authorization))
	identities, err3 := client(upstream.MATTR, "https://tenant.example", 20, tokens)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.embed, s.mattr = coassemble.New(users), mattr.New(identities, "/core/v1")
	o.ThoughtIndustries = thoughtindustries.New(catalogue,
		thoughtindustries.Shapes{Client: model.Shapes.Client, Aggregation: model.Shapes.Aggregation})
	o.Coassemble, o.MATTR = s.embed, s.mattr
	return nil
}

func (s *soak) close() {
	for _, c := range s.clients {
		c.Close()
	}
	_ = s.cache.Close()
	s.backends.Close()
	s.redis.stop()
}

// soakNested asks for the records of a client at the three backends, each with the name of its type and its key.
const soakNested = "name courses { nodes { title } } embed { __typename sourceId metadata } " +
	"users(first: 10) { nodes { __typename sourceId name identity { __typename sourceId claims } } }"

// enroll makes a record of every object that is written and the queries that show them.
func (s *soak) enroll() {
	s.records = map[string]*record{}
	ask := func(format string, args ...any) {
		s.queries = append(s.queries, fmt.Sprintf("{ "+format+" }", args...))
	}
	for i, c := range s.backends.Clients() {
		s.enter("EmbedClient", c.Identifier, "updateEmbedClient", `metadata: $v`, false)
		ask("embedClient(by: {sourceId: %q}) { __typename sourceId metadata }", c.Identifier)
		ask("client(by: {sourceId: %q}) { %s }", c.ID, soakNested)
		for n, u := range s.backends.Users(c.Identifier) {
			s.enter("User", u.Identifier, "updateUser", `name: $v`, (i+n)%4 == 0)
			ask("user(by: {sourceId: %q}) { __typename sourceId name }", u.Identifier)
			s.enter("Identity", u.IdentityID, "updateIdentity", fmt.Sprintf(
				`claims: $v, authenticationProvider: {providerId: %q, subjectId: %q}`, emulator.ProviderID, u.Identifier), false)
			ask("identity(by: {sourceId: %q}) { __typename sourceId claims }", u.IdentityID)
		}
	}
	ask("users(first: 20) { nodes { __typename sourceId name } }")
	ask("embedClients { nodes { __typename sourceId metadata } }")
	ask("identities(first: 50) { nodes { __typename sourceId claims } }")
	ask("clients(first: 5) { nodes { %s } }", soakNested)
}

func (s *soak) enter(kind, key, field, value string, elsewhere bool) {
	r := &record{kind: kind, key: key, atBackend: elsewhere,
		mutation: fmt.Sprintf(`mutation($v: %s) { w: %s(input: {by: {sourceId: %q}, %s}) { userErrors { code } } }`,
			map[bool]string{true: "String", false: "JSON!"}[kind == "User"], field, key, value)}
	s.records[kind+" "+key] = r
	if elsewhere {
		s.others = append(s.others, r)
	} else {
		s.mine = append(s.mine, r)
	}
}

// warm fails unless every query is answered without an error while nothing is wrong.
func (s *soak) warm() error {
	for i, q := range s.queries {
		if a, err := s.send(q, nil); err != nil || len(a.Errors) > 0 {
			return fmt.Errorf("query %d is not answered: %w %+v", i, cmp.Or(err, errors.New("errors in the answer")), a.Errors)
		}
		rest(context.Background(), soakPer/soakCalls*3)
	}
	return nil
}

// record is an object whose versions are numbered, as writes make them.
type record struct {
	kind, key, mutation string
	atBackend           bool

	writing sync.Mutex // held for one write at a time

	mu       sync.Mutex
	versions []version // number 1 first
}

type version struct{ sent, acknowledged time.Time }

func (r *record) begin() (number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = append(r.versions, version{sent: time.Now()})
	return len(r.versions)
}

func (r *record) acknowledge(number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[number-1].acknowledged = time.Now()
}

// variables show the version: as a user's name, or within an object.
func (r *record) variables(version string) map[string]any {
	if r.kind == "User" {
		return map[string]any{"v": version}
	}
	return map[string]any{"v": map[string]string{"version": version}}
}

// replaced is when it was sure that a version no longer holds, which is when a later one was acknowledged.
func (r *record) replaced(number int) (at time.Time, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := number; i < len(r.versions); i++ {
		if a := r.versions[i].acknowledged; !a.IsZero() && (at.IsZero() || a.Before(at)) {
			at, by = a, i+1
		}
	}
	return at, by
}

// numberOf is the version that a value shows; that of the initial catalogue is 0.
func numberOf(value any) int {
	if object, ok := value.(map[string]any); ok {
		value = object["version"]
	}
	text, _ := value.(string)
	n, err := strconv.Atoi(strings.TrimPrefix(text, "v"))
	if err != nil {
		return 0
	}
	return n
}

type soakAnswer struct {
	Data   any
	Errors []struct {
		Extensions struct{ Code string }
	}
}

func (s *soak) send(query string, variables map[string]any) (soakAnswer, error) {
	var a soakAnswer
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return a, err
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.gateway.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		return a, fmt.Errorf("status %d is no answer: %w", w.Code, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range a.Errors {
		s.codes[e.Extensions.Code]++
	}
	return a, nil
}

// loop does one thing after the other; ctx ends it, and never an operation under way.
func (s *soak) loop(ctx context.Context, do func()) {
	for rest(ctx, time.Duration(rand.Int64N(int64(20*time.Millisecond)))) {
		s.turn.RLock()
		do()
		s.turn.RUnlock()
	}
}

func (s *soak) read() {
	asked := time.Now()
	a, err := s.send(s.queries[rand.IntN(len(s.queries))], nil)
	if err != nil {
		s.fail(err)
		return
	}
	s.reads.Add(1)
	if len(a.Errors) > 0 {
		s.partly.Add(1)
	}
	s.check(a.Data, asked)
}

// check compares every object of an answer with its record.
func (s *soak) check(v any, asked time.Time) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			s.check(e, asked)
		}
	case map[string]any:
		if r := s.records[fmt.Sprint(v["__typename"], " ", v["sourceId"])]; r != nil {
			s.checkRecord(r, v[map[string]string{"User": "name", "EmbedClient": "metadata", "Identity": "claims"}[r.kind]],
				asked)
		}
		for _, e := range v {
			s.check(e, asked)
		}
	}
}

func (s *soak) checkRecord(r *record, value any, asked time.Time) {
	if value == nil {
		return
	}
	s.shown.Add(1)
	number := numberOf(value)
	replaced, by := r.replaced(number)
	if replaced.IsZero() || !replaced.Before(asked) {
		return
	}
	age := asked.Sub(replaced)
	if !r.atBackend {
		s.forgotten.Add(1)
		s.note(fmt.Sprintf("%s showed version %d, %v after version %d was acknowledged here", r.kind, number, age, by))
	}
	if past := age - soakTTL - soakStale; past > 0 {
		s.untrue.Add(1)
		s.note(fmt.Sprintf("%s showed version %d, %v after version %d was acknowledged", r.kind, number, age, by))
		for worst := s.worst.Load(); int64(past) > worst &&
			!s.worst.CompareAndSwap(worst, int64(past)); worst = s.worst.Load() {
		}
	}
}

func (s *soak) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = cmp.Or(s.first, text)
}

func (s *soak) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *soak) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs[:min(len(s.errs), 5)]...)
}

// write sends the next version of one object; it is acknowledged where the answer holds no error at all.
func (s *soak) write() {
	r := s.mine[rand.IntN(len(s.mine))]
	r.writing.Lock()
	defer r.writing.Unlock()
	number := r.begin()
	s.writes.Add(1)
	a, err := s.send(r.mutation, r.variables(fmt.Sprint("v", number)))
	if err != nil {
		s.fail(err)
		return
	}
	var data struct {
		W *struct{ UserErrors []struct{ Code string } }
	}
	text, _ := json.Marshal(a.Data)
	if json.Unmarshal(text, &data) != nil || len(a.Errors) > 0 || data.W == nil || len(data.W.UserErrors) > 0 {
		s.failed.Add(1)
		return
	}
	r.acknowledge(number)
	s.acknowledged.Add(1)
}

// writeAtBackend changes users past the gateway, as somebody in the vendor's own tools does.
func (s *soak) writeAtBackend(ctx context.Context) {
	for rest(ctx, strangerPause) {
		s.turn.RLock()
		r := s.others[rand.IntN(len(s.others))]
		number := r.begin()
		if s.put(ctx, r.key, fmt.Sprint("v", number)) {
			r.acknowledge(number)
		}
		s.turn.RUnlock()
	}
}

// put is true where the backend shows the name that it was sent.
func (s *soak) put(ctx context.Context, user, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, soakCall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut,
		"https://embed.example/api/v1/headless/user/"+url.PathEscape(user), strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		s.fail(err)
		return false
	}
	req.Header.Set("Authorization", emulator.Authorization)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var shown struct{ Name string }
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&shown) == nil && shown.Name == name
}

// breakBackends lets one or two faults come and go. A fault that answers 200 carries the write out: a backend that
// reports success falsely loses writes in any case.
func (s *soak) breakBackends(ctx context.Context) {
	routes := []string{"", "coassemble", "mattr", "thoughtindustries", "PUT /v1/headless/user/{identifier}",
		"POST /oauth/token"}
	kinds := []emulator.FaultKind{emulator.FaultStatus, emulator.FaultReset, emulator.FaultHangHeaders,
		emulator.FaultHangBody, emulator.FaultTruncated, emulator.FaultInvalidJSON, emulator.FaultHTML, emulator.FaultEmpty,
		emulator.FaultContentType, emulator.FaultRedirect, emulator.FaultExpiredToken, emulator.FaultErrors200}
	statuses := []int{400, 403, 408, 409, 429, 500, 502, 503, 504}
	for on := false; rest(ctx, time.Duration(500+rand.IntN(1500))*time.Millisecond); on = !on {
		s.backends.ClearFaults()
		if on {
			continue
		}
		for range 1 + rand.IntN(2) {
			f := emulator.Fault{Kind: kinds[rand.IntN(len(kinds))], Probability: []float64{0.2, 0.5, 1}[rand.IntN(3)]}
			if f.Kind == emulator.FaultStatus {
				f.Status = statuses[rand.IntN(len(statuses))]
			}
			if f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable {
				f.RetryAfter = "1"
			}
			f.Applied = f.Kind != emulator.FaultStatus && f.Kind != emulator.FaultExpiredToken &&
				f.Kind != emulator.FaultRedirect || f.Status >= 500 && rand.IntN(2) == 0
			s.backends.SetFault(routes[rand.IntN(len(routes))], f)
		}
	}
}

func (s *soak) restartRedis(ctx context.Context) {
	for rest(ctx, time.Duration(500+rand.IntN(4000))*time.Millisecond) {
		s.redis.stop()
		if rand.IntN(2) == 0 {
			rest(ctx, time.Duration(rand.IntN(3000))*time.Millisecond)
		}
		if err := s.redis.start(); err != nil {
			s.fail(err)
			return
		}
	}
}

// heap is the live memory after a collection, in bytes, while no operation runs. The calls that the emulator recorded
// are counted and forgotten.
func (s *soak) heap() float64 {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.called += len(s.backends.Calls())
	for _, b := range []emulator.Backend{emulator.ThoughtIndustries, emulator.Coassemble, emulator.MATTR} {
		s.denied += s.backends.Refused(b)
	}
	s.backends.Reset()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// goroutines counts them without those of idle connections, of which there may be as many as there were calls at once.
func (s *soak) goroutines() int {
	s.transport.CloseIdleConnections()
	rest(context.Background(), time.Second)
	return runtime.NumGoroutine()
}

// lostWrites counts the objects whose backend holds something older than the last acknowledged write.
func (s *soak) lostWrites() (lost int, err error) {
	for _, r := range slices.Concat(s.mine, s.others) {
		value, err := s.held(r)
		if err != nil {
			return 0, fmt.Errorf("the backend does not tell what it holds: %w", err)
		}
		number := numberOf(value)
		if at, by := r.replaced(number); !at.IsZero() {
			lost++
			s.note(fmt.Sprintf("the backend holds version %d of a %s of which version %d was acknowledged", number, r.kind, by))
		}
	}
	return lost, nil
}

// held is the backend's own record, read past every cache.
func (s *soak) held(r *record) (value any, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var text json.RawMessage
	switch r.kind {
	case "User":
		u, _, err := s.embed.User(ctx, r.key)
		if err != nil {
			return nil, err
		}
		name, err := u.Name()
		if err != nil || name == nil {
			return nil, err
		}
		return *name, nil
	case "EmbedClient":
		c, _, err := s.embed.Client(ctx, r.key)
		if err != nil {
			return nil, err
		}
		if text, err = c.Metadata(); err != nil {
			return nil, err
		}
	default:
		i, _, err := s.mattr.Identity(ctx, r.key)
		if err != nil {
			return nil, err
		}
		if text, err = i.Claims(); err != nil {
			return nil, err
		}
	}
	return value, json.Unmarshal(text, &value)
}

func (s *soak) rows(lost int, heap float64) ([]row, error) {
	shown, acknowledged := s.shown.Load(), s.acknowledged.Load()
	if shown == 0 || acknowledged == 0 || s.called == 0 || s.atSettled == 0 {
		return nil, errors.New("nothing was measured")
	}
	share := func(bad, of int64) float64 { return 1 - float64(bad)/float64(of) }
	counters := s.cache.Counters()
	objects := int64(len(s.mine) + len(s.others))
	return []row{
		{Work: "values that were true within TTL and stale, share", Got: share(s.untrue.Load(), shown), Target: 1,
			AtLeast: true, Required: true, Detail: fmt.Sprintf("%d of %d were not, by %v at most. %s", s.untrue.Load(), shown,
				time.Duration(s.worst.Load()), s.first)},
		{Work: "values no older than the last write through this process, share", Got: share(s.forgotten.Load(), shown),
			Target: 1, AtLeast: true, Required: true, Detail: fmt.Sprintf("%d of %d were older", s.forgotten.Load(), shown)},
		{Work: "objects that kept their acknowledged writes, share", Got: share(int64(lost), objects), Target: 1,
			AtLeast: true, Required: true, Detail: fmt.Sprintf("%d of %d lost one; %d writes, %d acknowledged, %d not", lost,
				objects, s.writes.Load(), acknowledged, s.failed.Load())},
		{Work: "calls within the backends' limits, share", Got: share(int64(s.denied), int64(s.called)), Target: 1,
			AtLeast: true, Required: true, Detail: fmt.Sprintf("%d of %d refused", s.denied, s.called)},
		{Work: "goroutines left after idling", Got: float64(max(s.atEnd-s.atStart, 0)), Target: soakGoroutines,
			Required: true, Detail: fmt.Sprintf("%d at the start, %d after", s.atStart, s.atEnd)},
		{Work: "live heap, of that when settled", Got: heap / s.atSettled, Target: soakHeap, Required: true,
			Detail: fmt.Sprintf("%.1f MiB, then %.1f MiB", s.atSettled/(1<<20), heap/(1<<20))},
		{Work: "reads", Got: float64(s.reads.Load()),
			Detail: fmt.Sprintf("%d with an error; %v; Redis (%s) away %d times, %d rounds failed",
				s.partly.Load(), s.codes, s.redis.kind(), counters.Redis.Outages, counters.Redis.Errors)},
	}, nil
}

// soakRedis is a redis-server on a fixed port that forgets everything when it restarts, or miniredis where there is
// none on the PATH.
type soakRedis struct {
	address, path string

	mu  sync.Mutex
	end func() // nil while it is stopped
}

func startRedis() (*soakRedis, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &soakRedis{address: l.Addr().String()}
	_ = l.Close()
	r.path, _ = exec.LookPath("redis-server")
	return r, r.start()
}

func (r *soakRedis) kind() string {
	if r.path == "" {
		return "miniredis"
	}
	return "redis-server"
}

func (r *soakRedis) restart() error {
	r.stop()
	return r.start()
}

func (r *soakRedis) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil {
		r.end()
		r.end = nil
	}
}

func (r *soakRedis) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" {
		return r.startMini()
	}
	_, port, _ := net.SplitHostPort(r.address)
	cmd := exec.Command(r.path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		return err
	}
	r.end = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return nil
}

// startMini lets keys expire, which miniredis does only when its clock is moved.
func (r *soakRedis) startMini() error {
	const tick = 50 * time.Millisecond
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr(r.address); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for rest(ctx, tick) {
			mini.FastForward(tick)
		}
	})
	r.end = func() {
		cancel()
		wg.Wait()
		mini.Close()
	}
	return nil
}
