package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// Sources are where settings come from: a flag wins over the environment, and this over the file.
type Sources struct {
	// Demo runs on emulated backends.
	Demo bool
	// Flags are the values of the command line, by the names of the environment.
	Flags  map[string]string
	Getenv func(string) string
	// Environ is the whole environment as NAME=value, for warnings of names that look like ours; nil warns of none.
	Environ []string
	// File is the path of the configuration file; empty is none.
	File string
}

// Source is where a value comes from.
type Source string

// The sources of values.
const (
	FromDefault     Source = "default"
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromFile        Source = "file"
	FromDemo        Source = "demo"
	FromMemoryLimit Source = "memory limit"
)

// Value is a setting with its effective value as it is shown.
type Value struct {
	Setting
	// Text is the value; of a secret that is set it is (secret).
	Text   string
	Source Source
}

// hidden replaces a secret in output.
const hidden = "(secret)"

// Load reads the settings. Its error names the one that is wrong, its value unless that is a secret, and the values
// that it takes.
func Load(from Sources) (*Config, error) {
	c, err := Read(from)
	if err != nil {
		return nil, err
	}
	return c, c.validate()
}

// Read reads the settings for commands that serve nothing: each is right by itself, and some that belong together may
// be missing.
func Read(from Sources) (*Config, error) {
	file, err := readFile(from.File)
	if err != nil {
		return nil, err
	}
	c := &Config{Demo: from.Demo, given: map[string]bool{}, secretPaths: map[string]string{},
		Warnings: misspelledNames(from.Environ)}
	c.Cache.Redis = &cache.RedisOptions{}
	l := loader{config: c, layers: []layer{
		{FromFlag, func(name string) string { return from.Flags[name] }},
		{FromEnvironment, from.Getenv},
		{FromFile, func(name string) string { return file[name] }},
	}}
	for _, s := range c.settings() {
		if err := l.load(s); err != nil {
			return nil, err
		}
	}
	if c.Demo {
		c.useEmulator()
	}
	if c.Cache.Redis.URL == "" {
		c.Cache.Redis = nil
	}
	if (c.MATTRWebhookJWKS == "") != (c.MATTRWebhookID == "") {
		c.Warnings = append(c.Warnings,
			"/webhooks/mattr is not served: one of MATTR_WEBHOOK_JWKS and MATTR_WEBHOOK_ID is set, and it needs both")
	}
	c.Warnings = append(c.Warnings, c.cdnWarnings()...)
	if c.MATTRAudience == "" {
		c.MATTRAudience = c.MATTR.URL
	}
	return c, nil
}

type layer struct {
	source Source
	get    func(name string) string
}

type loader struct {
	config *Config
	layers []layer
}

func (l *loader) load(s Setting) error {
	c := l.config
	if c.Demo && s.upstream {
		return l.take(s, s.Default, FromDefault)
	}
	value, source, err := l.find(s)
	switch {
	case err != nil:
		return err
	case value == "":
		value, source = s.Default, FromDefault
	default:
		c.given[s.Name] = true
	}
	if c.Demo && s.demo != "" {
		// The value has no effect and can still be invalid.
		if err := s.check(value); err != nil {
			return err
		}
		value, source = s.demo, FromDemo
	}
	return l.take(s, value, source)
}

// take sets a value.
func (l *loader) take(s Setting, value string, source Source) error {
	if err := s.check(value); err != nil {
		return err
	}
	if s.Secret && value != "" {
		value = hidden
	}
	value = withoutSecrets(value)
	l.config.Values = append(l.config.Values, Value{Setting: s, Text: value, Source: source})
	return nil
}

// withoutSecrets hides the user and the query of an address: they may hold a password or a key.
func withoutSecrets(value string) string {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return value
	}
	if _, host, ok := strings.Cut(rest, "@"); ok {
		rest = hidden + "@" + host
	}
	if path, _, ok := strings.Cut(rest, "?"); ok {
		rest = path + "?" + hidden
	}
	return scheme + "://" + rest
}

// check sets a value, or returns why it is invalid.
func (s Setting) check(value string) error {
	err := s.set(value)
	switch {
	case err == nil:
		return nil
	case s.Secret || strings.ContainsAny(value, "@?") && strings.Contains(value, "://"):
		// An address with a user or a query may hold a password or a key.
		return fmt.Errorf("%s %w", s.Name, err)
	}
	return fmt.Errorf("%s %w; it is %q", s.Name, err, value)
}

// find returns the value of the first source that sets it, itself or by a file.
func (l *loader) find(s Setting) (string, Source, error) {
	for _, layer := range l.layers {
		value := layer.get(s.Name)
		if !s.Secret {
			if value != "" {
				return value, layer.source, nil
			}
			continue
		}
		path := layer.get(s.Name + "_FILE")
		switch {
		case path != "" && value != "":
			return "", "", fmt.Errorf("%s and %s_FILE are both set: use one", s.Name, s.Name)
		case path != "":
			value, err := l.readSecret(s, path)
			return value, layer.source, err
		case value != "":
			return value, layer.source, nil
		}
	}
	return "", "", nil
}

// readSecret reads the file of a secret. Those of backends and webhooks are read again when they change.
func (l *loader) readSecret(s Setting, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE cannot be read: %q: %w", s.Name, path, reload.Cause(err))
	}
	value := strings.TrimSpace(string(reload.Text(text)))
	if value == "" {
		return "", fmt.Errorf("%s_FILE is empty: %q", s.Name, path)
	}
	l.config.secretPaths[s.Name+"_FILE"] = path
	if s.upstream || s.reread {
		l.config.SecretFiles = append(l.config.SecretFiles,
			SecretFile{Name: s.Name + "_FILE", Path: path, Value: value})
	}
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
