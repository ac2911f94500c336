package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// remote asks the emulator over its in-memory connections.
func remote(ctx context.Context, c *caller, tr http.RoundTripper, method, path, body string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://tenant.example"+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", c.authorization(path))
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, string(b), err
}

func TestFaultsOverTheTransport(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/headless/clients"
	for _, tt := range []struct {
		name   string
		fault  emulator.Fault
		status int
		body   string // how it begins
		err    bool
		after  time.Duration
	}{
		{"status in the backend's shape", emulator.Fault{Kind: emulator.FaultStatus, Status: 503, RetryAfter: "7"}, 503, `{"message":"Service Unavailable","error":{"code":"INTERNAL_SERVER_ERROR","status":503}}`, false, 0},
		{"status with a body", emulator.Fault{Kind: emulator.FaultStatus, Status: 502, Body: "bad", ContentType: "text/plain"}, 502, "bad", false, 0},
		{"reset", emulator.Fault{Kind: emulator.FaultReset}, 0, "", true, 0},
		{"hang before the headers", emulator.Fault{Kind: emulator.FaultHangHeaders}, 0, "", true, time.Minute},
		{"hang in the body", emulator.Fault{Kind: emulator.FaultHangBody}, 200, `[{"clientId`, true, time.Minute},
		{"slow drip", emulator.Fault{Kind: emulator.FaultSlowDrip}, 200, `[{"clientIdentifier":`, true, time.Minute},
		{"truncated", emulator.Fault{Kind: emulator.FaultTruncated}, 200, `[{"clientId`, true, 0},
		{"invalid JSON", emulator.Fault{Kind: emulator.FaultInvalidJSON}, 200, `[{"clientId`, false, 0},
		{"a web page", emulator.Fault{Kind: emulator.FaultHTML}, 200, "<!DOCTYPE html>", false, 0},
		{"empty", emulator.Fault{Kind: emulator.FaultEmpty}, 200, "", false, 0},
		{"plain text", emulator.Fault{Kind: emulator.FaultContentType}, 200, `[{"clientId`, false, 0},
		{"huge", emulator.Fault{Kind: emulator.FaultHuge}, 200, `[{"id":"0000`, false, 0},
		{"redirect", emulator.Fault{Kind: emulator.FaultRedirect}, 302, "", false, 0},
		{"errors with 200", emulator.Fault{Kind: emulator.FaultErrors200}, 200, `{"errors":[{"message":`, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCaller(t, emulator.Options{Clients: 2})
				tr := c.e.Transport()
				defer c.e.Close()
				c.e.SetFault("GET /v1/headless/clients", tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				resp, body, err := remote(ctx, c, tr, "GET", path, "")
				if got := time.Since(start); got != tt.after {
					t.Errorf("took %v, want %v", got, tt.after)
				}
				if (err != nil) != tt.err || tt.after > 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("error = %v", err)
				}
				if tt.status == 0 {
					return
				}
				if resp.StatusCode != tt.status || !strings.HasPrefix(body, tt.body) || tt.body == "" && body != "" {
					t.Errorf("answer = %d %.80s, want %d %s", resp.StatusCode, body, tt.status, tt.body)
				}
				if got := resp.Header.Get("Retry-After"); got != tt.fault.RetryAfter {
					t.Errorf("Retry-After = %q", got)
				}
			})
		})
	}
}

func TestMostExactFaultStrikesAndRunsOut(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1})
	status := func(n, times int) emulator.Fault {
		return emulator.Fault{Kind: emulator.FaultStatus, Status: n, Times: times}
	}
	c.e.SetFault("", status(500, 0))
	c.e.SetFault("mattr", status(501, 0))
	c.e.SetFault("/core/v1/users", status(502, 0))
	c.e.SetFault("GET /core/v1/users", status(503, 1))
	c.e.SetFault("mattr GET /core/v1/users", status(504, 1))
	var got []int
	for range 3 {
		got = append(got, c.get("/core/v1/users").Code)
	}
	got = append(got, c.do("POST", "/core/v1/users/search", "{}", nil).Code, c.get("/incoming/v2/ping").Code, c.do("POST", "/oauth/token", "{}", nil).Code)
	c.e.ClearFaults()
	got = append(got, c.get("/core/v1/users").Code)
	if diff := cmp.Diff([]int{504, 503, 502, 501, 500, 500, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestFaultedWriteIsAppliedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		c := newCaller(t, emulator.Options{Clients: 1})
		path := userPath(c.e.Users(c.e.Clients()[0].Identifier)[0].Identifier)
		for _, kind := range []emulator.FaultKind{emulator.FaultStatus, emulator.FaultContentType, emulator.FaultEmpty} {
			name := fmt.Sprint("name ", kind)
			c.e.SetFault("PUT /v1/headless/user/{identifier}", emulator.Fault{Kind: kind, Status: 500, Applied: applied})
			c.do("PUT", path, `{"name":"`+name+`"}`, nil)
			var got embedUser
			c.decode(c.get(path), &got)
			if wrote := *got.Name == name; wrote != applied {
				t.Errorf("fault %d with Applied %v: wrote %v", kind, applied, wrote)
			}
		}
	}
}

func TestExpiredTokenIsRefusedUntilANewOneIsFetched(t *testing.T) {
	t.Parallel()
	c := newCaller(t, emulator.Options{Clients: 1})
	c.e.SetFault("mattr", emulator.Fault{Kind: emulator.FaultExpiredToken})
	if w := c.get("/core/v1/users"); w.Code != 401 || w.Body.String() != "Unauthorized" {
		t.Errorf("with the old token = %d %s", w.Code, w.Body)
	}
	c.token = c.fetchToken()
	if got := c.get("/core/v1/users").Code; got != 200 {
		t.Errorf("with a new token = %d", got)
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(t, emulator.Options{Clients: 1})
		time.Sleep(4*time.Hour - time.Second)
		if got := c.get("/core/v1/users").Code; got != 200 {
			t.Errorf("before its end = %d", got)
		}
		time.Sleep(time.Second)
		if got := c.get("/core/v1/users").Code; got != 401 {
			t.Errorf("at its end = %d", got)
		}
	})
}

func TestLimitsRollWithTheirWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limit := []emulator.Limit{{Count: 2, Window: time.Minute}, {Count: 100, Window: time.Hour}}
		c := newCaller(t, emulator.Options{Clients: 1, Limits: map[emulator.Backend][]emulator.Limit{
			emulator.ThoughtIndustries: limit, emulator.Coassemble: limit,
		}})
		for _, path := range []string{"/incoming/v2/ping", "/api/v1/headless/clients"} {
			var got []int
			ask := func() http.Header {
				w := c.get(path)
				got = append(got, w.Code)
				return w.Header()
			}
			ask()
			time.Sleep(20 * time.Second)
			ask()
			h := ask()
			if h.Get("Retry-After") != "40" {
				t.Errorf("%s: Retry-After = %q, want 40", path, h.Get("Retry-After"))
			}
			shown := h.Get("X-RateLimit-Limit") + " " + h.Get("X-RateLimit-Remaining") + " " + h.Get("X-RateLimit-Reset")
			want := fmt.Sprintf("2 0 %d", time.Now().Add(40*time.Second).Unix())
			if strings.HasPrefix(path, "/api") {
				want = "  "
			}
			if shown != want {
				t.Errorf("%s: limit headers = %q, want %q", path, shown, want)
			}
			time.Sleep(40 * time.Second)
			ask()
			ask()
			if diff := cmp.Diff([]int{200, 200, 429, 200, 429}, got); diff != "" {
				t.Errorf("%s: statuses (-want +got):\n%s", path, diff)
			}
		}
		if got := c.e.Refused(emulator.Coassemble); got != 2 {
			t.Errorf("Refused = %d, want 2", got)
		}
	})
}

func TestConcurrencyIsCountedAndLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(t, emulator.Options{Clients: 1, Latency: time.Second, Concurrency: map[emulator.Backend]int{emulator.ThoughtIndustries: 5}})
		tr := c.e.Transport()
		defer c.e.Close()
		for _, wave := range []int{5, 5, 7} {
			statuses := make(chan int, wave)
			for range wave {
				go func() {
					resp, _, err := remote(t.Context(), c, tr, "GET", "/incoming/v2/clients", "")
					if err != nil {
						t.Error(err)
						statuses <- 0
						return
					}
					statuses <- resp.StatusCode
				}()
			}
			refused := 0
			for range wave {
				if <-statuses == http.StatusTooManyRequests {
					refused++
				}
			}
			if refused != wave-5 {
				t.Errorf("%d of %d refused, want %d", refused, wave, wave-5)
			}
		}
		if got := [2]int{c.e.MaxConcurrent(emulator.ThoughtIndustries), c.e.Refused(emulator.ThoughtIndustries)}; got != [2]int{7, 2} {
			t.Errorf("MaxConcurrent and Refused = %v, want [7 2]", got)
		}
	})
}

func TestLatencyEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(t, emulator.Options{Clients: 1, Latency: time.Hour})
		tr := c.e.Transport()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := remote(ctx, c, tr, "PUT", "/api/v1/headless/client/x", "{}")
		c.e.Close()
		if got := time.Since(start); got != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended after %v with %v", got, err)
		}
		if got := c.e.Calls(); len(got) != 1 || got[0].Status != 0 {
			t.Errorf("calls = %+v, want one unanswered", got)
		}
	})
}
