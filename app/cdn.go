package app

import (
	"cmp"

	"github.com/learngraph/learngraph/cdn"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/resolvers"
)

// edgeOptions returns the options of answers for shared caches; nil where they have no tags.
func (s *Server) edgeOptions(cfg *config.Config, root *resolvers.Resolver) *cachecontrol.Edge {
	if cfg.CDN.TagHeader == "" {
		return nil
	}
	tags := cdn.Tags{Header: cdn.Header(cfg.CDN.TagHeader), Whole: root.Catalogue()}
	return &cachecontrol.Edge{TagHeader: tags.Header.Name(), Tags: tags.Value, Cache: s.Cache,
		BrowserTTL: cfg.CDN.BrowserTTL}
}

// purgeEdge has this replica's drops purged from the caches in front too, where there is a URL for that.
func (s *Server) purgeEdge() {
	if s.cfg.CDN.PurgeURL == "" {
		return
	}
	s.purger = cdn.New(cdn.Options{URL: s.cfg.CDN.PurgeURL,
		Header: cdn.Header(cmp.Or(s.cfg.CDN.TagHeader, cdn.SurrogateKey)), Log: s.log, Token: func() string {
			return s.credentials.generation().purgeToken
		}})
	s.Cache.Watch(s.purger.Dropped)
}
