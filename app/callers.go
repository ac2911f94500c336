package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/upstream"
)

// knowCallers makes what tells callers and their documents apart, which no credential of a backend changes.
func (s *Server) knowCallers() (err error) {
	s.digest = digester(s.cfg.Secret("digest"))
	if s.authenticate, err = s.authenticator(); err != nil {
		return err
	}
	s.trusted, err = s.trustedDocuments()
	return err
}

// gatewayOptions are what stands between the internet and the schema.
func (s *Server) gatewayOptions(cfg *config.Config, root *resolvers.Resolver) gateway.Options {
	e := graph.NewEngine(graph.Config{Resolvers: root})
	e.Watch, e.MaxPlans, e.Reserve = s.traces.Levels(), s.cfg.Cache.Memory/4, s.Cache.Reserve
	return gateway.Options{
		Schema:        e,
		Limits:        gateway.DefaultLimits(),
		Timeout:       cfg.OperationTimeout,
		Introspection: cfg.Introspection,
		Operation:     s.operation(root),
		Log:           s.log,
		Begin:         s.traces.Begin,
		Observe:       s.observe,
		Mismatch:      s.watch.Mismatch,
		BatchLimit:    cfg.BatchLimit,
		CompressAbove: gateway.DefaultCompressAbove,
		Persisted:     gateway.NewSharedDocuments(s.Cache, cfg.Secret("documents")),
		Trusted:       s.trusted,
		Cost:          s.costOptions(cfg),
		Authenticate:  s.authenticate,
		Digest:        s.digest,
		Answers:       gateway.NewAnswers(s.Cache, cfg.Secret("answers")),
		Memory:        s.cfg.Cache.Memory,
		Reserve:       s.Cache.Reserve,
		Inflight:      s.Inflight,
		Explain:       cfg.Explain,
		PublicCatalog: cfg.PublicCatalog,
	}
}

// operation prepares the context of each operation that these resolvers answer.
func (s *Server) operation(root *resolvers.Resolver) func(context.Context) context.Context {
	return func(ctx context.Context) context.Context {
		ctx = upstream.WithCaller(ctx, auth.FromContext(ctx).Name)
		return root.WithOperation(upstream.WithAllowance(ctx, s.cfg.OperationCalls, s.cfg.OperationBytes))
	}
}

func (s *Server) costOptions(cfg *config.Config) gateway.CostOptions {
	if cfg.CostMode == "off" {
		return gateway.CostOptions{}
	}
	o := gateway.CostOptions{Max: int64(cfg.MaxCost), Measure: cfg.CostMode == "measure"}
	if cfg.Points > 0 {
		o.Bucket = cache.NewBucket(s.Cache, cfg.Secret("points"), "points")
		o.Points, o.Restore = cfg.Points, float64(cfg.PointsRestore)
	}
	return o
}

// digestSize is how much of a digest stands in a log, in bytes.
const digestSize = 12

// digester makes of an identifier what may stand in a log.
func digester(key string) func(string) string {
	return func(text string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil)[:digestSize])
	}
}

// authenticator tells callers apart; nil takes anyone.
func (s *Server) authenticator() (func(*http.Request) (*auth.Caller, error), error) {
	if s.cfg.Auth == "none" {
		return nil, nil
	}
	a := &auth.Authenticator{}
	var err error
	if s.cfg.WithKeys() {
		fsys, name := reload.At(s.cfg.APIKeysFile)
		if a.Keys, err = auth.NewKeys(fsys, name, s.reloadFailed("API_KEYS_FILE")); err != nil {
			return nil, fmt.Errorf("API_KEYS_FILE: %w", reload.Cause(err))
		}
	}
	if s.cfg.WithTokens() {
		if a.Tokens, err = s.tokens(); err != nil {
			return nil, fmt.Errorf("JWT_JWKS: %w", reload.Cause(err))
		}
	}
	return a.Authenticate, nil
}

func (s *Server) tokens() (*auth.Tokens, error) {
	o := auth.TokenOptions{Issuer: s.cfg.JWTIssuer, Audience: s.cfg.JWTAudience, Algorithms: s.cfg.JWTAlgorithms,
		Type: s.cfg.JWTType, ScopesClaim: s.cfg.JWTScopesClaim, ClientsClaim: s.cfg.JWTClientsClaim, Digest: s.digest}
	if strings.Contains(s.cfg.JWKS, "://") {
		o.URL = s.cfg.JWKS
	} else {
		o.Files, o.Name = reload.At(s.cfg.JWKS)
	}
	return auth.NewTokens(o, s.tokenReport)
}

func (s *Server) trustedDocuments() (*gateway.Trusted, error) {
	if s.cfg.TrustedDocuments == "" {
		return nil, nil
	}
	fsys, name := reload.At(s.cfg.TrustedDocuments)
	trusted, err := gateway.NewTrusted(gateway.TrustedOptions{Files: fsys, Name: name, Mode: gateway.TrustedMode(s.cfg.TrustedMode), Log: s.log})
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_DOCUMENTS: %w", reload.Cause(err))
	}
	return trusted, nil
}

// reloadFailed says that a changed file is not taken over.
func (s *Server) reloadFailed(setting string) func(error) {
	return func(err error) {
		s.log.Warn("a changed file is broken; what it said before holds on", "setting", setting, "cause", reload.Cause(err).Error())
	}
}
