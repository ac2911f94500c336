package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/resolvers"
)

// generation is the program under one set of credentials. Another credential may see other data, so whatever is kept
// under a digest of it is read by its own generation alone; budgets, circuits and connections outlive generations, for
// the backend is the same.
type generation struct {
	// secrets are the credentials that came from files, in the order of their files.
	secrets []string
	root    *resolvers.Resolver
	gateway gateway.Options
	graphql *gateway.Gateway
	plan    http.Handler
	// webhooks are the endpoints, by path.
	webhooks http.Handler
	// purgeToken is the credential for CDN_PURGE_URL.
	purgeToken string
}

// watchedSecret is one that is read again when its file changes.
type watchedSecret struct {
	config.SecretFile
	file *reload.Value[string]
}

// now is the credential as the file has it. A file that is not regular, such as a pipe, can be read only once.
func (w *watchedSecret) now() string {
	if w.file == nil {
		return w.Value
	}
	return w.file.Get()
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

// credentials are those of the backends, as their files have them, with the generation that runs under them.
type credentials struct {
	cfg      *config.Config
	log      *slog.Logger
	secrets  []watchedSecret
	generate func(*config.Config) (*generation, error)

	live     atomic.Pointer[generation]
	renewing sync.Mutex
}

func newCredentials(cfg *config.Config, log *slog.Logger,
	generate func(*config.Config) (*generation, error)) (*credentials, error) {
	c := &credentials{cfg: cfg, log: log, generate: generate}
	for _, f := range cfg.SecretFiles {
		w := watchedSecret{SecretFile: f}
		if info, err := os.Stat(f.Path); err == nil && info.Mode().IsRegular() {
			fsys, name := reload.At(f.Path)
			if w.file, err = reload.New(fsys, name, parseSecret, reloadFailed(log, f.Name)); err != nil {
				return nil, fmt.Errorf("%s is %q: %w", f.Name, f.Path, reload.Cause(err))
			}
		}
		c.secrets = append(c.secrets, w)
	}
	first, err := generate(cfg)
	if err == nil {
		c.live.Store(first)
	}
	return c, err
}

// generation is that of the credentials as their files have them.
func (c *credentials) generation() *generation {
	g := c.live.Load()
	if c.current(g) {
		return g
	}
	return c.renew()
}

func (c *credentials) current(g *generation) bool {
	for i := range c.secrets {
		if c.secrets[i].now() != g.secrets[i] {
			return false
		}
	}
	return true
}

// renew begins a generation. Requests under way end in theirs.
func (c *credentials) renew() *generation {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	old := c.live.Load()
	if c.current(old) {
		return old
	}
	values := make([]string, len(c.secrets))
	for i := range c.secrets {
		if values[i] = c.secrets[i].now(); values[i] != old.secrets[i] {
			c.log.Info("a changed secret is in use", "setting", c.secrets[i].Name)
		}
	}
	next, err := c.generate(c.cfg.WithSecrets(values))
	if err != nil {
		c.log.Error("a changed secret is invalid", "cause", err.Error())
		return old
	}
	c.live.Store(next)
	old.graphql.Close()
	return next
}
