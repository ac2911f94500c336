package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// environment is a complete configuration of three backends, which overrides change; an empty value takes a setting away.
func environment(overrides map[string]string) func(string) string {
	env := emulator.Settings("http://127.0.0.77")
	maps.Copy(env, overrides)
	return func(name string) string { return env[name] }
}

func TestAWrongSettingIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		env   map[string]string
		flags map[string]string
		names string
	}{
		{"an address without a port", map[string]string{"LISTEN": "localhost"}, nil, "LISTEN must be an address"},
		{"all interfaces", map[string]string{"LISTEN": ":8080"}, nil, "LISTEN is not a loopback address"},
		{"another machine's address", map[string]string{"LISTEN": "192.0.2.1:8080"}, nil, "LISTEN is not a loopback address"},
		{"a name that is not loopback", nil, map[string]string{"LISTEN": "learning.example:8080"}, "LISTEN is not a loopback address"},
		{"an unknown way to tell callers apart", map[string]string{"AUTH": "password"}, nil, "AUTH must be"},
		{"no key", map[string]string{"THOUGHTINDUSTRIES_API_KEY": ""}, nil, "THOUGHTINDUSTRIES_API_KEY is missing"},
		{"no URL", map[string]string{"THOUGHTINDUSTRIES_URL": ""}, nil, "THOUGHTINDUSTRIES_URL is missing"},
		{"a URL without a scheme", map[string]string{"COASSEMBLE_URL": "api.coassemble.com"}, nil, "COASSEMBLE_URL must be"},
		{"a URL that is not https", map[string]string{"COASSEMBLE_URL": "http://api.coassemble.com"}, nil, "COASSEMBLE_URL must be https"},
		{"a URL with a password", map[string]string{"MATTR_URL": "https://user:hidden@tenant.example"}, nil, "MATTR_URL must have no user"},
		{"a URL with a query", map[string]string{"THOUGHTINDUSTRIES_URL": "https://tenant.example?key=hidden"}, nil, "THOUGHTINDUSTRIES_URL must have no user, query"},
		{"a token URL that is not https", map[string]string{"MATTR_TOKEN_URL": "http://auth.example/token"}, nil, "MATTR_TOKEN_URL must be https"},
		{"no token URL", map[string]string{"MATTR_TOKEN_URL": ""}, nil, "MATTR_TOKEN_URL is missing"},
		{"no client id", map[string]string{"MATTR_CLIENT_ID": ""}, nil, "MATTR_CLIENT_ID is missing"},
		{"no client secret", map[string]string{"MATTR_CLIENT_SECRET": ""}, nil, "MATTR_CLIENT_SECRET is missing"},
		{"credentials without a tenant", map[string]string{"MATTR_URL": ""}, nil, "MATTR_URL is missing"},
		{"a token beside credentials", map[string]string{"MATTR_TOKEN": "hidden"}, nil, "MATTR_TOKEN and OAuth2 credentials are both set"},
		{"a key of Redis that is too short", map[string]string{"REDIS_KEY": "hidden"}, nil, "REDIS_KEY must be keys"},
		{"a file of Redis's keys that is empty", map[string]string{"REDIS_KEY_FILE": os.DevNull}, nil, "REDIS_KEY_FILE is empty"},
		{"a certificate without a key", map[string]string{"TLS_CERT_FILE": "cert.pem"}, nil, "TLS_CERT_FILE and TLS_KEY_FILE must be set together"},
		{"a prefix with a hash tag", map[string]string{"REDIS_PREFIX": "{lg}"}, nil, "REDIS_PREFIX must be at most 64"},
		{"issuers that are none", map[string]string{"REDIS_CA_FILE": os.DevNull}, nil, "REDIS_CA_FILE must be"},
		{"issuers that are nowhere", map[string]string{"REDIS_CA_FILE": "/nowhere/at-all"}, nil, "REDIS_CA_FILE must be"},
		{"a rate without a duration", map[string]string{"COASSEMBLE_RATE": "100"}, nil, "COASSEMBLE_RATE"},
		{"a rate of nothing", map[string]string{"MATTR_RATE": "x/1m"}, nil, "MATTR_RATE"},
		{"a concurrency of none", map[string]string{"MATTR_CONCURRENCY": "0"}, nil, "MATTR_CONCURRENCY"},
		{"a header that is none", map[string]string{"CORS_HEADERS": "X-Tenant, X Other"}, nil, "CORS_HEADERS must be names of headers"},
		{"a timeout without a unit", map[string]string{"COASSEMBLE_TIMEOUT": "10"}, nil, "COASSEMBLE_TIMEOUT must be a duration"},
		{"a timeout below zero", map[string]string{"OPERATION_TIMEOUT": "-1s"}, nil, "OPERATION_TIMEOUT must be a duration"},
		{"a shutdown delay in the past", map[string]string{"SHUTDOWN_DELAY": "-1s"}, nil, "SHUTDOWN_DELAY must be a duration, such as 60s, or 0"},
		{"a shutdown timeout of zero", map[string]string{"SHUTDOWN_TIMEOUT": "0s"}, nil, "SHUTDOWN_TIMEOUT must be a duration"},
		{"a switch that is neither", map[string]string{"ALLOW_DELETES": "perhaps"}, nil, "ALLOW_DELETES must be true or false"},
		{"gzip that is neither", map[string]string{"MATTR_GZIP": "perhaps"}, nil, "MATTR_GZIP must be true or false"},
		{"a size that is none", map[string]string{"UPSTREAM_MAX_BODY": "much"}, nil, "UPSTREAM_MAX_BODY must be a size"},
		{"an unknown link of clients", map[string]string{"LINK_CLIENT": "name"}, nil, "LINK_CLIENT must be id, slug or sku"},
		{"an unknown link of users", map[string]string{"LINK_USER": "email"}, nil, "LINK_USER must be subjectId, id or claims.KEY"},
		{"a claim without a name", map[string]string{"LINK_USER": "claims."}, nil, "LINK_USER must be"},
		{"a secret twice", map[string]string{"MATTR_CLIENT_SECRET_FILE": "/dev/null"}, nil, "MATTR_CLIENT_SECRET_FILE are both set"},
		{"a file that is not there", map[string]string{"COASSEMBLE_AUTHORIZATION": "", "COASSEMBLE_AUTHORIZATION_FILE": "/nowhere/at-all"}, nil, "COASSEMBLE_AUTHORIZATION_FILE cannot be read"},
		{"captures where nobody may explain", map[string]string{"CAPTURE_DIR": "."}, nil, "EXPLAIN is missing"},
		{"captures in no folder", map[string]string{"CAPTURE_DIR": "/nowhere/at-all", "EXPLAIN": "true"}, nil, "CAPTURE_DIR must be a folder"},
		{"captures for anyone", map[string]string{"CAPTURE_DIR": ".", "EXPLAIN": "true", "AUTH": "none", "LISTEN": ":8080"}, nil, "CAPTURE_DIR needs AUTH"},
		{"several addresses that are none", map[string]string{"THOUGHTINDUSTRIES_URL": "ti", "COASSEMBLE_URL": "co", "MATTR_URL": "ma", "MATTR_TOKEN_URL": "to"}, nil, "THOUGHTINDUSTRIES_URL must be"},
		{"no backend at all", map[string]string{
			"THOUGHTINDUSTRIES_URL": "", "THOUGHTINDUSTRIES_API_KEY": "", "COASSEMBLE_AUTHORIZATION": "", "MATTR_URL": "",
			"MATTR_TOKEN_URL": "", "MATTR_CLIENT_ID": "", "MATTR_CLIENT_SECRET": ""}, nil, "no backend is configured"},
	}
	if _, err := Load(Sources{Getenv: environment(nil)}); err != nil {
		t.Fatalf("the configuration that is broken below is not whole: %v", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Sources{Flags: test.flags, Getenv: environment(test.env)})
			if err == nil || !strings.Contains(err.Error(), test.names) {
				t.Fatalf("got %v, want an error that says %q", err, test.names)
			}
			for _, secret := range []string{"hidden", emulator.APIKey, emulator.Authorization, emulator.ClientSecret} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestAnOpenAddressNeedsAnExplicitAUTH(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{
		{"LISTEN": ":8080", "AUTH": "none"}, {"LISTEN": "[::1]:0"}, {"LISTEN": "localhost:0"}, {"LISTEN": "127.0.0.9:0"},
	} {
		if _, err := Load(Sources{Getenv: environment(env)}); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestAFlagWinsOverTheEnvironment(t *testing.T) {
	t.Parallel()
	cfg, err := Load(Sources{Flags: map[string]string{"LINK_CLIENT": "sku", "ALLOW_DELETES": "true"},
		Getenv: environment(map[string]string{"LINK_CLIENT": "slug", "ALLOW_DELETES": "false"})})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Link.Client != "sku" || !cfg.AllowDeletes {
		t.Errorf("got LINK_CLIENT %q and ALLOW_DELETES %v, want the flags' sku and true", cfg.Link.Client, cfg.AllowDeletes)
	}
}

func TestASecretComesFromAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(" from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(Sources{Flags: map[string]string{"COASSEMBLE_AUTHORIZATION_FILE": file},
		Getenv: environment(map[string]string{"COASSEMBLE_AUTHORIZATION": "", "MATTR_CLIENT_SECRET": "", "MATTR_CLIENT_SECRET_FILE": file})})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CoassembleAuthorization != "from-a-file" || cfg.MATTRClientSecret != "from-a-file" {
		t.Errorf("got %q and %q, want the file's text without spaces around it", cfg.CoassembleAuthorization, cfg.MATTRClientSecret)
	}
	if text := shown(cfg); strings.Contains(text, "from-a-file") {
		t.Errorf("the effective configuration shows a secret:\n%s", text)
	}
}

func TestKeysOfRedisComeFromAFileOneALine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	first, second := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	if err := os.WriteFile(file, []byte(first+"\n"+second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(Sources{Getenv: environment(map[string]string{"REDIS_URL": "redis://localhost", "REDIS_KEY_FILE": file})})
	if err != nil {
		t.Fatal(err)
	}
	if keys := cfg.Cache.Redis.Keys; len(keys) != 2 || keys[0][0] != 0xab || keys[1][0] != 0xcd {
		t.Errorf("got %x, want the first line's key first", keys)
	}
	if text := shown(cfg); strings.Contains(text, first) || strings.Contains(text, second) {
		t.Errorf("the effective configuration shows a key:\n%s", text)
	}
}

func TestTheEffectiveConfigurationHasEverySettingAndNoSecret(t *testing.T) {
	t.Parallel()
	cfg, err := Load(Sources{Getenv: environment(nil)})
	if err != nil {
		t.Fatal(err)
	}
	text := shown(cfg)
	for _, secret := range []string{emulator.APIKey, emulator.Authorization, emulator.ClientSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("the effective configuration shows a secret:\n%s", text)
		}
	}
	for _, s := range Settings() {
		if !strings.Contains("\n"+text, "\n"+s.Name+"=") {
			t.Errorf("the effective configuration has no %s", s.Name)
		}
	}
	if !strings.Contains(text, "THOUGHTINDUSTRIES_API_KEY=(secret)") {
		t.Errorf("the effective configuration does not say that a secret is set:\n%s", text)
	}
}

func TestTheDemoIgnoresTheBackendsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"THOUGHTINDUSTRIES_URL": "https://real.example", "COASSEMBLE_RATE": "1/1h",
		"MATTR_TOKEN": "a-real-token", "COASSEMBLE_AUTHORIZATION_FILE": "/nowhere/at-all", "ALLOW_DELETES": "false", "LINK_CLIENT": ""})
	cfg, err := Load(Sources{Demo: true, Getenv: env})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.ThoughtIndustries.URL != "http://localhost" || cfg.ThoughtIndustriesKey != emulator.APIKey || cfg.MATTRToken != "" {
		t.Errorf("got %q: the demo took backends from the environment", cfg.ThoughtIndustries.URL)
	}
	if len(cfg.Coassemble.Rates) > 0 || !cfg.AllowDeletes || !cfg.Introspection {
		t.Errorf("got rates %v, deletes %v, introspection %v: the demo holds nothing back", cfg.Coassemble.Rates, cfg.AllowDeletes, cfg.Introspection)
	}
	text := shown(cfg)
	for _, hidden := range []string{"real.example", "a-real-token", emulator.APIKey} {
		if strings.Contains(text, hidden) {
			t.Errorf("the demo's configuration shows %q", hidden)
		}
	}
}

// shown returns the settings as lines of NAME=value.
func shown(c *Config) string {
	var lines []string
	for _, v := range c.Values {
		lines = append(lines, v.Name+"="+v.Text)
	}
	return strings.Join(lines, "\n")
}

// What MAX_COST admits by default must not fail in part for its calls.
func TestTheDefaultsOfCostAndCallsFitEachOther(t *testing.T) {
	t.Parallel()
	cfg, err := Load(Sources{Demo: true, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MaxCost > cfg.OperationCalls*cost.CallPoints {
		t.Errorf("an operation of %d points may need %d calls and has %d", cfg.MaxCost, cfg.MaxCost/cost.CallPoints, cfg.OperationCalls)
	}
}
