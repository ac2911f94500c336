package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/document"
)

// script answers the nth exchange, from 0, and notes when each came.
type script struct {
	answer func(n int, r *http.Request) (*http.Response, error)

	mu    sync.Mutex
	begin time.Time
	at    []time.Duration
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	n := len(s.at)
	if n == 0 {
		s.begin = time.Now()
	}
	s.at = append(s.at, time.Since(s.begin))
	s.mu.Unlock()
	return s.answer(n, r)
}

func (s *script) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// statuses answers with each status in turn, and with the last from then on.
func statuses(header []string, list ...int) *script {
	return &script{answer: func(n int, _ *http.Request) (*http.Response, error) {
		return respond(list[min(n, len(list)-1)], "{}", header...), nil
	}}
}

const ms = time.Millisecond

func TestRetriesBackOffWithinTheDeadline(t *testing.T) {
	t.Parallel()
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := map[string]struct {
		random   float64
		deadline time.Duration
		after    func() string
		statuses []int
		want     []time.Duration
		kind     Kind
	}{
		"doubling":               {1, time.Minute, nil, []int{503}, []time.Duration{0, 100 * ms, 300 * ms}, Unavailable},
		"with jitter":            {0, time.Minute, nil, []int{500}, []time.Duration{0, 50 * ms, 150 * ms}, Unavailable},
		"until it works":         {1, time.Minute, nil, []int{502, 200}, []time.Duration{0, 100 * ms}, Unknown},
		"not past the deadline":  {1, 250 * ms, nil, []int{503}, []time.Duration{0, 100 * ms}, Unavailable},
		"Retry-After in seconds": {1, time.Minute, func() string { return "3" }, []int{503, 429, 200}, []time.Duration{0, 3 * time.Second, 6 * time.Second}, Unknown},
		"Retry-After as a date":  {1, time.Minute, func() string { return date(4 * time.Second) }, []int{429, 200}, []time.Duration{0, 4 * time.Second}, Unknown},
		"Retry-After too late":   {1, 3 * time.Second, func() string { return "3" }, []int{429, 200}, []time.Duration{0}, RateLimited},
		"429 without a time":     {1, time.Minute, nil, []int{429}, []time.Duration{0, time.Second, 3 * time.Second}, RateLimited},
		"429 that passes":        {1, time.Minute, nil, []int{429, 200}, []time.Duration{0, time.Second}, Unknown},
		"429 too late to wait":   {1, 900 * ms, nil, []int{429}, []time.Duration{0}, RateLimited},
		"what stays as it is":    {1, time.Minute, nil, []int{404}, []time.Duration{0}, NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var header []string
				if tt.after != nil {
					header = []string{"Retry-After", tt.after()}
				}
				s := statuses(header, tt.statuses...)
				c := newClient(t, Options{Transport: s})
				c.random = func() float64 { return tt.random }
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
				defer cancel()
				_, err := c.Do(ctx, get)
				if diff := cmp.Diff(tt.want, s.at); diff != "" || KindOf(err) != tt.kind {
					t.Errorf("got %v, calls (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

func TestRetriesAreATenthOfTheTrafficAtLeastThreeInTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status := 503
		s := &script{answer: func(int, *http.Request) (*http.Response, error) { return respond(status, "{}"), nil }}
		c := newClient(t, Options{Transport: s})
		for range 10 {
			_, _ = c.Do(t.Context(), get)
		}
		if s.calls() != 13 {
			t.Errorf("got %d exchanges for 10 calls, want 13", s.calls())
		}
		time.Sleep(11 * time.Second)
		status = 200
		for range 190 {
			_, _ = c.Do(t.Context(), get)
		}
		status = 503
		before := s.calls()
		for range 30 {
			_, _ = c.Do(t.Context(), get)
		}
		// Of 191 to 220 calls in ten seconds a tenth.
		if got := s.calls() - before - 30; got < 19 || got > 22 {
			t.Errorf("got %d retries", got)
		}
	})
}

func TestOnlySafeCallsAreRetried(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	remove, replace, search := put, put, get
	remove.Method, replace.Safe = http.MethodDelete, true
	search.Method, search.Safe = http.MethodPost, true
	creation := Request{Method: http.MethodPost, Route: "/x", Path: []string{"x"}}
	tests := map[string]struct {
		req     Request
		answers []any // a status or an error for each exchange
		want    Kind
		calls   int
	}{
		"a read":                         {get, []any{500, 200}, Unknown, 2},
		"a search":                       {search, []any{500, 200}, Unknown, 2},
		"a POST that may create":         {creation, []any{500}, Unavailable, 1},
		"a PUT that may merge":           {put, []any{500}, Unavailable, 1},
		"a PUT that replaces":            {replace, []any{500, 200}, Unknown, 2},
		"a PUT that got lost":            {replace, []any{syscall.ECONNRESET, 200}, Unknown, 2},
		"a PUT that got lost, then not":  {replace, []any{syscall.ECONNRESET, 400}, OutcomeUnknown, 2},
		"a PUT that got lost, then 503":  {replace, []any{504, 503}, OutcomeUnknown, 3},
		"a delete that may have gone in": {remove, []any{syscall.ECONNRESET}, OutcomeUnknown, 1},
		"a delete that failed":           {remove, []any{503}, Unavailable, 1},
		"a delete that was refused":      {remove, []any{refused, 200}, Unknown, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(n int, _ *http.Request) (*http.Response, error) {
					switch a := tt.answers[min(n, len(tt.answers)-1)].(type) {
					case int:
						return respond(a, "{}"), nil
					case error:
						return nil, a
					}
					return nil, errors.New("no answer")
				}}
				c := newClient(t, Options{Transport: s})
				if _, err := c.Do(t.Context(), tt.req); KindOf(err) != tt.want || s.calls() != tt.calls {
					t.Errorf("got %v after %d exchanges, want %v after %d", err, s.calls(), tt.want, tt.calls)
				}
			})
		})
	}
}

// probed is a client whose backend answers with status; probes have a path of their own.
type probed struct {
	*Client
	mu            sync.Mutex
	status        int
	calls, probes int
	probedAt      []time.Time
}

func newProbed(t *testing.T, o Options) *probed {
	p := &probed{status: 503}
	o.Transport = transport(func(r *http.Request) (*http.Response, error) {
		p.mu.Lock()
		status := p.status
		if strings.HasSuffix(r.URL.Path, "/probe") {
			p.probes++
			p.probedAt = append(p.probedAt, time.Now())
		} else {
			p.calls++
		}
		p.mu.Unlock()
		if status == 0 {
			return hang(r)
		}
		return respond(status, "{}"), nil
	})
	if o.Retries == 0 {
		o.Retries = -1
	}
	p.Client = newClient(t, o)
	p.ProbeWith(Request{Method: http.MethodGet, Route: "/probe", Path: []string{"probe"}})
	t.Cleanup(p.Close)
	return p
}

func (p *probed) answerWith(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *probed) ask(t *testing.T, n int, req Request) (last error) {
	for range n {
		_, last = p.Do(t.Context(), req)
	}
	return last
}

func TestACircuitOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbed(t, Options{})
		p.ask(t, 19, get)
		if p.Status().Circuits[Reads].Open {
			t.Fatal("open after 19 calls")
		}
		p.ask(t, 1, get)
		opened := time.Now()
		calls := p.calls
		for range 3 {
			_, err := p.Do(t.Context(), get)
			var e *Error
			if !errors.As(err, &e) || e.Kind != Unavailable || !e.Local || e.RetryAfter != time.Second || !time.Now().Equal(opened) {
				t.Fatalf("got %v (%+v), want a refusal at once", err, e)
			}
		}
		if p.calls != calls || !p.Status().Failing(time.Minute) {
			t.Errorf("an open circuit let %d calls pass; status %+v", p.calls-calls, p.Status())
		}
		if err := p.ask(t, 1, put); KindOf(err) != Unavailable || p.calls != calls+1 {
			t.Errorf("writes have a circuit of their own: got %v", err)
		}
		time.Sleep(10 * time.Second) // probes after 1, 2 and 4 s
		p.answerWith(404)            // an answer is an answer
		time.Sleep(8 * time.Second)
		synctest.Wait()
		var at []time.Duration
		for _, when := range p.probedAt {
			at = append(at, when.Sub(opened))
		}
		want := []time.Duration{time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("probes (-want +got):\n%s", diff)
		}
		s := p.Status()
		if s.Circuits[Reads].Open || s.Failing(time.Minute) || p.ask(t, 1, get) == nil {
			t.Errorf("still open: %+v", s)
		}
		// It fails again at once: the next probe is no sooner than the last was.
		p.answerWith(503)
		p.ask(t, 20, get)
		if got := time.Until(p.Status().Circuits[Reads].NextProbe); got != 16*time.Second {
			t.Errorf("next probe in %v", got)
		}
		p.answerWith(200)
		time.Sleep(16*time.Second + calmPeriod)
		synctest.Wait()
		p.answerWith(503)
		p.ask(t, 20, get)
		if got := time.Until(p.Status().Circuits[Reads].NextProbe); got != time.Second {
			t.Errorf("next probe after a calm time in %v", got)
		}
	})
}

// The call that makes the volume full may be the one that succeeds.
func TestACircuitThatOpensAtASuccessIsProbedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbed(t, Options{})
		p.ask(t, 12, get)
		p.answerWith(200)
		p.ask(t, 8, get)
		if !p.Status().Circuits[Reads].Open {
			t.Fatal("closed after 12 failures of 20 calls")
		}
		time.Sleep(firstProbe)
		synctest.Wait()
		if err := p.ask(t, 1, get); err != nil || p.Status().Circuits[Reads].Open {
			t.Errorf("after its probe: %v", err)
		}
	})
}

func TestWhatOpensACircuit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		good, bad int // how many calls end with 200, and then with status
		status    int
		apart     time.Duration
		want      bool
	}{
		"half of them":         {10, 10, 500, 0, true},
		"less than half":       {11, 10, 500, 0, false},
		"too few":              {0, 19, 500, 0, false},
		"too slowly":           {0, 60, 500, time.Second, false},
		"refusals":             {0, 60, 403, 0, false},
		"nothing there":        {0, 60, 404, 0, false},
		"not in time":          {0, 60, 408, 0, false},
		"a redirect elsewhere": {0, 20, 302, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProbed(t, Options{})
				p.answerWith(200)
				p.ask(t, tt.good, get)
				p.answerWith(tt.status)
				for range tt.bad {
					p.ask(t, 1, get)
					time.Sleep(tt.apart)
				}
				if got := p.Status().Circuits[Reads].Open; got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Transport: always(200, "<html>"), Retries: -1})
		c.ProbeWith(get)
		defer c.Close()
		req := get
		req.Read = func(r *Response) error { _, err := r.Document(); return err }
		for range 20 {
			_, _ = c.Do(t.Context(), req)
		}
		if !c.Status().Circuits[Reads].Open {
			t.Error("bodies that cannot be read do not count")
		}
	})
}

func TestABackendThatHangsIsNoticedThoughOperationsEndFirst(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		timeout, operation, deadline time.Duration
		noticed                      bool
	}{
		"its own time":                           {10 * time.Second, 0, 0, true},
		"half of its time":                       {8 * time.Second, 0, 4 * time.Second, true},
		"less than half":                         {8 * time.Second, 0, 3900 * ms, false},
		"five seconds of a long time":            {20 * time.Second, 0, 5 * time.Second, true},
		"an operation that is shorter":           {10 * time.Second, 3 * time.Second, 3 * time.Second, true},
		"a caller with less time than that":      {10 * time.Second, 3 * time.Second, time.Second, false},
		"an operation that is longer than it is": {2 * time.Second, 15 * time.Second, time.Second, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProbed(t, Options{Timeout: tt.timeout, OperationTimeout: tt.operation, Concurrency: 6})
				p.answerWith(0)
				for i := range 6 {
					if p.Status().Circuits[Reads].Open {
						t.Fatalf("open after %d calls", i)
					}
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if tt.deadline > 0 {
						ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					}
					_, _ = p.Do(ctx, get)
					cancel()
				}
				o, counted := p.LastOutcome()
				if got := p.Status().Circuits[Reads].Open; got != tt.noticed || counted != tt.noticed || counted && o.OK() {
					t.Errorf("open %v, outcome %+v %v; want noticed %v", got, o, counted, tt.noticed)
				}
			})
		})
	}
}

func TestAProbeSpendsTheBudgetAndDoesNotHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbed(t, Options{Rates: []Rate{{100, time.Hour}}})
		p.ask(t, 20, get)
		if left := p.Status().Budget[0].Left; left != 75 {
			t.Errorf("left %d of 95 after 20 calls", left)
		}
		p.answerWith(0)
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Status(); s.Budget[0].Left != 74 || s.UnderWay != 1 {
			t.Errorf("during the probe: %+v", s)
		}
		time.Sleep(DefaultTimeout)
		synctest.Wait()
		if s := p.Status(); s.UnderWay != 0 || !s.Circuits[Reads].Open {
			t.Errorf("after the probe: %+v", s)
		}
		p.Close()
		probes := p.probes
		time.Sleep(time.Hour)
		synctest.Wait()
		if p.probes != probes {
			t.Error("probes go on after Close")
		}
	})
}

// starts notes the order in which calls reach the backend, by their query.
type starts struct {
	mu    sync.Mutex
	begin time.Time
	list  []string
	took  time.Duration
}

func (s *starts) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.list = append(s.list, fmt.Sprint(r.URL.RawQuery, time.Since(s.begin)))
	s.mu.Unlock()
	time.Sleep(s.took)
	return respond(200, "{}"), nil
}

func named(req Request, name string) Request {
	req.Query = map[string][]string{name: {""}}
	return req
}

func TestWritesGoFirstReadsWaitRefreshesGiveWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starts{begin: time.Now()}
		c := newClient(t, Options{Transport: s, Rates: []Rate{{2, 10 * time.Second}}}) // one call in ten seconds
		var group sync.WaitGroup
		do := func(req Request, name string, deadline time.Duration, p Priority, want Kind, after time.Duration) {
			synctest.Wait()
			group.Go(func() {
				ctx, cancel := context.WithTimeout(WithPriority(t.Context(), p), deadline)
				defer cancel()
				start := time.Now()
				_, err := c.Do(ctx, named(req, name))
				if KindOf(err) != want || time.Since(start) != after {
					t.Errorf("%s: got %v after %v, want %v after %v", name, err, time.Since(start), want, after)
				}
			})
		}
		do(get, "first", time.Minute, Read, Unknown, 0)
		do(get, "second", 15*time.Second, Read, RateLimited, time.Second) // a write takes its start
		do(get, "third", time.Minute, Read, Unknown, 20*time.Second)
		do(get, "refresh", time.Minute, Refresh, RateLimited, 0)
		do(get, "late", 15*time.Second, Read, RateLimited, 0)
		time.Sleep(time.Second)
		do(put, "write", 15*time.Second, Read, Unknown, 9*time.Second)
		do(get, "fourth", time.Minute, Read, Unknown, 29*time.Second)
		group.Wait()
		want := []string{"first=0s", "write=10s", "third=20s", "fourth=30s"}
		if diff := cmp.Diff(want, s.list); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
	})
}

// Outside of a bubble, where the clock moves on while a start is booked.
func TestARefreshStartsWithinTheBudget(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Transport: always(200, "{}"), Rates: []Rate{{1000, time.Hour}}})
	for n := range 100 {
		if _, err := c.Do(WithPriority(t.Context(), Refresh), get); err != nil {
			t.Fatalf("refresh %d: %v", n, err)
		}
	}
}

func TestRefreshesLeaveTheLastQuarter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Transport: always(200, "{}"), Rates: []Rate{{100, time.Minute}}})
		refresh := WithPriority(t.Context(), Refresh)
		n := 0
		for ; n < 200; n++ {
			if _, err := c.Do(refresh, get); err != nil {
				if KindOf(err) != RateLimited {
					t.Fatal(err)
				}
				break
			}
		}
		if n != 72 { // of the 95 that we use 23 are left
			t.Errorf("got %d refreshes", n)
		}
		for range 23 {
			if _, err := c.Do(t.Context(), get); err != nil {
				t.Fatal(err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Transport: always(200, "{}", "X-RateLimit-Remaining", "20", "X-RateLimit-Limit", "100", "X-RateLimit-Reset", "30")})
		refresh := WithPriority(t.Context(), Refresh)
		if _, err := c.Do(refresh, get); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(refresh, get); KindOf(err) != RateLimited {
			t.Errorf("got %v in the last quarter of the backend's own window", err)
		}
	})
}

func TestRenewalsWaitBehindReadsAndLeaveTheLastQuarter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starts{begin: time.Now(), took: time.Second}
		c := newClient(t, Options{Transport: s, Concurrency: 1, Rates: []Rate{{20, time.Hour}}})
		var group sync.WaitGroup
		do := func(name string, p Priority) {
			synctest.Wait()
			group.Go(func() {
				if _, err := c.Do(WithPriority(t.Context(), p), named(get, name)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		do("first", Read)
		do("renewal", Renewal)
		do("another", Renewal)
		do("later", Later)
		do("second", Read)
		group.Wait()
		want := []string{"first=0s", "second=1s", "later=2s", "renewal=3s", "another=4s"}
		if diff := cmp.Diff(want, s.list); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		renewed := 0
		for range 20 {
			if _, err := c.Do(WithPriority(t.Context(), Renewal), get); KindOf(err) == RateLimited {
				break
			}
			renewed++
		}
		if renewed != 10 { // of the 19 that we use 5 are gone and 4 are left
			t.Errorf("got %d renewals", renewed)
		}
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Errorf("a read in the last quarter: %v", err)
		}
	})
}

func TestRateLimitHeadersPauseCalls(t *testing.T) {
	t.Parallel()
	unix := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	tests := map[string]struct {
		status int
		header func() []string
		kind   Kind
		want   time.Duration
	}{
		"nothing left": {200, func() []string {
			return []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(20 * time.Second)}
		}, RateLimited, 20 * time.Second},
		"nothing left for seconds": {200, func() []string { return []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "7"} }, RateLimited, 7 * time.Second},
		"by another clock": {200, func() []string {
			return []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(time.Hour + 9*time.Second), "Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}
		}, RateLimited, 9 * time.Second},
		"something left": {200, func() []string {
			return []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", unix(20 * time.Second)}
		}, Unknown, 0},
		"nonsense":                  {200, func() []string { return []string{"X-RateLimit-Remaining", "none", "X-RateLimit-Reset", "never"} }, Unknown, 0},
		"a time to come back":       {200, func() []string { return []string{"Retry-After", "5"} }, Unavailable, 5 * time.Second},
		"a pause":                   {503, func() []string { return []string{"Retry-After", "6"} }, Unavailable, 6 * time.Second},
		"a pause that is too long":  {503, func() []string { return []string{"Retry-After", "86400"} }, Unavailable, time.Minute},
		"a refusal with a time":     {429, func() []string { return []string{"Retry-After", "40"} }, RateLimited, 40 * time.Second},
		"a refusal without a time":  {429, func() []string { return nil }, RateLimited, time.Second},
		"a refusal for a whole day": {429, func() []string { return []string{"Retry-After", "86400"} }, RateLimited, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(n int, _ *http.Request) (*http.Response, error) {
					if n == 0 {
						return respond(tt.status, "{}", tt.header()...), nil
					}
					return respond(200, "{}"), nil
				}}
				c := newClient(t, Options{Transport: s, Retries: -1})
				_, _ = c.Do(t.Context(), get)
				if tt.want > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), tt.want-time.Second/2)
					_, err := c.Do(ctx, get)
					cancel()
					var e *Error
					if !errors.As(err, &e) || e.Kind != tt.kind || !e.Local || e.RetryAfter != tt.want {
						t.Errorf("got %v (%+v), want %v at once", err, e, tt.kind)
					}
					if got := time.Until(c.Status().ClosedUntil); got != tt.want {
						t.Errorf("status: closed for %v", got)
					}
				}
				start := time.Now()
				if _, err := c.Do(t.Context(), get); err != nil || time.Since(start) != tt.want || s.calls() != 2 {
					t.Errorf("got %v after %v and %d calls, want success after %v", err, time.Since(start), s.calls(), tt.want)
				}
			})
		})
	}
}

func TestASlotThatCannotComeInTimeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starts{begin: time.Now(), took: time.Second}
		c := newClient(t, Options{Transport: s, Concurrency: 1})
		for range minSamples {
			_, _ = c.Do(t.Context(), get)
		}
		s.list = nil
		var group sync.WaitGroup
		begin := time.Now()
		do := func(req Request, deadline time.Duration, want Kind, after time.Duration) {
			synctest.Wait()
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				_, err := c.Do(ctx, req)
				if KindOf(err) != want || time.Since(begin) != after {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(begin), want, after)
				}
			})
		}
		do(get, time.Minute, Unknown, time.Second)
		do(get, time.Minute, Unknown, 3*time.Second) // a write goes before it
		do(get, 900*ms, RateLimited, 0)
		do(put, time.Minute, Unknown, 2*time.Second)
		do(get, 2*time.Second, Deadline, 2*time.Second)
		group.Wait()
		if s := c.Status(); s.Waiting != 0 || s.UnderWay != 0 {
			t.Errorf("left %+v", s)
		}
	})
}

func TestAnOperationHasAQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := statuses(nil, 200)
		c := newClient(t, Options{Transport: s})
		ctx := WithOperation(t.Context(), "", 3, 0)
		for range 3 {
			if _, err := c.Do(ctx, get); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.Do(ctx, get)
		var e *Error
		if !errors.As(err, &e) || e.Kind != LimitExceeded || s.calls() != 3 {
			t.Fatalf("got %v after %d calls", err, s.calls())
		}
		if diff := cmp.Diff(&Limit{LimitCalls, 4, 3}, e.Limit); diff != "" {
			t.Errorf("limit (-want +got):\n%s", diff)
		}
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Errorf("another operation: %v", err)
		}
		s = statuses(nil, 500)
		_, _ = newClient(t, Options{Transport: s}).Do(WithOperation(t.Context(), "", 2, 0), get)
		if s.calls() != 2 {
			t.Errorf("repeated calls do not count: %d", s.calls())
		}
		ctx = WithOperation(t.Context(), "", 0, 250)
		c = newClient(t, Options{Transport: always(200, strings.Repeat("x", 100))})
		for i := range 4 {
			_, err := c.Do(ctx, get)
			if !errors.As(err, &e) && i > 1 || (err != nil) != (i > 1) {
				t.Fatalf("call %d: got %v", i, err)
			}
			if i > 1 && (e.Kind != LimitExceeded || e.Limit.Name != LimitBytes || e.Limit.Allowed != 250 || e.Limit.Reached < 250) {
				t.Errorf("call %d: got %+v", i, e)
			}
		}
		if o, _ := c.LastOutcome(); !o.OK() {
			t.Error("our own limit counts against the backend")
		}
	})
}

func TestChangesOfOneObjectAreSentInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starts{begin: time.Now(), took: time.Second}
		c := newClient(t, Options{Transport: s, Concurrency: 50})
		other := put
		other.Path = []string{"v1", "thing", "8"}
		var group sync.WaitGroup
		do := func(ctx context.Context, req Request, name string, want Kind) {
			group.Go(func() {
				if _, err := c.Do(ctx, named(req, name)); KindOf(err) != want {
					t.Errorf("%s: got %v, want %v", name, err, want)
				}
			})
			synctest.Wait()
		}
		left, cancel := context.WithCancel(t.Context())
		do(t.Context(), put, "a", Unknown)
		do(left, put, "gone", Canceled)
		do(t.Context(), put, "b", Unknown)
		do(t.Context(), other, "other", Unknown)
		do(t.Context(), get, "read", Unknown)
		cancel()
		for i := range maxOrdered {
			want := Unknown
			if i == maxOrdered-1 {
				want = RateLimited // b and fifteen more wait
			}
			do(t.Context(), put, fmt.Sprint("w", i+10), want)
		}
		group.Wait()
		want := []string{"a=0s", "other=0s", "read=0s", "b=1s"}
		for i := range maxOrdered - 1 {
			want = append(want, fmt.Sprintf("w%d=%ds", i+10, i+2))
		}
		if diff := cmp.Diff(want, s.list); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if len(c.order.queues) != 0 {
			t.Errorf("left %d queues", len(c.order.queues))
		}
	})
}

func TestTheWatchCountsNamesAndReportsOncePerHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reported []string
		w := NewSchemaDrift(SchemaDriftOptions{Ignore: []string{"secretKey"}, Report: func(f Drift) { reported = append(reported, f.Path) }})
		body := `{"id":"i","new":1,"new":2,"secretKey":"s","a b":1,"7f3c":1,"nested":{"deep":1}}`
		c := newClient(t, Options{Transport: always(200, body), Drift: w})
		shape := &document.Shape{Name: "Client", Members: []document.Member{{Name: "id"}}}
		req := get
		req.Read = func(resp *Response) error {
			r, err := resp.Document()
			if err == nil {
				_, err = r.Document(shape)
			}
			return err
		}
		read := func() {
			if _, err := c.Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		begin := moment(time.Now())
		read()
		time.Sleep(59 * time.Minute)
		read()
		w.Mismatch(MATTR, "Course", "priceInCents")
		w.Mismatch(MATTR, "Course", "a claim")
		want := []string{"Client.new", "Client.nested", "Course.priceInCents"}
		if diff := cmp.Diff(want, reported); diff != "" {
			t.Errorf("reported (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		read()
		if len(reported) != 5 {
			t.Errorf("after an hour: %v", reported)
		}
		list, dropped := w.List()
		first := Drift{Backend: Coassemble, Path: "Client.nested", Kind: DriftUnknown, Count: 3, First: begin, Last: begin.Add(time.Hour)}
		if len(list) != 3 || list[1] != (Drift{Coassemble, "Client.new", DriftUnknown, list[1].Count, begin, begin.Add(time.Hour)}) || list[0] != first || list[2].Kind != DriftMismatch || dropped != 0 {
			t.Errorf("drifts: %+v, %d dropped", list, dropped)
		}
		for i := range 300 {
			w.Mismatch(MATTR, "Many", fmt.Sprint("f", i))
		}
		if list, dropped := w.List(); len(list) != maxPaths || dropped != 103 {
			t.Errorf("got %d paths, %d dropped", len(list), dropped)
		}
		var none *SchemaDrift
		none.Mismatch(MATTR, "A", "b")
		if list, _ := none.List(); list != nil {
			t.Error("nil found something")
		}
	})
}

func TestPrioritiesHoldUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := []Rate{{20, time.Second}, {60, 10 * time.Second}}
		s := &script{answer: func(int, *http.Request) (*http.Response, error) { time.Sleep(70 * ms); return respond(200, "{}"), nil }}
		c := newClient(t, Options{Transport: s, Rates: rates, Concurrency: 4})
		var group sync.WaitGroup
		ended := map[Kind]int{}
		var mu sync.Mutex
		for i := range 400 {
			group.Go(func() {
				time.Sleep(time.Duration(i*13) * ms)
				ctx, cancel := context.WithTimeout(WithPriority(t.Context(), Priority(i%3)), time.Duration(1+i%40)*time.Second)
				defer cancel()
				if i%11 == 0 {
					time.AfterFunc(time.Duration(i)*ms, cancel)
				}
				_, err := c.Do(ctx, get)
				mu.Lock()
				defer mu.Unlock()
				ended[KindOf(err)]++
			})
		}
		group.Wait()
		var at []time.Time
		for _, d := range s.at {
			at = append(at, s.begin.Add(d))
		}
		slices.SortFunc(at, time.Time.Compare)
		checkWindows(t, at, rates)
		if st := c.Status(); st.Waiting != 0 || st.UnderWay != 0 || ended[Unknown] < 150 || c.limiter.free != 4 {
			t.Errorf("ended %v, left %+v, %d free", ended, st, c.limiter.free)
		}
	})
}

func TestErrorsAndPrioritiesHaveNames(t *testing.T) {
	t.Parallel()
	e := &Error{Backend: MATTR, Kind: RateLimited, Local: true}
	if got := e.Error(); got != "mattr: rate limited without asking" {
		t.Errorf("got %q", got)
	}
	for _, s := range []fmt.Stringer{Reads, Searches, Writes, Read, Write, Later, Renewal, Refresh} {
		if s.String() == "" {
			t.Errorf("%d has no name", s)
		}
	}
}

func FuzzRemainder(f *testing.F) {
	f.Add("3", "60", "1772366490", "Sun, 01 Mar 2026 12:01:30 GMT")
	f.Add("0", "", "7", "")
	f.Add("-1", "x", "99999999999999999999", "never")
	f.Fuzz(func(t *testing.T, left, limit, reset, date string) {
		h := http.Header{}
		h.Set("X-RateLimit-Remaining", left)
		h.Set("X-RateLimit-Limit", limit)
		h.Set("X-RateLimit-Reset", reset)
		h.Set("Date", date)
		n, most, wait, ok := remainder(h, time.Unix(1_772_366_480, 0))
		if n < 0 || most < 0 || wait < 0 || !ok && n != 0 {
			t.Errorf("got %d of %d in %v, %v", n, most, wait, ok)
		}
	})
}

// counting notes of each exchange how often its call was sent before.
type counting struct {
	next     http.RoundTripper
	attempts []int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.attempts = append(c.attempts, Attempt(r.Context()))
	return c.next.RoundTrip(r)
}

func TestATransportSeesTheAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := &counting{next: statuses(nil, 503, 503, 200, 200)}
		c := newClient(t, Options{Transport: transport})
		for range 2 {
			if _, err := c.Do(t.Context(), get); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int{0, 1, 2, 0}, transport.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}
