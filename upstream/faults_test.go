package upstream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/emulator"
)

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
			if _, _, err := c.Clients(ctx, 0, 1); err != nil {
				t.Fatal(err)
			}
		}
		if refused := e.Refused(emulator.Coassemble); refused != 0 || time.Since(start) != 3*time.Minute {
			t.Errorf("got %d refusals after %v, want none after 3m", refused, time.Since(start))
		}
	})
}
