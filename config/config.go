// Package config reads the settings of the program from flags and the environment, and checks them.
package config

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// Config is everything that the program can be told. Flags and environment are one list: -cache-ttl is CACHE_TTL.
type Config struct {
	Demo            bool
	Listen          string
	TLSCert, TLSKey string // files; "" for plain HTTP

	ThoughtIndustries Backend
	Coassemble        Backend
	MATTR             Backend

	ThoughtIndustriesKey    string
	CoassembleAuthorization string
	MATTRPathPrefix         string
	MATTRTokenURL           string
	MATTRClientID           string
	MATTRClientSecret       string
	MATTRAudience           string
	MATTRToken              string

	UpstreamMaxBody  int64
	OperationTimeout time.Duration
	OperationCalls   int
	Replicas         int
	OperationBytes   int64
	MaxInflight      int
	InflightBytes    int64
	ShutdownDelay    time.Duration
	ShutdownTimeout  time.Duration
	Link             Link
	Cache            cache.Options
	Auth             string
	AllowDeletes     bool
	Introspection    bool
	Explorer         bool
	Explain          bool
	PublicCatalog    bool

	APIKeysFile      string
	JWKS             string
	JWTIssuer        string
	JWTAudience      string
	JWTAlgorithms    []string
	JWTType          string
	JWTScopesClaim   string
	JWTClientsClaim  string
	TrustedDocuments string
	TrustedMode      string
	Origins          []string
	BatchLimit       int
	MaxCost          int
	CostMode         string
	Points           int
	PointsRestore    int
	MetricsListen    string
	TraceBackends    []string
	CaptureDir       string
	// Retries is how often a call is sent again, as upstream.Options say. A replay repeats none.
	Retries int

	// Command is what to do instead of serving, with its arguments; empty serves.
	Command []string

	// SecretFiles are the files that backends' credentials came from.
	SecretFiles []SecretFile

	// given names the settings that were set by a flag or the environment.
	given map[string]bool
	// Effective lists NAME=value of every setting, without secrets.
	Effective []string
}

// Backend is what the three backends have in common.
type Backend struct {
	URL         string
	Rates       []upstream.Rate
	Concurrency int
	Timeout     time.Duration
	Gzip        bool
}

// SecretFile is a credential of a backend that came from a file.
type SecretFile struct {
	Name, Path, Value string
	set               func(*Config, string) error
}

// WithSecrets returns a copy with other values of the credentials that came from files, in the order of SecretFiles.
func (c *Config) WithSecrets(values []string) *Config {
	next := *c
	next.SecretFiles = slices.Clone(c.SecretFiles)
	for i := range next.SecretFiles {
		f := &next.SecretFiles[i]
		f.Value = values[i]
		_ = f.set(&next, f.Value) // any text is a secret
	}
	return &next
}

// setting is one line of the configuration table.
type setting struct {
	name, fallback, usage string
	// secret values are never shown and can come from the file that NAME_FILE names.
	secret bool
	// flag settings need no value on the command line.
	flag bool
	// upstream settings say where the backends are; -demo ignores them.
	upstream bool
	// demo is what -demo makes of the setting, whatever else was said: it needs nothing and holds nothing back.
	demo string
	set  func(*Config, string) error
}

func settings() []setting {
	all := []setting{
		text("LISTEN", "127.0.0.1:8080", "address to serve on", func(c *Config) *string { return &c.Listen }),
		text("TLS_CERT_FILE", "", "certificate and its chain in PEM, read again when the file changes; plain HTTP unless set", func(c *Config) *string { return &c.TLSCert }),
		text("TLS_KEY_FILE", "", "key of TLS_CERT_FILE in PEM", func(c *Config) *string { return &c.TLSKey }),
		backendText("THOUGHTINDUSTRIES_URL", "", "instance base, without /incoming/v2", func(c *Config) *string { return &c.ThoughtIndustries.URL }),
		secretText("THOUGHTINDUSTRIES_API_KEY", "API key", func(c *Config) *string { return &c.ThoughtIndustriesKey }),
		backendText("COASSEMBLE_URL", "https://api.coassemble.com/api", "API base", func(c *Config) *string { return &c.Coassemble.URL }),
		secretText("COASSEMBLE_AUTHORIZATION", "the whole value of the Authorization header", func(c *Config) *string { return &c.CoassembleAuthorization }),
		backendText("MATTR_URL", "", "tenant base", func(c *Config) *string { return &c.MATTR.URL }),
		backendText("MATTR_PATH_PREFIX", "/core/v1", "path before /users", func(c *Config) *string { return &c.MATTRPathPrefix }),
		backendText("MATTR_TOKEN_URL", "", "OAuth2 token endpoint", func(c *Config) *string { return &c.MATTRTokenURL }),
		backendText("MATTR_CLIENT_ID", "", "OAuth2 client id", func(c *Config) *string { return &c.MATTRClientID }),
		secretText("MATTR_CLIENT_SECRET", "OAuth2 client secret", func(c *Config) *string { return &c.MATTRClientSecret }),
		backendText("MATTR_AUDIENCE", "", "OAuth2 audience; MATTR_URL unless set", func(c *Config) *string { return &c.MATTRAudience }),
		secretText("MATTR_TOKEN", "a fixed bearer token instead of OAuth2", func(c *Config) *string { return &c.MATTRToken }),
	}
	all = append(all, backendSettings("THOUGHTINDUSTRIES", "60/1m,1000/1h", "5", "20s", func(c *Config) *Backend { return &c.ThoughtIndustries })...)
	all = append(all, backendSettings("COASSEMBLE", "100/1m", "10", "10s", func(c *Config) *Backend { return &c.Coassemble })...)
	all = append(all, backendSettings("MATTR", "600/1m", "20", "10s", func(c *Config) *Backend { return &c.MATTR })...)
	all = append(all,
		bytesSetting("UPSTREAM_MAX_BODY", "64MiB", "largest answer of a backend, after inflating", func(c *Config) *int64 { return &c.UpstreamMaxBody }),
		duration("OPERATION_TIMEOUT", "15s", "one operation", func(c *Config) *time.Duration { return &c.OperationTimeout }),
		count("REPLICAS", "1", "processes that share the backends' limits: each keeps to its part where Redis does not tell", func(c *Config) *int { return &c.Replicas }),
		count("OPERATION_CALLS", "500", "backend calls of one operation", func(c *Config) *int { return &c.OperationCalls }),
		bytesSetting("OPERATION_BYTES", "512MiB", "what one operation may receive from backends", func(c *Config) *int64 { return &c.OperationBytes }),
		count("MAX_INFLIGHT", "1000", "requests under way; past it 503", func(c *Config) *int { return &c.MaxInflight }),
		bytesSetting("MAX_INFLIGHT_BYTES", "512MiB", "bodies, answers and backends' pages under way; past it 503", func(c *Config) *int64 { return &c.InflightBytes }),
		inDemo("0s", span("SHUTDOWN_DELAY", "1s", "time for load balancers: told to stop, the program is not ready and serves on", func(c *Config) *time.Duration { return &c.ShutdownDelay })),
		duration("SHUTDOWN_TIMEOUT", "10s", "what requests in flight get after that", func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
		text("LINK_CLIENT", "id", "the client's id, slug or sku is Coassemble's clientIdentifier", func(c *Config) *string { return &c.Link.Client }),
		text("LINK_USER", "subjectId", "subjectId, id or claims.KEY of the identity is the user's identifier", func(c *Config) *string { return &c.Link.User }),
		text("LINK_USER_PROVIDER", "", "providerId that subjectId belongs to", func(c *Config) *string { return &c.Link.UserProvider }),
		secretOptional("REDIS_URL", "redis://, rediss://; with master_name= Sentinel, with addr= Cluster; memory only unless set", func(c *Config) *string { return &c.redis().URL }),
		redisKey(),
		redisIssuers(),
		redisPrefix(),
		duration("REDIS_TIMEOUT", "20ms", "what a round to Redis may cost an operation", func(c *Config) *time.Duration { return &c.redis().Timeout }),
		span("CACHE_TTL", "60s", "an answer is fresh for; 0 turns caching across operations off", func(c *Config) *time.Duration { return &c.Cache.TTL }),
		span("CACHE_STALE", "10m", "then stale for", func(c *Config) *time.Duration { return &c.Cache.Stale }),
		span("CACHE_NEGATIVE", "10s", "an absence is remembered for", func(c *Config) *time.Duration { return &c.Cache.Negative }),
		bytesSetting("CACHE_MEMORY", "128MiB", "kept in the process", func(c *Config) *int64 { return &c.Cache.Memory }),
		onByDefault(boolean("COALESCE", "share calls in flight", func(c *Config) *bool { return &c.Cache.Coalesce })),
		text("AUTH", "none", "who may call: none (loopback only, unless said explicitly), keys, jwt or keys,jwt", func(c *Config) *string { return &c.Auth }),
		text("API_KEYS_FILE", "", "JSON list of keys: name, sha256, scopes, clients, points", func(c *Config) *string { return &c.APIKeysFile }),
		text("JWT_JWKS", "", "URL or file of the key set that tokens are signed with", func(c *Config) *string { return &c.JWKS }),
		text("JWT_ISSUER", "", "iss of tokens", func(c *Config) *string { return &c.JWTIssuer }),
		text("JWT_AUDIENCE", "", "aud of tokens", func(c *Config) *string { return &c.JWTAudience }),
		list("JWT_ALGORITHMS", "algorithms of tokens, with commas; the usual asymmetric ones unless set", func(c *Config) *[]string { return &c.JWTAlgorithms }),
		text("JWT_TYPE", "", "typ of tokens, such as at+jwt; any unless set", func(c *Config) *string { return &c.JWTType }),
		text("JWT_SCOPES_CLAIM", "", "claim with a token's scopes; the first of scope, scp and permissions unless set", func(c *Config) *string { return &c.JWTScopesClaim }),
		text("JWT_CLIENTS_CLAIM", "", "claim that binds a token to clients", func(c *Config) *string { return &c.JWTClientsClaim }),
		text("TRUSTED_DOCUMENTS", "", "manifest file or folder", func(c *Config) *string { return &c.TrustedDocuments }),
		text("TRUSTED_MODE", "off", "off, log or only", func(c *Config) *string { return &c.TrustedMode }),
		list("CORS_ORIGINS", "origins of pages that may call, with commas", func(c *Config) *[]string { return &c.Origins }),
		amount("BATCH_LIMIT", "10", "operations of one request; 0 takes no arrays", func(c *Config) *int { return &c.BatchLimit }),
		amount("MAX_COST", strconv.Itoa(gateway.DefaultMaxCost), "points of one operation; 0 for any", func(c *Config) *int { return &c.MaxCost }),
		text("COST_MODE", "enforce", "enforce, measure (report only) or off", func(c *Config) *string { return &c.CostMode }),
		amount("POINTS", "0", "size of each caller's bucket of points; 0 for none", func(c *Config) *int { return &c.Points }),
		amount("POINTS_RESTORE", "1000", "points that come back per second", func(c *Config) *int { return &c.PointsRestore }),
		list("TRACE_BACKENDS", "backends that are told the trace, with commas", func(c *Config) *[]string { return &c.TraceBackends }),
		text("METRICS_LISTEN", "", "address of /metrics, /status, /contract and /purge, and of /healthz and /readyz for probes", func(c *Config) *string { return &c.MetricsListen }),
		inDemo("true", boolean("ALLOW_DELETES", "the three delete mutations", func(c *Config) *bool { return &c.AllowDeletes })),
		inDemo("true", boolean("EXPLORER", "the query page at /", func(c *Config) *bool { return &c.Explorer })),
		inDemo("true", boolean("EXPLAIN", "extensions.explain for who asks with X-Learngraph-Explain: 1", func(c *Config) *bool { return &c.Explain })),
		text("CAPTURE_DIR", "", "folder for operations that come with X-Learngraph-Capture: 1", func(c *Config) *string { return &c.CaptureDir }),
		boolean("PUBLIC_CATALOG", "shared caches may keep what Thought Industries alone answers", func(c *Config) *bool { return &c.PublicCatalog }),
		inDemo("true", boolean("INTROSPECTION", "introspection, /schema.graphqls and suggestions", func(c *Config) *bool { return &c.Introspection })),
	)
	return all
}

func text(name, fallback, usage string, field func(*Config) *string) setting {
	return setting{name: name, fallback: fallback, usage: usage,
		set: func(c *Config, v string) error { *field(c) = v; return nil }}
}

func backendText(name, fallback, usage string, field func(*Config) *string) setting {
	s := text(name, fallback, usage, field)
	s.upstream = true
	return s
}

func inDemo(value string, s setting) setting {
	s.demo = value
	return s
}

func secretText(name, usage string, field func(*Config) *string) setting {
	s := backendText(name, "", usage, field)
	s.secret = true
	return s
}

// list is a text of several values with commas.
func list(name, usage string, field func(*Config) *[]string) setting {
	return setting{name: name, usage: usage, set: func(c *Config, v string) error {
		for _, item := range strings.Split(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*field(c) = append(*field(c), item)
			}
		}
		return nil
	}}
}

// amount is a whole number that may be zero.
func amount(name, fallback, usage string, field func(*Config) *int) setting {
	return setting{name: name, fallback: fallback, usage: usage, set: func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return errors.New("must be a whole number, or 0")
		}
		*field(c) = n
		return nil
	}}
}

func boolean(name, usage string, field func(*Config) *bool) setting {
	return setting{name: name, fallback: "false", usage: usage, flag: true, set: func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("must be true or false")
		}
		*field(c) = b
		return nil
	}}
}

// secretOptional is a secret that is no backend's: -demo leaves it as it is.
func secretOptional(name, usage string, field func(*Config) *string) setting {
	s := secretText(name, usage, field)
	s.upstream = false
	return s
}

func redisKey() setting {
	s := secretOptional("REDIS_KEY", "keys of 32 bytes in base64 or hexadecimal, with commas: the first seals what is kept in Redis, all open it", nil)
	s.set = func(c *Config, v string) (err error) {
		c.redis().Keys, err = cache.ParseKeys(v)
		return err
	}
	return s
}

func redisIssuers() setting {
	return setting{name: "REDIS_CA_FILE", usage: "PEM file of the issuers of Redis's certificate; the system's unless set", set: func(c *Config, v string) error {
		if v == "" {
			return nil
		}
		text, err := os.ReadFile(v)
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(text) {
			return errors.New("must be a file with certificates in PEM")
		}
		c.redis().RootCAs = roots
		return nil
	}}
}

func redisPrefix() setting {
	return setting{name: "REDIS_PREFIX", fallback: "lg:", usage: "beginning of every key and channel in Redis: installations with different ones share a Redis without touching each other", set: func(c *Config, v string) error {
		if strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") != "" || len(v) > 64 {
			return errors.New("must be at most 64 letters, digits and -_.:")
		}
		c.redis().Prefix = v
		return nil
	}}
}

func onByDefault(s setting) setting {
	s.fallback = "true"
	return s
}

// redis is where Redis is; a URL that stays empty is none.
func (c *Config) redis() *cache.RedisOptions {
	if c.Cache.Redis == nil {
		c.Cache.Redis = &cache.RedisOptions{}
	}
	return c.Cache.Redis
}

// span is a duration that may be zero.
func span(name, fallback, usage string, field func(*Config) *time.Duration) setting {
	return setting{name: name, fallback: fallback, usage: usage, set: func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return errors.New("must be a duration, such as 60s, or 0")
		}
		*field(c) = d
		return nil
	}}
}

func duration(name, fallback, usage string, field func(*Config) *time.Duration) setting {
	return setting{name: name, fallback: fallback, usage: usage, set: func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return errors.New("must be a duration above zero, such as 15s")
		}
		*field(c) = d
		return nil
	}}
}

func bytesSetting(name, fallback, usage string, field func(*Config) *int64) setting {
	return setting{name: name, fallback: fallback, usage: usage, set: func(c *Config, v string) error {
		n, err := humanize.ParseBytes(v)
		if err != nil || n == 0 || n > 1<<40 {
			return errors.New("must be a size such as 64MiB")
		}
		*field(c) = int64(n)
		return nil
	}}
}

func count(name, fallback, usage string, field func(*Config) *int) setting {
	return setting{name: name, fallback: fallback, usage: usage, set: func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return errors.New("must be a whole number above zero")
		}
		*field(c) = n
		return nil
	}}
}

func backendSettings(prefix, rate, concurrency, timeout string, backend func(*Config) *Backend) []setting {
	gzip := boolean(prefix+"_GZIP", "ask the backend for gzip", func(c *Config) *bool { return &backend(c).Gzip })
	gzip.fallback = "true"
	return []setting{
		{name: prefix + "_RATE", fallback: rate, demo: "0", usage: "COUNT/DURATION, several with commas, 0 for none",
			set: func(c *Config, v string) (err error) { backend(c).Rates, err = upstream.ParseRates(v); return err }},
		count(prefix+"_CONCURRENCY", concurrency, "calls at once", func(c *Config) *int { return &backend(c).Concurrency }),
		duration(prefix+"_TIMEOUT", timeout, "one call", func(c *Config) *time.Duration { return &backend(c).Timeout }),
		inDemo("false", gzip),
	}
}

func flagName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// Load reads flags, then the environment, then defaults; the first that names a setting wins. An error names it.
func Load(args []string, getenv func(string) string, stderr io.Writer) (*Config, error) {
	c := &Config{given: map[string]bool{}}
	flags, given, err := parseFlags(c, args, stderr)
	if err != nil {
		return nil, err
	}
	for _, s := range settings() {
		value, err := lookup(c, s, given, getenv)
		if err != nil {
			return nil, err
		}
		if err := s.set(c, value); err != nil {
			return nil, fmt.Errorf("%s %w", s.name, err)
		}
		if s.secret && value != "" {
			value = "(secret)"
		}
		c.Effective = append(c.Effective, s.name+"="+value)
	}
	if c.Command = flags.Args(); len(c.Command) > 0 && !c.IsCommand("doctor") && !c.IsCommand("purge") {
		return nil, fmt.Errorf("there is no command %q", c.Command[0])
	}
	if c.Demo {
		c.useEmulator()
	}
	if c.Cache.Redis.URL == "" {
		c.Cache.Redis = nil
	}
	if c.MATTRAudience == "" {
		c.MATTRAudience = c.MATTR.URL
	}
	return c, c.validate()
}

func parseFlags(c *Config, args []string, stderr io.Writer) (*flag.FlagSet, map[string]string, error) {
	flags := flag.NewFlagSet("learngraph", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&c.Demo, "demo", false, "run on emulated backends, with nothing else needed")
	given := map[string]string{}
	for _, s := range settings() {
		for _, name := range s.names() {
			set := func(v string) error { given[name] = v; return nil }
			if s.flag {
				flags.BoolFunc(flagName(name), s.usage, set)
			} else {
				flags.Func(flagName(name), s.usage, set)
			}
		}
	}
	return flags, given, flags.Parse(args)
}

func (s setting) names() []string {
	if s.secret {
		return []string{s.name, s.name + "_FILE"}
	}
	return []string{s.name}
}

func lookup(c *Config, s setting, flags map[string]string, getenv func(string) string) (string, error) {
	read := func(name string) string {
		if v, ok := flags[name]; ok {
			return v
		}
		return getenv(name)
	}
	if c.Demo && (s.upstream || s.demo != "") {
		return cmp.Or(s.demo, s.fallback), nil
	}
	value := read(s.name)
	if s.secret {
		file := read(s.name + "_FILE")
		if file != "" && value != "" {
			return "", fmt.Errorf("%s and %s_FILE are both set: use one", s.name, s.name)
		}
		if file != "" {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("%s_FILE cannot be read", s.name)
			}
			value = strings.TrimSpace(string(reload.Text(text)))
		}
		if file != "" && value == "" && !s.upstream {
			return "", fmt.Errorf("%s_FILE is empty", s.name) // the program would run without what the file is for
		}
		if file != "" && value != "" && s.upstream {
			c.SecretFiles = append(c.SecretFiles, SecretFile{Name: s.name + "_FILE", Path: file, Value: value, set: s.set})
		}
	}
	if value == "" {
		return s.fallback, nil
	}
	c.given[s.name] = true
	return value, nil
}

// useEmulator points every backend at the emulator, whose transport takes any host.
func (c *Config) useEmulator() {
	const base = "http://localhost"
	c.ThoughtIndustries.URL, c.ThoughtIndustriesKey = base, emulator.APIKey
	c.Coassemble.URL, c.CoassembleAuthorization = base+"/api", emulator.Authorization
	c.MATTR.URL, c.MATTRTokenURL = base, base+"/oauth/token"
	c.MATTRClientID, c.MATTRClientSecret, c.MATTRAudience = emulator.ClientID, emulator.ClientSecret, emulator.Audience
}

func (c *Config) validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return errors.New("LISTEN must be an address and a port, such as 127.0.0.1:8080")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("TLS_CERT_FILE and TLS_KEY_FILE must be set together")
	}
	if err := c.validateCallers(); err != nil {
		return err
	}
	if !slices.Contains([]string{"enforce", "measure", "off"}, c.CostMode) {
		return errors.New("COST_MODE must be enforce, measure or off")
	}
	if !c.Demo && c.Auth == "none" && !IsLoopback(host) && !c.given["AUTH"] {
		return errors.New("LISTEN is not a loopback address: anyone who reaches it could use your backends; say AUTH=none to allow that")
	}
	if err := c.Link.validate(); err != nil {
		return err
	}
	if err := c.validateCapture(host); err != nil {
		return err
	}
	if c.Demo {
		return nil
	}
	return c.validateBackends()
}

// validateCapture finds out now, and not with the first operation, whether a file can be written. Where nobody has to say
// who they are, anyone who reaches the server could fill the disk: that is for this machine alone.
func (c *Config) validateCapture(host string) error {
	switch {
	case c.CaptureDir == "":
		return nil
	case !c.Explain:
		return errors.New("EXPLAIN is missing: CAPTURE_DIR is set, and only who may explain may capture")
	case c.Auth == "none" && !IsLoopback(host):
		return errors.New("CAPTURE_DIR needs AUTH, or a LISTEN on loopback: anyone could have files written")
	}
	probe, err := os.CreateTemp(c.CaptureDir, ".probe-*")
	if err != nil {
		return errors.New("CAPTURE_DIR must be a folder that files can be written to")
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// IsCommand reports whether the program is to do this instead of serving.
func (c *Config) IsCommand(name string) bool { return len(c.Command) > 0 && c.Command[0] == name }

// WithKeys reports whether callers may send an API key.
func (c *Config) WithKeys() bool { return c.Auth == "keys" || c.Auth == "keys,jwt" }

// WithTokens reports whether callers may send a signed token.
func (c *Config) WithTokens() bool { return c.Auth == "jwt" || c.Auth == "keys,jwt" }

func (c *Config) validateCallers() error {
	switch {
	case c.Auth != "none" && !c.WithKeys() && !c.WithTokens():
		return errors.New("AUTH must be none, keys, jwt or keys,jwt")
	case c.WithKeys() && c.APIKeysFile == "":
		return errors.New("API_KEYS_FILE is missing: AUTH has keys")
	case c.WithTokens() && (c.JWKS == "" || c.JWTIssuer == "" || c.JWTAudience == ""):
		return errors.New("JWT_JWKS, JWT_ISSUER or JWT_AUDIENCE is missing: AUTH has jwt")
	case c.TrustedMode != "off" && c.TrustedDocuments == "":
		return errors.New("TRUSTED_DOCUMENTS is missing: TRUSTED_MODE is set")
	}
	if strings.Contains(c.JWKS, "://") {
		if err := checkURL(c.JWKS); err != nil {
			return fmt.Errorf("JWT_JWKS %w", err)
		}
	}
	return nil
}

func (c *Config) validateBackends() error {
	for _, pair := range [][2]string{{"THOUGHTINDUSTRIES_URL", "THOUGHTINDUSTRIES_API_KEY"}, {"THOUGHTINDUSTRIES_API_KEY", "THOUGHTINDUSTRIES_URL"}} {
		if c.given[pair[0]] && !c.given[pair[1]] {
			return fmt.Errorf("%s is missing: %s is set", pair[1], pair[0])
		}
	}
	if err := c.validateMATTR(); err != nil {
		return err
	}
	if !c.HasThoughtIndustries() && !c.HasCoassemble() && !c.HasMATTR() {
		return errors.New("no backend is configured: set THOUGHTINDUSTRIES_URL, COASSEMBLE_AUTHORIZATION or MATTR_URL with what belongs to them, or start with -demo")
	}
	for _, base := range []struct{ name, url string }{{"THOUGHTINDUSTRIES_URL", c.ThoughtIndustries.URL}, {"COASSEMBLE_URL", c.Coassemble.URL},
		{"MATTR_URL", c.MATTR.URL}, {"MATTR_TOKEN_URL", c.MATTRTokenURL}} {
		if err := checkURL(base.url); err != nil {
			return fmt.Errorf("%s %w", base.name, err)
		}
	}
	return nil
}

func (c *Config) validateMATTR() error {
	credentials := []string{"MATTR_TOKEN_URL", "MATTR_CLIENT_ID", "MATTR_CLIENT_SECRET"}
	given := func(name string) bool { return c.given[name] }
	any := slices.ContainsFunc(credentials, given)
	switch {
	case c.given["MATTR_TOKEN"] && any:
		return errors.New("MATTR_TOKEN is set beside OAuth2 credentials: use one of the two")
	case (c.given["MATTR_TOKEN"] || any) && !c.given["MATTR_URL"]:
		return errors.New("MATTR_URL is missing: credentials of MATTR are set")
	case !c.given["MATTR_URL"] || c.given["MATTR_TOKEN"]:
		return nil
	}
	for _, name := range credentials {
		if !c.given[name] {
			return fmt.Errorf("%s is missing: MATTR_URL needs it, or MATTR_TOKEN", name)
		}
	}
	return nil
}

// HasThoughtIndustries reports whether the backend is configured.
func (c *Config) HasThoughtIndustries() bool { return c.ThoughtIndustriesKey != "" }

// HasCoassemble reports whether the backend is configured.
func (c *Config) HasCoassemble() bool { return c.CoassembleAuthorization != "" }

// HasMATTR reports whether the backend is configured.
func (c *Config) HasMATTR() bool { return c.MATTR.URL != "" }

// checkURL wants https except on loopback, where the emulator and tests are.
func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be an absolute https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must have no user, query or fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return errors.New("must be https: http is for loopback addresses only")
	}
	return nil
}

// IsLoopback reports whether a host is this machine itself.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Scopes are a digest of each backend's address and credential: what one credential may see is not served to another.
func (c *Config) Scopes() map[upstream.Backend]string {
	digest := func(parts ...string) string {
		h := sha256.New()
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s", len(p), p)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	return map[upstream.Backend]string{
		upstream.ThoughtIndustries: digest(c.ThoughtIndustries.URL, c.ThoughtIndustriesKey),
		upstream.Coassemble:        digest(c.Coassemble.URL, c.CoassembleAuthorization),
		upstream.MATTR: digest(c.MATTR.URL, c.MATTRPathPrefix, c.MATTRToken, c.MATTRTokenURL, c.MATTRClientID, c.MATTRClientSecret,
			c.Link.User, c.Link.UserProvider),
	}
}

// Secret is a key for one use, the same in every replica. It comes from the backends' credentials, which all share.
func (c *Config) Secret(use string) string {
	h := sha256.New()
	scopes := c.Scopes()
	for _, b := range []upstream.Backend{upstream.ThoughtIndustries, upstream.Coassemble, upstream.MATTR} {
		fmt.Fprintf(h, "%s\x00", scopes[b])
	}
	fmt.Fprint(h, use)
	return hex.EncodeToString(h.Sum(nil))
}
