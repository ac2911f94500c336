package upstream_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func TestEveryFaultOfABackendHasItsKind(t *testing.T) {
	t.Parallel()
	type kinds struct{ read, write upstream.Kind }
	unknown := upstream.OutcomeUnknown
	tests := map[string]struct {
		fault emulator.Fault
		want  kinds
		took  time.Duration
	}{
		"reset":          {emulator.Fault{Kind: emulator.FaultReset}, kinds{upstream.Unavailable, unknown}, 0},
		"hang":           {emulator.Fault{Kind: emulator.FaultHangHeaders}, kinds{upstream.Timeout, unknown}, 10 * time.Second},
		"hang in a body": {emulator.Fault{Kind: emulator.FaultHangBody}, kinds{upstream.Timeout, unknown}, 10 * time.Second},
		"slow drip":      {emulator.Fault{Kind: emulator.FaultSlowDrip, Applied: true}, kinds{upstream.Timeout, unknown}, 10 * time.Second},
		"truncated":      {emulator.Fault{Kind: emulator.FaultTruncated}, kinds{upstream.Unavailable, unknown}, 0},
		"half a body":    {emulator.Fault{Kind: emulator.FaultInvalidJSON}, kinds{upstream.Contract, upstream.Unknown}, 0},
		"markup":         {emulator.Fault{Kind: emulator.FaultHTML}, kinds{upstream.Contract, upstream.Unknown}, 0},
		"empty":          {emulator.Fault{Kind: emulator.FaultEmpty}, kinds{upstream.Contract, upstream.Unknown}, 0},
		"another type":   {emulator.Fault{Kind: emulator.FaultContentType}, kinds{upstream.Unknown, upstream.Unknown}, 0},
		"huge":           {emulator.Fault{Kind: emulator.FaultHuge}, kinds{upstream.Contract, unknown}, 0},
		"redirect":       {emulator.Fault{Kind: emulator.FaultRedirect}, kinds{upstream.Contract, upstream.Contract}, 0},
		"errors":         {emulator.Fault{Kind: emulator.FaultErrors200}, kinds{upstream.Rejected, upstream.Unknown}, 0},
		"503":            {emulator.Fault{Kind: emulator.FaultStatus, Status: 503}, kinds{upstream.Unavailable, upstream.Unavailable}, 0},
		"504":            {emulator.Fault{Kind: emulator.FaultStatus, Status: 504}, kinds{upstream.Unavailable, unknown}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The bubble also fails if a goroutine of a call is left.
			synctest.Test(t, func(t *testing.T) {
				e := emulator.New(emulator.Options{Clients: 2, CoursesPerClient: 1, Linked: true})
				defer e.Close()
				transport := e.Transport()
				defer transport.CloseIdleConnections()
				c := emulated(t, transport)
				identifier := e.Clients()[0].Identifier
				e.SetFault("coassemble", tt.fault)
				start := time.Now()
				_, err := c.Client(t.Context(), identifier)
				if got := upstream.KindOf(err); got != tt.want.read || time.Since(start) != tt.took {
					t.Errorf("read: got %v after %v, want %v after %v", err, time.Since(start), tt.want.read, tt.took)
				}
				err = c.UpdateClient(t.Context(), identifier, []byte(`{}`))
				if got := upstream.KindOf(err); got != tt.want.write {
					t.Errorf("write: got %v, want %v", err, tt.want.write)
				}
				if calls := len(e.Calls()); calls != 2 {
					t.Errorf("got %d calls, want 2", calls)
				}
				e.ClearFaults()
				if _, err := c.Client(t.Context(), identifier); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		})
	}
}

func emulated(t *testing.T, transport http.RoundTripper) *coassemble.Client {
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.Coassemble, BaseURL: "https://coassemble.example/api", Transport: transport, MaxBody: 1 << 20,
		Authorizer: upstream.Header("Authorization", emulator.Authorization),
	})
	if err != nil {
		t.Fatal(err)
	}
	return coassemble.New(rest)
}

func TestTheBudgetKeepsABackendFromRefusing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := emulator.New(emulator.Options{
			Clients: 1, CoursesPerClient: 1, Linked: true,
			Limits: map[emulator.Backend][]emulator.Limit{emulator.Coassemble: {{Count: 20, Window: time.Minute}}},
		})
		defer e.Close()
		transport := e.Transport()
		defer transport.CloseIdleConnections()
		rest, err := upstream.New(upstream.Options{
			Backend: upstream.Coassemble, BaseURL: "https://coassemble.example/api", Transport: transport, Concurrency: 3,
			Authorizer: upstream.Header("Authorization", emulator.Authorization), Rates: []upstream.Rate{{Count: 20, Per: time.Minute}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c := coassemble.New(rest)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		start := time.Now()
		for range 60 {
			if _, err := c.Clients(ctx, coassemble.Page{Length: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if refused := e.Refused(emulator.Coassemble); refused != 0 || time.Since(start) != 3*time.Minute {
			t.Errorf("got %d refusals after %v, want none after 3m", refused, time.Since(start))
		}
	})
}
