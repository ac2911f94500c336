package mattr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/upstream"
)

// issuer is a token endpoint that counts, with a tenant that takes the newest token only.
type issuer struct {
	fetches atomic.Int64
	delay   time.Duration
	status  int
	expires string
	reject  atomic.Bool // the tenant rejects every token
}

func (s *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "tenant.example" {
		if s.reject.Load() || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.fetches.Load()) {
			return answer(401, "Unauthorized"), nil
		}
		return answer(200, `{"data":[]}`), nil
	}
	n := s.fetches.Add(1)
	select {
	case <-time.After(s.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if s.status != 0 {
		return answer(s.status, `{"error":"access_denied","error_description":"secret-word"}`), nil
	}
	return answer(200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":%s,"token_type":"Bearer"}`, n, s.expires)), nil
}

func (s *issuer) client(t *testing.T) *Client {
	source, err := NewTokenSource(TokenOptions{
		URL: "https://auth.example/oauth/token", ClientID: "id", ClientSecret: "secret-word", Audience: "a", Transport: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.MATTR, BaseURL: "https://tenant.example", Transport: s, Authorizer: source, Concurrency: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(rest, "/core/v1")
}

func read(ctx context.Context, c *Client) error {
	_, _, err := c.Identities(ctx, 1, "")
	return err
}

func TestOneTokenServesAHundredCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{delay: time.Second, expires: "3600"}
		c := s.client(t)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := s.fetches.Load(); got != 1 {
			t.Errorf("got %d token requests, want 1", got)
		}
	})
}

func TestACallerWhoLeavesDoesNotEndTheFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{delay: 2 * time.Second, expires: "3600"}
		c := s.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			if err := read(ctx, c); upstream.KindOf(err) != upstream.Deadline {
				t.Errorf("got %v, want deadline", err)
			}
		}()
		synctest.Wait()
		if err := read(t.Context(), c); err != nil {
			t.Error(err)
		}
		if got := s.fetches.Load(); got != 1 {
			t.Errorf("got %d token requests, want 1", got)
		}
	})
}

func TestATokenIsRefreshedAheadWithoutWaiting(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{ // expires_in to the age at which a token is refreshed
		"3600": 3240 * time.Second, `"3600"`: 3240 * time.Second, "300": 240 * time.Second, "100": 90 * time.Second, "0": 240 * time.Second,
		"null": 240 * time.Second, `"soon"`: 240 * time.Second,
	}
	for expires, age := range tests {
		t.Run(expires, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &issuer{delay: 3 * time.Second, expires: expires}
				source, err := NewTokenSource(TokenOptions{URL: "https://auth.example/", ClientID: "i", ClientSecret: "s", Audience: "a", Transport: s})
				if err != nil {
					t.Fatal(err)
				}
				token := func() (string, time.Duration) {
					r := http.Header{}
					start := time.Now()
					if err := source.Authorize(t.Context(), r); err != nil {
						t.Fatal(err)
					}
					return r.Get("Authorization"), time.Since(start)
				}
				asked := time.Now()
				if got, took := token(); got != "Bearer token-1" || took != 3*time.Second {
					t.Fatalf("got %s after %v", got, took)
				}
				time.Sleep(time.Until(asked.Add(age - time.Second)))
				token()
				synctest.Wait()
				if got := s.fetches.Load(); got != 1 {
					t.Fatalf("refreshed too early: %d requests", got)
				}
				time.Sleep(time.Second)
				for range 3 {
					if got, took := token(); got != "Bearer token-1" || took != 0 {
						t.Errorf("got %s after %v, want the old token at once", got, took)
					}
				}
				time.Sleep(4 * time.Second)
				if got, took := token(); got != "Bearer token-2" || took != 0 || s.fetches.Load() != 2 {
					t.Errorf("got %s after %v and %d requests", got, took, s.fetches.Load())
				}
			})
		})
	}
}

func TestARejectedTokenIsRenewedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{delay: time.Second, expires: "3600"}
		c := s.client(t)
		for want := int64(1); want <= 7; want += 2 {
			if err := read(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			s.fetches.Add(1) // the tenant forgets the token
			var group sync.WaitGroup
			for range 50 {
				group.Go(func() {
					if err := read(t.Context(), c); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if got := s.fetches.Load(); got != want+2 {
				t.Errorf("got %d, want %d", got, want+2)
			}
		}
	})
}

func TestATenantThatRejectsUsCausesNoStormOfRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{expires: "3600"}
		s.reject.Store(true)
		c := s.client(t)
		for range 100 {
			err := read(t.Context(), c)
			var e *upstream.Error
			if !errors.As(err, &e) || e.Kind != upstream.Rejected || e.Status != 401 {
				t.Fatalf("got %v", err)
			}
		}
		if got := s.fetches.Load(); got != 2 {
			t.Errorf("got %d token requests, want 2", got)
		}
		s.reject.Store(false)
		if err := read(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
}

func TestAFailedRefreshLetsTheOldTokenServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{expires: "1000"}
		source, err := NewTokenSource(TokenOptions{URL: "https://auth.example/", ClientID: "i", ClientSecret: "s", Audience: "a", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		authorize := func() error { return source.Authorize(t.Context(), http.Header{}) }
		if err := authorize(); err != nil {
			t.Fatal(err)
		}
		s.status = 503
		time.Sleep(950 * time.Second)
		for range 40 {
			if err := authorize(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := s.fetches.Load(); got != 5 {
			t.Errorf("got %d token requests, want 1 and then one in ten seconds", got)
		}
		time.Sleep(time.Minute)
		if err := authorize(); upstream.KindOf(err) != upstream.Unavailable {
			t.Errorf("got %v once the token has ended", err)
		}
	})
}

func TestARefusingTokenEndpointIsNotCalledForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		begin, after, status := time.Now(), "", 401
		source, err := NewTokenSource(TokenOptions{URL: "https://auth.example/", ClientID: "i", ClientSecret: "s", Audience: "a",
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				asked = append(asked, time.Since(begin))
				a := answer(status, `{"access_token":"token"}`)
				a.Header.Set("Retry-After", after)
				return a, nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		authorize := func() *upstream.Error {
			var e *upstream.Error
			_ = errors.As(source.Authorize(t.Context(), http.Header{}), &e)
			return e
		}
		for range 40 { // 20 s
			if e := authorize(); e == nil || e.Kind != upstream.Rejected {
				t.Fatalf("got %v", e)
			}
			time.Sleep(500 * time.Millisecond)
		}
		after, status = "45", 429
		time.Sleep(11 * time.Second)
		if e := authorize(); e.Kind != upstream.RateLimited {
			t.Errorf("got %v", e)
		}
		time.Sleep(5 * time.Second)
		if e := authorize(); e.Kind != upstream.RateLimited || e.RetryAfter != 40*time.Second {
			t.Errorf("got %v, RetryAfter %v", e, e.RetryAfter)
		}
		after, status = "", 200
		time.Sleep(40 * time.Second)
		if e := authorize(); e != nil {
			t.Errorf("got %v", e)
		}
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second, 76 * time.Second}
		if !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
	})
}

func TestTokenErrorsAreTheBackends(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]upstream.Kind{
		400: upstream.Rejected, 401: upstream.Rejected, 403: upstream.Rejected, 404: upstream.Rejected,
		429: upstream.RateLimited, 500: upstream.Unavailable, 302: upstream.Contract,
	} {
		c := (&issuer{status: status}).client(t)
		err := read(t.Context(), c)
		var e *upstream.Error
		if !errors.As(err, &e) || e.Kind != want || e.Backend != upstream.MATTR || e.Route != "/oauth/token" || e.Status != status {
			t.Errorf("%d: got %v, want %v", status, err, want)
		}
		if strings.Contains(fmt.Sprintf("%+v", err), "secret-word") {
			t.Errorf("%d: the error shows the body: %v", status, err)
		}
	}
	for _, body := range []string{``, `{}`, `{"access_token":""}`, `{"access_token":"a b"}`, `{"access_token":7}`, `<html>`, `{"access_token":"a\r\nX: y"}`} {
		source, err := NewTokenSource(TokenOptions{URL: "https://auth.example/", ClientID: "i", ClientSecret: "s", Audience: "a", Transport: fixed(200, body)})
		if err != nil {
			t.Fatal(err)
		}
		if err := source.Authorize(t.Context(), http.Header{}); upstream.KindOf(err) != upstream.Contract {
			t.Errorf("%s: got %v, want contract", body, err)
		}
	}
}

func TestNewTokenSourceNamesTheWrongOption(t *testing.T) {
	t.Parallel()
	good := TokenOptions{URL: "https://auth.example/oauth/token", ClientID: "i", ClientSecret: "s", Audience: "a"}
	for want, change := range map[string]func(*TokenOptions){
		"URL": func(o *TokenOptions) { o.URL = "http://auth.example" }, "ClientID": func(o *TokenOptions) { o.ClientID = "" },
		"ClientSecret": func(o *TokenOptions) { o.ClientSecret = "" }, "Audience": func(o *TokenOptions) { o.Audience = "" },
	} {
		o := good
		change(&o)
		if _, err := NewTokenSource(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func FuzzLifetime(f *testing.F) {
	f.Add("3600")
	f.Add("NaN")
	f.Add("1e400")
	f.Fuzz(func(t *testing.T, s string) {
		if d := lifetime(s); d < 0 || d > maxLife {
			t.Errorf("%q: got %v", s, d)
		}
	})
}
