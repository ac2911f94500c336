package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// checkStatus is how a check of the doctor ended.
type checkStatus string

const (
	statusOK      checkStatus = "ok"
	statusWarning checkStatus = "warning" // works, and should be mended
	statusFailed  checkStatus = "failed"
	statusSkipped checkStatus = "skipped"
)

// doctorResult is one line of the doctor's table. It holds no URL, credential or byte of a body.
type doctorResult struct {
	Check  string      `json:"check"`
	Status checkStatus `json:"verdict"`
	Detail string      `json:"detail"`
	Remedy string      `json:"remedy,omitempty"`
	Millis int64       `json:"durationMs"`
}

// failed reports whether something does not work, or could not be looked at.
func (g doctorResult) failed() bool { return g.Status == statusFailed || g.Detail == interrupted }

// interrupted is the detail of a check that was not made because the doctor was stopped.
const interrupted = "interrupted"

type doctorCommand struct {
	JSON bool `name:"json" help:"Write JSON."`
}

// Run examines until it is done or the process gets a signal to stop.
func (c *doctorCommand) Run(ctx context.Context, p *process) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return p.with(func(e *environment) error {
		d := &doctor{cfg: e.cfg, getenv: p.Getenv, clocks: clocks{base: e.transport}}
		return d.run(ctx, c.JSON, p.Stdout, p.Stderr)
	})
}

type doctor struct {
	cfg *config.Config
	// getenv reads the standard variables of traces.
	getenv func(string) string
	// clocks carries the calls to the backends.
	clocks clocks
	// authorizer is MATTR's where its authorization server issued a token; without one the check of its API is skipped.
	authorizer upstream.Authorizer
}

// run compares the configuration with the real world, with one cheap read of each backend. It writes a table or JSON to
// stdout and its progress to stderr. Its error is nil where everything works.
func (d *doctor) run(ctx context.Context, asJSON bool, stdout, stderr io.Writer) error {
	list := d.runChecks(ctx, progressTo(stderr))
	ok := !slices.ContainsFunc(list, doctorResult.failed)
	return conclude(stdout, asJSON, ok && ctx.Err() == nil, doctorReport{ok, list})
}

// doctorCheck is one check of the settings against the running backends, Redis or clocks.
type doctorCheck struct {
	name string
	run  func(context.Context) doctorResult
}

func (d *doctor) checks() []doctorCheck {
	list := []doctorCheck{{"thoughtindustries", d.thoughtIndustries}, {"coassemble", d.coassemble}}
	if d.cfg.HasMATTR() && d.cfg.MATTRToken == "" {
		list = append(list, doctorCheck{"mattr token", d.mattrToken})
	}
	list = append(list, doctorCheck{"mattr", d.mattr}, doctorCheck{"redis", d.redis}, doctorCheck{"clocks", d.checkClocks})
	for _, backend := range d.cfg.Webhooks() {
		list = append(list, doctorCheck{backend + " webhook", func(ctx context.Context) doctorResult {
			return d.webhook(ctx, backend)
		}})
	}
	return append(list, d.startupChecks()...)
}

// runChecks runs one check after the other: a backend's limit of calls at once is not for the doctor.
func (d *doctor) runChecks(ctx context.Context, p progress) []doctorResult {
	checks := d.checks()
	list := make([]doctorResult, len(checks))
	defer p.end()
	for i, c := range checks {
		p.show(fmt.Sprintf("checking %s (%d of %d)", c.name, i+1, len(checks)))
		start := time.Now()
		if ctx.Err() != nil {
			list[i] = doctorResult{Status: statusSkipped, Detail: interrupted, Remedy: "run the doctor again"}
		} else {
			list[i] = c.run(ctx)
		}
		list[i].Check, list[i].Millis = c.name, time.Since(start).Milliseconds()
	}
	return list
}

// doctorReport is the command's output.
type doctorReport struct {
	OK     bool           `json:"ok"`
	Checks []doctorResult `json:"checks"`
}

func (r doctorReport) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CHECK\tVERDICT\tTIME\tDETAIL\tREMEDY")
	for _, g := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%d ms\t%s\t%s\n", g.Check, g.Status, g.Millis, g.Detail, cmp.Or(g.Remedy, "-"))
	}
	_ = t.Flush() // to memory
}

// target names the settings of a backend, for remedies; needs are those without which it is not configured.
type target struct{ backend, requires, url, credential, timeout, rate string }

var (
	targetThoughtIndustries = target{"Thought Industries", "THOUGHTINDUSTRIES_URL and THOUGHTINDUSTRIES_API_KEY",
		"THOUGHTINDUSTRIES_URL", "THOUGHTINDUSTRIES_API_KEY", "THOUGHTINDUSTRIES_TIMEOUT", "THOUGHTINDUSTRIES_RATE"}
	targetCoassemble = target{"Coassemble", "COASSEMBLE_AUTHORIZATION", "COASSEMBLE_URL", "COASSEMBLE_AUTHORIZATION",
		"COASSEMBLE_TIMEOUT", "COASSEMBLE_RATE"}
	targetMATTR = target{"MATTR", "MATTR_URL and its credentials", "MATTR_URL and MATTR_PATH_PREFIX", "MATTR_TOKEN",
		"MATTR_TIMEOUT", "MATTR_RATE"}
	targetMATTRToken = target{"MATTR's authorization server", "MATTR_TOKEN_URL", "MATTR_TOKEN_URL",
		"MATTR_CLIENT_ID, MATTR_CLIENT_SECRET and MATTR_AUDIENCE", "MATTR_TIMEOUT", "MATTR_RATE"}
)

func (p target) notConfigured() doctorResult {
	return doctorResult{Status: statusSkipped, Detail: "not configured",
		Remedy: "set " + p.requires + " to use " + p.backend}
}

// resultOf returns the result of a check that ended with err, the error of a read of the backend.
func (p target) resultOf(err error) doctorResult {
	if err == nil {
		return doctorResult{Status: statusOK, Detail: "reachable and authorised"}
	}
	var e *upstream.Error
	if !errors.As(err, &e) {
		return doctorResult{Status: statusFailed, Detail: err.Error(), Remedy: "check " + p.url + " and " + p.credential}
	}
	return doctorResult{Status: statusFailed, Detail: e.Error(), Remedy: p.remedy(e)}
}

func (p target) remedy(e *upstream.Error) string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "check " + p.credential + ": " + p.backend + " does not know it"
	case e.Status == http.StatusForbidden:
		return "give the credential the role for reading, and check that the plan includes the API: " +
			p.backend + " knows " + p.credential + " and refuses it"
	case e.Kind == upstream.Timeout, e.Kind == upstream.Deadline:
		return "check the network to " + p.backend + ", or raise " + p.timeout
	case e.Kind == upstream.RateLimited:
		return "lower " + p.rate + ": another program uses up the limit" + retryHint(e.RetryAfter)
	case e.Status >= 500:
		return "wait and see " + p.backend + "'s status page" + retryHint(e.RetryAfter)
	case e.Kind == upstream.Unavailable, e.Kind == upstream.Canceled:
		return "check " + p.url + ", name resolution, proxy and firewall: there is no connection"
	}
	return "check " + p.url + ": something answers there that is not this API"
}

func retryHint(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return fmt.Sprintf(", and try again in %d s", int(wait.Seconds()))
}

// client returns a client that sends each request once, and records the time in answers.
func (d *doctor) client(b upstream.Backend, cfg config.Backend, a upstream.Authorizer) (*upstream.Client, error) {
	return upstream.New(upstream.Options{Backend: b, BaseURL: cfg.URL, Authorizer: a, Transport: d.clocks.of(b),
		Timeout: cfg.Timeout, Concurrency: 1, Gzip: cfg.Gzip, MaxBody: d.cfg.UpstreamMaxBody, Retries: -1})
}

func (d *doctor) thoughtIndustries(ctx context.Context) doctorResult {
	p := targetThoughtIndustries
	if !d.cfg.HasThoughtIndustries() {
		return p.notConfigured()
	}
	rest, err := d.client(upstream.ThoughtIndustries, d.cfg.ThoughtIndustries,
		upstream.Header("Authorization", "Bearer "+d.cfg.ThoughtIndustriesKey))
	if err != nil {
		return p.resultOf(err)
	}
	var answer struct{ Valid bool }
	_, err = rest.Do(ctx, upstream.Request{Method: http.MethodGet, Route: "/incoming/v2/ping",
		Path: []string{"incoming", "v2", "ping"}, Read: func(resp *upstream.Response) error {
			return upstream.DecodeJSON(resp.Body, &answer)
		}})
	if err == nil && !answer.Valid {
		return doctorResult{Status: statusFailed, Detail: "the answer to a ping does not confirm that the key is valid",
			Remedy: "check " + p.credential}
	}
	return p.resultOf(err)
}

func (d *doctor) coassemble(ctx context.Context) doctorResult {
	p := targetCoassemble
	if !d.cfg.HasCoassemble() {
		return p.notConfigured()
	}
	rest, err := d.client(upstream.Coassemble, d.cfg.Coassemble,
		upstream.Header("Authorization", d.cfg.CoassembleAuthorization))
	if err != nil {
		return p.resultOf(err)
	}
	_, _, err = coassemble.New(rest).Clients(ctx, 0, 1)
	return p.resultOf(err)
}

func (d *doctor) mattrToken(ctx context.Context) doctorResult {
	source, err := mattr.NewTokenSource(mattr.TokenOptions{URL: d.cfg.MATTRTokenURL, ClientID: d.cfg.MATTRClientID,
		ClientSecret: d.cfg.MATTRClientSecret, Audience: d.cfg.MATTRAudience, Transport: d.clocks.of(upstream.MATTR),
		Timeout: d.cfg.MATTR.Timeout})
	if err == nil {
		err = source.Authorize(ctx, http.Header{})
	}
	if err != nil {
		return targetMATTRToken.resultOf(err)
	}
	d.authorizer = source
	return doctorResult{Status: statusOK, Detail: "gives tokens"}
}

func (d *doctor) mattr(ctx context.Context) doctorResult {
	p := targetMATTR
	if !d.cfg.HasMATTR() {
		return p.notConfigured()
	}
	authorizer := d.authorizer
	switch {
	case d.cfg.MATTRToken != "":
		authorizer = upstream.Header("Authorization", "Bearer "+d.cfg.MATTRToken)
	case authorizer == nil:
		return doctorResult{Status: statusSkipped, Detail: "there is no token to call with", Remedy: "fix the token first"}
	default:
		p.credential = targetMATTRToken.credential
	}
	rest, err := d.client(upstream.MATTR, d.cfg.MATTR, authorizer)
	if err != nil {
		return p.resultOf(err)
	}
	_, _, err = mattr.New(rest, d.cfg.MATTRPathPrefix).Identities(ctx, 1, "")
	return p.resultOf(err)
}

// clocks are how far the backends' clocks are ahead of ours, by the Date of any of their answers.
type clocks struct {
	// base carries the calls; nil is the network.
	base  http.RoundTripper
	mu    sync.Mutex
	ahead map[upstream.Backend]time.Duration
}

func (c *clocks) of(b upstream.Backend) http.RoundTripper {
	base := c.base
	if base == nil {
		base = upstream.NewTransport(1)
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		start := time.Now()
		resp, err := base.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.ahead == nil {
				c.ahead = map[upstream.Backend]time.Duration{}
			}
			c.ahead[b] = offset(date, start, time.Now())
		}
		return resp, nil
	})
}

// offset is the least by which a clock that showed date between start and end is off. A Date is cut to whole seconds.
func offset(date, start, end time.Time) time.Duration {
	switch {
	case date.After(end):
		return date.Sub(end)
	case date.Add(time.Second).Before(start):
		return date.Add(time.Second).Sub(start)
	}
	return 0
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const (
	// maxDrift is the difference of clocks that has no effect.
	maxDrift = 5 * time.Second
	// maxSkew is when moments that backends name, and the lives of tokens, are misread.
	maxSkew = time.Minute
)

func (d *doctor) checkClocks(context.Context) doctorResult {
	d.clocks.mu.Lock()
	defer d.clocks.mu.Unlock()
	var worst time.Duration
	var parts []string
	for b, ahead := range d.clocks.ahead {
		worst = max(worst, ahead.Abs())
		parts = append(parts, fmt.Sprintf("%s %+d s", b, int(ahead.Round(time.Second).Seconds())))
	}
	if len(parts) == 0 {
		return doctorResult{Status: statusSkipped, Detail: "no backend sent its time", Remedy: "fix the connections first"}
	}
	slices.Sort(parts)
	g := doctorResult{Status: statusOK, Detail: strings.Join(parts, ", ")}
	if worst > maxDrift {
		g.Status = statusWarning
		g.Remedy = "synchronize this machine by NTP; if only one backend differs, report it to the vendor"
	}
	if worst > maxSkew {
		g.Status = statusFailed
	}
	return g
}

// minRedisVersion is the oldest major version that we know to work.
const minRedisVersion = 6

// redisTimeout bounds the whole conversation with Redis.
const redisTimeout = 5 * time.Second

func (d *doctor) redis(ctx context.Context) doctorResult {
	if d.cfg.Cache.Redis == nil || d.cfg.Cache.Redis.URL == "" {
		return doctorResult{Status: statusSkipped, Detail: "not configured: this process caches only in memory",
			Remedy: "set REDIS_URL if several replicas run"}
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	start := time.Now()
	version, failure := cache.Ping(ctx, *d.cfg.Cache.Redis)
	took := time.Since(start)
	if failure != cache.PingOK {
		return doctorResult{Status: statusFailed, Detail: string(failure), Remedy: redisRemedies[failure]}
	}
	g := doctorResult{Status: statusOK, Detail: "version " + version}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < minRedisVersion {
		g.Status, g.Remedy = statusWarning, fmt.Sprintf("use Redis %d or later", minRedisVersion)
	} else if timeout := d.cfg.Cache.Redis.Timeout; timeout > 0 && took > 10*timeout {
		// Several exchanges and perhaps TLS: ten times the timeout of one round is slow by any measure.
		g.Status, g.Remedy = statusWarning, "move Redis closer or raise REDIS_TIMEOUT: it was slow"
	}
	return g
}

// redisRemedies are the remedies of each failure of Redis.
var redisRemedies = map[cache.PingError]string{
	cache.BadURL:        "write REDIS_URL as redis:// or rediss:// with a host",
	cache.Unreachable:   "check the host and port of REDIS_URL, and that Redis runs and lets this machine connect",
	cache.NoRedis:       "check the host, the port and the scheme of REDIS_URL",
	cache.Certificate:   "use the host name of the certificate, or set REDIS_CA_FILE to its issuer",
	cache.WrongPassword: "check the user and password in REDIS_URL",
	cache.NoPassword:    "put the user and password into REDIS_URL",
	cache.NoRights:      "give the user of REDIS_URL rights, or Redis a password",
	cache.Loading:       "wait until Redis has loaded its data",
	cache.NoMaster:      "set master_name in REDIS_URL to the master's name at the Sentinels",
	cache.Refusing:      "check that REDIS_URL is a master that accepts writes: it refuses commands",
}
