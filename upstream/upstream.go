// Package upstream is the REST client that the three backends share: one place that builds requests, waits for a
// backend's budget, sends, repeats safe requests, bounds and classifies answers, and stops calling a backend that
// fails. It is the only code that touches net/http on the way out, and it knows nothing of GraphQL. A package per
// backend below this one turns operations into requests and bodies into records.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream/http1"
)

// Backend names one of the three services.
type Backend string

// The backends.
const (
	ThoughtIndustries Backend = "thoughtindustries"
	Coassemble        Backend = "coassemble"
	MATTR             Backend = "mattr"
)

// Backends are all of them.
var Backends = []Backend{ThoughtIndustries, Coassemble, MATTR}

// The defaults of the options.
const (
	DefaultTimeout           = 10 * time.Second
	DefaultConcurrency       = 10
	DefaultMaxBody     int64 = 64 << 20
)

// Options describe one backend.
type Options struct {
	Backend Backend
	// BaseURL is absolute, http or https; https unless its host is loopback. Its path is kept in front of every route.
	BaseURL string
	// Authorizer adds the credential; nil adds none.
	Authorizer Authorizer
	// Transport carries the calls; nil is a transport of the client's own.
	Transport http.RoundTripper
	// Timeout bounds one exchange from its sending to the last byte of its answer. Waiting for a slot, for the budget
	// or for a token is not part of it.
	Timeout time.Duration
	// OperationTimeout is how much time a whole operation has as a rule, 0 if that is not known. Where it is shorter than
	// Timeout, calls end with their operation, and half of it is enough for such an end to count as a failure.
	OperationTimeout time.Duration
	// Retries is how often a call is sent again where that is safe: 0 is DefaultRetries, a negative number never.
	Retries int
	// Concurrency is how many calls are under way at once.
	Concurrency int
	// Rates are the backend's published limits. None means no limit.
	Rates []Rate
	// Budget bounds the starts of several processes together, besides the Rates of each; nil bounds nothing.
	Budget Budget
	// Gzip asks the backend to compress its answers.
	Gzip bool
	// MaxBody bounds an answer's body in bytes, after inflating.
	MaxBody int64
	// Inflight counts the answers that are read, and those that operations under way use; nil counts nothing.
	Inflight *inflight.Load
	// Observer is called for every exchange, whatever its context; it must be safe for concurrent use.
	Observer func(Call)
	// Drift counts the members that a Response's Document leaves out; nil counts nothing.
	Drift *SchemaDrift
}

// Client calls one backend. It is safe for concurrent use.
type Client struct {
	opts Options
	*shared
}

// shared is the state that clients of one backend have in common, whichever credential they send.
type shared struct {
	base     *url.URL
	limiter  *limiter
	order    keyedMutex
	retries  retryBudget
	health   *health
	outcomes outcomes
	random   func() float64 // from 0 to 1
	unknown  func(*document.Shape, []byte)
}

// New checks the options and returns a client. An error names the option and never shows the URL.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("%s: BaseURL: %w", o.Backend, err)
	}
	switch {
	case o.Backend == "":
		return nil, errors.New("upstream: Backend: must be named")
	case o.Timeout < 0:
		return nil, fmt.Errorf("%s: Timeout: must not be negative", o.Backend)
	case o.OperationTimeout < 0:
		return nil, fmt.Errorf("%s: OperationTimeout: must not be negative", o.Backend)
	case o.Concurrency < 0:
		return nil, fmt.Errorf("%s: Concurrency: must not be negative", o.Backend)
	case o.MaxBody < 0:
		return nil, fmt.Errorf("%s: MaxBody: must not be negative", o.Backend)
	}
	for _, r := range o.Rates {
		if r.Count <= 0 || r.Per <= 0 {
			return nil, fmt.Errorf("%s: Rates: count and duration must be positive", o.Backend)
		}
	}
	o = withDefaults(o)
	return &Client{o, &shared{
		base: base, limiter: newLimiter(o.Concurrency, o.Rates, o.Budget), health: newHealth(o.Concurrency),
		random: rand.Float64, unknown: o.Drift.unknown(o.Backend),
	}}, nil
}

// WithAuthorizer is a client of the same backend with another credential. The two share budget, slots and health.
func (c *Client) WithAuthorizer(a Authorizer) *Client {
	o := c.opts
	o.Authorizer = a
	return &Client{o, c.shared}
}

func withDefaults(o Options) Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Retries == 0 {
		o.Retries = DefaultRetries
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Authorizer == nil {
		o.Authorizer = anonymous{}
	}
	if o.Transport == nil {
		o.Transport = NewTransport(o.Concurrency)
	}
	return o
}

// NewTransport returns the network, with as many idle connections as calls are made at once: the next calls would have
// to open those of a lower bound again.
func NewTransport(concurrency int) http.RoundTripper { return &http1.Transport{MaxIdle: concurrency} }

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The parser's own error repeats the URL.
		return nil, errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("must be absolute and begin with https:// or http://")
	case u.User != nil:
		return nil, errors.New("must not hold user information")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must not have a query or fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("must be https, except on loopback")
	}
	return u, nil
}

// IsLoopback reports whether a host is this machine itself.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Zone() == "" && ip.IsLoopback()
}

// Backend is the backend that the client calls.
func (c *Client) Backend() Backend { return c.opts.Backend }

// Authorizer adds a credential to requests. It is safe for concurrent use.
type Authorizer interface {
	// Authorize adds the credential to the header of a request that is about to be sent. It may wait for one, within ctx.
	Authorize(ctx context.Context, h http.Header) error
	// Accepted reports that the backend took the credential of a header.
	Accepted(h http.Header)
	// Renew is asked after a 401; true means that the request should be sent once more with another credential.
	Renew(ctx context.Context, rejected http.Header) bool
}

// Header is an Authorizer that sets one header to a fixed value.
func Header(name, value string) Authorizer {
	return header{http.CanonicalHeaderKey(name), []string{value}}
}

type header struct {
	name   string
	values []string
}

func (h header) Authorize(_ context.Context, to http.Header) error {
	to[h.name] = h.values
	return nil
}

func (header) Accepted(http.Header) {}

func (header) Renew(context.Context, http.Header) bool { return false }

type anonymous struct{ header }

func (anonymous) Authorize(context.Context, http.Header) error { return nil }
