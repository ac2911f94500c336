// Package config reads the settings of the program from flags and the environment, and checks them.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/upstream"
)

// Config is the program's configuration.
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

	// The webhooks that are served are those whose secret, or whose key set and id, are set.
	ThoughtIndustriesWebhook string
	CoassembleWebhook        string
	MATTRWebhookJWKS         string
	MATTRWebhookID           string

	UpstreamMaxBody  int64
	OperationTimeout time.Duration
	OperationCalls   int
	Replicas         int
	OperationBytes   int64
	MaxInflight      int
	// Subscriptions are the most that may be open for one caller, and in all.
	Subscriptions   Subscriptions
	InflightBytes   int64
	ShutdownDelay   time.Duration
	ShutdownTimeout time.Duration
	Link            datasource.Link
	Cache           cache.Options
	Auth            string
	AllowDeletes    bool
	Introspection   bool
	Explorer        bool
	Explain         bool
	PublicCatalog   bool
	CDN             CDN
	Federation      bool

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
	OriginHeaders    []string
	BatchLimit       int
	MaxCost          int
	CostMode         string
	Points           int
	PointsRestore    int
	MetricsListen    string
	LogFormat        string // empty is text on a terminal, else json
	LogLevel         string
	TraceBackends    []string
	CaptureDir       string
	TrustedProxies   []netip.Prefix
	// Retries is how often a call is sent again, as in upstream.Options. A replay repeats none.
	Retries int

	// SecretFiles are the files that backends' credentials came from.
	SecretFiles []SecretFile

	// Values are the settings in order, as they are shown.
	Values []Value
	// Warnings are of settings that may be mistakes.
	Warnings []string

	// secretPaths are the files that secrets came from, by the names of their settings.
	secretPaths map[string]string

	// given names the settings that a flag, the environment or the file set.
	given map[string]bool
}

// CDN are the settings of the caches in front.
type CDN struct {
	TagHeader  string
	BrowserTTL time.Duration
	PurgeURL   string
	PurgeToken string
}

// Backend holds the settings that the three backends share.
type Backend struct {
	URL         string
	Rates       []upstream.Rate
	Concurrency int
	Timeout     time.Duration
	Gzip        bool
}

// SecretFile is a credential of a backend that came from a file.
type SecretFile struct{ Name, Path, Value string }

// SecretPaths returns the files that hold secrets, by the names of the settings that name them.
func (c *Config) SecretPaths() map[string]string {
	paths := maps.Clone(c.secretPaths)
	for name, path := range map[string]string{"API_KEYS_FILE": c.APIKeysFile, "TLS_KEY_FILE": c.TLSKey} {
		if path != "" {
			paths[name] = path
		}
	}
	return paths
}

// WithSecrets returns a copy with other values of the credentials that came from files, in the order of SecretFiles.
func (c *Config) WithSecrets(values []string) *Config {
	next := *c
	next.SecretFiles = slices.Clone(c.SecretFiles)
	for _, s := range next.settings() {
		i := slices.IndexFunc(next.SecretFiles, func(f SecretFile) bool { return f.Name == s.Name+"_FILE" })
		if i >= 0 {
			next.SecretFiles[i].Value = values[i]
			_ = s.set(values[i]) // any text is a secret
		}
	}
	return &next
}

// WithKeys reports whether callers may send an API key.
func (c *Config) WithKeys() bool { return c.Auth == "keys" || c.Auth == "keys,jwt" }

// WithTokens reports whether callers may send a signed token.
func (c *Config) WithTokens() bool { return c.Auth == "jwt" || c.Auth == "keys,jwt" }

// HasThoughtIndustries reports whether the backend is configured.
func (c *Config) HasThoughtIndustries() bool { return c.ThoughtIndustriesKey != "" }

// HasCoassemble reports whether the backend is configured.
func (c *Config) HasCoassemble() bool { return c.CoassembleAuthorization != "" }

// HasMATTR reports whether the backend is configured.
func (c *Config) HasMATTR() bool { return c.MATTR.URL != "" }

// Webhooks returns the backends whose webhooks are served.
func (c *Config) Webhooks() (backends []string) {
	for _, w := range []struct {
		backend upstream.Backend
		served  bool
	}{
		{upstream.ThoughtIndustries, c.ThoughtIndustriesWebhook != ""}, {upstream.Coassemble, c.CoassembleWebhook != ""},
		{upstream.MATTR, c.MATTRWebhookJWKS != "" && c.MATTRWebhookID != ""},
	} {
		if w.served {
			backends = append(backends, string(w.backend))
		}
	}
	return backends
}

// Scopes are a digest of each backend's address and credential: values that one credential may see are not served to
// another.
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
		upstream.MATTR: digest(c.MATTR.URL, c.MATTRPathPrefix, c.MATTRToken, c.MATTRTokenURL, c.MATTRClientID,
			c.MATTRClientSecret, c.Link.User, c.Link.UserProvider),
	}
}

// Secret is a key for one use, the same in every replica. It comes from the backends' credentials, which all share.
func (c *Config) Secret(use string) string {
	h := sha256.New()
	scopes := c.Scopes()
	for _, b := range upstream.Backends {
		fmt.Fprintf(h, "%s\x00", scopes[b])
	}
	fmt.Fprint(h, use)
	return hex.EncodeToString(h.Sum(nil))
}
