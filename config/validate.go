package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"

	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream"
)

func (c *Config) validate() error {
	host, _, _ := net.SplitHostPort(c.Listen) // it was checked when it was set
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("TLS_CERT_FILE and TLS_KEY_FILE must be set together")
	}
	if err := c.validateCallers(); err != nil {
		return err
	}
	if !c.Demo && c.Auth == "none" && !upstream.IsLoopback(host) && !c.given["AUTH"] {
		return fmt.Errorf(
			"LISTEN is not a loopback address: anyone who reaches %q could use your backends; set AUTH, or AUTH=none to allow it", c.Listen)
	}
	if err := errors.Join(c.validateCapture(host), c.validateCDN()); err != nil {
		return err
	}
	if c.Demo {
		return nil
	}
	return c.validateBackends()
}

// validateCapture checks at the start that a file can be written. Without AUTH anyone who reaches the server could fill
// the disk, so captures are for this machine alone then.
func (c *Config) validateCapture(host string) error {
	switch {
	case c.CaptureDir == "":
		return nil
	case !c.Explain:
		return errors.New("EXPLAIN is missing: CAPTURE_DIR needs it, since a capture needs the right to explain")
	case c.Auth == "none" && !upstream.IsLoopback(host):
		return errors.New("CAPTURE_DIR needs AUTH or a LISTEN on loopback: else anyone could make it write files")
	}
	probe, err := os.CreateTemp(c.CaptureDir, ".probe-*")
	if err != nil {
		return fmt.Errorf("CAPTURE_DIR must be a folder that files can be written to; it is %q: %w", c.CaptureDir,
			reload.Cause(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// validateCDN keeps the token from a network that could read it.
func (c *Config) validateCDN() error {
	u, err := url.Parse(c.CDN.PurgeURL)
	if err == nil && c.CDN.PurgeToken != "" && u.Scheme == "http" && !upstream.IsLoopback(u.Hostname()) {
		return errors.New("CDN_PURGE_URL must be https where CDN_PURGE_TOKEN is set: http is for loopback addresses only")
	}
	return nil
}

// cdnWarnings are warnings about settings that have no effect alone.
func (c *Config) cdnWarnings() (list []string) {
	if c.CDN.TagHeader != "" && !c.PublicCatalog {
		list = append(list,
			"CDN_TAG_HEADER has no effect without PUBLIC_CATALOG: shared caches may store no answer")
	}
	if c.CDN.PurgeURL != "" && c.CDN.TagHeader == "" {
		list = append(list, "CDN_PURGE_URL has no effect without CDN_TAG_HEADER: no answer has tags")
	}
	return list
}

func (c *Config) validateCallers() error {
	switch {
	case c.WithKeys() && c.APIKeysFile == "":
		return errors.New("API_KEYS_FILE is missing: AUTH has keys")
	case c.WithTokens() && (c.JWKS == "" || c.JWTIssuer == "" || c.JWTAudience == ""):
		return errors.New("JWT_JWKS, JWT_ISSUER or JWT_AUDIENCE is missing: AUTH has jwt")
	case c.TrustedMode != "off" && c.TrustedDocuments == "":
		return errors.New("TRUSTED_DOCUMENTS is missing: TRUSTED_MODE is set")
	}
	return nil
}

func (c *Config) validateBackends() error {
	for _, pair := range [][2]string{{"THOUGHTINDUSTRIES_URL", "THOUGHTINDUSTRIES_API_KEY"},
		{"THOUGHTINDUSTRIES_API_KEY", "THOUGHTINDUSTRIES_URL"}} {
		if c.given[pair[0]] && !c.given[pair[1]] {
			return fmt.Errorf("%s is missing: %s is set", pair[1], pair[0])
		}
	}
	if err := c.validateMATTR(); err != nil {
		return err
	}
	if !c.HasThoughtIndustries() && !c.HasCoassemble() && !c.HasMATTR() {
		return errors.New(
			"no backend is configured: set THOUGHTINDUSTRIES_URL, COASSEMBLE_AUTHORIZATION or MATTR_URL with their credentials, or start with -demo")
	}
	return nil
}

func (c *Config) validateMATTR() error {
	credentials := []string{"MATTR_TOKEN_URL", "MATTR_CLIENT_ID", "MATTR_CLIENT_SECRET"}
	given := func(name string) bool { return c.given[name] }
	any := slices.ContainsFunc(credentials, given)
	switch {
	case c.given["MATTR_TOKEN"] && any:
		return errors.New("MATTR_TOKEN and OAuth2 credentials are both set: use one of the two")
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
	case u.Scheme == "http" && !upstream.IsLoopback(u.Hostname()):
		return errors.New("must be https: http is for loopback addresses only")
	}
	return nil
}
