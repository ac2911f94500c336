package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// end is how an operation ends: its kind, the exchanges on its route and the time that it took.
type end struct {
	kind  upstream.Kind
	calls int
	took  time.Duration
}

// The kinds of operation. Renewed reads are those of MATTR, where a 401 is answered with another token.
const (
	read = iota
	replace
	remove
)

// operation is one call of a client package.
type operation struct {
	backend upstream.Backend
	route   string
	kind    int
	do      func(context.Context) error
}

// backends are the three clients over one emulator, without jitter and without rates of their own.
type backends struct {
	emulator *emulator.Emulator
	network  *network
	rest     map[upstream.Backend]*upstream.Client
	ti       *thoughtindustries.Client
	co       *coassemble.Client
	ma       *mattr.Client
}

// network can refuse connections.
type network struct {
	http.RoundTripper
	down atomic.Bool
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return n.RoundTripper.RoundTrip(r)
}

func newBackends(t *testing.T, o emulator.Options, change func(*upstream.Options)) *backends {
	t.Helper()
	b := &backends{emulator: emulator.New(o), rest: map[upstream.Backend]*upstream.Client{}}
	t.Cleanup(b.emulator.Close)
	b.network = &network{RoundTripper: b.emulator.Transport()}
	source, err := mattr.NewTokenSource(mattr.TokenOptions{
		URL: "https://auth.example/oauth/token", ClientID: emulator.ClientID, ClientSecret: emulator.ClientSecret,
		Audience: emulator.Audience, Transport: b.network,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := func(name upstream.Backend, base string, a upstream.Authorizer) *upstream.Client {
		o := upstream.Options{Backend: name, BaseURL: base, Transport: b.network, Authorizer: a, MaxBody: 1 << 20}
		if change != nil {
			change(&o)
		}
		rest, err := upstream.New(o)
		if err != nil {
			t.Fatal(err)
		}
		rest.WithoutJitter()
		t.Cleanup(rest.Close)
		b.rest[name] = rest
		return rest
	}
	b.ti = thoughtindustries.New(client(upstream.ThoughtIndustries, "https://ti.example", upstream.Header("Authorization", "Bearer "+emulator.APIKey)),
		thoughtindustries.Shapes{Client: &document.Shape{Name: "Client", Members: []document.Member{{Name: "id"}}}})
	b.co = coassemble.New(client(upstream.Coassemble, "https://coassemble.example/api", upstream.Header("Authorization", emulator.Authorization)))
	b.ma = mattr.New(client(upstream.MATTR, "https://tenant.example", source), "/core/v1")
	return b
}

// operations are every route of the three backends.
func (b *backends) operations() []operation {
	client := b.emulator.Clients()[0].Identifier
	user := b.emulator.Users(client)[0]
	name := "another"
	object := json.RawMessage(`{"a":1}`)
	ti, co, ma := upstream.ThoughtIndustries, upstream.Coassemble, upstream.MATTR
	return []operation{
		{ti, "/incoming/v2/clients", read, func(ctx context.Context) error {
			_, _, err := b.ti.Page(ctx, thoughtindustries.Query{}, 1, 5)
			return err
		}},
		{co, "/v1/headless/clients", read, func(ctx context.Context) error {
			_, _, err := b.co.Clients(ctx, 0, 5)
			return err
		}},
		{co, "/v1/headless/client/{identifier}", read, func(ctx context.Context) error { _, _, err := b.co.Client(ctx, client); return err }},
		{co, "/v1/headless/users", read, func(ctx context.Context) error {
			_, _, err := b.co.Users(ctx, "", 0, 5)
			return err
		}},
		{co, "/v1/headless/user/{identifier}", read, func(ctx context.Context) error { _, _, err := b.co.User(ctx, user.Identifier); return err }},
		{co, "/v1/headless/client/{identifier}", replace, func(ctx context.Context) error { return b.co.UpdateClient(ctx, client, object) }},
		{co, "/v1/headless/user/{identifier}", replace, func(ctx context.Context) error {
			return b.co.UpdateUser(ctx, user.Identifier, coassemble.UserUpdate{Name: &name})
		}},
		{co, "/v1/headless/client/{identifier}", remove, func(ctx context.Context) error { return b.co.DeleteClient(ctx, client) }},
		{co, "/v1/headless/user/{identifier}", remove, func(ctx context.Context) error { return b.co.DeleteUser(ctx, user.Identifier, "ignore", "") }},
		{ma, "/core/v1/users", read, func(ctx context.Context) error { _, _, err := b.ma.Identities(ctx, 5, ""); return err }},
		{ma, "/core/v1/users/search", read, func(ctx context.Context) error { _, _, err := b.ma.Search(ctx, mattr.Criteria{}, 5, ""); return err }},
		{ma, "/core/v1/users/{id}", read, func(ctx context.Context) error { _, _, err := b.ma.Identity(ctx, user.IdentityID); return err }},
		{ma, "/core/v1/users/{userId}/credentials", read, func(ctx context.Context) error {
			_, _, err := b.ma.Credentials(ctx, user.IdentityID, 5, "")
			return err
		}},
		{ma, "/core/v1/users/{id}", replace, func(ctx context.Context) error {
			return b.ma.UpdateIdentity(ctx, user.IdentityID, mattr.Update{Claims: object})
		}},
		{ma, "/core/v1/users/{id}", remove, func(ctx context.Context) error { return b.ma.DeleteIdentity(ctx, user.IdentityID) }},
	}
}

const (
	retried = 300 * time.Millisecond
	timeout = 10 * time.Second
	fine    = upstream.Unknown
)

// matrix is what each fault does to a read, a PUT that replaces and a delete.
var matrix = map[string]struct {
	fault emulator.Fault
	ends  [3]end
}{
	"reset":          {emulator.Fault{Kind: emulator.FaultReset}, lostIn(upstream.Unavailable)},
	"truncated":      {emulator.Fault{Kind: emulator.FaultTruncated}, lostIn(upstream.Unavailable)},
	"hang":           {emulator.Fault{Kind: emulator.FaultHangHeaders}, alike(end{upstream.Timeout, 1, timeout}, end{upstream.OutcomeUnknown, 1, timeout})},
	"hang in a body": {emulator.Fault{Kind: emulator.FaultHangBody}, alike(end{upstream.Timeout, 1, timeout}, end{upstream.OutcomeUnknown, 1, timeout})},
	"half a body":    {emulator.Fault{Kind: emulator.FaultInvalidJSON}, alike(end{upstream.Contract, 1, 0}, end{fine, 1, 0})},
	"markup":         {emulator.Fault{Kind: emulator.FaultHTML}, alike(end{upstream.Contract, 1, 0}, end{fine, 1, 0})},
	"empty":          {emulator.Fault{Kind: emulator.FaultEmpty}, alike(end{upstream.Contract, 1, 0}, end{fine, 1, 0})},
	"another type":   {emulator.Fault{Kind: emulator.FaultContentType}, alike(end{fine, 1, 0}, end{fine, 1, 0})},
	"huge":           {emulator.Fault{Kind: emulator.FaultHuge}, alike(end{upstream.Contract, 1, 0}, end{upstream.OutcomeUnknown, 1, 0})},
	"redirect":       {emulator.Fault{Kind: emulator.FaultRedirect}, alike(end{upstream.Contract, 1, 0}, end{upstream.Contract, 1, 0})},
	"errors":         {emulator.Fault{Kind: emulator.FaultErrors200}, alike(end{upstream.Rejected, 1, 0}, end{fine, 1, 0})},
	"expired token":  {emulator.Fault{Kind: emulator.FaultExpiredToken}, alike(end{fine, 1, 0}, end{fine, 1, 0})},
	"400":            answers(400, upstream.Invalid),
	"401":            answers(401, upstream.Rejected),
	"403":            answers(403, upstream.Rejected),
	"404":            answers(404, upstream.NotFound),
	"408":            breaking(408, upstream.Unavailable),
	"409":            answers(409, upstream.Invalid),
	"429": {emulator.Fault{Kind: emulator.FaultStatus, Status: 429},
		alike(end{upstream.RateLimited, 3, 3 * time.Second}, end{upstream.RateLimited, 3, 3 * time.Second})},
	"429 with a time": {emulator.Fault{Kind: emulator.FaultStatus, Status: 429, RetryAfter: "2"},
		alike(end{upstream.RateLimited, 3, 4 * time.Second}, end{upstream.RateLimited, 3, 4 * time.Second})},
	"500": breaking(500, upstream.Unavailable),
	"502": breaking(502, upstream.OutcomeUnknown),
	"503": breaking(503, upstream.Unavailable),
	"503 with a time": {emulator.Fault{Kind: emulator.FaultStatus, Status: 503, RetryAfter: "3"},
		[3]end{{upstream.Unavailable, 3, 6 * time.Second}, {upstream.Unavailable, 3, 6 * time.Second}, {upstream.Unavailable, 1, 0}}},
	"504": breaking(504, upstream.OutcomeUnknown),
}

type row = struct {
	fault emulator.Fault
	ends  [3]end
}

func alike(reads, writes end) [3]end { return [3]end{reads, writes, writes} }

func lostIn(k upstream.Kind) [3]end {
	return [3]end{{k, 3, retried}, {upstream.OutcomeUnknown, 3, retried}, {upstream.OutcomeUnknown, 1, 0}}
}

func answers(status int, k upstream.Kind) row {
	return row{emulator.Fault{Kind: emulator.FaultStatus, Status: status}, alike(end{k, 1, 0}, end{k, 1, 0})}
}

func breaking(status int, write upstream.Kind) row {
	return row{
		emulator.Fault{Kind: emulator.FaultStatus, Status: status},
		[3]end{{upstream.Unavailable, 3, retried}, {write, 3, retried}, {write, 1, 0}},
	}
}

// want is the end of an operation, where MATTR's tokens and its credentials without a holder make a difference.
func want(fault string, op operation, ends [3]end) end {
	w := ends[op.kind]
	switch {
	case op.backend == upstream.MATTR && fault == "401", op.backend == upstream.MATTR && fault == "expired token":
		w.calls = 2
	case fault == "404" && strings.HasSuffix(op.route, "/credentials"):
		w.kind = fine
	case fault == "404" && !strings.HasSuffix(op.route, "}"):
		w.kind = upstream.Rejected // a list
	}
	return w
}

// perform runs an operation and returns how it ended.
func perform(t *testing.T, op operation) end {
	t.Helper()
	var calls atomic.Int64
	ctx := upstream.WithObserver(t.Context(), nil, func(_ context.Context, c upstream.Call) {
		if n := int(calls.Add(1)); c.Kind != fine && c.Status != http.StatusUnauthorized && c.Retries != n-1 {
			t.Errorf("exchange %d says that it is retry %d", n, c.Retries)
		}
	})
	start := time.Now()
	err := op.do(ctx)
	return end{upstream.KindOf(err), int(calls.Load()), time.Since(start)}
}

func TestEveryFaultOnEveryRouteEndsAsItShould(t *testing.T) {
	t.Parallel()
	o := emulator.Options{Clients: 1, CoursesPerClient: 1, LearningPathsPerClient: 1, UsersPerClient: 1, Linked: true}
	routes := len(newBackends(t, o, nil).operations())
	for name, tt := range matrix {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range routes {
				// A bubble also fails if a goroutine of a call, or of a connection, is left.
				synctest.Test(t, func(t *testing.T) {
					b := newBackends(t, o, nil)
					op := b.operations()[i]
					label := fmt.Sprint(op.backend, " ", op.route, " ", op.kind)
					if op.backend == upstream.MATTR {
						if _, _, err := b.ma.Identities(t.Context(), 1, ""); err != nil { // has a token from then on
							t.Fatal(err)
						}
					}
					b.emulator.SetFault(string(op.backend), tt.fault)
					if got, want := perform(t, op), want(name, op, tt.ends); got != want {
						t.Errorf("%s: got %+v, want %+v", label, got, want)
					}
					b.recovers(t, label, op.backend)
				})
			}
		})
	}
}

// recovers checks that a backend works again when its faults are over.
func (b *backends) recovers(t *testing.T, label string, backend upstream.Backend) {
	t.Helper()
	b.emulator.ClearFaults()
	b.network.down.Store(false)
	if s := b.rest[backend].Status(); s.UnderWay != 0 || s.Waiting != 0 {
		t.Errorf("%s: left %d exchanges and %d waiting calls", label, s.UnderWay, s.Waiting)
	}
	for _, op := range b.operations() {
		if op.backend != backend {
			continue
		}
		if got := perform(t, op); got.kind != fine {
			t.Errorf("%s: afterwards %+v", label, got)
		}
		break
	}
}

func TestEveryCallThatABackendSeesIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i := range 15 {
			var counted atomic.Int64
			b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, func(o *upstream.Options) {
				o.Observer = func(upstream.Call) { counted.Add(1) }
			})
			op := b.operations()[i]
			for _, warm := range b.operations() { // a connection that was used before
				if warm.backend == op.backend && warm.kind == read {
					perform(t, warm)
				}
			}
			counted.Store(0)
			b.emulator.Reset()
			b.emulator.SetFault(string(op.backend), emulator.Fault{Kind: emulator.FaultReset})
			perform(t, op)
			if got, want := counted.Load(), int64(len(b.emulator.Calls())); got != want {
				t.Errorf("%s %d: counted %d calls of %d", op.route, op.kind, got, want)
			}
		}
	})
}

func TestARefusedConnectionIsRetriedForAnyCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i := range 15 {
			b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, nil)
			op := b.operations()[i]
			if op.backend == upstream.MATTR {
				_, _, _ = b.ma.Identities(t.Context(), 1, "")
			}
			b.network.down.Store(true)
			if got, want := perform(t, op), (end{upstream.Unavailable, 3, retried}); got != want {
				t.Errorf("%s %d: got %+v, want %+v", op.route, op.kind, got, want)
			}
			b.recovers(t, op.route, op.backend)
		}
	})
}

func TestABodyThatDripsIsTheCallsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, nil)
		for _, op := range b.operations() {
			if op.kind == remove || op.backend == upstream.ThoughtIndustries {
				continue // their answers are too short, or have a circuit of their own
			}
			b.emulator.SetFault(op.route, emulator.Fault{Kind: emulator.FaultSlowDrip, Applied: true})
			want := end{upstream.Timeout, 1, timeout}
			if op.kind == replace {
				want.kind = upstream.OutcomeUnknown
			}
			if got := perform(t, op); got != want {
				t.Errorf("%s %d: got %+v, want %+v", op.route, op.kind, got, want)
			}
			b.emulator.ClearFaults()
		}
	})
}

func TestATokenEndpointThatFailsIsNotStormed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, nil)
		b.emulator.SetFault("/oauth/token", emulator.Fault{Kind: emulator.FaultStatus, Status: 503})
		op := b.operations()[9]
		// The second try comes while the source rests, the third when it asks again.
		if got, want := perform(t, op), (end{upstream.Unavailable, 0, time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for range 50 {
			perform(t, op)
		}
		for i, calls := 1, b.emulator.Calls(); i < len(calls); i++ {
			if gap := calls[i].At.Sub(calls[i-1].At); gap < min(time.Second<<(i-1), time.Minute) {
				t.Errorf("token request %d came %v after the one before", i, gap)
			}
		}
		b.emulator.ClearFaults()
		time.Sleep(time.Minute)
		if got := perform(t, op); got.kind != fine || got.calls != 1 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestWithoutATokenNothingIsSentOnAnyRoute(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		fault emulator.Fault
		want  upstream.Kind
	}{
		"down":     {emulator.Fault{Kind: emulator.FaultReset}, upstream.Unavailable},
		"failing":  {emulator.Fault{Kind: emulator.FaultStatus, Status: 503}, upstream.Unavailable},
		"refusing": {emulator.Fault{Kind: emulator.FaultStatus, Status: 401}, upstream.Rejected},
		"limited":  {emulator.Fault{Kind: emulator.FaultStatus, Status: 429, RetryAfter: "60"}, upstream.RateLimited},
		"hanging":  {emulator.Fault{Kind: emulator.FaultHangHeaders}, upstream.Timeout},
		"markup":   {emulator.Fault{Kind: emulator.FaultHTML}, upstream.Contract},
	}
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range 15 {
				synctest.Test(t, func(t *testing.T) {
					b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, nil)
					op := b.operations()[i]
					b.emulator.SetFault("/oauth/token", tt.fault)
					got, want := perform(t, op), tt.want
					if op.backend != upstream.MATTR {
						want = fine
					}
					sent := 0
					for _, c := range b.emulator.Calls() {
						if c.Route == op.route {
							sent++
						}
					}
					if got.kind != want || op.backend == upstream.MATTR && sent > 0 {
						t.Errorf("%s %s %d: got %+v and %d calls, want %v", op.backend, op.route, op.kind, got, sent, want)
					}
				})
			}
		})
	}
}

func TestRateLimitHeadersPreventRefusals(t *testing.T) {
	t.Parallel()
	limits := map[emulator.Backend][]emulator.Limit{
		emulator.ThoughtIndustries: {{Count: 20, Window: 2 * time.Second}}, emulator.Coassemble: {{Count: 100, Window: 2 * time.Second}},
	}
	synctest.Test(t, func(t *testing.T) {
		// Thought Industries shows its remaining calls and gets no rate from us; Coassemble shows nothing.
		b := newBackends(t, emulator.Options{Clients: 1, Linked: true, Latency: 10 * time.Millisecond, Limits: limits}, func(o *upstream.Options) {
			o.Concurrency = 5
			if o.Backend == upstream.Coassemble {
				o.Rates = []upstream.Rate{{Count: 100, Per: 2 * time.Second}}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error)
		calls := 0
		ask := func(n int, do func() error) {
			calls += n
			for range n {
				go func() { done <- do() }()
			}
		}
		identifier := b.emulator.Clients()[0].Identifier
		start := time.Now()
		ask(100, func() error { _, _, err := b.ti.Page(ctx, thoughtindustries.Query{}, 1, 1); return err })
		ask(200, func() error { _, _, err := b.co.Clients(ctx, 0, 1); return err })
		ask(10, func() error { return b.co.UpdateClient(ctx, identifier, json.RawMessage(`{}`)) })
		for range calls {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, backend := range []emulator.Backend{emulator.ThoughtIndustries, emulator.Coassemble} {
			if n := b.emulator.Refused(backend); n != 0 {
				t.Errorf("%s refused %d calls", backend, n)
			}
		}
		if took := time.Since(start); took < 8*time.Second || took > 20*time.Second {
			t.Errorf("took %v for five windows", took)
		}
	})
}

func TestEachBackendIsProbedWithACheapRead(t *testing.T) {
	t.Parallel()
	probes := map[upstream.Backend]string{
		upstream.ThoughtIndustries: "GET /incoming/v2/ping", upstream.Coassemble: "GET /api/v1/headless/clients?length=1&page=0",
		upstream.MATTR: "GET /core/v1/users?limit=1",
	}
	for backend, probe := range probes {
		synctest.Test(t, func(t *testing.T) {
			b := newBackends(t, emulator.Options{Clients: 1, Linked: true}, nil)
			var op operation
			for _, op = range b.operations() {
				if op.backend == backend {
					break
				}
			}
			b.emulator.SetFault(string(backend), emulator.Fault{Kind: emulator.FaultStatus, Status: 500})
			for !b.rest[backend].Status().Circuits[upstream.Reads].Open {
				perform(t, op)
			}
			b.emulator.Reset()
			if got := perform(t, op); got != (end{upstream.Unavailable, 0, 0}) {
				t.Errorf("while open: %+v", got)
			}
			b.emulator.ClearFaults()
			time.Sleep(time.Second)
			synctest.Wait()
			calls := b.emulator.Calls()
			if len(calls) != 1 {
				t.Fatalf("got %d calls, want one probe", len(calls))
			}
			got := strings.TrimSuffix(calls[0].Method+" "+calls[0].Path+"?"+calls[0].RawQuery, "?")
			if got != probe || b.rest[backend].Status().Circuits[upstream.Reads].Open {
				t.Errorf("probe: got %s, want %s; status %+v", got, probe, b.rest[backend].Status())
			}
			if got := perform(t, op); got != (end{fine, 1, 0}) {
				t.Errorf("afterwards: %+v", got)
			}
		})
	}
}
