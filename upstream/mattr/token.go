package mattr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// TokenOptions describe the authorization server of a tenant.
type TokenOptions struct {
	// URL is that of the token endpoint itself.
	URL string
	// ClientID, ClientSecret and Audience are the values of the client credentials grant.
	ClientID, ClientSecret, Audience string
	Transport                        http.RoundTripper
	// Timeout bounds one token request; zero is upstream.DefaultTimeout.
	Timeout time.Duration
	// Observer is called for every token request.
	Observer func(upstream.Call)
}

const (
	// defaultLife is that of a token whose answer names none.
	defaultLife = 5 * time.Minute
	// lead is how long before its end a token is refreshed, if it lives that long.
	lead = time.Minute
	// pause is how long a refresh ahead of time rests after a failure, and a renewal after one that did not help.
	pause = 10 * time.Second
	// After a failure no token is requested for firstRest, after each further one for twice as long, up to maxRest; where
	// the server sends Retry-After, until then, within longestRest.
	firstRest   = time.Second
	maxRest     = time.Minute
	longestRest = 10 * time.Minute
	// maxLife keeps an answer's seconds within the range of a Duration.
	maxLife = 10 * 365 * 24 * time.Hour
)

// TokenSource is an Authorizer with bearer tokens of the OAuth2 client credentials grant. A token is fetched once for
// all who wait and refreshed before its end while the old one is still in use. After a failure it rests, and without a
// token every call fails with that failure meanwhile, its RetryAfter the rest.
type TokenSource struct {
	endpoint *upstream.Client
	timeout  time.Duration
	body     any

	mu       sync.Mutex
	current  *token
	fetching *fetch
	retryAt  time.Time // no refresh ahead of time before it
	failures int       // in a row
	restsTo  time.Time // no token request before it
	failure  error     // the last one
}

var _ upstream.Authorizer = (*TokenSource)(nil)

type token struct {
	header           []string // the Authorization header's values
	refreshAt, endAt time.Time
	renewal          bool // fetched because the one before was rejected
	accepted         bool
}

// fetch is a token request under way.
type fetch struct {
	done  chan struct{}
	token *token // this and err are set before done is closed
	err   error
}

// NewTokenSource checks the options and returns a source; no token is fetched before it is needed. An error names the
// option.
func NewTokenSource(o TokenOptions) (*TokenSource, error) {
	for _, option := range []struct{ name, value string }{
		{"ClientID", o.ClientID}, {"ClientSecret", o.ClientSecret}, {"Audience", o.Audience},
	} {
		if option.value == "" {
			return nil, fmt.Errorf("mattr token: %s: must be set", option.name)
		}
	}
	rest, err := upstream.New(upstream.Options{
		Backend: upstream.MATTR, BaseURL: o.URL, Transport: o.Transport, Timeout: o.Timeout,
		MaxBody: 1 << 20, Observer: o.Observer,
		Retries: -1, // resting is better: it also holds back the calls that want a token
	})
	if err != nil {
		return nil, fmt.Errorf("mattr token: %w", err)
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = upstream.DefaultTimeout
	}
	return &TokenSource{endpoint: rest, timeout: timeout, body: struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Audience     string `json:"audience"`
		GrantType    string `json:"grant_type"`
	}{o.ClientID, o.ClientSecret, o.Audience, "client_credentials"}}, nil
}

// Authorize adds the current token, and waits for one within ctx if there is none.
func (s *TokenSource) Authorize(ctx context.Context, h http.Header) error {
	t, err := s.token(ctx)
	if err != nil {
		return err
	}
	h["Authorization"] = t.header
	return nil
}

func (s *TokenSource) token(ctx context.Context) (*token, error) {
	s.mu.Lock()
	now := time.Now()
	t := s.current
	if t != nil && now.Before(t.endAt) {
		if !now.Before(t.refreshAt) && !now.Before(s.retryAt) && !now.Before(s.restsTo) {
			s.start(false)
		}
		s.mu.Unlock()
		return t, nil
	}
	if err := s.resting(now); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	f := s.start(false)
	s.mu.Unlock()
	return f.wait(ctx)
}

// resting is the failure that no token is asked for after, nil if one may be; s.mu is held.
func (s *TokenSource) resting(now time.Time) error {
	if s.fetching != nil || !now.Before(s.restsTo) {
		return nil
	}
	var e *upstream.Error
	if !errors.As(s.failure, &e) {
		return s.failure
	}
	again := *e
	again.RetryAfter = s.restsTo.Sub(now)
	return &again
}

// rest follows a failed request; s.mu is held.
func (s *TokenSource) rest(now time.Time, err error) {
	wait := min(firstRest<<min(s.failures, 10), maxRest)
	s.failures++
	var e *upstream.Error
	if errors.As(err, &e) {
		wait = max(wait, min(e.RetryAfter, longestRest))
	}
	s.restsTo, s.failure = now.Add(wait), err
}

// Accepted notes that the token of a header is good.
func (s *TokenSource) Accepted(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.header[0] == h.Get("Authorization") {
		s.current.accepted = true
	}
}

// Renew fetches another token if the rejected request carried the current one. It does not if that token was itself
// fetched because of a rejection and was never accepted: the backend then rejects us, not the token.
func (s *TokenSource) Renew(ctx context.Context, rejected http.Header) bool {
	s.mu.Lock()
	t, now := s.current, time.Now()
	if t != nil && t.header[0] != rejected.Get("Authorization") {
		s.mu.Unlock()
		return true
	}
	if t != nil && t.renewal && !t.accepted && now.Before(s.retryAt) || s.resting(now) != nil {
		s.mu.Unlock()
		return false
	}
	f := s.start(true)
	s.mu.Unlock()
	_, err := f.wait(ctx)
	return err == nil
}

// start begins a fetch unless one is under way; s.mu is held. The fetch does not end with the caller who began it,
// because others wait for it too.
func (s *TokenSource) start(renewal bool) *fetch {
	if s.fetching != nil {
		return s.fetching
	}
	f := &fetch{done: make(chan struct{})}
	s.fetching = f
	var t *token
	fetch := func() (err error) {
		t, err = s.fetch(context.Background())
		return err
	}
	task.Go(fetch, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetching = nil
		if err != nil || renewal {
			s.retryAt = time.Now().Add(pause)
		}
		if err == nil {
			t.renewal = renewal
			s.current, s.failures = t, 0
		} else {
			s.rest(time.Now(), err)
		}
		f.token, f.err = t, err
		close(f.done)
	})
	return f
}

func (f *fetch) wait(ctx context.Context) (*token, error) {
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *TokenSource) fetch(ctx context.Context) (*token, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   any    `json:"expires_in"`
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout) // its own time ends first
	defer cancel()
	_, err := s.endpoint.Do(ctx, upstream.Request{
		Method: http.MethodPost, Route: "/oauth/token", Body: s.body,
		Read: func(resp *upstream.Response) error {
			if err := upstream.DecodeJSON(resp.Body, &answer); err != nil {
				return err
			}
			if !wellFormed(answer.AccessToken) {
				return upstream.ContractError("the answer has no access token")
			}
			return nil
		},
	})
	if err != nil {
		return nil, refused(err)
	}
	life := lifetime(answer.ExpiresIn)
	ahead := life / 10
	if life > 2*lead {
		ahead = max(ahead, lead)
	}
	return &token{
		header:    []string{"Bearer " + answer.AccessToken},
		refreshAt: asked.Add(life - ahead), endAt: asked.Add(life),
	}, nil
}

// refused makes a failure of the token endpoint one of ours: no caller's input is part of a token request.
func refused(err error) error {
	var e *upstream.Error
	if !errors.As(err, &e) || e.Kind != upstream.Invalid && e.Kind != upstream.NotFound {
		return err
	}
	r := *e
	r.Kind, r.Details = upstream.Rejected, nil
	return &r
}

func wellFormed(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// lifetime reads expires_in: seconds, as a number or a text.
func lifetime(v any) time.Duration {
	var seconds float64
	switch v := v.(type) {
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	switch {
	case !(seconds > 0):
		return defaultLife
	case seconds >= maxLife.Seconds():
		return maxLife
	}
	return time.Duration(seconds * float64(time.Second))
}
