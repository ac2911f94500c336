package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// visit is one run of the doctor.
type visit struct {
	exit           int
	stdout, stderr string
	// verdicts is the status of each check, remedies the remedies of those that are not ok.
	verdicts, remedies map[string]string
}

// examined runs the doctor with -json over a configuration of three backends. change may alter it.
func examined(t *testing.T, transport http.RoundTripper, change func(*config.Config)) visit {
	t.Helper()
	return examinedWith(t, transport, nil, change)
}

// examinedWith runs it with further settings.
func examinedWith(t *testing.T, transport http.RoundTripper, env map[string]string, change func(*config.Config)) visit {
	t.Helper()
	getenv := func(name string) string { return cmp.Or(env[name], settings(name)) }
	cfg, err := config.Load(config.Sources{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	var stdout, stderr bytes.Buffer
	v := visit{exit: codeOf((&doctor{cfg: cfg, getenv: getenv, clocks: clocks{base: transport}}).run(t.Context(), true, &stdout, &stderr)),
		verdicts: map[string]string{}, remedies: map[string]string{}}
	v.stdout, v.stderr = stdout.String(), stderr.String()
	var answer struct{ Checks []doctorResult }
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		t.Fatalf("%v\n%s", err, v.stdout)
	}
	for _, g := range answer.Checks {
		v.verdicts[g.Check] = string(g.Status)
		if g.Status == statusOK {
			continue
		}
		if g.Remedy == "" {
			t.Errorf("%s: there is no remedy", g.Check)
		}
		v.remedies[g.Check] = g.Remedy
	}
	for _, secret := range []string{emulator.APIKey, emulator.Authorization, emulator.ClientSecret, emulator.ClientID, "emulator-token",
		"wrong-key", "hunter2", backendHost, "127.0.0.1:"} {
		if strings.Contains(v.stdout+v.stderr, secret) {
			t.Errorf("the doctor shows %q:\n%s%s", secret, v.stdout, v.stderr)
		}
	}
	return v
}

// backendHost is the backends' host in the tests' configuration. Nothing may show it.
const backendHost = "127.0.0.77"

// settings are a complete configuration whose budgets hold nothing back.
func settings(name string) string {
	env := emulator.Settings("http://" + backendHost)
	maps.Copy(env, map[string]string{"THOUGHTINDUSTRIES_RATE": "0", "COASSEMBLE_RATE": "0", "MATTR_RATE": "0", "LISTEN": "127.0.0.1:0"})
	return env[name]
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func emulated(t *testing.T) *emulator.Emulator {
	t.Helper()
	backends := emulator.New(emulator.Options{})
	t.Cleanup(backends.Close)
	return backends
}

// healthy is the doctor's result for three emulated backends without Redis.
func healthy(changes map[string]string) map[string]string {
	want := map[string]string{"thoughtindustries": "ok", "coassemble": "ok", "mattr token": "ok", "mattr": "ok", "redis": "skipped", "clocks": "ok",
		"trace collector": "skipped", "listen": "ok"}
	maps.Copy(want, changes)
	return want
}

func TestDoctorFindsHealthyBackendsWithOneReadEach(t *testing.T) {
	t.Parallel()
	backends := emulated(t)
	v := examined(t, backends.Transport(), nil)
	if diff := gocmp.Diff(healthy(nil), v.verdicts); diff != "" || v.exit != ExitOK {
		t.Errorf("got exit code %d, want %d\n%s\n%s", v.exit, ExitOK, diff, v.stdout)
	}
	var calls []string
	for _, c := range backends.Calls() {
		calls = append(calls, c.Method+" "+c.Route)
	}
	slices.Sort(calls)
	want := []string{"GET /core/v1/users", "GET /incoming/v2/ping", "GET /v1/headless/clients", "POST /oauth/token"}
	if diff := gocmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorNamesTheSettingThatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*config.Config)
		fault  map[string]emulator.Fault
		want   map[string]string
		remedy map[string]string // of a check, a part of it
	}{
		"wrong credentials": {
			change: func(c *config.Config) {
				c.ThoughtIndustriesKey, c.CoassembleAuthorization, c.MATTRClientSecret = "wrong-key", "wrong-key", "wrong-key"
			},
			want: map[string]string{"thoughtindustries": "failed", "coassemble": "failed", "mattr token": "failed", "mattr": "skipped"},
			remedy: map[string]string{"thoughtindustries": "THOUGHTINDUSTRIES_API_KEY", "coassemble": "COASSEMBLE_AUTHORIZATION",
				"mattr token": "MATTR_CLIENT_SECRET", "mattr": "token"},
		},
		"a fixed token that is wrong": {
			change: func(c *config.Config) { c.MATTRToken = "wrong-key" },
			want:   map[string]string{"mattr token": "", "mattr": "failed"},
			remedy: map[string]string{"mattr": "MATTR_TOKEN"},
		},
		"a plan without the API": {
			fault:  map[string]emulator.Fault{"coassemble": {Status: http.StatusForbidden}},
			want:   map[string]string{"coassemble": "failed"},
			remedy: map[string]string{"coassemble": "plan"},
		},
		"a key that a ping calls invalid": {
			fault:  map[string]emulator.Fault{"thoughtindustries": {Status: http.StatusOK, Body: `{"valid":false}`, ContentType: "application/json"}},
			want:   map[string]string{"thoughtindustries": "failed"},
			remedy: map[string]string{"thoughtindustries": "THOUGHTINDUSTRIES_API_KEY"},
		},
		"a web page instead of an API": {
			fault:  map[string]emulator.Fault{"": {Kind: emulator.FaultHTML}},
			want:   map[string]string{"thoughtindustries": "failed", "coassemble": "failed", "mattr token": "failed", "mattr": "skipped"},
			remedy: map[string]string{"thoughtindustries": "THOUGHTINDUSTRIES_URL", "coassemble": "COASSEMBLE_URL", "mattr token": "MATTR_TOKEN_URL"},
		},
		"another path": {
			change: func(c *config.Config) { c.MATTRPathPrefix = "/v9" },
			want:   map[string]string{"mattr": "failed"},
			remedy: map[string]string{"mattr": "MATTR_PATH_PREFIX"},
		},
		"a limit that another program uses up": {
			fault:  map[string]emulator.Fault{"coassemble": {Status: http.StatusTooManyRequests, RetryAfter: "7"}},
			want:   map[string]string{"coassemble": "failed"},
			remedy: map[string]string{"coassemble": "try again in 7 s"},
		},
		"a backend that fails": {
			fault:  map[string]emulator.Fault{"mattr": {Status: http.StatusServiceUnavailable}},
			want:   map[string]string{"mattr": "failed"},
			remedy: map[string]string{"mattr": "status page"},
		},
		"a backend that resets connections": {
			fault:  map[string]emulator.Fault{"thoughtindustries": {Kind: emulator.FaultReset}},
			want:   map[string]string{"thoughtindustries": "failed"},
			remedy: map[string]string{"thoughtindustries": "firewall"},
		},
		"a backend that hangs": {
			change: func(c *config.Config) { c.Coassemble.Timeout = 20 * time.Millisecond },
			fault:  map[string]emulator.Fault{"coassemble": {Kind: emulator.FaultHangHeaders}},
			want:   map[string]string{"coassemble": "failed"},
			remedy: map[string]string{"coassemble": "COASSEMBLE_TIMEOUT"},
		},
		"a backend that is not configured": {
			change: func(c *config.Config) { c.CoassembleAuthorization = "" },
			want:   map[string]string{"coassemble": "skipped"},
			remedy: map[string]string{"coassemble": "COASSEMBLE_AUTHORIZATION"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backends := emulated(t)
			for route, fault := range test.fault {
				backends.SetFault(route, fault)
			}
			v := examined(t, backends.Transport(), test.change)
			want := healthy(test.want)
			maps.DeleteFunc(want, func(_, verdict string) bool { return verdict == "" })
			if diff := gocmp.Diff(want, v.verdicts); diff != "" {
				t.Errorf("%s\n%s", diff, v.stdout)
			}
			for check, part := range test.remedy {
				if !strings.Contains(v.remedies[check], part) {
					t.Errorf("%s: got remedy %q, want %q in it", check, v.remedies[check], part)
				}
			}
			exit := ExitOK
			for _, verdict := range want {
				if verdict == "failed" {
					exit = ExitFailed
				}
			}
			if v.exit != exit {
				t.Errorf("got exit code %d, want %d", v.exit, exit)
			}
		})
	}
}

func TestDoctorFindsDeadBackends(t *testing.T) {
	t.Parallel()
	dead := roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: r.URL.Host, Err: "no such host"}}
	})
	v := examined(t, dead, nil)
	want := healthy(map[string]string{"thoughtindustries": "failed", "coassemble": "failed", "mattr token": "failed", "mattr": "skipped", "clocks": "skipped"})
	if diff := gocmp.Diff(want, v.verdicts); diff != "" || v.exit != ExitFailed {
		t.Errorf("got exit code %d, want %d\n%s", v.exit, ExitFailed, diff)
	}
	if got := v.remedies["coassemble"]; !strings.Contains(got, "COASSEMBLE_URL") {
		t.Errorf("got remedy %q", got)
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ahead time.Duration
		want  string
		exit  int
	}{
		"the same":            {0, "ok", ExitOK},
		"half a minute ahead": {30 * time.Second, "warning", ExitOK}, // far from both bounds: the answers may take long
		"an hour behind":      {-time.Hour, "failed", ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := emulated(t).Transport()
			v := examined(t, roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := inner.RoundTrip(r)
				if err == nil {
					resp.Header.Set("Date", time.Now().Add(test.ahead).UTC().Format(http.TimeFormat))
				}
				return resp, err
			}), nil)
			if v.verdicts["clocks"] != test.want || v.exit != test.exit {
				t.Errorf("got %s and exit code %d, want %s and %d", v.verdicts["clocks"], v.exit, test.want, test.exit)
			}
		})
	}
	for name, test := range map[string]struct{ date, start, end, want time.Duration }{
		"a cut second": {-900 * time.Millisecond, 0, time.Second, 0},
		"while asking": {time.Second, 0, 2 * time.Second, 0},
		"ahead":        {5 * time.Second, 0, 2 * time.Second, 3 * time.Second},
		"behind":       {-5 * time.Second, 0, 2 * time.Second, 4 * time.Second},
	} {
		if got := offset(noon.Add(test.date), noon.Add(test.start), noon.Add(test.end)).Abs(); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// spoken is a server that answers any command with one text; it hangs up where that is empty.
func spoken(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for text != "" {
					if _, err := conn.Read(make([]byte, 1024)); err != nil {
						return
					}
					_, _ = conn.Write([]byte(text))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// certified is a certificate for loopback that it signed itself, and the pool that accepts it.
func certified(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return &tls.Config{Certificates: web.TLS.Certificates}, roots
}

func TestDoctorExaminesRedis(t *testing.T) {
	t.Parallel()
	open := miniredis.RunT(t)
	locked := miniredis.RunT(t)
	locked.RequireUserAuth("user", "hunter2")
	certificate, roots := certified(t)
	secure, err := miniredis.RunTLS(certificate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(secure.Close)
	gone := spoken(t, "")
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	tests := map[string]struct {
		url, want, remedy string
		roots             *x509.CertPool
	}{
		"open":                  {url: "redis://" + open.Addr(), want: "ok"},
		"a password":            {url: "redis://user:hunter2@" + locked.Addr(), want: "ok"},
		"a wrong password":      {url: "redis://user:hunter2x@" + locked.Addr(), want: "failed", remedy: "check the user and password"},
		"no password":           {url: "redis://" + locked.Addr(), want: "failed", remedy: "put the user and password"},
		"nobody there":          {url: "redis://:hunter2@127.0.0.1:1", want: "failed", remedy: "host and port"},
		"one that hangs up":     {url: "redis://:hunter2@" + gone, want: "failed", remedy: "host and port"},
		"a web server":          {url: "redis://:hunter2@" + strings.TrimPrefix(web.URL, "http://"), want: "failed", remedy: "scheme"},
		"TLS to plain Redis":    {url: "rediss://:hunter2@" + open.Addr(), want: "failed", remedy: "host and port"},
		"TLS":                   {url: "rediss://" + secure.Addr(), want: "ok", roots: roots},
		"a certificate":         {url: "rediss://:hunter2@" + secure.Addr(), want: "failed", remedy: "REDIS_CA_FILE"},
		"another's name":        {url: "rediss://localhost:" + secure.Port(), want: "failed", remedy: "the host name of the certificate", roots: roots},
		"no Sentinel there":     {url: "redis://:hunter2@127.0.0.1:1?master_name=main", want: "failed", remedy: "host and port"},
		"no Cluster there":      {url: "redis://:hunter2@127.0.0.1:1?addr=127.0.0.1:2", want: "failed", remedy: "host and port"},
		"no URL":                {url: "hunter2", want: "failed", remedy: "redis://"},
		"an old version":        {url: "redis://" + spoken(t, "-ERR unknown command `HELLO`\r\n"), want: "warning", remedy: "Redis 6"},
		"a loading one":         {url: "redis://" + spoken(t, "-LOADING hunter2\r\n"), want: "failed", remedy: "wait"},
		"one that is odd":       {url: "redis://" + spoken(t, "-HUH hunter2\r\n"), want: "failed", remedy: "is a master that accepts writes"},
		"no right":              {url: "redis://" + spoken(t, "-NOPERM hunter2\r\n"), want: "failed", remedy: "rights"},
		"one that is read-only": {url: "redis://" + spoken(t, "-READONLY hunter2\r\n"), want: "failed", remedy: "is a master that accepts writes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := examined(t, emulated(t).Transport(), func(c *config.Config) {
				c.Cache.Redis = &cache.RedisOptions{URL: test.url, Timeout: time.Minute, RootCAs: test.roots}
			})
			if v.verdicts["redis"] != test.want || !strings.Contains(v.remedies["redis"], test.remedy) {
				t.Errorf("got %s %q, want %s %q\n%s", v.verdicts["redis"], v.remedies["redis"], test.want, test.remedy, v.stdout)
			}
			if exit := map[string]int{"failed": ExitFailed}[test.want]; v.exit != exit {
				t.Errorf("got exit code %d, want %d", v.exit, exit)
			}
		})
	}
}

func TestDoctorPrintsATableAndPlainProgress(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.Sources{Getenv: settings})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if exit := codeOf((&doctor{cfg: cfg, getenv: settings, clocks: clocks{base: emulated(t).Transport()}}).run(t.Context(), false, &stdout, &stderr)); exit != ExitOK {
		t.Errorf("got exit code %d", exit)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != 9 || !strings.HasPrefix(lines[0], "CHECK ") || !strings.Contains(lines[1], "reachable and authorised") {
		t.Errorf("got\n%s", &stdout)
	}
	if got, want := strings.Split(stderr.String(), "\n")[0], "checking thoughtindustries (1 of 8)"; got != want {
		t.Errorf("got progress %q, want %q", got, want)
	}
	if strings.Contains(stderr.String(), "\x1b") {
		t.Error("what is no terminal gets a terminal's control sequences")
	}
}

func TestDoctorExitsForScripts(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.Sources{Getenv: settings})
	if err != nil {
		t.Fatal(err)
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	for name, test := range map[string]struct {
		ctx  context.Context
		want int
	}{
		"an interruption":  {interrupted, ExitFailed},
		"nothing is wrong": {t.Context(), ExitOK},
	} {
		if got := codeOf((&doctor{cfg: cfg, getenv: settings, clocks: clocks{base: emulated(t).Transport()}}).run(test.ctx, false, io.Discard, io.Discard)); got != test.want {
			t.Errorf("%s: got exit code %d, want %d", name, got, test.want)
		}
	}
	if got := codeOf((&doctor{cfg: cfg, getenv: settings, clocks: clocks{base: emulated(t).Transport()}}).run(t.Context(), false, brokenPipe{}, io.Discard)); got != ExitFailed {
		t.Errorf("a table that nobody can read: got exit code %d, want %d", got, ExitFailed)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// The doctor's kinds of failure are the closed set of upstream; a new one must have a remedy.
func TestDoctorHasARemedyForEachKindOfFailure(t *testing.T) {
	t.Parallel()
	for kind := upstream.Unknown; !strings.HasPrefix(kind.String(), "kind "); kind++ {
		if g := targetMATTR.resultOf(&upstream.Error{Backend: upstream.MATTR, Kind: kind}); g.Remedy == "" {
			t.Errorf("%s has no remedy", kind)
		}
	}
}

// codeOf returns the exit code of a run.
func codeOf(err error) int {
	if e := exit(ExitOK); errors.As(err, &e) {
		return int(e)
	}
	return ExitOK
}

func TestACommandFailsWhereItsOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{false, true} {
		if got := codeOf(conclude(brokenPipe{}, asJSON, true, &checkResult{OK: true})); got != ExitFailed {
			t.Errorf("JSON %t: got exit code %d", asJSON, got)
		}
	}
}
