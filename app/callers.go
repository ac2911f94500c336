package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/telemetry"
)

// callers identifies callers and resolves their documents. It does not depend on the backends' credentials.
type callers struct {
	// authenticate authenticates callers, on both listeners; nil where anyone may call.
	authenticate func(*http.Request) (*auth.Caller, error)
	digest       func(string) string
	trusted      *documents.Trusted
	keys         *auth.Keys   // nil where callers send none
	tokens       *auth.Tokens // likewise
	// keySet reports how reading the key set of tokens goes.
	keySet *telemetry.KeySetReport
}

func newCallers(cfg *config.Config, log *slog.Logger, m *telemetry.Metrics) (c *callers, err error) {
	c = &callers{digest: keyedHash(cfg.Secret("digest")), keySet: telemetry.NewKeySetReport(log, m)}
	if c.authenticate, err = c.authenticator(cfg, log); err != nil {
		return nil, err
	}
	c.trusted, err = trustedDocuments(cfg, log)
	return c, err
}

// digestSize is the length of a digest in a log, in bytes.
const digestSize = 12

// keyedHash returns a keyed digest of an identifier, safe to log.
func keyedHash(key string) func(string) string {
	return func(text string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil)[:digestSize])
	}
}

// authenticator identifies callers; nil takes anyone.
func (c *callers) authenticator(cfg *config.Config,
	log *slog.Logger) (func(*http.Request) (*auth.Caller, error), error) {
	if cfg.Auth == "none" {
		return nil, nil
	}
	var err error
	if cfg.WithKeys() {
		if c.keys, err = newKeys(cfg, log); err != nil {
			return nil, err
		}
	}
	if cfg.WithTokens() {
		if c.tokens, err = newTokens(cfg, c.digest, c.keySet); err != nil {
			return nil, err
		}
	}
	a := &auth.Authenticator{Keys: c.keys, Tokens: c.tokens}
	return a.Authenticate, nil
}

func newKeys(cfg *config.Config, log *slog.Logger) (*auth.Keys, error) {
	fsys, name := reload.At(cfg.APIKeysFile)
	keys, err := auth.NewKeys(fsys, name, reloadFailed(log, "API_KEYS_FILE"))
	if err != nil {
		return nil, fmt.Errorf("API_KEYS_FILE is %q: %w", cfg.APIKeysFile, reload.Cause(err))
	}
	return keys, nil
}

func newTokens(cfg *config.Config, digest func(string) string, report auth.Reporter) (*auth.Tokens, error) {
	tokens, err := auth.NewTokens(auth.TokenOptions{KeySetOptions: auth.KeySetAt(cfg.JWKS), Issuer: cfg.JWTIssuer,
		Audience: cfg.JWTAudience, Algorithms: cfg.JWTAlgorithms, Type: cfg.JWTType, ScopesClaim: cfg.JWTScopesClaim,
		ClientsClaim: cfg.JWTClientsClaim, Digest: digest}, report)
	if err != nil {
		return nil, fmt.Errorf("JWT_JWKS is %q: %w", cfg.JWKS, reload.Cause(err))
	}
	return tokens, nil
}

func trustedDocuments(cfg *config.Config, log *slog.Logger) (*documents.Trusted, error) {
	if cfg.TrustedDocuments == "" {
		return nil, nil
	}
	fsys, name := reload.At(cfg.TrustedDocuments)
	trusted, err := documents.NewTrusted(documents.TrustedOptions{Files: fsys, Name: name,
		Mode: documents.TrustedMode(cfg.TrustedMode), Log: log})
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_DOCUMENTS is %q: %w", cfg.TrustedDocuments, reload.Cause(err))
	}
	return trusted, nil
}

// operators returns the check of who may purge, callers with the scope operate. It is nil without AUTH.
func (c *callers) operators() func(*http.Request) bool {
	if c.authenticate == nil {
		return nil
	}
	return func(r *http.Request) bool {
		who, err := c.authenticate(r)
		return err == nil && who.Has(auth.Operate)
	}
}

// reloadFailed logs that a changed file was rejected.
func reloadFailed(log *slog.Logger, setting string) func(error) {
	return func(err error) {
		log.Warn("a changed file is invalid; its previous content stays in use", "setting", setting,
			"cause", reload.Cause(err).Error())
	}
}
