package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"unicode"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// generation is the program under one set of credentials. Another credential may see other data, so whatever is kept
// under a digest of it is read by its own generation alone; budgets, circuits and connections outlive generations, for
// the backend is the same.
type generation struct {
	// secrets are the credentials that came from files, in the order of server.secrets.
	secrets []string
	root    *resolvers.Resolver
	gateway gateway.Options
	graphql *gateway.Gateway
	plan    http.Handler
}

// generate wires what depends on credentials.
func (s *Server) generate(cfg *config.Config) (*generation, error) {
	o := resolvers.Options{AllowDeletes: cfg.AllowDeletes, Options: datasource.Options{Link: datasource.Link(cfg.Link), Cache: s.Cache,
		Scopes: cfg.Scopes(), Batch: telemetry.ObserveBatches(s.metrics, s.traces), Within: s.traces.Within()}}
	for _, b := range s.backends {
		switch b.Backend() {
		case upstream.ThoughtIndustries:
			rest := b.WithAuthorizer(upstream.Header("Authorization", "Bearer "+cfg.ThoughtIndustriesKey))
			o.ThoughtIndustries = thoughtindustries.New(rest, thoughtindustries.Shapes{Client: model.Shapes.Client, Aggregation: model.Shapes.Aggregation})
		case upstream.Coassemble:
			o.Coassemble = coassemble.New(b.WithAuthorizer(upstream.Header("Authorization", cfg.CoassembleAuthorization)))
		case upstream.MATTR:
			authorizer, err := s.mattrAuthorizer(cfg)
			if err != nil {
				return nil, err
			}
			o.MATTR = mattr.New(b.WithAuthorizer(authorizer), cfg.MATTRPathPrefix)
		}
	}
	root := resolvers.New(o)
	options := s.gatewayOptions(cfg, root)
	gw := gateway.New(options)
	g := &generation{root: root, gateway: options, graphql: gw, plan: gw.PlanHandler()}
	for _, f := range cfg.SecretFiles {
		g.secrets = append(g.secrets, f.Value)
	}
	return g, nil
}

func (s *Server) mattrAuthorizer(cfg *config.Config) (upstream.Authorizer, error) {
	if cfg.MATTRToken != "" {
		return upstream.Header("Authorization", "Bearer "+cfg.MATTRToken), nil
	}
	return mattr.NewTokenSource(mattr.TokenOptions{URL: cfg.MATTRTokenURL, ClientID: cfg.MATTRClientID,
		ClientSecret: cfg.MATTRClientSecret, Audience: cfg.MATTRAudience, Transport: s.transport, Timeout: cfg.MATTR.Timeout,
		Observer: s.metrics.Call})
}

// watchedSecret is one that is read again when its file changes.
type watchedSecret struct {
	config.SecretFile
	file *reload.Value[string]
}

// now is the credential as the file has it. What is no regular file, such as a pipe, can be read once.
func (w *watchedSecret) now() string {
	if w.file == nil {
		return w.Value
	}
	return w.file.Get()
}

func (s *Server) watchSecrets() error {
	for _, f := range s.cfg.SecretFiles {
		w := watchedSecret{SecretFile: f}
		if info, err := os.Stat(f.Path); err == nil && info.Mode().IsRegular() {
			fsys, name := reload.At(f.Path)
			if w.file, err = reload.New(fsys, name, parseSecret, s.reloadFailed(f.Name)); err != nil {
				return errors.New(f.Name + " cannot be read")
			}
		}
		s.secrets = append(s.secrets, w)
	}
	return nil
}

func parseSecret(files []reload.File) (string, error) {
	if len(files) != 1 {
		return "", errors.New("a secret must be in one file")
	}
	text := strings.TrimSpace(string(files[0].Text))
	switch {
	case text == "":
		return "", errors.New("the file is empty")
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", errors.New("the file has more than one line of text")
	}
	return text, nil
}

// generation is that of the credentials as their files have them.
func (s *Server) generation() *generation {
	g := s.live.Load()
	if s.current(g) {
		return g
	}
	return s.renew()
}

func (s *Server) current(g *generation) bool {
	for i := range s.secrets {
		if s.secrets[i].now() != g.secrets[i] {
			return false
		}
	}
	return true
}

// renew begins a generation. Requests under way end in theirs.
func (s *Server) renew() *generation {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	old := s.live.Load()
	if s.current(old) {
		return old
	}
	values := make([]string, len(s.secrets))
	for i := range s.secrets {
		if values[i] = s.secrets[i].now(); values[i] != old.secrets[i] {
			s.log.Info("a changed secret is in use", "setting", s.secrets[i].Name)
		}
	}
	next, err := s.generate(s.cfg.WithSecrets(values))
	if err != nil {
		s.log.Error("a changed secret cannot be used", "cause", err.Error())
		return old
	}
	s.live.Store(next)
	old.graphql.Close()
	return next
}

// Purge forgets an object.
func (s *Server) Purge(ctx context.Context, kind, id string) error {
	return s.generation().root.Purge(ctx, kind, id)
}
