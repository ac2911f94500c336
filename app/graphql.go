package app

import (
	"context"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/gateway/responses"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// generate returns the components that depend on credentials.
func (s *Server) generate(cfg *config.Config) (*generation, error) {
	o := resolvers.Options{AllowDeletes: cfg.AllowDeletes,
		Options: datasource.Options{Link: cfg.Link, Cache: s.Cache,
			Scopes: cfg.Scopes(), Batch: telemetry.ObserveBatches(s.metrics, s.traces), Within: s.traces.Within()}}
	for _, b := range s.backends {
		switch b.Backend() {
		case upstream.ThoughtIndustries:
			rest := b.WithAuthorizer(upstream.Header("Authorization", "Bearer "+cfg.ThoughtIndustriesKey))
			o.ThoughtIndustries = thoughtindustries.New(rest,
				thoughtindustries.Shapes{Client: model.Shapes.Client, Aggregation: model.Shapes.Aggregation})
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
	if cfg.Federation {
		o.Subgraph = newSubgraph()
	}
	root := resolvers.New(o)
	options := s.gatewayOptions(cfg, root)
	gw := gateway.New(options)
	g := &generation{root: root, gateway: options, graphql: gw, plan: gw.PlanHandler(), webhooks: s.endpoints(cfg, root),
		purgeToken: cfg.CDN.PurgeToken}
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

// gatewayOptions returns the gateway's options from the settings.
func (s *Server) gatewayOptions(cfg *config.Config, root *resolvers.Resolver) gateway.Options {
	e := graph.NewEngine(graph.Config{Resolvers: root, Schema: servedSchema(cfg.Federation)})
	e.Watch, e.MaxPlans, e.Reserve = s.traces.Levels(), s.cfg.Cache.Memory/4, s.Cache.Reserve
	return gateway.Options{
		Schema:        e,
		Limits:        limits.Default(),
		Timeout:       cfg.OperationTimeout,
		Introspection: cfg.Introspection,
		Operation:     s.operation(root),
		Log:           s.log,
		Begin:         s.traces.Begin,
		Observe:       s.observe,
		Mismatch:      s.drift.Mismatch,
		BatchLimit:    cfg.BatchLimit,
		CompressAbove: representation.DefaultCompressAbove,
		Persisted:     documents.NewShared(s.Cache, cfg.Secret("documents")),
		Trusted:       s.callers.trusted,
		Cost:          s.costOptions(cfg),
		MaxCalls:      cfg.OperationCalls,
		Authenticate:  s.callers.authenticate,
		Digest:        s.callers.digest,
		Answers:       responses.NewSpace(s.Cache, cfg.Secret("answers")),
		Memory:        s.cfg.Cache.Memory,
		Reserve:       s.Cache.Reserve,
		Inflight:      s.Inflight,
		Draining:      s.ending,
		Closing:       s.closing,
		Subscriptions: s.subscriptions(cfg),
		Explain:       cfg.Explain,
		PublicCatalog: cfg.PublicCatalog,
		Edge:          s.edgeOptions(cfg, root),
	}
}

// subscriptions are the bounds of a generation's subscriptions. Without any the gateway has no room for one.
func (s *Server) subscriptions(cfg *config.Config) live.Options {
	if cfg.Subscriptions.Total == 0 {
		return live.Options{}
	}
	return live.Options{Cache: s.Cache, PerCaller: cfg.Subscriptions.PerCaller, Total: cfg.Subscriptions.Total,
		Timeout: cfg.OperationTimeout, Reserve: s.Cache.Reserve, Lag: s.metrics.SubscriptionLag}
}

// operation prepares the context of each operation that these resolvers answer.
func (s *Server) operation(root *resolvers.Resolver) func(context.Context) context.Context {
	return func(ctx context.Context) context.Context {
		caller := auth.FromContext(ctx).Name
		return root.WithOperation(upstream.WithOperation(ctx, caller, s.cfg.OperationCalls, s.cfg.OperationBytes))
	}
}

func (s *Server) costOptions(cfg *config.Config) cost.Options {
	if cfg.CostMode == "off" {
		return cost.Options{}
	}
	o := cost.Options{Max: int64(cfg.MaxCost), Measure: cfg.CostMode == "measure"}
	if cfg.Points > 0 {
		o.Bucket = cache.NewBucket(s.Cache, cfg.Secret("points"), "points")
		o.Points, o.Restore = cfg.Points, float64(cfg.PointsRestore)
	}
	return o
}
